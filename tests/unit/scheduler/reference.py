"""A plain scheduler to judge ours by: one Pod at a time, one node at a time, from the messages, with nothing kept.

Written from the documentation of kube-scheduler's plugins, without the columns. Slow, and meant to be read.
"""

from collections import Counter
from dataclasses import dataclass, field

from vaina.api.core.v1 import node_pb2, pod_pb2, reference_pb2
from vaina.objects.nodes import allocatable
from vaina.objects.pods import pod_requests

_CPU_DEFAULT, _MEMORY_DEFAULT = 100, 200 * 2**20


@dataclass
class Verdict:
    """The best nodes, or why there is none."""

    best: set[str]
    feasible: int
    message: str = ""
    rejected_by: frozenset[str] = frozenset()


@dataclass
class ReferenceScheduler:
    """Nodes and the Pods on them, as messages."""

    nodes: dict[str, node_pb2.Node] = field(default_factory=dict)
    #: node -> Pods
    pods: dict[str, list[pod_pb2.Pod]] = field(default_factory=dict)

    def decide(self, pod: pod_pb2.Pod) -> Verdict:
        """Say where the Pod may go."""
        if not self.nodes:
            return Verdict(set(), 0, "no nodes available to schedule pods")
        reasons: Counter[str] = Counter()
        rejected_by: set[str] = set()
        helpless = victims = 0
        lower = False
        feasible: list[str] = []
        names = _named(pod)
        for name, node in self.nodes.items():
            said = self._refuse(pod, node, names)
            if said is None:
                feasible.append(name)
                continue
            plugin, words, unresolvable = said
            rejected_by.add(plugin)
            reasons.update(words)
            if unresolvable:
                helpless += 1
            else:
                victims += 1
                lower |= any(other.spec.priority < pod.spec.priority for other in self.pods.get(name, ()))
        if feasible:
            scores = self._scores(pod, feasible)
            best = max(scores.values())
            return Verdict({name for name, score in scores.items() if score == best}, len(feasible))
        total = len(self.nodes)
        listed = ", ".join(sorted(f"{count} {reason}" for reason, count in reasons.items()))
        message = f"0/{total} nodes are available: {listed}."
        if not lower:
            found = {"No preemption victims found for incoming pod": victims,
                     "Preemption is not helpful for scheduling": helpless}  # fmt: skip
            parts = ", ".join(sorted(f"{count} {words}" for words, count in found.items() if count))
            message += f" preemption: 0/{total} nodes are available: {parts}."
        return Verdict(set(), 0, message, frozenset(rejected_by))

    def _refuse(
        self, pod: pod_pb2.Pod, node: node_pb2.Node, names: set[str] | None
    ) -> tuple[str, list[str], bool] | None:
        """The first plugin that refuses, its reasons, and whether eviction is of no use."""
        if names is not None and node.metadata.name not in names:
            return "NodeAffinity", ["node(s) didn't satisfy plugin(s) [NodeAffinity]"], True
        cordon = node_pb2.Taint(key="node.kubernetes.io/unschedulable", effect="NoSchedule")
        if node.spec.unschedulable and not _tolerates(pod, cordon):
            return "NodeUnschedulable", ["node(s) were unschedulable"], True
        if any(t.effect in ("NoSchedule", "NoExecute") and not _tolerates(pod, t) for t in node.spec.taints):
            return "TaintToleration", ["node(s) had untolerated taint(s)"], True
        if not _selected(pod, node):
            return "NodeAffinity", ["node(s) didn't match Pod's node affinity/selector"], True
        there = self.pods.get(node.metadata.name, [])
        if any(_collide(pod, other) for other in there):
            return "NodePorts", ["node(s) didn't have free ports for the requested pod ports"], False
        return self._lacks(pod, node, there)

    def _lacks(
        self, pod: pod_pb2.Pod, node: node_pb2.Node, there: list[pod_pb2.Pod]
    ) -> tuple[str, list[str], bool] | None:
        has = allocatable(node)
        words = ["Too many pods"] if len(there) + 1 > has.get("pods", 0) else []
        unresolvable = False
        for resource, amount in pod_requests(pod).items():
            taken = sum(pod_requests(other).get(resource, 0) for other in there)
            if amount > 0 and amount > has.get(resource, 0) - taken:
                words.append(f"Insufficient {resource}")
                unresolvable |= amount > has.get(resource, 0)
        return ("NodeResourcesFit", words, unresolvable) if words else None

    def _scores(self, pod: pod_pb2.Pod, names: list[str]) -> dict[str, int]:
        taints = {
            name: sum(
                taint.effect == "PreferNoSchedule" and not _tolerates(pod, taint)
                for taint in self.nodes[name].spec.taints
            )
            for name in names
        }
        terms = pod.spec.affinity.node_affinity.preferred_during_scheduling_ignored_during_execution
        affinity = {
            name: sum(item.weight for item in terms if _matches(item.preference, self.nodes[name]))
            for name in names
        }
        most_taints, most_affinity = max(taints.values()), max(affinity.values())
        scores = {}
        for name in names:
            taint = 100 - (taints[name] * 100 // most_taints) if most_taints else 100
            wanted = affinity[name] * 100 // most_affinity if most_affinity else 0
            scores[name] = 3 * taint + 2 * wanted + self._least(pod, name) + self._balance(pod, name)
        return scores

    def _least(self, pod: pod_pb2.Pod, name: str) -> int:
        has = allocatable(self.nodes[name])
        everybody = [pod, *self.pods.get(name, [])]
        parts = []
        for resource, default in (("cpu", _CPU_DEFAULT), ("memory", _MEMORY_DEFAULT)):
            if has.get(resource, 0) == 0:
                continue
            taken = sum(_nonzero(other, resource, default) for other in everybody)
            parts.append(max(has[resource] - taken, 0) * 100 // has[resource])
        return sum(parts) // len(parts) if parts else 0

    def _balance(self, pod: pod_pb2.Pod, name: str) -> int:
        asked = pod_requests(pod)
        if not asked.get("cpu") and not asked.get("memory"):
            return 0
        has = allocatable(self.nodes[name])

        def balance(pods: list[pod_pb2.Pod]) -> int:
            shares = [
                min(sum(pod_requests(other).get(resource, 0) for other in pods) / has[resource], 1.0)
                for resource in ("cpu", "memory")
                if has.get(resource, 0)
            ]
            deviation = abs(shares[0] - shares[1]) / 2 if len(shares) == 2 else 0.0
            return int((1 - deviation) * 100)

        there = self.pods.get(name, [])
        change = 50 + balance([*there, pod]) - balance(there)
        return 50 + int(change / 2)


def _nonzero(pod: pod_pb2.Pod, resource: str, default: int) -> int:
    """What the containers (tests have no init containers) count for in scoring."""
    named = pod_requests(pod).get(resource, 0)
    silent = sum(resource not in container.resources.requests for container in pod.spec.containers)
    return named + silent * default


def _tolerates(pod: pod_pb2.Pod, taint: node_pb2.Taint) -> bool:
    for item in pod.spec.tolerations:
        if item.effect not in ("", taint.effect) or item.key not in ("", taint.key):
            continue
        if item.operator == "Exists" or (item.operator in ("", "Equal") and item.value == taint.value):
            return True
    return False


def _selected(pod: pod_pb2.Pod, node: node_pb2.Node) -> bool:
    labels = node.metadata.labels
    if any(labels.get(key) != value for key, value in pod.spec.node_selector.items()):
        return False
    affinity = pod.spec.affinity.node_affinity
    if not affinity.HasField("required_during_scheduling_ignored_during_execution"):
        return True
    terms = affinity.required_during_scheduling_ignored_during_execution.node_selector_terms
    return any(_matches(item, node) for item in terms)


def _named(pod: pod_pb2.Pod) -> set[str] | None:
    affinity = pod.spec.affinity.node_affinity
    if not affinity.HasField("required_during_scheduling_ignored_during_execution"):
        return None
    terms = affinity.required_during_scheduling_ignored_during_execution.node_selector_terms
    if not terms or not all(item.match_fields for item in terms):
        return None
    return {name for item in terms for field in item.match_fields for name in field.values}


def _matches(term: reference_pb2.NodeSelectorTerm, node: node_pb2.Node) -> bool:
    if not term.match_expressions and not term.match_fields:
        return False
    for item in term.match_expressions:
        value = node.metadata.labels.get(item.key)
        match item.operator:
            case "In":
                holds = value in item.values
            case "NotIn":
                holds = value not in item.values
            case "Exists":
                holds = value is not None
            case "DoesNotExist":
                holds = value is None
            case "Gt":
                holds = value is not None and value.isdigit() and int(value) > int(item.values[0])
            case _:
                holds = value is not None and value.isdigit() and int(value) < int(item.values[0])
        if not holds:
            return False
    return all(node.metadata.name in item.values for item in term.match_fields)


def _collide(pod: pod_pb2.Pod, other: pod_pb2.Pod) -> bool:
    def ports(of: pod_pb2.Pod) -> list[tuple[int, str]]:
        return [
            (p.host_port, p.host_ip or "0.0.0.0") for c in of.spec.containers for p in c.ports if p.host_port
        ]

    return any(
        wanted == taken and (left == right or "0.0.0.0" in (left, right))
        for wanted, left in ports(pod)
        for taken, right in ports(other)
    )
