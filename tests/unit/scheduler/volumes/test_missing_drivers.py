"""Drivers whose volumes go only to nodes that they are on (upstream's csi_test.go, as behaviour)."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from scheduler.columns.attachables import PORTWORX
from scheduler.framework.events import ClusterEvent
from scheduler.framework.interface import UNRESOLVABLE, CycleState
from scheduler.plugins.volume_use import TOO_MANY_VOLUMES as FULL
from scheduler.plugins.volume_use import NodeVolumeLimits
from scheduler.volumes.catalogue import Catalogue
from tests.unit.scheduler.objects import node, pod_class, table
from tests.unit.scheduler.volumes.storage import (
    catalogue,
    claim,
    csi_driver,
    csi_node,
    storage_class,
    user,
    volume,
)
from tests.unit.scheduler.volumes.test_attached_tables import (
    CINDER,
    PXD,
    cinder,
    limited,
    on_disks,
    path,
    portworx,
)
from tests.unit.scheduler.volumes.test_volume_tables import ask
from vaina.api.core.v1 import pod_pb2
from vaina.api.storage.v1 import csi_driver_pb2, csi_node_pb2

CLAIMS = [
    claim("a1", bound_to="pv-a1"), claim("a2", bound_to="pv-a2"), claim("b1", bound_to="pv-b1"),
    claim("new", storage_class="sc-a"), claim("path", bound_to="pv-path"),
]  # fmt: skip
VOLUMES = [
    volume("pv-a1", driver="a"), volume("pv-a2", driver="a"), volume("pv-b1", driver="b"), volume("pv-path"),
]  # fmt: skip
CLASSES = [storage_class("sc-a", provisioner="a")]
A, B = csi_driver("a", must=True), csi_driver("b", must=True)


def without(driver: str) -> str:
    return f"{driver} CSI driver is not installed on the node"


def unlimited(name: str, *drivers: str) -> csi_node_pb2.CSINode:
    """Make a CSINode whose drivers say no number."""
    made = csi_node_pb2.CSINode()
    made.metadata.name = name
    for driver in drivers:
        made.spec.drivers.add(name=driver, node_id=name)
    return made


@dataclass(frozen=True)
class Case:
    name: str
    drivers: Sequence[csi_driver_pb2.CSIDriver]
    asks: pod_pb2.Pod
    #: of n0, and of n1, which has no CSINode
    want: Sequence[str]
    on: csi_node_pb2.CSINode = field(default_factory=lambda: unlimited("n0", "a"))
    there: Sequence[pod_pb2.Pod] = ()


CASES = [
    Case("it is there, and it is not", [A], user("a1"), ["", without("a")]),
    Case("it need not be there", [csi_driver("a")], user("a1"), ["", ""]),
    Case("nobody knows it", [], user("a1"), ["", ""]),
    Case("another must be there", [B], user("a1"), ["", ""]),
    Case("a CSINode without it", [A], user("a1"), [without("a")] * 2, unlimited("n0", "b")),
    Case("a CSINode without anything", [A], user("a1"), [without("a")] * 2, unlimited("n0")),
    Case("a volume that is to be made", [A], user("new"), ["", without("a")]),
    Case("two, one of which is not there", [A, B], user("a1", "b1"), [without("b"), without("a")]),
    Case("two, and neither is there: the first by name", [A, B], user("b1", "a1"), [without("a")] * 2, unlimited("n0")),
    Case("a volume that another Pod has there", [A], user("a1"), [without("a")] * 2, unlimited("n0"), [user("a1", name="other")]),
    Case("it is there and full", [A], user("a1"), [FULL, without("a")], csi_node("n0", a=1), [user("a2", name="other")]),
    Case("it is not there, and another is full", [A, B], user("a1", "b1"), [without("a")] * 2, csi_node("n0", b=0)),
    Case("a volume of no driver", [A], user("path"), ["", ""]),
    Case("a Pod without volumes", [A], user(), ["", ""]),
    Case("a disk that the Pod names", [csi_driver(CINDER, must=True)], on_disks(cinder("x")), [without(CINDER)] * 2),
    Case("a path that the Pod names", [csi_driver(CINDER, must=True)], on_disks(path("/x")), ["", ""]),
    Case("Portworx' stays in the tree", [csi_driver(PXD, must=True)], on_disks(portworx("x")), ["", ""]),
    Case("Portworx' is given up where its driver is not", [csi_driver(PXD, must=True)], on_disks(portworx("x")),
         [without(PXD), ""], limited("n0", {}, PORTWORX)),
    Case("Portworx' is given up where its driver is", [csi_driver(PXD, must=True)], on_disks(portworx("x")),
         ["", ""], limited("n0", {PXD: 1}, PORTWORX)),
]  # fmt: skip


def made(*drivers: csi_driver_pb2.CSIDriver, nodes: Sequence[csi_node_pb2.CSINode] = ()) -> Catalogue:
    return catalogue(claims=CLAIMS, volumes=VOLUMES, classes=CLASSES, drivers=drivers, nodes=nodes)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_where_drivers_are_not(case: Case) -> None:
    storage = made(*case.drivers, nodes=[case.on])
    assert ask(NodeVolumeLimits(storage), [{}, {}], case.asks, case.there) == list(case.want)


def test_a_driver_that_comes_and_goes_is_followed() -> None:
    storage = made(A, nodes=[unlimited("n0")])
    plugin = NodeVolumeLimits(storage)
    assert ask(plugin, [{}], user("a1")) == [without("a")]
    storage.on_nodes([(unlimited("n0"), unlimited("n0", "a", "b"))])
    assert ask(plugin, [{}], user("a1")) == [""]
    storage.on_nodes([(unlimited("n0", "a", "b"), unlimited("n0", "b"))])
    assert ask(plugin, [{}], user("a1")) == [without("a")]
    storage.on_drivers([(A, csi_driver("a"))])
    assert ask(plugin, [{}], user("a1")) == [""]
    storage.on_drivers([(csi_driver("a"), A)])
    assert ask(plugin, [{}], user("a1")) == [without("a")]
    storage.on_drivers([(A, None)])
    assert ask(plugin, [{}], user("a1")) == [""]


def test_pods_may_be_evicted_for_it_as_upstream_does() -> None:
    plugin, on, state = NodeVolumeLimits(made(A)), table(node("n0")).snapshot(), CycleState()
    plugin.pre_filter(state, pod_class(user("a1")), on)
    assert not plugin.filter_row(state, pod_class(user("a1")), on, 0) & UNRESOLVABLE


@pytest.mark.parametrize(
    "event", [ClusterEvent.CSI_NODE_ADD, ClusterEvent.CSI_NODE_UPDATE, ClusterEvent.CSI_DRIVER_UPDATE]
)
def test_a_driver_that_comes_is_worth_another_attempt(event: ClusterEvent) -> None:
    assert NodeVolumeLimits().hints[event](pod_class(user("a1")), None, None)
