"""PrioritySort and SchedulingGates, case by case, by what the queue does (upstream's priority_sort_test.go
and scheduling_gates_test.go).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from scheduler.columns.pod_info import PodInfo
from scheduler.framework.registry import default_profile
from scheduler.framework.runtime import Framework
from scheduler.plugins.queueing import SchedulingGates
from scheduler.queue.scheduling_queue import SchedulingQueue
from tests.unit.scheduler.objects import info, pod, pod_class
from tests.unit.scheduler.volumes.storage import user

SYSTEM, NODE_CRITICAL, HIGHEST, LOWEST = 2_000_000_000, 2_000_001_000, 1_000_000_000, -(2**31)


def make_queue() -> SchedulingQueue:
    return SchedulingQueue(hints={}, gate=Framework(default_profile()).gate)


def popped(queue: SchedulingQueue, *, now: float = 100.0) -> str:
    """Return the names of the Pods in the order in which they are tried, in one text."""
    found = []
    while (one := queue.pop(now=now)) is not None:
        found.append(one.info.name)
    return "".join(found)


@dataclass(frozen=True)
class Order:
    name: str
    #: (name, priority, when it came in seconds), in the order of their coming
    pods: Sequence[tuple[str, int, float]]
    want: str


ORDERS = [
    Order("nobody", [], ""),
    Order("one", [("a", 0, 0.0)], "a"),
    Order("the first is more important", [("a", 10, 0.0), ("b", 5, 1.0)], "ab"),
    Order("the second is more important", [("a", 5, 0.0), ("b", 10, 1.0)], "ba"),
    Order("by one", [("a", 0, 0.0), ("b", 1, 1.0)], "ba"),
    Order("as important, in the order of their coming", [("a", 5, 0.0), ("b", 5, 1.0)], "ab"),
    Order("as important, at one moment", [("b", 5, 1.0), ("a", 5, 1.0)], "ba"),
    Order("a moment earlier", [("a", 5, 1.000001), ("b", 5, 1.0)], "ba"),
    Order("more important, at one moment", [("a", 5, 1.0), ("b", 6, 1.0)], "ba"),
    Order("no priority is zero", [("a", 0, 1.0), ("b", 0, 0.0)], "ba"),
    Order("less than nothing", [("a", -1, 0.0), ("b", 0, 1.0)], "ba"),
    Order("both less than nothing", [("a", -10, 0.0), ("b", -5, 1.0)], "ba"),
    Order("the lowest there is", [("a", LOWEST, 0.0), ("b", -1, 1.0)], "ba"),
    Order("the system's before users'", [("a", HIGHEST, 0.0), ("b", SYSTEM, 1.0)], "ba"),
    Order("the nodes' before the cluster's", [("a", SYSTEM, 0.0), ("b", NODE_CRITICAL, 1.0)], "ba"),
    Order("numbers, not texts", [("a", 9, 0.0), ("b", 10, 1.0)], "ba"),
    Order("who came long ago is not more important for that", [("a", 0, 0.0), ("b", 1, 1e9)], "ba"),
    Order("three of three priorities", [("a", 1, 0.0), ("b", 3, 1.0), ("c", 2, 2.0)], "bca"),
    Order("falling already", [("a", 3, 0.0), ("b", 2, 1.0), ("c", 1, 2.0)], "abc"),
    Order("rising", [("a", 1, 0.0), ("b", 2, 1.0), ("c", 3, 2.0)], "cba"),
    Order("two of two priorities each", [("a", 0, 0.0), ("b", 5, 1.0), ("c", 0, 2.0), ("d", 5, 3.0)], "bdac"),
    Order("one among equals", [("a", 0, 0.0), ("b", 0, 1.0), ("c", 7, 2.0), ("d", 0, 3.0)], "cabd"),
    Order("the last of equals", [("a", 1, 0.0), ("b", 0, 1.0), ("c", 1, 2.0)], "acb"),
    Order("equals keep their order, however many", [(name, 0, 0.0) for name in "hgfedcba"], "hgfedcba"),
]  # fmt: skip


@pytest.mark.parametrize("case", ORDERS, ids=lambda case: case.name)
def test_the_more_important_first_then_who_waits_longer(case: Order) -> None:
    queue = make_queue()
    for name, priority, came in case.pods:
        queue.add(item(name, priority=priority), now=came)
    assert popped(queue) == case.want


@dataclass(frozen=True)
class Story:
    """What happens to Pods a, b and c of priorities 0, 5 and 5, that came at 0, 1 and 2 s."""

    name: str
    #: (what, of whom, when)
    steps: Sequence[tuple[str, str, float]]
    want: str


STORIES = [
    Story("nothing", [], "bca"),
    Story("one goes", [("delete", "b", 3.0)], "ca"),
    Story("one that was tried goes behind its equals", [("retry", "b", 3.0), ("advance", "", 9.0)], "cba"),
    Story("one that was tried stays before the less important", [("retry", "b", 3.0), ("delete", "c", 4.0), ("advance", "", 9.0)], "ba"),
    Story("one that was tried waits meanwhile", [("retry", "b", 3.0)], "ca"),
    Story("two that were tried, in the order of their back-offs", [("retry", "b", 3.0), ("retry", "c", 4.0), ("advance", "", 9.0)], "bca"),
    Story("one becomes more important", [("raise", "a", 3.0)], "abc"),
    Story("one becomes less important", [("lower", "b", 3.0)], "cab"),
    Story("one changes otherwise and keeps its place", [("touch", "b", 3.0)], "bca"),
    Story("one goes and comes again", [("delete", "b", 3.0), ("add", "b", 4.0)], "cba"),
]  # fmt: skip
PRIORITIES = {"a": 0, "b": 5, "c": 5}


@pytest.mark.parametrize("case", STORIES, ids=lambda case: case.name)
def test_the_order_after_what_happens_to_pods(case: Story) -> None:
    queue = make_queue()
    for came, (name, priority) in enumerate(PRIORITIES.items()):
        queue.add(item(name, priority=priority), now=float(came))
    for what, name, now in case.steps:
        if what == "delete":
            queue.delete(name)
        elif what == "retry":
            tried = queue.pop(now=now)
            assert tried is not None
            assert tried.info.name == name
            queue.requeue(tried, now=now)
        elif what == "advance":
            queue.advance(now)
        else:
            priority = PRIORITIES[name] + {"raise": 9, "lower": -6}.get(what, 0)
            changed = item(name, priority=priority)
            changed.pod.metadata.annotations["seen"] = what
            queue.add(changed, now=now)
    assert popped(queue) == case.want


@dataclass(frozen=True)
class Gated:
    name: str
    gates: Sequence[str]
    words: str


WAITS = "waiting for scheduling gates: "
GATED = [
    Gated("none", [], ""),
    Gated("one", ["foo"], f"{WAITS}[foo]"),
    Gated("two", ["foo", "bar"], f"{WAITS}[foo bar]"),
    Gated("two, in their order", ["bar", "foo"], f"{WAITS}[bar foo]"),
    Gated("with a domain", ["example.com/quota"], f"{WAITS}[example.com/quota]"),
    Gated("three of different owners", ["a.io/x", "b.io/x", "x"], f"{WAITS}[a.io/x b.io/x x]"),
    Gated("names that differ in a letter's size", ["Foo", "foo"], f"{WAITS}[Foo foo]"),
]  # fmt: skip


@pytest.mark.parametrize("case", GATED, ids=lambda case: case.name)
def test_which_gates_are_left(case: Gated) -> None:
    asked = pod_class(pod(gates=case.gates))
    assert SchedulingGates().pre_enqueue(asked) == case.words
    assert Framework(default_profile()).gate(asked) == ("SchedulingGates" if case.gates else "")


@pytest.mark.parametrize(
    ("what", "made"),
    [
        ("its priority", pod(gates=["foo"], priority=SYSTEM)),
        ("what it requests", pod(requests={"cpu": "1m"}, gates=["foo"])),
        ("its node in a selector", pod(selector={"kubernetes.io/hostname": "a"}, gates=["foo"])),
        ("that it tolerates everything", pod(tolerations=[("", "Exists", "", "")], gates=["foo"])),
        ("its ports", pod(ports=[(80, "")], gates=["foo"])),
        ("its claims", user("data", gates=["foo"])),
    ],
)  # fmt: skip
def test_a_gate_holds_whatever_else_is_true_of_a_pod(what: str, made: object) -> None:
    assert isinstance(made, type(pod()))
    queue = make_queue()
    queue.add(info(made), now=0.0)
    assert queue.sizes() == {"active": 0, "backoff": 0, "unschedulable": 0, "gated": 1}, what
    queue.advance(1e6)
    assert popped(queue, now=1e6) == ""


@dataclass(frozen=True)
class Opened:
    name: str
    #: the gates of each state of the Pod, one after the other; None: it is deleted
    states: Sequence[Sequence[str] | None]
    #: where it is at the end; empty: nowhere
    want: str
    #: what is done before the last state: it is tried and fails
    tried: bool = False


OPENED = [
    Opened("never gated", [[]], "active"),
    Opened("gated", [["a"]], "gated"),
    Opened("gated and not changed", [["a"], ["a"]], "gated"),
    Opened("its only gate goes", [["a"], []], "active"),
    Opened("one of two goes", [["a", "b"], ["b"]], "gated"),
    Opened("the other of two goes", [["a", "b"], ["a"]], "gated"),
    Opened("both go one after the other", [["a", "b"], ["b"], []], "active"),
    Opened("both go at once", [["a", "b"], []], "active"),
    Opened("one of three is left", [["a", "b", "c"], ["c"]], "gated"),
    Opened("one of three after the other goes", [["a", "b", "c"], ["a", "c"], ["c"], []], "active"),
    Opened("another takes its place", [["a"], ["b"]], "gated"),
    Opened("a gate comes too late for the apiserver and holds all the same", [[], ["a"]], "gated"),
    Opened("a gated Pod is deleted", [["a"], None], ""),
    Opened("an opened Pod is deleted", [["a"], [], None], ""),
    Opened("deleted and made again with its gate", [["a"], None, ["a"]], "gated"),
    Opened("deleted and made again without", [["a"], None, []], "active"),
    Opened("an opened Pod that was tried waits for its back-off", [["a"], [], []], "backoff", tried=True),
    Opened("one that was tried goes", [["a"], [], None], "", tried=True),
]  # fmt: skip


@pytest.mark.parametrize("case", OPENED, ids=lambda case: case.name)
def test_a_pod_waits_for_its_last_gate(case: Opened) -> None:
    queue = make_queue()
    for number, gates in enumerate(case.states):
        now = float(number)
        if case.tried and number == len(case.states) - 1:
            tried = queue.pop(now=now)
            assert tried is not None
            queue.requeue(tried, now=now)
        if gates is None:
            queue.delete("web")
        else:
            queue.add(item("web", gates=gates), now=now)
    sizes = queue.sizes()
    assert {place for place, count in sizes.items() if count} == ({case.want} if case.want else set())
    assert sum(sizes.values()) == len(queue) == bool(case.want)


def item(name: str, **kwargs: object) -> PodInfo:
    return info(pod(name, uid=name, **kwargs))  # type: ignore[arg-type]  # handed on
