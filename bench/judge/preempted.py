"""PURE: was it right that Pods had to go for a more important one, and were they the right ones?

Upstream's order (`framework/preemption/preemption.go`): only when the Pod fits nowhere, only less important
ones go, as few as will do and those last that matter most, on the node where it hurts least
(pickOneNodeForPreemption). A preemption is seen by the node that a waiting Pod has in view
(status.nominatedNodeName) and by the Pods that go from there with the condition DisruptionTarget, reason
PreemptionByScheduler; it is judged when the Pod for which it was has a node, or at the end, in the world
before the first of these.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final

from bench.judge.doubt import Doubt, Recent
from bench.judge.reference import ReferenceScheduler, World
from bench.judge.reference.preemption import Candidate, candidate, harm, importance, protected
from bench.judge.reference.rule import Refusal
from bench.judge.reference.world import Placed
from bench.judge.volumes import has_volumes
from vaina.api.core.v1 import node_pb2, pod_pb2

#: preemptions that wait to be judged and keep the world as it was; there is one at most for each node
MOST_OPEN: Final = 32
#: where decisions are on their way so many are judged, and then one of so many
MOST_IN_TURN: Final = 20
#: nodes up to which upstream tries all for a preemption (minCandidateNodesAbsolute)
ALL_TRIED: Final = 100


@dataclass
class _Preemption:
    node: str
    #: before anything of it was seen; None: so many are kept already, and priorities alone are judged
    world: World | None
    #: nobody else was about on the node lately
    certain: bool
    #: the binding until which a Pod may be said to have the node in view for which the victims went
    until: int
    preemptor: Placed | None = None
    victims: dict[str, Placed] = field(default_factory=dict)
    #: nodes that something concerned since
    touched: set[str] = field(default_factory=set)
    #: nodes that something concerned before it, lately
    unsure: Callable[[str], bool] = lambda _: False


@dataclass
class Preempted:
    """Judges preemptions. Tell it of all that happens, in order."""

    wrong: Callable[[str], None]
    doubt: Doubt
    recent: Recent
    plugins: Collection[str] | None = None
    judged: int = 0
    #: preemptions of which only the priorities were judged
    partly: int = 0

    def __post_init__(self) -> None:
        self._reference = ReferenceScheduler(self.plugins)
        #: by node; of those the ones that keep a world; and the node by its preemptor's uid
        self._open: dict[str, _Preemption] = {}
        self._kept: dict[str, _Preemption] = {}
        self._views: dict[str, str] = {}
        #: (words, priority) of each that had to go, and the highest priority that was seen
        self._gone: list[tuple[str, int]] = []
        self._highest: int | None = None
        self._number = 0
        self._bindings = 0

    def seen(self, priority: int) -> None:
        """A Pod is seen that has a node, or has one in view."""
        self._highest = priority if self._highest is None else max(self._highest, priority)

    def nominated(self, world: World, pod: pod_pb2.Pod, node: str) -> None:
        """A Pod that waits has a node in view, which it had not before."""
        self.seen(pod.spec.priority)
        found = self._open.get(node)
        if found is not None and found.preemptor is not None:
            if found.preemptor.uid == pod.metadata.uid:
                return
            self._close(node)
            found = None
        found = self._young(found) or self._begin(world, node)
        found.preemptor = Placed(pod)
        self._views[pod.metadata.uid] = node

    def lifted(self, uid: str) -> None:
        """A Pod has nothing in view any more, perhaps because it went.

        Others may have had to go for it that did not yet.
        """
        node = self._views.get(uid)
        if node is not None:
            self._open[node].world = None
            self._close(node)

    def victim(self, world: World, placed: Placed) -> None:
        """A Pod, as it was, begins to go for another one."""
        self._gone.append((f"{_name(placed)} (priority {placed.priority}) on {placed.node}", placed.priority))
        found = self._young(self._open.get(placed.node)) or self._begin(world, placed.node)
        found.victims[placed.uid] = (
            placed if found.world is None else found.world.pods.get(placed.uid, placed)
        )

    def bound(self, placed: Placed) -> None:
        """A Pod has a node."""
        self.seen(placed.priority)
        self._bindings += 1
        node = self._views.get(placed.uid)
        if node is not None:
            self._close(node)
        self.changed(placed.node)

    def changed(self, node: str) -> None:
        """A node, or a Pod on it, was changed."""
        for one in self._kept.values():
            one.touched.add(node)

    def end(self) -> None:
        """Nothing comes any more."""
        for node in list(self._open):
            self._close(node)
        for words, priority in self._gone:
            if self._highest is None or priority >= self._highest:
                self.wrong(f"{words} had to go for another Pod, and none is more important")

    def _young(self, one: _Preemption | None) -> _Preemption | None:
        """Return what may go on; who went so long ago for nobody that is known did not go for the next one."""
        if one is not None and one.preemptor is None and self._bindings > one.until:
            self._close(one.node)
            return None
        return one

    def _begin(self, world: World, node: str) -> _Preemption:
        if len(self._kept) >= MOST_OPEN:
            for one in list(self._kept.values()):
                self._young(one)
        before: World | None = None
        if node in world.nodes and len(self._kept) < MOST_OPEN:
            before = world.with_more([])
            before.nodes, before.labels = dict(world.nodes), dict(world.labels)
            before.allocatable, before.budgets = dict(world.allocatable), dict(world.budgets)
            before.coming, before.namespaces = dict(world.coming), dict(world.namespaces)
        unsure = frozenset(name for name in world.nodes if before and self.recent.touched(name))
        certain = node not in unsure and not self.recent.node_changes
        until = self._bindings + self.doubt.in_flight
        found = self._open[node] = _Preemption(node, before, certain, until, unsure=unsure.__contains__)
        if before is not None:
            self._kept[node] = found
        return found

    def _close(self, node: str) -> None:
        one = self._open.pop(node)
        self._kept.pop(node, None)
        wanting = one.preemptor
        if wanting is not None:
            self._views.pop(wanting.uid, None)
        if wanting is None or not one.victims:
            # For whom is not known; or it had the node in view for another reason.
            self.partly += bool(one.victims)
            return
        who = f"{_name(wanting)} (priority {wanting.priority})"
        for other in one.victims.values():
            if other.priority >= wanting.priority:
                self.wrong(
                    f"{_name(other)} (priority {other.priority}) had to go from {node} for {who}, and is no less important"
                )
                return
        if wanting.pod.spec.preemption_policy == "Never":
            self.wrong(
                f"{len(one.victims)} Pods had to go from {node} for {who}, whose preemptionPolicy is Never"
            )
            return
        world = one.world
        if world is None or has_volumes(wanting.pod):
            self.partly += 1
            return
        if any(other.terminating or is_preempted(other.pod) for other in world.on(node)):
            # Others go from there already: for whom each goes is not told.
            self.partly += 1
            return
        world.coming.pop(wanting.uid, None)
        self._judge(one, world, wanting, who)

    def _judge(self, one: _Preemption, world: World, wanting: Placed, who: str) -> None:
        exact, node = self.doubt.is_none, one.node
        self._number += 1
        skipped = self._number > MOST_IN_TURN and self._number % MOST_IN_TURN
        if not exact and (skipped or not one.certain or node in one.touched or world.budgets):
            self.partly += 1
            return
        minds = bool(
            world.hermits or wanting.together or wanting.apart or wanting.pod.spec.topology_spread_constraints
        )
        if exact or not minds:
            self._reference.world = world
            elsewhere = sorted(
                name
                for name in self._reference.takers(wanting.pod)
                if exact or not (one.unsure(name) or name in one.touched)
            )
            if elsewhere:
                self.wrong(f"{who} made Pods go from {node}, and fitted on {elsewhere[0]} without")
                return
        elif not exact:
            self.partly += 1
            return
        self.judged += 1
        said = self._refusal(world.without(set(one.victims)), wanting, world.nodes[node])
        if said is not None:
            self.wrong(
                f"{_names(one.victims.values())} had to go from {node} for {who}, and it does not fit all the same: "
                f"{', '.join(said.words)}"
            )
            return
        self._choice(one, world, wanting, who)

    def _choice(self, one: _Preemption, world: World, wanting: Placed, who: str) -> None:
        node = one.node

        def refuse(other: World, made: node_pb2.Node) -> Refusal | None:
            return self._refusal(other, wanting, made)

        found = candidate(world, wanting, world.nodes[node], refuse)
        if not isinstance(found, Candidate):
            return
        mine = self._harm(world, one.victims)
        if mine > found.harm:
            enough = [world.pods[uid] for uid in found.victims]
            self.wrong(
                f"{_names(one.victims.values())} had to go from {node} for {who}, and {_names(enough)} would have been enough"
            )
            return
        if not self.doubt.is_none or len(world.nodes) > ALL_TRIED:
            return
        for name, other in world.nodes.items():
            better = candidate(world, wanting, other, refuse)
            if isinstance(better, Candidate) and better.harm < found.harm:
                self.wrong(f"{who} made Pods go from {node}, and on {name} it would have hurt less")
                return

    def _harm(self, world: World, victims: Collection[str]) -> tuple[float, ...]:
        left = sorted((world.pods[uid] for uid in victims if uid in world.pods), key=importance)
        return harm(left, len(protected(world, left)))

    def _refusal(self, world: World, wanting: Placed, node: node_pb2.Node) -> Refusal | None:
        said = self._reference.refuse(world, wanting, node)
        return None if said is None else said[1]


def is_preempted(pod: pod_pb2.Pod) -> bool:
    """Say whether a Pod goes, or is about to, for a more important one."""
    return any(
        item.type == "DisruptionTarget" and item.status == "True" and item.reason == "PreemptionByScheduler"
        for item in pod.status.conditions
    )


def _name(placed: Placed) -> str:
    return f"{placed.namespace}/{placed.pod.metadata.name}"


def _names(some: Collection[Placed]) -> str:
    return ", ".join(sorted(map(_name, some)))
