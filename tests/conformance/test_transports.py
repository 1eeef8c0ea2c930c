"""One spec of how calls travel, over gRPC, over REST and in process: they must look the same to a caller."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest

from apiserver.authorization.authorizer import AlwaysAllow
from apiserver.rest.server import RestOptions, serve_rest
from tests.support.apiserver import make_apiserver
from tests.support.rbac import make_role
from vaina.api.core.v1 import pod_pb2, pod_service_pb2
from vaina.api.meta.v1 import request_pb2
from vaina.client.clientset import Clientset
from vaina.client.rest.kubeconfig import Connection
from vaina.client.rest.transport import RestTransport
from vaina.client.transport import GrpcTransport, InProcessTransport, Transport
from vaina.clock import SystemClock
from vaina.errors import (
    BadRequest,
    Conflict,
    FieldError,
    InternalError,
    Invalid,
    MethodNotSupported,
    NotFound,
    Timeout,
    TooManyRequests,
    Unavailable,
)
from vaina.kinds import CLUSTER_ROLE, POD
from vaina.serving.draining import Drain
from vaina.serving.handlers import BIDI, STREAM, UNARY, Method, RequestContext, typed, typed_stream
from vaina.serving.server import serve
from vaina.testing.builders import make_config_map, make_namespace, make_node

assert pod_service_pb2.DESCRIPTOR  # reflection needs the descriptors

pytestmark = pytest.mark.usefixtures("patient_channels")


class Handlers:
    """A little service with a bit of everything."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self.contexts: list[RequestContext] = []

    async def get(self, request: request_pb2.GetRequest, ctx: RequestContext) -> pod_pb2.Pod:
        self.contexts.append(ctx)
        match request.name:
            case "absent":
                raise NotFound('pods "absent" not found', kind="pods", name="absent")
            case "bug":
                raise ZeroDivisionError("a secret of the process")
            case "slow":
                await asyncio.Event().wait()
            case "busy":
                raise TooManyRequests("try later", retry_seconds=2.0)
            case "invalid":
                causes = [FieldError("FieldValueRequired", "spec.containers", "Required value")]
                raise Invalid.of("Pod", "invalid", causes)
            case "many":
                causes = [
                    FieldError(
                        "FieldValueInvalid", f"spec.containers[{i}].name", f'Invalid value: "{"ñ" * 60}"'
                    )
                    for i in range(500)
                ]
                raise Invalid.of("Pod", "many", causes)
            case "warned":
                ctx.warn("spec.foo: deprecated")
                ctx.warn("año nuevo")
            case "refused":
                ctx.warn("this is why")
                raise Invalid("the server rejected our request due to an error in our request")
        pod = pod_pb2.Pod()
        pod.metadata.name = request.name
        return pod

    async def watch(
        self, request: request_pb2.WatchRequest, ctx: RequestContext
    ) -> AsyncIterator[pod_service_pb2.PodWatchResponse]:
        try:
            for version in ("1", "2"):
                event = pod_service_pb2.PodWatchEvent(type="ADDED")
                event.object.metadata.resource_version = version
                yield pod_service_pb2.PodWatchResponse(events=[event], resource_version=version)
            if request.field_selector == "fail":
                raise Conflict("written meanwhile")
            if request.field_selector == "endless":
                await asyncio.Event().wait()
        finally:
            self.ended.set()

    async def echo(self, requests: AsyncIterator[bytes], ctx: RequestContext) -> AsyncIterator[bytes]:
        async for item in requests:
            yield item.upper()

    def table(self) -> dict[str, Method]:
        async def raw(data: bytes, ctx: RequestContext) -> bytes:
            return data

        return {
            POD.method("Get"): typed(self.get, request_pb2.GetRequest),
            POD.method("Watch"): typed_stream(self.watch, request_pb2.WatchRequest),
            POD.method("Exec"): Method(BIDI, self.echo),
            POD.method("Create"): Method(UNARY, raw),
        }


@asynccontextmanager
async def over_grpc(handlers: Handlers, warnings: list[str]) -> AsyncIterator[Transport]:
    async with serve(
        handlers.table(), listen="127.0.0.1:0", clock=SystemClock(), drain_seconds=0.5
    ) as server:
        transport = GrpcTransport(f"127.0.0.1:{server.port}", on_warning=warnings.append)
        try:
            yield transport
        finally:
            await transport.close()


@asynccontextmanager
async def in_process(handlers: Handlers, warnings: list[str]) -> AsyncIterator[Transport]:
    yield InProcessTransport(handlers.table(), on_warning=warnings.append)


@asynccontextmanager
async def over_rest(handlers: Handlers, warnings: list[str]) -> AsyncIterator[Transport]:
    options = RestOptions("127.0.0.1:0", SystemClock(), AlwaysAllow(), drain=Drain(calls_seconds=0.5))
    async with serve_rest(handlers.table(), options) as served:
        transport = RestTransport(Connection(f"http://127.0.0.1:{served.port}"), on_warning=warnings.append)
        try:
            yield transport
        finally:
            await transport.close()


