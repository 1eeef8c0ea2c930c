"""PURE: how long a node waits for a new Pod after one has ended there: 1 s, doubling to 15 min.

A DaemonSet that was changed begins anew. Follows upstream's failedPodsBackoff and its key
(`failedPodsBackoffKey` in `pkg/controller/daemon/daemon_controller.go`).
"""

from dataclasses import dataclass
from typing import Final

from vaina.backoff import Backoff

_BACKOFF: Final = Backoff(base_seconds=1.0, cap_seconds=900.0)
#: seconds after which a node's count of ended Pods begins again
_FORGET_SECONDS: Final = 1800.0
#: nodes that are remembered, of all DaemonSets; the oldest is forgotten first
MAX_NODES: Final = 20_000


@dataclass(slots=True)
class _Ends:
    count: int
    last: float


class EndedPods:
    """By DaemonSet, its generation and node. Owned by the controller; times are monotonic seconds."""

    def __init__(self) -> None:
        self._ends: dict[tuple[str, int, str], _Ends] = {}

    def note(self, uid: str, generation: int, node: str, now: float) -> None:
        """Note a Pod that has ended, and was deleted."""
        known = self._ends.pop((uid, generation, node), None)
        count = known.count + 1 if known is not None and now - known.last < _FORGET_SECONDS else 1
        self._ends[uid, generation, node] = _Ends(count, now)
        if len(self._ends) > MAX_NODES:
            del self._ends[next(iter(self._ends))]

    def wait(self, uid: str, generation: int, node: str, now: float) -> float:
        """Return the seconds until the next one may be deleted; 0: now."""
        known = self._ends.get((uid, generation, node))
        if known is None or now - known.last >= _FORGET_SECONDS:
            return 0.0
        return max(0.0, known.last + _BACKOFF.delay(known.count - 1) - now)
