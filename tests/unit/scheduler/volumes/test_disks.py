"""Disks that Pods name themselves.

Who may not be on a node with whom (upstream's volume_restrictions_test.go, as behaviour).
"""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from scheduler.columns.node_table import NodeTable
from scheduler.columns.pod_info import PodInfo
from scheduler.decide.cycle import Cycles
from scheduler.framework.events import ClusterEvent
from scheduler.framework.interface import CycleState, decode
from scheduler.framework.registry import default_profile
from scheduler.framework.runtime import Framework
from scheduler.framework.status import Scheduled
from scheduler.plugins.volume_use import DISK_CONFLICT, VolumeRestrictions
from tests.unit.scheduler.objects import info, node, pod, pod_class, table
from vaina.api.core.v1 import pod_pb2

Source = Callable[[pod_pb2.Pod], object]


def gce(name: str, *, read_only: bool = False) -> Source:
    def add(made: pod_pb2.Pod) -> object:
        source = made.spec.volumes.add(name=f"v{len(made.spec.volumes)}").volume_source.gce_persistent_disk
        source.pd_name, source.read_only = name, read_only
        return source

    return add


def aws(name: str, *, read_only: bool = False) -> Source:
    def add(made: pod_pb2.Pod) -> object:
        source = made.spec.volumes.add(
            name=f"v{len(made.spec.volumes)}"
        ).volume_source.aws_elastic_block_store
        source.volume_id, source.read_only = name, read_only
        return source

    return add


def iscsi(iqn: str, *, lun: int = 0, portal: str = "127.0.0.1:3260", read_only: bool = False) -> Source:
    def add(made: pod_pb2.Pod) -> object:
        source = made.spec.volumes.add(name=f"v{len(made.spec.volumes)}").volume_source.iscsi
        source.target_portal, source.iqn, source.lun, source.read_only = portal, iqn, lun, read_only
        return source

    return add


def rbd(*monitors: str, pool: str = "foo", image: str = "bar", read_only: bool = False) -> Source:
    def add(made: pod_pb2.Pod) -> object:
        source = made.spec.volumes.add(name=f"v{len(made.spec.volumes)}").volume_source.rbd
        source.monitors.extend(monitors)
        source.pool, source.image, source.read_only = pool, image, read_only
        return source

    return add


def host_path(made: pod_pb2.Pod) -> object:
    source = made.spec.volumes.add(name="h").volume_source.host_path
    source.path = "/data"
    return source


def user(*sources: Source, name: str = "web") -> pod_pb2.Pod:
    made = pod(name, uid=name)
    for source in sources:
        source(made)
    return made


@dataclass(frozen=True)
class Case:
    name: str
    asks: pod_pb2.Pod
    there: pod_pb2.Pod | None
    fits: bool


