"""The services as processes over TLS, and etcd: they find each other, renew, and serve nobody in the clear."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

import grpc
import pytest
from aetcd.rpc import rpc_pb2, rpc_pb2_grpc
from cryptography import x509

from bench.etcd import EtcdProcess, find_etcd
from bench.processes import ServiceProcess
from tests.support.certificates import HERE, Certificates, node
from vaina.api.core.v1 import config_pb2, pod_pb2
from vaina.client.clientset import Clientset
from vaina.client.transport import GrpcTransport
from vaina.clock import SystemClock
from vaina.errors import ApiError, Unavailable
from vaina.pki import cluster
from vaina.pki.authority import Profile, load_authority
from vaina.pki.folder import Folder, write_file
from vaina.testing.builders import make_pod

pytestmark = pytest.mark.component
ROOT = Path(__file__).resolve().parents[2]
NOW = SystemClock().now


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """The folders of a cluster, with those of a node."""
    cluster.Folders(tmp_path).make(NOW())
    ca = tmp_path / "ca"
    made = Certificates(tmp_path)
    made.authority = load_authority((ca / "tls.crt").read_bytes(), (ca / "tls.key").read_bytes())
    made.issue(node("n1"), into="node")
    made.issue(Profile("system:node:n1", hosts=HERE, is_server=True, is_client=False), into="node-serving")
    callers = (tmp_path / cluster.KUBELET_CLIENT_CA / "tls.crt").read_bytes()
    write_file(tmp_path / "node-serving" / "ca.crt", callers)
    return tmp_path


@pytest.fixture
def etcd(folders: Path) -> Iterator[EtcdProcess]:
    if find_etcd() is None:
        pytest.skip("no etcd: run `make test-component`, which fetches it")
    process = EtcdProcess(cert_dir=folders / "etcd")
    yield process
    process.close()


@pytest.fixture
def apiserver(folders: Path, etcd: EtcdProcess) -> Iterator[ServiceProcess]:
    process = ServiceProcess(
        "apiserver", f"--etcd-endpoints={etcd.target}", f"--cert-dir={folders}/apiserver",
        f"--etcd-cert-dir={folders}/apiserver-etcd-client",
        f"--kubelet-client-cert-dir={folders}/apiserver-kubelet-client", "--log-level=warning",
    )  # fmt: skip
    process.wait_healthy()
    yield process
    process.close()


@pytest.fixture
async def admin(folders: Path, apiserver: ServiceProcess) -> AsyncIterator[Clientset]:
    async with Clientset(GrpcTransport(apiserver.target, Folder(folders / "admin"))) as client:
        yield client


async def running(client: Clientset, name: str) -> None:
    """Return when a Pod runs."""
    async with asyncio.timeout(60):
        while True:
            try:
                async with aclosing(client.pods.watch("default", send_initial_events=True)) as batches:
                    async for batch in batches:
                        for event in batch.events:
                            if event.object.metadata.name == name and event.object.status.phase == "Running":
                                return
            except ApiError:
                continue


def config_map(name: str) -> config_pb2.ConfigMap:
    made = config_pb2.ConfigMap()
    made.metadata.name, made.metadata.namespace = name, "default"
    return made


async def test_a_pod_comes_to_run_where_all_speak_over_tls_and_all_renew_meanwhile(
    folders: Path, etcd: EtcdProcess, apiserver: ServiceProcess, admin: Clientset
) -> None:
    async with AsyncExitStack() as stack:
        services = [
            ServiceProcess(
                "kubelet", f"--apiserver={apiserver.target}", "--runtime=hollow", "--node-name=n1",
                f"--cert-dir={folders}/node", f"--serving-cert-dir={folders}/node-serving",
                f"--root-dir={folders}/root", "--log-level=warning", "--node-ip=127.0.0.1",
            ),
            ServiceProcess(
                "scheduler", f"--apiserver={apiserver.target}", f"--cert-dir={folders}/scheduler",
                "--log-level=warning",
            ),
            ServiceProcess(
                "controller", f"--apiserver={apiserver.target}", f"--cert-dir={folders}/controller",
                "--log-level=warning",
            ),
        ]  # fmt: skip
        for service in services:
            stack.callback(service.close)
        seen: list[str] = []

        async def follow() -> None:
            async with aclosing(admin.config_maps.watch("default", send_initial_events=True)) as batches:
                async for batch in batches:
                    seen.extend(event.object.metadata.name for event in batch.events if event.type == "ADDED")

        await admin.pods.create(make_pod("first"))
        await running(admin, "first")
        async with asyncio.TaskGroup() as group:
            following = group.create_task(follow())
            for number in range(3):
                # New certificates of all, the apiserver's and etcd's too: open connections and new ones go on.
                assert cluster.Folders(folders).make(NOW(), renew=True)
                await admin.config_maps.create(config_map(f"c{number}"))
                async with Clientset(GrpcTransport(apiserver.target, Folder(folders / "admin"))) as another:
                    assert await another.config_maps.get(f"c{number}", "default")
            async with asyncio.timeout(60):
                while len(seen) < 3:
                    await SystemClock().sleep(0.01)
            assert not following.done()
            following.cancel()
        await admin.pods.create(make_pod("second"))
        await running(admin, "second")
        # The apiserver's own certificate opens the kubelet's port; none of any other component does.
        async for part in admin.pods.logs("default", "second", pod_pb2.PodLogOptions()):
            assert part
        for name in ("scheduler", "admin", "node", "apiserver-etcd-client"):
            stranger = GrpcTransport(services[0].target, Folder(folders / name))
            with pytest.raises(Unavailable, match=r"certificate refused\?"):
                await stranger.unary("/grpc.health.v1.Health/Check", b"", timeout=60)
            await stranger.close()


@pytest.mark.parametrize("name", ["apiserver-kubelet-client", "etcd", "apiserver-etcd-client"])
async def test_a_certificate_of_another_authority_of_the_cluster_opens_no_apiserver(
    name: str, folders: Path, apiserver: ServiceProcess
) -> None:
    stranger = Folder(folders / name)
    write_file(stranger.path / "ca.crt", (folders / "ca" / "tls.crt").read_bytes())
    transport = GrpcTransport(apiserver.target, stranger)
    with pytest.raises(Unavailable, match=r"certificate refused\?"):
        await transport.unary("/grpc.health.v1.Health/Check", b"", timeout=60)
    await transport.close()


async def test_etcd_takes_no_new_connection_with_what_is_denied(folders: Path, etcd: EtcdProcess) -> None:
    shown = folders / "apiserver-etcd-client"

    async def count() -> int:
        credentials = Folder(shown).current().channel_credentials()
        async with grpc.aio.secure_channel(etcd.target, credentials) as channel:
            answer = await rpc_pb2_grpc.KVStub(channel).Range(rpc_pb2.RangeRequest(key=b"a"), timeout=60)
            return int(answer.count)

    assert await count() == 0
    serial = x509.load_pem_x509_certificate((shown / "tls.crt").read_bytes()).serial_number
    assert "etcd" in cluster.Folders(folders).deny(serial, NOW())
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await count()
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    (shown / "tls.crt").unlink()
    assert cluster.Folders(folders).make(NOW()) == ["apiserver-etcd-client"]
    assert await count() == 0


@pytest.mark.parametrize("flags", [("0.0.0.0:0", "127.0.0.1:0"), ("127.0.0.1:0", "0.0.0.0:0")])
@pytest.mark.parametrize("module", ["apiserver", "scheduler", "controller", "kubelet"])
def test_no_service_listens_beyond_loopback_in_the_clear(module: str, flags: tuple[str, str]) -> None:
    started = subprocess.run(
        [sys.executable, "-m", module, f"--listen={flags[0]}", f"--metrics-listen={flags[1]}"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert started.returncode == 2, started
    assert "0.0.0.0:0 is reached from other machines, and is not served in the clear" in started.stderr
