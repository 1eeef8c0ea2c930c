"""The thresholds of a probe as a state machine, and when it is run again. PURE.

A result changes after so many equal outcomes in a row. Follows `pkg/kubelet/prober/worker.go`: until the
first result, liveness counts as success, readiness as failure, startup as unknown.
"""

from dataclasses import dataclass

from kubelet.decide.observation import ProbeKind, ProbeResult
from vaina.api.core.v1 import pod_pb2

_INITIAL = {
    ProbeKind.LIVENESS: ProbeResult.SUCCESS,
    ProbeKind.READINESS: ProbeResult.FAILURE,
    ProbeKind.STARTUP: ProbeResult.UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class ProbeState:
    """What one probe of one container has established."""

    result: ProbeResult
    #: the last outcome, and how many like it there were in a row
    last: bool | None = None
    in_a_row: int = 0


def initial(kind: ProbeKind) -> ProbeState:
    """Return the state before the first outcome."""
    return ProbeState(_INITIAL[kind])


def advance(state: ProbeState, succeeded: bool, probe: pod_pb2.Probe) -> ProbeState:
    """Return the state after one more outcome; thresholds that are not set are upstream's, 1 and 3."""
    in_a_row = state.in_a_row + 1 if state.last is succeeded else 1
    needed = (probe.success_threshold or 1) if succeeded else (probe.failure_threshold or 3)
    result = state.result
    if in_a_row >= needed:
        result = ProbeResult.SUCCESS if succeeded else ProbeResult.FAILURE
    return ProbeState(result, succeeded, in_a_row)


def next_run(last_due: float, period: float, now: float) -> float:
    """Return when a probe is due again; periods are counted from beginning to beginning.

    Of periods that passed while it ran one is made up for at once, as upstream's ticker does (`run` in
    `pkg/kubelet/prober/worker.go`): a container that hangs is found after as many as its threshold says.
    """
    due = last_due + period
    return due + max(0.0, now - due) // period * period
