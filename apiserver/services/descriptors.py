"""The descriptors of all services.

Importing the generated modules registers them, for the generic verbs and for reflection.
"""

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import ServiceDescriptor

from vaina.api.apps.v1 import (
    apps_service_pb2,
    controller_revision_service_pb2,
    daemon_set_service_pb2,
    deployment_service_pb2,
    stateful_set_service_pb2,
)
from vaina.api.autoscaling.v2 import horizontal_pod_autoscaler_service_pb2
from vaina.api.batch.v1 import cron_job_service_pb2, job_service_pb2
from vaina.api.coordination.v1 import lease_service_pb2
from vaina.api.core.v1 import (
    config_service_pb2,
    event_service_pb2,
    limit_range_service_pb2,
    manifest_service_pb2,
    namespace_service_pb2,
    node_service_pb2,
    persistent_volume_claim_service_pb2,
    persistent_volume_service_pb2,
    pod_service_pb2,
    replication_controller_service_pb2,
    resource_quota_service_pb2,
)
from vaina.api.metrics.v1beta1 import metrics_service_pb2
from vaina.api.policy.v1 import pod_disruption_budget_service_pb2
from vaina.api.scheduling.v1 import priority_class_service_pb2
from vaina.api.storage.v1 import (
    csi_driver_service_pb2,
    csi_node_service_pb2,
    csi_storage_capacity_service_pb2,
    storage_class_service_pb2,
    volume_attachment_service_pb2,
)
from vaina.api.trace.v1 import trace_service_pb2

_MODULES = (
    apps_service_pb2,
    config_service_pb2,
    controller_revision_service_pb2,
    cron_job_service_pb2,
    csi_driver_service_pb2,
    csi_node_service_pb2,
    csi_storage_capacity_service_pb2,
    daemon_set_service_pb2,
    deployment_service_pb2,
    event_service_pb2,
    horizontal_pod_autoscaler_service_pb2,
    job_service_pb2,
    lease_service_pb2,
    limit_range_service_pb2,
    manifest_service_pb2,
    metrics_service_pb2,
    namespace_service_pb2,
    node_service_pb2,
    persistent_volume_claim_service_pb2,
    persistent_volume_service_pb2,
    pod_disruption_budget_service_pb2,
    pod_service_pb2,
    priority_class_service_pb2,
    replication_controller_service_pb2,
    resource_quota_service_pb2,
    stateful_set_service_pb2,
    storage_class_service_pb2,
    trace_service_pb2,
    volume_attachment_service_pb2,
)


def service_descriptor(name: str) -> ServiceDescriptor:
    """Return the descriptor of a service by its full name. Raises KeyError."""
    return descriptor_pool.Default().FindServiceByName(name)
