"""Storage as scheduling sees it, compiled once an object: PersistentVolumes, claims, StorageClasses, CSINodes.

Annotations and defaults follow `component-helpers/storage/volume`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from scheduler.columns.pod_asks import NodeRequirement, NodeTerm, node_terms
from vaina.api.core.v1 import persistent_volume_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.api.storage.v1 import csi_node_pb2, storage_class_pb2
from vaina.objects import selectors
from vaina.objects.quantity import value

SELECTED_NODE: Final = "volume.kubernetes.io/selected-node"
BIND_COMPLETED: Final = "pv.kubernetes.io/bind-completed"
BOUND_BY_CONTROLLER: Final = "pv.kubernetes.io/bound-by-controller"
#: what named the class before there was a field
CLASS_ANNOTATION: Final = "volume.beta.kubernetes.io/storage-class"
NO_PROVISIONER: Final = "kubernetes.io/no-provisioner"
WAIT_FOR_FIRST_CONSUMER: Final = "WaitForFirstConsumer"

FILESYSTEM: Final = "Filesystem"


@dataclass(frozen=True, slots=True)
class VolumeInfo:
    """A PersistentVolume."""

    name: str
    #: bytes
    capacity: int
    access_modes: frozenset[str]
    class_name: str
    volume_mode: str
    attributes_class: str
    #: None: every node can reach it
    terms: tuple[NodeTerm, ...] | None
    #: namespace/name and uid (perhaps empty) of the claim that it is for; None: for any
    claim: tuple[str, str] | None
    labels: Mapping[str, str]
    phase: str
    deleting: bool
    #: of the storage interface; empty for what needs none
    driver: str
    handle: str
    #: the informer's own: read only
    message: persistent_volume_pb2.PersistentVolume


@dataclass(frozen=True, slots=True)
class ClaimInfo:
    """A PersistentVolumeClaim."""

    #: namespace/name
    key: str
    name: str
    uid: str
    #: empty: none yet
    volume_name: str
    class_name: str
    #: bytes
    requested: int
    access_modes: frozenset[str]
    volume_mode: str
    attributes_class: str
    selector: selectors.LabelSelector | None
    #: where its volume is to be made; empty: nobody has said
    selected_node: str
    #: claim and volume know each other
    bound: bool
    lost: bool
    deleting: bool
    #: uid of the object that controls it; empty: none
    controller: str
    #: the informer's own: read only
    message: persistent_volume_pb2.PersistentVolumeClaim


@dataclass(frozen=True, slots=True)
class ClassInfo:
    """A StorageClass."""

    name: str
    #: empty where nobody makes volumes
    provisioner: str
    #: volumes are bound when a Pod needs them
    waits: bool
    #: alternatives, each of conditions on labels of nodes; empty: anywhere
    topologies: tuple[tuple[NodeRequirement, ...], ...]


def compile_volume(volume: persistent_volume_pb2.PersistentVolume) -> VolumeInfo:
    """Compile a PersistentVolume.

    Raises:
        QuantityError: an amount cannot be read.
    """
    spec, meta = volume.spec, volume.metadata
    claim = (f"{spec.claim_ref.namespace}/{spec.claim_ref.name}", spec.claim_ref.uid)
    affinity = spec.node_affinity
    csi = spec.persistent_volume_source.csi
    return VolumeInfo(
        name=meta.name,
        capacity=_storage(spec.capacity),
        access_modes=frozenset(spec.access_modes),
        class_name=meta.annotations.get(CLASS_ANNOTATION, "") or spec.storage_class_name,
        volume_mode=spec.volume_mode or FILESYSTEM,
        attributes_class=spec.volume_attributes_class_name,
        terms=node_terms(affinity.required) if affinity.HasField("required") else None,
        claim=claim if spec.HasField("claim_ref") else None,
        labels=dict(meta.labels),
        phase=volume.status.phase,
        deleting=meta.HasField("deletion_timestamp"),
        driver=csi.driver,
        handle=csi.volume_handle,
        message=volume,
    )


def compile_claim(claim: persistent_volume_pb2.PersistentVolumeClaim) -> ClaimInfo:
    """Compile a PersistentVolumeClaim.

    Raises:
        QuantityError: an amount cannot be read.
        SelectorError: its selector cannot be read.
    """
    spec, meta = claim.spec, claim.metadata
    return ClaimInfo(
        key=f"{meta.namespace}/{meta.name}",
        name=meta.name,
        uid=meta.uid,
        volume_name=spec.volume_name,
        class_name=meta.annotations.get(CLASS_ANNOTATION, "") or spec.storage_class_name,
        requested=_storage(spec.resources.requests),
        access_modes=frozenset(spec.access_modes),
        volume_mode=spec.volume_mode or FILESYSTEM,
        attributes_class=spec.volume_attributes_class_name,
        selector=selectors.from_message(spec.selector) if spec.HasField("selector") else None,
        selected_node=meta.annotations.get(SELECTED_NODE, ""),
        bound=bool(spec.volume_name) and BIND_COMPLETED in meta.annotations,
        lost=claim.status.phase == "Lost",
        deleting=meta.HasField("deletion_timestamp"),
        controller=next((owner.uid for owner in meta.owner_references if owner.controller), ""),
        message=claim,
    )


def compile_class(found: storage_class_pb2.StorageClass) -> ClassInfo:
    """Compile a StorageClass."""
    return ClassInfo(
        name=found.metadata.name,
        provisioner="" if found.provisioner == NO_PROVISIONER else found.provisioner,
        waits=found.volume_binding_mode == WAIT_FOR_FIRST_CONSUMER,
        topologies=tuple(
            tuple(
                NodeRequirement(item.key, "In", tuple(item.values)) for item in term.match_label_expressions
            )
            for term in found.allowed_topologies
        ),
    )


def compile_limits(node: csi_node_pb2.CSINode) -> dict[str, int]:
    """Return how many volumes of each driver a node takes: of those drivers that say."""
    return {
        driver.name: driver.allocatable.count
        for driver in node.spec.drivers
        if driver.allocatable.HasField("count")
    }


def _storage(amounts: Mapping[str, meta_pb2.Quantity]) -> int:
    return value(amounts["storage"].string or "0") if "storage" in amounts else 0
