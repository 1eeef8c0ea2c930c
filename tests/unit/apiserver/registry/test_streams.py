"""Logs and exec are passed on to the kubelet of the Pod's node."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from apiserver.registry import streams
from apiserver.registry.streams import Kubelets, choose_container, kubelet_address
from tests.support.apiserver import Harness, make_apiserver
from vaina.api.core.v1 import node_pb2, pod_pb2, pod_stream_pb2
from vaina.api.kubelet.v1 import kubelet_service_pb2
from vaina.client.sessions import SESSION_KEY, SESSION_SECONDS
from vaina.client.transport import InProcessTransport, Transport
from vaina.clock import seconds_of
from vaina.errors import BadRequest, Conflict, InternalError, Invalid, NotFound, Timeout, Unavailable
from vaina.kinds import POD
from vaina.serving.handlers import BIDI, Method, RequestContext, typed_stream
from vaina.testing.builders import make_container, make_node, make_pod
from vaina.testing.clock import settle

SERVICE = "/vaina.api.kubelet.v1.KubeletService"


class FakeKubelet:
    """Says what it was asked; `away` makes it unreachable."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.addresses: list[str] = []
        #: what each call was authorized for
        self.sessions: list[kubelet_service_pb2.Session] = []
        self.refusal: Exception | None = None

    def connect(self, address: str) -> Transport:
        self.addresses.append(address)
        return InProcessTransport({
            f"{SERVICE}/Logs": typed_stream(self._logs, pod_stream_pb2.PodLogRequest),  # type: ignore[arg-type]
            f"{SERVICE}/Exec": Method(BIDI, self._exec),
            f"{SERVICE}/Attach": Method(BIDI, self._attach),
            f"{SERVICE}/PortForward": Method(BIDI, self._port_forward),
        })  # fmt: skip

    async def _logs(
        self, request: pod_stream_pb2.PodLogRequest, rpc: RequestContext
    ) -> AsyncIterator[pod_stream_pb2.PodLogResponse]:
        self.asked.append(request)
        self._note(rpc)
        if self.refusal is not None:
            raise self.refusal
        for data in (b"one\n", b"two\n"):
            yield pod_stream_pb2.PodLogResponse(data=data)

    async def _exec(self, requests: AsyncIterator[bytes], rpc: RequestContext) -> AsyncIterator[bytes]:
        self._note(rpc)
        async for item in requests:
            request = pod_stream_pb2.PodExecRequest.FromString(item)
            self.asked.append(request)
            if request.WhichOneof("input") == "stdin":
                yield pod_stream_pb2.PodExecResponse(stdout=request.stdin.upper()).SerializeToString()
            if request.close_stdin:
                yield pod_stream_pb2.PodExecResponse(exit_code=3).SerializeToString()
                return

    async def _attach(self, requests: AsyncIterator[bytes], rpc: RequestContext) -> AsyncIterator[bytes]:
        self._note(rpc)
        async for item in requests:
            request = pod_stream_pb2.PodAttachRequest.FromString(item)
            self.asked.append(request)
            if request.stdin:
                yield pod_stream_pb2.PodAttachResponse(stderr=request.stdin.upper()).SerializeToString()

    async def _port_forward(
        self, requests: AsyncIterator[bytes], rpc: RequestContext
    ) -> AsyncIterator[bytes]:
        self._note(rpc)
        if self.refusal is not None:
            raise self.refusal
        async for item in requests:
            request = pod_stream_pb2.PodPortForwardRequest.FromString(item)
            self.asked.append(request)
            yield pod_stream_pb2.PodPortForwardResponse(data=request.data.upper()).SerializeToString()

    def _note(self, rpc: RequestContext) -> None:
        [session] = [value for key, value in rpc.metadata if key == SESSION_KEY]
        assert isinstance(session, bytes)
        self.sessions.append(kubelet_service_pb2.Session.FromString(session))


async def _with_pod(kubelet: FakeKubelet, **kwargs: Any) -> tuple[Harness, pod_pb2.Pod]:
    api = make_apiserver(connect_kubelet=kubelet.connect)
    node = make_node()
    node.status.daemon_endpoints.kubelet_endpoint.port = 10250
    await api.client.nodes.create(node)
    return api, await api.pod(node="node-1", **kwargs)


