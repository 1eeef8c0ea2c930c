"""What drivers have left: VolumeBinding's check of capacity, case by case (upstream's binder_test.go,
TestCapacity, as behaviour).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from scheduler.framework.events import ClusterEvent
from scheduler.plugins.volume_places import VolumeBinding
from scheduler.volumes.objects import has_more
from tests.unit.scheduler.objects import node, pod_class, table
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
from tests.unit.scheduler.volumes.test_volume_plugins import NO_VOLUME, ask
from vaina.api.meta.v1 import meta_pb2
from vaina.api.storage.v1 import csi_driver_pb2, csi_storage_capacity_pb2, storage_class_pb2

DRIVER = "disk.example.com"
NO_ROOM = "node(s) did not have enough free storage"
CSIStorageCapacity = csi_storage_capacity_pb2.CSIStorageCapacity
MAKES = storage_class("make", provisioner=DRIVER)
IN_A = storage_class("make", provisioner=DRIVER, zones=["a"])
WANTS = claim("data", "5Gi", storage_class="make")


def where(name: str, size: str, *, key: str, operator: str, values: Sequence[str] = ()) -> CSIStorageCapacity:
    made = capacity(name, size)
    made.node_topology.match_expressions.append(
        meta_pb2.LabelSelectorRequirement(key=key, operator=operator, values=values)
    )
    return made


@dataclass(frozen=True)
class Case:
    """Node a is in zone a, node b in zone b; both are in region x, and only b has a disk."""

    name: str
    capacities: Sequence[CSIStorageCapacity]
    #: of node a, of node b
    want: tuple[Sequence[str], Sequence[str]]
    claims: Sequence[PersistentVolumeClaim] = (WANTS,)
    classes: Sequence[storage_class_pb2.StorageClass] = (MAKES,)
    drivers: Sequence[csi_driver_pb2.CSIDriver] = (csi_driver(DRIVER),)
    volumes: Sequence[PersistentVolume] = field(default=())


OK: Sequence[str] = ()
FULL: Sequence[str] = (NO_ROOM,)
NOBODY: Sequence[str] = (NO_VOLUME,)
IN_ZONE_A, IN_ZONE_B = {"zone": "a"}, {"zone": "b"}
CASES = [
    Case("nobody says how much there is", [], (FULL, FULL)),
    Case("enough everywhere", [capacity("c", "5Gi")], (OK, OK)),
    Case("one byte too few", [capacity("c", "5368709119")], (FULL, FULL)),
    Case("more than enough", [capacity("c", "1Ti")], (OK, OK)),
    Case("a driver that does not say it", [], (OK, OK), drivers=[csi_driver(DRIVER, capacity=False)]),
    Case("a driver that is not there", [], (OK, OK), drivers=[]),
    Case("another driver says it", [], (OK, OK), drivers=[csi_driver("other.example.com")]),
    Case("enough in a zone", [capacity("c", "5Gi", on=IN_ZONE_A)], (OK, FULL)),
    Case("enough in the other zone", [capacity("c", "5Gi", on=IN_ZONE_B)], (FULL, OK)),
    Case("enough in each", [capacity("c", "5Gi", on=IN_ZONE_A), capacity("d", "6Gi", on=IN_ZONE_B)], (OK, OK)),
    Case("enough in one of them", [capacity("c", "1Gi", on=IN_ZONE_A), capacity("d", "6Gi", on=IN_ZONE_B)], (FULL, OK)),
    Case("enough nowhere", [capacity("c", "5Gi", on={"zone": "c"})], (FULL, FULL)),
    Case("enough by a label that no node has", [capacity("c", "5Gi", on={"rack": "1"})], (FULL, FULL)),
    Case("enough, and nobody says where", [capacity("c", "5Gi", nowhere=True)], (FULL, FULL)),
    Case("what is left of two pools is not added up", [capacity("c", "3Gi"), capacity("d", "3Gi")], (FULL, FULL)),
    Case("the larger of two pools", [capacity("c", "3Gi"), capacity("d", "5Gi")], (OK, OK)),
    Case("enough for another class", [capacity("c", "5Gi", storage_class="other")], (FULL, FULL)),
    Case("no amount", [capacity("c")], (FULL, FULL)),
    Case("the largest volume is what counts", [capacity("c", "1Gi", largest="5Gi")], (OK, OK)),
    Case("the largest volume is too small", [capacity("c", "100Gi", largest="4Gi")], (FULL, FULL)),
    Case("the largest volume alone", [capacity("c", largest="5Gi")], (OK, OK)),
    Case("by two labels", [capacity("c", "5Gi", on={"zone": "a", "region": "x"})], (OK, FULL)),
    Case("by two labels, one of which is another", [capacity("c", "5Gi", on={"zone": "a", "region": "y"})], (FULL, FULL)),
    Case("by one of several values", [where("c", "5Gi", key="zone", operator="In", values=["b", "c"])], (FULL, OK)),
    Case("by all values but some", [where("c", "5Gi", key="zone", operator="NotIn", values=["b"])], (OK, FULL)),
    Case("by a label that is there", [where("c", "5Gi", key="disk", operator="Exists")], (FULL, OK)),
    Case("by a label that is not there", [where("c", "5Gi", key="disk", operator="DoesNotExist")], (OK, FULL)),
    Case("a volume that is there needs no room", [], (OK, OK), volumes=[volume("v", storage_class="make")]),
    Case("a claim that is bound needs no room", [], (OK, OK), claims=[claim("data", bound_to="v", storage_class="make")], volumes=[volume("v")]),
    Case("a class that makes nothing there is told first", [capacity("c", "5Gi")], (OK, NOBODY), classes=[IN_A]),
    Case("neither allowed nor room", [], (FULL, NOBODY), classes=[IN_A]),
    Case("where somebody is making it there must be room too", [capacity("c", "5Gi", on=IN_ZONE_B)], (FULL, NOBODY),
         claims=[claim("data", "5Gi", storage_class="make", selected="a")]),
    Case("room where somebody is making it", [capacity("c", "5Gi", on=IN_ZONE_A)], (OK, NOBODY),
         claims=[claim("data", "5Gi", storage_class="make", selected="a")]),
    Case("two claims, room for the smaller", [capacity("c", "5Gi")], (FULL, FULL), claims=[WANTS, claim("more", "6Gi", storage_class="make")]),
    Case("two claims, each has room by itself", [capacity("c", "5Gi")], (OK, OK), claims=[WANTS, claim("more", "4Gi", storage_class="make")]),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_a_driver_has_left(case: Case) -> None:
    storage = catalogue(
        claims=case.claims, classes=case.classes, drivers=case.drivers, capacities=case.capacities, volumes=case.volumes,
    )  # fmt: skip
    on = table(
        node("a", labels={"zone": "a", "region": "x"}),
        node("b", labels={"zone": "b", "region": "x", "disk": "ssd"}),
    )
    asks = user(*(item.metadata.name for item in case.claims))
    assert ask(VolumeBinding(catalogue=storage), on, asks) == [list(words) for words in case.want]


def test_what_is_left_changes() -> None:
    had, has = capacity("c", "1Gi"), capacity("c", "9Gi")
    storage = catalogue(claims=[WANTS], classes=[MAKES], drivers=[csi_driver(DRIVER)], capacities=[had])
    on = table(node("a"))
    plugin = VolumeBinding(catalogue=storage)
    assert ask(plugin, on, user("data")) == [[NO_ROOM]]
    storage.on_capacities([(had, has)])
    assert ask(plugin, on, user("data")) == [[]]
    storage.on_capacities([(has, None)])
    assert ask(plugin, on, user("data")) == [[NO_ROOM]]
    storage.on_drivers([(csi_driver(DRIVER), csi_driver(DRIVER, capacity=False))])
    assert ask(plugin, on, user("data")) == [[]]
    storage.on_drivers([(None, csi_driver(DRIVER))])
    storage.on_drivers([(csi_driver(DRIVER), None)])
    assert ask(plugin, on, user("data")) == [[]]


def test_an_amount_that_cannot_be_read_is_none() -> None:
    storage = catalogue(
        claims=[WANTS], classes=[MAKES], drivers=[csi_driver(DRIVER)], capacities=[capacity("c", "much")]
    )
    assert ask(VolumeBinding(catalogue=storage), table(node("a")), user("data")) == [[NO_ROOM]]
    assert list(storage.unreadable) == ["CSIStorageCapacity default/c"]


@pytest.mark.parametrize(
    ("old", "new", "more"),
    [
        (capacity("c", "1Gi"), capacity("c", "2Gi"), True),
        (capacity("c", "1Gi"), capacity("c", "1024Mi"), False),
        (capacity("c", "2Gi"), capacity("c", "1Gi"), False),
        (capacity("c"), capacity("c", "1Gi"), True),
        (capacity("c", "2Gi"), capacity("c", "1Gi", largest="1Gi"), True),
        (capacity("c", "2Gi", largest="1Gi"), capacity("c", "2Gi", largest="1Gi"), False),
        (capacity("c", "2Gi"), capacity("c", "much"), True),
    ],
)
def test_what_is_left_wakes_when_it_grows(
    old: CSIStorageCapacity, new: CSIStorageCapacity, more: bool
) -> None:
    assert has_more(old, new) is more


@pytest.mark.parametrize(
    "event",
    [
        ClusterEvent.CSI_DRIVER_ADD, ClusterEvent.CSI_DRIVER_UPDATE, ClusterEvent.CAPACITY_ADD, ClusterEvent.CAPACITY_UPDATE,
    ],
)  # fmt: skip
def test_what_drivers_say_is_worth_another_attempt(event: ClusterEvent) -> None:
    assert VolumeBinding().hints[event](pod_class(user("data")), None, None)
