"""Runs of one workload one after the other: how many, under which names, and with how many Pods."""

import asyncio
from dataclasses import dataclass

import msgspec
import pytest

from bench.load.context import RunError
from bench.load.long_enough import (
    Bounds,
    MeasureError,
    measured_pods,
    next_count,
    parse_bounds,
    with_pods,
)
from bench.load.parse import find_workload, read_workloads
from bench.load.report import Report, Verification
from bench.load.series import Series
from bench.load.settings import Settings
from bench.load.workload import CreatePods, Workload
from tests.unit.load.loads import measurement, report

BOUNDS = Bounds(10, 60, "10s..60s")
FIVE_NODES = "SchedulingBasic/5Nodes"


@pytest.mark.parametrize("text", ["", "10s", "10s..", "..60s", "60s..10s", "10s..11s", "0s..60s", "10..60", "1s..2h", "a..b"])  # fmt: skip
def test_bounds_that_are_none(text: str) -> None:
    with pytest.raises(MeasureError, match=r"is not like 10s\.\.60s"):
        parse_bounds(text)


def test_bounds_are_read() -> None:
    assert parse_bounds("500ms..1m") == Bounds(0.5, 60, "500ms..1m")


@dataclass(frozen=True)
class Case:
    name: str
    pods: int
    seconds: float
    want: int


