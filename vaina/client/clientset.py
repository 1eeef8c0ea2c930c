"""All clients over one transport."""

from functools import cached_property
from typing import Any, TypeVar

from google.protobuf.message import Message

from vaina import kinds
from vaina.api.machinery.v1 import machinery_service_pb2
from vaina.api.version.v1 import version_service_pb2
from vaina.client.resource import ResourceClient
from vaina.client.reviews import Reviews
from vaina.client.transport import DEFAULT_TIMEOUT_SECONDS, Transport
from vaina.client.verbs import (
    CertificateRequestClient,
    ManifestClient,
    NamespaceClient,
    PodClient,
    PodTraceClient,
    ResourceMetricsClient,
    ScalableClient,
    ServiceAccountClient,
)
from vaina.kinds import Kind

M = TypeVar("M", bound=Message)
C = TypeVar("C", bound=ResourceClient[Any])

MACHINERY_SERVICE = "vaina.api.machinery.v1.MachineryService"
VERSION_SERVICE = "vaina.api.version.v1.VersionService"


def _client(kind: Kind[M]) -> cached_property[ResourceClient[M]]:
    return cached_property(lambda clients: clients.kind(kind))


def _own(client: type[C], kind: Kind[Any]) -> cached_property[C]:
    return cached_property(lambda clients: client(clients.transport, kind, timeout=clients.timeout))


def _scalable(kind: Kind[M]) -> cached_property[ScalableClient[M]]:
    return cached_property(lambda clients: ScalableClient(clients.transport, kind, timeout=clients.timeout))


class Clientset:
    """The clients of all kinds. It owns its transport: use it as an async context manager, or close it."""

    pods = _own(PodClient, kinds.POD)
    namespaces = _own(NamespaceClient, kinds.NAMESPACE)
    nodes = _client(kinds.NODE)
    config_maps = _client(kinds.CONFIG_MAP)
    secrets = _client(kinds.SECRET)
    service_accounts = _own(ServiceAccountClient, kinds.SERVICE_ACCOUNT)
    events = _client(kinds.EVENT)
    replication_controllers = _scalable(kinds.REPLICATION_CONTROLLER)
    replica_sets = _scalable(kinds.REPLICA_SET)
    deployments = _scalable(kinds.DEPLOYMENT)
    stateful_sets = _scalable(kinds.STATEFUL_SET)
    daemon_sets = _client(kinds.DAEMON_SET)
    horizontal_pod_autoscalers = _client(kinds.HORIZONTAL_POD_AUTOSCALER)
    controller_revisions = _client(kinds.CONTROLLER_REVISION)
    jobs = _client(kinds.JOB)
    cron_jobs = _client(kinds.CRON_JOB)
    resource_quotas = _client(kinds.RESOURCE_QUOTA)
    limit_ranges = _client(kinds.LIMIT_RANGE)
    priority_classes = _client(kinds.PRIORITY_CLASS)
    runtime_classes = _client(kinds.RUNTIME_CLASS)
    pod_disruption_budgets = _client(kinds.POD_DISRUPTION_BUDGET)
    persistent_volumes = _client(kinds.PERSISTENT_VOLUME)
    persistent_volume_claims = _client(kinds.PERSISTENT_VOLUME_CLAIM)
    storage_classes = _client(kinds.STORAGE_CLASS)
    csi_nodes = _client(kinds.CSI_NODE)
    csi_drivers = _client(kinds.CSI_DRIVER)
    csi_storage_capacities = _client(kinds.CSI_STORAGE_CAPACITY)
    volume_attachments = _client(kinds.VOLUME_ATTACHMENT)
    leases = _client(kinds.LEASE)
    certificate_signing_requests = _own(CertificateRequestClient, kinds.CERTIFICATE_SIGNING_REQUEST)
    pod_traces = _own(PodTraceClient, kinds.POD_TRACE)

    #: who may do what
    reviews = cached_property[Reviews](lambda clients: Reviews(clients.transport))
    #: manifests as text
    manifests = cached_property[ManifestClient](lambda clients: ManifestClient(clients.transport))
    #: what nodes and Pods use now
    metrics = cached_property[ResourceMetricsClient](
        lambda clients: ResourceMetricsClient(clients.transport, timeout=clients.timeout)
    )

    def __init__(self, transport: Transport, *, timeout: float = DEFAULT_TIMEOUT_SECONDS) -> None:
        self.transport, self.timeout = transport, timeout

    async def __aenter__(self) -> "Clientset":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self.transport.close()

    def kind(self, kind: Kind[M]) -> ResourceClient[M]:
        return ResourceClient(self.transport, kind, timeout=self.timeout)

    async def version(self) -> version_service_pb2.VersionInfo:
        """Return the version of the apiserver."""
        request = version_service_pb2.GetVersionRequest().SerializeToString()
        answer = await self.transport.unary(f"/{VERSION_SERVICE}/Get", request, timeout=self.timeout)
        return version_service_pb2.VersionInfo.FromString(answer)

    async def machinery(self) -> machinery_service_pb2.Machinery:
        """Return what the apiserver knows of its open streams and its storage. Raises Forbidden."""
        request = machinery_service_pb2.GetMachineryRequest().SerializeToString()
        answer = await self.transport.unary(f"/{MACHINERY_SERVICE}/Get", request, timeout=self.timeout)
        return machinery_service_pb2.Machinery.FromString(answer)
