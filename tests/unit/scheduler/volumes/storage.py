"""Volumes, claims, classes and drivers as scheduling tests want them, in few words."""

from collections.abc import Mapping, Sequence

from scheduler.volumes.catalogue import Catalogue
from scheduler.volumes.objects import BIND_COMPLETED, SELECTED_NODE
from tests.unit.scheduler.objects import pod
from vaina.api.core.v1 import persistent_volume_pb2, pod_pb2, reference_pb2
from vaina.api.storage.v1 import (
    csi_driver_pb2,
    csi_node_pb2,
    csi_storage_capacity_pb2,
    storage_class_pb2,
    volume_attachment_pb2,
)

PersistentVolume = persistent_volume_pb2.PersistentVolume
PersistentVolumeClaim = persistent_volume_pb2.PersistentVolumeClaim


def volume(
    name: str,
    size: str = "10Gi",
    *,
    storage_class: str = "wait",
    modes: Sequence[str] = ("ReadWriteOnce",),
    on: reference_pb2.NodeSelectorTerm | None = None,
    claim: str = "",
    uid: str = "",
    phase: str = "Available",
    mode: str = "Filesystem",
    labels: Mapping[str, str] | None = None,
    driver: str = "",
) -> PersistentVolume:
    """Make a PersistentVolume; `on` is the term of the nodes that reach it, `claim` whose it is
    (namespace/name).
    """
    made = PersistentVolume()
    made.metadata.name = name
    made.metadata.labels.update(labels or {})
    spec = made.spec
    spec.capacity["storage"].string = size
    spec.access_modes.extend(modes)
    spec.storage_class_name, spec.volume_mode = storage_class, mode
    if on is not None:
        spec.node_affinity.required.node_selector_terms.append(on)
    if claim:
        spec.claim_ref.namespace, spec.claim_ref.name = claim.split("/")
        spec.claim_ref.uid = uid
    if driver:
        spec.persistent_volume_source.csi.driver = driver
        spec.persistent_volume_source.csi.volume_handle = name
    else:
        spec.persistent_volume_source.host_path.path = "/data"
    made.status.phase = phase
    return made


def claim(
    name: str = "data",
    size: str = "5Gi",
    *,
    storage_class: str = "wait",
    bound_to: str = "",
    wants: str = "",
    modes: Sequence[str] = ("ReadWriteOnce",),
    mode: str = "Filesystem",
    selector: Mapping[str, str] | None = None,
    selected: str = "",
    phase: str = "Pending",
    deleted: bool = False,
) -> PersistentVolumeClaim:
    """Make a claim in `default`; `bound_to` is its volume, `wants` one that it names and has not."""
    made = PersistentVolumeClaim()
    made.metadata.name, made.metadata.namespace, made.metadata.uid = name, "default", f"uid-{name}"
    spec = made.spec
    spec.resources.requests["storage"].string = size
    spec.access_modes.extend(modes)
    spec.storage_class_name, spec.volume_mode = storage_class, mode
    spec.volume_name = bound_to or wants
    if selector is not None:
        spec.selector.match_labels.update(selector)
    if bound_to:
        made.metadata.annotations[BIND_COMPLETED] = "yes"
    if selected:
        made.metadata.annotations[SELECTED_NODE] = selected
    if deleted:
        made.metadata.deletion_timestamp.seconds = 1
    made.status.phase = phase
    return made


def storage_class(
    name: str = "wait",
    *,
    provisioner: str = "",
    waits: bool = True,
    zones: Sequence[str] = (),
) -> storage_class_pb2.StorageClass:
    """Make a StorageClass; without a provisioner nobody makes volumes."""
    made = storage_class_pb2.StorageClass(provisioner=provisioner or "kubernetes.io/no-provisioner")
    made.metadata.name = name
    made.volume_binding_mode = "WaitForFirstConsumer" if waits else "Immediate"
    if zones:
        made.allowed_topologies.add().match_label_expressions.add(key="zone", values=zones)
    return made


def csi_node(name: str, **limits: int) -> csi_node_pb2.CSINode:
    """Make a CSINode that takes so many volumes of each driver."""
    made = csi_node_pb2.CSINode()
    made.metadata.name = name
    for driver, count in limits.items():
        made.spec.drivers.add(name=driver, node_id=name).allocatable.count = count
    return made


def csi_driver(name: str, *, capacity: bool = True, must: bool = False) -> csi_driver_pb2.CSIDriver:
    """Make a CSIDriver that says how much it has left; `must`: its volumes go only where it is."""
    made = csi_driver_pb2.CSIDriver()
    made.metadata.name = name
    made.spec.storage_capacity = capacity
    made.spec.prevent_pod_scheduling_if_missing = must
    return made


def capacity(
    name: str,
    size: str = "",
    *,
    storage_class: str = "make",
    on: Mapping[str, str] | None = None,
    largest: str = "",
    nowhere: bool = False,
) -> csi_storage_capacity_pb2.CSIStorageCapacity:
    """Say what a driver has left for a class on the nodes with these labels, all by default."""
    made = csi_storage_capacity_pb2.CSIStorageCapacity(storage_class_name=storage_class)
    made.metadata.name, made.metadata.namespace = name, "default"
    if size:
        made.capacity.string = size
    if largest:
        made.maximum_volume_size.string = largest
    if not nowhere:
        made.node_topology.SetInParent()
        made.node_topology.match_labels.update(on or {})
    return made


def attachment(
    volume_name: str, node: str, *, attacher: str = "a", name: str = ""
) -> volume_attachment_pb2.VolumeAttachment:
    """Make a VolumeAttachment."""
    made = volume_attachment_pb2.VolumeAttachment()
    made.metadata.name = name or f"{volume_name}-{node}"
    made.spec.attacher, made.spec.node_name = attacher, node
    made.spec.source.persistent_volume_name = volume_name
    return made


def catalogue(
    *,
    volumes: Sequence[PersistentVolume] = (),
    claims: Sequence[PersistentVolumeClaim] = (),
    classes: Sequence[storage_class_pb2.StorageClass] = (),
    nodes: Sequence[csi_node_pb2.CSINode] = (),
    drivers: Sequence[csi_driver_pb2.CSIDriver] = (),
    capacities: Sequence[csi_storage_capacity_pb2.CSIStorageCapacity] = (),
    attachments: Sequence[volume_attachment_pb2.VolumeAttachment] = (),
) -> Catalogue:
    """Make a catalogue of what the watches would show."""
    made = Catalogue()
    made.on_volumes([(None, item) for item in volumes])
    made.on_claims([(None, item) for item in claims])
    made.on_classes([(None, item) for item in classes])
    made.on_nodes([(None, item) for item in nodes])
    made.on_drivers([(None, item) for item in drivers])
    made.on_capacities([(None, item) for item in capacities])
    made.on_attachments([(None, item) for item in attachments])
    return made


def user(*claims: str, name: str = "web", ephemeral: Sequence[str] = (), **more: object) -> pod_pb2.Pod:
    """Make a Pod whose volumes are these claims."""
    made = pod(name, **more)  # type: ignore[arg-type]  # handed on
    for number, item in enumerate(claims):
        made.spec.volumes.add(name=f"v{number}").volume_source.persistent_volume_claim.claim_name = item
    for item in ephemeral:
        made.spec.volumes.add(name=item).volume_source.ephemeral.SetInParent()
    return made
