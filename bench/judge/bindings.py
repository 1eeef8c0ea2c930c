"""PURE: what is wrong with a binding, in the world as it was when it was written.

The rules are those of the plain reference scheduler, with counts (`among.py`) where walking through them would
take too long. Called by `History`, which follows what happened and tells of what is wrong.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from bench.judge import volumes
from bench.judge.among import AFFINITY, SPREAD, Among, alike_of
from bench.judge.happened import Lately, name_of
from bench.judge.reference import ReferenceScheduler, World
from bench.judge.reference.world import Placed
from vaina.api.core.v1 import pod_pb2

#: rules that look at every Pod or node there is: what they cost grows with the cluster
AMONG_PODS: Final = frozenset((SPREAD, AFFINITY))

#: says why a node will not do for a Pod in a world, beyond the rules of the reference; None: it will
AskOthers = Callable[[World, pod_pb2.Pod, str], str | None]
#: says why a node will not do in a world; None: it will
_Refuse = Callable[[World], str | None]


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is wrong with a binding."""

    words: str
    #: bound so, as it was before
    pod: pod_pb2.Pod
    #: whether another Pod has to do with it: another order of bindings may explain it. None: nothing does
    matters: Callable[[Placed], bool] | None = None


class BindingJudge:
    """Judges bindings in a world that goes on. Owned by a history."""

    def __init__(
        self,
        world: World,
        plugins: Collection[str] | None,
        rules: Collection[str],
        lately: Lately,
        is_thorough: Callable[[], bool],
        ask_others: AskOthers | None,
        most_numbers: int,
    ) -> None:
        """Make it.

        Args:
            world: as it is; Pods come and go in it through this judge alone, for they are counted.
            plugins: whose rules of volumes are judged by; None: all.
            rules: the names of the reference's rules that are judged by.
            lately: what others changed lately.
            is_thorough: whether a binding is judged by walking through the rules `AMONG_PODS`.
            ask_others: filters of others. None: there are none.
            most_numbers: that are kept to count by.
        """
        every = set(rules)
        self._world, self._plugins, self._lately = world, plugins, lately
        self._is_thorough, self._ask_others = is_thorough, ask_others
        #: what is asked of every binding; of those with volumes `volumes.refusals` besides
        self._reference = ReferenceScheduler(every - volumes.OF_VOLUMES)
        self._hasty = ReferenceScheduler(every - volumes.OF_VOLUMES - AMONG_PODS)
        self._among_pods = ReferenceScheduler(every & AMONG_PODS)
        self._among = Among(world, most_numbers, every & AMONG_PODS)
        #: bindings that were judged by all rules, and those of them where the rules among Pods were walked
        self.thorough = self.walked = 0

    def come(self, pod: pod_pb2.Pod, node: str) -> None:
        """A Pod is there, on a node."""
        self._world.place(pod, node)
        self._among.count(self._world.pods[pod.metadata.uid], alike_of(pod), 1)

    def go(self, uid: str) -> None:
        """A Pod is there no longer."""
        placed = self._world.pods[uid]
        self._among.count(placed, alike_of(placed.pod), -1)
        self._world.remove(uid)

    def recount(self) -> None:
        """Nodes or namespaces have changed: count anew what is asked for."""
        self._among.clear()

    def faults(self, pod: pod_pb2.Pod) -> Iterator[Fault]:
        """Say what is wrong with a binding; the Pod itself is not there yet."""
        name = pod.spec.node_name
        wanting = pod_pb2.Pod()
        wanting.CopyFrom(pod)
        wanting.spec.node_name = ""
        judge, refusal, fault = self._judge(wanting, name)
        if fault is not None:
            yield fault
        if refusal is not None:
            yield from self._blame(
                wanting, name, refusal, lambda world: self._refusal(judge, world, wanting, name)
            )
        if self._ask_others is not None and name in self._world.nodes:
            ask = self._ask_others
            refusal = ask(self._world, wanting, name)
            if refusal is not None:
                yield from self._blame(wanting, name, refusal, lambda world: ask(world, wanting, name))
        if not volumes.has_volumes(wanting):
            return
        for refuse in volumes.refusals(self._plugins, self._world, wanting, name):
            refusal = refuse(self._world)
            if refusal is not None:
                yield from self._blame(wanting, name, refusal, refuse)

    def _blame(self, pod: pod_pb2.Pod, name: str, refusal: str, refuse: _Refuse) -> Iterator[Fault]:
        """Blame a binding that was wrong, unless it was right before what others changed lately."""
        world = self._world.with_more([])
        world.nodes, world.labels, world.allocatable = (
            dict(world.nodes),
            dict(world.labels),
            dict(world.allocatable),
        )
        world.storage = volumes.own_storage(world.storage)
        matters = self._among.matters(Placed(pod))
        for undo, pods in self._lately:
            undo(world)
            # What a Pod elsewhere was that is nothing to this one changes no answer.
            concerns = not pods or any(other.node == name or matters(other) for other in pods)
            if concerns and refuse(world) is None:
                return
        is_among = refusal.partition(":")[0] in AMONG_PODS
        yield Fault(f"{name_of(pod)} was bound to {name}, but {refusal}", pod, matters if is_among else None)

    def _judge(self, wanting: pod_pb2.Pod, name: str) -> tuple[ReferenceScheduler, str | None, Fault | None]:
        """Return who judged, why a node will not do, and what is wrong with the judge."""
        if not self._minds_others(wanting) or name not in self._world.nodes:
            self.thorough += 1
            return self._reference, self._refusal(self._reference, self._world, wanting, name), None
        walk = self._is_thorough()
        counted = self._among.refuses(Placed(wanting), alike_of(wanting), name, may_begin=walk)
        self.thorough += walk or counted is not None
        self.walked += walk
        if not walk and not counted:
            return self._hasty, self._refusal(self._hasty, self._world, wanting, name), None
        refusal = self._refusal(self._reference, self._world, wanting, name)
        by = "" if refusal is None else refusal.partition(":")[0]
        if counted is None or (by and by not in AMONG_PODS) or bool(by) == bool(counted):
            return self._reference, refusal, None
        words = (
            f"the judge is wrong about {name_of(wanting)} on {name}: "
            f"by counts {counted or 'well'}, by the rules {refusal or 'well'}"
        )
        return self._reference, refusal, Fault(words, wanting)

    def _minds_others(self, pod: pod_pb2.Pod) -> bool:
        """Say whether the rules `AMONG_PODS` have anything to say of a Pod."""
        affinity = pod.spec.affinity
        return bool(
            self._world.hermits
            or pod.spec.topology_spread_constraints
            or affinity.HasField("pod_affinity")
            or affinity.HasField("pod_anti_affinity")
        )

    def refused_without(self, pod: pod_pb2.Pod, name: str, before: Mapping[str, Placed]) -> str | None:
        """Say by which of the rules `AMONG_PODS` a node will not do for a Pod; None: it will.

        Args:
            pod: that is there already: asked as if it were not.
            name: of the node.
            before: uid -> a Pod that has changed or gone since: asked as if it were still as it was.
        """
        if name not in self._world.nodes:
            return "there is no such node"
        now = {uid: self._world.pods.get(uid) for uid in (pod.metadata.uid, *before)}
        for uid, there in now.items():
            if there is not None:
                self.go(uid)
        for was in before.values():
            self.come(was.pod, was.node)
        try:
            refused = self._among.refuses(Placed(pod), alike_of(pod), name, may_begin=True)
            if refused is None:
                return self._refusal(self._among_pods, self._world, pod, name)
            return refused or None
        finally:
            for uid in before:
                self.go(uid)
            for there in now.values():
                if there is not None:
                    self.come(there.pod, there.node)

    def _refusal(self, judge: ReferenceScheduler, world: World, pod: pod_pb2.Pod, name: str) -> str | None:
        node = world.nodes.get(name)
        if node is None:
            return "there is no such node"
        said = judge.refuse(world, Placed(pod), node)
        return None if said is None else f"{said[0]}: {', '.join(said[1].words)}"
