"""Load tests on the cluster of a page that is shown."""

from dataclasses import replace
from pathlib import Path

from bench.load.cluster import RunningCluster
from bench.load.parse import read_workloads
from bench.load.report import Report
from bench.load.session import run_workload
from bench.load.settings import Settings
from tests.support.identities import ADMIN
from tests.support.load import quiet
from tests.support.secured import Plane
from vaina.client.clientset import Clientset


async def ran(plane: Plane, admin: Clientset, workload: Path, run: str, **how: object) -> Report:
    """Run the one workload of a file on the nodes that are there; `how` are settings."""
    [read] = read_workloads([workload])
    target = RunningCluster(plane.apiserver.target, credentials=plane.identities.credentials(ADMIN))
    settings = replace(
        Settings(run, nodes="real", verify=False, wait_running=True, create="unary"),
        **how,  # type: ignore[arg-type]  # as the caller names them
    )
    return await run_workload(read, target, admin, settings, quiet())
