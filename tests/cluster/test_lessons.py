"""Each lesson of docs/lessons does what it says, on a real cluster: commands are run, the output compared."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cluster import ROOT, Cluster
from tests.support.cluster_plugin import setting
from tests.support.lessons import (
    Classroom,
    apart_environment,
    can_run,
    run_lesson,
    take_down,
    versions,
)
from vaina.lessons.shelf import read, rows

#: of the cluster that a lesson brings up itself
PROJECT = "vaina-lessons"
RUNS = {row: lesson.runs for row in rows("en") if (lesson := read(row, "en")) is not None}
QUICK = [row for row, runs in RUNS.items() if runs == "quick"]
LONG = [row for row, runs in RUNS.items() if runs == "soak"]
APART = [row for row, runs in RUNS.items() if runs == "apart"]


@pytest.fixture(scope="module")
def classroom(
    whole_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Classroom]:
    """Begin all quick lessons that are asked for; each test waits for one."""
    opened = Classroom(whole_cluster, tmp_path_factory.mktemp("lessons"))
    for item in request.session.items:
        if isinstance(item, pytest.Function) and item.path == Path(__file__) and hasattr(item, "callspec"):
            row = str(item.callspec.params["row"])
            if row in QUICK and can_run(versions(row)[0], opened.variables):
                opened.begin(row)
    yield opened
    opened.close()


def needs(row: str, variables: dict[str, str]) -> None:
    """Skip a lesson that lacks a program here; in CI all are there."""
    if not can_run(versions(row)[0], variables):
        reason = "kubectl is not installed (deploy/trixie.sh kubectl)"
        pytest.fail(reason) if setting("CI") else pytest.skip(reason)


@pytest.mark.beside_others
@pytest.mark.parametrize("row", QUICK)
def test_a_lesson(classroom: Classroom, cluster: Cluster, row: str) -> None:
    needs(row, classroom.variables)
    differs = classroom.ended(row)
    assert differs is None, str(differs)


@pytest.mark.soak
@pytest.mark.parametrize("row", LONG)
def test_a_long_lesson(classroom: Classroom, cluster: Cluster, row: str) -> None:
    needs(row, classroom.variables)
    differs = classroom.ended(row)
    assert differs is None, str(differs)
    cluster.wait_healthy()


@pytest.mark.soak
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("row", APART)
async def test_a_lesson_that_brings_up_a_cluster(whole_cluster: Cluster, row: str, tmp_path: Path) -> None:
    tag = whole_cluster.env["VAINA_TAG"]
    variables = apart_environment(PROJECT, tag, tmp_path)
    try:
        differs = await run_lesson(versions(row), variables)
        assert differs is None, str(differs)
    finally:
        take_down(PROJECT, tag)
    assert not (ROOT / "deploy" / "admin" / PROJECT).exists()
