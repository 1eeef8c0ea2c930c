"""VolumeZone and NodeVolumeLimits, case by case (upstream's volume_zone_test.go and csi_test.go, as
behaviour).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from scheduler.framework.interface import CycleState, FilterPlugin, decode
from scheduler.plugins.volume_places import NO_ZONE, VolumeZone
from scheduler.plugins.volume_use import TOO_MANY_VOLUMES as FULL
from scheduler.plugins.volume_use import NodeVolumeLimits
from scheduler.volumes.catalogue import Catalogue
from tests.unit.scheduler.objects import node, pod_class, table
from tests.unit.scheduler.volumes.storage import (
    PersistentVolumeClaim,
    catalogue,
    claim,
    csi_node,
    storage_class,
    user,
    volume,
)
from vaina.api.core.v1 import pod_pb2

ZONE, REGION = "topology.kubernetes.io/zone", "topology.kubernetes.io/region"
OLD_ZONE, OLD_REGION = "failure-domain.beta.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region"


def ask(
    plugin: FilterPlugin,
    nodes_labels: Sequence[Mapping[str, str]],
    made: pod_pb2.Pod,
    there: Sequence[pod_pb2.Pod] = (),
) -> str | list[str]:
    """Return why the Pod can go nowhere, or of each node the first reason ("": it will do).

    Those that are there are on the first.
    """
    on = table(*(node(f"n{number}", labels=labels) for number, labels in enumerate(nodes_labels)))
    for other in there:
        on.add_pod(0, pod_class(other))
    asked, nodes, state = pod_class(made), on.snapshot(), CycleState()
    result = plugin.pre_filter(state, asked, nodes)
    if result.rejected:
        return result.rejected
    if result.skip:
        return [""] * nodes.size
    codes = [plugin.filter_row(state, asked, nodes, row) for row in range(nodes.size)]
    found = plugin.filter(state, asked, nodes, nodes.all)
    assert codes == ([0] * nodes.size if found is None else found.tolist())
    return ["".join(decode(code, plugin.reasons(asked))[:1]) for code in codes]


@dataclass(frozen=True)
class Zones:
    name: str
    volume: Mapping[str, str]
    node: Mapping[str, str]
    fits: bool


ZONES = [
    Zones("no labels on either", {}, {}, True),
    Zones("a volume of no zone", {}, {ZONE: "a"}, True),
    Zones("a node of no zone takes everything", {ZONE: "a"}, {}, True),
    Zones("a node with other labels is of no zone", {ZONE: "a"}, {"disk": "ssd"}, True),
    Zones("the same zone", {ZONE: "a"}, {ZONE: "a"}, True),
    Zones("another zone", {ZONE: "a"}, {ZONE: "b"}, False),
    Zones("the same region", {REGION: "x"}, {REGION: "x"}, True),
    Zones("another region", {REGION: "x"}, {REGION: "y"}, False),
    Zones("zone and region", {ZONE: "a", REGION: "x"}, {ZONE: "a", REGION: "x"}, True),
    Zones("the zone, of another region", {ZONE: "a", REGION: "x"}, {ZONE: "a", REGION: "y"}, False),
    Zones("the region, another zone", {ZONE: "a", REGION: "x"}, {ZONE: "b", REGION: "x"}, False),
    Zones("a node that says nothing of its region", {ZONE: "a", REGION: "x"}, {ZONE: "a"}, False),
    Zones("one of two zones", {ZONE: "a__b"}, {ZONE: "b"}, True),
    Zones("none of two zones", {ZONE: "a__b"}, {ZONE: "c"}, False),
    Zones("a part of a name is no zone", {ZONE: "a__b"}, {ZONE: "a__b"}, False),
    Zones("older words on both", {OLD_ZONE: "a"}, {OLD_ZONE: "a"}, True),
    Zones("older words on both, another zone", {OLD_ZONE: "a"}, {OLD_ZONE: "b"}, False),
    Zones("older words of the volume, today's of the node", {OLD_ZONE: "a"}, {ZONE: "a"}, True),
    Zones("older words of the volume, another zone today", {OLD_ZONE: "a"}, {ZONE: "b"}, False),
    Zones("the node's older word goes before today's", {OLD_ZONE: "a"}, {OLD_ZONE: "b", ZONE: "a"}, False),
    Zones("today's words of the volume, older of the node", {ZONE: "a"}, {OLD_ZONE: "a"}, False),
    Zones("older words for the region", {OLD_REGION: "x"}, {REGION: "x"}, True),
    Zones("an empty value among others does not count", {ZONE: "a__"}, {ZONE: "b"}, True),
]  # fmt: skip


@pytest.mark.parametrize("case", ZONES, ids=lambda case: case.name)
def test_zones(case: Zones) -> None:
    storage = catalogue(claims=[claim(bound_to="disk")], volumes=[volume("disk", labels=case.volume)])
    assert ask(VolumeZone(storage), [case.node], user("data")) == ["" if case.fits else NO_ZONE]


NOT_WAITING = storage_class("now", waits=False)


@pytest.mark.parametrize(
    ("claims", "want"),
    [
        ([], 'persistentvolumeclaim "data" not found'),
        ([claim(wants="gone")], 'persistentvolume "gone" not found'),
        ([claim(storage_class="")], "PersistentVolumeClaim had no pv name and storageClass name"),
        ([claim(storage_class="none")], 'storageclass.storage.k8s.io "none" not found'),
        ([claim(storage_class="now")], "PersistentVolume had no name"),
        ([claim()], [""]),
    ],
)
def test_claims_without_a_volume_of_a_zone(
    claims: Sequence[PersistentVolumeClaim], want: str | list[str]
) -> None:
    storage = catalogue(claims=claims, classes=[storage_class(), NOT_WAITING])
    assert ask(VolumeZone(storage), [{ZONE: "a"}], user("data")) == want


def test_claims_of_a_pod_are_all_in_reach() -> None:
    storage = catalogue(
        claims=[claim("one", bound_to="pv-a"), claim("two", bound_to="pv-b")],
        volumes=[volume("pv-a", labels={ZONE: "a__b"}), volume("pv-b", labels={ZONE: "b__c"})],
    )
    nodes = [{ZONE: "a"}, {ZONE: "b"}, {ZONE: "c"}]
    assert ask(VolumeZone(storage), nodes, user("one", "two")) == [NO_ZONE, "", NO_ZONE]
    assert ask(VolumeZone(storage), nodes, user(ephemeral=["one"])) == ["", "", ""]
    assert ask(VolumeZone(storage), nodes, user()) == ["", "", ""]


def storage(limits: Mapping[str, int]) -> Catalogue:
    """Return claims a1 to a4 of driver a, b1 and b2 of b, plain without a driver, new-a and new-b without
    volumes; and twin, with a1's volume.
    """
    bound = {name: name[0] for name in ("a1", "a2", "a3", "a4", "b1", "b2")}
    return catalogue(
        claims=[
            *(claim(name, bound_to=f"pv-{name}") for name in bound), claim("twin", bound_to="pv-a1"),
            claim("plain", bound_to="pv-plain"), claim("new-a", storage_class="sc-a"), claim("new-b", storage_class="sc-b"),
            claim("new-plain"), claim("lost", bound_to="pv-lost"), claim("lost-a", bound_to="pv-lost", storage_class="sc-a"),
        ],
        volumes=[*(volume(f"pv-{name}", driver=driver) for name, driver in bound.items()), volume("pv-plain")],
        classes=[storage_class("sc-a", provisioner="a"), storage_class("sc-b", provisioner="b"), storage_class()],
        nodes=[csi_node("n0", **limits)],
    )  # fmt: skip


@dataclass(frozen=True)
class Limits:
    name: str
    limits: Mapping[str, int]
    asks: Sequence[str]
    fits: bool
    there: Sequence[Sequence[str]] = field(default=())


LIMITS = [
    Limits("no limit", {}, ["a1", "a2", "a3"], True, [["a4"]]),
    Limits("no claim", {"a": 0}, [], True),
    Limits("room for one", {"a": 1}, ["a1"], True),
    Limits("room for none", {"a": 0}, ["a1"], False),
    Limits("all that there may be", {"a": 3}, ["a3"], True, [["a1"], ["a2"]]),
    Limits("one too many", {"a": 2}, ["a3"], False, [["a1"], ["a2"]]),
    Limits("one Pod asks too many", {"a": 2}, ["a1", "a2", "a3"], False),
    Limits("one Pod has as many", {"a": 2}, ["a3"], False, [["a1", "a2"]]),
    Limits("another driver", {"a": 1}, ["b1"], True, [["a1"]]),
    Limits("another driver has a limit of its own", {"a": 1, "b": 0}, ["b1"], False, [["a1"]]),
    Limits("two drivers, room for both", {"a": 1, "b": 1}, ["a1", "b1"], True),
    Limits("two drivers, room for one", {"a": 1, "b": 1}, ["a1", "b1"], False, [["b2"]]),
    Limits("the claim that is there", {"a": 1}, ["a1"], True, [["a1"]]),
    Limits("another claim of the volume that is there", {"a": 1}, ["twin"], True, [["a1"]]),
    Limits("two Pods with one volume count once", {"a": 2}, ["a2"], True, [["a1"], ["a1"]]),
    Limits("the volume that is there, and another", {"a": 1}, ["a1", "a2"], False, [["a1"]]),
    Limits("a full node takes what it has", {"a": 2}, ["a1"], True, [["a1"], ["a2"]]),
    Limits("beyond its limit already, with what it has", {"a": 1}, ["a1"], True, [["a1"], ["a2"]]),
    Limits("what is still to be made", {"a": 1}, ["new-a"], False, [["a1"]]),
    Limits("what is still to be made counts for its class", {"a": 1}, ["new-b"], True, [["a1"]]),
    Limits("what is still to be made for others", {"a": 1}, ["a1"], False, [["new-a"]]),
    Limits("the same that is still to be made", {"a": 1}, ["new-a"], True, [["new-a"]]),
    Limits("no driver", {"a": 0, "b": 0}, ["plain"], True),
    Limits("a class of which nobody makes volumes", {"a": 0, "b": 0}, ["new-plain"], True),
    Limits("a volume that is not there", {"a": 0}, ["lost"], True),
    Limits("a volume that is not there counts for its class", {"a": 0}, ["lost-a"], False),
    Limits("a claim that is not there", {"a": 0}, ["nothing"], True),
    Limits("others without claims", {"a": 1}, ["a1"], True, [[], []]),
    Limits("others of another driver", {"a": 1}, ["a1"], True, [["b1", "b2"]]),
    Limits("others without a driver", {"a": 1}, ["a1"], True, [["plain"]]),
]  # fmt: skip


@pytest.mark.parametrize("case", LIMITS, ids=lambda case: case.name)
def test_limits(case: Limits) -> None:
    there = [user(*claims, name=f"other-{number}") for number, claims in enumerate(case.there)]
    found = ask(NodeVolumeLimits(storage(case.limits)), [{}, {}], user(*case.asks), there)
    # The other node says nothing of limits.
    assert found == ["" if case.fits else FULL, ""]
