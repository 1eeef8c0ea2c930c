"""PodTopologySpread (docs: *Pod Topology Spread Constraints*).

DoNotSchedule: the Pods that match in the node's domain, the new one included if it matches, are at most
maxSkew more than in the domain with the fewest, or than 0 while there are fewer domains than minDomains.
ScheduleAnyway: the fewer match, the better. Which nodes count is up to the inclusion policies, and to their
having all topology keys.

A Pod that says nothing itself gets the built-in constraints, if a ReplicationController, ReplicaSet or
StatefulSet made it: among the Pods of that one. Nodes without the keys count then: their domain is the one
without a name.
"""

import math
from collections.abc import Mapping, Sequence

from bench.judge.reference.node_rules import repelled
from bench.judge.reference.rule import Refusal, Rule
from bench.judge.reference.selectors import selected, selects
from bench.judge.reference.world import Placed, World
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.api.meta.v1 import meta_pb2

_HOSTNAME = "kubernetes.io/hostname"
_Constraint = pod_pb2.TopologySpreadConstraint
#: built in (docs: *Internal default constraints*)
_DEFAULTS = (
    _Constraint(max_skew=3, topology_key=_HOSTNAME, when_unsatisfiable="ScheduleAnyway"),
    _Constraint(max_skew=5, topology_key="topology.kubernetes.io/zone", when_unsatisfiable="ScheduleAnyway"),
)
_MAKERS = ("v1/ReplicationController", "apps/v1/ReplicaSet", "apps/v1/StatefulSet")


class Spread(Rule):
    """Topology spread."""

    name = "PodTopologySpread"

    def __init__(self, world: World, wanting: Placed) -> None:
        super().__init__(world, wanting)
        everything: Sequence[_Constraint] = wanting.pod.spec.topology_spread_constraints
        #: who made the Pod, where that decides among which Pods it is spread
        self._maker = "" if everything else maker_of(wanting.pod)
        if self._maker:
            everything = _DEFAULTS
        self._hard = [item for item in everything if item.when_unsatisfiable == "DoNotSchedule"]
        self._soft = [item for item in everything if item.when_unsatisfiable == "ScheduleAnyway"]
        self._counts = [self._by_domain(item, self._hard) for item in self._hard]

    def refuse(self, node: node_pb2.Node) -> Refusal | None:
        for item, counts in zip(self._hard, self._counts, strict=True):
            domain = node.metadata.labels.get(item.topology_key)
            if domain is None:
                words = "node(s) didn't match pod topology spread constraints (missing required label)"
                return Refusal((words,), helpless=True)
            fewest = min(counts.values(), default=0)
            least = item.min_domains if item.HasField("min_domains") else 1
            if len(counts) < least:
                fewest = 0
            itself = selects(selector_of(item, self.pod), self.wanting.labels) if is_set(item) else False
            if counts.get(domain, 0) + itself - fewest > item.max_skew:
                return Refusal(("node(s) didn't match pod topology spread constraints",))
        return None

    def _by_domain(self, item: _Constraint, together: Sequence[_Constraint]) -> dict[str, int]:
        """Return how many Pods match in each domain that counts."""
        found: dict[str, int] = {}
        for name, node in self.world.nodes.items():
            if self._has_keys(node, together) and self._counts_for(item, node):
                domain = node.metadata.labels.get(item.topology_key, "")
                found[domain] = found.get(domain, 0) + self._matching(item, self.world.on(name))
        return found

    def _counts_for(self, item: _Constraint, node: node_pb2.Node) -> bool:
        """Say whether a node counts by the policies.

        Affinity is honoured unless said otherwise, taints only when said so.
        """
        if item.node_affinity_policy != "Ignore" and not selected(self.pod, node):
            return False
        return item.node_taints_policy != "Honor" or not repelled(self.pod, node)

    def _has_keys(self, node: node_pb2.Node, constraints: Sequence[_Constraint]) -> bool:
        return bool(self._maker) or has_all_keys(node, constraints)

    def _matching(self, item: _Constraint, pods: Sequence[Placed]) -> int:
        """Return how many Pods of our namespace match, those that are about to go left out."""
        if self._maker:
            ours = (other for other in pods if other.namespace == self.wanting.namespace)
            return sum(not other.terminating and maker_of(other.pod) == self._maker for other in ours)
        if not is_set(item):
            return 0
        selector = selector_of(item, self.pod)
        return sum(
            not other.terminating
            and other.namespace == self.wanting.namespace
            and selects(selector, other.labels)
            for other in pods
        )

    def scores(self, nodes: Sequence[node_pb2.Node]) -> Mapping[str, int]:
        if not self._soft:
            return super().scores(nodes)
        scored = [node for node in nodes if self._has_keys(node, self._soft)]
        raw = dict.fromkeys((node.metadata.name for node in scored), 0.0)
        for item in self._soft:
            if item.topology_key == _HOSTNAME:
                size = len(scored)
                counts = {
                    node.metadata.name: self._matching(item, self.world.on(node.metadata.name))
                    for node in scored
                }
            else:
                by_domain = self._by_domain(item, self._soft)
                size = len({node.metadata.labels.get(item.topology_key, "") for node in scored})
                counts = {
                    node.metadata.name: by_domain.get(node.metadata.labels[item.topology_key], 0)
                    for node in scored
                    if item.topology_key in node.metadata.labels
                }
            for name, count in counts.items():
                raw[name] += count * math.log(size + 2) + (item.max_skew - 1)
        whole = {name: math.floor(value + 0.5) for name, value in raw.items()}
        scores = dict(super().scores(nodes))
        if whole:
            lowest, highest = min(whole.values()), max(whole.values())
            for name, value in whole.items():
                scores[name] = 100 * (highest + lowest - value) // highest if highest else 100
        return scores


def maker_of(pod: pod_pb2.Pod) -> str:
    """Return the uid of whoever made a Pod, if it is of a kind whose Pods are spread by default."""
    for owner in pod.metadata.owner_references:
        if owner.controller and f"{owner.api_version}/{owner.kind}" in _MAKERS:
            return owner.uid
    return ""


def is_set(item: _Constraint) -> bool:
    """Say whether a constraint has a selector; without one it means nobody."""
    return item.HasField("label_selector")


def selector_of(item: _Constraint, pod: pod_pb2.Pod) -> meta_pb2.LabelSelector:
    """Return the selector with what matchLabelKeys add: the Pod's own values."""
    selector = meta_pb2.LabelSelector()
    selector.CopyFrom(item.label_selector)
    for key in item.match_label_keys:
        if key in pod.metadata.labels:
            selector.match_expressions.add(key=key, operator="In", values=[pod.metadata.labels[key]])
    return selector


def has_all_keys(node: node_pb2.Node, constraints: Sequence[_Constraint]) -> bool:
    """Say whether a node has all topology keys."""
    return all(item.topology_key in node.metadata.labels for item in constraints)
