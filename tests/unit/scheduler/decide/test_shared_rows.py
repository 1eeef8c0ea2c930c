"""Classes of one size share what is said of a node's room.

Who is asked, about which rows, and when it is asked anew.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass

import pytest

from scheduler.columns.pod_info import PodClass, PodCompiler
from scheduler.decide.cycles import Cycles
from scheduler.decide.shared_rows import share_rows
from scheduler.framework.registry import default_profile
from scheduler.framework.runtime import Framework, Profile
from scheduler.framework.status import Decision, Scheduled
from tests.unit.scheduler.decide.test_cycle import MostPods, first, nodes
from tests.unit.scheduler.objects import node, node_info, pod


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
    """A class is kept from its second Pod on; what is asked is counted from then on."""
    for item in (*classes, *classes):
        cycles.decide(item, first)
    counting.asked.clear()


def profile(plugin: MostPods) -> Framework:
    return Framework(Profile("test", filters=(plugin,)))


def where(decision: Decision) -> str:
    assert isinstance(decision, Scheduled)
    return decision.node_name


@pytest.mark.parametrize(
    ("make", "share", "asked"),
    [(SignedMost, True, [1]), (SignedMost, False, [1, 1]), (MostPods, True, [1, 1])],
    ids=["it signs", "it signs, but nothing is shared", "it does not sign"],
)
def test_a_plugin_is_asked_once_about_a_row_for_all_classes_of_one_signature(
    make: Callable[[int], MostPods], share: bool, asked: list[int]
) -> None:
    counting, on, classes = make(1), nodes(4), two_classes()
    cycles = Cycles(on, profile(counting), rows=share_rows if share else None)
    keep(cycles, classes, counting)
    on.add_pod(0, classes[0])
    assert [where(cycles.decide(item, first)) for item in classes] == ["n1", "n1"]
    assert counting.asked == asked


def test_many_rows_are_read_as_columns() -> None:
    counting, on, classes = SignedMost(1), nodes(100), two_classes()
    cycles = Cycles(on, profile(counting), rows=share_rows)
    keep(cycles, classes, counting)
    for row in range(60):
        on.add_pod(row, classes[row % 2])
    assert [where(cycles.decide(item, first)) for item in classes] == ["n60", "n60"]
    on.remove_pod(3, classes[1])
    assert [where(cycles.decide(item, first)) for item in classes] == ["n3", "n3"]
    assert counting.asked == [60, 1]


def test_a_node_that_changes_is_seen_by_all() -> None:
    counting, on, classes = SignedMost(1), nodes(4), two_classes()
    cycles = Cycles(on, profile(counting), rows=share_rows)
    on.add_pod(0, classes[0])
    keep(cycles, classes, counting)
    on.remove("n0")
    on.upsert(node_info(node("n9")))
    assert [where(cycles.decide(item, first)) for item in classes] == ["n9", "n9"]
    assert counting.asked == [4]


def test_rows_that_a_bug_left_out_are_asked_about_again() -> None:
    counting, on, classes = SignedMost(1), nodes(4), two_classes()
    cycles = Cycles(on, profile(counting), rows=share_rows)
    keep(cycles, classes, counting)
    on.add_pod(0, classes[0])
    counting.fails = True
    with pytest.raises(RuntimeError):
        cycles.decide(classes[1], first)
    assert where(cycles.decide(classes[0], first)) == "n1"


def test_pods_of_another_size_share_nothing() -> None:
    on = nodes(2)
    cycles = Cycles(on, Framework(default_profile()), rows=share_rows)
    compiler = PodCompiler()
    small, large = (compiler.compile(pod(requests={"cpu": cpu})).pod_class for cpu in ("100m", "3"))
    for item in (small, large, small, large):
        cycles.decide(item, first)
    on.add_pod(0, large)
    assert where(cycles.decide(large, first)) == "n1"
    assert isinstance(cycles.decide(small, first), Scheduled)
