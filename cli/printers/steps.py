"""What the steps of a Pod waited for, each more than 50 ms: between them, and while they were under way. PURE.

A component that knows what a step waits for has reported it (an image, a volume, a back-off). The rest of a gap
is named after the component that had to act next: none reports that nothing has reached it yet.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cli.printers.style import PLAIN, Paint
from cli.printers.table import one_line
from vaina.api.core.v1 import pod_pb2
from vaina.api.trace.v1 import trace_pb2
from vaina.clock import rfc3339, seconds_of
from vaina.objects.conditions import get_condition
from vaina.printers.cells import precise
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


_MIN_BAR: Final = 12
_MAX_BAR: Final = 44
_MIN_WHAT: Final = 24
_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
_COMPONENT_STYLES: Final = {"apiserver": "cyan", "scheduler": "magenta", "kubelet": "green"}


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step as it is shown."""

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
        message = one_line(record.message)
        what = f"{step.words}: {message}" if _says_more(step, message) else step.words
        rows.append(
            StepRow(step, True, what, message, record.component, record.instance, start, max(start, end))
        )
    return rows


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
            return f"container {container.name}: {waiting.reason}{detail}"
    return ""


def _bar(row: StepRow, begin: float, total: float, width: int) -> str:
    """Draw a step's place in the whole: `width` cells, drawn in eighths of a cell."""
    if total <= 0:
        return ""
    first = (row.start - begin) / total * width
    length = (row.end - row.start) / total * width
    cell = min(int(first), width - 1)
    eighths = max(1, round((first - cell + length) * 8) if length >= 1 / 8 else 1)
    full, rest = divmod(min(eighths, (width - cell) * 8), 8)
    return " " * cell + "█" * full + (_EIGHTHS[rest] if rest else "")


def _offset(row: StepRow, begin: float) -> str:
    return f"+{precise(row.start - begin)}"


def _head(
    trace: trace_pb2.PodTrace, pod: pod_pb2.Pod | None, rows: Sequence[StepRow], paint: Paint
) -> list[str]:
    meta = trace.metadata
    name = f"{meta.namespace}/{trace.spec.pod_name}" if meta.namespace else trace.spec.pod_name
    place: list[str] = []
    if rows and rows[0].done:
        start = rows[0].start
        place.append(f"applied {rfc3339(start)[:-1].replace('T', ' ')}.{int(start % 1 * 1000):03d} UTC")
    node = trace.status.node_name or (pod.spec.node_name if pod is not None else "")
    if node:
        place.append(f"on {node}")
    if pod is not None and pod.status.pod_ip:
        place.append(f"IP {pod.status.pod_ip}")
    if trace.status.HasField("pod_deleted_time"):
        gone = rfc3339(seconds_of(trace.status.pod_deleted_time))[:-1].replace("T", " ")
        place.append(f"gone since {gone} UTC")
    head = [f"Pod {paint('bold', name)}   {paint('dim', f'uid {trace.spec.pod_uid}')}"]
    return [*head, *([", ".join(place)] if place else []), ""]


@dataclass(frozen=True, slots=True)
class _Widths:
    step: int
    what: int
    who: int
    at: int
    took: int
    bar: int


#: where there is no table to be measured
_LINE_WIDTHS: Final = _Widths(step=9, what=56, who=26, at=9, took=8, bar=0)


def _measure(rows: Sequence[StepRow], begin: float, width: int) -> _Widths:
    done = [row for row in rows if row.done]
    who = max([len(row.who) for row in done] + [len("BY"), 18])
    at = max([len(_offset(row, begin)) for row in done] + [len("AT"), 8])
    took = max([len(precise(row.end - row.start)) for row in done] + [len("TOOK"), 7])
    step = max(len(row.step.value) for row in rows)
    # " 1  " + gaps of two between six columns
    rest = width - (4 + step + who + at + took + 10)
    what = max(len(row.what) for row in rows)
    bar = min(_MAX_BAR, rest - what)
    if bar < _MIN_BAR:
        bar = _MIN_BAR if rest - _MIN_BAR >= _MIN_WHAT else 0
        what = max(min(what, rest - bar), _MIN_WHAT)
    return _Widths(step, what, who, at, took, bar)


