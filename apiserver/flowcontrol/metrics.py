"""The apiserver_flowcontrol_* metrics, and those of requests in flight, under the reference's names.

Calls count in plain integers; this collector reads them when somebody asks for /metrics. So a call that finds
a free seat pays for one addition (decision 032).
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from apiserver.flowcontrol.levels import MUTATING, READ_ONLY

#: seconds; the reference's requestDurationSecondsBuckets
WAIT_BUCKETS: Final = (0.0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
#: why a request was refused
QUEUE_FULL, TIME_OUT, CANCELLED, CONCURRENCY_LIMIT = (
    "queue-full",
    "time-out",
    "cancelled",
    "concurrency-limit",
)

_SCHEMA: Final = ("priority_level", "flow_schema")


@dataclass(slots=True)
class Counts:
    """What is counted of one flow schema and one kind of requests."""

    level: str
    schema: str
    request_kind: str
    dispatched: int = 0
    executing: int = 0
    seats_in_use: int = 0
    waiting: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    #: of requests that waited: how many by bucket of WAIT_BUCKETS (and beyond), and seconds together
    waits: list[int] = field(default_factory=lambda: [0] * (len(WAIT_BUCKETS) + 1))
    wait_seconds: float = 0.0

    def waited(self, seconds: float) -> None:
        self.waits[bisect_left(WAIT_BUCKETS, seconds)] += 1
        self.wait_seconds += seconds

    def reject(self, reason: str) -> None:
        self.rejected[reason] = self.rejected.get(reason, 0) + 1


class FlowMetrics(Collector):
    """Shows what a FlowControl counts. Register it with a CollectorRegistry."""

    def __init__(
        self, counts: Mapping[tuple[str, str], Counts], seats: Mapping[str, int], watches: Mapping[str, int]
    ) -> None:
        """Make a collector of counts by flow schema and request kind, seats by level, and streams."""
        self._counts, self._seats, self._watches = counts, seats, watches

    def collect(self) -> Iterator[Metric]:
        rows = list(self._counts.values())
        yield from self._gauges(rows)
        yield from self._counters(rows)
        wait = HistogramMetricFamily(
            "apiserver_flowcontrol_request_wait_duration_seconds",
            "Length of time a request spent waiting in its queue", labels=(*_SCHEMA, "execute"),
        )  # fmt: skip
        for labels, group in _by_schema(rows).items():
            total, buckets = 0, list[tuple[str, float]]()
            # Whoever found a seat at once has waited for 0 s.
            at_once = sum(row.dispatched - sum(row.waits) for row in group)
            for index, bound in enumerate((*WAIT_BUCKETS, None)):
                total += sum(row.waits[index] for row in group) + (at_once if index == 0 else 0)
                buckets.append(("+Inf" if bound is None else str(bound), float(total)))
            wait.add_metric([*labels, "true"], buckets, sum(row.wait_seconds for row in group))
        yield wait

    def _gauges(self, rows: list[Counts]) -> Iterator[Metric]:
        for name, text, attribute in (
            ("apiserver_current_inflight_requests", "Requests that are being answered.", "executing"),
            ("apiserver_current_inqueue_requests", "Requests that wait for their turn.", "waiting"),
        ):
            gauge = GaugeMetricFamily(name, text, labels=("request_kind",))
            for kind in (MUTATING, READ_ONLY):
                gauge.add_metric(
                    [kind], sum(getattr(row, attribute) for row in rows if row.request_kind == kind)
                )
            yield gauge
        for name, text, attribute in (
            ("current_inqueue_requests", "Number of requests currently pending in queues", "waiting"),
            ("current_executing_requests", "Number of requests that are being executed", "executing"),
            (
                "request_concurrency_in_use",
                "Seats taken by the requests that are being executed",
                "seats_in_use",
            ),
        ):
            gauge = GaugeMetricFamily(f"apiserver_flowcontrol_{name}", text, labels=_SCHEMA)
            for labels, group in _by_schema(rows).items():
                gauge.add_metric(labels, sum(getattr(row, attribute) for row in group))
            yield gauge
        for name in ("nominal_limit_seats", "current_limit_seats"):
            gauge = GaugeMetricFamily(f"apiserver_flowcontrol_{name}", "Seats of a level", labels=_SCHEMA[:1])
            for level, seats in self._seats.items():
                gauge.add_metric([level], seats)
            yield gauge
        watches = GaugeMetricFamily("vaina_apiserver_streams", "Streams under way: watches, logs, exec")
        watches.add_metric([], self._watches["current"])
        yield watches

    def _counters(self, rows: list[Counts]) -> Iterator[Metric]:
        dispatched = CounterMetricFamily(
            "apiserver_flowcontrol_dispatched_requests",
            "Number of requests that were executed",
            labels=_SCHEMA,
        )
        rejected = CounterMetricFamily(
            "apiserver_flowcontrol_rejected_requests", "Number of requests that were refused",
            labels=(*_SCHEMA, "reason"),
        )  # fmt: skip
        for labels, group in _by_schema(rows).items():
            dispatched.add_metric(labels, sum(row.dispatched for row in group))
            for reason in sorted({reason for row in group for reason in row.rejected}):
                rejected.add_metric([*labels, reason], sum(row.rejected.get(reason, 0) for row in group))
        yield dispatched
        yield rejected
        streams = CounterMetricFamily(
            "vaina_apiserver_streams_rejected", "Streams that were refused: too many of one client, or of all"
        )
        streams.add_metric([], self._watches["rejected"])
        yield streams


def _by_schema(rows: list[Counts]) -> dict[tuple[str, str], list[Counts]]:
    found: dict[tuple[str, str], list[Counts]] = {}
    for row in rows:
        found.setdefault((row.level, row.schema), []).append(row)
    return found
