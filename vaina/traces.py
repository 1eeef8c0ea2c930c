"""A trace as rows: what each of the seven steps of a Pod did, and what it waited for. PURE.

Waits are named that took more than 50 ms: between the steps, and while they were under way. A component that
knows what a step waits for has reported it (an image, a volume, a back-off). The rest of a gap is named after
the component that had to act next: none reports that nothing has reached it yet.

`vaina trace` writes them as a table, the page draws them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from vaina.api.core.v1 import pod_pb2
from vaina.api.trace.v1 import trace_pb2
from vaina.clock import seconds_of
from vaina.objects.conditions import get_condition
from vaina.steps import SHORT_SECONDS, PodStep
from vaina.texts import say

_NEXT: Final = {
    PodStep.ADMITTED: say("for the apiserver to have it"),
    PodStep.SCHEDULED: say("for the scheduler to hear of it"),
    PodStep.OBSERVED: say("for its node's kubelet to hear of it"),
    PodStep.SANDBOXED: say("for the kubelet to look at it and at what its volumes need"),
    PodStep.MOUNTED: say("for the kubelet to turn to its volumes"),
    PodStep.STARTED: say("for its images to be looked for, or tried again"),
    PodStep.REPORTED: say("for the runtime to tell of it, hooks, and the write of its status"),
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
        found.append(Gap(say("for {message}", message=record.message), who, first, last))
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


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step, done or not."""

    step: PodStep
    done: bool
    what: str
    #: what its component says of it, for where there is no room for more
    message: str = ""
    component: str = ""
    instance: str = ""
    #: seconds since the epoch
    start: float = 0.0
    end: float = 0.0

    @property
    def who(self) -> str:
        return f"{self.component} {self.instance}".rstrip()


def _says_more(step: PodStep, message: str) -> bool:
    """Say whether a message has words that the step's own do not have."""
    known = set(step.words.replace(",", "").split()) | {"and"}
    return not set(message.replace(",", "").split()) <= known


def step_rows(trace: trace_pb2.PodTrace) -> list[StepRow]:
    """Return the seven rows of a trace, done or not, in the order of the steps."""
    records = {record.step: record for record in trace.status.steps}
    rows: list[StepRow] = []
    for step in PodStep:
        record = records.get(step.value)
        if record is None:
            rows.append(StepRow(step, done=False, what=step.words))
            continue
        end = seconds_of(record.end_time if record.end_time.seconds else record.start_time)
        start = seconds_of(record.start_time) if record.start_time.seconds else end
        message = record.message
        what = (
            say("{step}: {message}", step=step.words, message=message)
            if _says_more(step, message)
            else step.words
        )
        rows.append(
            StepRow(step, True, what, message, record.component, record.instance, start, max(start, end))
        )
    return rows


def first_start(trace: trace_pb2.PodTrace) -> float:
    """Return when the first of the steps began; 0 when none has."""
    return min((row.start for row in step_rows(trace) if row.done), default=0.0)


def is_complete(trace: trace_pb2.PodTrace) -> bool:
    """Say whether all seven steps have happened."""
    return all(row.done for row in step_rows(trace))


def waiting_for(pod: pod_pb2.Pod | None) -> str:
    """Say in the system's own words what a Pod waits for; empty when it does not say."""
    if pod is None:
        return ""
    scheduled = get_condition(pod.status, "PodScheduled")
    if scheduled is not None and scheduled.status == "False":
        return f"{scheduled.reason}: {scheduled.message}"
    for container in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        waiting = container.state.waiting
        if container.state.HasField("waiting") and waiting.reason not in (
            "",
            "PodInitializing",
            "ContainerCreating",
        ):
            detail = f": {waiting.message}" if waiting.message else ""
            return say("container {name}: {reason}", name=container.name, reason=f"{waiting.reason}{detail}")
    return ""


def step_gaps(trace: trace_pb2.PodTrace, rows: Sequence[StepRow]) -> dict[PodStep, list[Gap]]:
    """Return the waits before each step that lie between it and those before it."""
    found: dict[PodStep, list[Gap]] = {}
    reached = 0.0
    for row in rows:
        found[row.step] = gaps_before(trace, row.step, reached, row.start) if row.done and reached else []
        if row.done:
            reached = max(reached, row.end)
    return found


def waits_of(trace: trace_pb2.PodTrace, row: StepRow) -> list[Gap]:
    """Return what a step waited for while it was under way."""
    return waits_within(trace, row.step, row.start, row.end) if row.done else []


def busy_seconds(rows: Sequence[StepRow]) -> float:
    """Return the seconds in which at least one step was under way."""
    busy, reached = 0.0, 0.0
    for start, end in sorted((row.start, row.end) for row in rows):
        begin = max(start, reached)
        if end > begin:
            busy += end - begin
            reached = end
    return busy
