"""The table of loads: a row a measurement, how it was run where that matters, and a page that keeps all else."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bench.load.events import EventsWritten
from bench.load.repeated import encode_runs, repeated
from bench.load.report import ProcessUse, Report, Verification, encode
from bench.load.steady import Steady
from bench.table import BEGIN, END, main, put_into, table, title
from tests.unit.load.loads import measurement, report

LOCAL = {
    "target": "local", "nodes": "objects (Node objects alone)", "creation": "pending before the scheduler starts",
    "loop": "closed", "fsync": True, "scheduler config": "",
}  # fmt: skip
BASIC, THEIRS = "SchedulingBasic/5Nodes", "393 to 453"
WHILE = {"creation": "in batches while measured (100 a call, 4 in flight)"}
PROCESSES = {name: ProcessUse(1.0, used, 0) for name, used in (("etcd", 20.4), ("apiserver", 1250.0), ("scheduler", 40.0))}  # fmt: skip
STEADY = Steady(1000, 50.0, 20.0, "constant", 60.0, 990.4, 950, 1012, 3000, 2990, 0, 0, 0, 0.004)
PAGE = Path(__file__).parents[3] / "docs" / "performance.md"


def run(pods: int = 100, *, how: dict[str, Any] | None = None, **changes: Any) -> Report:
    """Return a run of Pods that were bound within two seconds."""
    measured = {
        name: changes.pop(name)
        for name in ("bound", "processes", "steady", "latency", "events")
        if name in changes
    }
    return report(
        measurement(pods=pods, **{"processes": PROCESSES, **measured}), how=LOCAL | (how or {}), **changes
    )


def cells(*files: list[Report]) -> list[list[str]]:
    """Return the rows of the table, without its head."""
    lines = table([repeated(reports) for reports in files], {BASIC: THEIRS}).splitlines()
    return [
        line.removeprefix("| ").removesuffix(" |").split(" | ") for line in lines[2:] if line.startswith("|")
    ]


def test_a_row_has_the_median_of_its_runs_and_how_far_they_are_apart() -> None:
    [row] = cells([run(2000), run(4000), run(3000)])
    assert row[:5] == [BASIC, "**1,500** (1,000-2,000)", "-", "20 / 1,250 / 40", "-"]


def test_a_single_run_has_no_least_and_most() -> None:
    assert cells([run(2000)])[0][1] == "**1,000**"


def test_rows_are_in_the_order_of_the_files_and_each_measurement_has_one() -> None:
    two = report(measurement("a"), measurement("b"), how=LOCAL, workload="Two/5Nodes")
    assert [row[0] for row in cells([two], [run()])] == [
        "Two/5Nodes, a",
        "Two/5Nodes, b",
        "SchedulingBasic/5Nodes",
    ]


def test_files_of_one_load_are_one_row_and_those_that_were_run_otherwise_another() -> None:
    rows = cells([run(2000)], [run(2000, how=WHILE)], [run(4000), run(3000)])
    assert [row[:2] for row in rows] == [
        ["SchedulingBasic/5Nodes", "**1,500** (1,000-2,000)"],
        ["SchedulingBasic/5Nodes --create=batch", "**1,000**"],
    ]


def test_pods_that_came_while_it_was_measured_have_a_latency() -> None:
    assert cells([run(how=WHILE, latency=0.5)])[0][2] == "bound: 250 ms / 495 ms"
    assert cells([run(how=WHILE, latency=10.0)])[0][2] == "bound: 5.0 s / 9.9 s"


def test_pods_that_ran_are_measured_until_then() -> None:
    one = measurement()
    running = measurement(latencies={**one.latencies, "create_to_running": one.latencies["create_to_bound"]})
    assert cells([report(running, how=LOCAL | WHILE)])[0][2].startswith("runs: ")


def test_controllers_stand_beside_the_others_where_they_took_part() -> None:
    used = {**PROCESSES, "controller": ProcessUse(1.0, 300.0, 0)}
    assert cells([run(processes=used)])[0][3] == "20 / 1,250 / 40 (controllers 300)"


def test_processes_that_were_not_read_have_no_figure() -> None:
    assert cells([run(processes={})])[0][3] == "-"
    assert cells([run(processes={"etcd": PROCESSES["etcd"]})])[0][3] == "20 / - / -"


def test_what_events_cost_and_how_many_were_dropped_stands_beside() -> None:
    used = {"etcd": 30.0, "apiserver": 1300.0, "scheduler": 60.0}
    written = EventsWritten(seconds=9.0, left=0, dropped=0, cpu_seconds={}, cpu_us_per_pod=used)
    assert cells([run(events=written)])[0][4] == "30 / 1,300 / 60"
    dropped = msgspec.structs.replace(written, dropped=30375)
    assert cells([run(events=dropped)])[0][4] == "30 / 1,300 / 60, 30,375 dropped"


def test_the_reference_stands_beside_the_rows_it_was_measured_with() -> None:
    rows = cells([run()], [run(how=WHILE)])
    assert [row[5] for row in rows] == [THEIRS, "-"]


def test_what_was_not_as_it_should_be_stands_beside_the_rate() -> None:
    wrong = run(100, bound=90, verification=Verification(violations=["bound twice"]))
    assert cells([run(100), wrong])[0][1].endswith(", 10 without a node, 1 violations")


@dataclass(frozen=True)
class Title:
    name: str
    how: dict[str, Any]
    want: str
    steady: Steady | None = None


TITLES = (
    Title("as --local runs it", {}, ""),
    Title("nodes on which Pods run", {"nodes": "simulated (Node objects; one process ...)"}, " --nodes=simulated"),
    Title("created meanwhile", WHILE, " --create=batch"),
    Title("one a call", {"creation": "one a call while measured (32 callers)"}, " --create=unary"),
    Title("by controllers, which the name says", {"creation": "by controllers, of objects (4 callers)"}, ""),
    Title("at a rate", {**WHILE, "loop": "open, 0.5/s poisson"}, " --create=batch --rate=0.5 --arrivals=poisson"),
    Title("a steady state, which has its rate", {**WHILE, "loop": "open, at the workload's rate, constant"}, "", STEADY),
    Title("without fsync", {"fsync": False}, " --no-fsync"),
    Title("another scheduler", {"scheduler": "mine --at {apiserver}"}, " --scheduler-command=mine --at {apiserver}"),
    Title("configured", {"scheduler config": "a.yaml"}, " --scheduler-config=a.yaml"),
)  # fmt: skip


@pytest.mark.parametrize("case", TITLES, ids=lambda case: case.name)
def test_a_row_says_how_it_was_run_where_that_is_not_usual(case: Title) -> None:
    assert title(run(how=case.how, steady=case.steady)) == f"SchedulingBasic/5Nodes{case.want}"


def test_names_cannot_break_the_table() -> None:
    [row] = cells([run(workload="a|b\nc/d")])
    assert row[0] == "a&#124;b c/d"


def test_below_stands_on_what_it_was_measured_and_everything_that_differs() -> None:
    text = table([repeated([run(), run(commit="def")])], {})
    assert "2 runs on 2026-11-22; commit abc, def; 2 cores of CPU, Python 3.11.2, etcd 3.5.16; load " in text
    assert "before a run 0.1 to 0.1." in text


def test_the_page_keeps_what_stands_around_the_table() -> None:
    assert (
        put_into(f"before\n{BEGIN}\nold\n{END}\nafter\n", "new\n") == f"before\n{BEGIN}\nnew\n{END}\nafter\n"
    )


@pytest.mark.parametrize("page", ["", BEGIN, f"{END}\n{BEGIN}"])
def test_a_page_without_the_marks_is_refused(page: str) -> None:
    with pytest.raises(ValueError, match="table of loads: begin"):
        put_into(page, "new")


def test_the_page_of_this_repository_has_the_marks() -> None:
    assert "new table" in put_into(PAGE.read_text(encoding="utf-8"), "new table\n")


def test_the_command_writes_the_table_of_files_into_a_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, several, page = tmp_path / "one.json", tmp_path / "several.json", tmp_path / "page"
    one.write_bytes(encode(run()))
    several.write_bytes(encode_runs(repeated([run(300, how=WHILE), run(500, how=WHILE)])))
    page.write_text(f"# Page\n{BEGIN}\n{END}\n", encoding="utf-8")
    assert main([str(one), str(several), "--into", str(page)]) == 0
    assert main([str(one), str(several)]) == 0
    shown = capsys.readouterr().out
    assert shown.count("SchedulingBasic/5Nodes") == 2
    assert page.read_text(encoding="utf-8") == f"# Page\n{BEGIN}\n{shown}{END}\n"


def test_what_is_no_report_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text("{}", encoding="utf-8")
    assert main([str(wrong)]) == 1
    assert f"error: {wrong}: no report of a load test" in capsys.readouterr().err
