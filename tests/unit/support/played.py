"""A small cluster whose scheduler is the plain reference, and the history that it leaves.

A mistake can be made on purpose.
"""

import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from bench.judge.decisions import Decisions
from bench.judge.doubt import Doubt
from bench.judge.happened import Happened
from bench.judge.history import History
from bench.judge.reference import ReferenceScheduler, Verdict, World
from bench.judge.reference.preemption import Candidate
from bench.judge.reference.scheduler import RULES
from tests.unit.scheduler.clusters import NAMESPACES, Storyteller, play
from vaina.api.core.v1 import namespace_pb2, node_pb2, pod_pb2
from vaina.api.policy.v1 import pod_disruption_budget_pb2

Object = pod_pb2.Pod | node_pb2.Node | namespace_pb2.Namespace | pod_disruption_budget_pb2.PodDisruptionBudget
#: what stories are about: all that the reference has rules for, but volumes
PLUGINS = frozenset(
    (
        "NodeResourcesFit", "NodeAffinity", "TaintToleration", "NodePorts", "ImageLocality", "InterPodAffinity",
        "PodTopologySpread", "DefaultPreemption",
    )
)  # fmt: skip


@dataclass
class Mistake:
    """What the scheduler gets wrong."""

    #: rules that it does not have, and weights that are others
    without: Collection[str] = ()
    weights: Mapping[str, int] = field(default_factory=dict)
    #: (dice, what would be right) -> node, among those that would do
    place: Callable[[random.Random, Verdict], str] | None = None
    #: (world, what would be right) -> the node and who goes
    preempt: Callable[[World, Verdict, pod_pb2.Pod], tuple[str, Sequence[str]]] | None = None
    #: it preempts though that is not needed
    eager: bool = False
    #: room is kept for nobody
    forgets_views: bool = False


def default_choice(dice: random.Random, verdict: Verdict) -> str:
    """Draw one of the best."""
    return dice.choice(sorted(verdict.best))


def right_victims(_: World, verdict: Verdict, __: pod_pb2.Pod) -> tuple[str, Sequence[str]]:
    """The first of the nodes where it hurts least."""
    chosen: Candidate = min(verdict.candidates.values(), key=lambda one: one.node)
    return chosen.node, chosen.victims


class Played:
    """What one calls happens, and is written down. It has what `play` needs of a judge."""

    def __init__(self, seed: int = 1, mistake: Mistake | None = None) -> None:
        self.mistake = mistake or Mistake()
        self._dice = random.Random(seed)
        names = {rule.name for rule in RULES} - set(self.mistake.without)
        self.reference = ReferenceScheduler(names, self.mistake.weights)
        self.world = self.reference.world
        self.happened: list[Happened] = []
        self.placed: dict[str, pod_pb2.Pod] = {}
        self.waiting: list[tuple[pod_pb2.Pod, str, Sequence[str]]] = []
        self.number = 0
        for name, labels in NAMESPACES.items():
            self.set_namespace(name, labels)

    def add(self, what: str, made: Object) -> None:
        after = type(made)()
        after.CopyFrom(made)
        after.metadata.resource_version = str(len(self.happened) + 1)
        self.happened.append(Happened(what, after))

    def set_namespace(self, name: str, labels: Mapping[str, str]) -> None:
        self.world.namespaces[name] = dict(labels)
        made = namespace_pb2.Namespace()
        made.metadata.name = name
        made.metadata.labels.update(labels)
        self.add("MODIFIED", made)

    def set_node(self, made: node_pb2.Node) -> None:
        self.world.set_node(made)
        self.add("MODIFIED", made)

    def remove_node(self, name: str) -> None:
        if name in self.world.nodes:
            self.add("DELETED", self.world.nodes[name])
            self.world.remove_node(name)

    def set_budget(self, made: pod_disruption_budget_pb2.PodDisruptionBudget) -> None:
        self.world.budgets[f"{made.metadata.namespace}/{made.metadata.name}"] = made
        self.add("MODIFIED", made)

    def change_pod(self, made: pod_pb2.Pod) -> None:
        self.placed[made.metadata.uid] = made
        self.world.place(made, made.spec.node_name)
        self.add("MODIFIED", made)

    def remove_pod(self, uid: str) -> None:
        made = self.placed.pop(uid)
        self.world.remove(uid)
        self.add("DELETED", made)

    def schedule(self, template: pod_pb2.Pod) -> str:
        """A Pod like this comes, and is decided; returns its node."""
        self.number += 1
        made = pod_pb2.Pod()
        made.CopyFrom(template)
        made.metadata.name = made.metadata.uid = f"p{self.number}"
        made.status.start_time.seconds = self.number
        self.add("ADDED", made)
        return self.decide(made)

    def decide(self, made: pod_pb2.Pod, in_view: str = "") -> str:
        coming = self.world.coming
        if self.mistake.forgets_views:
            self.world.coming = {}
        verdict = self.reference.decide(made, in_view)
        self.world.coming = coming
        if self.mistake.eager and not in_view and verdict.best and made.spec.priority > 0:
            node = next((name for name in sorted(verdict.best) if self._lower(made, name)), "")
            if node:
                self._nominate(made, node, self._lower(made, node)[:1])
                return ""
        if verdict.best:
            choose = default_choice if in_view or self.mistake.place is None else self.mistake.place
            self.bind(made, choose(self._dice, verdict))
            return made.spec.node_name
        if verdict.candidates:
            node, victims = (self.mistake.preempt or right_victims)(self.world, verdict, made)
            self._nominate(made, node, victims)
            return ""
        self.add("DELETED", made)
        return ""

    def bind(self, made: pod_pb2.Pod, node: str) -> None:
        made.spec.node_name = node
        self.world.place(made, node)
        self.placed[made.metadata.uid] = made
        self.add("MODIFIED", made)

    def _lower(self, made: pod_pb2.Pod, node: str) -> list[str]:
        return [
            one.uid
            for one in self.world.on(node)
            if one.priority < made.spec.priority and not one.terminating
        ]

    def _nominate(self, made: pod_pb2.Pod, node: str, victims: Sequence[str]) -> None:
        made.status.nominated_node_name = node
        self.add("MODIFIED", made)
        self.world.nominate(made, node)
        for uid in victims:
            after = pod_pb2.Pod()
            after.CopyFrom(self.placed[uid])
            after.status.conditions.add(
                type="DisruptionTarget", status="True", reason="PreemptionByScheduler"
            )
            self.change_pod(after)
        self.waiting.append((made, node, [*victims]))

    def make_room(self, *, slowly: bool = False) -> None:
        """The victims of the Pod that has waited longest go, and it is tried again."""
        del slowly
        if not self.waiting:
            return
        made, node, victims = self.waiting.pop(0)
        for uid in victims:
            if uid in self.placed:
                self.remove_pod(uid)
        self.world.coming.pop(made.metadata.uid, None)
        self.decide(made, node)


def story(seed: int, mistake: Mistake | None = None) -> list[Happened]:
    """Return the history of a random cluster."""
    played = Played(seed, mistake)
    play(played, Storyteller(seed, PLUGINS).story())  # type: ignore[arg-type]  # it has what is called
    # A mistake may make a Pod preempt for ever.
    for _ in range(20):
        played.make_room()
    return played.happened


def judged(happened: Sequence[Happened], doubt: Doubt, *, end: bool = False) -> list[str]:
    """Return what the judge finds."""
    history = History(lag=doubt.lag, decisions=Decisions(doubt=doubt))
    for one in happened:
        history.take(one)
    if end:
        history.end()
    else:
        history.end_decisions()
    return history.found
