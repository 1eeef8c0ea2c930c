"""PURE: is the catalogue true? It is filled anew from the API objects, and what was promised is counted again
from the plans.

Part of `vaina scheduler verify`; beside it `scheduler.debug.verify` (columns) and
`scheduler.debug.nominations_check`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from scheduler.columns.readout import Difference
from scheduler.volumes.catalogue import Catalogue, Plan
from vaina.api.core.v1 import persistent_volume_pb2
from vaina.api.storage.v1 import (
    csi_driver_pb2,
    csi_node_pb2,
    csi_storage_capacity_pb2,
    storage_class_pb2,
    volume_attachment_pb2,
)

#: objects that are compiled or compared between two pauses
STEP: Final = 256


@dataclass(frozen=True, slots=True)
class CapturedStorage:
    """The catalogue and the objects at one moment. The objects are the informers' own: read only."""

    have: Mapping[str, Mapping[str, object]]
    plans: Mapping[str, Plan]
    volumes: Sequence[persistent_volume_pb2.PersistentVolume]
    claims: Sequence[persistent_volume_pb2.PersistentVolumeClaim]
    classes: Sequence[storage_class_pb2.StorageClass]
    nodes: Sequence[csi_node_pb2.CSINode]
    drivers: Sequence[csi_driver_pb2.CSIDriver]
    capacities: Sequence[csi_storage_capacity_pb2.CSIStorageCapacity]
    attachments: Sequence[volume_attachment_pb2.VolumeAttachment]


def capture(  # noqa: PLR0913 - one for each kind
    catalogue: Catalogue,
    *,
    volumes: Sequence[persistent_volume_pb2.PersistentVolume] = (),
    claims: Sequence[persistent_volume_pb2.PersistentVolumeClaim] = (),
    classes: Sequence[storage_class_pb2.StorageClass] = (),
    nodes: Sequence[csi_node_pb2.CSINode] = (),
    drivers: Sequence[csi_driver_pb2.CSIDriver] = (),
    capacities: Sequence[csi_storage_capacity_pb2.CSIStorageCapacity] = (),
    attachments: Sequence[volume_attachment_pb2.VolumeAttachment] = (),
) -> CapturedStorage:
    """Take what is to be compared. One call, no await: all of it is of the same moment."""
    have = {what: dict(known) for what, known in catalogue.readout().items()}
    return CapturedStorage(
        have, dict(catalogue.plans), volumes, claims, classes, nodes, drivers, capacities, attachments
    )


def verify(captured: CapturedStorage) -> Iterator[Difference | None]:
    """Yield where the catalogue is not what follows from the objects; None now and then: a pause."""
    fresh = Catalogue()
    kinds: tuple[tuple[Callable[[Any], None], Sequence[Any]], ...] = (
        (fresh.on_volumes, captured.volumes), (fresh.on_claims, captured.claims),
        (fresh.on_classes, captured.classes), (fresh.on_nodes, captured.nodes),
        (fresh.on_drivers, captured.drivers), (fresh.on_capacities, captured.capacities),
        (fresh.on_attachments, captured.attachments),
    )  # fmt: skip
    for tell, objects in kinds:
        for start in range(0, len(objects), STEP):
            tell([(None, item) for item in objects[start : start + STEP]])
            yield None
    for uid, plan in captured.plans.items():
        fresh.promise(uid, plan)
    for what, want in fresh.readout().items():
        yield from _compare(what, captured.have[what], want)


def _compare(
    what: str, have: Mapping[str, object], want: Mapping[str, object]
) -> Iterator[Difference | None]:
    for number, name in enumerate(sorted(have.keys() | want.keys())):
        if number % STEP == STEP - 1:
            yield None
        actual, expected = have.get(name), want.get(name)
        if actual != expected:
            yield Difference(name, what, _words(actual), _words(expected))


def _words(value: object) -> str:
    if value is None:
        return "not there"
    return value if isinstance(value, str) else str(value)[:200]
