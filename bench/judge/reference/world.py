"""A cluster as the reference sees it: API objects, and which Pod is on which node.

Nothing is kept that follows from several of them.
"""

from collections.abc import Iterator
from copy import copy
from functools import cached_property

from bench.judge.reference.amounts import Amounts, asked, asked_for_scoring, read
from bench.judge.reference.storage import Storage
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.api.policy.v1 import pod_disruption_budget_pb2

_Terms = list[pod_pb2.PodAffinityTerm]
#: (protocol, port, address)
HostPort = tuple[str, int, str]


class Placed:
    """A Pod, perhaps on a node, with what is read of it again and again."""

    def __init__(self, pod: pod_pb2.Pod, node: str = "") -> None:
        self.pod, self.node = pod, node
        self.uid, self.namespace = pod.metadata.uid, pod.metadata.namespace
        self.labels = dict(pod.metadata.labels)
        self.terminating = pod.metadata.HasField("deletion_timestamp")
        self.priority = pod.spec.priority
        affinity = pod.spec.affinity
        #: terms of required affinity and anti-affinity
        self.together: _Terms = list(
            affinity.pod_affinity.required_during_scheduling_ignored_during_execution
        )
        self.apart: _Terms = list(
            affinity.pod_anti_affinity.required_during_scheduling_ignored_during_execution
        )
        #: preferred terms with their weights, those against others with negative ones
        self.preferred = [
            (item.weight, item.pod_affinity_term)
            for item in affinity.pod_affinity.preferred_during_scheduling_ignored_during_execution
        ] + [
            (-item.weight, item.pod_affinity_term)
            for item in affinity.pod_anti_affinity.preferred_during_scheduling_ignored_during_execution
        ]
        self.ports = host_ports(pod)

    @cached_property
    def asked(self) -> Amounts:
        """What must be free on a node."""
        return asked(self.pod)

    @cached_property
    def asked_for_scoring(self) -> Amounts:
        """The same, for scores."""
        return asked_for_scoring(self.pod)


def host_ports(pod: pod_pb2.Pod) -> list[HostPort]:
    """Return the ports of the node that containers which run for long want for themselves."""
    sidecars = [item for item in pod.spec.init_containers if item.restart_policy == "Always"]
    return [
        (port.protocol or "TCP", port.host_port, port.host_ip or "0.0.0.0")
        for container in [*pod.spec.containers, *sidecars]
        for port in container.ports
        if port.host_port
    ]


class World:
    """Nodes, the Pods on them, and the labels of namespaces."""

    def __init__(self) -> None:
        self.nodes: dict[str, node_pb2.Node] = {}
        #: of each node
        self.labels: dict[str, dict[str, str]] = {}
        self.allocatable: dict[str, Amounts] = {}
        #: uid -> Pod; one on a node that is not there (any more) counts nowhere
        self.pods: dict[str, Placed] = {}
        #: uids of Pods that others must keep away from
        self.hermits: set[str] = set()
        #: uids of Pods that have something to say about who comes near them
        self.sociable: set[str] = set()
        #: node -> Pods
        self._on: dict[str, list[Placed]] = {}
        #: uid -> Pod that has a node in view, for which room is being made
        self.coming: dict[str, Placed] = {}
        #: of each namespace
        self.namespaces: dict[str, dict[str, str]] = {}
        self.storage = Storage()
        #: PodDisruptionBudgets by namespace/name
        self.budgets: dict[str, pod_disruption_budget_pb2.PodDisruptionBudget] = {}

    def set_node(self, node: node_pb2.Node) -> None:
        """Take in a node as it is now."""
        name = node.metadata.name
        self.nodes[name] = node
        self.labels[name] = dict(node.metadata.labels)
        self.allocatable[name] = read(node.status.allocatable)

    def remove_node(self, name: str) -> None:
        """Take a node away; its Pods count again when it comes back."""
        del self.nodes[name]

    def place(self, pod: pod_pb2.Pod, node: str) -> None:
        """Put a Pod on a node, or what it has become."""
        if pod.metadata.uid in self.pods:
            self.remove(pod.metadata.uid)
        placed = self.pods[pod.metadata.uid] = Placed(pod, node)
        self._on.setdefault(node, []).append(placed)
        if placed.apart:
            self.hermits.add(placed.uid)
        if placed.together or placed.preferred:
            self.sociable.add(placed.uid)

    def remove(self, uid: str) -> None:
        """Take a Pod away."""
        placed = self.pods.pop(uid)
        self.hermits.discard(uid)
        self.sociable.discard(uid)
        self._on[placed.node] = [other for other in self._on[placed.node] if other is not placed]

    def nominate(self, pod: pod_pb2.Pod, node: str) -> None:
        """A Pod has a node in view."""
        self.coming[pod.metadata.uid] = Placed(pod, node)

    def on(self, node: str) -> list[Placed]:
        """Return the Pods of a node."""
        return self._on.get(node, [])

    def everybody(self) -> Iterator[tuple[Placed, dict[str, str]]]:
        """Return each Pod with the labels of its node."""
        for placed in self.pods.values():
            if placed.node in self.nodes:
                yield placed, self.labels[placed.node]

    def without(self, uids: set[str]) -> "World":
        """Return this world without some Pods."""
        return self._with_pods([placed for uid, placed in self.pods.items() if uid not in uids])

    def with_more(self, more: list[Placed]) -> "World":
        """Return this world with some Pods more."""
        return self._with_pods([*self.pods.values(), *more])

    def with_only(self, node: str, pods: list[Placed]) -> "World":
        """Return this world with these Pods on one node, and with none on any other."""
        other = copy(self)
        other.hermits, other.sociable = set(), set()
        other.pods, other._on = {placed.uid: placed for placed in pods}, {node: [*pods]}
        return other

    def _with_pods(self, pods: list[Placed]) -> "World":
        other = copy(self)
        other.hermits = {placed.uid for placed in pods if placed.apart}
        other.sociable = {placed.uid for placed in pods if placed.together or placed.preferred}
        other.pods, other._on = {}, {}
        for placed in pods:
            other.pods[placed.uid] = placed
            other._on.setdefault(placed.node, []).append(placed)
        return other
