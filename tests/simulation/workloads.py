"""What the verbs of a story do to Jobs, StatefulSets, DaemonSets, CronJobs and budgets.

The rest is in `actions.py`.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tests.simulation.making import COMMANDS, fill, nth
from tests.simulation.world import World
from vaina.api.apps.v1 import daemon_set_pb2, stateful_set_pb2
from vaina.api.batch.v1 import job_pb2
from vaina.api.policy.v1 import pod_disruption_budget_pb2
from vaina.errors import ApiError, NotFound
from vaina.kinds import DAEMON_SET, DEPLOYMENT, JOB, POD_DISRUPTION_BUDGET, REPLICA_SET, STATEFUL_SET
from vaina.objects.disruption_budgets import covers
from vaina.testing.builders import make_meta

#: the label of nodes that DaemonSets may ask for
POOL = "simulation.vaina.dev/pool"
#: budgets, by the words of a story: the field, and the number
BUDGETS: Mapping[str, tuple[str, int]] = {
    "keep 1": ("min_available", 1), "keep 2": ("min_available", 2), "miss 1": ("max_unavailable", 1),
    "miss 0": ("max_unavailable", 0),
}  # fmt: skip


def _job_spec(
    spec: job_pb2.JobSpec, parallelism: int, completions: int, how: str, command: str, limit: int
) -> None:
    spec.parallelism, spec.completions, spec.backoff_limit = parallelism, completions, limit
    if how.startswith("indexed"):
        spec.completion_mode = "Indexed"
    if how.endswith("failed"):
        spec.pod_replacement_policy = "Failed"
    fill(spec.template, 100)
    spec.template.spec.restart_policy = "Never"
    spec.template.spec.containers[0].command.extend(COMMANDS[command])


async def _create_job(
    world: World, name: str, parallelism: int, completions: int, how: str, command: str, limit: int
) -> None:
    made = job_pb2.Job(metadata=make_meta(name, "default"))
    _job_spec(made.spec, parallelism, completions, how, command, limit)
    await world.user.jobs.create(made)


async def _create_cron_job(world: World, name: str, policy: str) -> None:
    made = job_pb2.CronJob(metadata=make_meta(name, "default"))
    made.spec.schedule, made.spec.concurrency_policy = "* * * * *", policy
    _job_spec(made.spec.job_template.spec, 1, 1, "plain", "3 s, then 0", 1)
    await world.user.cron_jobs.create(made)


async def _suspend(world: World, number: int, seconds: float) -> None:
    """Suspend a Job, and let it go on later, however often that takes."""
    found = nth([*world.model.of(JOB)], number)
    if found is not None:
        await _and_back(world, world.user.jobs, found.metadata.name, "suspend", seconds)


async def _and_back(world: World, client: Any, name: str, field: str, seconds: float) -> None:
    await client.patch(name, f'{{"spec":{{"{field}":true}}}}', namespace="default")
    try:
        await world.clock.sleep(seconds)
    finally:
        while True:
            try:
                await client.patch(name, f'{{"spec":{{"{field}":false}}}}', namespace="default")
            except NotFound:
                return
            except ApiError:
                await world.clock.sleep(1.0)
            else:
                return


async def pause(world: World, number: int, seconds: float) -> None:
    """Pause a Deployment, and let it go on later."""
    found = nth([*world.model.of(DEPLOYMENT)], number)
    if found is not None:
        await _and_back(world, world.user.deployments, found.metadata.name, "paused", seconds)


async def _create_stateful_set(world: World, name: str, replicas: int, cpu: int, policy: str) -> None:
    made = stateful_set_pb2.StatefulSet(metadata=make_meta(name, "default"))
    spec = made.spec
    spec.replicas, spec.pod_management_policy = replicas, policy
    spec.selector.match_labels["app"] = spec.template.metadata.labels["app"] = name
    fill(spec.template, cpu)
    await world.user.stateful_sets.create(made)


async def _create_daemon_set(world: World, name: str, cpu: int, how: str, where: str) -> None:
    made = daemon_set_pb2.DaemonSet(metadata=make_meta(name, "default"))
    spec = made.spec
    spec.selector.match_labels["app"] = spec.template.metadata.labels["app"] = name
    rolling = spec.update_strategy.rolling_update
    spec.update_strategy.type = "RollingUpdate"
    rolling.max_surge.int_val, rolling.max_unavailable.int_val = (1, 0) if how == "surge" else (0, 1)
    rolling.max_surge.SetInParent()
    rolling.max_unavailable.SetInParent()
    fill(spec.template, cpu)
    if where == "pool":
        spec.template.spec.node_selector[POOL] = "yes"
    await world.user.daemon_sets.create(made)


async def _label_node(world: World, name: str, value: str) -> None:
    await world.user.nodes.patch(name, f'{{"metadata":{{"labels":{{"{POOL}":"{value}"}}}}}}')


async def roll(world: World, number: int, cpu: int) -> None:
    """Give a Deployment, a StatefulSet or a DaemonSet another template.

    The same number brings back what it was.
    """
    kinds = {kind.kind: kind for kind in (DEPLOYMENT, STATEFUL_SET, DAEMON_SET)}
    found = nth([obj for kind in kinds.values() for obj in world.model.of(kind)], number)
    if found is not None:
        wanted = type(found)()
        wanted.CopyFrom(found)
        fill(wanted.spec.template, cpu)
        await world.user.kind(kinds[found.DESCRIPTOR.name]).update(wanted)


async def _create_budget(world: World, name: str, number: int, words: str) -> None:
    """Make a budget of the Pods of a set."""
    kinds = (STATEFUL_SET, DEPLOYMENT, REPLICA_SET)
    owner = nth([obj for kind in kinds for obj in world.model.of(kind)], number)
    if owner is None:
        return
    made = pod_disruption_budget_pb2.PodDisruptionBudget(metadata=make_meta(name, "default"))
    made.spec.selector.match_labels["app"] = owner.spec.selector.match_labels["app"]
    field, amount = BUDGETS[words]
    getattr(made.spec, field).int_val = amount
    getattr(made.spec, field).SetInParent()
    await world.user.pod_disruption_budgets.create(made)


async def _delete_budget(world: World, number: int) -> None:
    found = nth([*world.model.of(POD_DISRUPTION_BUDGET)], number)
    if found is not None:
        await world.user.pod_disruption_budgets.delete(found.metadata.name, "default")


async def _evict(world: World, number: int) -> None:
    budgets = [*world.model.of(POD_DISRUPTION_BUDGET)]
    pods = world.model.pods()
    covered = [pod for pod in pods if any(covers(budget, pod.metadata.labels) for budget in budgets)]
    pod = nth(covered or pods, number)
    if pod is not None:
        await world.user.pods.evict(pod.metadata.name, namespace="default")


async def _drain(world: World, name: str, seconds: float) -> None:
    """Cordon a node and evict what is on it, again and again for a while; then let it be used."""
    await world.user.nodes.patch(name, '{"spec":{"unschedulable":true}}')
    try:
        end = world.now + seconds
        while world.now < end:
            for pod in world.model.pods():
                if pod.spec.node_name == name and not pod.metadata.HasField("deletion_timestamp"):
                    await _try_to_evict(world, pod.metadata.name)
            await world.clock.sleep(1.0)
    finally:
        await world.user.nodes.patch(name, '{"spec":{"unschedulable":false}}')


async def _try_to_evict(world: World, name: str) -> None:
    try:
        await world.user.pods.evict(name, namespace="default")
    except ApiError as error:
        world.journal.note(world.now, f"not evicted: {name} {type(error).__name__} {error.message}")


ACTIONS: dict[str, Callable[..., Awaitable[None]]] = {
    "create-job": _create_job,
    "create-cron-job": _create_cron_job,
    "suspend": _suspend,
    "create-stateful-set": _create_stateful_set,
    "create-daemon-set": _create_daemon_set,
    "label-node": _label_node,
    "roll": roll,
    "pause": pause,
    "create-budget": _create_budget,
    "delete-budget": _delete_budget,
    "evict": _evict,
    "drain": _drain,
}