async def _logs(api: Harness, name: str = "web", *, uid: str = "", **options: Any) -> bytes:
    wanted = pod_pb2.PodLogOptions(**options)
    return b"".join([part async for part in api.client.pods.logs("default", name, wanted, uid=uid)])


async def test_logs_come_from_the_kubelet_of_the_node() -> None:
    kubelet = FakeKubelet()
    api, pod = await _with_pod(kubelet)
    assert await _logs(api, tail_lines=5) == b"one\ntwo\n"
    assert await _logs(api) == b"one\ntwo\n"
    assert kubelet.addresses == ["10.0.0.1:10250"]
    asked = kubelet.asked[0]
    assert (asked.namespace, asked.name, asked.uid, asked.options.container, asked.options.tail_lines) == (
        "default", "web", pod.metadata.uid, "app", 5,
    )  # fmt: skip


async def test_exec_passes_on_what_comes_both_ways() -> None:
    kubelet = FakeKubelet()
    api, pod = await _with_pod(kubelet)

    async def inputs() -> AsyncIterator[pod_stream_pb2.PodExecRequest]:
        yield pod_stream_pb2.PodExecRequest(stdin=b"hola")
        yield pod_stream_pb2.PodExecRequest(close_stdin=True)

    start = pod_stream_pb2.PodExecStart(namespace="default", name="web")
    start.options.command.extend(["cat"])
    answers = [item async for item in api.client.pods.exec(start, inputs())]
    assert [(item.stdout, item.exit_code) for item in answers] == [(b"HOLA", 0), (b"", 3)]
    first = kubelet.asked[0].start
    assert (first.uid, first.options.container, list(first.options.command)) == (
        pod.metadata.uid,
        "app",
        ["cat"],
    )


async def test_attach_passes_on_what_comes_both_ways() -> None:
    kubelet = FakeKubelet()
    api, pod = await _with_pod(kubelet)

    async def inputs() -> AsyncIterator[pod_stream_pb2.PodAttachRequest]:
        yield pod_stream_pb2.PodAttachRequest(stdin=b"hola")

    start = pod_stream_pb2.PodAttachStart(namespace="default", name="web")
    with pytest.raises(BadRequest, match="you must specify at least 1 of stdin, stdout, stderr"):
        await anext(api.client.pods.attach(start, inputs()))
    start.options.stdin = True
    assert [item.stderr async for item in api.client.pods.attach(start, inputs())] == [b"HOLA"]
    first = kubelet.asked[0].start
    assert (first.uid, first.options.container) == (pod.metadata.uid, "app")


async def test_a_connection_is_passed_on_both_ways() -> None:
    kubelet = FakeKubelet()
    api, pod = await _with_pod(kubelet)

    async def inputs() -> AsyncIterator[bytes]:
        yield b"hola"

    start = pod_stream_pb2.PodPortForwardStart(name="web", port=80)
    assert [item async for item in api.client.pods.port_forward(start, inputs())] == [b"", b"HOLA"]
    first = kubelet.asked[0].start
    assert (first.namespace, first.uid, first.port) == ("default", pod.metadata.uid, 80)
    for port in (0, -1, 65_536):
        start.port = port
        with pytest.raises(
            BadRequest, match=f"^{port} is not a valid port: must be between 1 and 65535, inclusive$"
        ):
            await anext(api.client.pods.port_forward(start, inputs()))
    start.port, start.uid = 80, "another"
    with pytest.raises(Conflict):
        await anext(api.client.pods.port_forward(start, inputs()))
    start.uid = ""
    kubelet.refusal = Unavailable("connection refused")
    with pytest.raises(Unavailable, match='the kubelet of node "node-1"'):
        await anext(api.client.pods.port_forward(start, inputs()))


