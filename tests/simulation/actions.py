"""What each verb of a story does.

A step that finds nothing to act on does nothing; errors that a user may get are fine.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any

from tests.simulation.claims import ACTIONS as OF_CLAIMS
from tests.simulation.making import GRACE_SECONDS, container, fill, nth
from tests.simulation.story import Step
from tests.simulation.workloads import ACTIONS as OF_WORKLOADS
from tests.simulation.world import World
from tests.support.hollow import end
from vaina.api.core.v1 import pod_pb2
from vaina.api.scheduling.v1 import priority_class_pb2
from vaina.errors import AlreadyExists, ApiError, Conflict
from vaina.kinds import (
    CRON_JOB,
    DAEMON_SET,
    DEPLOYMENT,
    JOB,
    REPLICA_SET,
    REPLICATION_CONTROLLER,
    STATEFUL_SET,
    Kind,
)
from vaina.testing.builders import (
    make_deployment,
    make_meta,
    make_pod,
    make_replica_set,
    make_replication_controller,
)

#: what a user may scale, and what may be deleted besides
_SCALED = (DEPLOYMENT, STATEFUL_SET, JOB, REPLICATION_CONTROLLER, REPLICA_SET)
_SETS = {kind.kind: kind for kind in (CRON_JOB, DAEMON_SET, *_SCALED)}
#: how a Deployment brings in a new template: surge, unavailable, whether all at once
ROLLOUTS: dict[str, tuple[int | str, int | str, bool]] = {
    "a quarter": ("25%", "25%", False),
    "one more": (1, 0, False),
    "one less": (0, 1, False),
    "all at once": (0, 0, True),
}

#: of PriorityClasses; other Pods have none, which is 0
PRIORITIES = {"polite": 100, "important": 100, "urgent": 1000}


async def perform(world: World, step: Step) -> None:
    """Do a step."""
    try:
        await ACTIONS[step.verb](world, *step.args)
    except ApiError as error:
        world.journal.note(world.now, f"refused {step.verb}: {type(error).__name__} {error.message}")


def _sets(world: World, kinds: Iterable[Kind[Any]] = ()) -> list[Any]:
    return [owner for kind in kinds or _SETS.values() for owner in world.model.of(kind)]


def _client(world: World, owner: Any) -> Any:
    return world.user.kind(_SETS[owner.DESCRIPTOR.name])


async def _create_rs(world: World, name: str, replicas: int, cpu: int) -> None:
    made = make_replica_set(name, replicas=replicas)
    fill(made.spec.template, cpu)
    await world.user.replica_sets.create(made)


async def _create_rc(world: World, name: str, replicas: int, cpu: int) -> None:
    made = make_replication_controller(name, replicas=replicas)
    fill(made.spec.template, cpu)
    await world.user.replication_controllers.create(made)


async def _create_deployment(world: World, name: str, replicas: int, cpu: int, how: str) -> None:
    surge, away, recreate = ROLLOUTS[how]
    made = make_deployment(name, replicas=replicas, max_surge=surge, max_unavailable=away, recreate=recreate)
    fill(made.spec.template, cpu)
    await world.user.deployments.create(made)


def _pod(name: str, cpu: int = 100, policy: str = "Always", command: str = "for ever") -> pod_pb2.Pod:
    pod = make_pod(name, containers=[container(cpu, command)])
    pod.spec.restart_policy = policy
    pod.spec.termination_grace_period_seconds = GRACE_SECONDS
    return pod


async def _create_pod(world: World, name: str, cpu: int, policy: str, command: str) -> None:
    await world.user.pods.create(_pod(name, cpu, policy, command))


async def _create_important(world: World, name: str, cpu: int, how: str) -> None:
    """Create a Pod of a PriorityClass, and that before it."""
    made = priority_class_pb2.PriorityClass(metadata=make_meta(how), value=PRIORITIES[how])
    made.preemption_policy = "Never" if how == "polite" else "PreemptLowerPriority"
    with suppress(AlreadyExists):
        await world.user.priority_classes.create(made)
    pod = _pod(name, cpu)
    pod.spec.priority_class_name = how
    await world.user.pods.create(pod)


async def _generate_pod(world: World) -> None:
    pod = _pod("", 100)
    pod.metadata.name, pod.metadata.generate_name = "", "gen-"
    await world.user.pods.create(pod)


async def _hold_pod(world: World, number: int, seconds: float, end: str) -> None:
    """Put a finalizer on a Pod, and take it off later, however often that takes."""
    pod = nth(world.model.pods(), number)
    if pod is None:
        return
    name = pod.metadata.name
    patch = f'{{"metadata":{{"uid":"{pod.metadata.uid}","finalizers":["simulation.vaina.dev/hold"]}}}}'
    try:
        await world.user.pods.patch(name, patch, namespace="default")
        await world.clock.sleep(seconds / 2)
        if end == "deleted":
            await world.user.pods.delete(name, "default", uid=pod.metadata.uid)
    finally:
        await world.clock.sleep(seconds / 2)
        await _let_go(world, pod)


async def _let_go(world: World, pod: Any) -> None:
    while (found := world.model.pod_by_uid(pod.metadata.uid)) is not None and found.metadata.finalizers:
        patch = '{"metadata":{"$deleteFromPrimitiveList/finalizers":["simulation.vaina.dev/hold"]}}'
        try:
            await world.user.pods.patch(pod.metadata.name, patch, namespace="default")
        except ApiError:
            await world.clock.sleep(1.0)


async def _scale(world: World, number: int, replicas: int) -> None:
    owner = nth(_sets(world, _SCALED), number)
    if owner is None:
        return
    field = "parallelism" if owner.DESCRIPTOR.name == JOB.kind else "replicas"
    patch = f'{{"spec":{{"{field}":{replicas}}}}}'
    await _client(world, owner).patch(owner.metadata.name, patch, namespace="default")


async def _delete_set(world: World, number: int, propagation: str) -> None:
    owner = nth(_sets(world), number)
    if owner is not None:
        await _client(world, owner).delete(owner.metadata.name, "default", propagation_policy=propagation)


async def _delete_pod(world: World, number: int, grace: int) -> None:
    pod = nth(world.model.pods(), number)
    if pod is not None:
        seconds = None if grace < 0 else grace
        await world.user.pods.delete(
            pod.metadata.name, "default", uid=pod.metadata.uid, grace_period_seconds=seconds
        )


async def _relabel_pod(world: World, number: int) -> None:
    pod = nth([pod for pod in world.model.pods() if pod.metadata.labels], number)
    if pod is not None:
        patch = '{"metadata":{"labels":{"app":"stray"}}}'
        await world.user.pods.patch(pod.metadata.name, patch, namespace="default")


async def _annotate(world: World, number: int, value: int) -> None:
    owner = nth(_sets(world), number)
    if owner is not None:
        patch = f'{{"metadata":{{"annotations":{{"note":"{value}"}}}}}}'
        await _client(world, owner).patch(owner.metadata.name, patch, namespace="default")


async def _race(world: World, number: int) -> None:
    """Two updates of one version at once."""
    owner = nth(_sets(world), number)
    if owner is None:
        return
    client = _client(world, owner)
    read = await client.get(owner.metadata.name, "default")

    async def update(who: str) -> str:
        mine = type(read)()
        mine.CopyFrom(read)
        mine.metadata.annotations["winner"] = f"{who} of {read.metadata.resource_version}"
        try:
            await client.update(mine)
        except Conflict:
            return "lost"
        except ApiError:
            return "unknown"
        return "won"

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(update(who)) for who in ("first", "second")]
    results = [task.result() for task in tasks]
    both = results.count("won") > 1
    world.judge("I5", [f"two updates of version {read.metadata.resource_version} both won"] if both else [])


async def _cordon(world: World, name: str) -> None:
    await world.user.nodes.patch(name, '{"spec":{"unschedulable":true}}')


async def _uncordon(world: World, name: str) -> None:
    await world.user.nodes.patch(name, '{"spec":{"unschedulable":false}}')


async def _exit_container(world: World, number: int, code: int) -> None:
    running = [
        (node, container.id)
        for node in world.nodes.values()
        for container in node.state().running
        if world.model.pod_by_uid(container.pod_uid) is not None
    ]
    found = nth(running, number)
    if found is not None:
        node, container_id = found
        world.on_fault("exit-container", container_id)
        end(node.runtime, container_id, code)


async def _kill(world: World, part: str, seconds: float) -> None:
    if part in world.parts:
        world.on_fault("kill", part)
        await world.kill(part)
        await world.clock.sleep(seconds)
        world.start(part)


async def _crash_apiserver(world: World, number: int, seconds: float) -> None:
    await _kill(world, f"apiserver-{number}", seconds)


async def _partition(world: World, part: str, mode: str, seconds: float) -> None:
    world.on_fault(f"partition-{mode}", part)
    link = world.link(part)
    link.set(mode)
    await world.clock.sleep(seconds)
    link.set("up")


async def _silence_node(world: World, name: str, seconds: float) -> None:
    await _partition(world, name, "silent", seconds)


async def _silence_all(world: World, seconds: float) -> None:
    async with asyncio.TaskGroup() as group:
        for name in world.nodes:
            group.create_task(_partition(world, name, "silent", seconds))


async def _cut_streams(world: World, part: str) -> None:
    if world.link(part).cut():
        world.on_fault("cut-streams", part)


async def _cut_storage(world: World, number: int) -> None:
    server = world.servers.get(f"apiserver-{number}")
    if server is not None and server.storage.cut_watches():
        world.on_fault("cut-storage", server.name)


async def _slow(world: World, part: str, seconds_each: float, seconds: float) -> None:
    world.on_fault("slow", part)
    link = world.link(part)
    link.slow = seconds_each
    await world.clock.sleep(seconds)
    link.slow = 0.0


async def _stale(world: World, part: str, kind: str, seconds: float) -> None:
    """Hold what a part is told of one kind: its caches show different times."""
    if world.link(part).hold(kind, seconds):
        world.on_fault("stale", f"{part} {kind}")


async def _compact(world: World, behind: int) -> None:
    world.on_fault("compact", str(behind))
    world.storage.compact(world.storage.behind(behind))


async def _skew(world: World, part: str, seconds: float) -> None:
    world.on_fault("skew", f"{part} {seconds:g}")
    world.clock_of(part).skew = seconds


ACTIONS: dict[str, Callable[..., Awaitable[None]]] = {
    "create-rs": _create_rs,
    "create-rc": _create_rc,
    "create-deployment": _create_deployment,
    "create-pod": _create_pod,
    "create-important": _create_important,
    "generate-pod": _generate_pod,
    "hold-pod": _hold_pod,
    "scale": _scale,
    "delete-set": _delete_set,
    "delete-pod": _delete_pod,
    "relabel-pod": _relabel_pod,
    "annotate": _annotate,
    "race": _race,
    "cordon": _cordon,
    "uncordon": _uncordon,
    "exit-container": _exit_container,
    "kill": _kill,
    "crash-apiserver": _crash_apiserver,
    "partition": _partition,
    "silence-node": _silence_node,
    "silence-all": _silence_all,
    "cut-streams": _cut_streams,
    "cut-storage": _cut_storage,
    "slow": _slow,
    "compact": _compact,
    "stale": _stale,
    "skew": _skew,
    **OF_WORKLOADS,
    **OF_CLAIMS,
}
