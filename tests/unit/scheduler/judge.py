"""The scheduler's cycle and the reference side by side.

What happens, happens to both, and both must decide alike.

Alike means: the same node, drawn from the same best nodes by the same dice; or the same words, the same
plugins to blame, the same victims. What is compared is the cycle as the scheduler runs it: columns, classes
of equal Pods, and nothing computed that did not change.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.judge.reference import ReferenceScheduler, Verdict
from scheduler.cache.cache import Cache
from scheduler.columns.node_info import compile_node
from scheduler.columns.pod_info import PodCompiler, PodInfo
from scheduler.decide.ahead import Ahead
from scheduler.decide.cycle import Cycles, schedule_pod
from scheduler.explain.evaluate import evaluate
from scheduler.framework.binding_points import Handle
from scheduler.framework.registry import default_profile
from scheduler.framework.runtime import Framework, Profile
from scheduler.framework.status import Scheduled, Unschedulable
from scheduler.plugins.default_preemption import DefaultPreemption, PreemptionContext
from scheduler.plugins.volume_places import VolumeBinding
from scheduler.volumes.catalogue import Catalogue
from tests.unit.scheduler.storage_judge import Stores
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.api.policy.v1 import pod_disruption_budget_pb2


def plugins(profile: Profile) -> frozenset[str]:
    """Return the names of all plugins of a profile."""
    return frozenset(
        [plugin.name for plugin in profile.filters]
        + [weighted.plugin.name for weighted in profile.scores]
        + [plugin.name for plugin in profile.post_filters]
    )


@dataclass
class Judge:
    """Both worlds. What one calls happens in both."""

    seed: int = 1
    #: classes that the cycle keeps; two by default, so that being forgotten is tried too
    classes: int = 2
    #: what equal Pods make of rows is computed ahead
    ahead: bool = True
    #: a plugin that the reference does without, to see that it matters
    without: str = ""
    #: decide from scratch as well, and compare
    scratch: bool = False
    placed: dict[str, pod_pb2.Pod] = field(default_factory=dict)
    #: Pods for which room is to be made: the node they have in view, and who has to go
    waiting: list[tuple[pod_pb2.Pod, str, list[str]]] = field(default_factory=list)
    number: int = 0

    def __post_init__(self) -> None:
        catalogue = Catalogue()
        self.profile = profile = default_profile(handle=Handle(catalogue))
        [self._binding] = [plugin for plugin in profile.filters if isinstance(plugin, VolumeBinding)]
        self.context = PreemptionContext()
        for plugin in profile.post_filters:
            assert isinstance(plugin, DefaultPreemption)
            plugin.context = self.context
        self.cache, self.compiler, self.framework = Cache(), PodCompiler(), Framework(profile)
        # Ahead of placements as soon as anything can be gained by it: these clusters are small.
        self.cycles = Cycles(
            self.cache.table, self.framework, limit=self.classes, residents=self.cache.on,
            make_ahead=(lambda size: Ahead(size, 1)) if self.ahead else None,
        )  # fmt: skip
        self.reference = ReferenceScheduler(plugins(profile) - {self.without})
        self.world = self.reference.world
        self.stores = Stores(catalogue, self.world.storage)
        self._ours, self._theirs = random.Random(self.seed), random.Random(self.seed)

    def set_node(self, made: node_pb2.Node) -> None:
        """A node comes, or changes."""
        self.cache.upsert_node(compile_node(made))
        self.world.set_node(made)

    def set_namespace(self, name: str, labels: dict[str, str]) -> None:
        """A namespace comes, or its labels change."""
        self.cache.table.set_namespace(name, labels)
        self.world.namespaces[name] = labels

    def remove_node(self, name: str) -> None:
        """A node goes, if it is there."""
        if name in self.world.nodes:
            self.cache.remove_node(name)
            self.world.remove_node(name)

    def set_budget(self, made: pod_disruption_budget_pb2.PodDisruptionBudget) -> None:
        """A PodDisruptionBudget comes, or what it allows has changed."""
        key = f"{made.metadata.namespace}/{made.metadata.name}"
        self.context.budgets.on_budgets([(self.world.budgets.get(key), made)])
        self.world.budgets[key] = made

    def change_pod(self, made: pod_pb2.Pod) -> None:
        """A Pod that has a node changes."""
        self.placed[made.metadata.uid] = made
        self.cache.put(self.compiler.compile(made))
        self.world.place(made, made.spec.node_name)

    def remove_pod(self, uid: str) -> None:
        """A Pod that has a node goes."""
        del self.placed[uid]
        self.cache.remove(uid)
        self.world.remove(uid)
        self.stores.forget(uid)

    def schedule(self, template: pod_pb2.Pod) -> bool:
        """A Pod like this comes. Decide, compare, and let it be placed, or let room be made for it.

        Says whether it was placed.
        """
        self.number += 1
        made = pod_pb2.Pod()
        made.CopyFrom(template)
        made.metadata.name = made.metadata.uid = f"p{self.number}"
        # Who is more important of equals is decided by this, and by nothing that the API does not say.
        made.status.start_time.seconds = self.number
        return self._decide(made)

    def bind_volumes(self, *, refused: bool) -> None:
        """The volumes of the Pod that has waited longest for them are bound; or they cannot be, and it goes."""
        for uid in [*self.stores.pending][:1]:
            node = self.world.nodes.get(self.world.pods[uid].node)
            if refused or not self.stores.bind(uid, node):
                self.remove_pod(uid)
            self.stores.forget(uid)

    def make_room(self, *, slowly: bool = False) -> None:
        """The victims of the Pod that has waited longest go (slowly: are about to go), and it is tried again."""
        if not self.waiting:
            return
        made, node, victims = self.waiting.pop(0)
        for uid in victims:
            if uid in self.placed and slowly:
                self._let_go(self.placed[uid])
            elif uid in self.placed:
                self.remove_pod(uid)
        self.cache.nominations.lift(made.metadata.uid)
        del self.world.coming[made.metadata.uid]
        self._decide(made, node, victims)

    def _let_go(self, before: pod_pb2.Pod) -> None:
        after = pod_pb2.Pod()
        after.CopyFrom(before)
        after.metadata.generation += 1
        after.metadata.deletion_timestamp.seconds = 1
        after.status.conditions.add(type="DisruptionTarget", status="True", reason="PreemptionByScheduler")
        self.change_pod(after)

    def _decide(self, made: pod_pb2.Pod, in_view: str = "", victims: Sequence[str] = ()) -> bool:
        info = self.compiler.compile(made)
        # How good each node is, not which is the best alone: few Pods with volumes have a choice.
        scores = self._behind(info) if info.pod_class.claims and not in_view else None
        before = self._ours.getstate()
        decision = self.cycles.decide(info.pod_class, self._ours.randrange, in_view)
        if self.scratch and not in_view:
            again = random.Random()
            again.setstate(before)
            scratch = schedule_pod(
                info.pod_class, self.cache.table, self.framework,
                tie_break=again.randrange, residents=self.cache.on,
            )  # fmt: skip
            assert decision == scratch, "the increments say something else than a decision from scratch"
        verdict = self.reference.decide(made, in_view)
        if isinstance(decision, Unschedulable):
            self._compare_refusal(verdict, decision)
            if decision.nominated:
                self._wait(info, decision.nominated, [other.uid for other in decision.victims])
            elif decision.waits and in_view in self.world.nodes:
                self._wait(info, in_view, victims)
            return False
        self._compare_placement(verdict, decision)
        if scores is not None:
            best = max(verdict.scores.values())
            wanted = {name: best - score for name, score in verdict.scores.items()}
            assert scores == wanted, f"nodes are behind the best by {scores} instead of {wanted}"
        if info.pod_class.claims:
            plan = self._binding.plan(info.pod_class, self.cache.table.snapshot(), decision.row)
            self.stores.promise(info.uid, plan, self.reference.gives(made, decision.node_name))
        made.spec.node_name = decision.node_name
        self.cache.assume(info, decision.node_name)
        self.world.place(made, decision.node_name)
        self.placed[made.metadata.uid] = made
        return True

    def _behind(self, info: PodInfo) -> dict[str, int]:
        """Return by how much each node that will do scores less than the best.

        What a plugin gives to all nodes alike it may leave out.
        """
        found = evaluate(info.pod_class, self.cache.table, self.profile)
        best = int(found.total.max(initial=0))
        return {found.name(index): best - int(found.total[index]) for index in found.best(found.count)}

    def _wait(self, info: PodInfo, node: str, victims: Sequence[str]) -> None:
        self.cache.nominations.put(info, node)
        self.world.nominate(info.pod, node)
        self.waiting.append((info.pod, node, [*victims]))

    def _compare_placement(self, verdict: Verdict, decision: Scheduled) -> None:
        assert decision.node_name in verdict.best, f"{decision} is not the best: {verdict}"
        assert decision.feasible == verdict.feasible, f"{decision}: {verdict}"
        # Equals are in the order of their rows, which is no part of the rules.
        equals = sorted(verdict.best, key=lambda name: self.cache.table.rows[name])
        chosen = self._theirs.randrange(len(equals)) if len(equals) > 1 else 0
        assert decision.node_name == equals[chosen], f"others are as good for us: {verdict}"

    def _compare_refusal(self, verdict: Verdict, decision: Unschedulable) -> None:
        assert not verdict.best, f"it fits ({verdict}), and: {decision.message}"
        expected = " ".join(words for words in (verdict.message, verdict.preemption) if words)
        assert decision.message == expected, f"it says {decision.message!r} instead of {expected!r}"
        assert decision.rejected_by == verdict.rejected_by
        if decision.nominated or verdict.candidates:
            assert decision.nominated in verdict.candidates, (
                f"{decision.nominated} is not among {verdict.candidates}"
            )
            victims = tuple(other.uid for other in decision.victims)
            assert victims == verdict.candidates[decision.nominated].victims
