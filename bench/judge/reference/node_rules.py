"""Rules that look at the node alone.

Cordons, taints, selectors (docs: *Taints and Tolerations*, *Assigning Pods to Nodes*).
"""

from collections.abc import Mapping, Sequence

from bench.judge.reference.rule import Refusal, Rule, to_hundred
from bench.judge.reference.selectors import required_terms, selected, term_holds
from vaina.api.core.v1 import node_pb2, pod_pb2

_CORDON = node_pb2.Taint(key="node.kubernetes.io/unschedulable", effect="NoSchedule")


class Unschedulable(Rule):
    """Nodes that take nobody."""

    name = "NodeUnschedulable"

    def refuse(self, node: node_pb2.Node) -> Refusal | None:
        if node.spec.unschedulable and not tolerates(self.pod, _CORDON):
            return Refusal(("node(s) were unschedulable",), helpless=True)
        return None


class Taints(Rule):
    """Taints that a Pod does not tolerate."""

    name = "TaintToleration"

    def refuse(self, node: node_pb2.Node) -> Refusal | None:
        if repelled(self.pod, node):
            return Refusal(("node(s) had untolerated taint(s)",), helpless=True)
        return None

    def scores(self, nodes: Sequence[node_pb2.Node]) -> Mapping[str, int]:
        disliked = {
            node.metadata.name: sum(
                taint.effect == "PreferNoSchedule" and not tolerates(self.pod, taint)
                for taint in node.spec.taints
            )
            for node in nodes
        }
        return to_hundred(disliked, less_is_better=True)


class Affinity(Rule):
    """Node selector and node affinity."""

    name = "NodeAffinity"

    def refuse(self, node: node_pb2.Node) -> Refusal | None:
        if selected(self.pod, node):
            return None
        return Refusal(("node(s) didn't match Pod's node affinity/selector",), helpless=True)

    def scores(self, nodes: Sequence[node_pb2.Node]) -> Mapping[str, int]:
        terms = self.pod.spec.affinity.node_affinity.preferred_during_scheduling_ignored_during_execution
        wanted = {
            node.metadata.name: sum(item.weight for item in terms if term_holds(item.preference, node))
            for node in nodes
        }
        return to_hundred(wanted)


class Features(Rule):
    """Features that a kubelet declares (docs: *Node Declared Features*)."""

    name = "NodeDeclaredFeatures"

    def refuse(self, node: node_pb2.Node) -> Refusal | None:
        if needed_features(self.pod.spec) <= {*node.status.declared_features}:
            return None
        return Refusal(("node(s) didn't match Pod's required features",), helpless=True)


def needed_features(spec: pod_pb2.PodSpec) -> set[str]:
    """Return the features without which a Pod cannot run as its spec says."""
    needed = set()
    for container in [*spec.init_containers, *spec.containers]:
        if "RestartAllContainers" in {rule.action for rule in container.restart_policy_rules}:
            needed.add("RestartAllContainersOnContainerExits")
        if any(mount.bind_mount_options for mount in container.volume_mounts):
            needed.add("VolumeBindMountOptions")
    for late in spec.ephemeral_containers:
        if any(mount.bind_mount_options for mount in late.ephemeral_container_common.volume_mounts):
            needed.add("VolumeBindMountOptions")
    if spec.host_network and spec.HasField("host_users") and not spec.host_users:
        needed.add("UserNamespacesHostNetworkSupport")
    return needed


def named_nodes(pod: pod_pb2.Pod) -> set[str] | None:
    """Return the nodes that come into question when every alternative names some; None: any node."""
    terms = required_terms(pod)
    if not terms:
        return None
    found: set[str] = set()
    for term in terms:
        lists = [
            set(item.values)
            for item in term.match_fields
            if item.key == "metadata.name" and item.operator == "In"
        ]
        if not lists:
            return None
        found |= set.intersection(*lists)
    return found


def repelled(pod: pod_pb2.Pod, node: node_pb2.Node) -> bool:
    """Say whether a taint of the node keeps the Pod away."""
    return any(
        taint.effect in ("NoSchedule", "NoExecute") and not tolerates(pod, taint)
        for taint in node.spec.taints
    )


def tolerates(pod: pod_pb2.Pod, taint: node_pb2.Taint) -> bool:
    """Say whether a taint does not matter to the Pod."""
    for item in pod.spec.tolerations:
        if item.effect not in ("", taint.effect) or item.key not in ("", taint.key):
            continue
        if item.operator == "Exists" or (item.operator in ("", "Equal") and item.value == taint.value):
            return True
    return False
