"""The queue against a model: every key that was added is worked on after its last addition, and by one worker
at a time.
"""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from vaina.workqueue import WorkQueue

KEYS = st.sampled_from("abcde")


class Machine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.queue = WorkQueue()
        #: keys that must still be worked on, since an addition after their last start
        self.owed: set[str] = set()
        self.working: set[str] = set()

    @rule(key=KEYS)
    def add(self, key):
        assert self.queue.add(key) == (key not in self.owed)
        self.owed.add(key)

    @rule()
    def pop(self):
        key = self.queue.pop()
        if key is None:
            assert self.owed <= self.working
        else:
            assert key in self.owed
            assert key not in self.working
            self.owed.discard(key)
            self.working.add(key)

    @rule(key=KEYS)
    def done(self, key):
        if key in self.working:
            self.working.discard(key)
            assert self.queue.done(key) == (key in self.owed)

    @invariant()
    def counts(self):
        assert len(self.queue) == len(self.owed - self.working)
        assert self.queue.in_flight == len(self.working)


TestWorkQueue = Machine.TestCase
