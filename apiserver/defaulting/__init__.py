"""Defaulting: what an object means where its manifest says nothing. PURE.

Called by the registry before validation, on create and update, for every kind of `vaina.kinds`. Doing it
again changes nothing.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from google.protobuf.message import Message

from apiserver.defaulting import objects, stored_only, workloads
from vaina import kinds
from vaina.kinds import Kind
from vaina.objects.defaults import default_pod

#: kinds that are not here have no defaults
_DEFAULTS: Final[Mapping[str, Callable[[Any], None]]] = {
    kinds.POD.kind: default_pod,
    kinds.NODE.kind: objects.default_node,
    kinds.NAMESPACE.kind: objects.default_namespace,
    kinds.SECRET.kind: objects.default_secret,
    kinds.POD_TEMPLATE.kind: workloads.default_pod_template,
    kinds.REPLICATION_CONTROLLER.kind: workloads.default_replication_controller,
    kinds.REPLICA_SET.kind: workloads.default_replica_set,
    kinds.DEPLOYMENT.kind: workloads.default_deployment,
    kinds.STATEFUL_SET.kind: workloads.default_stateful_set,
    kinds.DAEMON_SET.kind: workloads.default_daemon_set,
    kinds.JOB.kind: workloads.default_job,
    kinds.CRON_JOB.kind: workloads.default_cron_job,
    kinds.HORIZONTAL_POD_AUTOSCALER.kind: workloads.default_autoscaler,
    kinds.RESOURCE_QUOTA.kind: objects.default_resource_quota,
    kinds.LIMIT_RANGE.kind: objects.default_limit_range,
    kinds.PRIORITY_CLASS.kind: objects.default_priority_class,
    kinds.CLUSTER_ROLE_BINDING.kind: objects.default_binding,
    kinds.ROLE_BINDING.kind: objects.default_binding,
    kinds.PERSISTENT_VOLUME.kind: objects.default_volume,
    kinds.PERSISTENT_VOLUME_CLAIM.kind: objects.default_claim_object,
    kinds.STORAGE_CLASS.kind: objects.default_class,
    kinds.CSI_DRIVER.kind: objects.default_driver,
    kinds.SERVICE.kind: stored_only.default_service,
    kinds.ENDPOINTS.kind: stored_only.default_endpoints,
    kinds.ENDPOINT_SLICE.kind: stored_only.default_endpoint_slice,
    kinds.NETWORK_POLICY.kind: stored_only.default_network_policy,
    kinds.INGRESS_CLASS.kind: stored_only.default_ingress_class,
    kinds.RESOURCE_CLAIM.kind: stored_only.default_claim,
    kinds.RESOURCE_CLAIM_TEMPLATE.kind: stored_only.default_claim_template,
}


def default(kind: Kind[Any], message: Message) -> None:
    """Set the defaults of an object in place."""
    if fill := _DEFAULTS.get(kind.kind):
        fill(message)
