"""A control plane as it is deployed: etcd and an apiserver that take nobody without a certificate."""

import asyncio
import json
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from aetcd.rpc import rpc_pb2, rpc_pb2_grpc

from bench.etcd import EtcdProcess, free_port
from tests.support.apiserver_process import ROOT, ApiserverProcess, is_serving
from tests.support.etcd import FAST
from tests.support.identities import (
    ADMIN,
    APISERVER,
    ETCD,
    ETCD_CLIENT,
    KUBELET_CLIENT,
    LOOPBACK,
    Identities,
    node_profile,
)
from vaina.api.core.v1 import manifest_service_pb2
from vaina.client.clientset import Clientset
from vaina.client.transport import GrpcTransport
from vaina.clock import SystemClock
from vaina.errors import ApiError, Forbidden
from vaina.kinds import POD_TRACE
from vaina.pki.authority import Profile
from vaina.pki.folder import Folder

START_SECONDS = 100.0
#: until what was refused is in the audit log
AUDIT_SECONDS = 60.0


def audited(log: Path) -> list[dict[str, Any]]:
    """Return the events of an audit log that is being written: of its last line a part may be there."""
    return [json.loads(line) for line in log.read_text().splitlines(keepends=True) if line.endswith("\n")]


class SecuredEtcd(EtcdProcess):
    """An etcd that speaks TLS to clients and peers, and asks both for certificates of its own authority."""

    def __init__(self, identities: Identities) -> None:
        self.identities = identities
        super().__init__(*FAST, cert_dir=identities.folder(ETCD, signer="etcd", trusts="etcd"))

    @asynccontextmanager
    async def kv(self, credentials: Folder | None = None) -> AsyncIterator[rpc_pb2_grpc.KVStub]:
        """Call it, as apiservers do or with other credentials."""
        shown = credentials or self.identities.credentials(ETCD_CLIENT, signer="etcd", trusts="etcd")
        async with grpc.aio.secure_channel(self.target, shown.current().channel_credentials()) as channel:
            yield rpc_pb2_grpc.KVStub(channel)

    async def dump(self) -> dict[str, int]:
        """Return the keys of objects, each with the revision of its last write, but for traces of Pods."""
        async with self.kv() as kv:
            answer = await kv.Range(
                rpc_pb2.RangeRequest(key=b"/registry/", range_end=b"/registry0", keys_only=True)
            )
        traces = f"/registry/{POD_TRACE.etcd_prefix}/"
        return {
            item.key.decode(): item.mod_revision
            for item in answer.kvs
            if not item.key.decode().startswith(traces)
        }


async def _refuses(nobody: Clientset) -> bool:
    try:
        await nobody.nodes.list()
    except Forbidden:
        return True
    except ApiError:
        return False
    raise AssertionError("an apiserver lets somebody without rights list all nodes")


class SecuredApiserver(ApiserverProcess):
    """An apiserver that takes nobody without a certificate."""

    def __init__(self, identities: Identities, etcd: str, *arguments: str) -> None:
        self.identities = identities
        self.cert_dir = identities.folder(APISERVER)
        super().__init__(
            etcd,
            f"--cert-dir={self.cert_dir}",
            f"--etcd-cert-dir={identities.folder(ETCD_CLIENT, signer='etcd', trusts='etcd')}",
            f"--kubelet-client-cert-dir={identities.folder(KUBELET_CLIENT, signer='kubelet_client')}",
            *arguments,
        )

    async def wait_healthy(self) -> None:
        """Return when it serves, and has read the roles: until then it answers only administrators."""
        clock, transport = SystemClock(), GrpcTransport(self.target, self.identities.credentials(ADMIN))
        nobody = Clientset(GrpcTransport(self.target, self.identities.credentials(Profile("nobody"))))
        end = clock.monotonic() + START_SECONDS
        try:
            while not (await is_serving(transport) and await _refuses(nobody)):
                assert self._process is not None
                assert self._process.poll() is None, self.log()
                assert clock.monotonic() < end, self.log()
                await clock.sleep(0.05)
        finally:
            await transport.close()
            await nobody.close()


