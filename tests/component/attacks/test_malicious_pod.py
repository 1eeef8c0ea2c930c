"""Threat: a Pod, which has an address in the cluster's network and nothing else: no certificate and no token.

What it reaches by its network is looked at from inside Pods in `tests/cluster`; here is what it would hear.
"""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import grpc
import pytest

from bench.etcd import find_etcd, free_port
from tests.support.certificate_requests import node_csr
from tests.support.identities import ADMIN, ANA
from tests.support.secured import Caller, Plane, code_of, refused
from vaina.api.core.v1 import pod_pb2
from vaina.client.clientset import Clientset
from vaina.client.transport import GrpcTransport
from vaina.clock import SystemClock
from vaina.errors import ApiError, Unauthorized
from vaina.kinds import CERTIFICATE_SIGNING_REQUEST, NODE, POD, SECRET
from vaina.pki.folder import write_file
from vaina.pki.token import TOKEN, TokenFolder
from vaina.testing.builders import make_container, make_pod

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]

TOKEN_OF_NODES = "abcdef.0123456789abcdef"


@pytest.fixture(scope="module")
def bootstrap_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Plane, str]]:
    """A plane with the port on which nodes come with a token, and where that is."""
    if find_etcd() is None:
        pytest.skip("no etcd: run `make test-component`, which fetches it")
    folder, target = tmp_path_factory.mktemp("bootstrap"), f"127.0.0.1:{free_port()}"
    write_file(folder / TOKEN, TOKEN_OF_NODES.encode())
    plane = Plane(folder, f"--bootstrap-listen={target}", f"--bootstrap-token-file={folder}/{TOKEN}")
    try:
        plane.start()
        asyncio.run(token_is_there(plane))
        yield plane, target
    finally:
        plane.close()


async def token_is_there(plane: Plane) -> None:
    """Wait until the apiserver has made the token's Secret, a moment after it began to serve."""
    async with plane.client(ADMIN) as admin, asyncio.timeout(60):
        while not (await admin.secrets.list("kube-system")).items:
            await SystemClock().sleep(0.05)


def showing(plane: Plane, target: str, folder: Path, token: str) -> Clientset:
    """Return a client that shows a token."""
    folder.mkdir(exist_ok=True)
    write_file(folder / TOKEN, token.encode())
    write_file(folder / "ca.crt", plane.identities.authority_pem("cluster"))
    return Clientset(GrpcTransport(target, TokenFolder(folder)), timeout=30)


HTTP = b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"
SAID = {
    "nothing": b"", "HTTP": HTTP, "HTTP to etcd": b"GET /version HTTP/1.1\r\nHost: a\r\n\r\n", "gRPC in the clear": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a kubelet's old API": b"POST /run/theirs/db/app?cmd=id HTTP/1.1\r\nHost: a\r\n\r\n", "noise": bytes(range(256)) * 8,
}  # fmt: skip


@pytest.mark.parametrize("name", SAID)
async def test_who_speaks_in_the_clear_hears_nothing(plane: Plane, kubelet: str, name: str) -> None:
    ports = [plane.apiserver.port, plane.etcd.port, plane.etcd.peer_port, int(kubelet.rpartition(":")[2])]
    async with plane.nothing_changed():
        for port in ports:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            answer = b""
            with suppress(OSError, TimeoutError):
                writer.write(SAID[name])
                await writer.drain()
                writer.write_eof()
                async with asyncio.timeout(15):
                    answer = await reader.read()
            writer.close()
            # An alert of TLS, or a hint to speak TLS; nothing of what was asked for.
            for word in (b"200", b"etcdserver", b"apiserver_", b"uid="):
                assert word not in answer


