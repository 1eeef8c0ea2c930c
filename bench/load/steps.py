"""The steps of a workload that go on beside others, or only wait: churn, deletion at a pace, barriers."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from google.protobuf.message import Message

from bench.load.making import Making
from bench.load.observe import Observer
from bench.load.podset import PodSet
from bench.load.settings import Settings
from bench.load.templates import Maker, Template
from bench.load.workload import Churn, DeletePods, UpdateAny
from vaina.client.clientset import Clientset
from vaina.errors import ApiError, NotFound
from vaina.kinds import NODE
from vaina.objects.conditions import get_condition

#: of a churn, where nothing else is said
INTERVAL_MILLISECONDS = 500
_LOOK_SECONDS = 0.5
_CALLERS = 16

#: is told of a template's name and what was refused
Note = Callable[[str, ApiError], None]


class _Pace:
    """When the next round of a churn is due: by time, or by Pods that were bound. Owned by the churn."""

    def __init__(self, step: Churn, observer: Observer) -> None:
        self._seconds = (step.interval_milliseconds or INTERVAL_MILLISECONDS) / 1000
        self._pods, self._observer = step.every_pods, observer
        self._begun = observer.bound_count if step.every_pods else observer.now()
        self.rounds = 0

    async def wait(self) -> None:
        self.rounds += 1
        if self._pods:
            await self._observer.wait_bound(int(self._begun) + self.rounds * self._pods)
        else:
            await asyncio.sleep(max(0.0, self._begun + self.rounds * self._seconds - self._observer.now()))

    @property
    def late(self) -> int:
        """How many rounds by Pods are due and have not begun."""
        if not self._pods:
            return 0
        return max(0, (self._observer.bound_count - int(self._begun)) // self._pods - self.rounds + 1)


async def churn(
    client: Clientset, making: Making, step: Churn, namespace: str, observer: Observer, notes: list[str]
) -> None:
    """Let objects come (and go) until cancelled; what is refused is noted once, and the churn goes on.

    As in the reference: every interval one object of each template; in mode recreate, when there are `number`
    of each, they go one an interval as they came, and it begins anew. An interval may be one of Pods, which
    the reference does not have: so a faster scheduler has no less of it.
    """
    makers = [making.maker(path) for path in step.template_paths]
    index, pace = 0, _Pace(step, observer)
    refused: set[str] = set()

    def note(source: str, error: ApiError) -> None:
        if error.reason not in refused:
            notes.append(f"churn: {source}: {error.message}")
            refused.add(error.reason)

    try:
        while step.mode == "recreate" or not step.number or index < step.number:
            rounds: list[list[tuple[Template, Message]]] = []
            for _ in range(step.number or 1):
                made = [await _make(making, maker, namespace, index, note) for maker in makers]
                rounds.append([one for one in made if one is not None])
                index += 1
                await pace.wait()
            for round_ in rounds if step.mode == "recreate" else ():
                for template, obj in round_:
                    await _delete(client, template, obj, note)
                await pace.wait()
    except asyncio.CancelledError:
        if pace.late:
            notes.append(f"churn: it could not keep up: {pace.late:,} rounds were due and not made")
        raise


async def _make(
    making: Making, maker: Maker, namespace: str, index: int, note: Note
) -> tuple[Template, Message] | None:
    try:
        return await making.make_any(maker, namespace, index)
    except ApiError as error:
        note(maker.template.source, error)
        return None


async def _delete(client: Clientset, template: Template, obj: Any, note: Note) -> None:
    grace = 0 if template.kind.kind == "Pod" else None
    try:
        await client.kind(template.kind).delete(
            obj.metadata.name, obj.metadata.namespace, grace_period_seconds=grace
        )
    except NotFound:
        return
    except ApiError as error:
        note(template.source, error)


async def delete_pods(client: Clientset, namespace: str, names: Sequence[str], step: DeletePods) -> None:
    """Delete Pods, all at once or so many a second."""
    if not step.delete_pods_per_second:
        selector = ",".join(f"{key}={value}" for key, value in step.label_selector.items())
        await client.pods.delete_collection(namespace, label_selector=selector, grace_period_seconds=0)
        return

    async def delete(index: int) -> None:
        with suppress(NotFound):
            await client.pods.delete(names[index], namespace, grace_period_seconds=0)

    await at_pace(len(names), step.delete_pods_per_second, delete)


async def at_pace(count: int, per_second: float, do: Callable[[int], Awaitable[None]]) -> None:
    """Do something so often, with few calls in flight.

    Args: per_second: 0: as fast as the apiserver answers; do: is told how many were before.
    """
    start, order = time.perf_counter(), iter(range(count))

    async def caller() -> None:
        for index in order:
            if per_second:
                await asyncio.sleep(max(0.0, start + index / per_second - time.perf_counter()))
            await do(index)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(_CALLERS, count)):
            group.create_task(caller())


async def update_any(client: Clientset, making: Making, step: UpdateAny, count: int) -> None:
    """Put objects as the template of a step has them, and the status of nodes.

    Upstream: test/integration/scheduler_perf/update.go.

    Raises:
        ApiError: one is not there, or may not be so.
    """
    maker = making.maker(step.template_path)
    kind = maker.template.kind
    objects: Any = client.kind(kind)

    async def update(index: int) -> None:
        wanted: Any = maker.make(index, "")
        if kind.namespaced:
            wanted.metadata.namespace = making.full_namespace(step.namespace)
        making.finish(kind, wanted)
        await objects.update(wanted)
        if kind is NODE:
            await objects.update_status(wanted)

    await at_pace(count, step.update_per_second, update)


async def attempted(client: Clientset, pods: PodSet, settings: Settings) -> None:
    """Wait until the scheduler has tried each Pod once: it has a node, or a condition that says why not.

    Raises:
        TimeoutError: it takes more than the patience of the run.
    """
    async with asyncio.timeout(settings.patience_seconds):
        while True:
            found = await client.pods.list(pods.namespace, label_selector=settings.selector)
            if all(pod.spec.node_name or get_condition(pod.status, "PodScheduled") for pod in found.items):
                return
            await asyncio.sleep(_LOOK_SECONDS)
