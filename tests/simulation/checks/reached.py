"""PURE: what Jobs, StatefulSets, DaemonSets and budgets must have reached once all faults are over (I15), in
words what is missing.

A Pod that fits nowhere excuses what waits for it.
"""

from collections.abc import Iterator
from typing import Any

from tests.simulation.checks.model import TERMINAL, Model, is_active, meant_for, serves
from tests.simulation.checks.nodes import Nodes
from vaina.clock import seconds_of
from vaina.kinds import CRON_JOB, DAEMON_SET, JOB, NODE, POD, POD_DISRUPTION_BUDGET, STATEFUL_SET
from vaina.objects.disruption_budgets import covers
from vaina.objects.jobs import finished_as, is_tracked
from vaina.objects.nodes import selects
from vaina.objects.rollouts import REVISION_HASH
from vaina.testing.clock import EPOCH

#: seconds after the full minute by which its Job must be there
LATE = 10.0


def jobs_are_over(model: Model, nodes: Nodes) -> Iterator[str]:
    """I15: a Job has ended, is suspended, or has Pods that fit nowhere; none of its Pods waits to be counted."""
    del nodes
    for job in model.of(JOB):
        name, status, pods = job.metadata.name, job.status, model.below(job.metadata.uid)
        if job.metadata.HasField("deletion_timestamp"):
            yield f"Job {name} was deleted, and is there (finalizers {[*job.metadata.finalizers]})"
            continue
        active = [pod for pod in pods if is_active(pod)]
        if status.active != len(active):
            yield f"Job {name} says {status.active} Pods are active, and {len(active)} are"
        if held := [pod.metadata.name for pod in pods if pod.status.phase in TERMINAL and is_tracked(pod)]:
            yield f"Job {name} has not counted {held}"
        if finished_as(job):
            if active:
                yield f"Job {name} is {finished_as(job)}, and has {len(active)} Pods"
        elif job.spec.suspend or not job.spec.parallelism:
            if active:
                yield f"Job {name} is to have no Pods, and has {len(active)}"
        elif not any(not pod.spec.node_name for pod in active):
            yield f"Job {name} has not ended: {status.succeeded} of {job.spec.completions}, {status.failed} failed"


def cron_jobs_are_in_time(model: Model, nodes: Nodes) -> Iterator[str]:
    """I15: what is to be done each minute was done in the last one, if it is known for so long."""
    del nodes
    now = EPOCH + model.at
    minute = now // 60 * 60
    for cron in model.of(CRON_JOB):
        name, meta = cron.metadata.name, cron.metadata
        if meta.HasField("deletion_timestamp"):
            yield f"CronJob {name} was deleted, and is there"
        elif now - minute > LATE and seconds_of(meta.creation_timestamp) < minute - LATE:
            last = seconds_of(cron.status.last_schedule_time)
            # Forbid waits for the Job before.
            if last < minute and not cron.status.active:
                yield f"CronJob {name} was last at work at {last:.0f}, and should have been at {minute:.0f}"


def stateful_sets_are_there(model: Model, nodes: Nodes) -> Iterator[str]:
    """I15: a StatefulSet has its Pods, and no others, all of its template now, and says so."""
    del nodes
    for found in model.of(STATEFUL_SET):
        name, meta, status = found.metadata.name, found.metadata, found.status
        yield from _is_looked_at("StatefulSet", found)
        if meta.HasField("deletion_timestamp"):
            continue
        pods = {pod.metadata.name: pod for pod in model.below(meta.uid)}
        if not all(map(serves, pods.values())):
            # One that fits nowhere; that the others run is told of each Pod.
            continue
        wanted = {f"{name}-{ordinal}" for ordinal in range(found.spec.replicas)}
        if _taken(model, wanted - pods.keys(), meta.uid):
            # It waits until the name is free, and until then for all that comes after it.
            continue
        if pods.keys() != wanted:
            yield f"StatefulSet {name} wants {sorted(wanted)}, and has {sorted(pods)}"
        old = [
            key
            for key, pod in pods.items()
            if pod.metadata.labels.get(REVISION_HASH) != status.update_revision
        ]
        if old:
            yield f"StatefulSet {name} has {old} of an older template"
        if (status.replicas, status.ready_replicas) != (len(pods), len(pods)):
            yield f"StatefulSet {name} says {status.ready_replicas} of {status.replicas} Pods are ready, and {len(pods)} are"


def _is_looked_at(kind: str, found: Any) -> Iterator[str]:
    """Say so when a set is still there after it was deleted, or when its newest generation was not looked at."""
    meta = found.metadata
    if meta.HasField("deletion_timestamp"):
        yield f"{kind} {meta.name} was deleted, and is there (finalizers {[*meta.finalizers]})"
    elif found.status.observed_generation != meta.generation:
        yield f"{kind} {meta.name} says nothing of its generation {meta.generation}"


def _taken(model: Model, names: set[str], uid: str) -> bool:
    """Say whether Pods of these names are somebody else's: they were orphaned, and carry other labels by now."""
    return any(
        pod.metadata.name in names and all(owner.uid != uid for owner in pod.metadata.owner_references)
        for pod in model.of(POD)
    )


def daemons_are_there(model: Model, nodes: Nodes) -> Iterator[str]:
    """I15: a DaemonSet has one Pod on each node that it asks for, of its template now, and none elsewhere."""
    del nodes
    for found in model.of(DAEMON_SET):
        name, meta, status = found.metadata.name, found.metadata, found.status
        yield from _is_looked_at("DaemonSet", found)
        if meta.HasField("deletion_timestamp"):
            continue
        wanted = sorted(
            node.metadata.name for node in model.of(NODE) if selects(found.spec.template.spec, node)
        )
        pods = model.below(meta.uid)
        if not all(map(serves, pods)):
            continue
        there = sorted(meant_for(pod) for pod in pods)
        if there != wanted:
            yield f"DaemonSet {name} is wanted on {wanted}, and is on {there}"
        if len({pod.metadata.labels.get(REVISION_HASH) for pod in pods}) > 1:
            yield f"DaemonSet {name} has Pods of several templates"
        if (status.desired_number_scheduled, status.number_ready) != (len(wanted), len(pods)):
            yield f"DaemonSet {name} says {status.number_ready} of {status.desired_number_scheduled} are ready, not {len(pods)}"


def budgets_are_counted(model: Model, nodes: Nodes) -> Iterator[str]:
    """I15: a budget says how many of its Pods serve."""
    del nodes
    for budget in model.of(POD_DISRUPTION_BUDGET):
        name, status = budget.metadata.name, budget.status
        serving = sum(serves(pod) for pod in model.of(POD) if covers(budget, pod.metadata.labels))
        if _is_unsynced(budget):
            # Its Pods' owner is gone.
            continue
        if (status.observed_generation, status.current_healthy) != (budget.metadata.generation, serving):
            yield f"budget {name} says {status.current_healthy} Pods serve, and {serving} do"


def _is_unsynced(budget: Any) -> bool:
    return any(condition.reason == "SyncFailed" for condition in budget.status.conditions)


REACHED = (
    jobs_are_over,
    cron_jobs_are_in_time,
    stateful_sets_are_there,
    daemons_are_there,
    budgets_are_counted,
)
