"""How good nodes are by their storage: VolumeBinding's scores, case by case (upstream's volume_binding_test.go
and scorer_test.go, as behaviour).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from scheduler.framework.interface import CycleState
from scheduler.framework.resource_scoring import UtilizationShapePoint
from scheduler.plugins.volume_places import VolumeBinding, VolumeBindingArgs
from tests.unit.scheduler.objects import node, pod_class, table, term
from tests.unit.scheduler.plugins.test_node_tables import scores
from tests.unit.scheduler.volumes.storage import (
    PersistentVolume,
    PersistentVolumeClaim,
    capacity,
    catalogue,
    claim,
    csi_driver,
    storage_class,
    user,
    volume,
)
from vaina.api.storage.v1 import csi_driver_pb2, csi_storage_capacity_pb2

DRIVER = "disk.example.com"
CLASSES = [
    storage_class("wait"), storage_class("also"), storage_class("make", provisioner=DRIVER),
    storage_class("other", provisioner=DRIVER), storage_class("quiet", provisioner="quiet.example.com"),
]  # fmt: skip


def in_zone(zone: str, name: str, size: str, **more: str) -> PersistentVolume:
    return volume(name, size, on=term(("zone", "In", [zone])), **more)  # type: ignore[arg-type]  # handed on


def has(
    zone: str, size: str, *, of: str = "make", largest: str = "", name: str = ""
) -> csi_storage_capacity_pb2.CSIStorageCapacity:
    return capacity(name or f"{zone}-{of}-{size}", size, storage_class=of, on={"zone": zone}, largest=largest)


def wants(name: str, size: str, of: str = "make", selected: str = "") -> PersistentVolumeClaim:
    return claim(name, size, storage_class=of, selected=selected)


@dataclass(frozen=True)
class Case:
    """Node a is in zone a, and so on."""

    name: str
    claims: Sequence[PersistentVolumeClaim]
    #: of the nodes a, b and c; those that are refused have any score
    want: Sequence[int | None]
    volumes: Sequence[PersistentVolume] = ()
    capacities: Sequence[csi_storage_capacity_pb2.CSIStorageCapacity] = ()
    drivers: Sequence[csi_driver_pb2.CSIDriver] = (csi_driver(DRIVER),)
    shape: Sequence[tuple[int, int]] = ()


CASES = [
    Case("the larger volume", [wants("x", "5Gi", "wait")], [50, 90, 0],
         [in_zone("a", "va", "10Gi"), in_zone("b", "vb", "50Gi"), in_zone("c", "vc", "5Gi")]),
    Case("a share is cut, as Go divides", [wants("x", "1Gi", "wait")], [67, 86, None],
         [in_zone("a", "va", "3Gi"), in_zone("b", "vb", "7Gi")]),
    Case("two claims of a class count together", [wants("x", "5Gi", "wait"), wants("y", "20Gi", "wait")], [50, 75, None],
         [in_zone("a", "va", "20Gi"), in_zone("a", "wa", "30Gi"), in_zone("b", "vb", "30Gi"), in_zone("b", "wb", "70Gi")]),
    Case("two classes count alike", [wants("x", "10Gi", "wait"), wants("y", "1Gi", "also")], [45, 90, None],
         [in_zone("a", "va", "10Gi"), in_zone("a", "wa", "10Gi", storage_class="also"),
          in_zone("b", "vb", "100Gi"), in_zone("b", "wb", "10Gi", storage_class="also")]),
    Case("half a point is one", [wants("x", "10Gi", "wait"), wants("y", "1Gi", "also")], [46, None, None],
         [in_zone("a", "va", "10Gi"), in_zone("a", "wa", "12Gi", storage_class="also")]),
    Case("what a driver has left", [wants("x", "5Gi")], [90, 50, 0], capacities=[has("a", "50Gi"), has("b", "10Gi"), has("c", "5Gi")]),
    Case("the most of what it has left", [wants("x", "5Gi")], [90, 75, None],
         capacities=[has("a", "10Gi"), has("a", "50Gi"), has("b", "20Gi"), has("b", "6Gi")]),
    Case("of what has room", [wants("x", "5Gi")], [50, 50, None],
         capacities=[has("a", "10Gi"), has("a", "50Gi", largest="1Gi"), has("b", "10Gi")]),
    Case("all that is left, however large a volume may be", [wants("x", "5Gi")], [95, 50, None],
         capacities=[has("a", "100Gi", largest="6Gi"), has("b", "10Gi", largest="9Gi")]),
    Case("no amount but a largest volume", [wants("x", "5Gi")], [0, 50, None], capacities=[has("a", "", largest="6Gi"), has("b", "10Gi")]),
    Case("two claims of a class have its room together", [wants("x", "5Gi"), wants("y", "5Gi")], [90, 50, None],
         capacities=[has("a", "100Gi"), has("b", "20Gi")]),
    Case("more than there is", [wants("x", "5Gi"), wants("y", "5Gi")], [0, 10, None], capacities=[has("a", "9Gi"), has("b", "11Gi")]),
    Case("two classes of a driver", [wants("x", "5Gi"), wants("y", "5Gi", "other")], [70, 50, None],
         capacities=[has("a", "10Gi"), has("a", "50Gi", of="other"), has("b", "10Gi"), has("b", "10Gi", of="other")]),
    Case("a driver that says nothing does not count", [wants("x", "5Gi"), wants("y", "5Gi", "quiet")], [50, 90, None],
         capacities=[has("a", "10Gi"), has("b", "50Gi")]),
    Case("no driver says anything", [wants("x", "5Gi", "quiet")], [0, 0, 0]),
    Case("a driver that does not count what it has left", [wants("x", "5Gi")], [0, 0, 0], capacities=[has("a", "10Gi")],
         drivers=[csi_driver(DRIVER, capacity=False)]),
    Case("where a volume is there, what would be made does not count", [wants("x", "5Gi", "wait"), wants("y", "5Gi")], [50, 90, None],
         [in_zone("a", "va", "10Gi"), in_zone("b", "vb", "50Gi")], [has("a", "500Gi"), has("b", "6Gi")]),
    Case("a volume on one node, room on another", [wants("x", "5Gi")], [50, 90, 75],
         [in_zone("a", "va", "10Gi", storage_class="make")], [has("a", "500Gi"), has("b", "50Gi"), has("c", "20Gi")]),
    Case("where it is being made", [wants("x", "5Gi", selected="b")], [None, 90, None], capacities=[has("a", "50Gi"), has("b", "50Gi")]),
    Case("a bound claim does not count", [claim("x", bound_to="v"), wants("y", "5Gi")], [50, 90, None], [volume("v", "1Gi")],
         [has("a", "10Gi"), has("b", "50Gi")]),
    Case("full nodes first", [wants("x", "5Gi")], [10, 50, 100], capacities=[has("a", "50Gi"), has("b", "10Gi"), has("c", "5Gi")],
         shape=[(0, 0), (100, 10)]),
    Case("a line with a bend", [wants("x", "5Gi")], [40, 90, 80], capacities=[has("a", "50Gi"), has("b", "10Gi"), has("c", "5Gi")],
         shape=[(10, 4), (50, 9), (100, 8)]),
    Case("one point", [wants("x", "5Gi")], [70, 70, 70], capacities=[has("a", "50Gi"), has("b", "10Gi"), has("c", "5Gi")], shape=[(50, 7)]),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_nodes_are_preferred_by_their_storage(case: Case) -> None:
    storage = catalogue(
        claims=case.claims, volumes=case.volumes, classes=CLASSES, drivers=case.drivers, capacities=case.capacities,
    )  # fmt: skip
    args = VolumeBindingArgs(shape=tuple(UtilizationShapePoint(*point) for point in case.shape))
    on = table(*(node(zone, labels={"zone": zone}) for zone in "abc"))
    asks = user(*(item.metadata.name for item in case.claims))
    # The score without its filter prepares for itself.
    found = scores(VolumeBinding(args, storage), on, asks)
    told = [None if want is None else score for want, score in zip(case.want, found, strict=True)]
    assert told == list(case.want)
    assert all(0 <= score <= 100 for score in found)


@pytest.mark.parametrize(
    ("claims", "asks"),
    [
        ([], user()),
        ([claim("x", bound_to="v")], user("x")),
        ([], user("x")),
        ([claim("x", storage_class="nowhere")], user("x")),
    ],
    ids=["no claims", "all bound", "a claim that is not there", "a claim that no Pod waits for"],
)
def test_it_has_nothing_to_say_of_pods_that_get_no_volume(
    claims: Sequence[PersistentVolumeClaim], asks: object
) -> None:
    plugin, on = VolumeBinding(catalogue=catalogue(claims=claims, volumes=[volume("v")])), table(node("a"))
    assert not plugin.pre_score(CycleState(), pod_class(asks), on.snapshot())  # type: ignore[arg-type]  # a Pod
