"""NodeResourcesFit and NodeResourcesBalancedAllocation with all their arguments: upstream's numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from scheduler.framework.interface import UNRESOLVABLE, CycleState, ScorePlugin, decode
from scheduler.framework.resource_scoring import (
    ResourceSpec,
    UtilizationShapePoint,
    requested_to_capacity_ratio,
)
from scheduler.plugins.node_resources import (
    BalancedAllocation,
    NodeResourcesBalancedAllocationArgs,
    NodeResourcesFit,
    NodeResourcesFitArgs,
    RequestedToCapacityRatio,
    ScoringStrategy,
)
from tests.unit.scheduler.objects import node, pod, pod_class, table
from vaina.api.core.v1 import node_pb2, pod_pb2

GPU = "example.com/gpu"
RISING = ((0, 0), (100, 10))
FALLING = ((0, 10), (100, 0))
TENT = ((10, 0), (40, 10), (90, 5))


def score(plugin: ScorePlugin, on: node_pb2.Node, there: Sequence[pod_pb2.Pod], made: pod_pb2.Pod) -> int:
    """Ask for all rows, some, and one: the same answer."""
    nodes_table = table(on, node("empty"))
    for other in there:
        nodes_table.add_pod(0, pod_class(other))
    asked, nodes, state = pod_class(made), nodes_table.snapshot(), CycleState()
    if not plugin.pre_score(state, asked, nodes):
        return -1
    every = plugin.score(state, asked, nodes, nodes.all)
    assert plugin.score(state, asked, nodes, np.array([0])).tolist() == [every[0]]
    assert [plugin.score_row(state, asked, nodes, row) for row in range(2)] == every.tolist()
    assert every.dtype == np.int64
    return int(every[0])


@dataclass(frozen=True)
class Case:
    name: str
    type: str
    requests: Mapping[str, str]
    want: int
    resources: Sequence[tuple[str, int]] = (("cpu", 1), ("memory", 1))
    node: node_pb2.Node = field(default_factory=lambda: node(cpu="4", memory="8Gi", extended={GPU: "4"}))
    there: Sequence[Mapping[str, str]] = ()
    shape: Sequence[tuple[int, int]] = ()


#: what half of the node is
HALF = {"cpu": "2", "memory": "4Gi"}
LEAST, MOST, RATIO = "LeastAllocated", "MostAllocated", "RequestedToCapacityRatio"
CASES = [
    Case("least: half is left", LEAST, HALF, 50),
    Case("least: the mean of both", LEAST, {"cpu": "1", "memory": "6Gi"}, (75 + 25) // 2),
    Case("least: weights", LEAST, {"cpu": "1", "memory": "6Gi"}, (75 * 3 + 25) // 4, (("cpu", 3), ("memory", 1))),
    Case("least: one resource alone", LEAST, {"cpu": "1", "memory": "6Gi"}, 75, (("cpu", 1),)),
    Case("least: what others have counts", LEAST, {"cpu": "1", "memory": "2Gi"}, 50, there=[{"cpu": "1", "memory": "2Gi"}]),
    Case("least: cut, not rounded", LEAST, {"cpu": "1001m", "memory": "4Gi"}, (74 + 50) // 2),
    Case("least: more than all is nothing", LEAST, {"cpu": "9", "memory": "4Gi"}, 25),
    Case("least: an extended resource", LEAST, {**HALF, GPU: "1"}, (50 + 50 + 75) // 3,
         (("cpu", 1), ("memory", 1), (GPU, 1))),
    Case("least: an extended resource that the Pod does not want is left out", LEAST, HALF, 50,
         (("cpu", 1), ("memory", 1), (GPU, 5))),
    Case("least: one that no node has is left out", LEAST, {**HALF, "example.com/tpu": "1"}, 50,
         (("cpu", 1), ("memory", 1), ("example.com/tpu", 5))),
    Case("least: local storage counts also when it is not wanted", LEAST, HALF, (50 + 100) // 2,
         (("cpu", 1), ("ephemeral-storage", 1)),
         node(cpu="4", extended={"ephemeral-storage": "10Gi"})),
    Case("least: what the node has not is left out", LEAST, HALF, 50, node=node(cpu="4", memory="0")),
    Case("least: nothing at all", LEAST, HALF, 0, node=node(cpu="0", memory="0")),
    Case("least: silent containers count as small ones", LEAST, {}, (97 + 97) // 2),
    Case("most: half is taken", MOST, HALF, 50),
    Case("most: the mean of both", MOST, {"cpu": "1", "memory": "6Gi"}, (25 + 75) // 2),
    Case("most: weights", MOST, {"cpu": "1", "memory": "6Gi"}, (25 + 75 * 2) // 3, (("cpu", 1), ("memory", 2))),
    Case("most: more than all is all", MOST, {"cpu": "9", "memory": "4Gi"}, 75),
    Case("most: silent containers count as small ones", MOST, {}, (2 + 2) // 2),
    Case("most: what others have counts", MOST, {"cpu": "1", "memory": "2Gi"}, 50, there=[{"cpu": "1", "memory": "2Gi"}]),
    Case("most: an extended resource", MOST, {**HALF, GPU: "4"}, (50 + 50 + 100) // 3,
         (("cpu", 1), ("memory", 1), (GPU, 1))),
    Case("ratio: rising is as full as it is", RATIO, HALF, 50, shape=RISING),
    Case("ratio: falling is as empty as it is", RATIO, {"cpu": "1", "memory": "2Gi"}, 75, shape=FALLING),
    Case("ratio: rounded", RATIO, {"cpu": "1", "memory": "4160Mi"}, 38, shape=RISING),
    Case("ratio: silent containers are nothing, and what scores nothing does not weigh", RATIO, {"cpu": "2"}, 50,
         shape=RISING),
    Case("ratio: nothing scores nothing", RATIO, {}, 0, shape=RISING),
    Case("ratio: below the first point", RATIO, {"cpu": "400m", "memory": "800Mi"}, 0, shape=TENT),
    Case("ratio: on the way up", RATIO, {"cpu": "1"}, 50, (("cpu", 1),), shape=TENT),
    Case("ratio: on the way down", RATIO, {"cpu": "2600m"}, 75, (("cpu", 1),), shape=TENT),
    Case("ratio: cut towards zero on the way down", RATIO, {"cpu": "40m"}, 100, (("cpu", 1),), shape=((0, 10), (30, 9))),
    Case("ratio: beyond the last point", RATIO, {"cpu": "4"}, 50, (("cpu", 1),), shape=TENT),
    Case("ratio: more than all is full", RATIO, {"cpu": "9"}, 50, (("cpu", 1),), shape=TENT),
    Case("ratio: weights", RATIO, {"cpu": "1", "memory": "6Gi"}, round((25 * 3 + 75) / 4), (("cpu", 3), ("memory", 1)),
         shape=RISING),
    Case("ratio: an extended resource", RATIO, {GPU: "3"}, 75, ((GPU, 1),), shape=RISING),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_strategies(case: Case) -> None:
    shape = tuple(UtilizationShapePoint(*point) for point in case.shape)
    strategy = ScoringStrategy(
        type=case.type,
        resources=tuple(ResourceSpec(*item) for item in case.resources),
        requested_to_capacity_ratio=RequestedToCapacityRatio(shape) if shape else None,
    )
    plugin = NodeResourcesFit(NodeResourcesFitArgs(scoring_strategy=strategy))
    there = [pod(f"other-{number}", requests) for number, requests in enumerate(case.there)]
    assert score(plugin, case.node, there, pod(requests=case.requests)) == case.want


def test_every_point_of_a_line_is_where_upstream_has_it() -> None:
    strategy = requested_to_capacity_ratio([UtilizationShapePoint(*point) for point in TENT])
    found = [strategy.single(100, used) for used in (0, 10, 11, 25, 40, 41, 65, 89, 90, 100)]
    # 11: 100 * 1 / 30; 41: 100 - 50 * 1 / 50; 89: 100 - 50 * 49 / 50
    assert found == [0, 0, 3, 50, 100, 99, 75, 51, 50, 50]


@pytest.mark.parametrize(
    ("resources", "requests", "want"),
    [
        ((("cpu", 1), ("memory", 1)), {"cpu": "2"}, 50 + (50 + 75 - 100) // 2),
        ((("cpu", 1),), {"cpu": "2"}, 75),
        # 0.5, 0.5, 0: the deviation is 0.2357
        ((("cpu", 1), ("memory", 1), ("ephemeral-storage", 1)), HALF, 50 + (50 + 76 - 100) // 2),
        # 0.5, 0.5, 1: the same the other way
        ((("cpu", 1), ("memory", 1), (GPU, 1)), {**HALF, GPU: "4"}, 50 + (50 + 76 - 100) // 2),
        ((("cpu", 1), ("memory", 1), (GPU, 1)), HALF, 75),
        ((("cpu", 1), ("memory", 1)), {GPU: "1"}, -1),
        ((("cpu", 1), ("memory", 1)), {}, -1),
        (((GPU, 1),), {GPU: "1"}, 75),
    ],
)
def test_balance_of_any_resources(
    resources: Sequence[tuple[str, int]], requests: Mapping[str, str], want: int
) -> None:
    on = node(cpu="4", memory="8Gi", extended={GPU: "4", "ephemeral-storage": "10Gi"})
    args = NodeResourcesBalancedAllocationArgs(tuple(ResourceSpec(*item) for item in resources))
    assert score(BalancedAllocation(args), on, [], pod(requests=requests)) == want


@pytest.mark.parametrize(
    ("args", "requests", "want"),
    [
        (NodeResourcesFitArgs(), {GPU: "9"}, [f"Insufficient {GPU}"]),
        (NodeResourcesFitArgs(ignored_resources=(GPU,)), {GPU: "9"}, []),
        (NodeResourcesFitArgs(ignored_resources=("example.com/tpu",)), {GPU: "9"}, [f"Insufficient {GPU}"]),
        (NodeResourcesFitArgs(ignored_resource_groups=("example.com",)), {GPU: "9"}, []),
        (NodeResourcesFitArgs(ignored_resource_groups=("example",)), {GPU: "9"}, [f"Insufficient {GPU}"]),
        (NodeResourcesFitArgs(ignored_resources=("cpu",)), {"cpu": "9"}, ["Insufficient cpu"]),
        (NodeResourcesFitArgs(ignored_resources=(GPU,)), {"cpu": "9", GPU: "9", "memory": "99Gi"},
         ["Insufficient cpu", "Insufficient memory"]),
        (NodeResourcesFitArgs(ignored_resource_groups=("kubernetes.io",)), {"kubernetes.io/x": "9"},
         ["Insufficient kubernetes.io/x"]),
        (NodeResourcesFitArgs(), {"hugepages-2Mi": "2Mi"}, ["Insufficient hugepages-2Mi"]),
    ],
)  # fmt: skip
def test_resources_that_are_left_to_others(
    args: NodeResourcesFitArgs, requests: Mapping[str, str], want: list[str]
) -> None:
    plugin, state = NodeResourcesFit(args), CycleState()
    nodes = table(node(extended={GPU: "1"})).snapshot()
    asked = pod_class(pod(requests=requests))
    plugin.pre_filter(state, asked, nodes)
    codes = plugin.filter(state, asked, nodes, nodes.all)
    assert codes is not None
    assert plugin.filter_row(state, asked, nodes, 0) == codes[0]
    assert decode(int(codes[0]), plugin.reasons(asked)) == want
    assert bool(codes[0] & UNRESOLVABLE) == bool(want)