async def test_who_shows_nothing_over_tls_gets_no_further_than_the_handshake(
    plane: Plane, kubelet: str
) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    for port in (
        plane.apiserver.port,
        plane.etcd.port,
        plane.etcd.peer_port,
        int(kubelet.rpartition(":")[2]),
    ):
        answer = b""
        with suppress(ConnectionError, ssl.SSLError, TimeoutError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
            writer.write(HTTP)
            async with asyncio.timeout(15):
                answer = await reader.read()
        assert b"200" not in answer
        assert b"_total" not in answer


#: what a caller may say of itself instead of a token
PASSWORDS: dict[str, tuple[tuple[str, str], ...]] = {
    "nothing": (),
    "another token": (("authorization", "Bearer ghijkl.0123456789abcdef"),),
    "the right id with another secret": (("authorization", "Bearer abcdef.0123456789abcdee"),),
    "the id alone": (("authorization", "Bearer abcdef."),),
    "an empty token": (("authorization", "Bearer "),),
    "a token of another scheme": (("authorization", f"Basic {TOKEN_OF_NODES}"),),
    "a token in capitals": (("authorization", f"Bearer {TOKEN_OF_NODES.upper()}"),),
    "a token with more": (("authorization", f"Bearer {TOKEN_OF_NODES}0"),),
    "two tokens": (("authorization", f"Bearer x {TOKEN_OF_NODES}"),),
    "a token elsewhere": (("x-bootstrap-token", TOKEN_OF_NODES),),
    "a path to a Secret": (("authorization", "Bearer ../own.0123456789abcdef"),),
    "a name": (("impersonate-user", "kubernetes-admin"), ("impersonate-group", "system:masters")),
}
CREATE = CERTIFICATE_SIGNING_REQUEST.method("Create")


@pytest.mark.parametrize("name", PASSWORDS)
async def test_no_token_that_is_none_opens_the_nodes_port(
    bootstrap_port: tuple[Plane, str], name: str
) -> None:
    plane, target = bootstrap_port
    async with AsyncExitStack() as stack:
        credentials = grpc.ssl_channel_credentials(plane.identities.authority_pem("cluster"))
        channel = await stack.enter_async_context(grpc.aio.secure_channel(target, credentials))
        async with plane.nothing_changed():
            for method in (CREATE, CERTIFICATE_SIGNING_REQUEST.method("Get")):
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await channel.unary_unary(method)(b"", metadata=PASSWORDS[name], timeout=30)
                assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_guesser_is_not_told_what_is_right_of_a_guess(
    bootstrap_port: tuple[Plane, str], tmp_path: Path
) -> None:
    plane, target = bootstrap_port
    said = set()
    for token in ("abcdef.0000000000000000", "aaaaaa.0123456789abcdef", "zzzzzz.zzzzzzzzzzzzzzzz"):
        async with showing(plane, target, tmp_path / token, token) as client:
            with pytest.raises(Unauthorized) as caught:
                await client.certificate_signing_requests.get("x")
            said.add(caught.value.message)
    assert said == {"Unauthorized"}


@pytest.mark.parametrize(
    "method",
    [
        SECRET.method("List"), SECRET.method("Get"), POD.method("List"), POD.method("Create"), POD.method("Exec"), NODE.method("Create"),
        CERTIFICATE_SIGNING_REQUEST.method("List"), CERTIFICATE_SIGNING_REQUEST.method("UpdateApproval"),
        CERTIFICATE_SIGNING_REQUEST.method("UpdateStatus"), CERTIFICATE_SIGNING_REQUEST.method("Delete"),
        "/vaina.api.core.v1.ManifestService/Apply",
    ],
)  # fmt: skip
async def test_a_stolen_token_opens_nothing_but_requests(
    bootstrap_port: tuple[Plane, str], method: str, tmp_path: Path
) -> None:
    """The right token: it came with a node, whose disk somebody has read."""
    plane, target = bootstrap_port
    async with showing(plane, target, tmp_path / "right", TOKEN_OF_NODES) as client, plane.nothing_changed():
        with pytest.raises(ApiError) as caught:
            await client.transport.unary(method, b"")
        assert caught.value.code in {403, 405, 501}, caught.value


async def test_a_stolen_token_gets_no_certificate_but_a_nodes(
    bootstrap_port: tuple[Plane, str], tmp_path: Path
) -> None:
    plane, target = bootstrap_port
    others = (
        "kubernetes.io/kube-apiserver-client",
        "kubernetes.io/kubelet-serving",
        "kubernetes.io/legacy-unknown",
        "evil.org/x",
    )
    async with showing(plane, target, tmp_path / "right", TOKEN_OF_NODES) as client, plane.unharmed():
        for signer in others:
            made = node_csr("evil", "node-9")
            made.spec.signer_name = signer
            with refused(403, "a bootstrap token may only ask for certificates of"):
                await client.certificate_signing_requests.create(made)


async def test_the_token_is_nobody_at_the_other_port(
    bootstrap_port: tuple[Plane, str], tmp_path: Path
) -> None:
    plane, _ = bootstrap_port
    async with showing(plane, plane.apiserver.target, tmp_path / "right", TOKEN_OF_NODES) as client:
        with refused(503):
            await client.certificate_signing_requests.create(node_csr("evil", "node-9"))
    # Nor does it make more of somebody who has a certificate.
    async with plane.client(ANA) as client:
        metadata = (("authorization", f"Bearer {TOKEN_OF_NODES}"),)
        with refused(403, 'User "ana" cannot'):
            await client.transport.unary(CREATE, b"", metadata=metadata)
    credentials = grpc.ssl_channel_credentials(plane.identities.authority_pem("cluster"))
    assert await code_of(plane.apiserver.target, credentials, CREATE) is grpc.StatusCode.UNAVAILABLE


PROBE: dict[str, Any] = {
    "a probe of the apiserver": {
        "host": "10.0.0.1",
        "port": {"int_val": 6443},
        "path": "/",
        "scheme": "HTTPS",
    },
    "a probe of etcd": {"host": "127.0.0.1", "port": {"int_val": 2379}, "path": "/v3/kv/range"},
    "a probe of the kubelet": {"host": "localhost", "port": {"int_val": 10255}, "path": "/metrics"},
}


@pytest.mark.parametrize("name", PROBE)
async def test_no_kubelet_is_sent_to_other_hosts_by_a_pod(plane: Plane, calling: Caller, name: str) -> None:
    """A probe comes from the node, which reaches more than the Pod does."""
    container = make_container("app")
    container.liveness_probe.MergeFrom(pod_pb2.Probe(handler={"http_get": PROBE[name]}))
    async with plane.unharmed(ANA):
        with refused(403, 'violates PodSecurity "baseline:latest": probe or lifecycle host'):
            await calling(ANA).pods.create(make_pod("evil", "ours", containers=[container]))
