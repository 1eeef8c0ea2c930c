"""Threat: somebody between the processes: answers in a server's place, changes, keeps and repeats bytes."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import grpc
import grpc.aio
import pytest
from aetcd.rpc import rpc_pb2

from apiserver.storage.etcd.client import EtcdClient
from apiserver.storage.metrics import StorageMetrics
from tests.support.fresh import fresh
from tests.support.identities import ADMIN, ETCD, ETCD_CLIENT, LOOPBACK, Identities
from tests.support.proxy import Proxy, proxy_to
from tests.support.secured import Caller, Plane, refused
from vaina.api.core.v1 import pod_pb2
from vaina.client.clientset import Clientset
from vaina.client.transport import GrpcTransport
from vaina.clock import SystemClock
from vaina.errors import Unavailable
from vaina.kinds import SECRET
from vaina.pki.authority import Profile
from vaina.pki.folder import Folder
from vaina.testing.builders import make_config_map, make_node, make_pod

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]

ELSEWHERE = Profile("kube-apiserver", hosts=("apiserver.example", "10.9.8.7"), is_server=True)
NODE = Profile("system:node:node-7", ("system:nodes",), hosts=("node-7", "10.9.8.7"), is_server=True)
CLIENT_ONLY = Profile("kube-apiserver", hosts=LOOPBACK)
RIGHT = Profile("kube-apiserver", hosts=LOOPBACK, is_server=True)


class Impostor(grpc.GenericRpcHandler):
    """Answers any gRPC method, and notes which."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.port = 0

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    def service(self, handler_call_details: Any) -> Any:
        self.asked.append(handler_call_details.method)

        async def answer(request: AsyncIterator[bytes], context: object) -> AsyncIterator[bytes]:
            yield b""

        return grpc.stream_stream_rpc_method_handler(answer)


@asynccontextmanager
async def impostor(shows: Folder | None) -> AsyncIterator[Impostor]:
    """Serve with a certificate, or in the clear; clients need none."""
    made, server = Impostor(), grpc.aio.server()
    server.add_generic_rpc_handlers((made,))
    if shows is None:
        made.port = server.add_insecure_port("127.0.0.1:0")
    else:
        material = shows.current()
        credentials = grpc.ssl_server_credentials([(material.key, material.certificate)])
        made.port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    try:
        yield made
    finally:
        await server.stop(None)


#: what may be shown in the place of a server whose certificate the cluster's authority has signed
SHOWN: dict[str, Callable[[Identities], Folder | None]] = {
    "an authority of the same name": lambda made: made.credentials(RIGHT, signer="foreign"),
    "etcd's authority": lambda made: made.credentials(RIGHT, signer="etcd"),
    "the authority for kubelets' clients": lambda made: made.credentials(RIGHT, signer="kubelet_client"),
    "the cluster's authority, of another host": lambda made: made.credentials(ELSEWHERE),
    "the cluster's authority, of a node whose key was stolen": lambda made: made.credentials(NODE),
    "the cluster's authority, of a client": lambda made: made.credentials(CLIENT_ONLY),
    "the cluster's authority, expired": lambda made: made.credentials(RIGHT, seconds=10, from_now=-100),
    "nothing: it speaks in the clear": lambda _: None,
}


@pytest.mark.parametrize("shown", SHOWN)
async def test_clients_of_the_apiserver_refuse(plane: Plane, shown: str) -> None:
    async with impostor(SHOWN[shown](plane.identities)) as other:
        async with Clientset(GrpcTransport(other.target, plane.identities.credentials(ADMIN))) as client:
            with pytest.raises(Unavailable):
                await client.secrets.list()
            with pytest.raises(Unavailable):
                await anext(client.secrets.watch("default", resource_version="1"))
        assert other.asked == []


async def test_clients_take_the_right_one(plane: Plane) -> None:
    """What the test above would show if clients refused everybody."""
    async with impostor(plane.identities.credentials(RIGHT)) as other:
        async with Clientset(GrpcTransport(other.target, plane.identities.credentials(ADMIN))) as client:
            assert (await client.secrets.list()).items == []
        assert other.asked == [SECRET.method("List")]


@pytest.mark.parametrize("shown", SHOWN)
async def test_the_apiserver_refuses_for_a_kubelet(plane: Plane, calling: Caller, shown: str) -> None:
    admin = calling(ADMIN)
    name = fresh("spoofed")
    async with impostor(SHOWN[shown](plane.identities)) as other:
        node = make_node(name)
        del node.status.addresses[:]
        node.status.addresses.add(type="InternalIP", address="127.0.0.1")
        node.status.daemon_endpoints.kubelet_endpoint.port = other.port
        await admin.nodes.create(node)
        await admin.pods.create(make_pod(name, node=name))
        async with plane.nothing_changed():
            with refused(503, f'the kubelet of node "{name}"'):
                await anext(admin.pods.logs("default", name, pod_pb2.PodLogOptions()))
        assert other.asked == []


