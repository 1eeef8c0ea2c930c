"""Pods that ask the same of nodes share what is said of these: who is asked, about which rows, and when anew."""

import random
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.cache.cache import Cache
from scheduler.columns.node_table import NodeTable
from scheduler.columns.pod_info import PodClass, PodCompiler
from scheduler.columns.snapshot import Rows, Snapshot
from scheduler.decide.cycle import Cycles, schedule_pod
from scheduler.decide.row_store import RowStore
from scheduler.framework.events import ClusterEvent, Hint
from scheduler.framework.interface import RUN, Codes, CycleState, PreFilterResult, Reach, Scores
from scheduler.framework.registry import default_profile
from scheduler.framework.resource_scoring import ResourceSpec
from scheduler.framework.runtime import Framework, Profile, Weighted
from scheduler.framework.status import Decision, Scheduled, Unschedulable
from scheduler.plugins.node_resources import (
    BalancedAllocation,
    NodeResourcesBalancedAllocationArgs,
    NodeResourcesFit,
    NodeResourcesFitArgs,
    ScoringStrategy,
)
from tests.unit.scheduler.decide.test_cycle import MostPods, first, nodes
from tests.unit.scheduler.objects import info, node, node_info, pod, pod_class, table
from vaina.api.core.v1 import node_pb2, pod_pb2

AMOUNTS = {
    "cpu": ["", "", "0", "1m", "100m", "333m", "1", "2500m"],
    "memory": ["", "", "0", "1", "1Mi", "1000001", "1Gi", "3Gi"],
}
#: more than can be counted exactly as floats; and none at all
SIZES = {"cpu": ["250m", "4", "32"], "memory": ["1Gi", "4Gi", "7777777777"]}
ODD = {"cpu": ["0", "90000000000"], "memory": ["0", "8Pi"]}
SETTINGS = {
    "default": default_profile(),
    "most": Profile(
        "most",
        filters=(NodeResourcesFit(),),
        scores=(
            Weighted(NodeResourcesFit(NodeResourcesFitArgs(scoring_strategy=ScoringStrategy("MostAllocated"))), 3),
            Weighted(BalancedAllocation(), 2),
        ),
    ),
    "weights": Profile(
        "weights",
        filters=(NodeResourcesFit(),),
        scores=(
            Weighted(
                NodeResourcesFit(
                    NodeResourcesFitArgs(
                        scoring_strategy=ScoringStrategy(
                            resources=(ResourceSpec("cpu", 2), ResourceSpec("memory", 5))
                        )
                    )
                ),
                1,
            ),
            Weighted(BalancedAllocation(NodeResourcesBalancedAllocationArgs((ResourceSpec("cpu"),))), 1),
        ),
    ),
}  # fmt: skip


def draw_node(draw: st.DataObject, number: int, *, odd: bool) -> node_pb2.Node:
    sizes = {name: [*SIZES[name], *(ODD[name] if odd else [])] for name in SIZES}
    made = node(
        f"n{number}", cpu=draw.draw(st.sampled_from(sizes["cpu"])), memory=draw.draw(st.sampled_from(sizes["memory"])),
        pods=draw.draw(st.sampled_from(["2", "110"])), labels={"zone": draw.draw(st.sampled_from("ab"))},
    )  # fmt: skip
    if draw.draw(st.integers(0, 4)) == 0:
        made.spec.taints.add(key="slow", effect="PreferNoSchedule")
    return made


def draw_pod(draw: st.DataObject, number: int) -> pod_pb2.Pod:
    asked = {name: draw.draw(st.sampled_from(amounts)) for name, amounts in AMOUNTS.items()}
    made = pod(
        f"p{number}", uid=f"u{number}", requests={name: amount for name, amount in asked.items() if amount}
    )
    if draw.draw(st.integers(0, 3)) == 0:
        made.spec.node_selector["zone"] = "a"
    if draw.draw(st.integers(0, 5)) == 0:
        made.spec.containers[0].resources.requests["memory"].string = "7Pi"
    return made