def _fit(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _row(row: StepRow, begin: float, total: float, widths: _Widths, paint: Paint) -> str:
    number = f" {row.step.number}  "
    name = f"{row.step.value:<{widths.step}}"
    shown = row.message if row.message and len(row.what) > widths.what else row.what
    what = f"{_fit(shown, widths.what):<{widths.what}}"
    if not row.done:
        return paint("dim", f"{number}{name}  {what}".rstrip())
    style = _COMPONENT_STYLES.get(row.component, "")
    cells = [
        f"{number}{paint('bold', name)}",
        what,
        paint(style, f"{row.who:<{widths.who}}"),
        f"{_offset(row, begin):>{widths.at}}",
        f"{precise(row.end - row.start):>{widths.took}}",
    ]
    if widths.bar:
        cells.append(paint(style, _bar(row, begin, total, widths.bar)))
    return "  ".join(cells).rstrip()


def header_line(widths: _Widths, paint: Paint) -> str:
    """Write the headers of the columns."""
    text = (
        f" #  {'STEP':<{widths.step}}  {'WHAT HAPPENED':<{widths.what}}  {'BY':<{widths.who}}  "
        f"{'AT':>{widths.at}}  {'TOOK':>{widths.took}}"
    )
    return paint("bold", text.rstrip())


def _busy(rows: Sequence[StepRow]) -> float:
    """Return the seconds in which at least one step was under way."""
    busy, reached = 0.0, 0.0
    for start, end in sorted((row.start, row.end) for row in rows):
        begin = max(start, reached)
        if end > begin:
            busy += end - begin
            reached = end
    return busy


def total_line(rows: Sequence[StepRow], paint: Paint = PLAIN) -> str:
    """Write the total: from the apply to Running, how much of it was work, and how much lay between steps."""
    done = [row for row in rows if row.done]
    if not done:
        return ""
    begin, end = min(row.start for row in done), max(row.end for row in done)
    complete = len(done) == len(rows)
    reached = "Running" if complete else f"step {max(row.step.number for row in done)}"
    total, busy = end - begin, _busy(done)
    words = f"{precise(busy)} in the steps, {precise(total - busy)} between them"
    return f"apply → {reached}  {paint('bold green' if complete else 'bold yellow', precise(total))}  {paint('dim', f'({words})')}"


def render_trace(
    trace: trace_pb2.PodTrace, *, pod: pod_pb2.Pod | None = None, width: int = 120, paint: Paint = PLAIN
) -> str:
    """Write a whole trace, so wide. The Pod, while it is there, says its address, and what it waits for."""
    rows = step_rows(trace)
    done = [row for row in rows if row.done]
    begin = min((row.start for row in done), default=0.0)
    total = max((row.end for row in done), default=0.0) - begin
    widths = _measure(rows, begin, width)
    lines = [*_head(trace, pod, rows, paint), header_line(widths, paint)]
    asked = False
    gaps = step_gaps(trace, rows)
    for row in rows:
        lines.extend(_gap_row(gap, begin, widths, paint) for gap in gaps[row.step])
        lines.append(_row(row, begin, total, widths, paint))
        lines.extend(_gap_row(gap, begin, widths, paint) for gap in waits_of(trace, row))
        if not row.done and not asked:
            asked = True
            reason = waiting_for(pod) or lasting(trace)
            if reason:
                lines.append(paint("yellow", _fit(f"    waits: {one_line(reason)}", max(width, 40))))
    last = total_line(rows, paint)
    return "\n".join([*lines, "", last] if last else lines) + "\n"


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


def _gap_row(gap: Gap, begin: float, widths: _Widths, paint: Paint) -> str:
    what = _fit(one_line(gap.words), widths.what)
    cells = [
        f"    {'waits':<{widths.step}}", f"{what:<{widths.what}}", f"{_fit(gap.who, widths.who):<{widths.who}}",
        f"{f'+{precise(gap.start - begin)}':>{widths.at}}", f"{precise(gap.end - gap.start):>{widths.took}}",
    ]  # fmt: skip
    return paint("dim", "  ".join(cells).rstrip())


def render_gap_line(gap: Gap, begin: float, paint: Paint = PLAIN) -> str:
    """Write what a step has waited for: for pipes and logs."""
    return _gap_row(gap, begin, _LINE_WIDTHS, paint) + "\n"


def render_step_line(row: StepRow, begin: float, paint: Paint = PLAIN) -> str:
    """Write one step that has just happened: for pipes and logs, where a table cannot grow."""
    return _row(row, begin, 0.0, _LINE_WIDTHS, paint) + "\n"
