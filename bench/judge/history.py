"""PURE: was every Pod bound where it was allowed to be? Judged from what etcd saw happen to Pods and Nodes,
in its order.

    violations(history) -> what was wrong, in words; nothing when all was well

After every load there must be: nothing bound twice; at the moment of each binding room on the node, and every
required constraint of the Pod and of those that were there true; nothing pending that fits. The rules are
those of the plain reference scheduler, so nothing is taken from the scheduler's own code.

A scheduler sees changes a little later than etcd. What others changed lately (a node, a Pod that went or got
other labels) may therefore be taken as if it had not happened yet; what the scheduler did itself may not.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Final

from bench.judge import volumes
from bench.judge.among import MOST_NUMBERS
from bench.judge.bindings import AskOthers, BindingJudge
from bench.judge.decisions import Decisions
from bench.judge.happened import (
    IN_VIEW,
    LAG,
    NOT_IN_VIEW,
    Happened,
    Lately,
    alike,
    in_order,
    is_terminating,
    is_unchanged,
    name_of,
)
from bench.judge.overtaken import Overtaken
from bench.judge.preempted import is_preempted
from bench.judge.reference import ReferenceScheduler, World
from bench.judge.reference.scheduler import RULES
from bench.judge.reference.world import Placed
from vaina.api.core.v1 import namespace_pb2, node_pb2, pod_pb2
from vaina.api.policy.v1 import pod_disruption_budget_pb2

#: violations that are told
MOST: Final = 100
_TERMINAL = ("Succeeded", "Failed")


@dataclass
class History:
    """What is known after so many events. Feed it in order with `take`; `end` says what must hold at the end."""

    scheduler_name: str = "default-scheduler"
    lag: int = LAG
    #: plugins whose rules are judged by; None: all of the reference
    plugins: Collection[str] | None = None
    #: whether a Pod that is first seen when it has a node was bound just then: who watches only Pods with
    #: nodes sees no other
    is_fresh: Callable[[pod_pb2.Pod], bool] = lambda _: False
    #: is asked at each binding that they concern whether it is judged by walking through the rules
    #: `bindings.AMONG_PODS` as well, or by counts alone
    is_thorough: Callable[[], bool] = lambda: True
    #: that are kept to count by (`among.py`)
    most_numbers: int = MOST_NUMBERS
    #: judges scores, ties, order and preemption; None: they are not judged
    decisions: Decisions | None = None
    #: says why a node will not do beyond the rules of the reference: filters of others. None: there are none
    ask_others: AskOthers | None = None
    bindings: int = 0
    found: list[str] = field(default_factory=list)
    pending: dict[str, pod_pb2.Pod] = field(default_factory=dict)

    def __post_init__(self) -> None:
        every = {rule.name for rule in RULES} if self.plugins is None else set(self.plugins)
        self._everything = ReferenceScheduler(every)
        self._world = self._everything.world
        self._lately = Lately(self.lag)
        self._judge = BindingJudge(
            self._world,
            self.plugins,
            every,
            self._lately,
            self.is_thorough,
            self.ask_others,
            self.most_numbers,
        )
        in_flight = self.decisions.doubt.in_flight if self.decisions is not None else 0
        self.overtaken = Overtaken(in_flight, self._judge.refused_without, self._wrong)
        #: uid -> node
        self._nodes: dict[str, str] = {}
        self._tick = 0
        #: uid -> the node that a waiting Pod has in view, and the binding from which on everybody knows
        self._views: dict[str, tuple[pod_pb2.Pod, str, int]] = {}

    @property
    def thorough(self) -> int:
        """How many bindings were judged by all rules."""
        return self._judge.thorough

    @property
    def walked(self) -> int:
        """In how many of those the rules among Pods were walked through."""
        return self._judge.walked

    def take(self, happened: Happened) -> None:
        """Take in the next event."""
        self._tick += 1
        made, gone = happened.object, happened.type == "DELETED"
        if happened.type in (IN_VIEW, NOT_IN_VIEW) and isinstance(made, pod_pb2.Pod):
            self._take_view(made, made.status.nominated_node_name if happened.type == IN_VIEW else "")
        elif isinstance(made, pod_disruption_budget_pb2.PodDisruptionBudget):
            self._take_budget(made, gone)
        elif isinstance(made, node_pb2.Node):
            self._take_node(made, gone)
        elif isinstance(made, namespace_pb2.Namespace):
            self._world.namespaces[made.metadata.name] = dict(made.metadata.labels)
            self._judge.recount()
        elif isinstance(made, pod_pb2.Pod):
            self._take_pod(made, gone)
        else:
            undo = volumes.take(self._world, made, gone=gone)
            if self._nodes:
                # What was there before the first Pod is known to everybody.
                self._lately.append(undo, counts=False)

    def end(self) -> None:
        """Look at what is left: nothing may be pending that fits."""
        for words in self.unfit():
            self._wrong(words)
        self.end_decisions()

    def end_decisions(self) -> None:
        """Let those who judge decisions say what they waited with: nothing more is bound."""
        self.overtaken.end()
        if self.decisions is not None:
            self.decisions.end()
            self._take_words()

    def unfit(self) -> list[str]:
        """Say which Pods are pending and fit, as things are now. Equal Pods are asked about once."""
        asked: set[bytes] = set()
        found: list[str] = []
        for pod in self.pending.values():
            if (
                not self._is_ours(pod)
                or pod.spec.scheduling_gates
                or pod.metadata.HasField("deletion_timestamp")
            ):
                continue
            if volumes.is_being_bound(self._world, pod):
                continue
            key = alike(pod)
            if any(volume.volume_source.HasField("ephemeral") for volume in pod.spec.volumes):
                # Their claims are called after the Pod.
                key += pod.metadata.name.encode()
            if key not in asked:
                asked.add(key)
                node = self._everything.fits(pod)
                if node:
                    found.append(f"{name_of(pod)} is pending, and fits on {node}")
        return found

    def _take_node(self, node: node_pb2.Node, gone: bool) -> None:
        world, name = self._world, node.metadata.name
        before = world.nodes.get(name)

        def undo(other: World) -> None:
            if before is not None:
                other.set_node(before)
            else:
                other.nodes.pop(name, None)

        if gone:
            if before is not None:
                world.remove_node(name)
        elif before is not None and is_unchanged(before, node):
            return
        else:
            world.set_node(node)
        self._judge.recount()
        if self.decisions is not None and self._nodes:
            self.decisions.node_changed(name, self._tick)
        if before is not None or self._nodes:
            # The nodes that were there before the first Pod are known to everybody.
            self._lately.append(undo)

    def _take_pod(self, pod: pod_pb2.Pod, gone: bool) -> None:
        uid, node = pod.metadata.uid, pod.spec.node_name
        before = self._nodes.get(uid)
        if before and node != before:
            self._wrong(f"{name_of(pod)} was bound to {before}, and then to {node or 'nothing'}")
        if node and (before == "" or (before is None and not gone and self.is_fresh(pod))):
            self.bindings += 1
            self._check(pod)
            if pod.spec.node_name in self._world.nodes:
                self._decided(pod)
        self._nodes[uid] = node
        self._follow_view(pod, gone)
        if gone or node or pod.status.phase in _TERMINAL:
            self.pending.pop(uid, None)
        else:
            self.pending[uid] = pod
        placed = self._world.pods.get(uid)
        if placed is not None and (gone or pod.status.phase in _TERMINAL):
            self._changed(placed, pod)
            self._judge.go(uid)
            self.overtaken.changed(placed)
            self._lately.append(lambda other: other.place(placed.pod, placed.node), placed)
        elif placed is not None and (
            alike(placed.pod) != alike(pod)
            or placed.terminating != is_terminating(pod)
            or is_preempted(placed.pod) != is_preempted(pod)
        ):
            self._changed(placed, pod)
            self._judge.go(uid)
            self._judge.come(pod, node)
            self.overtaken.changed(placed)
            now = self._world.pods[uid]
            self._lately.append(lambda other: other.place(placed.pod, placed.node), placed, now)
        elif placed is None and node and not gone and pod.status.phase not in _TERMINAL:
            self._judge.come(pod, node)
            self.overtaken.bound(self._world.pods[uid], self.bindings)
        if uid not in self._world.pods:
            self.overtaken.gone(uid)

    def _changed(self, placed: Placed, pod: pod_pb2.Pod) -> None:
        if self.decisions is not None:
            self.decisions.pod_changed(self._world, placed, pod, self._tick)
            self._take_words()

    def _decided(self, pod: pod_pb2.Pod) -> None:
        if self.decisions is not None and self._is_ours(pod):
            wanting = pod_pb2.Pod()
            wanting.CopyFrom(pod)
            wanting.spec.node_name = ""
            self.decisions.binding(self._world, Placed(wanting), pod.spec.node_name, self._tick)
            self._take_words()

    def _is_ours(self, pod: pod_pb2.Pod) -> bool:
        return (pod.spec.scheduler_name or "default-scheduler") == self.scheduler_name

    def _take_words(self) -> None:
        if self.decisions is not None:
            for words in self.decisions.found:
                self._wrong(words)
            self.decisions.found.clear()

    def _follow_view(self, pod: pod_pb2.Pod, gone: bool) -> None:
        """Note what node a Pod has in view, where all Pods are watched from their creation on."""
        waits = not (gone or pod.spec.node_name or pod.status.phase in _TERMINAL)
        if self.decisions is not None and not waits:
            self.decisions.gone(pod.metadata.uid)
        elif self.decisions is not None and self._is_ours(pod):
            self.decisions.waits(pod, self._tick)
        if waits or pod.metadata.uid in self._views:
            self._take_view(pod, pod.status.nominated_node_name if waits else "")

    def _take_view(self, pod: pod_pb2.Pod, node: str) -> None:
        if self.decisions is None:
            return
        uid = pod.metadata.uid
        known = self._views.get(uid)
        if known is not None and known[1] != node:
            del self._views[uid]
            self._world.coming.pop(uid, None)
            self.decisions.lifted(uid, known[1], self._tick)
        if node and (known is None or known[1] != node):
            self._keep_room()
            self._views[uid] = (pod, node, self.bindings + self.decisions.doubt.in_flight)
            self.decisions.nominated(self._world, pod, node, self._tick)
            self._take_words()

    def _keep_room(self) -> None:
        """Keep room for those who have a node in view for so long that every decision knew it."""
        for uid, (pod, node, since) in self._views.items():
            if self.bindings >= since and uid not in self._world.coming:
                self._world.nominate(pod, node)

    def _take_budget(self, made: pod_disruption_budget_pb2.PodDisruptionBudget, gone: bool) -> None:
        key = f"{made.metadata.namespace}/{made.metadata.name}"
        if gone:
            self._world.budgets.pop(key, None)
        else:
            self._world.budgets[key] = made

    def _check(self, pod: pod_pb2.Pod) -> None:
        """Say what is wrong with a binding."""
        self._keep_room()
        for fault in self._judge.faults(pod):
            if fault.matters is None:
                self._wrong(fault.words)
            else:
                self.overtaken.suspect(
                    fault.pod, pod.spec.node_name, fault.words, fault.matters, self.bindings
                )

    def _wrong(self, words: str) -> None:
        if len(self.found) < MOST:
            self.found.append(words)


def violations(happened: Iterable[Happened], *, lag: int = LAG, ended: bool = True) -> list[str]:
    """Return what was wrong in a history, in the order in which it happened.

    Args:
        happened: all events of Pods and Nodes (and Namespaces), from before the first Pod on; in any order,
        for each has its version.
        lag: changes by others that a scheduler may not have seen when it decided.
        ended: the load is over: nothing may be left that fits.
    """
    history = History(lag=lag)
    for one in in_order(happened):
        history.take(one)
    if ended:
        history.end()
    return history.found
