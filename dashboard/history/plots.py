"""PURE: what Prometheus is asked for the plots of a view, and what its answers say.

Every expression is ours: a browser chooses a view and one of three ranges. Metrics are those of
docs/monitoring.md, and each series has the name of its line as label `line`.

    {"range": "1h", "start": T, "step": 15, "plots": {"queue": {"active": [0, 3, null, ...], ...}, ...}}

Times are seconds; a value that there is none of is null.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import parse_qs

import msgspec

from vaina.errors import BadRequest, NotFound

#: digits of a value that are kept
_DIGITS: Final = 5


@dataclass(frozen=True, slots=True)
class Range:
    """How far back a plot goes, and how far its points are apart: 241 points at most."""

    seconds: int
    step: int

    @property
    def window(self) -> str:
        """What a rate is taken over: four measurements (of each 15 s) at least, and every one of them once."""
        return f"{max(60, self.step)}s"


RANGES: Final[Mapping[str, Range]] = {"15m": Range(900, 5), "1h": Range(3600, 15), "6h": Range(21_600, 90)}


@dataclass(frozen=True, slots=True)
class Plot:
    """Lines over time, all from one expression; WINDOW in it is what rates are taken over."""

    lines: tuple[str, ...]
    expression: str

    def over(self, window: str) -> str:
        return self.expression.replace("WINDOW", window)


def _plot(**lines: str) -> Plot:
    named = (f'label_replace({expression}, "line", "{name}", "", "")' for name, expression in lines.items())
    return Plot((*lines,), " or ".join(named))


_LATENCY: Final = "sum by (le) (rate(scheduler_pod_scheduling_sli_duration_seconds_bucket[WINDOW]))"
#: none of a sort is 0 while there are others: its series begins with the first
_REQUESTS: Final = (
    "(sum(rate(apiserver_request_total{%s}[WINDOW])) or 0 * sum(rate(apiserver_request_total[WINDOW])))"
)
#: by view
PLOTS: Final[Mapping[str, Mapping[str, Plot]]] = {
    "scheduler": {
        "queue": Plot(
            ("active", "backoff", "unschedulable", "gated"),
            'label_replace(sum by (queue) (scheduler_pending_pods), "line", "$1", "queue", "(.*)")',
        ),
        "pace": _plot(
            decided="sum(rate(scheduler_schedule_attempts_total[WINDOW]))",
            scheduled='sum(rate(scheduler_schedule_attempts_total{result="scheduled"}[WINDOW]))',
        ),
        "latency": _plot(
            p50=f"histogram_quantile(0.5, {_LATENCY})", p99=f"histogram_quantile(0.99, {_LATENCY})"
        ),
    },
    "machinery": {
        "requests": _plot(
            reads=_REQUESTS % 'verb=~"GET|LIST"',
            writes=_REQUESTS % 'verb=~"POST|PUT|PATCH|APPLY|DELETE|DELETECOLLECTION"',
            failed=_REQUESTS % 'code=~"429|5.."',
        ),
        "etcd": _plot(size="max(apiserver_storage_size_bytes)"),
    },
}


def parse_topic(name: str) -> tuple[str, str]:
    """Return view and range of `history/VIEW?range=RANGE`. Raises NotFound, BadRequest."""
    path, _, query = name.partition("?")
    view = path.partition("/")[2]
    if view not in PLOTS:
        raise NotFound("this view has no plots")
    try:
        chosen = parse_qs(query, max_num_fields=2).get("range", [""])[-1]
    except ValueError as error:
        raise BadRequest(str(error)) from error
    if chosen not in RANGES:
        raise BadRequest(f"range is one of {', '.join(RANGES)}")
    return view, chosen


@dataclass(frozen=True, slots=True)
class Stretch:
    """A range that ends at a certain time.

    Its points lie on whole steps, so that a line keeps its shape as it moves.
    """

    start: int
    end: int
    step: int

    @classmethod
    def until(cls, now: float, of: Range) -> "Stretch":
        end = int(now) // of.step * of.step
        return cls(end - of.seconds, end, of.step)

    @property
    def points(self) -> int:
        return (self.end - self.start) // self.step + 1


class Unreadable(Exception):
    """An answer that is none of Prometheus'."""


class _Series(msgspec.Struct):
    metric: dict[str, str]
    values: list[tuple[float, str]]


class _Data(msgspec.Struct):
    resultType: Literal["matrix"]  # noqa: N815 - Prometheus' name
    result: list[_Series]


class _Answer(msgspec.Struct):
    status: Literal["success"]
    data: _Data


def read_answer(body: bytes, lines: Sequence[str], stretch: Stretch) -> dict[str, list[float | None]]:
    """Return the lines of an answer of /api/v1/query_range; what was not asked for is left out.

    Raises Unreadable.
    """
    try:
        answer = msgspec.json.decode(body, type=_Answer)
    except msgspec.MsgspecError as error:
        raise Unreadable(str(error)) from error
    found: dict[str, list[float | None]] = {}
    for series in answer.data.result:
        name = series.metric.get("line", "")
        if name in lines:
            found[name] = _values(series.values, stretch)
    return found


def _values(samples: Sequence[tuple[float, str]], stretch: Stretch) -> list[float | None]:
    values: list[float | None] = [None] * stretch.points
    for time, words in samples:
        place = round((time - stretch.start) / stretch.step)
        if 0 <= place < stretch.points:
            values[place] = _number(words)
    return values


def _number(words: str) -> float | None:
    """Return a value as it is shown; None: it is no number (0 of 0), or none that can be drawn."""
    try:
        value = float(words)
    except ValueError as error:
        raise Unreadable(str(error)) from error
    return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None


def shown(chosen: str, stretch: Stretch, plots: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a browser gets."""
    return {"range": chosen, "start": stretch.start, "step": stretch.step, "plots": plots}
