"""Storage as the reference sees it: API objects, and what was given away that they do not show yet.

docs: *Persistent Volumes*, *Storage Classes* (volume binding mode, allowed topologies), *Ephemeral Volumes*,
*Node-specific Volume Limits*.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bench.judge.reference.selectors import holds, selects, term_holds
from vaina.api.core.v1 import node_pb2, persistent_volume_pb2, pod_pb2
from vaina.api.storage.v1 import (
    csi_driver_pb2,
    csi_node_pb2,
    csi_storage_capacity_pb2,
    storage_class_pb2,
    volume_attachment_pb2,
)
from vaina.objects.quantity import value

Claim = persistent_volume_pb2.PersistentVolumeClaim
Volume = persistent_volume_pb2.PersistentVolume
Capacity = csi_storage_capacity_pb2.CSIStorageCapacity
StorageObject = (
    Claim
    | Volume
    | storage_class_pb2.StorageClass
    | csi_node_pb2.CSINode
    | csi_driver_pb2.CSIDriver
    | Capacity
    | volume_attachment_pb2.VolumeAttachment
)
SELECTED_NODE = "volume.kubernetes.io/selected-node"


@dataclass(frozen=True)
class Given:
    """What a Pod's claims get on its node.

    Volumes, by claim, and the claims for which a volume is made there.
    """

    node: str
    #: (namespace/name of the claim, name of the volume)
    volumes: frozenset[tuple[str, str]] = frozenset()
    made: frozenset[str] = frozenset()


@dataclass
class Storage:
    """What there is."""

    #: by namespace/name
    claims: dict[str, Claim] = field(default_factory=dict)
    volumes: dict[str, Volume] = field(default_factory=dict)
    classes: dict[str, storage_class_pb2.StorageClass] = field(default_factory=dict)
    #: by the name of the node
    limits: dict[str, csi_node_pb2.CSINode] = field(default_factory=dict)
    drivers: dict[str, csi_driver_pb2.CSIDriver] = field(default_factory=dict)
    #: by namespace/name
    capacities: dict[str, Capacity] = field(default_factory=dict)
    attachments: dict[str, volume_attachment_pb2.VolumeAttachment] = field(default_factory=dict)
    #: uid of a Pod -> what was given to it, and is not written down yet
    given: dict[str, Given] = field(default_factory=dict)

    def owner(self, volume: Volume) -> tuple[str, str] | None:
        """Return whose a volume is: claim and uid; without a uid it was reserved by name. None: nobody's."""
        for given in self.given.values():
            for claim, name in given.volumes:
                if name == volume.metadata.name:
                    return claim, ""
        if not volume.spec.HasField("claim_ref"):
            return None
        ref = volume.spec.claim_ref
        return f"{ref.namespace}/{ref.name}", ref.uid

    def node_of(self, claim: Claim) -> str:
        """Return the node for which a claim's volume is being made."""
        for given in self.given.values():
            if key_of(claim) in given.made:
                return given.node
        return str(claim.metadata.annotations.get(SELECTED_NODE, ""))

    def class_of(self, claim: Claim) -> storage_class_pb2.StorageClass | None:
        """Return the class of a claim, if it is there."""
        return self.classes.get(claim.spec.storage_class_name)


def table_of(storage: Storage, made: StorageObject) -> dict[str, Any]:
    """Return where an object stands, by `key_in`."""
    match made.DESCRIPTOR.name:
        case "PersistentVolumeClaim":
            return storage.claims
        case "PersistentVolume":
            return storage.volumes
        case "StorageClass":
            return storage.classes
        case "CSIDriver":
            return storage.drivers
        case "CSIStorageCapacity":
            return storage.capacities
        case "VolumeAttachment":
            return storage.attachments
        case _:
            return storage.limits


def key_in(made: StorageObject) -> str:
    """Return what an object is found by: its name, with its namespace where it has one."""
    meta = made.metadata
    return f"{meta.namespace}/{meta.name}" if meta.namespace else meta.name


def is_given(storage: Storage, claim: Claim) -> bool:
    """Say whether a claim that waits was given a node or a volume, by whoever has decided for its Pod."""
    if claim.metadata.annotations.get(SELECTED_NODE):
        return True
    return any((storage.owner(volume) or ("",))[0] == key_of(claim) for volume in storage.volumes.values())


def key_of(claim: Claim) -> str:
    """Return namespace/name."""
    return f"{claim.metadata.namespace}/{claim.metadata.name}"


def is_bound(claim: Claim) -> bool:
    """Say whether claim and volume have agreed."""
    return bool(claim.spec.volume_name) and "pv.kubernetes.io/bind-completed" in claim.metadata.annotations


def waits(found: storage_class_pb2.StorageClass | None) -> bool:
    """Say whether volumes of a class are bound when a Pod needs them."""
    return found is not None and found.volume_binding_mode == "WaitForFirstConsumer"


