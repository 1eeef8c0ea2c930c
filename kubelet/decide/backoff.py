"""How long an ended container waits for its next start. PURE."""

from dataclasses import dataclass, field

from kubelet.labels import BACKOFF_STEP
from kubelet.runtime.records import ContainerState
from vaina.backoff import Backoff


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How ended containers are restarted. Upstream's numbers; tests take shorter ones."""

    backoff: Backoff = field(default_factory=lambda: Backoff(base_seconds=10.0, cap_seconds=300.0))
    #: a container that ran this long starts with a clean record when it ends
    reset_seconds: float = 600.0


def backoff_step(ended: ContainerState, policy: RestartPolicy) -> int:
    """Return how many restarts in a row have led to this end: 0 for the first, and after a long good run."""
    if ended.started_at and ended.finished_at - ended.started_at >= policy.reset_seconds:
        return 0
    step = ended.annotations.get(BACKOFF_STEP, "0")
    return int(step) if step.isdecimal() else 0


def backoff_delay(ended: ContainerState, policy: RestartPolicy) -> float:
    """Return the seconds between an end and the next start.

    The first restart is immediate, then 10 s, 20 s, ... 5 min.
    """
    step = backoff_step(ended, policy)
    return policy.backoff.delay(step - 1) if step else 0.0