@pytest.fixture(params=[over_grpc, over_rest, in_process], ids=["grpc", "rest", "in-process"])
def opener(request):
    return request.param


@pytest.fixture(params=[over_grpc, in_process], ids=["grpc", "in-process"])
def bytes_opener(request):
    """Of those that carry any bytes: over REST only what Kubernetes' API has a form for."""
    return request.param


async def test_an_answer_comes_back(opener):
    async with opener(Handlers(), []) as transport:
        assert (await Clientset(transport).pods.get("web")).metadata.name == "web"


async def test_a_typed_error_keeps_its_kind_and_its_object(opener):
    async with opener(Handlers(), []) as transport:
        with pytest.raises(NotFound, match='pods "absent" not found') as caught:
            await Clientset(transport).pods.get("absent")
    assert (caught.value.kind, caught.value.name) == ("pods", "absent")


async def test_violations_keep_type_field_and_detail(opener):
    async with opener(Handlers(), []) as transport:
        with pytest.raises(Invalid) as caught:
            await Clientset(transport).pods.get("invalid")
    assert caught.value.causes == (FieldError("FieldValueRequired", "spec.containers", "Required value"),)


async def test_hundreds_of_violations_still_arrive_as_an_invalid(opener):
    async with opener(Handlers(), []) as transport:
        with pytest.raises(Invalid) as caught:
            await Clientset(transport).pods.get("many")
    assert caught.value.causes[0].field == "spec.containers[0].name"


async def test_a_retry_delay_arrives(opener):
    async with opener(Handlers(), []) as transport:
        with pytest.raises(TooManyRequests) as caught:
            await Clientset(transport).pods.get("busy")
    assert caught.value.retry_seconds == 2.0


async def test_a_bug_is_an_internal_error_that_tells_nothing(opener):
    async with opener(Handlers(), []) as transport:
        with pytest.raises(InternalError) as caught:
            await Clientset(transport).pods.get("bug")
    assert "secret" not in caught.value.message
    assert "ZeroDivision" not in caught.value.message


async def test_the_deadline_of_a_call_holds(opener):
    handlers = Handlers()
    timeout = 0.05
    async with opener(handlers, []) as transport:
        # On a busy machine a deadline passes before the server has the call.
        while not handlers.contexts:
            with pytest.raises(Timeout):
                await Clientset(transport, timeout=timeout).pods.get("slow")
            timeout *= 4
    assert handlers.contexts[0].deadline is not None


async def test_bytes_that_are_no_message_fail_that_call_only(bytes_opener):
    async with bytes_opener(Handlers(), []) as transport:
        with pytest.raises(BadRequest, match="cannot be read"):
            await transport.unary(POD.method("Get"), b"\xff\xff\xff")
        assert await transport.unary(POD.method("Create"), b"ok") == b"ok"


async def test_a_verb_that_is_not_served_is_named(bytes_opener):
    async with bytes_opener(Handlers(), []) as transport:
        with pytest.raises(MethodNotSupported):
            await transport.unary(POD.method("Evict"), b"")


async def test_warnings_arrive_whatever_their_script(opener):
    warnings: list[str] = []
    async with opener(Handlers(), warnings) as transport:
        await Clientset(transport).pods.get("warned")
    assert warnings == ["spec.foo: deprecated", "año nuevo"]


async def test_warnings_of_what_is_refused_arrive(opener):
    warnings: list[str] = []
    async with opener(Handlers(), warnings) as transport:
        with pytest.raises(Invalid):
            await Clientset(transport).pods.get("refused")
    assert warnings == ["this is why"]


class Apiserver(Handlers):
    """A whole apiserver instead."""

    def __init__(self) -> None:
        super().__init__()
        self.api = make_apiserver()

    def table(self) -> dict[str, Method]:
        return dict(self.api.app.handlers)


async def test_a_collection_is_never_that_of_all_namespaces(opener):
    """Who forgets a namespace means `default`, as with every write: a slip must not cost a whole cluster."""
    apiserver = Apiserver()
    client = apiserver.api.client
    await client.namespaces.create(make_namespace("other"))
    for namespace in ("default", "other"):
        await client.config_maps.create(make_config_map("a", namespace=namespace))
    await client.nodes.create(make_node("node-1"))
    async with opener(apiserver, []) as transport:
        calling = Clientset(transport)
        await calling.config_maps.delete_collection()
        await calling.nodes.delete_collection(field_selector="metadata.name=node-1")
    left = [item.metadata.namespace for item in (await client.config_maps.list()).items]
    assert left == ["other"]
    assert not (await client.nodes.list()).items