class Plane:
    """The processes, and clients of them by identity. One for many tests; clients are each test's own."""

    def __init__(self, root: Path, *arguments: str, certificate_seconds: float = 3600.0) -> None:
        self.identities = Identities.make(root, seconds=certificate_seconds)
        self.etcd = SecuredEtcd(self.identities)
        self.audit_log, policy = root / "audit.log", root / "policy.yaml"
        policy.write_text("{apiVersion: audit.k8s.io/v1, kind: Policy, rules: [{level: Metadata}]}")
        self.apiserver = SecuredApiserver(
            self.identities, self.etcd.target, f"--audit-log-path={self.audit_log}",
            f"--audit-policy-file={policy}", *arguments,
        )  # fmt: skip
        self._others: list[subprocess.Popen[bytes]] = []
        #: ids of processes by their modules, the last one of each
        self.pids: dict[str, int] = {}
        #: beginnings of keys that the processes of the plane write for themselves
        self._own: tuple[str, ...] = ()

    def start(self, *manifests: str) -> None:
        """Start the apiserver, and have the administrator apply manifests."""

        async def start() -> None:
            await self.apiserver.start()
            async with self.client(ADMIN) as admin:
                for manifest in manifests:
                    await apply(admin, manifest)

        asyncio.run(start())

    def spawn(self, module: str, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start another of our processes; it ends with the plane."""
        with (self.identities.root / f"{module}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments], cwd=ROOT, stdout=log, stderr=log
            )
        self._others.append(process)
        self.pids[module] = process.pid
        return process

    def start_kubelet(self, name: str, *arguments: str) -> str:
        """Start the kubelet of a node, which runs nothing; return host:port once it listens."""
        shown = self.identities.folder(node_profile(name))
        serving = self.identities.folder(node_profile(name), trusts="kubelet_client")
        target = f"127.0.0.1:{free_port()}"
        self._own += (
            f"/registry/minions/{name}", f"/registry/leases/kube-node-lease/{name}",
            f"/registry/events/default/{name}.",
        )  # fmt: skip
        process = self.spawn(
            "kubelet", f"--node-name={name}", "--runtime=hollow", f"--listen={target}", "--node-ip=127.0.0.1",
            f"--metrics-listen=127.0.0.1:{free_port()}", f"--apiserver={self.apiserver.target}",
            f"--root-dir={self.identities.root}", f"--cert-dir={shown}", f"--serving-cert-dir={serving}", *arguments,
        )  # fmt: skip
        self._wait_listening(process, target)
        return target

    def start_component(self, module: str, profile: Profile, *arguments: str) -> str:
        """Start the scheduler or the controllers; return host:port of their own gRPC service once it listens."""
        shown = replace(profile, hosts=LOOPBACK, is_server=True)
        target = f"127.0.0.1:{free_port()}"
        process = self.spawn(
            module, f"--listen={target}", f"--metrics-listen=127.0.0.1:{free_port()}",
            f"--apiserver={self.apiserver.target}", f"--cert-dir={self.identities.folder(shown)}", *arguments,
        )  # fmt: skip
        self._wait_listening(process, target)
        return target

    def _wait_listening(self, process: "subprocess.Popen[bytes]", target: str) -> None:
        host, _, port = target.rpartition(":")
        pause = threading.Event()
        for _ in range(int(START_SECONDS / 0.05)):
            assert process.poll() is None, self.log()
            with suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
                return
            pause.wait(0.05)
        raise TimeoutError(self.log())

    def log(self) -> str:
        """Return the ends of what the other processes logged."""
        return "\n".join(path.read_text()[-4000:] for path in self.identities.root.glob("*.log"))

    def close(self) -> None:
        """End all processes."""
        for process in self._others:
            process.kill()
            process.wait()
        self.apiserver.close()
        self.etcd.close()

    def transport(self, profile: Profile | None, **of: Any) -> GrpcTransport:
        """Return a transport to the apiserver, with a certificate of a profile; None: in the clear.

        `of` are the keywords of `Identities.folder`.
        """
        shown = None if profile is None else self.identities.credentials(profile, **of)
        return GrpcTransport(self.apiserver.target, shown)

    def client(self, profile: Profile | None, **of: Any) -> Clientset:
        return Clientset(self.transport(profile, **of))

    @asynccontextmanager
    async def nothing_changed(self) -> AsyncIterator[None]:
        """Hold that all that etcd has is the same after the block: no key came, went or was written.

        A node's own record and Lease do not count where its kubelet runs.
        """
        before = await self.dump()
        yield
        after = await self.dump()
        changed = {
            key: (before.get(key), after.get(key))
            for key in before.keys() | after.keys()
            if before.get(key) != after.get(key)
        }
        assert not changed, changed

    async def dump(self) -> dict[str, int]:
        """Return all that etcd has, but for what the plane's processes write for themselves."""
        found = await self.etcd.dump()
        return {key: revision for key, revision in found.items() if not key.startswith(self._own)}

    @asynccontextmanager
    async def unharmed(self, *users: Profile) -> AsyncIterator[None]:
        """Hold that nothing changes in the block, and that the audit log tells of a refusal of each user."""
        # After the last whole line: one may be written just now.
        size = self.audit_log.read_bytes().rfind(b"\n") + 1
        async with self.nothing_changed():
            yield
        awaited, clock = {user.name for user in users}, SystemClock()
        end = clock.monotonic() + AUDIT_SECONDS
        while awaited:
            with self.audit_log.open() as file:
                file.seek(size)
                events = [json.loads(line) for line in file if line.endswith("\n")]
            awaited -= {event["user"]["username"] for event in events if _is_refusal(event)}
            assert not awaited or clock.monotonic() < end, f"not in the audit log: {awaited}"
            if awaited:
                await clock.sleep(0.05)


def _is_refusal(event: dict[str, Any]) -> bool:
    return int(event.get("responseStatus", {}).get("code", 0)) in {401, 403}


async def apply(client: Clientset, manifest: str, namespace: str = "") -> None:
    """Apply manifests. Raises what the first document that is refused is refused with."""
    request = manifest_service_pb2.ApplyRequest(manifest=manifest, namespace=namespace)
    for result in (await client.manifests.apply(request)).results:
        if result.HasField("error") and result.error.code:
            raise AssertionError(f"{result.kind} {result.name}: {result.error.message}")


@contextmanager
def refused(code: int = 403, words: str | None = None) -> Iterator[None]:
    """Hold that the block is refused with an HTTP code of Kubernetes, in words (a regular expression)."""
    with pytest.raises(ApiError, match=words) as caught:
        yield
    assert caught.value.code == code, f"{caught.value.code} {caught.value.message}"


#: makes a client of the apiserver for a profile
Caller = Callable[..., Clientset]
#: what a client shows to a server; None: it speaks in the clear
Credentials = grpc.ChannelCredentials | None


async def code_of(target: str, credentials: Credentials, method: str) -> grpc.StatusCode:
    """Call a method with an empty request; return how that ends."""
    options = (("grpc.ssl_target_name_override", "localhost"),) if credentials else ()
    channel = (
        grpc.aio.secure_channel(target, credentials, options)
        if credentials
        else grpc.aio.insecure_channel(target)
    )
    async with channel:
        try:
            await channel.unary_unary(method)(b"", timeout=60)
        except grpc.aio.AioRpcError as error:
            return error.code()
    return grpc.StatusCode.OK
