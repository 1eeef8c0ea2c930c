"""PURE: which volume to make for a claim, and what to do about one of a node that is no more.

Behaves as an external provisioner does (`sig-storage-lib-external-provisioner`, rancher's local-path
provisioner): it acts on claims whose annotation names it, once a node is selected or the class does not wait
for one.
"""

import zlib
from collections.abc import Sequence
from typing import Final

from controller import volumes
from controller.plans import copy_of
from controller.volumes import Claim, StorageClass, Volume
from vaina.api.core.v1 import node_pb2
from vaina.objects.local_path import (
    FINALIZER,
    NODE_ANNOTATION,
    NODE_LABEL,
    PROVISIONED_BY,
    PROVISIONER,
    is_ours,
    is_to_be_deleted,
    node_label,
)
from vaina.objects.nodes import is_ready

HOSTNAME: Final = "kubernetes.io/hostname"
#: a directory is on one node
_MODES: Final = frozenset({"ReadWriteOnce", "ReadWriteOncePod"})


class Refusal(Exception):
    """No volume can be made for the claim; the message is for its owner."""


def is_asked(claim: Claim, found: StorageClass | None) -> bool:
    """Say whether a claim asks this provisioner for a volume now (shouldProvision)."""
    if (
        found is None
        or found.provisioner != PROVISIONER
        or claim.spec.volume_name
        or claim.metadata.HasField("deletion_timestamp")
        or claim.metadata.annotations.get(volumes.STORAGE_PROVISIONER) != PROVISIONER
    ):
        return False
    return volumes.SELECTED_NODE in claim.metadata.annotations or not volumes.waits_for_consumer(found)


def volume_name(claim: Claim) -> str:
    """Return the name of a claim's volume: always the same, so that it is made once."""
    return f"pvc-{claim.metadata.uid}"


def provision(
    claim: Claim, found: StorageClass, nodes: Sequence[node_pb2.Node], directory: str
) -> Volume | None:
    """Return the volume to make for a claim; None: its node is gone, the scheduler has to choose again.
    Raises Refusal.
    """
    _check(claim, nodes)
    selected = claim.metadata.annotations.get(volumes.SELECTED_NODE, "")
    node = next((item for item in nodes if item.metadata.name == selected), None)
    if selected and node is None:
        return None
    if node is None:
        node = _any_node(claim, nodes)
    name = volume_name(claim)
    volume = Volume()
    meta, spec = volume.metadata, volume.spec
    meta.name = name
    meta.labels[NODE_LABEL] = node_label(node.metadata.name)
    meta.annotations[NODE_ANNOTATION] = node.metadata.name
    meta.annotations[PROVISIONED_BY] = PROVISIONER
    meta.finalizers.append(FINALIZER)
    spec.capacity["storage"].CopyFrom(claim.spec.resources.requests["storage"])
    spec.access_modes.extend(claim.spec.access_modes)
    spec.persistent_volume_reclaim_policy = found.reclaim_policy or "Delete"
    spec.storage_class_name = volumes.claim_class(claim)
    spec.volume_mode = volumes.FILESYSTEM
    spec.persistent_volume_source.local.path = f"{directory}/{name}"
    reference = spec.claim_ref
    reference.kind, reference.api_version = "PersistentVolumeClaim", "v1"
    reference.namespace, reference.name = claim.metadata.namespace, claim.metadata.name
    reference.uid, reference.resource_version = claim.metadata.uid, claim.metadata.resource_version
    hostname = node.metadata.labels.get(HOSTNAME, node.metadata.name)
    term = spec.node_affinity.required.node_selector_terms.add()
    term.match_expressions.add(key=HOSTNAME, operator="In", values=[hostname])
    return volume


def _check(claim: Claim, nodes: Sequence[node_pb2.Node]) -> None:
    if claim.spec.HasField("selector"):
        raise Refusal("claim.Spec.Selector is not supported")
    if (claim.spec.volume_mode or volumes.FILESYSTEM) != volumes.FILESYSTEM:
        raise Refusal(f"{PROVISIONER} does not support block volume provisioning")
    if not set(claim.spec.access_modes) <= _MODES:
        raise Refusal("NodePath only supports ReadWriteOnce and ReadWriteOncePod access modes")
    if claim.spec.HasField("data_source") or claim.spec.HasField("data_source_ref"):
        raise Refusal("data sources are not supported")
    if not nodes:
        raise Refusal("no nodes available")


def _any_node(claim: Claim, nodes: Sequence[node_pb2.Node]) -> node_pb2.Node:
    """Choose a ready node for a claim whose class does not wait: the same every time, spread over all."""
    ready = [node for node in nodes if is_ready(node) and not node.spec.unschedulable]
    if not ready:
        raise Refusal("no node is ready")
    ready.sort(key=lambda node: node.metadata.name)
    return ready[zlib.crc32(claim.metadata.uid.encode()) % len(ready)]


def without_node(claim: Claim) -> Claim:
    """Return a claim for which the scheduler has to choose a node again."""
    changed = copy_of(claim)
    del changed.metadata.annotations[volumes.SELECTED_NODE]
    return changed


def grown(volume: Volume, claim: Claim) -> Volume | Claim | None:
    """Return the next write that gives a claim the size it asks for; None when it has it."""
    if not is_ours(volume) or claim.status.phase != "Bound" or claim.spec.volume_name != volume.metadata.name:
        return None
    if volumes.requested(claim) > volumes.storage(volume.spec.capacity):
        larger = copy_of(volume)
        larger.spec.capacity["storage"].CopyFrom(claim.spec.resources.requests["storage"])
        return larger
    if volumes.storage(volume.spec.capacity) > volumes.storage(claim.status.capacity):
        told = copy_of(claim)
        told.status.capacity["storage"].CopyFrom(volume.spec.capacity["storage"])
        return told
    return None


def is_abandoned(volume: Volume) -> bool:
    """Say whether nobody but its node could still end a volume: asked about volumes whose node is no more."""
    return is_to_be_deleted(volume) or (is_ours(volume) and volume.metadata.HasField("deletion_timestamp"))
