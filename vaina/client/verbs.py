"""Clients of the kinds and services that have verbs of their own."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Final, TypeVar

from google.protobuf.message import Message

from vaina.api.authentication.v1 import authentication_pb2
from vaina.api.autoscaling.v1 import scale_pb2, scale_request_pb2
from vaina.api.certificates.v1 import certificate_signing_request_pb2, certificate_signing_request_service_pb2
from vaina.api.core.v1 import (
    manifest_service_pb2,
    namespace_pb2,
    namespace_service_pb2,
    pod_pb2,
    pod_service_pb2,
    pod_stream_pb2,
    service_account_pb2,
    service_account_service_pb2,
)
from vaina.api.meta.v1 import meta_pb2, request_pb2
from vaina.api.metrics.v1beta1 import metrics_pb2
from vaina.api.trace.v1 import trace_pb2, trace_service_pb2
from vaina.client.resource import ResourceClient
from vaina.client.transport import DEFAULT_TIMEOUT_SECONDS, Transport
from vaina.errors import ApiError, from_status

M = TypeVar("M", bound=Message)
R = TypeVar("R", bound=Message)
A = TypeVar("A", bound=Message)
Csr = certificate_signing_request_pb2.CertificateSigningRequest

MANIFEST_SERVICE = "vaina.api.core.v1.ManifestService"
_NODES, _PODS = (f"/vaina.api.metrics.v1beta1.{name}MetricsService" for name in ("Node", "Pod"))

#: the bytes of one bound Pod in the answer to a batch of bindings
_BOUND: Final = pod_service_pb2.BindPodBatchResponse(
    results=[meta_pb2.Status(status="Success")]
).SerializeToString()


class NamespaceClient(ResourceClient[namespace_pb2.Namespace]):
    """Namespaces, and the verb that ends one."""

    async def finalize(self, namespace: namespace_pb2.Namespace) -> namespace_pb2.Namespace:
        """Replace spec.finalizers; a terminating namespace without any is deleted.

        Raises NotFound, Conflict, Invalid.
        """
        request = namespace_service_pb2.UpdateNamespaceRequest(object=namespace)
        return await self._object("Finalize", request)


class CertificateRequestClient(ResourceClient[Csr]):
    """CertificateSigningRequests, and the sub-resource that approves and denies them."""

    async def update_approval(self, csr: Csr) -> Csr:
        """Replace the conditions Approved and Denied. Raises NotFound, Conflict, Invalid, Forbidden."""
        request = certificate_signing_request_service_pb2.UpdateCertificateSigningRequestRequest(object=csr)
        return await self._object("UpdateApproval", request)


class ServiceAccountClient(ResourceClient[service_account_pb2.ServiceAccount]):
    """ServiceAccounts, and the sub-resource that makes tokens of them."""

    async def create_token(
        self, name: str, namespace: str, spec: authentication_pb2.TokenRequestSpec, *, uid: str = ""
    ) -> authentication_pb2.TokenRequest:
        """Have a token made, of the account with this uid. Raises NotFound, Conflict, Invalid, Forbidden."""
        request = service_account_service_pb2.CreateTokenRequest()
        meta = request.object.metadata
        meta.name, meta.namespace, meta.uid = name, namespace, uid
        request.object.spec.CopyFrom(spec)
        return await self._call("CreateToken", request, authentication_pb2.TokenRequest)


class PodClient(ResourceClient[pod_pb2.Pod]):
    """Pods: also binding, eviction, and the streams of a running Pod."""

    async def bind(self, name: str, *, namespace: str, uid: str, node: str) -> None:
        """Bind a Pod to a node. Raises Conflict when the Pod is bound, terminating, or another one by now."""
        request = pod_service_pb2.BindPodRequest(binding=binding(namespace, name, uid, node))
        status = await self._call("Bind", request, meta_pb2.Status)
        if status.status == "Failure":
            raise from_status(status)

    async def bind_batch(self, bindings: Sequence[pod_pb2.Binding]) -> Sequence[ApiError | None]:
        """Bind several Pods in one call; return in order None for each that was bound, or its error."""
        return await self.bind_all(pod_service_pb2.BindPodBatchRequest(bindings=bindings))

    async def bind_all(self, request: pod_service_pb2.BindPodBatchRequest) -> Sequence[ApiError | None]:
        answer = await self.transport.unary(
            self.kind.method("BindBatch"), request.SerializeToString(), timeout=self.timeout
        )
        count = len(request.bindings)
        if answer == _BOUND * count:
            # Nearly always all are bound, and the answer says nothing else.
            return [None] * count
        results = pod_service_pb2.BindPodBatchResponse.FromString(answer).results
        return [from_status(status) if status.status == "Failure" else None for status in results]

    async def evict(
        self,
        name: str,
        *,
        namespace: str,
        options: meta_pb2.DeleteOptions | None = None,
        dry_run: bool = False,
    ) -> None:
        """Delete a Pod when its PodDisruptionBudget allows it. Raises TooManyRequests, NotFound, Conflict."""
        request = pod_service_pb2.EvictPodRequest(options={"dry_run": ["All"] if dry_run else []})
        request.eviction.metadata.namespace, request.eviction.metadata.name = namespace, name
        if options is not None:
            request.eviction.delete_options.CopyFrom(options)
        await self.transport.unary(
            self.kind.method("Evict"), request.SerializeToString(), timeout=self.timeout
        )

    async def update_ephemeral_containers(self, pod: pod_pb2.Pod) -> pod_pb2.Pod:
        """Add ephemeral containers. Raises NotFound when the cluster does not allow this, Invalid."""
        return await self._object("UpdateEphemeralContainers", pod_service_pb2.UpdatePodRequest(object=pod))

    async def update_resize(self, pod: pod_pb2.Pod) -> pod_pb2.Pod:
        """Change CPU and memory of running containers (KEP-1287). Raises Invalid."""
        return await self._object("UpdateResize", pod_service_pb2.UpdatePodRequest(object=pod))

    async def logs(
        self,
        namespace: str,
        name: str,
        options: pod_pb2.PodLogOptions,
        *,
        uid: str = "",
        timeout: float | None = None,
    ) -> AsyncGenerator[bytes, None]:
        """Yield a container's output, with `options.follow` also what comes later, within `timeout`."""
        async with aclosing(self.log_stream(namespace, name, options, uid=uid, timeout=timeout)) as answers:
            async for answer in answers:
                if answer.data:
                    yield answer.data

    async def log_stream(
        self,
        namespace: str,
        name: str,
        options: pod_pb2.PodLogOptions,
        *,
        uid: str = "",
        timeout: float | None = None,
    ) -> AsyncGenerator[pod_stream_pb2.PodLogResponse, None]:
        """Yield what `logs` does, as messages; the first one names the container's attempt."""
        request = pod_stream_pb2.PodLogRequest(namespace=namespace, name=name, options=options, uid=uid)
        stream = self.transport.stream(self.kind.method("Logs"), request.SerializeToString(), timeout=timeout)
        async with aclosing(stream) as answers:
            async for answer in answers:
                yield pod_stream_pb2.PodLogResponse.FromString(answer)

    def exec(
        self, start: pod_stream_pb2.PodExecStart, inputs: AsyncIterator[pod_stream_pb2.PodExecRequest]
    ) -> AsyncGenerator[pod_stream_pb2.PodExecResponse, None]:
        """Run a command in a container: send `start`, then `inputs`. The last answer has the exit code."""
        first = pod_stream_pb2.PodExecRequest(start=start)
        return self._talk("Exec", first, inputs, pod_stream_pb2.PodExecResponse)

    async def attach(
        self, start: pod_stream_pb2.PodAttachStart, inputs: AsyncIterator[pod_stream_pb2.PodAttachRequest]
    ) -> AsyncGenerator[pod_stream_pb2.PodAttachResponse, None]:
        """Attach to the streams of a container's own process: send `start`, then `inputs`.

        The answers end when the container does. The status of the call is ignored then, because gRPC's core
        may give INTERNAL to a caller who writes while the server closes the call (grpc/grpc#36066).
        """
        first = pod_stream_pb2.PodAttachRequest(start=start)
        stream = self._talk("Attach", first, inputs, pod_stream_pb2.PodAttachResponse)
        async with aclosing(stream) as answers:
            async for answer in answers:
                if answer.ended:
                    return
                yield answer

    async def port_forward(
        self, start: pod_stream_pb2.PodPortForwardStart, inputs: AsyncIterator[bytes]
    ) -> AsyncGenerator[bytes, None]:
        """Carry one connection to a port of a Pod; the end of `inputs` closes its sending half.

        The first answer has no bytes, and says that the connection is open.
        """
        first = pod_stream_pb2.PodPortForwardRequest(start=start)
        pieces = (pod_stream_pb2.PodPortForwardRequest(data=data) async for data in inputs)
        stream = self._talk("PortForward", first, pieces, pod_stream_pb2.PodPortForwardResponse)
        async with aclosing(stream) as answers:
            async for answer in answers:
                yield answer.data

    async def _talk(
        self, verb: str, first: R, others: AsyncIterator[R], answer_type: type[A]
    ) -> AsyncGenerator[A, None]:
        async def requests() -> AsyncIterator[bytes]:
            yield first.SerializeToString()
            async for item in others:
                yield item.SerializeToString()

        async with aclosing(self.transport.bidi(self.kind.method(verb), requests())) as answers:
            async for answer in answers:
                yield answer_type.FromString(answer)


