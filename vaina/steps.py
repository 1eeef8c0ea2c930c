"""The seven steps of a Pod's creation, named once: every log line, event, metric label and trace of a step uses these.

They are the steps of the document "Qué pasa realmente cuando creas un Pod"; ARCHITECTURE.md says where each lives.
"""

from enum import StrEnum


class PodStep(StrEnum):
    """One step, in the order in which they happen."""

    ADMITTED = "ADMITTED"
    SCHEDULED = "SCHEDULED"
    OBSERVED = "OBSERVED"
    SANDBOXED = "SANDBOXED"
    MOUNTED = "MOUNTED"
    STARTED = "STARTED"
    REPORTED = "REPORTED"

    @property
    def number(self) -> int:
        """The step's place, 1 to 7."""
        return tuple(PodStep).index(self) + 1

    @property
    def words(self) -> str:
        """What happens in the step, in a few words."""
        return _WORDS[self]


_WORDS = {
    PodStep.ADMITTED: "applied, validated, stored in etcd",
    PodStep.SCHEDULED: "a node was chosen and bound",
    PodStep.OBSERVED: "the node's kubelet saw it",
    PodStep.SANDBOXED: "network namespace made, IP given",
    PodStep.MOUNTED: "volumes mounted",
    PodStep.STARTED: "init containers done, containers started",
    PodStep.REPORTED: "status reported",
}
