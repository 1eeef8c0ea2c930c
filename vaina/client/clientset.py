"""All clients over one transport."""

from functools import cached_property
from typing import TypeVar

from google.protobuf.message import Message

from vaina import kinds
from vaina.api.apps.v1 import (
    apps_pb2,
    controller_revision_pb2,
    daemon_set_pb2,
    deployment_pb2,
    stateful_set_pb2,
)
from vaina.api.autoscaling.v2 import horizontal_pod_autoscaler_pb2
from vaina.api.batch.v1 import job_pb2
from vaina.api.coordination.v1 import lease_pb2
from vaina.api.core.v1 import (
    config_pb2,
    event_pb2,
    limit_range_pb2,
    node_pb2,
    persistent_volume_pb2,
    replication_controller_pb2,
    resource_quota_pb2,
)
from vaina.api.policy.v1 import pod_disruption_budget_pb2
from vaina.api.scheduling.v1 import priority_class_pb2
from vaina.api.storage.v1 import (
    csi_driver_pb2,
    csi_node_pb2,
    csi_storage_capacity_pb2,
    storage_class_pb2,
    volume_attachment_pb2,
)
from vaina.api.version.v1 import version_service_pb2
from vaina.client.resource import ResourceClient
from vaina.client.resource_metrics import ResourceMetricsClient
from vaina.client.transport import DEFAULT_TIMEOUT_SECONDS, Transport
from vaina.client.verbs import ManifestClient, NamespaceClient, PodClient, PodTraceClient, ScalableClient
from vaina.kinds import Kind

M = TypeVar("M", bound=Message)

VERSION_SERVICE = "vaina.api.version.v1.VersionService"