async def test_the_kubelet_is_told_for_whom_it_is_asked_and_for_what() -> None:
    kubelet = FakeKubelet()
    api, pod = await _with_pod(kubelet)
    await _logs(api)
    forged = kubelet_service_pb2.Session(user="kubernetes-admin", method="Logs", uid="of-another-pod")
    asked = pod_stream_pb2.PodLogRequest(namespace="default", name="web")
    metadata = ((SESSION_KEY, forged.SerializeToString()),)
    # What callers send as metadata goes no further.
    stream = api.client.transport.stream(POD.method("Logs"), asked.SerializeToString(), metadata=metadata)
    assert len([item async for item in stream]) == 2
    start = pod_stream_pb2.PodPortForwardStart(name="web", port=80)

    async def inputs() -> AsyncIterator[bytes]:
        yield b"hola"

    assert [item async for item in api.client.pods.port_forward(start, inputs())] == [b"", b"HOLA"]
    told = [(item.user, item.method, item.uid, item.container) for item in kubelet.sessions]
    uid = pod.metadata.uid
    assert told == [
        ("system:anonymous", "Logs", uid, "app"), ("system:anonymous", "Logs", uid, "app"),
        ("system:anonymous", "PortForward", uid, ""),
    ]  # fmt: skip
    assert {seconds_of(item.expires) for item in kubelet.sessions} == {api.clock.now() + SESSION_SECONDS}


async def test_a_refusal_of_the_kubelet_passes_through() -> None:
    kubelet = FakeKubelet()
    kubelet.refusal = BadRequest('container "app" in pod "web" is waiting to start: ContainerCreating')
    api, _ = await _with_pod(kubelet)
    with pytest.raises(
        BadRequest, match=r'^container "app" in pod "web" is waiting to start: ContainerCreating$'
    ):
        await _logs(api)


async def test_a_node_that_is_away_is_named() -> None:
    kubelet = FakeKubelet()
    kubelet.refusal = Unavailable("connection refused")
    api, _ = await _with_pod(kubelet)
    words = r'error dialing backend: the kubelet of node "node-1" \(10.0.0.1:10250\) does not answer: connection refused'
    with pytest.raises(Unavailable, match=words):
        await _logs(api)


async def test_where_there_is_nothing_to_ask() -> None:
    kubelet = FakeKubelet()
    api, _ = await _with_pod(kubelet)
    await api.client.pods.create(make_pod("unbound"))
    with pytest.raises(BadRequest, match=r"^pod unbound does not have a host assigned$"):
        await _logs(api, "unbound")
    with pytest.raises(NotFound, match=r'^pods "nobody" not found$'):
        await _logs(api, "nobody")
    with pytest.raises(Conflict, match="UID in precondition: old"):
        await _logs(api, uid="old")
    with pytest.raises(BadRequest, match=r"^container x is not valid for pod web$"):
        await _logs(api, container="x")
    await api.client.nodes.delete("node-1")
    with pytest.raises(NotFound, match=r'^nodes "node-1" not found$'):
        await _logs(api)
    assert kubelet.asked == []


async def test_a_caller_that_does_not_say_what_it_wants_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "REQUEST_SECONDS", 0.02)
    api, _ = await _with_pod(FakeKubelet())

    async def silent() -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    for method in ("Exec", "Attach", "PortForward"):
        with pytest.raises(Timeout):
            await anext(api.client.transport.bidi(POD.method(method), silent()))


async def test_a_completed_pod_runs_nothing_more() -> None:
    kubelet = FakeKubelet()
    api, pod = await _with_pod(kubelet)
    pod.status.phase = "Succeeded"
    await api.client.pods.update_status(pod, mask=["phase"])
    start = pod_stream_pb2.PodExecStart(namespace="default", name="web")

    async def nothing() -> AsyncIterator[pod_stream_pb2.PodExecRequest]:
        return
        yield

    with pytest.raises(BadRequest, match="you must specify at least 1 command"):
        await anext(api.client.pods.exec(start, nothing()))
    start.options.command.append("sh")
    with pytest.raises(
        BadRequest, match="cannot exec into a container in a completed pod; current phase is Succeeded"
    ):
        await anext(api.client.pods.exec(start, nothing()))


def test_the_container_must_be_named_where_there_are_several() -> None:
    pod = make_pod(containers=[make_container("a"), make_container("b")])
    words = "a container name must be specified for pod web, choose one of: [a b]"
    with pytest.raises(BadRequest) as caught:
        choose_container(pod, "")
    assert caught.value.message == words
    pod.spec.init_containers.append(make_container("i"))
    pod.spec.ephemeral_containers.add().ephemeral_container_common.name = "e"
    with pytest.raises(BadRequest) as caught:
        choose_container(pod, "")
    assert caught.value.message == (
        f"{words} or one of the init containers: [i] or one of the ephemeral containers: [e]"
    )
    assert [choose_container(pod, name) for name in "abie"] == list("abie")