CASES = [
    Case("nothing at all", user(), None, True),
    Case("nothing asked, a disk there", user(), user(gce("foo")), True),
    Case("a disk asked, nobody there", user(gce("foo")), None, True),
    Case("a disk asked, somebody without one", user(gce("foo")), user(), True),
    Case("gce: the same", user(gce("foo")), user(gce("foo")), False),
    Case("gce: another", user(gce("bar")), user(gce("foo")), True),
    Case("gce: both only read", user(gce("foo", read_only=True)), user(gce("foo", read_only=True)), True),
    Case("gce: the new one writes", user(gce("foo")), user(gce("foo", read_only=True)), False),
    Case("gce: the old one writes", user(gce("foo", read_only=True)), user(gce("foo")), False),
    Case("gce: one of two", user(gce("a"), gce("foo")), user(gce("b"), gce("foo")), False),
    Case("gce: two others", user(gce("a"), gce("c")), user(gce("b"), gce("d")), True),
    Case("gce: twice in one Pod", user(gce("foo"), gce("foo")), None, True),
    Case("aws: the same", user(aws("foo")), user(aws("foo")), False),
    Case("aws: another", user(aws("bar")), user(aws("foo")), True),
    Case("aws: also when both only read", user(aws("foo", read_only=True)), user(aws("foo", read_only=True)), False),
    Case("aws and gce of one name", user(aws("foo")), user(gce("foo")), True),
    Case("iscsi: the same", user(iscsi("iqn.a")), user(iscsi("iqn.a")), False),
    Case("iscsi: another", user(iscsi("iqn.b")), user(iscsi("iqn.a")), True),
    Case("iscsi: the target says it, not the unit", user(iscsi("iqn.a", lun=1)), user(iscsi("iqn.a", lun=2)), False),
    Case("iscsi: the target says it, not the portal", user(iscsi("iqn.a", portal="b:1")), user(iscsi("iqn.a", portal="c:1")), False),
    Case("iscsi: both only read", user(iscsi("iqn.a", read_only=True)), user(iscsi("iqn.a", read_only=True)), True),
    Case("iscsi: one writes", user(iscsi("iqn.a")), user(iscsi("iqn.a", read_only=True)), False),
    Case("rbd: the same", user(rbd("a", "b")), user(rbd("a", "b")), False),
    Case("rbd: one monitor is enough", user(rbd("a", "b")), user(rbd("b", "c")), False),
    Case("rbd: no monitor in common", user(rbd("a", "b")), user(rbd("c", "d")), True),
    Case("rbd: another pool", user(rbd("a", pool="x")), user(rbd("a", pool="y")), True),
    Case("rbd: another image", user(rbd("a", image="x")), user(rbd("a", image="y")), True),
    Case("rbd: both only read", user(rbd("a", read_only=True)), user(rbd("a", read_only=True)), True),
    Case("rbd: one writes", user(rbd("a", read_only=True)), user(rbd("a")), False),
    Case("paths of the node are no disks", user(host_path), user(host_path), True),
]  # fmt: skip


def two_nodes(there: pod_pb2.Pod | None) -> NodeTable:
    """Return nodes a and b; who is there is on a."""
    on = table(node("a"), node("b"))
    if there is not None:
        on.add_pod(0, pod_class(there))
    return on


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_disks(case: Case) -> None:
    on, plugin, asked, state = two_nodes(case.there), VolumeRestrictions(), pod_class(case.asks), CycleState()
    nodes = on.snapshot()
    want = [[] if case.fits else [DISK_CONFLICT], []]
    if plugin.pre_filter(state, asked, nodes).skip:
        assert case.fits
    else:
        codes = plugin.filter(state, asked, nodes, nodes.all)
        assert codes is not None
        assert [decode(int(code), plugin.reasons(asked)) for code in codes] == want
        assert [plugin.filter_row(state, asked, nodes, row) for row in (0, 1)] == codes.tolist()
    if case.there is not None:
        on.remove_pod(0, pod_class(case.there))
        assert [dict(on.snapshot().claims.on(row)) for row in (0, 1)] == [{}, {}]


def test_equal_pods_with_a_disk_go_to_nodes_of_their_own() -> None:
    on = table(node("a"), node("b"))
    cycles = Cycles(on, Framework(default_profile()))
    asked = pod_class(user(gce("foo")))
    taken = []
    for _ in range(2):
        decision = cycles.decide(asked, lambda _: 0)
        assert isinstance(decision, Scheduled)
        taken.append(decision.node_name)
        on.add_pod(decision.row, asked)
    assert sorted(taken) == ["a", "b"]
    refused = cycles.decide(asked, lambda _: 0)
    assert not isinstance(refused, Scheduled)
    assert "2 node(s) had no available disk" in refused.message


@pytest.mark.parametrize(
    ("gone", "helps"),
    [(user(gce("foo"), name="gone"), True), (user(gce("bar"), name="gone"), False), (user(name="gone"), False)],
)  # fmt: skip
def test_a_pod_that_gives_the_disk_back_is_worth_another_attempt(gone: pod_pb2.Pod, helps: bool) -> None:
    hint = VolumeRestrictions().hints[ClusterEvent.ASSIGNED_POD_DELETE]
    before: PodInfo = info(gone).at("a")
    assert hint(pod_class(user(gce("foo"))), before, None) is helps
