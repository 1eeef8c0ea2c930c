"""Volumes of a run's Pods: for each a PersistentVolume and its claim, bound to one another before the Pod is
there. Called by `pods`.

Upstream: test/integration/scheduler_perf/runners.go, CreatePodWithPersistentVolume. There claim and volume
are created in turn with the Pods; here before, so that what is measured is how the Pods are scheduled.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.load.making import Making
from vaina.api.core.v1 import pod_pb2
from vaina.client.clientset import Clientset

#: of the volume in a Pod
_VOLUME = "vol"
_IN_FLIGHT = 16


@dataclass(frozen=True, slots=True)
class VolumeTemplates:
    """What a Pod's volume and its claim are made from: paths of templates."""

    volume: str
    claim: str


async def make_volumes(
    client: Clientset, making: Making, templates: VolumeTemplates, namespace: str, indexes: Sequence[int]
) -> dict[int, str]:
    """Make a volume and its claim for each of these Pods; return the name of the claim by the Pod's index.

    Raises:
        ApiError: one was refused.
    """
    volumes, claims = making.maker(templates.volume), making.maker(templates.claim)
    numbers = making.numbers(f"{namespace}/pvc-", len(indexes))
    found = {index: f"pvc-{number}" for index, number in zip(indexes, numbers, strict=True)}
    order = iter(found.items())

    async def caller() -> None:
        for index, name in order:
            volume, claim = _bound(volumes.make(index, ""), claims.make(index, ""), namespace, name)
            # The volume first: a claim whose volume is not there counts as lost where controllers run.
            for made in (volume, claim):
                making.label(made)
            await client.persistent_volumes.create(volume)
            await client.persistent_volume_claims.create(claim)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(_IN_FLIGHT, len(found))):
            group.create_task(caller())
    return found


def _bound(volume: Any, claim: Any, namespace: str, name: str) -> tuple[Any, Any]:
    """Return both with names, and each of the other."""
    volume.metadata.name = f"{namespace}-{name}"
    claim.metadata.name, claim.metadata.namespace = name, namespace
    claim.spec.volume_name = volume.metadata.name
    ref = volume.spec.claim_ref
    ref.api_version, ref.kind, ref.namespace, ref.name = "v1", "PersistentVolumeClaim", namespace, name
    source = volume.spec.persistent_volume_source
    if source.HasField("csi"):
        source.csi.volume_handle = volume.metadata.name
    elif source.HasField("aws_elastic_block_store"):
        source.aws_elastic_block_store.volume_id = volume.metadata.name
    return volume, claim


def with_volumes(make: Callable[[int], pod_pb2.Pod], claims: dict[int, str]) -> Callable[[int], pod_pb2.Pod]:
    """Return what makes the same Pods, with the volumes of those that have some."""
    if not claims:
        return make

    def made(index: int) -> pod_pb2.Pod:
        pod = make(index)
        name = claims.get(index)
        if name is not None:
            volume = pod.spec.volumes.add(name=_VOLUME)
            volume.volume_source.persistent_volume_claim.claim_name = name
        return pod

    return made
