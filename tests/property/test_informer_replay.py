"""An informer, whatever happens to its watch, ends with what the server has, and its handlers can rebuild the
same.

The server is a model: a history of versions, of which it forgets a part (Expired), with streams that break
anywhere.
"""

from collections import Counter

from hypothesis import example, given
from hypothesis import strategies as st

from vaina.cache.list_watch import (
    ADDED,
    BOOKMARK,
    DELETED,
    INITIAL_EVENTS_END,
    MODIFIED,
    Apply,
    ListWatch,
    Replace,
)
from vaina.cache.store import Store
from vaina.testing.builders import make_pod

NAMES = "abcd"


class Server:
    """All changes there were, numbered; `state` is what they amount to."""

    def __init__(self):
        self.version = 0
        self.state = {}
        self.log = []
        self.oldest = 0
        #: of every change there was, also of those that are forgotten
        self.versions = Counter()

    def write(self, name, delete, *, shares_version=False):
        """Change an object; in one transaction with the change before it, as others make them, at its
        version.
        """
        self.version += not shares_version
        old = self.state.get(name)
        if delete:
            if old is None:
                return
            gone = make_pod(name, uid=old.metadata.uid, resource_version=str(self.version))
            self._note(DELETED, gone)
            del self.state[name]
            return
        uid = old.metadata.uid if old else f"{name}-{self.version}"
        pod = make_pod(name, uid=uid, resource_version=str(self.version))
        self.state[name] = pod
        self._note(MODIFIED if old else ADDED, pod)

    def _note(self, kind, pod):
        self.log.append((self.version, kind, pod))
        self.versions[self.version] += 1

    def listed(self):
        mark = make_pod("", resource_version=str(self.version), annotations={INITIAL_EVENTS_END: "true"})
        return [*((ADDED, pod) for pod in self.state.values()), (BOOKMARK, mark)]

    def since(self, version):
        """None: expired, or several changes share the version."""
        if version < self.oldest or self.versions[version] > 1:
            return None
        return [(kind, pod) for at, kind, pod in self.log if at > version]


STEP = st.one_of(
    st.tuples(st.just("write"), st.sampled_from(NAMES), st.booleans()),
    st.tuples(st.just("transaction"), st.permutations(NAMES), st.booleans()),
    st.tuples(st.just("read"), st.integers(0, 6), st.integers(1, 3)),
    st.tuples(st.just("forget"), st.just(0), st.just(0)),
    st.tuples(st.just("repeat"), st.integers(0, 3), st.just(0)),
)


@given(st.lists(STEP, max_size=60))
# Cut within a transaction that is then forgotten: its version still does not say what was seen.
@example([("read", 0, 1), ("transaction", list(NAMES), False), ("read", 1, 1), ("forget", 0, 0)])
def test_the_store_is_what_the_server_has_and_handlers_can_replay_it(steps):
    server, machine, store = Server(), ListWatch(), Store({"uid": lambda pod: [pod.metadata.uid]})
    seen: dict[str, object] = {}
    newest = 0

    def feed(events, version):
        nonlocal newest
        for what in machine.on_batch(events, version):
            changes = store.replace(what) if isinstance(what, Replace) else store.apply(what)
            for old, new in changes:
                if new is None:
                    assert seen.pop(old.metadata.name).metadata.uid == old.metadata.uid
                elif old is None:
                    assert new.metadata.name not in seen
                    seen[new.metadata.name] = new
                else:
                    assert seen[new.metadata.name] is old
                    assert int(new.metadata.resource_version) > int(old.metadata.resource_version)
                    seen[new.metadata.name] = new
        assert machine.version >= newest, "back in time"
        newest = machine.version

    def read(cut, size):
        """Open the watch that the machine asks for, and lose it after `cut` events."""
        call = machine.next_call()
        events = server.listed() if call.send_initial_events else server.since(int(call.resource_version))
        if events is None:
            machine.on_expired()
            return
        whole = events[:cut] if cut else events
        for start in range(0, len(whole), size):
            chunk = whole[start : start + size]
            feed(chunk, chunk[-1][1].metadata.resource_version if not call.send_initial_events else "")

    for what, a, b in steps:
        match what:
            case "write":
                server.write(a, b)
            case "transaction":
                for place, name in enumerate(a[:3]):
                    server.write(name, b, shares_version=place > 0)
            case "read":
                read(a, b)
            case "forget":
                server.oldest = server.version
                server.log = []
            case "repeat":
                # A server that sends again what was seen before a stream changes nothing.
                machine.next_call()
                old = [(kind, pod) for at, kind, pod in server.log if at <= machine.version][-a:] if a else []
                if machine.state.value == "synced" and old:
                    assert machine.on_batch(old, "") == []
    read(0, 2)
    read(0, 2)
    if machine.state.value != "synced" or machine.version < server.version:
        read(0, 2)
    assert {name: pod.metadata.resource_version for name, pod in server.state.items()} == {
        pod.metadata.name: pod.metadata.resource_version for pod in store.objects.values()
    }
    assert {pod.metadata.uid for pod in seen.values()} == {pod.metadata.uid for pod in server.state.values()}
    for pod in server.state.values():
        assert [found.metadata.name for found in store.by_index("uid", pod.metadata.uid)] == [
            pod.metadata.name
        ]
    assert all(isinstance(what, Apply | Replace) for what in machine.on_batch([], ""))
