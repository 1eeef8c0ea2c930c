"""A node comes with a bootstrap token alone: it gets its certificates, and renews them."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509

from bench.etcd import EtcdProcess, find_etcd, free_port
from bench.processes import ServiceProcess
from tests.support.certificate_requests import make_csr, node_csr
from tests.support.fresh import fresh
from vaina.api.core.v1 import pod_pb2
from vaina.client.clientset import Clientset
from vaina.client.transport import GrpcTransport
from vaina.clock import SystemClock
from vaina.errors import ApiError, Forbidden, NotFound, Unauthorized, Unavailable
from vaina.pki import cluster
from vaina.pki.authority import Profile, certificate_pem, key_pem, load_authority, make_key
from vaina.pki.folder import Folder, write_file, write_folder
from vaina.pki.identity import read_identity
from vaina.pki.token import TOKEN, TokenFolder, make_token
from vaina.testing.builders import make_pod

pytestmark = [pytest.mark.component, pytest.mark.timeout(240)]
NOW, SLEEP = SystemClock().now, SystemClock().sleep
#: how long nodes' certificates hold here: the last tenth of it is time enough for the next one on a busy machine
SECONDS = 24


@dataclass(frozen=True)
class Processes:
    folders: Path
    apiserver: ServiceProcess
    bootstrap: str

    def kubelet(self, name: str) -> ServiceProcess:
        return ServiceProcess(
            "kubelet", f"--apiserver={self.apiserver.target}", f"--bootstrap-apiserver={self.bootstrap}",
            f"--bootstrap-dir={self.folders}/node", f"--cert-dir={self.folders}/{name}/client",
            f"--serving-cert-dir={self.folders}/{name}/serving", "--runtime=hollow", f"--node-name={name}",
            f"--root-dir={self.folders}/{name}/root", "--node-ip=127.0.0.1", "--log-level=info",
        )  # fmt: skip

    def token(self, token: str = "") -> Clientset:
        """A client that shows a token; by default the right one."""
        folder = self.folders / "node"
        if token:
            folder = self.folders / "another"
            folder.mkdir(exist_ok=True)
            write_file(folder / TOKEN, token.encode())
            write_file(folder / "ca.crt", (self.folders / "ca" / "tls.crt").read_bytes())
        return Clientset(GrpcTransport(self.bootstrap, TokenFolder(folder)), timeout=30)


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """etcd, an apiserver with a port for tokens, and controllers that sign."""
    if find_etcd() is None:
        pytest.skip("no etcd: run `make test-component`, which fetches it")
    folders = tmp_path_factory.mktemp("cluster")
    cluster.Folders(folders).make(NOW())
    etcd, port = EtcdProcess(cert_dir=folders / "etcd"), free_port()
    apiserver = ServiceProcess(
        "apiserver", f"--etcd-endpoints={etcd.target}", f"--cert-dir={folders}/apiserver",
        f"--etcd-cert-dir={folders}/apiserver-etcd-client", f"--bootstrap-listen=127.0.0.1:{port}",
        f"--kubelet-client-cert-dir={folders}/apiserver-kubelet-client",
        f"--bootstrap-token-file={folders}/node/{TOKEN}", "--log-level=info",
    )  # fmt: skip
    apiserver.wait_healthy()
    controller = ServiceProcess(
        "controller", f"--apiserver={apiserver.target}", f"--cert-dir={folders}/controller",
        f"--cluster-signing-cert-dir={folders}/ca", f"--cluster-signing-duration-seconds={SECONDS}",
        "--log-level=info",
    )  # fmt: skip
    yield Processes(folders, apiserver, f"127.0.0.1:{port}")
    for process in (controller, apiserver, etcd):
        process.close()


@pytest.fixture
async def admin(processes: Processes) -> AsyncIterator[Clientset]:
    async with Clientset(
        GrpcTransport(processes.apiserver.target, Folder(processes.folders / "admin"))
    ) as clients:
        yield clients


async def running(client: Clientset, name: str) -> None:
    """Return when a Pod runs."""
    async with asyncio.timeout(60):
        while True:
            pod = await client.pods.get(name, "default")
            if pod.status.phase == "Running":
                return
            await SLEEP(0.1)


async def test_a_node_comes_with_a_token_renews_its_certificates_and_survives_being_killed(
    processes: Processes, admin: Clientset
) -> None:
    node = fresh("n1")
    first_pod, second_pod, third_pod = (f"{word}-on-{node}" for word in ("first", "second", "third"))
    client, serving = (processes.folders / node / part for part in ("client", "serving"))
    # Killed at once, and again when it has its first certificate.
    for path in (client / "pending", client / "tls.crt"):
        kubelet = processes.kubelet(node)
        async with asyncio.timeout(60):
            while not path.exists():
                await SLEEP(0.005)
        kubelet.kill()
    kubelet = processes.kubelet(node)
    try:
        await asyncio.to_thread(kubelet.wait_healthy)
        await admin.pods.create(make_pod(first_pod, node=node))
        await running(admin, first_pod)
        first = {path: (path / "tls.crt").read_bytes() for path in (client, serving)}
        identity = read_identity(first[client])
        assert (identity.name, identity.groups) == (f"system:node:{node}", ("system:nodes",))
        # The list of denied certificates comes when the kubelet looks for it, and what is pending goes with the
        # next certificate: with lives this short, one may be asked for at this moment.
        files = {"tls.crt", "tls.key", "ca.crt"}
        async with asyncio.timeout(3 * SECONDS):
            while {path.name for path in client.iterdir()} - {"denied"} != files:
                await SLEEP(0.1)
        assert all((client / name).stat().st_mode & 0o077 == 0 for name in files)
        async with asyncio.timeout(3 * SECONDS):
            while any((path / "tls.crt").read_bytes() == first[path] for path in first):
                await SLEEP(0.2)
        # The watch of before tells of the Pod, though its certificate is about to expire; then a new one does.
        await admin.pods.create(make_pod(second_pod, node=node))
        await running(admin, second_pod)
        await SLEEP(SECONDS)
        await admin.pods.create(make_pod(third_pod, node=node))
        await running(admin, third_pod)
        logs = admin.pods.logs("default", third_pod, pod_pb2.PodLogOptions())
        async with aclosing(logs) as parts:
            async for part in parts:
                assert part
        page = kubelet.get("/metrics")
        assert 'rest_client_requests_total{code="401"' not in page
    finally:
        kubelet.close()


def serial_of(folder: Path) -> int:
    return x509.load_pem_x509_certificate((folder / "tls.crt").read_bytes()).serial_number


async def test_what_the_cluster_denies_a_kubelet_denies_within_a_minute(
    processes: Processes, admin: Clientset
) -> None:
    shown, node = processes.folders / "apiserver-kubelet-client", fresh("n2")
    kubelet, talks = processes.kubelet(node), f"talks-on-{node}"

    async def logs() -> bool:
        try:
            async with aclosing(admin.pods.logs("default", talks, pod_pb2.PodLogOptions())) as parts:
                async for _ in parts:
                    pass
        except ApiError:
            return False
        return True

    try:
        await asyncio.to_thread(kubelet.wait_healthy)
        await admin.pods.create(make_pod(talks, node=node))
        await running(admin, talks)
        async with asyncio.timeout(60):
            while not await logs():
                await SLEEP(0.2)
        try:
            assert "node" in cluster.Folders(processes.folders).deny(serial_of(shown), NOW())
            async with asyncio.timeout(60):
                while await logs():
                    await SLEEP(0.2)
        finally:
            # Another certificate of the same authority opens the port again.
            (shown / "tls.crt").unlink()
            cluster.Folders(processes.folders).make(NOW())
        async with asyncio.timeout(60):
            while not await logs():
                await SLEEP(0.2)
    finally:
        kubelet.close()


async def test_a_token_opens_nothing_but_requests_of_its_own(processes: Processes, admin: Clientset) -> None:
    mine, others = fresh("mine"), fresh("others")
    await admin.certificate_signing_requests.create(make_csr(others, "example.com/a", "jane"))
    async with processes.token() as clients:
        assert (await clients.version()).major == "1"
        made = await clients.certificate_signing_requests.create(node_csr(mine, "n9"))
        assert made.spec.username.startswith("system:bootstrap:")
        assert list(made.spec.groups) == ["system:bootstrappers", "system:authenticated"]
        assert (await clients.certificate_signing_requests.get(mine)).spec == made.spec
        watch = clients.certificate_signing_requests.watch(
            field_selector=f"metadata.name={mine}", send_initial_events=True
        )
        async with aclosing(watch) as batches:
            async for batch in batches:
                assert {event.object.metadata.name for event in batch.events} <= {mine, ""}
                break
        for name in (others, "nobody"):
            with pytest.raises(Forbidden, match="a bootstrap token may only read its own requests"):
                await clients.certificate_signing_requests.get(name)
        for selector in ("", f"metadata.name={others}", "spec.signerName=example.com/a"):
            with pytest.raises(Forbidden, match="a bootstrap token may only read its own requests"):
                async with aclosing(
                    clients.certificate_signing_requests.watch(field_selector=selector)
                ) as batches:
                    await anext(batches)
        for signer in ("kubernetes.io/kube-apiserver-client", "kubernetes.io/kubelet-serving"):
            with pytest.raises(Forbidden, match="a bootstrap token may only ask for certificates of"):
                await clients.certificate_signing_requests.create(make_csr("x", signer, "system:node:n9"))
        for call in (
            clients.certificate_signing_requests.list(),
            clients.certificate_signing_requests.update_approval(made),
            clients.certificate_signing_requests.delete(mine),
            clients.secrets.list(),
            clients.nodes.get("n1"),
            clients.pods.create(make_pod("web")),
        ):
            with pytest.raises(ApiError, match=r"(?i)method"):
                await call
    await admin.certificate_signing_requests.delete(mine)
    with pytest.raises(NotFound):
        await admin.nodes.get("n9")


async def test_who_has_no_token_gets_nothing_and_is_not_told_why(
    processes: Processes, admin: Clientset
) -> None:
    token = (processes.folders / "node" / TOKEN).read_text()
    wrong = [f"{token[:7]}{'a' * 16}", f"zzzzzz{token[6:]}", "nonsense", f"{token}x"]
    for one in wrong:
        async with processes.token(one) as clients:
            with pytest.raises(Unauthorized, match=r"^Unauthorized$"):
                await clients.version()
    # A certificate is not a token, and a token no certificate.
    async with Clientset(GrpcTransport(processes.bootstrap, Folder(processes.folders / "admin"))) as clients:
        with pytest.raises(Unauthorized):
            await clients.version()
    transport = GrpcTransport(processes.apiserver.target, TokenFolder(processes.folders / "node"))
    async with Clientset(transport, timeout=30) as clients:
        with pytest.raises(Unavailable):
            await clients.version()


async def test_a_token_that_has_expired_or_is_deleted_opens_nothing(
    processes: Processes, admin: Clientset
) -> None:
    # Another one for each try.
    token, watched = make_token(random.SystemRandom()), fresh("watched")
    secret = await admin.secrets.get(
        f"bootstrap-token-{(processes.folders / 'node' / TOKEN).read_text()[:6]}", "kube-system"
    )
    secret.metadata.Clear()
    secret.metadata.name, secret.metadata.namespace = f"bootstrap-token-{token[:6]}", "kube-system"
    secret.data["token-id"], secret.data["token-secret"] = token[:6].encode(), token[7:].encode()
    made = await admin.secrets.create(secret)
    async with processes.token(token) as clients:
        async with asyncio.timeout(60):
            while True:
                try:
                    await clients.version()
                    break
                except Unauthorized:
                    await SLEEP(0.05)
        await clients.certificate_signing_requests.create(node_csr(watched, "n8"))
        watch = clients.certificate_signing_requests.watch(
            field_selector=f"metadata.name={watched}", send_initial_events=True
        )
        await anext(watch)
        made.data["expiration"] = b"2020-01-01T00:00:00Z"
        await admin.secrets.update(made)
        async with asyncio.timeout(60):
            while True:
                try:
                    await clients.version()
                except Unauthorized:
                    break
                await SLEEP(0.05)
        # What was opened with it ends too.
        async with asyncio.timeout(60):
            with pytest.raises(Unauthorized):
                async for _ in watch:
                    pass
    await admin.certificate_signing_requests.delete(watched)


async def test_hollow_nodes_have_identities_of_their_own(processes: Processes, admin: Clientset) -> None:
    """Their process has a certificate too, whose user may nothing."""
    ca, shown, own = processes.folders / "ca", processes.folders / "nobody", fresh("own")
    authority = load_authority((ca / "tls.crt").read_bytes(), (ca / "tls.key").read_bytes())
    key = make_key()
    certificate = authority.sign(Profile("nobody"), key.public_key(), NOW(), 3600)
    write_folder(shown, certificate_pem(certificate), key_pem(key), (ca / "tls.crt").read_bytes())
    kubelets = ServiceProcess(
        "kubelet", f"--apiserver={processes.apiserver.target}", f"--cert-dir={shown}", "--hollow-traces=true",
        f"--hollow-signing-cert-dir={ca}", "--hollow-nodes=20", f"--hollow-prefix={own}", "--runtime=hollow",
    )  # fmt: skip
    try:
        for index in range(20):
            pod = make_pod(f"{own}-{index}", node=f"{own}-{index:04d}")
            await admin.pods.create(pod)
        for index in range(20):
            await running(admin, f"{own}-{index}")
        page = kubelets.get("/metrics")
        assert 'rest_client_requests_total{code="403"' not in page
        assert 'rest_client_requests_total{code="401"' not in page
    finally:
        kubelets.close()
