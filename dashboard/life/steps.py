"""The seven steps of a Pod as the timeline shows them. PURE. Times are seconds since the epoch."""

from collections.abc import Sequence
from typing import Any

from dashboard.texts import Say, cut
from vaina.api.core.v1 import pod_pb2
from vaina.api.trace.v1 import trace_pb2
from vaina.traces import Gap, StepRow, busy_seconds, lasting, step_gaps, step_rows, waiting_for, waits_of


def timeline(trace: trace_pb2.PodTrace | None, pod: pod_pb2.Pod | None, say: Say = str) -> dict[str, Any]:
    """Return the steps, done or not, each with what was waited for before it and in it, and their total."""
    found = trace if trace is not None else trace_pb2.PodTrace()
    rows = step_rows(found)
    gaps = step_gaps(found, rows)
    done = [row for row in rows if row.done]
    begin = min((row.start for row in done), default=0.0)
    end = max((row.end for row in done), default=0.0)
    busy = busy_seconds(done)
    return {
        # Where many Pods come at once some have no trace (decision 171).
        "recorded": trace is not None,
        "rows": [_row(row, gaps[row.step], waits_of(found, row), say) for row in rows],
        "waitsFor": "" if len(done) == len(rows) else cut(say(waiting_for(pod) or lasting(found))),
        "complete": len(done) == len(rows), "begin": begin, "end": end, "busySeconds": busy,
    }  # fmt: skip


def _row(row: StepRow, before: Sequence[Gap], within: Sequence[Gap], say: Say) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "step": row.step.value,
        "number": row.step.number,
        "done": row.done,
        "what": cut(say(row.what)),
    }
    if row.done:
        shown |= {
            "component": row.component, "who": row.who, "start": row.start, "end": row.end,
            "before": [_gap(gap, say) for gap in before], "within": [_gap(gap, say) for gap in within],
        }  # fmt: skip
    return shown


def _gap(gap: Gap, say: Say) -> dict[str, Any]:
    return {"words": cut(say(gap.words)), "who": gap.who, "start": gap.start, "end": gap.end}
