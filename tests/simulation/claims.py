"""What the verbs of a story do with claims.

Sets whose Pods have storage of their own, Pods that share a claim, claims that grow and go.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from tests.simulation.making import GRACE_SECONDS, container, fill, nth
from tests.simulation.world import World
from vaina.api.apps.v1 import stateful_set_pb2
from vaina.api.core.v1 import persistent_volume_pb2, pod_pb2
from vaina.errors import AlreadyExists
from vaina.kinds import PERSISTENT_VOLUME_CLAIM
from vaina.testing.builders import make_meta, make_pod

_SIZE = "1Gi"


def _claim(name: str) -> persistent_volume_pb2.PersistentVolumeClaim:
    claim = persistent_volume_pb2.PersistentVolumeClaim(metadata=make_meta(name, "default"))
    claim.spec.access_modes.append("ReadWriteOnce")
    claim.spec.resources.requests["storage"].string = _SIZE
    # Not left to the default class: that is made only once the controllers lead.
    claim.spec.storage_class_name = "standard"
    return claim


async def _create_claimed_set(world: World, name: str, replicas: int, policy: str, claims: str) -> None:
    made = stateful_set_pb2.StatefulSet(metadata=make_meta(name, "default"))
    spec = made.spec
    spec.replicas, spec.pod_management_policy = replicas, policy
    spec.selector.match_labels["app"] = spec.template.metadata.labels["app"] = name
    fill(spec.template, 100)
    spec.template.spec.containers[0].volume_mounts.add(name="data", mount_path="/data")
    spec.volume_claim_templates.append(_claim("data"))
    if claims == "dropped":
        retention = spec.persistent_volume_claim_retention_policy
        retention.when_deleted = retention.when_scaled = "Delete"
    await world.user.stateful_sets.create(made)


async def _use_claim(world: World, name: str, number: int, cpu: int, command: str) -> None:
    """Create a Pod that uses a claim, and that before it."""
    with suppress(AlreadyExists):
        await world.user.persistent_volume_claims.create(_claim(f"claim{number}"))
    pod = make_pod(name, containers=[container(cpu, command)])
    pod.spec.restart_policy = "Always" if command == "for ever" else "Never"
    pod.spec.termination_grace_period_seconds = GRACE_SECONDS
    _mount(pod, f"claim{number}")
    await world.user.pods.create(pod)


def _mount(pod: pod_pb2.Pod, claim: str) -> None:
    source: Any = pod.spec.volumes.add(name="data").volume_source
    source.persistent_volume_claim.claim_name = claim
    pod.spec.containers[0].volume_mounts.add(name="data", mount_path="/data")


async def _delete_claim(world: World, number: int) -> None:
    found = nth([*world.model.of(PERSISTENT_VOLUME_CLAIM)], number)
    if found is not None:
        meta = found.metadata
        await world.user.persistent_volume_claims.delete(meta.name, "default", uid=meta.uid)


async def _grow_claim(world: World, number: int, size: str) -> None:
    found = nth([*world.model.of(PERSISTENT_VOLUME_CLAIM)], number)
    if found is not None:
        patch = f'{{"spec":{{"resources":{{"requests":{{"storage":"{size}"}}}}}}}}'
        await world.user.persistent_volume_claims.patch(found.metadata.name, patch, namespace="default")


ACTIONS: dict[str, Callable[..., Awaitable[None]]] = {
    "create-claimed-set": _create_claimed_set,
    "use-claim": _use_claim,
    "delete-claim": _delete_claim,
    "grow-claim": _grow_claim,
}