async def test_a_name_never_means_another_object(opener):
    """In a URL `..` would lead to another kind, `?` to other options, and no name at all to every object."""
    apiserver = Apiserver()
    client = apiserver.api.client
    await client.namespaces.create(make_namespace("other"))
    await client.config_maps.create(make_config_map("a"))
    await client.kind(CLUSTER_ROLE).create(make_role("a b?dryRun=All#c"))
    async with opener(apiserver, []) as transport:
        calling = Clientset(transport)
        for name in ("", "..", "../../other", "../configmaps/a", "%2e%2e/configmaps/a"):
            with pytest.raises((BadRequest, NotFound, Invalid)):
                await calling.secrets.delete(name)
        await calling.kind(CLUSTER_ROLE).delete("a b?dryRun=All#c")
    assert [item.metadata.name for item in (await client.config_maps.list()).items] == ["a"]
    assert not (await client.namespaces.get("other")).metadata.HasField("deletion_timestamp")
    left = [item.metadata.name for item in (await client.kind(CLUSTER_ROLE).list()).items]
    assert "a b?dryRun=All#c" not in left


async def test_a_stream_yields_batches_and_ends(opener):
    handlers = Handlers()
    async with opener(handlers, []) as transport:
        batches = [batch async for batch in Clientset(transport).pods.watch()]
    # How events are put together is the transport's own.
    events = [event for batch in batches for event in batch.events]
    assert [event.object.metadata.resource_version for event in events] == ["1", "2"]
    assert batches[-1].resource_version == "2"
    assert handlers.ended.is_set()


async def test_a_stream_that_fails_in_the_middle_raises_after_what_came_before(opener):
    seen = []

    async def read(transport: Transport) -> None:
        async for batch in Clientset(transport).pods.watch(field_selector="fail"):
            seen.extend(event.object.metadata.resource_version for event in batch.events)

    async with opener(Handlers(), []) as transport:
        with pytest.raises(Conflict):
            await read(transport)
    assert seen == ["1", "2"]


async def test_closing_a_stream_ends_the_handler(opener):
    handlers = Handlers()
    async with opener(handlers, []) as transport:
        async with aclosing(Clientset(transport).pods.watch(field_selector="endless")) as batches:
            async for _ in batches:
                break
        async with asyncio.timeout(60):
            await handlers.ended.wait()


async def test_cancelling_the_reader_of_a_stream_ends_the_handler(opener):
    handlers = Handlers()
    started = asyncio.Event()

    async def read(transport: Transport) -> None:
        async for _ in Clientset(transport).pods.watch(field_selector="endless"):
            started.set()

    async with opener(handlers, []) as transport:
        async with asyncio.TaskGroup() as group:
            reader = group.create_task(read(transport))
            await started.wait()
            reader.cancel()
        async with asyncio.timeout(60):
            await handlers.ended.wait()
    assert reader.cancelled()


async def test_both_directions_of_a_stream_flow(bytes_opener):
    async def requests() -> AsyncIterator[bytes]:
        yield b"a"
        yield b"b"

    async with bytes_opener(Handlers(), []) as transport:
        assert [item async for item in transport.bidi(POD.method("Exec"), requests())] == [b"A", b"B"]


async def test_a_shutdown_ends_watches_cleanly_and_refuses_what_comes_after():
    handlers = Handlers()
    seen, opened = [], asyncio.Event()

    async def read(transport: Transport) -> None:
        async for batch in Clientset(transport).pods.watch(field_selector="endless"):
            seen.append(batch.resource_version)
            opened.set()

    async with asyncio.TaskGroup() as group:
        async with serve(
            handlers.table(), listen="127.0.0.1:0", clock=SystemClock(), drain_seconds=60.0
        ) as server:
            transport = GrpcTransport(f"127.0.0.1:{server.port}")
            reader = group.create_task(read(transport))
            await opened.wait()
        await reader  # no error: the stream ended with OK
        with pytest.raises(Unavailable):
            await Clientset(transport, timeout=30.0).pods.get("web")
        await transport.close()
    assert seen == ["1", "2"]


async def test_a_call_under_a_closing_channel_is_unavailable_not_cancelled():
    handlers = Handlers()
    async with serve(
        handlers.table(), listen="127.0.0.1:0", clock=SystemClock(), drain_seconds=0.1
    ) as server:
        transport = GrpcTransport(f"127.0.0.1:{server.port}")

        async def call() -> None:
            with pytest.raises(Unavailable):
                await Clientset(transport).pods.get("slow")

        async with asyncio.TaskGroup() as group:
            group.create_task(call())
            while not handlers.contexts:
                await SystemClock().sleep(0)
            await transport.close()
        with pytest.raises(Unavailable):
            await Clientset(transport).pods.get("web")


def test_stream_is_a_kind_of_its_own():
    assert (UNARY, STREAM, BIDI) == ("unary", "server_stream", "bidi_stream")
