"""PURE: bindings that break a rule in the order in which they were written, and perhaps not in the order of
the decisions.

A scheduler has several calls of bindings under way, and one may overtake another. Of two Pods that are spread
over zones the one that was decided second may so be written first: for a moment the zones are more apart than
they may be, and no decision was wrong (kube-scheduler writes each binding in a goroutine of its own,
schedule_one.go). So such a binding is looked at again after each later binding that concerns it, as long as
decisions may be on their way (`Doubt.in_flight`), and as if no Pod had gone or changed since. Where the rule
holds then, another order explains it; otherwise it is told. What no order explains (two Pods that keep apart
on one node) is always told.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from bench.judge.reference.world import Placed
from vaina.api.core.v1 import pod_pb2

#: bindings that are looked at again; more are told at once
MOST: Final = 100

#: Pods that went or changed since, of one binding; with more it is told
MOST_CHANGES: Final = 1_000

#: says why a node will not do for a Pod, as if it were not there yet and some others (by uid) were as they
#: were; None: it will
Ask = Callable[[pod_pb2.Pod, str, Mapping[str, Placed]], str | None]


@dataclass(frozen=True, slots=True)
class _Suspect:
    pod: pod_pb2.Pod
    node: str
    words: str
    #: whether another Pod has to do with it
    matters: Callable[[Placed], bool]
    #: the number of the last binding that may have been decided before
    until: int
    #: uid -> who has gone or changed since, as it was first
    before: dict[str, Placed] = field(default_factory=dict)


class Overtaken:
    """The bindings in question. Owned by a history."""

    def __init__(self, in_flight: int, ask: Ask, tell: Callable[[str], None]) -> None:
        """Make it.

        Args:
            in_flight: decisions that may be on their way; 0: bindings are written in their order.
            ask: why a node will not do for a Pod, as things are.
            tell: takes the words of a binding that no other order explains.
        """
        self._in_flight, self._ask, self._tell = in_flight, ask, tell
        self._suspects: dict[str, _Suspect] = {}
        #: how many another order explains
        self.explained = 0

    def suspect(
        self, pod: pod_pb2.Pod, node: str, words: str, matters: Callable[[Placed], bool], binding: int
    ) -> None:
        """A binding breaks a rule: the `binding`th, of a Pod to a node.

        `words` are told unless it is explained.
        """
        if not self._in_flight or len(self._suspects) >= MOST:
            self._tell(words)
            return
        until = binding + self._in_flight
        self._suspects[pod.metadata.uid] = _Suspect(pod, node, words, matters, until)

    def bound(self, placed: Placed, binding: int) -> None:
        """Another Pod was bound; it is there already."""
        for uid, suspect in [*self._suspects.items()]:
            if binding > suspect.until:
                self.gone(uid)
            elif suspect.matters(placed) and self._ask(suspect.pod, suspect.node, suspect.before) is None:
                del self._suspects[uid]
                self.explained += 1

    def changed(self, placed: Placed) -> None:
        """A Pod has changed or gone; `placed` is how it was."""
        for uid, suspect in [*self._suspects.items()]:
            if uid != placed.uid and suspect.matters(placed):
                suspect.before.setdefault(placed.uid, placed)
                if len(suspect.before) > MOST_CHANGES:
                    self.gone(uid)

    def gone(self, uid: str) -> None:
        """A Pod has gone, or no more bindings are to come: what was not explained is told."""
        suspect = self._suspects.pop(uid, None)
        if suspect is not None:
            self._tell(suspect.words)

    def end(self) -> None:
        """Nothing more is bound."""
        for uid in [*self._suspects]:
            self.gone(uid)
