"""Defaults of all kinds but Pods."""

from typing import Final

from vaina.api.apps.v1 import apps_pb2, deployment_pb2
from vaina.api.core.v1 import config_pb2, namespace_pb2, node_pb2, pod_pb2, replication_controller_pb2
from vaina.objects.defaults import default_pod_spec, round_up

_QUARTER: Final = "25%"
_REVISIONS_KEPT: Final = 10
_PROGRESS_SECONDS: Final = 600


def default_node(node: node_pb2.Node) -> None:
    """Complete the status; keep both forms of a node's network for Pods equal."""
    default_node_status(node.status)
    first, listed = node.spec.pod_cidr, node.spec.pod_cidrs
    if first and (not listed or listed[0] != first):
        # The older form wins, as in upstream's conversion: its writers do not know the list.
        node.spec.ClearField("pod_cidrs")
        node.spec.pod_cidrs.append(first)
    elif listed and not first:
        node.spec.pod_cidr = listed[0]


def default_node_status(status: node_pb2.NodeStatus) -> None:
    """Offer to Pods all that a node has, where it does not say.

    Follows `SetDefaults_NodeStatus`, pkg/apis/core/v1/defaults.go.
    """
    round_up(status.capacity)
    round_up(status.allocatable)
    if not status.allocatable:
        for name in status.capacity:
            status.allocatable[name].string = status.capacity[name].string


def default_namespace(namespace: namespace_pb2.Namespace) -> None:
    """Give a Namespace the label that selectors find it by, and its first phase."""
    if name := namespace.metadata.name:
        namespace.metadata.labels["kubernetes.io/metadata.name"] = name
    namespace.status.phase = namespace.status.phase or "Active"


def default_secret(secret: config_pb2.Secret) -> None:
    """Give a Secret its type."""
    secret.type = secret.type or "Opaque"


def default_pod_template(template: pod_pb2.PodTemplate) -> None:
    """Complete the spec of the Pods to be."""
    default_pod_spec(template.template.spec)


def default_replication_controller(controller: replication_controller_pb2.ReplicationController) -> None:
    """Take selector and labels from the template's labels."""
    spec = controller.spec
    if not spec.HasField("replicas"):
        spec.replicas = 1
    if not spec.HasField("template"):
        return
    labels = dict(spec.template.metadata.labels)
    if not spec.selector:
        spec.selector.update(labels)
    if not controller.metadata.labels:
        controller.metadata.labels.update(labels)
    default_pod_spec(spec.template.spec)


def default_replica_set(replica_set: apps_pb2.ReplicaSet) -> None:
    """Make one Pod where no number is given. The selector has no default (since apps/v1)."""
    spec = replica_set.spec
    if not spec.HasField("replicas"):
        spec.replicas = 1
    default_pod_spec(spec.template.spec)


def default_deployment(deployment: deployment_pb2.Deployment) -> None:
    """Make one Pod, and roll by a quarter, where nothing else is said."""
    spec = deployment.spec
    if not spec.HasField("replicas"):
        spec.replicas = 1
    strategy = spec.strategy
    strategy.type = strategy.type or "RollingUpdate"
    if strategy.type == "RollingUpdate":
        rolling = strategy.rolling_update
        rolling.SetInParent()
        for field in ("max_unavailable", "max_surge"):
            if not rolling.HasField(field):
                amount = getattr(rolling, field)
                amount.type, amount.str_val = 1, _QUARTER
    if not spec.HasField("revision_history_limit"):
        spec.revision_history_limit = _REVISIONS_KEPT
    if not spec.HasField("progress_deadline_seconds"):
        spec.progress_deadline_seconds = _PROGRESS_SECONDS
    default_pod_spec(spec.template.spec)
