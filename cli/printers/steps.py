"""The seven steps of a Pod as text: a table that may grow, or a line for each as it happens. PURE."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from cli.printers.style import PLAIN, Paint
from cli.printers.table import one_line
from vaina import traces
from vaina.api.core.v1 import pod_pb2
from vaina.api.trace.v1 import trace_pb2
from vaina.clock import rfc3339, seconds_of
from vaina.printers.cells import precise
from vaina.texts import ENGLISH, Language
from vaina.traces import Gap, StepRow, busy_seconds, lasting, step_gaps, waiting_for, waits_of

_MIN_BAR: Final = 12
_MAX_BAR: Final = 44
_MIN_WHAT: Final = 24
_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
_COMPONENT_STYLES: Final = {"apiserver": "cyan", "scheduler": "magenta", "kubelet": "green"}


@dataclass(frozen=True, slots=True)
class Look:
    """How a trace is written: in which colours and in which language."""

    paint: Paint = PLAIN
    language: Language = ENGLISH


_PLAIN: Final = Look()


def step_rows(trace: trace_pb2.PodTrace, language: Language = ENGLISH) -> list[StepRow]:
    """Return the seven rows of a trace, with texts of one line each that do nothing to a terminal."""
    return [
        replace(row, what=one_line(language.say(row.what)), message=one_line(row.message))
        for row in traces.step_rows(trace)
    ]


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
    trace: trace_pb2.PodTrace, pod: pod_pb2.Pod | None, rows: Sequence[StepRow], look: Look
) -> list[str]:
    paint, language = look.paint, look.language
    meta = trace.metadata
    name = f"{meta.namespace}/{trace.spec.pod_name}" if meta.namespace else trace.spec.pod_name
    place: list[str] = []
    if rows and rows[0].done:
        start = rows[0].start
        when = f"{rfc3339(start)[:-1].replace('T', ' ')}.{int(start % 1 * 1000):03d} UTC"
        place.append(language("applied {time}", time=when))
    node = trace.status.node_name or (pod.spec.node_name if pod is not None else "")
    if node:
        place.append(language("on {node}", node=node))
    if pod is not None and pod.status.pod_ip:
        place.append(language("IP {address}", address=pod.status.pod_ip))
    if trace.status.HasField("pod_deleted_time"):
        gone = rfc3339(seconds_of(trace.status.pod_deleted_time))[:-1].replace("T", " ")
        place.append(language("gone since {time}", time=f"{gone} UTC"))
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


def header_line(widths: _Widths, look: Look) -> str:
    """Write the headers of the columns."""
    language = look.language
    text = (
        f" #  {language('STEP'):<{widths.step}}  {language('WHAT HAPPENED'):<{widths.what}}  "
        f"{language('BY'):<{widths.who}}  {language('AT'):>{widths.at}}  {language('TOOK'):>{widths.took}}"
    )
    return look.paint("bold", text.rstrip())


def total_line(rows: Sequence[StepRow], look: Look = _PLAIN) -> str:
    """Write the total: from the apply to Running, how much of it was work, and how much lay between steps."""
    done = [row for row in rows if row.done]
    if not done:
        return ""
    begin, end = min(row.start for row in done), max(row.end for row in done)
    complete = len(done) == len(rows)
    paint, language = look.paint, look.language
    last = max(row.step.number for row in done)
    way = language("apply → Running") if complete else language("apply → step {number}", number=last)
    total, busy = end - begin, busy_seconds(done)
    words = language(
        "({busy} in the steps, {rest} between them)", busy=precise(busy), rest=precise(total - busy)
    )
    return (
        f"{way}  {paint('bold green' if complete else 'bold yellow', precise(total))}  {paint('dim', words)}"
    )


def render_trace(
    trace: trace_pb2.PodTrace, *, pod: pod_pb2.Pod | None = None, width: int = 120, look: Look = _PLAIN
) -> str:
    """Write a whole trace, so wide. The Pod, while it is there, says its address, and what it waits for."""
    paint, language = look.paint, look.language
    rows = step_rows(trace, language)
    done = [row for row in rows if row.done]
    begin = min((row.start for row in done), default=0.0)
    total = max((row.end for row in done), default=0.0) - begin
    widths = _measure(rows, begin, width)
    lines = [*_head(trace, pod, rows, look), header_line(widths, look)]
    asked = False
    gaps = step_gaps(trace, rows)
    for row in rows:
        lines.extend(_gap_row(gap, begin, widths, look) for gap in gaps[row.step])
        lines.append(_row(row, begin, total, widths, paint))
        lines.extend(_gap_row(gap, begin, widths, look) for gap in waits_of(trace, row))
        if not row.done and not asked:
            asked = True
            reason = waiting_for(pod) or lasting(trace)
            if reason:
                words = language("waits: {reason}", reason=one_line(language.say(reason)))
                lines.append(paint("yellow", _fit(f"    {words}", max(width, 40))))
    last = total_line(rows, look)
    return "\n".join([*lines, "", last] if last else lines) + "\n"


def _gap_row(gap: Gap, begin: float, widths: _Widths, look: Look) -> str:
    what = _fit(one_line(look.language.say(gap.words)), widths.what)
    cells = [
        f"    {look.language('waits'):<{widths.step}}", f"{what:<{widths.what}}", f"{_fit(gap.who, widths.who):<{widths.who}}",
        f"{f'+{precise(gap.start - begin)}':>{widths.at}}", f"{precise(gap.end - gap.start):>{widths.took}}",
    ]  # fmt: skip
    return look.paint("dim", "  ".join(cells).rstrip())


def render_gap_line(gap: Gap, begin: float, look: Look = _PLAIN) -> str:
    """Write what a step has waited for: for pipes and logs."""
    return _gap_row(gap, begin, _LINE_WIDTHS, look) + "\n"


def render_step_line(row: StepRow, begin: float, paint: Paint = PLAIN) -> str:
    """Write one step that has just happened: for pipes and logs, where a table cannot grow."""
    return _row(row, begin, 0.0, _LINE_WIDTHS, paint) + "\n"
