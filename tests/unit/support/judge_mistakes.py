"""Mistakes of a scheduler, each made on purpose in the history of a small cluster, with words that the judge
must find.

Those in `STORIES` are made in random clusters (a seed that shows it is looked for); those in `TOLD` are told
event by event.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.judge.happened import Happened
from bench.judge.reference import Verdict, World
from bench.judge.scores import WEIGHTS
from tests.unit.scheduler.objects import node, pod
from tests.unit.support.played import Mistake, Played
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.api.policy.v1 import pod_disruption_budget_pb2

BETTER = "with a score of"
REFUSED = "was bound to"
HOSTNAME = "kubernetes.io/hostname"


@dataclass(frozen=True)
class Case:
    """A mistake and the words that tell it."""

    name: str
    words: str
    mistake: Mistake


def _all_lower(world: World, verdict: Verdict, made: pod_pb2.Pod) -> tuple[str, Sequence[str]]:
    chosen = min(verdict.candidates)
    return chosen, [one.uid for one in world.on(chosen) if one.priority < made.spec.priority]


def _everybody(world: World, verdict: Verdict, _made: pod_pb2.Pod) -> tuple[str, Sequence[str]]:
    chosen = min(verdict.candidates)
    return chosen, [one.uid for one in world.on(chosen)]


def _one_too_few(_: World, verdict: Verdict, __: pod_pb2.Pod) -> tuple[str, Sequence[str]]:
    chosen = max(verdict.candidates.values(), key=lambda one: len(one.victims))
    return chosen.node, chosen.victims[1:]


def _most_important(world: World, verdict: Verdict, made: pod_pb2.Pod) -> tuple[str, Sequence[str]]:
    """As many as are needed, and those that matter most of the lower ones."""
    chosen = min(verdict.candidates.values(), key=lambda one: one.node)
    lower = sorted(
        (one for one in world.on(chosen.node) if one.priority < made.spec.priority), key=lambda one: -one.priority
    )  # fmt: skip
    return chosen.node, [one.uid for one in lower[: len(chosen.victims)]]


def _worst(_dice: random.Random, verdict: Verdict) -> str:
    return (
        min(verdict.scores, key=lambda name: (verdict.scores[name], name))
        if verdict.scores
        else min(verdict.best)
    )


def _second(_dice: random.Random, verdict: Verdict) -> str:
    left = sorted(verdict.scores.items(), key=lambda item: (-item[1], item[0]))
    return left[1][0] if len(left) > 1 else min(verdict.best)


#: a history says too little of volumes to judge by them: tests/property/test_scheduler_judge_mistakes.py does
JUDGED = {name: weight for name, weight in WEIGHTS.items() if name != "VolumeBinding"}
STORIES: list[Case] = [
    *(Case(f"the score of {name} is left out", BETTER, Mistake(weights={name: 0})) for name in JUDGED),
    *(Case(f"the score of {name} is turned round", BETTER, Mistake(weights={name: -weight})) for name, weight in JUDGED.items()),
    *(Case(f"the score of {name} counts ten times", BETTER, Mistake(weights={name: 10 * weight})) for name, weight in JUDGED.items()),
    Case("the worst node is taken", BETTER, Mistake(place=_worst)),
    Case("the second best node is taken", BETTER, Mistake(place=_second)),
    Case("any node that will do is taken", BETTER, Mistake(place=lambda dice, one: dice.choice(sorted(one.scores or one.best)))),
    *(
        Case(f"{name} is not asked", f"but {name}:", Mistake(without=[name]))
        for name in (
            "NodeUnschedulable", "TaintToleration", "NodeAffinity", "NodePorts", "NodeResourcesFit", "PodTopologySpread",
            "InterPodAffinity",
        )
    ),
    Case("all less important Pods of the node have to go", "would have been enough", Mistake(preempt=_all_lower)),
    Case("all Pods of the node have to go", "is no less important", Mistake(preempt=_everybody)),
    Case("one Pod too few has to go", "does not fit all the same", Mistake(preempt=_one_too_few)),
    Case("the most important of the less important go", "would have been enough", Mistake(preempt=_most_important)),
    Case("Pods have to go though there is room", "and fitted on", Mistake(eager=True)),
    Case("room is kept for nobody", REFUSED, Mistake(forgets_views=True)),
]  # fmt: skip


class Told(Played):
    """Told event by event."""

    def pod(self, made: pod_pb2.Pod, on: str = "", *, at: int = 0) -> pod_pb2.Pod:
        """A Pod comes, and is bound."""
        made.metadata.uid = made.metadata.name
        made.status.start_time.seconds = at or len(self.happened)
        self.add("ADDED", made)
        if on:
            self.bind(made, on)
        return made

    def again(self, made: pod_pb2.Pod, on: str) -> None:
        made.spec.node_name = on
        self.add("MODIFIED", made)

    def preempt(self, made: pod_pb2.Pod, on: str, *victims: str) -> None:
        """A Pod that waits has a node in view, from which others go; then it gets it."""
        self._nominate(made, on, victims)
        self.make_room()


def small(name: str, priority: int = 0, cpu: str = "1") -> pod_pb2.Pod:
    return pod(name, {"cpu": cpu}, priority=priority)


def nodes(count: int = 2, cpu: str = "2") -> list[node_pb2.Node]:
    return [node(f"n{number}", cpu=cpu, labels={HOSTNAME: f"n{number}"}) for number in range(1, count + 1)]


def _cluster(count: int = 2, cpu: str = "2") -> Told:
    told = Told()
    for made in nodes(count, cpu):
        told.set_node(made)
    return told


_Tell = Callable[[], list[Happened]]
#: name -> (words, what tells the history)
TOLD: dict[str, tuple[str, _Tell]] = {}


def _told(words: str) -> Callable[[Callable[[Told], None]], Callable[[Told], None]]:
    def keep(tell: Callable[[Told], None]) -> Callable[[Told], None]:
        def happened() -> list[Happened]:
            told = _cluster()
            tell(told)
            return told.happened

        TOLD[tell.__name__.replace("_", " ")] = (words, happened)
        return tell

    return keep


@_told("waited and fitted on n1 while 1 Pods of a lower priority")
def a_less_important_pod_goes_before(told: Told) -> None:
    waits = told.pod(small("important", 10))
    told.pod(small("less"), "n2")
    told.bind(waits, "n1")


@_told("waited and fitted on n1 while 3 Pods of a lower priority")
def a_pod_is_overlooked_for_a_while(told: Told) -> None:
    waits = told.pod(small("important", 10))
    for number, on in enumerate(("n2", "n2", "n1")):
        told.pod(small(f"less-{number}"), on)
    told.bind(waits, "n1")


@_told("waited and fitted on n1 while 1 Pods of the same priority that came later")
def the_last_comes_first(told: Told) -> None:
    first, second = told.pod(small("first")), told.pod(small("second"))
    told.bind(second, "n2")
    told.bind(first, "n1")


@_told("of a lower priority")
def the_lowest_priority_goes_first(told: Told) -> None:
    waiting = [told.pod(small(f"p{number}", number)) for number in range(4)]
    for made, on in zip(waiting, ("n1", "n2", "n1", "n2"), strict=True):
        told.bind(made, on)


@_told("of a lower priority")
def negative_priorities_count_as_high_ones(told: Told) -> None:
    low, usual = told.pod(small("low", -5)), told.pod(small("usual", 0))
    told.bind(low, "n1")
    told.bind(usual, "n2")


@_told("of a lower priority")
def one_whose_gates_are_gone_is_forgotten_for_a_while(told: Told) -> None:
    gated = small("gated", 10)
    gated.spec.scheduling_gates.add(name="wait")
    told.pod(gated)
    del gated.spec.scheduling_gates[:]
    told.add("MODIFIED", gated)
    told.pod(small("less"), "n2")
    told.bind(gated, "n1")


@_told("was bound to n1, and then to n2")
def a_pod_is_bound_twice(told: Told) -> None:
    told.again(told.pod(small("p"), "n1"), "n2")


@_told("was bound to n1, and then to nothing")
def a_binding_is_taken_back(told: Told) -> None:
    told.again(told.pod(small("p"), "n1"), "")


@_told("there is no such node")
def a_pod_is_bound_to_nowhere(told: Told) -> None:
    made = told.pod(small("p"))
    told.again(made, "elsewhere")


@_told("there is no such node")
def a_pod_is_bound_to_a_node_that_went(told: Told) -> None:
    told.remove_node("n2")
    told.again(told.pod(small("p")), "n2")


@_told("is pending, and fits on")
def a_pod_is_forgotten(told: Told) -> None:
    told.pod(small("p"))


@_told("is pending, and fits on")
def nobody_hears_that_a_pod_went(told: Told) -> None:
    for number in range(4):
        told.pod(small(f"p{number}"), f"n{number % 2 + 1}")
    told.pod(small("waits"))
    told.remove_pod("p0")


@_told("is pending, and fits on")
def nobody_hears_that_a_gate_is_gone(told: Told) -> None:
    gated = small("gated")
    gated.spec.scheduling_gates.add(name="wait")
    told.pod(gated)
    del gated.spec.scheduling_gates[:]
    told.add("MODIFIED", gated)


@_told("is pending, and fits on n3")
def nobody_hears_that_a_node_came(told: Told) -> None:
    told.pod(small("large", cpu="3"))
    told.set_node(node("n3", cpu="4"))


def _full(told: Told) -> None:
    """Two Pods on n1 and one large one on n2."""
    told.pod(small("a", 1), "n1", at=1)
    told.pod(small("b", 1), "n1", at=2)
    told.pod(small("c", 2, "2"), "n2", at=3)


@_told("is no less important")
def an_equal_has_to_go(told: Told) -> None:
    _full(told)
    told.preempt(told.pod(small("new", 2, "2")), "n2", "c")


@_told("is no less important")
def a_more_important_one_has_to_go(told: Told) -> None:
    told.pod(small("a", 9), "n1")
    told.preempt(told.pod(small("new", 5, "2")), "n1", "a")


@_told("on n1 it would have hurt less")
def the_more_important_victim_is_taken(told: Told) -> None:
    _full(told)
    told.preempt(told.pod(small("new", 5, "2")), "n2", "c")


@_told("on n2 it would have hurt less")
def more_victims_than_needed_by_the_choice_of_the_node(told: Told) -> None:
    told.pod(small("a", 1), "n1")
    told.pod(small("b", 1), "n1")
    told.pod(small("c", 1, "2"), "n2")
    told.preempt(told.pod(small("new", 5, "2")), "n1", "a", "b")


@_told("on n2 it would have hurt less")
def the_older_victim_is_taken(told: Told) -> None:
    told.pod(small("a", 1, "2"), "n1", at=10)
    told.pod(small("b", 1, "2"), "n2", at=20)
    told.preempt(told.pod(small("new", 5, "2")), "n1", "a")


@_told("default/b would have been enough")
def the_older_of_two_on_a_node_goes(told: Told) -> None:
    told.remove_node("n2")
    told.pod(small("a", 1), "n1", at=10)
    told.pod(small("b", 1), "n1", at=20)
    told.preempt(told.pod(small("new", 5)), "n1", "a")


@_told("preemptionPolicy is Never")
def a_pod_preempts_that_never_does(told: Told) -> None:
    _full(told)
    made = small("new", 5, "2")
    made.spec.preemption_policy = "Never"
    told.preempt(told.pod(made), "n1", "a", "b")


@_told("on n2 it would have hurt less")
def a_budget_is_hurt_without_need(told: Told) -> None:
    for name, on in (("a", "n1"), ("b", "n2")):
        made = small(name, 1, "2")
        made.metadata.labels["app"] = name
        told.pod(made, on, at=5)
    budget = pod_disruption_budget_pb2.PodDisruptionBudget()
    budget.metadata.name, budget.metadata.namespace = "keep", "default"
    budget.spec.selector.match_labels["app"] = "a"
    told.set_budget(budget)
    told.preempt(told.pod(small("new", 5, "2")), "n1", "a")


@_told("had to go for another Pod, and none is more important")
def a_pod_has_to_go_for_nobody(told: Told) -> None:
    made = told.pod(small("a", 1), "n1")
    after = pod_pb2.Pod()
    after.CopyFrom(made)
    after.status.conditions.add(type="DisruptionTarget", status="True", reason="PreemptionByScheduler")
    told.change_pod(after)
    told.remove_pod("a")


@_told("was bound to n1, but NodeResourcesFit")
def room_that_others_had_to_make_is_given_away(told: Told) -> None:
    _full(told)
    made = told.pod(small("new", 5, "2"))
    told._nominate(made, "n1", ["a", "b"])
    for uid in ("a", "b"):
        told.remove_pod(uid)
    told.pod(small("thief", 1), "n1")
