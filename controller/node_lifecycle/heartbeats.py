"""PURE: when each node was last heard of, by this controller's own clock.

A sign of life is a change of the node's Lease, or of the heartbeat in its Ready condition; what the clocks of
nodes say does not matter. A controller that has just started gives every node the full time; but the time of
one that never reported began when it was made (upstream's `tryUpdateNodeHealth` in
`pkg/controller/nodelifecycle/node_lifecycle_controller.go`).
"""

from dataclasses import dataclass

from controller.node_lifecycle.reconcile import Life


@dataclass(slots=True)
class Heartbeat:
    """What is known of one node."""

    #: monotonic seconds of the last sign
    heard: float
    #: the values that must change
    lease: tuple[int, int] = (0, 0)
    status: int = 0
    #: whether a Ready condition has been reported at all
    reported: bool = False


class Heartbeats:
    """By node. Owned by the node life-cycle controller."""

    def __init__(self, *, grace_seconds: float, startup_grace_seconds: float) -> None:
        self._grace, self._startup_grace = grace_seconds, startup_grace_seconds
        self._by_node: dict[str, Heartbeat] = {}

    def on_node(self, name: str, *, heartbeat: int | None, now: float, age: float = 0.0) -> None:
        """Take note of a node's status.

        `heartbeat` is of its Ready condition, seconds since the epoch, None when it has never been reported;
        `now` is monotonic seconds, `age` the seconds since the node was made.
        """
        heard = now - max(age, 0.0) if heartbeat is None else now
        known = self._by_node.setdefault(name, Heartbeat(heard=heard))
        if heartbeat is not None:
            if heartbeat != known.status or not known.reported:
                known.heard = now
            known.status, known.reported = heartbeat, True

    def on_lease(self, name: str, renewed: tuple[int, int], *, now: float) -> None:
        """Take note of the renewal of a node's Lease, in seconds and nanoseconds.

        A Lease without a node is left out: one that outlives its node would make the next of that name look
        old.
        """
        known = self._by_node.get(name)
        if known is not None and renewed != known.lease:
            known.lease, known.heard = renewed, now

    def forget(self, name: str) -> None:
        self._by_node.pop(name, None)

    def life(self, name: str, now: float) -> Life:
        known = self._by_node.get(name)
        if known is None:
            return Life.HEARD
        if known.reported:
            return Life.SILENT if now - known.heard > self._grace else Life.HEARD
        return Life.NEVER_HEARD if now - known.heard > self._startup_grace else Life.HEARD