ETCD_SHOWN: dict[str, Callable[[Identities], Folder | None]] = {
    "an authority of the same name": lambda made: made.credentials(ETCD, signer="foreign"),
    "the cluster's authority": lambda made: made.credentials(ETCD, signer="cluster"),
    "etcd's authority, of another host": lambda made: made.credentials(ELSEWHERE, signer="etcd"),
    "etcd's authority, of a client": lambda made: made.credentials(ETCD_CLIENT, signer="etcd"),
    "nothing: it speaks in the clear": lambda _: None,
}


@pytest.mark.parametrize("shown", ETCD_SHOWN)
async def test_the_apiserver_refuses_for_etcd(plane: Plane, shown: str) -> None:
    async with impostor(ETCD_SHOWN[shown](plane.identities)) as other:
        credentials = plane.identities.credentials(ETCD_CLIENT, signer="etcd", trusts="etcd")
        clock = SystemClock()
        async with EtcdClient(
            other.target, clock=clock, metrics=StorageMetrics(), timeout_seconds=2, credentials=credentials
        ) as client:
            with pytest.raises(Unavailable):
                await client.range(rpc_pb2.RangeRequest(key=b"/registry/"), "get")
        assert other.asked == []


class Recorder(Proxy):
    """Passes on, and keeps what clients and server said; or changes a byte of what clients say."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.said: list[bytes] = []
        self.answered: list[bytes] = []
        #: a byte is changed in each piece that is longer than this, from now on
        self.changes_beyond: int | None = None

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_answer: bool
    ) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                (self.answered if is_answer else self.said).append(data)
                if not is_answer and self.changes_beyond is not None and len(data) > self.changes_beyond:
                    data = data[:-1] + bytes([data[-1] ^ 1])
                writer.write(data)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def recording(port: int) -> AsyncIterator[Recorder]:
    recorder = Recorder(port)
    await recorder.start()
    try:
        yield recorder
    finally:
        await recorder.stop()


async def test_who_listens_reads_nothing_and_repeats_nothing(plane: Plane, calling: Caller) -> None:
    admin, replayed = calling(ADMIN), fresh("replayed")
    async with recording(plane.apiserver.port) as between:
        async with Clientset(GrpcTransport(between.target, plane.identities.credentials(ADMIN))) as client:
            made = make_config_map("", data={"word": "open-sesame"})
            made.metadata.generate_name = f"{replayed}-"
            await client.config_maps.create(made)
            listed = await client.secrets.list("theirs")
            assert {bytes(item.data["password"]) for item in listed.items} == {b"hunter2"}
        for word in (b"open-sesame", b"hunter2", b"replayed", b"ConfigMap", b"kubernetes-admin"):
            assert word not in b"".join(between.said)
            assert word not in b"".join(between.answered)
        async with plane.nothing_changed():
            for _ in range(3):
                reader, writer = await asyncio.open_connection("127.0.0.1", plane.apiserver.port)
                with suppress(ConnectionError):
                    writer.write(b"".join(between.said))
                    await writer.drain()
                    async with asyncio.timeout(60):
                        await reader.read()
                writer.close()
    names = [item.metadata.name for item in (await admin.config_maps.list("default")).items]
    assert sum(name.startswith(f"{replayed}-") for name in names) == 1


async def test_a_byte_that_was_changed_ends_the_connection(plane: Plane) -> None:
    async with (
        recording(plane.apiserver.port) as between,
        Clientset(GrpcTransport(between.target, plane.identities.credentials(ADMIN))) as client,
    ):
        await client.config_maps.list("default")
        async with plane.nothing_changed():
            between.changes_beyond = 400
            with pytest.raises(Unavailable):
                await client.config_maps.create(make_config_map("changed", data={"a": "x" * 1000}))


async def test_a_connection_that_is_cut_and_joined_again_goes_on_with_the_same_identity(plane: Plane) -> None:
    async with (
        proxy_to(plane.apiserver.port) as between,
        Clientset(GrpcTransport(between.target, plane.identities.credentials(ADMIN))) as client,
    ):
        await client.config_maps.list("default")
        between.break_connections()
        async with asyncio.timeout(60):
            while True:
                with suppress(Unavailable):
                    await client.config_maps.list("default")
                    return


def old_context(version: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2"])
    return context


@pytest.mark.filterwarnings("ignore:.*TLSv1.*deprecated:DeprecationWarning")
@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
async def test_nobody_speaks_an_old_tls(plane: Plane, kubelet: str, version: str) -> None:
    shown = plane.identities.folder(ADMIN)
    for target in (plane.apiserver.target, plane.etcd.target, kubelet):
        host, _, port = target.rpartition(":")
        context = old_context(ssl.TLSVersion[version])
        context.load_cert_chain(shown / "tls.crt", shown / "tls.key")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection(host, int(port), ssl=context)