class PodTraceClient(ResourceClient[trace_pb2.PodTrace]):
    """PodTraces, and the verb that reports steps."""

    async def report(self, reports: Sequence[trace_service_pb2.StepReport]) -> int:
        request = trace_service_pb2.ReportRequest(reports=reports)
        return (await self._call("Report", request, trace_service_pb2.ReportResponse)).recorded


class ScalableClient(ResourceClient[M]):
    """A kind with replicas, and its scale sub-resource."""

    async def get_scale(self, name: str, namespace: str = "") -> scale_pb2.Scale:
        request = request_pb2.GetRequest(namespace=namespace, name=name)
        return await self._call("GetScale", request, scale_pb2.Scale)

    async def update_scale(self, scale: scale_pb2.Scale) -> scale_pb2.Scale:
        """Set the number of replicas. Raises Conflict when `scale` has a version that is not the newest."""
        request = scale_request_pb2.UpdateScaleRequest(object=scale)
        return await self._call("UpdateScale", request, scale_pb2.Scale)

    async def patch_scale(
        self,
        name: str,
        patch: str,
        *,
        patch_type: str = "application/strategic-merge-patch+json",
        namespace: str = "",
        dry_run: bool = False,
    ) -> scale_pb2.Scale:
        """Patch the Scale: `{"spec": {"replicas": 3}}`. Raises NotFound, Conflict, Invalid, BadRequest."""
        options = meta_pb2.PatchOptions(dry_run=["All"] if dry_run else [])
        request = request_pb2.PatchRequest(
            namespace=namespace, name=name, patch_type=patch_type, patch=patch, options=options
        )
        return await self._call("PatchScale", request, scale_pb2.Scale)


