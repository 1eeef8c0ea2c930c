"""What the steps of a Pod waited for, each more than 50 ms: between them, and while they were under way. PURE.

A component that knows what a step waits for has reported it (an image, a volume, a back-off). The rest of a gap
is named after the component that had to act next: none reports that nothing has reached it yet.
"""

from dataclasses import dataclass
from typing import Final

from vaina.api.trace.v1 import trace_pb2
from vaina.clock import seconds_of
from vaina.steps import SHORT_SECONDS, PodStep

_NEXT: Final = {
    PodStep.ADMITTED: "for the apiserver to have it",
    PodStep.SCHEDULED: "for the scheduler to hear of it",
    PodStep.OBSERVED: "for its node's kubelet to hear of it",
    PodStep.SANDBOXED: "for the kubelet to look at it and at what its volumes need",
    PodStep.MOUNTED: "for the kubelet to turn to its volumes",
    PodStep.STARTED: "for its images to be looked for, or tried again",
    PodStep.REPORTED: "for the runtime to tell of it, hooks, and the write of its status",
}


@dataclass(frozen=True, slots=True)
class Gap:
    """A wait before a step; times are seconds since the epoch."""

    words: str
    #: who has said so; "" where the gap itself does
    who: str
    start: float
    end: float


def gaps_before(trace: trace_pb2.PodTrace, step: PodStep, begin: float, end: float) -> list[Gap]:
    """Return the waits between the end of what was before a step and its begin: all is named but 50 ms."""
    found: list[Gap] = []
    reached = begin
    for gap in waits_within(trace, step, begin, end):
        if gap.start - reached > SHORT_SECONDS:
            found.append(Gap(_NEXT[step], "", reached, gap.start))
        found.append(gap)
        reached = gap.end
    if end - reached > SHORT_SECONDS:
        found.append(Gap(_NEXT[step], "", reached, end))
    return found


def waits_within(trace: trace_pb2.PodTrace, step: PodStep, begin: float, end: float) -> list[Gap]:
    """Return what a step waited for between two times, as far as somebody has said so: one after the other."""
    found: list[Gap] = []
    reached = begin
    for start, until, record in sorted(_waits(trace, step, end), key=lambda wait: wait[:2]):
        first, last = max(start, reached), min(until, end)
        if last - first <= SHORT_SECONDS:
            continue
        who = f"{record.component} {record.instance}".rstrip()
        found.append(Gap(f"for {record.message}", who, first, last))
        reached = last
    return found


def lasting(trace: trace_pb2.PodTrace) -> str:
    """Say what is waited for now; empty when nobody has said."""
    done = {record.step for record in trace.status.steps}
    waits = (wait for wait in trace.status.waits if not wait.end_time.seconds and wait.step not in done)
    return next((wait.message for wait in waits), "")


def _waits(
    trace: trace_pb2.PodTrace, step: PodStep, end: float
) -> list[tuple[float, float, trace_pb2.StepRecord]]:
    return [
        (seconds_of(wait.start_time), seconds_of(wait.end_time) if wait.end_time.seconds else end, wait)
        for wait in trace.status.waits
        if wait.step == step.value
    ]
