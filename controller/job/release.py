"""Taking the finalizer from Pods that a Job has counted, or that have no Job."""

import json
from collections.abc import Collection

from controller.base import for_each
from vaina.api.core.v1 import pod_pb2
from vaina.client.verbs import PodClient
from vaina.errors import ApiError, Conflict, NotFound
from vaina.objects.jobs import TRACKING_FINALIZER, is_tracked


async def release(client: PodClient, pods: Collection[pod_pb2.Pod]) -> tuple[set[str], ApiError | None]:
    """Take the finalizer from Pods. Return the uids of those that are released, and the first failure."""
    gone: set[str] = set()

    async def one(pod: pod_pb2.Pod) -> None:
        await release_one(client, pod)
        gone.add(pod.metadata.uid)

    return gone, await for_each(pods, one)


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
