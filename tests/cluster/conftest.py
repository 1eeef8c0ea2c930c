"""The cluster that all tests of this folder share, and what is kept of it when one of them fails.

`VAINA_KEEP_CLUSTER=1` leaves it running after the tests, to look at; `COMPOSE_PROJECT_NAME=vaina-test deploy/down.sh`
then removes it.
"""

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.support.cluster import ROOT, Cluster, engine_answers

LOGS = ROOT / ".cache" / "cluster-logs"
OUTCOME = pytest.StashKey[bool]()


def setting(name: str) -> str:
    """Read one setting of the test run itself."""
    return os.environ.get(name, "")  # noqa: TID251


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark this folder's tests, and give them the time that real containers take (the first one's includes the start)."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.cluster)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(900))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember whether a test failed, for the fixture that saves the logs."""
    report = yield
    if report.when == "call":
        item.stash[OUTCOME] = report.failed
    return report


@pytest.fixture(scope="session")
def whole_cluster() -> Iterator[Cluster]:
    """Bring the cluster up once for all tests."""
    if not engine_answers():
        reason = "no Docker engine answers; `make test-cluster` sees to one"
        pytest.fail(reason) if setting("CI") else pytest.skip(reason)
    running = Cluster()
    running.up()
    yield running
    if not setting("VAINA_KEEP_CLUSTER"):
        running.down()


@pytest.fixture
def cluster(whole_cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Lend the running cluster to one test; a failed test's logs are saved."""
    yield whole_cluster
    if request.node.stash.get(OUTCOME, False):
        LOGS.mkdir(parents=True, exist_ok=True)
        file = LOGS / f"{request.node.name.replace('/', '_')}.log"
        file.write_text(whole_cluster.logs(lines=2000))
        request.node.add_report_section("teardown", "cluster", f"logs saved in {file.relative_to(ROOT)}")
