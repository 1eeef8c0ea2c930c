"""What `vaina explain` says of nodes that storage keeps a Pod from: which claim, which volume, and how much."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from scheduler.columns.node_table import NodeTable
from scheduler.explain.evaluate import evaluate
from scheduler.explain.remedies import remedies
from scheduler.framework.binding_points import Handle
from scheduler.framework.registry import default_profile
from scheduler.volumes.catalogue import Catalogue
from tests.unit.scheduler.objects import node, pod, pod_class, table, term
from tests.unit.scheduler.volumes.storage import (
    attachment,
    capacity,
    catalogue,
    claim,
    csi_driver,
    csi_node,
    storage_class,
    user,
    volume,
)
from vaina.api.core.v1 import pod_pb2

IN_A = term(("zone", "In", ["a"]))
ZONE = "topology.kubernetes.io/zone"
MAKES = storage_class("make", provisioner="disk.example.com")


def with_disk(name: str = "web") -> pod_pb2.Pod:
    made = pod(name)
    made.spec.volumes.add(name="d").volume_source.gce_persistent_disk.pd_name = "disk-1"
    return made


@dataclass(frozen=True)
class Case:
    """Node a is in zone a, node b in zone b."""

    name: str
    storage: Catalogue
    asks: pod_pb2.Pod
    #: what is said of the nodes that are refused
    want: dict[str, str]
    #: Pods that are there, with their row
    there: Sequence[tuple[int, pod_pb2.Pod]] = field(default=())


ALONE = claim("data", bound_to="v", modes=["ReadWriteOncePod"])
CASES = [
    Case("a claim for one Pod alone is in use", catalogue(claims=[ALONE], volumes=[volume("v", claim="default/data")]),
         user("data"), dict.fromkeys("ab", "claim default/data (ReadWriteOncePod) is used by a Pod on b"), [(1, user("data", name="x"))]),
    Case("a disk is in use on one node", catalogue(), with_disk(), {"a": "disk gce:disk-1 is used by another Pod there"},
         [(0, with_disk("x"))]),
    Case("a volume is in another zone", catalogue(claims=[claim(bound_to="v")], volumes=[volume("v", labels={ZONE: "a__c"})]),
         user("data"), {"b": f"volume v is in {ZONE}=a or c"}),
    Case("a node has its volumes",
         catalogue(claims=[claim(bound_to="v")], volumes=[volume("v", driver="d"), volume("w", driver="d"), volume("x", driver="d")],
                   nodes=[csi_node("a", d=2), csi_node("b", d=3)],
                   attachments=[attachment(name, on, attacher="d") for name in "wx" for on in "ab"]),
         user("data"), {"a": "takes no more than 2 volumes of d (2 there, asks 1 more)"}),
    Case("a volume is reached from elsewhere", catalogue(claims=[claim(bound_to="v")], volumes=[volume("v", on=IN_A)]), user("data"),
         {"b": "volume v of claim default/data is reached from zone In [a]"}),
    Case("a volume is gone", catalogue(claims=[claim(bound_to="v")]), user("data"),
         dict.fromkeys("ab", "claim default/data is bound to volume v, which does not exist; persistentvolume \"v\" not found")),
    Case("no volume is free", catalogue(claims=[claim()], classes=[storage_class()], volumes=[volume("v", on=IN_A)]), user("data"),
         {"b": "claim default/data asks 5Gi of class wait: no free volume will do, and none is made there"}),
    Case("a volume is made for another node",
         catalogue(claims=[claim(storage_class="make", selected="a")], classes=[MAKES]), user("data"),
         {"b": "the volume of claim default/data is made for node a"}),
    Case("a driver has less left", catalogue(
            claims=[claim(storage_class="make")], classes=[MAKES], drivers=[csi_driver("disk.example.com")],
            capacities=[capacity("in-a", "9Gi", on={"zone": "a"}), capacity("in-b", "1Gi", on={"zone": "b"})],
        ), user("data"), {"b": "claim default/data asks 5Gi of class make: its driver has less left there"}),
    Case("two claims, each with a lack of its own",
         catalogue(claims=[claim("one", bound_to="v"), claim("two", "7Gi")], classes=[storage_class()],
                   volumes=[volume("v", on=IN_A, claim="default/one")]),
         user("one", "two"), {
             "a": "claim default/two asks 7Gi of class wait: no free volume will do, and none is made there",
             "b": "volume v of claim default/one is reached from zone In [a] and claim default/two asks 7Gi of class wait: "
                  "no free volume will do, and none is made there",
         }),
]  # fmt: skip


def two_zones() -> NodeTable:
    return table(*(node(name, labels={"zone": name, ZONE: name}) for name in "ab"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_storage_lacks_on_a_node(case: Case) -> None:
    nodes = two_zones()
    for row, made in case.there:
        nodes.add_pod(row, pod_class(made))
    profile = default_profile(handle=Handle(case.storage))
    groups, _ = remedies(evaluate(pod_class(case.asks), nodes, profile), 10)
    said = {name: "; ".join(item.lack for item in group.refusals) for group in groups for name in group.nodes}
    assert said == case.want
