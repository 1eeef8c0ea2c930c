"""Runs of `vaina load` in tests: with processes of their own, judged whole."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bench.load.cluster import LocalCluster, LocalSettings
from bench.load.parse import find_workload, read_workloads
from bench.load.progress import Progress
from bench.load.report import Report
from bench.load.session import run_workload
from bench.load.settings import Settings
from vaina.client.clientset import Clientset
from vaina.client.transport import GrpcTransport


@asynccontextmanager
async def ran_locally(name: str, *files: Path, **how: Any) -> AsyncIterator[tuple[Report, Clientset]]:
    """Run a workload as `--local` does, and give its report, and a client of what is there then.

    Args: files: that have it; none: the project's; how: of the settings.
    """
    workload = find_workload(name, read_workloads(files))
    settings = Settings(**{"run": "load-test", "create": "pending", "verify_seconds": 600, **how})
    async with (
        LocalCluster(LocalSettings(fsync=False)) as target,
        Clientset(GrpcTransport(target.address)) as client,
    ):
        yield await run_workload(workload, target, client, settings, quiet()), client


def verified(report: Report, bindings: int) -> None:
    """The run was judged whole, and was in order."""
    found = report.verification
    assert found is not None
    assert (found.reason, found.violations) == ("", [])
    assert (found.bindings, found.thorough) == (bindings, bindings)


def quiet() -> Progress:
    """Return a progress that nobody sees."""
    return Progress(lambda _: None)
