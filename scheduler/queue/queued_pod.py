"""A Pod that waits for a node, and what is remembered of its attempts."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from scheduler.columns.pod_info import PodInfo

#: the same reason is told again after this time. As many retries as come in it cost no Event: ten thousand
#: Pods that are tried every ten seconds would be a thousand writes a second
TOLD_AGAIN_SECONDS: Final = 300.0


class Place(StrEnum):
    """Where a Pod is. The first four are the labels of scheduler_pending_pods."""

    ACTIVE = "active"
    BACKOFF = "backoff"
    UNSCHEDULABLE = "unschedulable"
    GATED = "gated"
    #: popped: its cycle or its binding is under way
    IN_FLIGHT = "in_flight"


@dataclass(slots=True, eq=False)
class QueuedPod:
    """One Pod. Times are monotonic seconds.

    Owned by the queue; the scheduler may read it while it is in flight.
    """

    info: PodInfo
    #: when it came to the queue for the first time
    added: float
    #: when it came to the queue this time: among equals of one priority the earlier goes first
    since: float
    place: Place = Place.ACTIVE
    attempts: int = 0
    #: when it was popped for the first time
    first_attempt: float | None = None
    #: the plugins that refused it last time
    rejected_by: frozenset[str] = field(default=frozenset())
    #: the plugin that keeps it out of the queue, of a gated Pod
    gated_by: str = ""
    #: when it was parked or sent to back-off last time: where the back-off is counted from
    failed_at: float = 0.0
    #: what the last Event said of why it fits nowhere, and when
    told: str = ""
    told_at: float = 0.0

    def tell(self, message: str, *, now: float) -> bool:
        """Say whether an Event is due: the same sentence is told again after five minutes, another at once."""
        if message == self.told and now - self.told_at < TOLD_AGAIN_SECONDS:
            return False
        self.told, self.told_at = message, now
        return True