def claim_names(pod: pod_pb2.Pod) -> Iterator[tuple[str, bool]]:
    """Yield the claims that a Pod's volumes are, and whether they are made for it."""
    for volume in pod.spec.volumes:
        if volume.volume_source.HasField("persistent_volume_claim"):
            yield volume.volume_source.persistent_volume_claim.claim_name, False
        elif volume.volume_source.HasField("ephemeral"):
            yield f"{pod.metadata.name}-{volume.name}", True


def size_of(claim: Claim) -> int:
    """Return the bytes that a claim wants."""
    return value(claim.spec.resources.requests["storage"].string)


def reaches(node: node_pb2.Node, volume: Volume) -> bool:
    """Say whether a volume can be had on a node."""
    if not volume.spec.node_affinity.HasField("required"):
        return True
    return any(term_holds(term, node) for term in volume.spec.node_affinity.required.node_selector_terms)


#: nobody makes a volume; there is no room for one
NOBODY, NO_ROOM = (
    "node(s) didn't find available persistent volumes to bind",
    "node(s) did not have enough free storage",
)


def why_not_made(storage: Storage, claim: Claim, node: node_pb2.Node) -> str:
    """Say why no volume is made for a claim on a node; an empty text: one is."""
    found = storage.class_of(claim)
    if found is None or found.provisioner in ("", "kubernetes.io/no-provisioner"):
        return NOBODY
    if found.allowed_topologies and not _allows(found, node):
        return NOBODY
    if not says_capacity(storage, claim):
        return ""
    return NO_ROOM if what_is_left(storage, claim, node) < 0 else ""


def says_capacity(storage: Storage, claim: Claim) -> bool:
    """Say whether the driver that would make a claim's volume says how much it has left."""
    found = storage.class_of(claim)
    driver = None if found is None else storage.drivers.get(found.provisioner)
    said = driver is not None and driver.spec.storage_capacity
    return said and "storage" in claim.spec.resources.requests


def what_is_left(storage: Storage, claim: Claim, node: node_pb2.Node) -> int:
    """Return the most that the driver has left for a node, in bytes; -1: nowhere is room for the claim."""
    amounts = [-1]
    for made in storage.capacities.values():
        largest = made.maximum_volume_size if made.HasField("maximum_volume_size") else made.capacity
        if (
            made.storage_class_name == claim.spec.storage_class_name
            and made.HasField("node_topology")
            and selects(made.node_topology, node.metadata.labels)
            and value(largest.string or "0") >= size_of(claim)
        ):
            amounts.append(value(made.capacity.string or "0"))
    return max(amounts)


def _allows(found: storage_class_pb2.StorageClass, node: node_pb2.Node) -> bool:
    return any(
        all(
            holds("In", list(item.values), node.metadata.labels.get(item.key))
            for item in term.match_label_expressions
        )
        for term in found.allowed_topologies
    )


def choose(storage: Storage, claims: list[Claim], node: node_pb2.Node) -> Given | str:
    """Choose for claims that wait what they get on a node: the smallest claim first, the smallest volume.

    Or say why one gets nothing.
    """
    volumes: dict[str, str] = {}
    claims = sorted(claims, key=size_of)
    selected = [claim for claim in claims if storage.node_of(claim)]
    if any(storage.node_of(claim) != node.metadata.name for claim in selected):
        return NOBODY
    unfound: list[Claim] = []
    for claim in claims:
        if claim in selected:
            continue
        found = _volume_for(storage, claim, node, set(volumes.values()))
        if found is not None:
            volumes[key_of(claim)] = found
        else:
            unfound.append(claim)
    made = [*selected, *unfound]
    for claim in made:
        if words := why_not_made(storage, claim, node):
            return words
    return Given(node.metadata.name, frozenset(volumes.items()), frozenset(key_of(claim) for claim in made))


def _volume_for(storage: Storage, claim: Claim, node: node_pb2.Node, taken: set[str]) -> str | None:  # noqa: C901 - one rule a line, as the documentation has them
    """Return the volume that a claim gets on a node.

    One that is meant for it is taken or nothing; of equals the first by name.
    """
    free: list[tuple[int, str]] = []
    for name in sorted(storage.volumes):
        volume = storage.volumes[name]
        owner, spec = storage.owner(volume), volume.spec
        if name in taken or volume.metadata.HasField("deletion_timestamp"):
            continue
        if spec.storage_class_name != claim.spec.storage_class_name:
            continue
        if value(spec.capacity["storage"].string) < size_of(claim):
            continue
        if (spec.volume_mode or "Filesystem") != (claim.spec.volume_mode or "Filesystem"):
            continue
        if owner is not None:
            if owner[0] == key_of(claim) and owner[1] in ("", claim.metadata.uid):
                return name if reaches(node, volume) else None
            continue
        if volume.status.phase != "Available" or not set(claim.spec.access_modes) <= set(spec.access_modes):
            continue
        if claim.spec.HasField("selector") and not selects(claim.spec.selector, volume.metadata.labels):
            continue
        if reaches(node, volume):
            free.append((value(spec.capacity["storage"].string), name))
    return min(free)[1] if free else None
