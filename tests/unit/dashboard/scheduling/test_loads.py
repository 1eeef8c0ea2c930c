"""What the page remembers of load tests, and what browsers are told of them."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from dashboard.scheduling.load_topics import LOOK_SECONDS
from dashboard.scheduling.loads import MAX_POINTS, MAX_RUNS, SILENT_SECONDS, LoadRuns
from tests.support.apiserver import cached_apiserver
from tests.support.load_progress import make_progress, make_run
from tests.support.page import page
from vaina.api.core.v1 import namespace_pb2
from vaina.cache.list_watch import Apply, Replace
from vaina.objects.load_progress import Measured
from vaina.testing.builders import make_namespace


def came(*items: namespace_pb2.Namespace) -> Apply[namespace_pb2.Namespace]:
    return Apply([(item.metadata.name, item, item) for item in items])


def went(item: namespace_pb2.Namespace) -> Apply[namespace_pb2.Namespace]:
    return Apply([(item.metadata.name, None, item)])


def listed(items: Iterable[namespace_pb2.Namespace]) -> Replace[namespace_pb2.Namespace]:
    return Replace({item.metadata.name: item for item in items})


def names(runs: LoadRuns) -> list[str]:
    return [one["name"] for one in runs.all(0.0)["runs"]]


def states(runs: LoadRuns, now: float = 0.0) -> list[str]:
    return [one["state"] for one in runs.all(now)["runs"]]


def test_a_run_is_followed_to_its_end_and_remembered() -> None:
    runs = LoadRuns()
    runs.take(listed([make_run("load-1", make_progress())]), 0.0)
    measured = Measured("namespace-0", 10, 10, 1.5, 0, 3.0, {"throughput": 3.3})
    ended = make_run(
        "load-1",
        make_progress(
            state="ended", seconds=5.0, asked=10, bound=10, measurements=[measured], config={"nodes": "real"}
        ),
    )
    runs.take(came(ended), 3.0)
    runs.take(went(ended), 4.0)
    shown = runs.one("load-1", 5.0)
    assert (shown["run"]["state"], shown["run"]["workload"]) == ("ended", "SchedulingBasic/5Nodes")
    assert shown["points"] == [[2.0, 8, 5, 3], [5.0, 10, 10, 3]]
    assert (shown["measurements"], shown["config"]) == ([measured], [("nodes", "real")])
    assert names(runs) == ["load-1"]


def test_a_run_that_is_killed_is_silent_and_one_that_is_taken_away_is_gone() -> None:
    runs = LoadRuns()
    run = make_run("load-1", make_progress())
    runs.take(came(run), 0.0)
    # A watch that begins anew brings no news of it.
    runs.take(listed([run]), SILENT_SECONDS - 1)
    assert states(runs, SILENT_SECONDS) == ["running"]
    assert states(runs, SILENT_SECONDS + 1) == ["silent"]
    runs.take(came(make_run("load-1", make_progress(seconds=3.0))), SILENT_SECONDS + 2)
    assert states(runs, SILENT_SECONDS + 3) == ["running"]
    runs.take(listed([]), SILENT_SECONDS + 4)
    assert states(runs, SILENT_SECONDS + 5) == ["gone"]


def test_runs_are_those_of_their_own_namespaces_with_what_can_be_read() -> None:
    plain = make_namespace("load-1-namespace-0")
    other = make_run("load-1", make_progress())
    other.metadata.name = "somewhere-else"
    runs = LoadRuns()
    runs.take(came(plain, other, make_run("load-2", "<script>"), make_run("load-3", "x" * 100_000)), 0.0)
    assert names(runs) == []
    assert runs.one("load-2", 0.0) == {"run": None, "refusal": ""}


def test_one_of_the_same_name_begins_anew() -> None:
    runs = LoadRuns()
    runs.take(came(make_run("load-1", make_progress(seconds=9.0))), 0.0)
    runs.take(came(make_run("load-1", make_progress(seconds=1.0), uid="another")), 1.0)
    assert [point[0] for point in runs.one("load-1", 1.0)["points"]] == [1.0]


def test_memory_is_bounded_and_the_course_of_a_long_run_stays_whole() -> None:
    runs = LoadRuns()
    for second in range(5 * MAX_POINTS):
        runs.take(came(make_run("load-1", make_progress(seconds=float(second), bound=second))), 0.0)
    places = [point[0] for point in runs.one("load-1", 0.0)["points"]]
    assert len(places) <= MAX_POINTS
    assert (places[0], places[-1]) == (0.0, 5.0 * MAX_POINTS - 1)
    # As evenly as it can be: no stretch of it is told by far fewer points than another.
    assert max(after - before for before, after in pairwise(places)) <= 32
    for number in range(MAX_RUNS + 5):
        runs.take(came(make_run(f"other-{number}", make_progress(started=float(number)))), 0.0)
    assert names(runs) == [f"other-{number}" for number in reversed(range(5, MAX_RUNS + 5))]


async def until(socket: Any, topic: str, holds: Any) -> Any:
    while True:
        frame = await socket.frame()
        if frame["topic"] == topic and holds(value := frame.get("snapshot", frame.get("changes"))):
            return value


async def test_browsers_are_told_of_a_run_as_it_goes_on_and_once_it_says_no_more() -> None:
    async with cached_apiserver() as api, page(api.client, clock=api.clock) as browser:
        await browser.login()
        await api.client.namespaces.create(make_run("load-1", make_progress()))
        async with browser.live("loads", "load/load-1", "load/never") as socket:
            found = await until(socket, "loads", lambda value: value["runs"])
            assert (found["runs"][0]["name"], found["runs"][0]["bound"]) == ("load-1", 5)
            assert (await until(socket, "load/never", bool))["run"] is None
            made = await api.client.namespaces.get("load-1-progress")
            made.metadata.annotations.update(
                make_run("load-1", make_progress(bound=6, seconds=4.0)).metadata.annotations
            )
            await api.client.namespaces.update(made)
            await api.clock.advance(1.0)
            found = await until(
                socket, "load/load-1", lambda value: value["run"] and value["run"]["bound"] == 6
            )
            assert [point[2] for point in found["points"]] == [5, 6]
            await api.clock.advance(SILENT_SECONDS + LOOK_SECONDS + 1)
            found = await until(socket, "load/load-1", lambda value: value["run"]["state"] == "silent")
