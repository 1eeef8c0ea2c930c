"""PURE: what a history says of decisions beyond whether a node would do.

Scores, ties, the order of the queue, preemption.

`History` hands on what happens; each judge has a file of its own. What none of them could judge is named in
`unjudged`.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from bench.judge.doubt import Doubt, Recent
from bench.judge.order import Order
from bench.judge.preempted import Preempted, is_preempted
from bench.judge.reference import World
from bench.judge.reference.world import Placed
from bench.judge.scores import WEIGHTS, Scores
from bench.judge.volumes import has_volumes
from vaina.api.core.v1 import pod_pb2


@dataclass
class Decisions:
    """Judges the decisions of one scheduler."""

    #: is asked at each binding whether it is judged by scores
    is_sampled: Callable[[], bool] = lambda: True
    doubt: Doubt = field(default_factory=Doubt)
    plugins: Collection[str] | None = None
    #: of scores, by plugin
    weights: Mapping[str, int] = field(default_factory=lambda: dict(WEIGHTS))
    #: why scores are not judged; "": they are
    without_scores: str = ""
    #: what was not judged -> of how many Pods
    unjudged: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.found: list[str] = []
        self.recent = Recent(self.doubt)
        self.scores = Scores(
            self.is_sampled, self.found.append, self.doubt, self.recent, self.plugins, self.weights
        )
        self.order = Order(self.found.append, self.doubt)
        self.preempted = Preempted(self.found.append, self.doubt, self.recent, self.plugins)
        #: Pods that had a node in view at some time: they take it if it will do
        self._had_view: set[str] = set()
        #: Pods that go for others
        self._preempted: set[str] = set()

    def waits(self, pod: pod_pb2.Pod, tick: int) -> None:
        """A Pod without a node is seen."""
        self.order.came(pod, tick)

    def gone(self, uid: str) -> None:
        """A Pod waits no longer."""
        self.order.gone(uid)

    def nominated(self, world: World, pod: pod_pb2.Pod, node: str, tick: int) -> None:
        """A Pod without a node has one in view now, and had not before."""
        self._had_view.add(pod.metadata.uid)
        self.order.freed(node, tick)
        self.preempted.nominated(world, pod, node)

    def lifted(self, uid: str, node: str, tick: int) -> None:
        """A Pod has a node no longer in view."""
        self.order.freed(node, tick)
        self.preempted.lifted(uid)

    def binding(self, world: World, wanting: Placed, node: str, tick: int) -> None:
        """A Pod is bound, in the world as it was just before."""
        placed = Placed(wanting.pod, node)
        self.scores.bound(placed)
        with_volumes = has_volumes(wanting.pod)
        in_view = wanting.uid in self._had_view or bool(wanting.pod.status.nominated_node_name)
        if self.without_scores:
            self.unjudged[f"scores ({self.without_scores})"] += 1
        elif with_volumes:
            self.unjudged["scores of Pods with volumes"] += 1
        elif not in_view:
            self.scores.binding(world, wanting, node)
        minds = bool(
            world.hermits or wanting.together or wanting.apart or wanting.pod.spec.topology_spread_constraints
        )
        simple = not (with_volumes or in_view or minds or world.coming)
        self.unjudged["order of Pods that mind others, or with volumes"] += not simple
        self.order.bound(wanting.pod, node, tick, simple=simple)
        self.preempted.bound(placed)
        self.recent.bound(placed)

    def node_changed(self, node: str, tick: int) -> None:
        """A node came, changed or went."""
        self.order.freed(node, tick)
        self.preempted.changed(node)
        self.recent.changed(node)

    def pod_changed(self, world: World, before: Placed, after: pod_pb2.Pod, tick: int) -> None:
        """A Pod goes from its node, or becomes another one; perhaps because another one needs the room."""
        self.order.freed(before.node, tick)
        if not is_preempted(after):
            self.preempted.changed(before.node)
        elif before.uid not in self._preempted:
            self._preempted.add(before.uid)
            self.preempted.victim(world, before)
        self.recent.changed(before.node, before)

    def end(self) -> None:
        """Nothing comes any more."""
        self.scores.end()
        self.order.end()
        self.preempted.end()
        self.unjudged["order of Pods that changed while they waited"] += self.order.changed