@given(
    draw=st.data(), seed=st.integers(0, 1 << 30), setting=st.sampled_from(sorted(SETTINGS)), odd=st.booleans()
)
def test_a_first_decision_is_the_one_from_scratch(
    draw: st.DataObject, seed: int, setting: str, odd: bool
) -> None:
    cache, compiler, framework = Cache(), PodCompiler(), Framework(SETTINGS[setting])
    for number in range(draw.draw(st.integers(1, 8))):
        cache.upsert_node(node_info(draw_node(draw, number, odd=odd)))
    # None of the classes is kept, so that each decision is a first one if that can be.
    cycles, ours, theirs = Cycles(cache.table, framework, limit=1), random.Random(seed), random.Random(seed)
    for number in range(draw.draw(st.integers(1, 20))):
        made = compiler.compile(draw_pod(draw, number))
        found = cycles.decide(made.pod_class, ours.randrange)
        assert found == schedule_pod(made.pod_class, cache.table, framework, tie_break=theirs.randrange)
        if isinstance(found, Scheduled):
            cache.assume(made, found.node_name)
        match draw.draw(st.integers(0, 9)):
            case 0:
                cache.upsert_node(node_info(draw_node(draw, draw.draw(st.integers(0, 9)), odd=odd)))
            case 1 if cache.held():
                cache.remove(min(cache.held()))
            case _:
                pass


