"""A workload from its name to its report: what the command and tests call."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bench.load import facts
from bench.load.cluster import Target
from bench.load.context import RunError
from bench.load.progress import Progress
from bench.load.publishing import config_of
from bench.load.report import Report
from bench.load.run import Run
from bench.load.settings import Settings
from bench.load.workload import CreatePods, UpdateOwners, Workload
from vaina.client.clientset import Clientset
from vaina.clock import rfc3339

#: nodes alone have no heartbeat, and nobody makes their Pods run
_NODES = {
    "objects": "objects (Node objects alone)",
    "simulated": "simulated (Node objects; one process says of all their Pods that they run)",
    "hollow": "hollow (kubelets with a runtime that runs nothing)",
    "real": "real (the cluster's own)",
}


async def run_workload(
    workload: Workload, target: Target, client: Clientset, settings: Settings, progress: Progress, **how: Any
) -> Report:
    """Run a workload and report.

    Args:
        workload: what is done.
        target: where.
        client: of its apiserver; calls of the load may take long, so it should be patient.
        settings: how.
        progress: what is shown meanwhile.
        **how: what else the report says of the way it was run.

    Raises:
        RunError: Pods did not come as far as they should.
        HollowError: the nodes did not come.
        ApiError: the apiserver refuses, or does not answer.
    """
    steady = any(
        isinstance(step, CreatePods) and step.steady_state for step in workload.case.workload_template
    )
    owned = any(
        isinstance(step, CreatePods) and step.owners is not None for step in workload.case.workload_template
    )
    if (steady or owned) and settings.create == "pending":
        # Pods that come while others go, or that controllers make, are not there before the scheduler is.
        settings = replace(settings, create="batch")
    updated = any(isinstance(step, UpdateOwners) for step in workload.case.workload_template)
    if updated and settings.nodes == "objects":
        raise RunError("updateOwners: nodes are objects, where no Pod is ever ready: --nodes simulated")
    machine, started = facts.machine(with_etcd=target.is_disposable), rfc3339(time.time())
    progress.say(f"{workload.name} as {settings.run} on {target.name}")
    run = Run(workload, target, client, settings, progress)
    commit, described = facts.commit(), describe(settings, target, steady=steady, owned=owned) | how
    if run.publishing is not None:
        run.publishing.config = config_of(described, workload.variant.params, commit)
    await run.execute()
    return Report(
        workload=workload.name,
        description=workload.case.description,
        params=workload.variant.params,
        reference_threshold=workload.variant.threshold,
        run=settings.run,
        started=started,
        commit=commit,
        machine=machine,
        how=described,
        measurements=run.measurements,
        notes=_distinct(run.notes),
        verification=run.verification,
        machines=run.machines.reports(),
    )


def describe(settings: Settings, target: Target, *, steady: bool, owned: bool) -> dict[str, Any]:
    """Say how a run is made, for its report.

    Args:
        settings: of the run.
        target: where.
        steady: whether the workload has a steady state, and with it a rate.
        owned: whether controllers make its Pods.
    """
    batches = f"{settings.batch_size} a call, {settings.in_flight} in flight"
    creation = {
        "pending": "pending before the scheduler starts",
        "batch": f"in batches while measured ({batches})",
        "unary": f"one a call while measured ({settings.callers} callers)",
    }[settings.create]
    if owned:
        callers = settings.callers if settings.create == "unary" else settings.in_flight
        creation = f"by controllers, of objects that are created while measured ({callers} callers)"
    loop = "closed"
    if settings.trace:
        loop = "open, by a trace"
    elif settings.rate:
        loop = f"open, {settings.rate:g}/s {settings.arrivals}"
    elif steady:
        loop = f"open, at the workload's rate, {settings.arrivals}"
    found: dict[str, Any] = {
        "target": target.name, "nodes": _NODES[settings.nodes], "creation": creation, "loop": loop,
        "events and conditions": "as in normal operation",
    }  # fmt: skip
    if settings.stages:
        found["stages"] = settings.stages
    if settings.image:
        found["image"] = settings.image
    return found


def _distinct(notes: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(notes))
