"""Clusters for preemption in few words, and what the scheduler decides in them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from scheduler.cache.cache import Cache
from scheduler.columns.pod_info import PodCompiler, PodInfo
from scheduler.decide.cycle import Cycles
from scheduler.framework.registry import default_profile
from scheduler.framework.runtime import Framework
from scheduler.framework.status import Scheduled, Unschedulable
from scheduler.plugins.default_preemption import DefaultPreemption, PreemptionContext
from scheduler.preemption.search import Budget
from tests.unit.scheduler.objects import node, node_info, pod
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.objects.selectors import from_labels


@dataclass(frozen=True)
class There:
    """A Pod on a node. `cpu` in thousandths; `start` in seconds, None: not started yet."""

    name: str
    cpu: int
    priority: int = 0
    start: int | None = 1
    labels: Mapping[str, str] | None = None
    ports: Sequence[tuple[int, str]] = ()
    ending: bool = False


@dataclass(frozen=True)
class Found:
    """What was decided, in words that tests compare."""

    node: str
    victims: tuple[str, ...]
    message: str
    waits: bool


class Cluster:
    """A cache of nodes and Pods, and the cycle over it."""

    def __init__(self, *nodes: node_pb2.Node, offset: int = 0) -> None:
        self.cache, self.compiler = Cache(), PodCompiler()
        framework = Framework(default_profile())
        self.context = PreemptionContext(offset=lambda count: offset % count)
        for plugin in framework.profile.post_filters:
            assert isinstance(plugin, DefaultPreemption)
            plugin.context = self.context
        self.cycles = Cycles(self.cache.table, framework, residents=self.cache.on)
        for made in nodes:
            self.cache.upsert_node(node_info(made))

    def put(self, node_name: str, *pods: There) -> None:
        """Put Pods on a node."""
        for item in pods:
            made = pod(
                item.name, {"cpu": f"{item.cpu}m"}, priority=item.priority, node=node_name, uid=item.name, ports=item.ports,
                deleted=1.0 if item.ending else None,
            )  # fmt: skip
            made.metadata.labels.update(item.labels or {})
            if item.start is not None:
                made.status.start_time.seconds = item.start
            if item.ending:
                made.status.conditions.add(
                    type="DisruptionTarget", status="True", reason="PreemptionByScheduler"
                )
            self.cache.put(self.compiler.compile(made))

    def remove(self, *names: str) -> None:
        """Let Pods be gone."""
        for name in names:
            self.cache.remove(name)

    def budget(
        self, allowed: int, disrupted: Iterable[str] = (), name: str = "budget", **labels: str
    ) -> None:
        """Allow so many Pods with these labels to be disrupted."""
        self.context.budgets.put(name, Budget("default", from_labels(labels), allowed, frozenset(disrupted)))

    def info(self, made: pod_pb2.Pod) -> PodInfo:
        """Compile a Pod."""
        return self.compiler.compile(made)

    def decide(self, made: pod_pb2.Pod, in_view: str = "") -> Found:
        """Say what the scheduler decides for a Pod."""
        decision = self.cycles.decide(self.info(made).pod_class, lambda _count: 0, in_view)
        if isinstance(decision, Scheduled):
            return Found(decision.node_name, (), "", waits=False)
        assert isinstance(decision, Unschedulable)
        victims = tuple(victim.name for victim in decision.victims)
        return Found(decision.nominated, victims, decision.message, decision.waits)


def nodes(*names: str, cpu: str = "4", pods: str = "110") -> list[node_pb2.Node]:
    """Make nodes that are alike."""
    return [node(name, cpu=cpu, pods=pods) for name in names]