@dataclass
class Picky:
    """Counts how often it was asked about all rows; refuses the first row, and prefers the last."""

    reads_requests: bool
    name: str = "Picky"
    reach: Reach = Reach.NONE
    scales: bool = False
    hints: Mapping[ClusterEvent, Hint] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def pre_filter(self, state: CycleState, pod: PodClass, nodes: Snapshot) -> PreFilterResult:
        return RUN

    def reasons(self, pod: PodClass) -> Sequence[str]:
        return ("not nice",)

    def filter(self, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Codes | None:
        self.asked.append("filter")
        codes: Codes = (np.arange(nodes.size) == 0).astype(np.int64)[rows]
        return codes

    def filter_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        return int(row == 0)

    def pre_score(self, state: CycleState, pod: PodClass, nodes: Snapshot) -> bool:
        return True

    def score(self, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Scores:
        self.asked.append("score")
        scores: Scores = (np.arange(nodes.size) == nodes.size - 1)[rows] * np.int64(100)
        return scores

    def score_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        return 100 if row == nodes.size - 1 else 0

    def scale(self, raw: Scores, low: int, high: int) -> Scores:
        return raw


def decided(on: NodeTable, cycles: Cycles, sizes: Sequence[str]) -> list[str]:
    found = [cycles.decide(pod_class(pod(requests={"cpu": size})), lambda _ties: 0) for size in sizes]
    return [item.node_name for item in found if isinstance(item, Scheduled)]


@pytest.mark.parametrize(("reads", "asked"), [(False, 1), (True, 3)])
def test_who_does_not_look_at_requests_is_asked_once(reads: bool, asked: int) -> None:
    on, picky = table(node("n0"), node("n1"), node("n2")), Picky(reads)
    profile = Profile("test", filters=(picky, NodeResourcesFit()), scores=(Weighted(picky, 1),))
    cycles = Cycles(on, Framework(profile))
    assert decided(on, cycles, ["1m", "2m", "3m"]) == ["n2", "n2", "n2"]
    assert sorted(picky.asked) == ["filter"] * asked + ["score"] * asked


def test_it_is_asked_again_when_a_node_changes() -> None:
    on, picky = table(node("n0"), node("n1")), Picky(reads_requests=False)
    profile = Profile("test", filters=(picky, NodeResourcesFit()), scores=(Weighted(picky, 1),))
    cycles = Cycles(on, Framework(profile))
    assert decided(on, cycles, ["1m", "2m"]) == ["n1", "n1"]
    on.upsert(node_info(node("n2")))
    assert decided(on, cycles, ["3m", "4m"]) == ["n2", "n2"]
    on.upsert(node_info(node("n2", cpu="1m")))
    assert decided(on, cycles, ["5m", "6m"]) == ["n1", "n1"]


def test_who_fits_nowhere_is_told_why_at_once() -> None:
    cycles = Cycles(table(node("n0", cpu="1")), Framework(default_profile()))
    verdict = cycles.decide(pod_class(pod(requests={"cpu": "2"})), lambda _ties: 0)
    assert isinstance(verdict, Unschedulable)
    assert verdict.rejections == {"Insufficient cpu": 1}


def test_room_that_is_kept_for_another_is_left_to_it() -> None:
    cache = Cache()
    cache.upsert_node(node_info(node("n0", cpu="1")))
    coming = pod("coming", uid="coming", requests={"cpu": "1"}, priority=5)
    cache.nominations.put(info(coming), "n0")
    cycles = Cycles(cache.table, Framework(default_profile()))
    assert isinstance(cycles.decide(pod_class(pod(requests={"cpu": "500m"})), lambda _ties: 0), Unschedulable)
    cache.nominations.lift("coming")
    assert isinstance(cycles.decide(pod_class(pod(requests={"cpu": "501m"})), lambda _ties: 0), Scheduled)


@dataclass
class SignedMost(MostPods):
    """Refuses rows that hold so many Pods; says that it reads nothing of a Pod."""

    fails: bool = False

    def sign(self, pod: PodClass) -> Hashable:
        return ()

    def filter_row(self, *asked: object) -> int:
        if self.fails:
            self.fails = False
            raise RuntimeError("a bug")
        return super().filter_row(*asked)  # type: ignore[arg-type]  # as it was asked


def two_classes() -> list[PodClass]:
    """Return Pods of one size that differ in what they tolerate."""
    compiler = PodCompiler()
    return [
        compiler.compile(pod(tolerations=[(key, "Exists", "", "")])).pod_class for key in ("one", "other")
    ]


def keep(cycles: Cycles, classes: list[PodClass], counting: MostPods) -> None:
    """Decide once for each class; what is asked is counted from then on."""
    for item in classes:
        cycles.decide(item, first)
    counting.asked.clear()


def profile(plugin: MostPods) -> Framework:
    return Framework(Profile("test", filters=(plugin,)))


def where(decision: Decision) -> str:
    assert isinstance(decision, Scheduled)
    return decision.node_name


@pytest.mark.parametrize(
    ("make", "asked"), [(SignedMost, [1]), (MostPods, [1, 1])], ids=["it signs", "it does not sign"]
)
def test_a_plugin_is_asked_once_about_a_row_for_all_classes_of_one_signature(
    make: Callable[[int], MostPods], asked: list[int]
) -> None:
    counting, on, classes = make(1), nodes(4), two_classes()
    cycles = Cycles(on, profile(counting))
    keep(cycles, classes, counting)
    on.add_pod(0, classes[0])
    assert [where(cycles.decide(item, first)) for item in classes] == ["n1", "n1"]
    assert counting.asked == asked


def test_many_rows_are_read_as_columns() -> None:
    counting, on, classes = SignedMost(1), nodes(100), two_classes()
    cycles = Cycles(on, profile(counting))
    keep(cycles, classes, counting)
    for row in range(60):
        on.add_pod(row, classes[row % 2])
    assert [where(cycles.decide(item, first)) for item in classes] == ["n60", "n60"]
    on.remove_pod(3, classes[1])
    assert [where(cycles.decide(item, first)) for item in classes] == ["n3", "n3"]
    assert counting.asked == [60, 1]


def test_a_node_that_changes_is_seen_by_all() -> None:
    counting, on, classes = SignedMost(1), nodes(4), two_classes()
    cycles = Cycles(on, profile(counting))
    on.add_pod(0, classes[0])
    keep(cycles, classes, counting)
    on.remove("n0")
    on.upsert(node_info(node("n9")))
    assert [where(cycles.decide(item, first)) for item in classes] == ["n9", "n9"]
    assert counting.asked == [4]


def test_rows_that_a_bug_left_out_are_asked_about_again() -> None:
    counting, on, classes = SignedMost(1), nodes(4), two_classes()
    cycles = Cycles(on, profile(counting))
    keep(cycles, classes, counting)
    on.add_pod(0, classes[0])
    counting.fails = True
    with pytest.raises(RuntimeError):
        cycles.decide(classes[1], first)
    assert where(cycles.decide(classes[0], first)) == "n1"


def test_pods_of_another_size_share_nothing() -> None:
    on = nodes(2)
    cycles = Cycles(on, Framework(default_profile()))
    compiler = PodCompiler()
    small, large = (compiler.compile(pod(requests={"cpu": cpu})).pod_class for cpu in ("100m", "3"))
    for item in (small, large):
        cycles.decide(item, first)
    on.add_pod(0, large)
    assert where(cycles.decide(large, first)) == "n1"
    assert isinstance(cycles.decide(small, first), Scheduled)


def test_rows_go_where_memory_is_short_and_are_made_again() -> None:
    counting, on = MostPods(1000), nodes(100)
    classes = [pod_class(pod(requests={"cpu": f"{100 + number}m"})) for number in range(8)]
    store = RowStore(on, profile(counting), budget=5_000)
    for item in (*classes, classes[-1]):
        assert store.rows_for(item).total.tolist() == [0] * 100
    assert counting.asked == [100] * 8
    assert len(store) < 8
    store.rows_for(classes[0])
    assert counting.asked == [100] * 9
