"""The words that users read when a Pod fits nowhere."""

import numpy as np
import pytest

from scheduler.framework.interface import CycleState, Refusals
from scheduler.framework.status import fit_message
from scheduler.plugins.default_preemption import DefaultPreemption
from scheduler.plugins.queueing import SchedulingGates
from tests.unit.scheduler.objects import node, pod, pod_class, table


def test_reasons_are_counted_and_sorted_as_texts() -> None:
    rejections = {"node(s) had untolerated taint(s)": 3, "Insufficient cpu": 12}
    assert fit_message(15, rejections) == (
        "0/15 nodes are available: 12 Insufficient cpu, 3 node(s) had untolerated taint(s)."
    )


def test_what_preemption_found_comes_last() -> None:
    words = fit_message(1, {"Too many pods": 1}, post_filter="preemption: not eligible.")
    assert words == "0/1 nodes are available: 1 Too many pods. preemption: not eligible."


def test_a_reason_of_the_pod_alone_stands_instead() -> None:
    assert fit_message(2, {"x": 2}, pre_filter="it is Tuesday") == "0/2 nodes are available: it is Tuesday."


@pytest.mark.parametrize(
    ("resolvable", "want"),
    [
        ([True, True], "2 No preemption victims found for incoming pod."),
        ([False, False], "2 Preemption is not helpful for scheduling."),
        (
            [True, False],
            "1 No preemption victims found for incoming pod, 1 Preemption is not helpful for scheduling.",
        ),
    ],
)
def test_preemption_says_what_it_could_do(resolvable: list[bool], want: str) -> None:
    on = table(node("a"), node("b"))
    refusals = Refusals(np.array(resolvable), 2)
    found = DefaultPreemption().post_filter(CycleState(), pod_class(pod()), on.snapshot(), refusals)
    assert found.message == f"preemption: 0/2 nodes are available: {want}"


def test_preemption_is_silent_where_a_pod_of_lower_priority_is_in_the_way() -> None:
    on = table(node("a"), node("b"))
    on.add_pod(0, pod_class(pod("low")))
    high = pod_class(pod(priority=10))
    plugin = DefaultPreemption()
    assert (
        plugin.post_filter(CycleState(), high, on.snapshot(), Refusals(np.array([True, True]), 2)).message
        == ""
    )
    aside = plugin.post_filter(CycleState(), high, on.snapshot(), Refusals(np.array([False, True]), 2))
    assert "1 No preemption victims found" in aside.message


def test_a_pod_that_never_preempts_says_so() -> None:
    made = pod(priority=10)
    made.spec.preemption_policy = "Never"
    found = DefaultPreemption().post_filter(
        CycleState(), pod_class(made), table(node()).snapshot(), Refusals(np.array([True]), 1)
    )
    assert found.message == "preemption: not eligible due to preemptionPolicy=Never."


def test_gates_are_named() -> None:
    plugin = SchedulingGates()
    assert plugin.pre_enqueue(pod_class(pod(gates=["a", "b"]))) == "waiting for scheduling gates: [a b]"
    assert plugin.pre_enqueue(pod_class(pod())) == ""
