"""Letting Pods go that a Job has counted, or that have none: taking the finalizer away."""

import asyncio
import json
from collections.abc import Collection

from vaina.api.core.v1 import pod_pb2
from vaina.client.verbs import PodClient
from vaina.errors import ApiError, Conflict, NotFound
from vaina.objects.jobs import TRACKING_FINALIZER, is_tracked

#: patches under way at once
PARALLEL_RELEASES = 32


async def release(client: PodClient, pods: Collection[pod_pb2.Pod]) -> tuple[set[str], ApiError | None]:
    """Take the finalizer from Pods. Returns the uids of those that are let go, and the first failure."""
    gate = asyncio.Semaphore(PARALLEL_RELEASES)
    gone: set[str] = set()
    errors: list[ApiError] = []

    async def one(pod: pod_pb2.Pod) -> None:
        async with gate:
            try:
                await release_one(client, pod)
            except ApiError as error:
                errors.append(error)
            else:
                gone.add(pod.metadata.uid)

    async with asyncio.TaskGroup() as group:
        for pod in pods:
            group.create_task(one(pod))
    return gone, errors[0] if errors else None


async def release_one(client: PodClient, pod: pod_pb2.Pod) -> None:
    """Take the finalizer from a Pod; one that is gone, or another of its name by now, has it no more."""
    if not is_tracked(pod):
        return
    meta = pod.metadata
    patch = {"metadata": {"uid": meta.uid, "$deleteFromPrimitiveList/finalizers": [TRACKING_FINALIZER]}}
    try:
        await client.patch(meta.name, json.dumps(patch), namespace=meta.namespace)
    except (NotFound, Conflict):
        return
