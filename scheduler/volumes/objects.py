"""Storage as scheduling sees it: volumes, claims, classes, and what drivers say; compiled once an object.

Annotations and defaults follow `component-helpers/storage/volume`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from scheduler.columns.attachables import Attachable, of_provisioner, of_volume
from scheduler.columns.pod_asks import NodeRequirement, NodeTerm, node_terms
from vaina.api.core.v1 import persistent_volume_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.api.storage.v1 import (
    csi_node_pb2,
    csi_storage_capacity_pb2,
    storage_class_pb2,
    volume_attachment_pb2,
)
from vaina.objects import selectors
from vaina.objects.quantity import value

SELECTED_NODE: Final = "volume.kubernetes.io/selected-node"
BIND_COMPLETED: Final = "pv.kubernetes.io/bind-completed"
BOUND_BY_CONTROLLER: Final = "pv.kubernetes.io/bound-by-controller"
#: what named the class before there was a field
CLASS_ANNOTATION: Final = "volume.beta.kubernetes.io/storage-class"
NO_PROVISIONER: Final = "kubernetes.io/no-provisioner"
WAIT_FOR_FIRST_CONSUMER: Final = "WaitForFirstConsumer"
#: in-tree plugins that a node has given up for their drivers, joined by commas
MIGRATED: Final = "storage.alpha.kubernetes.io/migrated-plugins"

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
    #: what it is to its driver; None: it is attached nowhere
    attachable: Attachable | None
    #: its handle where it names its driver itself; empty: it is in-tree
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
    #: driver of what it makes, and in-tree plugin, as `Attachable` has them; an empty driver: attached nowhere
    driver: str
    plugin: str
    #: volumes are bound when a Pod needs them
    waits: bool
    #: alternatives, each of conditions on labels of nodes; empty: anywhere
    topologies: tuple[tuple[NodeRequirement, ...], ...]


def compile_volume(volume: persistent_volume_pb2.PersistentVolume) -> VolumeInfo:
    """Compile a PersistentVolume. Raises QuantityError when an amount cannot be read."""
    spec, meta = volume.spec, volume.metadata
    claim = (f"{spec.claim_ref.namespace}/{spec.claim_ref.name}", spec.claim_ref.uid)
    affinity = spec.node_affinity
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
        attachable=of_volume(volume),
        handle=spec.persistent_volume_source.csi.volume_handle,
        message=volume,
    )


def compile_claim(claim: persistent_volume_pb2.PersistentVolumeClaim) -> ClaimInfo:
    """Compile a PersistentVolumeClaim. Raises QuantityError or SelectorError when it cannot be read."""
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
    driver, plugin = of_provisioner(found.provisioner)
    return ClassInfo(
        name=found.metadata.name,
        provisioner="" if found.provisioner == NO_PROVISIONER else found.provisioner,
        driver="" if driver == NO_PROVISIONER else driver,
        plugin=plugin,
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


def compile_drivers(node: csi_node_pb2.CSINode) -> frozenset[str]:
    """Return the drivers that are on a node."""
    return frozenset(driver.name for driver in node.spec.drivers)


def compile_migrated(node: csi_node_pb2.CSINode) -> frozenset[str]:
    """Return the in-tree plugins that a node has given up for their drivers."""
    return frozenset(node.metadata.annotations.get(MIGRATED, "").split(",")) - {""}


@dataclass(frozen=True, slots=True)
class AttachmentInfo:
    """A VolumeAttachment that counts."""

    node_name: str
    #: the driver that attaches
    attacher: str
    volume_name: str


def compile_attachment(made: volume_attachment_pb2.VolumeAttachment) -> AttachmentInfo | None:
    """Compile a VolumeAttachment; None: it does not count (getNodeVolumeAttachmentInfo)."""
    spec = made.spec
    name = spec.source.persistent_volume_name
    return AttachmentInfo(spec.node_name, spec.attacher, name) if spec.attacher and name else None


@dataclass(frozen=True, slots=True)
class CapacityInfo:
    """What a driver can still make for a class on some nodes (CSIStorageCapacity)."""

    class_name: str
    #: bytes of the largest volume
    limit: int
    #: bytes in all
    amount: int
    #: which nodes; None: none
    topology: tuple[NodeRequirement, ...] | None


def compile_capacity(found: csi_storage_capacity_pb2.CSIStorageCapacity) -> CapacityInfo:
    """Compile a CSIStorageCapacity (capacitySufficient, nodeHasAccess). Raises QuantityError.

    One that says no amount has nothing.
    """
    limit = found.maximum_volume_size if found.HasField("maximum_volume_size") else found.capacity
    topology = None
    if found.HasField("node_topology"):
        labels = sorted(found.node_topology.match_labels.items())
        topology = tuple(NodeRequirement(key, "In", (text,)) for key, text in labels) + tuple(
            NodeRequirement(item.key, item.operator, tuple(item.values))
            for item in found.node_topology.match_expressions
        )
    amount = value(found.capacity.string or "0")
    return CapacityInfo(found.storage_class_name, value(limit.string or "0"), amount, topology)


def has_more(
    old: csi_storage_capacity_pb2.CSIStorageCapacity, new: csi_storage_capacity_pb2.CSIStorageCapacity
) -> bool:
    """Say whether larger volumes can be made than before (isSchedulableAfterCSIStorageCapacityChange)."""
    try:
        amounts = ((old.capacity, new.capacity), (old.maximum_volume_size, new.maximum_volume_size))
        return any(value(now.string or "0") > value(was.string or "0") for was, now in amounts)
    except ValueError:
        return True


def _storage(amounts: Mapping[str, meta_pb2.Quantity]) -> int:
    return value(amounts["storage"].string or "0") if "storage" in amounts else 0