CASES = (
    Case("half a second asks for as many more, and a fifth on top", 1000, 0.5, 24_000),
    Case("a slow scheduler gets fewer", 10_000, 128.0, 938),
    Case("a very short run is not believed beyond fifty times", 10, 0.0001, 500),
    Case("nothing measured is the shortest of all", 10, 0.0, 500),
    Case("no workload has more than a million", 900_000, 5.0, 1_000_000),
    Case("at least one Pod", 1, 1000.0, 1),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_how_many_pods_are_tried_next(case: Case) -> None:
    assert next_count(case.pods, case.seconds, BOUNDS) == case.want


def workload(name: str = FIVE_NODES) -> Workload:
    return find_workload(name, read_workloads())


def test_the_measured_pods_are_more_and_all_else_stays() -> None:
    changed = with_pods(workload(), 500)
    assert (measured_pods(workload()), measured_pods(changed)) == (10, 500)
    assert changed.variant.params == {**workload().variant.params, "measurePods": 500}
    assert changed.case == workload().case


def test_a_count_that_stands_in_the_step_is_changed_there() -> None:
    plain = workload()
    steps = [
        msgspec.structs.replace(step, count=7, count_param="")
        if isinstance(step, CreatePods) and step.collect_metrics
        else step
        for step in plain.case.workload_template
    ]
    fixed = msgspec.structs.replace(plain, case=msgspec.structs.replace(plain.case, workload_template=steps))
    changed = with_pods(fixed, 500)
    assert (measured_pods(fixed), measured_pods(changed)) == (7, 500)
    assert changed.variant == plain.variant


class Cluster:
    """A cluster that schedules so many Pods a second, and has room for so many."""

    def __init__(self, rate: float, room: int = 1_000_000) -> None:
        self.rate, self.room = rate, room
        self.runs: list[tuple[str, int]] = []
        self.violations: list[str] = []

    async def once(self, workload: Workload, settings: Settings) -> Report:
        pods = measured_pods(workload)
        self.runs.append((settings.run, pods))
        if pods > self.room:
            raise RunError("nothing has happened for 60 s")
        one = measurement(pods=pods, seconds=pods / self.rate)
        return report(one, run=settings.run, verification=Verification(violations=self.violations))


def series(cluster: Cluster, *, times: int = 1, bounds: Bounds | None = None) -> Series:
    made = Series(
        cluster.once, Settings(run="load-1", seed=7), times=times, bounds=bounds, say=lambda _: None
    )
    asyncio.run(made.run(workload()))
    return made


def test_one_run_is_as_it_always_was() -> None:
    cluster = Cluster(rate=100)
    made = series(cluster)
    assert cluster.runs == [("load-1", 10)]
    assert [one.how for one in made.reports] == [report().how]


def test_each_of_several_runs_has_a_name_of_its_own() -> None:
    cluster = Cluster(rate=100)
    made = series(cluster, times=3)
    assert cluster.runs == [("load-1-1", 10), ("load-1-2", 10), ("load-1-3", 10)]
    assert [one.run for one in made.reports] == ["load-1-1", "load-1-2", "load-1-3"]


def test_what_was_found_before_a_run_failed_is_kept() -> None:
    cluster = Cluster(rate=100)

    async def once(workload: Workload, settings: Settings) -> Report:
        if settings.run == "load-1-3":
            raise RunError("no more")
        return await cluster.once(workload, settings)

    made = Series(once, Settings(run="load-1"), times=3, bounds=None, say=lambda _: None)
    with pytest.raises(RunError, match="no more"):
        asyncio.run(made.run(workload()))
    assert [one.run for one in made.reports] == ["load-1-1", "load-1-2"]


def test_a_row_has_as_many_pods_as_it_takes_to_measure_long_enough() -> None:
    cluster = Cluster(rate=100)
    made = series(cluster, times=2, bounds=BOUNDS)
    # 10 Pods take a tenth of a second; fifty times as many take 5 s; the third run counts, and one after it.
    assert cluster.runs == [("load-1-1", 10), ("load-1-2", 500), ("load-1-3", 1200), ("load-1-4", 1200)]
    assert [one.measurements[0].seconds for one in made.reports] == [12.0, 12.0]
    assert [one.how["measure"] for one in made.reports] == ["10s..60s"] * 2
    assert [one.notes for one in made.reports] == [[], []]
    assert [one.run for one in made.tried] == ["load-1-1", "load-1-2"]


def test_a_row_that_takes_too_long_gets_fewer_pods() -> None:
    cluster = Cluster(rate=0.1)
    series(cluster, bounds=BOUNDS)
    assert cluster.runs == [("load-1-1", 10), ("load-1-2", 2)]


def test_a_row_that_is_long_enough_is_run_once() -> None:
    cluster = Cluster(rate=0.5)
    made = series(cluster, bounds=BOUNDS)
    assert cluster.runs == [("load-1-1", 10)]
    assert made.tried == []


def test_where_more_pods_find_no_room_the_last_count_is_taken_and_told() -> None:
    cluster = Cluster(rate=100, room=600)
    made = series(cluster, times=2, bounds=BOUNDS)
    assert [pods for _, pods in cluster.runs] == [10, 500, 1200, 500]
    note = "namespace-2: measured for 5.00 s, not 10s..60s: with 1,200 Pods nothing has happened for 60 s"
    assert [one.notes for one in made.reports] == [[note], [note]]
    assert [one.run for one in made.tried] == ["load-1-1"]


def test_it_is_tried_four_times_at_most() -> None:
    cluster = Cluster(rate=1e6)
    made = series(cluster, bounds=BOUNDS)
    assert [pods for _, pods in cluster.runs] == [10, 500, 25_000, 1_000_000]
    assert made.reports[0].notes == ["namespace-2: measured for 1.00 s, not 10s..60s"]


def test_a_first_run_that_fails_is_told() -> None:
    with pytest.raises(RunError, match="nothing has happened"):
        series(Cluster(rate=100, room=5), bounds=BOUNDS)


def test_what_was_wrong_in_a_run_that_does_not_count_is_not_lost() -> None:
    cluster = Cluster(rate=100)
    cluster.violations = ["twice"]
    made = series(cluster, bounds=BOUNDS)
    assert [one.verification.violations for one in made.tried if one.verification] == [["twice"]] * 2


@pytest.mark.parametrize("measured", [0, 2])
def test_a_workload_without_one_measured_step_is_refused(measured: int) -> None:
    plain = workload()
    [step] = [
        one for one in plain.case.workload_template if isinstance(one, CreatePods) and one.collect_metrics
    ]
    case = msgspec.structs.replace(plain.case, workload_template=[step] * measured)
    with pytest.raises(MeasureError, match=f"collectMetrics: true, and there are {measured}"):
        with_pods(msgspec.structs.replace(plain, case=case), 5)


def test_a_steady_state_has_a_duration_of_its_own() -> None:
    plain = workload()
    steps = [
        msgspec.structs.replace(step, steady_state=True) if isinstance(step, CreatePods) else step
        for step in plain.case.workload_template
    ]
    case = msgspec.structs.replace(plain.case, workload_template=steps)
    with pytest.raises(MeasureError, match="its own duration"):
        measured_pods(msgspec.structs.replace(plain, case=case))
