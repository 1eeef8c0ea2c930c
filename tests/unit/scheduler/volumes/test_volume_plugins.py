"""Plugins that look at storage: on which nodes a Pod's volumes can be had, in upstream's words."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from scheduler.columns.node_table import NodeTable
from scheduler.framework.interface import UNRESOLVABLE, CycleState, FilterPlugin, decode
from scheduler.plugins.volume_places import VolumeBinding, VolumeZone
from scheduler.plugins.volume_use import NodeVolumeLimits, VolumeRestrictions
from scheduler.volumes.catalogue import Catalogue, Plan
from tests.unit.scheduler.objects import node, pod_class, table, term
from tests.unit.scheduler.volumes.storage import catalogue, claim, csi_node, storage_class, user, volume
from vaina.api.core.v1 import pod_pb2

IN_A = term(("zone", "In", ["a"]))
NO_VOLUME = "node(s) didn't find available persistent volumes to bind"
ELSEWHERE = "node(s) didn't match PersistentVolume's node affinity"
NOT_THERE = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"
NO_ZONE = "node(s) had no available volume zone"
ALONE = "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod"
FULL = "node(s) exceed max volume count"
UNBOUND = "pod has unbound immediate PersistentVolumeClaims"


def two_zones() -> NodeTable:
    return table(node("a", labels={"zone": "a"}), node("b", labels={"zone": "b"}))


def ask(plugin: FilterPlugin, on: NodeTable, made: pod_pb2.Pod) -> str | list[list[str]]:
    """Return why the Pod can go nowhere, or the reasons of each row; asked in all ways."""
    asked, nodes, state = pod_class(made), on.snapshot(), CycleState()
    result = plugin.pre_filter(state, asked, nodes)
    if result.rejected:
        return result.rejected
    if result.skip:
        return [[] for _ in range(nodes.size)]
    codes = plugin.filter(state, asked, nodes, nodes.all)
    if codes is None:
        codes = np.zeros(nodes.size, np.int64)
    assert [plugin.filter_row(state, asked, nodes, row) for row in range(nodes.size)] == codes.tolist()
    some = plugin.filter(state, asked, nodes, np.arange(nodes.size))
    assert some is None or some.tolist() == codes.tolist()
    return [decode(int(code), plugin.reasons(asked)) for code in codes]


@dataclass(frozen=True)
class Case:
    name: str
    storage: Catalogue
    want: str | list[list[str]]
    claims: Sequence[str] = ("data",)
    ephemeral: Sequence[str] = field(default=())


WAITS, MAKES = storage_class(), storage_class(provisioner="example.com/disk")
BINDING = [
    Case("a Pod without claims is not asked about", catalogue(), [[], []], claims=()),
    Case("a claim that is not there", catalogue(), 'persistentvolumeclaim "data" not found'),
    Case("a claim that is made for the Pod, and not yet", catalogue(),
         'waiting for ephemeral volume controller to create the persistentvolumeclaim "web-tmp"', (), ("tmp",)),
    Case("a claim that lost its volume", catalogue(claims=[claim(bound_to="disk", phase="Lost")]),
         'persistentvolumeclaim "data" bound to non-existent persistentvolume "disk"'),
    Case("a claim that goes", catalogue(claims=[claim(deleted=True)]), 'persistentvolumeclaim "data" is being deleted'),
    Case("a claim that is bound at once, and is not", catalogue(claims=[claim()], classes=[storage_class(waits=False)]),
         UNBOUND),
    Case("a claim of a class that is not there", catalogue(claims=[claim()]), UNBOUND),
    Case("a claim without a class", catalogue(claims=[claim(storage_class="")]), UNBOUND),
    Case("a claim that names its volume and is not bound", catalogue(claims=[claim(wants="disk")], classes=[WAITS]),
         UNBOUND),
    Case("a bound claim whose volume every node reaches",
         catalogue(claims=[claim(bound_to="disk")], volumes=[volume("disk")]), [[], []]),
    Case("a bound claim whose volume is in a zone",
         catalogue(claims=[claim(bound_to="disk")], volumes=[volume("disk", on=IN_A)]), [[], [ELSEWHERE]]),
    Case("a bound claim whose volume is not there", catalogue(claims=[claim(bound_to="disk")]),
         [[NOT_THERE], [NOT_THERE]]),
    Case("a volume for whoever comes first", catalogue(claims=[claim()], classes=[WAITS], volumes=[volume("disk")]),
         [[], []]),
    Case("a volume where one node is", catalogue(claims=[claim()], classes=[WAITS], volumes=[volume("disk", on=IN_A)]),
         [[], [NO_VOLUME]]),
    Case("no volume", catalogue(claims=[claim()], classes=[WAITS]), [[NO_VOLUME], [NO_VOLUME]]),
    Case("a volume that is too small",
         catalogue(claims=[claim()], classes=[WAITS], volumes=[volume("disk", "1Gi")]), [[NO_VOLUME], [NO_VOLUME]]),
    Case("a volume of another class",
         catalogue(claims=[claim()], classes=[WAITS], volumes=[volume("disk", storage_class="x")]),
         [[NO_VOLUME], [NO_VOLUME]]),
    Case("a volume that cannot be used so",
         catalogue(claims=[claim(modes=["ReadWriteMany"])], classes=[WAITS], volumes=[volume("disk")]),
         [[NO_VOLUME], [NO_VOLUME]]),
    Case("a volume that can be used in more ways",
         catalogue(claims=[claim()], classes=[WAITS],
                   volumes=[volume("disk", modes=["ReadWriteMany", "ReadWriteOnce"])]), [[], []]),
    Case("a volume that is a device", catalogue(claims=[claim()], classes=[WAITS], volumes=[volume("d", mode="Block")]),
         [[NO_VOLUME], [NO_VOLUME]]),
    Case("a volume that nobody offers",
         catalogue(claims=[claim()], classes=[WAITS], volumes=[volume("disk", phase="Released")]),
         [[NO_VOLUME], [NO_VOLUME]]),
    Case("a volume of somebody else",
         catalogue(claims=[claim()], classes=[WAITS], volumes=[volume("disk", claim="default/other")]),
         [[NO_VOLUME], [NO_VOLUME]]),
    Case("a volume that was meant for the claim",
         catalogue(claims=[claim()], classes=[WAITS], volumes=[volume("disk", claim="default/data", phase="Pending")]),
         [[], []]),
    Case("a volume that was meant for an earlier claim of the name",
         catalogue(claims=[claim()], classes=[WAITS], volumes=[volume("disk", claim="default/data", uid="old")]),
         [[NO_VOLUME], [NO_VOLUME]]),
    Case("a volume with the wanted labels",
         catalogue(claims=[claim(selector={"kind": "ssd"})], classes=[WAITS],
                   volumes=[volume("disk", labels={"kind": "ssd"})]), [[], []]),
    Case("a volume with other labels",
         catalogue(claims=[claim(selector={"kind": "ssd"})], classes=[WAITS],
                   volumes=[volume("disk", labels={"kind": "tape"})]), [[NO_VOLUME], [NO_VOLUME]]),
    Case("two claims, one volume",
         catalogue(claims=[claim(), claim("more")], classes=[WAITS], volumes=[volume("disk")]),
         [[NO_VOLUME], [NO_VOLUME]], ("data", "more")),
    Case("two claims, two volumes, each where it is wanted",
         catalogue(claims=[claim(), claim("more")], classes=[WAITS],
                   volumes=[volume("one", on=IN_A), volume("two")]), [[], [NO_VOLUME]], ("data", "more")),
    Case("a volume can be made", catalogue(claims=[claim()], classes=[MAKES]), [[], []]),
    Case("a volume can be made in a zone",
         catalogue(claims=[claim()], classes=[storage_class(provisioner="x", zones=["a", "c"])]), [[], [NO_VOLUME]]),
    Case("a volume is being made for a node", catalogue(claims=[claim(selected="b")], classes=[MAKES]),
         [[NO_VOLUME], []]),
    Case("a volume is being made for a node that has gone", catalogue(claims=[claim(selected="c")], classes=[MAKES]),
         [[NO_VOLUME], [NO_VOLUME]]),
    Case("one claim is bound elsewhere, the other has nothing",
         catalogue(claims=[claim(bound_to="disk"), claim("more")], classes=[WAITS],
                   volumes=[volume("disk", on=IN_A, claim="default/data")]),
         [[NO_VOLUME], [NO_VOLUME, ELSEWHERE]], ("data", "more")),
]  # fmt: skip


@pytest.mark.parametrize("case", BINDING, ids=lambda case: case.name)
def test_binding(case: Case) -> None:
    plugin = VolumeBinding(catalogue=case.storage)
    assert ask(plugin, two_zones(), user(*case.claims, ephemeral=case.ephemeral)) == case.want


def test_what_binding_refuses_no_eviction_helps() -> None:
    plugin = VolumeBinding(catalogue=catalogue(claims=[claim()], classes=[WAITS]))
    asked, nodes, state = pod_class(user("data")), two_zones().snapshot(), CycleState()
    plugin.pre_filter(state, asked, nodes)
    assert plugin.filter_row(state, asked, nodes, 0) & UNRESOLVABLE


def plan(storage: Catalogue, row: int, *claims: str) -> Plan:
    return VolumeBinding(catalogue=storage).plan(pod_class(user(*claims)), two_zones().snapshot(), row)


def test_the_smallest_volume_that_will_do_is_taken_the_smallest_claim_first() -> None:
    volumes = [volume("huge", "90Gi"), volume("fit", "5Gi"), volume("roomy", "20Gi"), volume("tiny", "1Gi")]
    storage = catalogue(
        claims=[claim("large", "15Gi"), claim("small", "5Gi")], classes=[WAITS], volumes=volumes
    )
    assert plan(storage, 0, "large", "small").binds == (("default/small", "fit"), ("default/large", "roomy"))


def test_a_volume_that_is_there_goes_before_one_that_would_be_made() -> None:
    storage = catalogue(claims=[claim()], classes=[MAKES], volumes=[volume("disk", on=IN_A)])
    assert plan(storage, 0, "data") == Plan("a", binds=(("default/data", "disk"),))
    assert plan(storage, 1, "data") == Plan("b", provisions=("default/data",))


def test_a_volume_that_was_promised_is_not_given_away_again_until_the_promise_is_taken_back() -> None:
    storage = catalogue(claims=[claim(), claim("other")], classes=[WAITS], volumes=[volume("disk")])
    storage.promise("pod-1", plan(storage, 0, "data"))
    assert ask(VolumeBinding(catalogue=storage), two_zones(), user("other")) == [[NO_VOLUME], [NO_VOLUME]]
    # Another Pod with the same claim may have it.
    assert ask(VolumeBinding(catalogue=storage), two_zones(), user("data")) == [[], []]
    storage.forget("pod-1")
    assert ask(VolumeBinding(catalogue=storage), two_zones(), user("other")) == [[], []]


def test_a_volume_that_is_being_made_for_one_pod_binds_another_with_the_claim() -> None:
    storage = catalogue(claims=[claim()], classes=[MAKES])
    storage.promise("pod-1", plan(storage, 1, "data"))
    assert ask(VolumeBinding(catalogue=storage), two_zones(), user("data")) == [[NO_VOLUME], []]


ZONE = "topology.kubernetes.io/zone"
OLD_ZONE = "failure-domain.beta.kubernetes.io/zone"


@pytest.mark.parametrize(
    ("labels", "want"),
    [
        ({}, [[], [], []]),
        ({ZONE: "a"}, [[], [NO_ZONE], []]),
        ({ZONE: "a__b"}, [[], [], []]),
        ({ZONE: "c"}, [[NO_ZONE], [NO_ZONE], []]),
        ({OLD_ZONE: "a"}, [[], [NO_ZONE], []]),
        ({ZONE: "a", "topology.kubernetes.io/region": "x"}, [[NO_ZONE], [NO_ZONE], []]),
        ({"zone": "c"}, [[], [], []]),
    ],
)
def test_zones(labels: dict[str, str], want: list[list[str]]) -> None:
    on = table(node("a", labels={ZONE: "a"}), node("b", labels={ZONE: "b"}), node("c"))
    storage = catalogue(claims=[claim(bound_to="disk")], volumes=[volume("disk", labels=labels)])
    assert ask(VolumeZone(storage), on, user("data")) == want


def test_a_claim_for_one_pod_alone() -> None:
    storage = catalogue(claims=[claim(modes=["ReadWriteOncePod"]), claim("shared")])
    on, plugin = two_zones(), VolumeRestrictions(storage)
    there = pod_class(user("data", "shared", name="first"))
    assert ask(plugin, on, user("data")) == [[], []]
    on.add_pod(1, there)
    assert ask(plugin, on, user("data")) == [[ALONE], [ALONE]]
    assert ask(plugin, on, user("shared")) == [[], []]
    on.remove_pod(1, there)
    assert ask(plugin, on, user("data")) == [[], []]
    on.add_pod(1, there)
    on.remove("b")
    assert ask(plugin, on, user("data"))[0] == []


def test_whoever_has_the_claim_may_be_evicted() -> None:
    plugin = VolumeRestrictions(catalogue(claims=[claim(modes=["ReadWriteOncePod"])]))
    on, state = two_zones(), CycleState()
    on.add_pod(0, pod_class(user("data")))
    asked = pod_class(user("data"))
    plugin.pre_filter(state, asked, on.snapshot())
    assert plugin.filter_row(state, asked, on.snapshot(), 0) == 1


def limited(**limits: int) -> Catalogue:
    names = ("one", "two", "three")
    return catalogue(
        claims=[*(claim(name, bound_to=f"pv-{name}") for name in names), claim("new"), claim("old", storage_class="x")],
        volumes=[volume(f"pv-{name}", driver="disk") for name in names],
        classes=[storage_class(provisioner="disk")],
        nodes=[csi_node("a", **limits)],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("limits", "there", "wanted", "want"),
    [
        ({}, ("one",), ("two",), []),
        ({"disk": 1}, (), ("one",), []),
        ({"disk": 1}, ("one",), ("two",), [FULL]),
        ({"disk": 1}, ("one",), ("one",), []),
        ({"disk": 1}, (), ("one", "two"), [FULL]),
        ({"disk": 2}, ("one",), ("two",), []),
        ({"disk": 2}, ("one", "two"), ("three",), [FULL]),
        ({"tape": 0}, (), ("one",), []),
        ({"disk": 0}, (), ("new",), [FULL]),
        ({"disk": 0}, (), ("old",), []),
        ({"disk": 1}, ("new",), ("one",), [FULL]),
    ],
)
def test_limits(limits: dict[str, int], there: Sequence[str], wanted: Sequence[str], want: list[str]) -> None:
    on = two_zones()
    on.add_pod(0, pod_class(user(*there, name="first")))
    assert ask(NodeVolumeLimits(limited(**limits)), on, user(*wanted)) == [want, []]


def test_objects_that_cannot_be_read_do_not_count_until_they_can() -> None:
    bad = claim(size="much")
    storage = catalogue(claims=[bad], volumes=[volume("disk", size="big")])
    assert set(storage.unreadable) == {"PersistentVolumeClaim default/data", "PersistentVolume disk"}
    assert not storage.claims
    storage.on_claims([(bad, claim())])
    assert set(storage.unreadable) == {"PersistentVolume disk"}
    assert "default/data" in storage.claims
    storage.on_volumes([(volume("disk", size="big"), None)])
    assert not storage.unreadable


def test_what_goes_is_forgotten() -> None:
    storage = limited(disk=1)
    storage.on_volumes([(volume("pv-one"), None)])
    storage.on_claims([(claim("one"), None)])
    storage.on_classes([(storage_class(), None)])
    storage.on_nodes([(csi_node("a"), None)])
    assert "pv-one" not in storage.volumes
    assert "default/one" not in storage.claims
    assert not storage.classes
    assert not storage.has_limits
