"""The steps of a workload that go on beside others, or only wait: churn, deletion at a pace, barriers."""

import asyncio
import time
from collections.abc import Sequence

from bench.load.making import Making
from bench.load.podset import PodSet
from bench.load.settings import Settings
from bench.load.workload import Churn, DeletePods
from vaina.client.clientset import Clientset
from vaina.errors import ApiError, NotFound
from vaina.objects.conditions import get_condition

_LOOK_SECONDS = 0.5
_DELETERS = 16


async def churn(client: Clientset, making: Making, step: Churn, namespace: str, notes: list[str]) -> None:
    """Let objects come (and go) at intervals until cancelled; what is refused is noted once, and the churn goes on.

    As in the reference: every interval one object of each template; in mode recreate, when there are `number` of each, they go one an interval
    as they came, and it begins anew.
    """
    makers = [making.maker(path) for path in step.template_paths]
    interval = step.interval_milliseconds / 1000
    place = step.namespace or namespace
    index, due = 0, time.perf_counter()
    refused: set[str] = set()

    async def pause() -> None:
        nonlocal due
        due += interval
        await asyncio.sleep(max(0.0, due - time.perf_counter()))

    while step.mode == "recreate" or not step.number or index < step.number:
        made = []
        for _ in range(step.number or 1):
            for maker in makers:
                try:
                    made.append(await making.make_any(maker, place, index))
                except ApiError as error:
                    if error.reason not in refused:
                        notes.append(f"churn: {maker.template.source}: {error.message}")
                        refused.add(error.reason)
            index += 1
            await pause()
        if step.mode == "recreate":
            for template, obj in made:
                meta = obj.metadata  # type: ignore[attr-defined]  # every kind has metadata
                try:
                    await client.kind(template.kind).delete(
                        meta.name,
                        meta.namespace,
                        grace_period_seconds=0 if template.kind.kind == "Pod" else None,
                    )
                except NotFound:
                    continue
            await pause()


async def delete_pods(client: Clientset, namespace: str, names: Sequence[str], step: DeletePods) -> None:
    """Delete Pods, all at once or so many a second."""
    if not step.delete_pods_per_second:
        selector = ",".join(f"{key}={value}" for key, value in step.label_selector.items())
        await client.pods.delete_collection(namespace, label_selector=selector, grace_period_seconds=0)
        return
    start, order = time.perf_counter(), iter(enumerate(names))

    async def deleter() -> None:
        for index, name in order:
            await asyncio.sleep(max(0.0, start + index / step.delete_pods_per_second - time.perf_counter()))
            try:
                await client.pods.delete(name, namespace, grace_period_seconds=0)
            except NotFound:
                continue

    async with asyncio.TaskGroup() as group:
        for _ in range(_DELETERS):
            group.create_task(deleter())


async def attempted(client: Clientset, pods: PodSet, settings: Settings) -> None:
    """Wait until the scheduler has tried each Pod once: it has a node, or a condition that says why not.

    Raises:
        TimeoutError: it takes more than the patience of the run.
    """
    async with asyncio.timeout(settings.patience_seconds):
        while True:
            found = await client.pods.list_all(pods.namespace, label_selector=settings.selector)
            if all(pod.spec.node_name or get_condition(pod.status, "PodScheduled") for pod in found.items):
                return
            await asyncio.sleep(_LOOK_SECONDS)
