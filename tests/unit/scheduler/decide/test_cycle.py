"""The cycle with plugins made for the purpose.

What is computed again, scaled again, and said when nothing fits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from scheduler.cache.cache import Cache
from scheduler.columns.node_table import NodeTable
from scheduler.columns.pod_info import PodClass
from scheduler.columns.snapshot import Rows, Snapshot
from scheduler.decide.cycle import ClassCycle, Cycles, schedule_pod
from scheduler.framework.events import ClusterEvent, Hint
from scheduler.framework.interface import (
    RUN,
    UNRESOLVABLE,
    Codes,
    CycleState,
    Groups,
    PostFilterResult,
    PreFilterResult,
    Reach,
    Refusals,
    Scores,
    scale_to_max,
)
from scheduler.framework.registry import default_profile
from scheduler.framework.runtime import Framework, Profile, Weighted
from scheduler.framework.status import Scheduled, Unschedulable
from tests.unit.scheduler.objects import info, node, node_info, pod, pod_class, table
from vaina.api.core.v1 import pod_pb2


@dataclass
class MostPods:
    """Refuses rows that hold so many Pods; counts how many rows it was asked about."""

    most: int
    reach: Reach = Reach.ROW
    name: str = "MostPods"
    hints: Mapping[ClusterEvent, Hint] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)
    result: PreFilterResult = RUN
    prepared: int = 0

    def pre_filter(self, state: CycleState, pod: PodClass, nodes: Snapshot) -> PreFilterResult:
        self.prepared += 1
        return self.result

    def reasons(self, pod: PodClass) -> Sequence[str]:
        return ("full", "very full")

    def filter(self, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Codes | None:
        counts = nodes.pod_count[rows]
        self.asked.append(len(counts))
        return (counts >= self.most).astype(np.int64) | np.where(counts > self.most, np.int64(2), np.int64(0))

    def filter_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        self.asked.append(1)
        count = nodes.pod_count[row]
        return int(count >= self.most) | (2 if count > self.most else 0)


@dataclass
class FromRow(MostPods):
    """Refuses the rows below one, whatever is there."""

    name: str = "FromRow"
    reach: Reach = Reach.NONE

    def filter(self, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Codes | None:
        self.asked.append(len(nodes.valid[rows]))
        return (np.arange(nodes.size)[rows] < self.most).astype(np.int64)

    def filter_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        self.asked.append(1)
        return int(row < self.most)


@dataclass
class OnePerDomain(MostPods):
    """Refuses both rows of a domain that holds a Pod: rows 0 and 1 are a domain, 2 and 3 the next."""

    name: str = "OnePerDomain"

    def filter(self, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Codes | None:
        self.asked.append(len(nodes.valid[rows]))
        counts = nodes.pod_count.reshape(-1, 2).sum(axis=1)
        return (np.repeat(counts, 2)[rows] > 0).astype(np.int64)

    def filter_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        self.asked.append(1)
        return int(nodes.pod_count[row // 2 * 2 : row // 2 * 2 + 2].any())


@dataclass
class GroupedPerDomain(OnePerDomain):
    """The same, and says that rows differ in their domain alone."""

    name: str = "GroupedPerDomain"

    def filter_groups(self, state: CycleState) -> Groups | None:
        return Groups(("domain",))


@dataclass
class Raw:
    """Gives each row the raw score that it is told to, scaled to the highest."""

    raw: list[int]
    scales: bool = True
    reach: Reach = Reach.NONE
    name: str = "Raw"

    def pre_score(self, state: CycleState, pod: PodClass, nodes: Snapshot) -> bool:
        return True

    def score(self, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Scores:
        return np.array(self.raw, np.int64)[rows]

    def score_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        return self.raw[row]

    def scale(self, raw: Scores, low: int, high: int) -> Scores:
        return scale_to_max(raw, high)


@dataclass
class Remember:
    """A post-filter that notes what it was asked."""

    name: str = "Remember"
    result: PostFilterResult = field(default_factory=lambda: PostFilterResult("preemption: no."))
    seen: list[Refusals] = field(default_factory=list)

    def post_filter(
        self, state: CycleState, pod: PodClass, nodes: Snapshot, refusals: Refusals
    ) -> PostFilterResult:
        self.seen.append(refusals)
        return self.result


WEB = pod_class(pod(requests={"cpu": "100m"}))


def nodes(count: int) -> NodeTable:
    return table(*(node(f"n{number}") for number in range(count)))


def first(count: int) -> int:
    assert count > 1
    return 0


def place(cycle: ClassCycle, on: NodeTable, count: int = 1) -> list[str]:
    names = []
    for _ in range(count):
        decision = cycle.decide(first)
        assert isinstance(decision, Scheduled)
        on.add_pod(decision.row, WEB)
        names.append(decision.node_name)
    return names


def test_scores_are_scaled_again_when_the_best_row_is_full() -> None:
    # Of the rows that are left, 50 counts as 100 of a hundred and 10 as 20: n1 wins by 100 to 65. Scaled by
    # the row that is full it would lose by 50 to 55.
    steady = Raw([0, 0, 45], scales=False)
    scaled = Raw([100, 50, 10])
    profile = Profile("test", filters=(MostPods(1),), scores=(Weighted(scaled, 1), Weighted(steady, 1)))
    on = nodes(3)
    cycle = ClassCycle(WEB, on, Framework(profile))
    assert place(cycle, on, 2) == ["n0", "n1"]


def test_a_placement_asks_row_plugins_for_its_row_alone() -> None:
    counting = MostPods(3)
    on = nodes(4)
    cycle = ClassCycle(WEB, on, Framework(Profile("test", filters=(counting,))))
    assert place(cycle, on, 4) == ["n0", "n0", "n0", "n1"]
    assert counting.asked == [4, 1, 1, 1]


@pytest.mark.parametrize("touched", [1, 50], ids=["one row", "as columns"])
def test_a_row_stays_refused_by_a_filter_behind_those_that_look_at_pods(touched: int) -> None:
    # As a plugin of somebody's own stands that looks at the node alone: behind the default ones.
    on = nodes(100)
    cycle = ClassCycle(WEB, on, Framework(Profile("test", filters=(MostPods(5), FromRow(60)))))
    assert place(cycle, on) == ["n60"]
    for row in range(touched):
        on.add_pod(row, WEB)
    assert place(cycle, on) == ["n60"]


def test_filters_before_those_that_look_at_pods_are_asked_once() -> None:
    still = FromRow(60)
    on = nodes(100)
    cycle = ClassCycle(WEB, on, Framework(Profile("test", filters=(still, MostPods(1)))))
    place(cycle, on)
    for row in range(50, 90):
        on.add_pod(row, WEB)
    assert place(cycle, on) == ["n90"]
    assert still.asked == [100]


def test_a_domain_plugin_is_asked_about_all_rows_again() -> None:
    spread = OnePerDomain(1, Reach.DOMAIN)
    on = nodes(4)
    cycle = ClassCycle(WEB, on, Framework(Profile("test", filters=(spread,))))
    assert place(cycle, on, 2) == ["n0", "n2"]
    assert spread.asked == [4, 4]
    verdict = cycle.decide(first)
    assert isinstance(verdict, Unschedulable)
    assert verdict.rejections == {"full": 4}


def test_a_domain_plugin_that_groups_rows_is_asked_about_one_of_each_group() -> None:
    spread = GroupedPerDomain(1, Reach.DOMAIN)
    on = table(*(node(f"n{number}", labels={"domain": f"d{number // 2}"}) for number in range(6)))
    cycle = ClassCycle(WEB, on, Framework(Profile("test", filters=(spread,))))
    assert place(cycle, on, 3) == ["n0", "n2", "n4"]
    assert spread.asked == [1] * 9
    assert isinstance(cycle.decide(first), Unschedulable)


def test_a_global_plugin_is_asked_for_everything_again() -> None:
    counting = MostPods(2, Reach.GLOBAL)
    on = nodes(3)
    cycle = ClassCycle(WEB, on, Framework(Profile("test", filters=(counting,))))
    assert place(cycle, on, 3) == ["n0", "n0", "n1"]
    assert counting.asked == [3, 3, 3]


def test_many_touched_rows_are_computed_as_columns() -> None:
    counting = MostPods(1)
    on = nodes(100)
    cycle = ClassCycle(WEB, on, Framework(Profile("test", filters=(counting,))))
    for row in range(50):
        on.add_pod(row, WEB)
    assert place(cycle, on) == ["n50"]
    assert counting.asked == [100, 50]


def test_nothing_is_computed_when_nothing_changed_and_the_reason_is_kept() -> None:
    counting = MostPods(0)
    remember = Remember()
    profile = Profile("test", filters=(counting,), post_filters=(remember,))
    cycle = ClassCycle(WEB, nodes(3), Framework(profile))
    verdict = cycle.decide(first)
    assert cycle.decide(first) is verdict
    # Once to decide, once to say why.
    assert counting.asked == [3, 3]
    assert len(remember.seen) == 1


def test_a_refusal_names_each_reason_with_its_nodes_and_what_eviction_could_do() -> None:
    on = nodes(3)
    on.add_pod(0, WEB)
    on.add_pod(0, WEB)
    on.add_pod(1, WEB)
    on.add_pod(2, WEB)
    remember = Remember()
    profile = Profile("test", filters=(MostPods(1),), post_filters=(remember,))
    assert schedule_pod(WEB, on, Framework(profile), tie_break=first) == Unschedulable(
        nodes=3,
        rejections={"full": 3, "very full": 1},
        rejected_by=frozenset({"MostPods"}),
        message="0/3 nodes are available: 1 very full, 3 full. preemption: no.",
    )
    assert remember.seen[0].resolvable.tolist() == [True, True, True]


def test_a_nomination_is_passed_on() -> None:
    profile = Profile(
        "test", filters=(MostPods(0),), post_filters=(Remember(result=PostFilterResult(nominated="n1")),)
    )
    verdict = schedule_pod(WEB, nodes(2), Framework(profile), tie_break=first)
    assert isinstance(verdict, Unschedulable)
    assert verdict.nominated == "n1"


def test_a_pre_filter_that_rejects_the_pod_stands_alone() -> None:
    remember = Remember()
    refusing = MostPods(5, result=PreFilterResult(rejected="it is Tuesday"))
    profile = Profile("test", filters=(refusing, MostPods(0)), post_filters=(remember,))
    verdict = schedule_pod(WEB, nodes(2), Framework(profile), tie_break=first)
    assert isinstance(verdict, Unschedulable)
    assert verdict.message == "0/2 nodes are available: it is Tuesday. preemption: no."
    assert verdict.rejected_by == {"MostPods"}
    assert not remember.seen[0].resolvable.any()


def test_nodes_that_a_pre_filter_leaves_out_say_by_whom() -> None:
    naming = MostPods(0, result=PreFilterResult(names=frozenset({"n1", "unknown"})))
    verdict = schedule_pod(WEB, nodes(3), Framework(Profile("test", filters=(naming,))), tie_break=first)
    assert isinstance(verdict, Unschedulable)
    assert verdict.rejections == {"node(s) didn't satisfy plugin(s) [MostPods]": 2, "full": 1}


def test_without_nodes_nobody_is_blamed() -> None:
    verdict = schedule_pod(WEB, NodeTable(), Framework(default_profile()), tie_break=first)
    assert verdict == Unschedulable(0, {}, frozenset(), "no nodes available to schedule pods")


def test_a_cycle_sees_nodes_that_come_change_and_go() -> None:
    on = nodes(1)
    large = pod_class(pod(requests={"cpu": "8"}))
    cycles = Cycles(on, Framework(default_profile()))
    assert isinstance(cycles.decide(large, first), Unschedulable)
    on.upsert(node_info(node("big", cpu="16")))
    assert cycles.decide(large, first) == Scheduled(1, "big", 2, 1)
    on.upsert(node_info(node("big", cpu="16", unschedulable=True)))
    assert isinstance(cycles.decide(large, first), Unschedulable)
    on.remove("big")
    on.upsert(node_info(node("other", cpu="16")))
    assert cycles.decide(large, first) == Scheduled(1, "other", 2, 1)


def test_a_reader_that_fell_behind_starts_afresh() -> None:
    on = nodes(2)
    on.journal._limit = 8
    counting = MostPods(1000)
    cycle = ClassCycle(WEB, on, Framework(Profile("test", filters=(counting,))))
    for _ in range(30):
        on.add_pod(1, WEB)
    assert isinstance(cycle.decide(first), Scheduled)
    assert counting.asked == [2, 2]


@pytest.mark.parametrize(("choice", "want"), [(0, "n0"), (1, "n1"), (2, "n2")])
def test_ties_are_broken_by_what_is_handed_in(choice: int, want: str) -> None:
    decision = schedule_pod(
        WEB, nodes(3), Framework(default_profile()), tie_break=lambda count: choice % count
    )
    assert isinstance(decision, Scheduled)
    assert decision.node_name == want


def test_only_so_many_classes_are_kept() -> None:
    counting = MostPods(1000, Reach.GLOBAL)
    cycles = Cycles(nodes(2), Framework(Profile("test", filters=(counting,))), limit=2)
    classes = [pod_class(pod(requests={"cpu": f"{100 + number}m"})) for number in range(3)]
    prepared: list[int] = []
    for item in (*classes, *classes[1:], classes[0]):
        cycles.decide(item, first)
        prepared.append(counting.prepared)
    assert prepared == [1, 2, 3, 3, 3, 4]
    assert cycles.kept == 2


@pytest.mark.parametrize(("count", "limit"), [(1, 8_388), (5_000, 6_391), (50_000, 2_033)])
def test_memory_bounds_how_many_classes_are_kept(count: int, limit: int) -> None:
    on = NodeTable(capacity=count)
    bare = node_info(node("n0"))
    for number in range(count):
        on.upsert(replace(bare, name=f"n{number}"))
    assert Cycles(on, Framework(Profile("test"))).limit == limit


def test_where_nodes_come_fewer_classes_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scheduler.decide.cycle.BUDGET_BYTES", 5 * 16_000)
    monkeypatch.setattr("scheduler.decide.cycle.BYTES_A_NODE", 100)
    on = nodes(1)
    cycles = Cycles(on, Framework(Profile("test", filters=(MostPods(1000),))))
    classes = [pod_class(pod(requests={"cpu": f"{100 + number}m"})) for number in range(4)]
    for item in classes:
        cycles.decide(item, first)
    assert cycles.kept == 4
    for number in range(200):
        on.upsert(node_info(node(f"more{number}")))
    cycles.decide(classes[3], first)
    assert cycles.kept == cycles.limit == 2


def test_codes_keep_their_mark_apart_from_the_reasons() -> None:
    huge = pod_class(pod(requests={"cpu": "64", "memory": "1Gi"}))
    verdict = schedule_pod(huge, nodes(2), Framework(default_profile()), tie_break=first)
    assert isinstance(verdict, Unschedulable)
    assert verdict.rejections == {"Insufficient cpu": 2}
    assert UNRESOLVABLE > 1 << 61


def test_room_that_is_kept_follows_what_happens_in_other_domains() -> None:
    """A Pod is to come to zone a. Spread beside it nobody may go there, until the other zones have as many."""
    cache = Cache()
    for name in "abc":
        cache.upsert_node(node_info(node(name, labels={"zone": name})))

    def one_of_app(name: str, priority: int = 0) -> pod_pb2.Pod:
        made = pod(name, uid=name, priority=priority)
        made.metadata.labels["app"] = "web"
        return made

    spread = one_of_app("spread")
    rule = spread.spec.topology_spread_constraints.add(
        max_skew=1, topology_key="zone", when_unsatisfiable="DoNotSchedule"
    )
    rule.label_selector.match_labels["app"] = "web"
    cache.nominations.put(info(one_of_app("to come", priority=5)), "a")
    cycle = ClassCycle(pod_class(spread), cache.table, Framework(default_profile()))

    def fits(name: str) -> bool:
        # The node in view is taken whenever it will do.
        found = cycle.decide(lambda _ties: 0, name)
        return isinstance(found, Scheduled) and found.node_name == name

    assert [fits(name) for name in "abc"] == [False, True, True]
    cache.assume(info(one_of_app("first")), "b")
    assert [fits(name) for name in "abc"] == [False, False, True]
    cache.assume(info(one_of_app("second")), "c")
    assert [fits(name) for name in "abc"] == [True, False, False]


@dataclass
class FailsOnce(MostPods):
    """Raises when it is asked about one row for the first time."""

    failed: bool = False

    def filter_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        if not self.failed:
            self.failed = True
            raise KeyError("a bug of a plugin")
        return super().filter_row(state, pod, nodes, row)


def test_a_class_whose_plugin_failed_starts_afresh() -> None:
    on, asked = nodes(3), pod_class(pod("p"))
    cycles = Cycles(on, Framework(Profile("test", filters=(FailsOnce(1),))))
    rows: list[int] = []

    def place() -> None:
        found = cycles.decide(asked, lambda _ties: 0)
        assert isinstance(found, Scheduled)
        on.add_pod(found.row, asked)
        rows.append(found.row)

    place()
    with pytest.raises(KeyError):
        place()
    place()
    place()
    assert rows == [0, 1, 2], "a node with a Pod is full"