class Clientset:
    """A client of every kind. Owns its transport: use it as an async context manager, or close it once."""

    def __init__(self, transport: Transport, *, timeout: float = DEFAULT_TIMEOUT_SECONDS) -> None:
        self.transport, self._timeout = transport, timeout

    async def __aenter__(self) -> "Clientset":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the transport."""
        await self.transport.close()

    def kind(self, kind: Kind[M]) -> ResourceClient[M]:
        """Return the client of a kind, with the verbs that all kinds have."""
        return ResourceClient(self.transport, kind, timeout=self._timeout)

    @cached_property
    def metrics(self) -> ResourceMetricsClient:
        """What nodes and Pods use now."""
        return ResourceMetricsClient(self.transport, timeout=self._timeout)

    @cached_property
    def pods(self) -> PodClient:
        """Pods."""
        return PodClient(self.transport, kinds.POD, timeout=self._timeout)

    @cached_property
    def nodes(self) -> ResourceClient[node_pb2.Node]:
        """Nodes."""
        return self.kind(kinds.NODE)

    @cached_property
    def namespaces(self) -> NamespaceClient:
        """Namespaces."""
        return NamespaceClient(self.transport, kinds.NAMESPACE, timeout=self._timeout)

    @cached_property
    def config_maps(self) -> ResourceClient[config_pb2.ConfigMap]:
        """ConfigMaps."""
        return self.kind(kinds.CONFIG_MAP)

    @cached_property
    def secrets(self) -> ResourceClient[config_pb2.Secret]:
        """Secrets."""
        return self.kind(kinds.SECRET)

    @cached_property
    def events(self) -> ResourceClient[event_pb2.Event]:
        """Events."""
        return self.kind(kinds.EVENT)

    @cached_property
    def replication_controllers(self) -> ScalableClient[replication_controller_pb2.ReplicationController]:
        """ReplicationControllers."""
        return ScalableClient(self.transport, kinds.REPLICATION_CONTROLLER, timeout=self._timeout)

    @cached_property
    def replica_sets(self) -> ScalableClient[apps_pb2.ReplicaSet]:
        """ReplicaSets."""
        return ScalableClient(self.transport, kinds.REPLICA_SET, timeout=self._timeout)

    @cached_property
    def deployments(self) -> ScalableClient[deployment_pb2.Deployment]:
        """Deployments."""
        return ScalableClient(self.transport, kinds.DEPLOYMENT, timeout=self._timeout)

    @cached_property
    def stateful_sets(self) -> ScalableClient[stateful_set_pb2.StatefulSet]:
        """StatefulSets."""
        return ScalableClient(self.transport, kinds.STATEFUL_SET, timeout=self._timeout)

    @cached_property
    def daemon_sets(self) -> ResourceClient[daemon_set_pb2.DaemonSet]:
        """DaemonSets."""
        return self.kind(kinds.DAEMON_SET)

    @cached_property
    def horizontal_pod_autoscalers(
        self,
    ) -> ResourceClient[horizontal_pod_autoscaler_pb2.HorizontalPodAutoscaler]:
        """HorizontalPodAutoscalers."""
        return self.kind(kinds.HORIZONTAL_POD_AUTOSCALER)

    @cached_property
    def controller_revisions(self) -> ResourceClient[controller_revision_pb2.ControllerRevision]:
        """ControllerRevisions."""
        return self.kind(kinds.CONTROLLER_REVISION)

    @cached_property
    def jobs(self) -> ResourceClient[job_pb2.Job]:
        """Jobs."""
        return self.kind(kinds.JOB)

    @cached_property
    def cron_jobs(self) -> ResourceClient[job_pb2.CronJob]:
        """CronJobs."""
        return self.kind(kinds.CRON_JOB)

    @cached_property
    def resource_quotas(self) -> ResourceClient[resource_quota_pb2.ResourceQuota]:
        """ResourceQuotas."""
        return self.kind(kinds.RESOURCE_QUOTA)

    @cached_property
    def limit_ranges(self) -> ResourceClient[limit_range_pb2.LimitRange]:
        """LimitRanges."""
        return self.kind(kinds.LIMIT_RANGE)

    @cached_property
    def priority_classes(self) -> ResourceClient[priority_class_pb2.PriorityClass]:
        """PriorityClasses."""
        return self.kind(kinds.PRIORITY_CLASS)

    @cached_property
    def pod_disruption_budgets(self) -> ResourceClient[pod_disruption_budget_pb2.PodDisruptionBudget]:
        """PodDisruptionBudgets."""
        return self.kind(kinds.POD_DISRUPTION_BUDGET)

    @cached_property
    def persistent_volumes(self) -> ResourceClient[persistent_volume_pb2.PersistentVolume]:
        """PersistentVolumes."""
        return self.kind(kinds.PERSISTENT_VOLUME)

    @cached_property
    def persistent_volume_claims(self) -> ResourceClient[persistent_volume_pb2.PersistentVolumeClaim]:
        """PersistentVolumeClaims."""
        return self.kind(kinds.PERSISTENT_VOLUME_CLAIM)

    @cached_property
    def storage_classes(self) -> ResourceClient[storage_class_pb2.StorageClass]:
        """StorageClasses."""
        return self.kind(kinds.STORAGE_CLASS)

    @cached_property
    def csi_nodes(self) -> ResourceClient[csi_node_pb2.CSINode]:
        """CSINodes."""
        return self.kind(kinds.CSI_NODE)

    @cached_property
    def csi_drivers(self) -> ResourceClient[csi_driver_pb2.CSIDriver]:
        """CSIDrivers."""
        return self.kind(kinds.CSI_DRIVER)

    @cached_property
    def csi_storage_capacities(self) -> ResourceClient[csi_storage_capacity_pb2.CSIStorageCapacity]:
        """CSIStorageCapacities."""
        return self.kind(kinds.CSI_STORAGE_CAPACITY)

    @cached_property
    def volume_attachments(self) -> ResourceClient[volume_attachment_pb2.VolumeAttachment]:
        """VolumeAttachments."""
        return self.kind(kinds.VOLUME_ATTACHMENT)

    @cached_property
    def leases(self) -> ResourceClient[lease_pb2.Lease]:
        """Leases."""
        return self.kind(kinds.LEASE)

    @cached_property
    def pod_traces(self) -> PodTraceClient:
        """PodTraces."""
        return PodTraceClient(self.transport, kinds.POD_TRACE, timeout=self._timeout)

    @cached_property
    def manifests(self) -> ManifestClient:
        """Manifests as text."""
        return ManifestClient(self.transport)

    async def version(self) -> version_service_pb2.VersionInfo:
        """Return which vaina answers."""
        request = version_service_pb2.GetVersionRequest().SerializeToString()
        answer = await self.transport.unary(f"/{VERSION_SERVICE}/Get", request, timeout=self._timeout)
        return version_service_pb2.VersionInfo.FromString(answer)
