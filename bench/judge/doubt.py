"""PURE: what a scheduler may not have seen when it decided, and what it may have decided that is not bound yet.

A binding is seen when it is bound. It was decided before: `in_flight` decisions may have been on their way
then, those of bindings that come later among them, and of bindings that came before some may have been
decided later. What others changed lately (`lag`) may not have been seen. Nodes that none of this concerns are
as they were for the scheduler, whatever it had seen.
"""

from collections import Counter, deque
from dataclasses import dataclass

from bench.judge.reference.world import Placed


@dataclass(frozen=True)
class Doubt:
    """How far what is seen and what the scheduler saw may be apart."""

    #: decisions that may be on their way
    in_flight: int = 1008
    #: changes by others
    lag: int = 300
    #: whether the scheduler looks at all nodes; one that looks at some (percentageOfNodesToScore) need not
    #: find the best
    all_nodes: bool = True

    @property
    def is_none(self) -> bool:
        """Whether bindings are seen in the order of the decisions, and each decision has seen all before it."""
        return not self.in_flight and not self.lag


class Recent:
    """What happened lately, by node."""

    def __init__(self, doubt: Doubt) -> None:
        self._own: deque[Placed] = deque(maxlen=doubt.in_flight)
        self._others: deque[tuple[str, Placed | None]] = deque(maxlen=doubt.lag)
        self._touched: Counter[str] = Counter()
        #: among the changes of others: those of nodes, and Pods that have something to say about who comes
        #: near them
        self.node_changes = 0
        self.minding = 0

    def touched(self, node: str) -> bool:
        """Say whether the node may have been otherwise for the scheduler."""
        return self._touched[node] > 0

    def bound(self, placed: Placed) -> None:
        """A Pod was bound."""
        if not self._own.maxlen:
            return
        if len(self._own) == self._own.maxlen:
            self._untouch(self._own[0].node)
        self._own.append(placed)
        self._touched[placed.node] += 1

    def changed(self, node: str, placed: Placed | None = None) -> None:
        """Somebody changed a node (None), or what was on it: a Pod went from there, or became another."""
        if not self._others.maxlen:
            return
        if len(self._others) == self._others.maxlen:
            gone, pod = self._others[0]
            self._untouch(gone)
            self.node_changes -= pod is None
            self.minding -= minds(pod)
        self._others.append((node, placed))
        self._touched[node] += 1
        self.node_changes += placed is None
        self.minding += minds(placed)

    def perhaps_not_there(self, node: str) -> list[Placed]:
        """Return Pods that were bound to a node and may have been decided later."""
        return [placed for placed in self._own if placed.node == node]

    def perhaps_still_there(self, node: str) -> list[Placed]:
        """Return Pods that went from a node, or changed, and may have been there still, as they were."""
        return [placed for name, placed in self._others if name == node and placed is not None]

    def _untouch(self, node: str) -> None:
        self._touched[node] -= 1
        if not self._touched[node]:
            del self._touched[node]


def minds(placed: Placed | None) -> bool:
    """Say whether a Pod has something to say about who comes near it, or whom it comes near."""
    return placed is not None and bool(placed.apart or placed.together or placed.preferred)