class ManifestClient:
    """ManifestService: manifests as text."""

    def __init__(self, transport: Transport, *, timeout: float = 60.0) -> None:
        self._transport, self._timeout = transport, timeout

    async def apply(self, request: manifest_service_pb2.ApplyRequest) -> manifest_service_pb2.ApplyResponse:
        return manifest_service_pb2.ApplyResponse.FromString(await self._call("Apply", request))

    async def get(
        self, request: manifest_service_pb2.GetManifestRequest
    ) -> manifest_service_pb2.GetManifestResponse:
        return manifest_service_pb2.GetManifestResponse.FromString(await self._call("Get", request))

    async def _call(self, verb: str, request: Message) -> bytes:
        method = f"/{MANIFEST_SERVICE}/{verb}"
        return await self._transport.unary(method, request.SerializeToString(), timeout=self._timeout)


class ResourceMetricsClient:
    """NodeMetrics and PodMetrics (metrics.k8s.io): what nodes and Pods use now. All verbs raise ApiError."""

    def __init__(self, transport: Transport, *, timeout: float = DEFAULT_TIMEOUT_SECONDS) -> None:
        self._transport, self._timeout = transport, timeout

    async def node(self, name: str) -> metrics_pb2.NodeMetrics:
        """Return what a node uses. Raises NotFound: there is no such node, or nothing was measured yet."""
        request = request_pb2.GetRequest(name=name)
        return metrics_pb2.NodeMetrics.FromString(await self._call(f"{_NODES}/Get", request))

    async def nodes(self, *, label_selector: str = "") -> Sequence[metrics_pb2.NodeMetrics]:
        """Return what the selected nodes use; those that do not answer are left out."""
        request = request_pb2.ListRequest(label_selector=label_selector)
        return metrics_pb2.NodeMetricsList.FromString(await self._call(f"{_NODES}/List", request)).items

    async def pod(self, name: str, namespace: str) -> metrics_pb2.PodMetrics:
        request = request_pb2.GetRequest(name=name, namespace=namespace)
        return metrics_pb2.PodMetrics.FromString(await self._call(f"{_PODS}/Get", request))

    async def pods(
        self, namespace: str = "", *, label_selector: str = "", field_selector: str = ""
    ) -> Sequence[metrics_pb2.PodMetrics]:
        """Return what the selected Pods use (namespace "": all), without those that were not measured yet."""
        request = request_pb2.ListRequest(
            namespace=namespace, label_selector=label_selector, field_selector=field_selector
        )
        return metrics_pb2.PodMetricsList.FromString(await self._call(f"{_PODS}/List", request)).items

    async def _call(self, method: str, request: request_pb2.GetRequest | request_pb2.ListRequest) -> bytes:
        return await self._transport.unary(method, request.SerializeToString(), timeout=self._timeout)


def binding(namespace: str, name: str, uid: str, node: str) -> pod_pb2.Binding:
    """Make a Binding of a Pod (by its uid, when given) to a node."""
    made = pod_pb2.Binding()
    fill_binding(made, namespace, name, uid, node)
    return made


def fill_binding(made: pod_pb2.Binding, namespace: str, name: str, uid: str, node: str) -> None:
    """Fill an empty Binding, such as one that was added to a request, as `binding` does."""
    # Setting fields costs half as much as passing messages to constructors.
    meta, target = made.metadata, made.target
    meta.namespace, meta.name, meta.uid = namespace, name, uid
    target.api_version, target.kind, target.name = "v1", "Node", node
