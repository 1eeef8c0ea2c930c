"""Logs, exec, attach and port-forward: passed on to the kubelet of the Pod's node, which serves the same
messages.

The apiserver finds the Pod, its node and the container, and sets the uid, so that a kubelet never answers for
a Pod of the same name that came later. With each call goes what it was authorized for: user, Pod, container
and until when it may begin (`vaina.client.sessions`). Texts follow `pkg/registry/core/pod/strategy.go`.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from google.protobuf.message import Message

from apiserver import refusals
from apiserver.registry.options import ListOptions
from apiserver.registry.pods import TERMINAL
from apiserver.registry.service_proxy import choose_endpoint, find_port
from apiserver.registry.store import Store
from apiserver.validation.place import find_violations
from apiserver.validation.pod_subresources import check_log_options
from vaina.api.core.v1 import node_pb2, pod_pb2, pod_stream_pb2, service_pb2
from vaina.client.sessions import session_metadata
from vaina.client.transport import Metadata, Transport
from vaina.clock import Clock
from vaina.errors import ApiError, BadRequest, InternalError, Invalid, NotFound, Unavailable
from vaina.kinds import NODE, POD
from vaina.objects.names import split_scheme_name_port
from vaina.quoting import go_quote
from vaina.serving.handlers import User, decode
from vaina.serving.wrapping import REQUEST_SECONDS

KUBELET_SERVICE = "vaina.api.kubelet.v1.KubeletService"
_MAX_PORT: Final = 65_535
_NO_START = "the first message must say what to run, and where"
#: in the order in which they are tried
_ADDRESS_TYPES = ("InternalIP", "Hostname", "ExternalIP")


R = TypeVar("R", bound=Message)
#: raises Forbidden unless the caller may, by namespace and name
May = Callable[[str, str], object]
#: `RequestContext.checked`
Checked = Callable[[], Awaitable[None]] | None


@dataclass(slots=True)
class _Connection:
    transport: Transport
    #: streams under way
    users: int = 0


class Kubelets:
    """Connections to kubelets by address; too many: the oldest unused are closed. Owned by one event loop."""

    def __init__(self, connect: Callable[[str], Transport], *, limit: int = 500) -> None:
        self._connect, self._limit = connect, limit
        self._open: OrderedDict[str, _Connection] = OrderedDict()

    @asynccontextmanager
    async def to(self, address: str) -> AsyncIterator[Transport]:
        """Give the connection to host:port, and keep it while the context lasts."""
        found = self._open.get(address)
        if found is None:
            found = self._open[address] = _Connection(self._connect(address))
        self._open.move_to_end(address)
        found.users += 1
        try:
            await self._close_idle()
            yield found.transport
        finally:
            found.users -= 1

    async def close(self) -> None:
        """Close all."""
        while self._open:
            _, found = self._open.popitem()
            await found.transport.close()

    async def _close_idle(self) -> None:
        # Looked for anew each time: while one is closed others are wanted, and closed by others.
        while len(self._open) > self._limit:
            idle = next((address for address, found in self._open.items() if not found.users), None)
            if idle is None:
                return
            await self._open.pop(idle).transport.close()


@dataclass(frozen=True, slots=True)
class _Place:
    uid: str
    container: str
    node: str
    address: str


class PodStreams:
    """Logs, exec, attach and port-forward of Pods."""

    def __init__(
        self,
        pods: Store[pod_pb2.Pod],
        nodes: Store[node_pb2.Node],
        services: Store[service_pb2.Service],
        kubelets: Kubelets,
        clock: Clock,
    ) -> None:
        self._pods, self._nodes, self._services = pods, nodes, services
        self._kubelets, self._clock = kubelets, clock

    async def logs(
        self, request: pod_stream_pb2.PodLogRequest, user: User
    ) -> AsyncGenerator[pod_stream_pb2.PodLogResponse, None]:
        """Yield what a container wrote.

        Raises NotFound (no such Pod), BadRequest (no container is named where there are several, or it is
        none of the Pod's), Invalid (options), Unavailable (the node is away).
        """
        wrong = find_violations(check_log_options, request.options)
        if wrong:
            raise Invalid.of("PodLogOptions", request.name, wrong)
        place = await self._place(request.namespace, request.name, request.uid, request.options.container)
        wanted = pod_stream_pb2.PodLogRequest()
        wanted.CopyFrom(request)
        wanted.namespace = request.namespace or "default"
        wanted.uid, wanted.options.container = place.uid, place.container
        async with self._kubelets.to(place.address) as kubelet:
            stream = kubelet.stream(
                f"/{KUBELET_SERVICE}/Logs", wanted.SerializeToString(),
                metadata=self._session("Logs", place, user),
            )  # fmt: skip
            async with aclosing(_explained(stream, place)) as answers:
                async for data in answers:
                    yield pod_stream_pb2.PodLogResponse.FromString(data)

    async def exec(
        self, requests: AsyncIterator[bytes], user: User, may: May, checked: Checked = None
    ) -> AsyncGenerator[bytes, None]:
        """Run a command in a container: pass on what comes, both ways. The first request says where."""
        first = await _first(pod_stream_pb2.PodExecRequest, requests)
        start = first.start
        may(start.namespace, start.name)
        if not start.options.command:
            raise BadRequest("you must specify at least 1 command for the container")
        place = await self._place(
            start.namespace, start.name, start.uid, start.options.container, running="exec into"
        )
        start.namespace = start.namespace or "default"
        start.uid, start.options.container = place.uid, place.container
        async with aclosing(self._pass_on("Exec", place, user, first, requests, checked)) as answers:
            async for data in answers:
                yield data

    async def attach(
        self, requests: AsyncIterator[bytes], user: User, may: May, checked: Checked = None
    ) -> AsyncGenerator[bytes, None]:
        """Join the streams of a container's own process, as `exec` does."""
        first = await _first(pod_stream_pb2.PodAttachRequest, requests)
        start = first.start
        may(start.namespace, start.name)
        options = start.options
        if not options.stdin and not options.stdout and not options.stderr:
            raise BadRequest("you must specify at least 1 of stdin, stdout, stderr")
        running = "" if start.from_start else "attach"
        place = await self._place(start.namespace, start.name, start.uid, options.container, running=running)
        start.namespace = start.namespace or "default"
        start.uid, start.options.container = place.uid, place.container
        async with aclosing(self._pass_on("Attach", place, user, first, requests, checked)) as answers:
            async for data in answers:
                yield data

    async def port_forward(
        self, requests: AsyncIterator[bytes], user: User, may: May, checked: Checked = None
    ) -> AsyncGenerator[bytes, None]:
        """Carry one connection to a port of a Pod, as `exec` does. Raises BadRequest, too."""
        first = await _first(pod_stream_pb2.PodPortForwardRequest, requests)
        start = first.start
        may(start.namespace, start.name)
        _check_port(start.port)
        pod, node = await self._find(start.namespace, start.name, start.uid)
        place = _Place(pod.metadata.uid, "", node.metadata.name, kubelet_address(node))
        start.namespace, start.uid = start.namespace or "default", place.uid
        async with aclosing(self._pass_on("PortForward", place, user, first, requests, checked)) as answers:
            async for data in answers:
                yield data

    async def proxy(
        self, requests: AsyncIterator[bytes], user: User, may: Callable[[str, str, str], object]
    ) -> AsyncGenerator[bytes, None]:
        """Carry one connection to a port of a Pod, as `port_forward` does; `may` is asked for a verb, too.

        Follows ResourceLocation of `pkg/registry/core/pod/strategy.go`.
        """
        first = await _first(pod_stream_pb2.PodProxyRequest, requests)
        start = first.start
        # Names of roles are compared with the whole of it, as upstream's.
        may(start.verb, start.namespace, start.name)
        scheme, name, port = _parts("pod", start.name)
        pod = await self._pod(start.namespace, name, start.uid)
        if not pod.status.pod_ip:
            raise BadRequest("address not allowed")
        named = (each.container_port for container in pod.spec.containers for each in container.ports)
        number = _port_number(port) if port else next(named, 443 if scheme == "https" else 80)
        async with aclosing(self._proxy_to(pod, number, user, requests)) as answers:
            async for data in answers:
                yield data

    async def proxy_to_service(
        self, requests: AsyncIterator[bytes], user: User, may: Callable[[str, str, str], object]
    ) -> AsyncGenerator[bytes, None]:
        """Carry one connection to a ready Pod that a Service selects, as `proxy` does."""
        first = await _first(pod_stream_pb2.PodProxyRequest, requests)
        start = first.start
        may(start.verb, start.namespace, start.name)
        _, name, wanted = _parts("service", start.name)
        service = self._services.decode(await self._services.get(start.namespace, name))
        port, selector = find_port(service, wanted), service.spec.selector
        pods: Sequence[pod_pb2.Pod] = ()
        if selector:
            labels = ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
            options = ListOptions(
                namespace=service.metadata.namespace, label_selector=labels, resource_version="0"
            )
            pods = await self._pods.list_all(options)
        pod, number = choose_endpoint(service, port, pods)
        async with aclosing(self._proxy_to(pod, number, user, requests)) as answers:
            async for data in answers:
                yield data

    async def _proxy_to(
        self, pod: pod_pb2.Pod, port: int, user: User, requests: AsyncIterator[bytes]
    ) -> AsyncGenerator[bytes, None]:
        node = await self._node(pod)
        start = pod_stream_pb2.PodPortForwardStart(
            namespace=pod.metadata.namespace, name=pod.metadata.name, uid=pod.metadata.uid, port=port
        )
        place = _Place(pod.metadata.uid, "", node.metadata.name, kubelet_address(node))
        wanted = pod_stream_pb2.PodPortForwardRequest(start=start)
        try:
            # What follows the start is the same in both.
            async with aclosing(self._pass_on("PortForward", place, user, wanted, requests, None)) as answers:
                async for data in answers:
                    yield data
        except ApiError as error:
            if error.code < 500:
                raise
            # Upstream's transport of proxies (apimachinery `pkg/util/proxy/transport.go`).
            raise Unavailable(f"error trying to reach service: {error.message}") from error

    async def _pass_on(
        self,
        method: str,
        place: _Place,
        user: User,
        first: Message,
        requests: AsyncIterator[bytes],
        checked: Checked,
    ) -> AsyncGenerator[bytes, None]:
        if checked is not None:
            await checked()

        async def onward() -> AsyncIterator[bytes]:
            yield first.SerializeToString()
            async for item in requests:
                yield item

        async with self._kubelets.to(place.address) as kubelet:
            session = self._session(method, place, user)
            stream = kubelet.bidi(f"/{KUBELET_SERVICE}/{method}", onward(), metadata=session)
            async with aclosing(_explained(stream, place)) as answers:
                async for data in answers:
                    yield data

    def _session(self, method: str, place: _Place, user: User) -> Metadata:
        return session_metadata(
            user=user.name, method=method, uid=place.uid, container=place.container, now=self._clock.now()
        )

    async def _place(
        self, namespace: str, name: str, uid: str, container: str, *, running: str = ""
    ) -> _Place:
        """Find where a container is. `running` names what needs one that has not ended."""
        pod = await self._pod(namespace, name, uid)
        container = choose_container(pod, container)
        if running and pod.status.phase in TERMINAL:
            raise BadRequest(
                f"cannot {running} a container in a completed pod; current phase is {pod.status.phase}"
            )
        node = await self._node(pod)
        return _Place(pod.metadata.uid, container, node.metadata.name, kubelet_address(node))

    async def _find(self, namespace: str, name: str, uid: str) -> tuple[pod_pb2.Pod, node_pb2.Node]:
        pod = await self._pod(namespace, name, uid)
        return pod, await self._node(pod)

    async def _pod(self, namespace: str, name: str, uid: str) -> pod_pb2.Pod:
        pod = self._pods.decode(await self._pods.get(namespace, name))
        if uid and uid != pod.metadata.uid:
            raise refusals.wrong_uid(POD, name, uid, pod.metadata.uid)
        return pod

    async def _node(self, pod: pod_pb2.Pod) -> node_pb2.Node:
        node = pod.spec.node_name
        if not node:
            raise refusals.no_host_assigned(pod.metadata.name)
        found = await self._nodes.find("", node)
        if found is None:
            raise refusals.not_found(NODE, node)
        return found


def _check_port(port: int) -> None:
    if not 1 <= port <= _MAX_PORT:
        raise BadRequest(f"{port} is not a valid port: must be between 1 and {_MAX_PORT}, inclusive")


def _parts(kind: str, text: str) -> tuple[str, str, str]:
    found = split_scheme_name_port(text)
    if found is None:
        raise BadRequest(f"invalid {kind} request {go_quote(text)}")
    return found


def _port_number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 5:
        raise BadRequest(f"{go_quote(text)} is not a valid port")
    port = int(text)
    _check_port(port)
    return port


async def _first(message: type[R], requests: AsyncIterator[bytes]) -> R:
    """Return the request that says where. Raises BadRequest when another comes first, or none.

    Raises TimeoutError when none comes for long: until then nobody knows what is to be authorized.
    """
    try:
        async with asyncio.timeout(REQUEST_SECONDS):
            first = decode(message, await anext(requests))
    except StopAsyncIteration:
        raise BadRequest(_NO_START) from None
    if not first.HasField("start"):
        raise BadRequest(_NO_START)
    return first


async def _explained(stream: Any, place: _Place) -> AsyncGenerator[bytes, None]:
    """Pass on what a kubelet answers; say which node it is that does not."""
    async with aclosing(stream) as answers:
        try:
            async for data in answers:
                yield data
        except Unavailable as error:
            raise Unavailable(
                f'error dialing backend: the kubelet of node "{place.node}" ({place.address}) does not answer: '
                f"{error.message}"
            ) from error


def choose_container(pod: pod_pb2.Pod, wanted: str) -> str:
    """Return the name of the container that is meant. Raises BadRequest when it is none, or one of several."""
    main = [item.name for item in pod.spec.containers]
    init = [item.name for item in pod.spec.init_containers]
    ephemeral = [item.ephemeral_container_common.name for item in pod.spec.ephemeral_containers]
    name = pod.metadata.name
    if wanted:
        if wanted in (*main, *init, *ephemeral):
            return wanted
        raise BadRequest(f"container {wanted} is not valid for pod {name}")
    if len(main) == 1:
        return main[0]
    if not main:
        raise BadRequest(f"a container name must be specified for pod {name}")
    words = f"a container name must be specified for pod {name}, choose one of: [{' '.join(main)}]"
    if init:
        words += f" or one of the init containers: [{' '.join(init)}]"
    if ephemeral:
        words += f" or one of the ephemeral containers: [{' '.join(ephemeral)}]"
    raise BadRequest(words)


def kubelet_address(node: node_pb2.Node) -> str:
    """Return host:port of a node's kubelet. Raises NotFound without an address, InternalError without a port."""
    by_type = {item.type: item.address for item in reversed(node.status.addresses)}
    host = next((by_type[kind] for kind in _ADDRESS_TYPES if by_type.get(kind)), "")
    if not host:
        known = " ".join(f"{item.type}:{item.address}" for item in node.status.addresses)
        raise NotFound(f"no preferred addresses found; known addresses: [{known}]")
    port = node.status.daemon_endpoints.kubelet_endpoint.port
    if not port:
        raise InternalError(f'node "{node.metadata.name}" does not say on which port its kubelet listens')
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