def _node(*addresses: tuple[str, str], port: int = 10250) -> node_pb2.Node:
    node = node_pb2.Node()
    node.metadata.name = "n"
    for kind, address in addresses:
        node.status.addresses.add(type=kind, address=address)
    node.status.daemon_endpoints.kubelet_endpoint.port = port
    return node


def test_the_address_of_a_kubelet() -> None:
    both = (("Hostname", "node-1"), ("InternalIP", "10.0.0.7"), ("InternalIP", "fd00::7"))
    assert kubelet_address(_node(*both)) == "10.0.0.7:10250"
    assert kubelet_address(_node(both[0])) == "node-1:10250"
    assert kubelet_address(_node(both[2])) == "[fd00::7]:10250"
    with pytest.raises(NotFound, match=r"no preferred addresses found; known addresses: \[Pigeon:coop\]"):
        kubelet_address(_node(("Pigeon", "coop")))
    with pytest.raises(InternalError, match='node "n" does not say on which port its kubelet listens'):
        kubelet_address(_node(*both, port=0))


async def test_connections_to_kubelets_are_kept_and_bounded() -> None:
    closed: list[str] = []

    class Connection(InProcessTransport):
        def __init__(self, address: str) -> None:
            super().__init__({})
            self.address = address

        async def close(self) -> None:
            closed.append(self.address)

    kubelets = Kubelets(Connection, limit=2)
    async with kubelets.to("a") as first, kubelets.to("b"), kubelets.to("a") as again, kubelets.to("c"):
        assert again is first
        assert closed == []
    async with kubelets.to("d"):
        assert closed == ["b", "a"]
    async with kubelets.to("c"):
        assert closed == ["b", "a"]
    await kubelets.close()
    assert sorted(closed) == ["a", "b", "c", "d"]


async def test_a_connection_that_is_wanted_while_others_are_closed_stays_open() -> None:
    closed, closing, goes_on = list[str](), asyncio.Event(), asyncio.Event()

    class Connection(InProcessTransport):
        def __init__(self, address: str) -> None:
            super().__init__({})
            self.address = address

        async def close(self) -> None:
            closing.set()
            await goes_on.wait()
            closed.append(self.address)

    async def ask(address: str) -> None:
        async with kubelets.to(address):
            # Its own, and those of others that are asked meanwhile, are open as long as they are wanted.
            await asked.wait()
            assert not {"b", "d"} & set(closed)

    kubelets, asked = Kubelets(Connection, limit=1), asyncio.Event()
    async with kubelets.to("a"), kubelets.to("b"), kubelets.to("c"):
        pass
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        # Closes a, and has b and c to close after it; meanwhile b is wanted again, by somebody who closes c.
        group.create_task(ask("d"))
        await closing.wait()
        group.create_task(ask("b"))
        await settle()
        goes_on.set()
        await settle()
        asked.set()
    assert sorted(closed) == ["a", "c"]
    await kubelets.close()
    assert sorted(closed) == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tail_lines": -1}, "tailLines: Invalid value: -1: must be greater than or equal to 0"),
        ({"limit_bytes": 0}, "limitBytes: Invalid value: 0: must be greater than 0"),
        ({"since_seconds": 0}, "sinceSeconds: Invalid value: 0: must be greater than 0"),
        ({"since_seconds": 5, "since_time": {"seconds": 5}}, "[]: Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified"),
        ({"stream": "Both"}, 'stream: Unsupported value: "Both": supported values: "All", "Stderr", "Stdout"'),
        ({"stream": "Stdout", "tail_lines": 3}, "[]: Forbidden: `tailLines` and specific `stream` are mutually exclusive for now"),
    ],
)  # fmt: skip
async def test_options_of_logs_that_mean_nothing_are_refused(options: dict[str, Any], words: str) -> None:
    kubelet = FakeKubelet()
    api, _ = await _with_pod(kubelet)
    with pytest.raises(Invalid) as caught:
        [piece async for piece in api.client.pods.logs("default", "web", pod_pb2.PodLogOptions(**options))]
    assert caught.value.message.startswith('PodLogOptions "web" is invalid: ')
    assert caught.value.message.endswith(words)
    assert kubelet.asked == []
