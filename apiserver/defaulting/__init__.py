"""Defaulting: what an object means where its manifest says nothing. PURE.

Called by the registry before validation, on create and update, for every kind of `vaina.kinds`. Follows
`pkg/apis/core/v1/defaults.go`, `pkg/apis/apps/v1/defaults.go`, `pkg/apis/batch/v1/defaults.go`,
`pkg/apis/autoscaling/v2/defaults.go`, `pkg/apis/scheduling/v1/defaults.go`, `pkg/apis/storage/v1/defaults.go`
and, where named, admission plugins. Doing it again changes nothing.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from google.protobuf.message import Message

from apiserver.defaulting import autoscalers, jobs, limits, objects, sets, storage
from vaina import kinds
from vaina.kinds import Kind
from vaina.objects.defaults import default_pod

#: kinds that are not here have no defaults
_DEFAULTS: Final[Mapping[str, Callable[[Any], None]]] = {
    kinds.POD.kind: default_pod,
    kinds.NODE.kind: objects.default_node,
    kinds.NAMESPACE.kind: objects.default_namespace,
    kinds.SECRET.kind: objects.default_secret,
    kinds.POD_TEMPLATE.kind: objects.default_pod_template,
    kinds.REPLICATION_CONTROLLER.kind: objects.default_replication_controller,
    kinds.REPLICA_SET.kind: objects.default_replica_set,
    kinds.DEPLOYMENT.kind: objects.default_deployment,
    kinds.STATEFUL_SET.kind: sets.default_stateful_set,
    kinds.DAEMON_SET.kind: sets.default_daemon_set,
    kinds.JOB.kind: jobs.default_job,
    kinds.CRON_JOB.kind: jobs.default_cron_job,
    kinds.HORIZONTAL_POD_AUTOSCALER.kind: autoscalers.default_autoscaler,
    kinds.RESOURCE_QUOTA.kind: limits.default_resource_quota,
    kinds.LIMIT_RANGE.kind: limits.default_limit_range,
    kinds.PRIORITY_CLASS.kind: limits.default_priority_class,
    kinds.PERSISTENT_VOLUME.kind: storage.default_volume,
    kinds.PERSISTENT_VOLUME_CLAIM.kind: storage.default_claim_object,
    kinds.STORAGE_CLASS.kind: storage.default_class,
    kinds.CSI_DRIVER.kind: storage.default_driver,
}


def default(kind: Kind[Any], message: Message) -> None:
    """Set the defaults of an object in place."""
    if fill := _DEFAULTS.get(kind.kind):
        fill(message)
