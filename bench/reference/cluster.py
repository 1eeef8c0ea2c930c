"""etcd, kube-apiserver and kube-scheduler as processes on the loopback, with TLS and a token or certificates.

A target of the load lab.

etcd is the same binary with the same flags as on our side (`bench.load.cluster`). kube-apiserver is as
scheduler_perf has it (test/integration/scheduler_perf/util.go, mustSetupCluster): without the admission
plugins that need kube-controller-manager. kube-scheduler has its defaults but for the limit of its client,
which is 5,000 requests a second there too, and for leader election, which one process needs no more than
ours.
"""

import asyncio
import base64
import os
import secrets
import shutil
import ssl
import tempfile
import threading
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec

from bench.etcd import EtcdProcess, find_etcd, free_port
from bench.load.cluster import QUOTA, ClusterError, watch_process
from bench.load.judging import Judging
from bench.load.scrape import Meter, ProcMeter
from bench.reference.programs import Program, ProgramError, ProgramProcess
from vaina.client.rest.kubeconfig import Connection
from vaina.client.rest.transport import RestTransport
from vaina.clock import SystemClock
from vaina.pki.folder import AUTHORITIES, CERTIFICATE, KEY, Folder

_USER: Final = "load"
_READY_SECONDS: Final = 5.0
#: requests a second of kube-scheduler's client, as in scheduler_perf
_CLIENT_QPS: Final = 5000
#: SEC 1's ECPrivateKey on P-256 without its public half: before and after the 32 bytes of the number
_KEY_HEAD, _KEY_TAIL = bytes.fromhex("30310201010420"), bytes.fromhex("a00a06082a8648ce3d030107")


def apiserver_flags(folder: str, *, etcd: str, port: int | str, certificates: bool = False) -> list[str]:
    """Return the flags of kube-apiserver.

    Args:
        folder: with its token and keys; certificates are made there.
        etcd: host:port.
        port: that it listens on.
        certificates: clients show certificates instead of a token, and so does it to etcd.
    """
    key, pki = f"{folder}/service-account.key", f"{folder}/pki"
    known_by = (
        [
            f"--etcd-servers=https://{etcd}", f"--etcd-cafile={pki}/apiserver-etcd-client/ca.crt",
            f"--etcd-certfile={pki}/apiserver-etcd-client/tls.crt",
            f"--etcd-keyfile={pki}/apiserver-etcd-client/tls.key", f"--client-ca-file={pki}/apiserver/ca.crt",
            f"--tls-cert-file={pki}/apiserver/tls.crt", f"--tls-private-key-file={pki}/apiserver/tls.key",
        ]
        if certificates
        else [
            f"--etcd-servers=http://{etcd}", f"--cert-dir={folder}/apiserver",
            f"--token-auth-file={folder}/tokens.csv",
        ]
    )  # fmt: skip
    return [
        *known_by, "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", f"--secure-port={port}",
        "--anonymous-auth=false", "--authorization-mode=RBAC", "--service-cluster-ip-range=10.0.0.0/24",
        "--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}", "--endpoint-reconciler-type=none",
        "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition",
    ]  # fmt: skip


def scheduler_flags(folder: str, *, port: int | str) -> list[str]:
    """Return the flags of kube-scheduler. Args: folder: with its configuration; port: that it listens on."""
    return [
        f"--config={folder}/scheduler.json", "--bind-address=127.0.0.1", f"--secure-port={port}",
        f"--cert-dir={folder}/scheduler",
    ]  # fmt: skip


def scheduler_config(folder: str) -> dict[str, object]:
    """Return kube-scheduler's configuration. Args: folder: with its kubeconfig."""
    return {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "clientConnection": {
            "kubeconfig": f"{folder}/kubeconfig",
            "qps": _CLIENT_QPS,
            "burst": _CLIENT_QPS,
        },
        "leaderElection": {"leaderElect": False},
    }


class KubeCluster:
    """The processes. Everything is gone with them. Use it as an async context manager."""

    name = "kube-apiserver and kube-scheduler"
    is_disposable = True
    #: those of the metrics' pages, of which there are none
    credentials: Folder | None = None
    #: behind TLS, where the lab does not read them: CPU and memory are those of the processes
    scheduler_page = ""
    apiserver_page = ""

    def __init__(
        self, apiserver: Program, scheduler: Program, *, fsync: bool, certificates: bool = False
    ) -> None:
        """Make it. With `certificates` all show some to each other, instead of a token and, to etcd, nothing."""
        self._programs, self._fsync, self._certificates = (apiserver, scheduler), fsync, certificates
        self._folder: Path | None = None
        self._etcd: EtcdProcess | None = None
        self._apiserver: ProgramProcess | None = None
        self._scheduler: ProgramProcess | None = None
        #: set when nobody waits for what starts
        self._given_up = threading.Event()
        self._token = secrets.token_urlsafe(32)
        self._port, self._scheduler_port = free_port(), free_port()

    async def __aenter__(self) -> "KubeCluster":
        starting = asyncio.ensure_future(asyncio.to_thread(self._start))
        try:
            await asyncio.shield(starting)
        except BaseException:
            # A thread cannot be cancelled, it is told: what it has yet to start would stay behind.
            self._given_up.set()
            try:
                await asyncio.wait([starting])
            finally:
                self._close()
            starting.exception()  # was seen: it is what comes of giving up
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        # Not in a thread: also when the task is being cancelled, nothing stays behind.
        self._close()

    @property
    def address(self) -> str:
        """host:port of kube-apiserver."""
        return f"127.0.0.1:{self._port}"

    @property
    def apiserver_pid(self) -> int:
        """Of kube-apiserver's process."""
        assert self._apiserver is not None
        return self._apiserver.pid

    def connection(self) -> Connection:
        """Return how its apiserver is reached."""
        connection = Connection(f"https://{self.address}", self._authority())
        if not self._certificates:
            return replace(connection, token=self._token.encode())
        admin = self._pki("admin")
        return replace(connection, certificate=admin / CERTIFICATE, key=admin / KEY)

    def transport(self) -> RestTransport:
        """Return a way to its apiserver; the caller's to close."""
        return RestTransport(self.connection(), user_agent="vaina-load")

    def meters(self) -> dict[str, Meter]:
        """Return where the usage of each process is read."""
        found: dict[str, Meter] = {"load": ProcMeter(os.getpid())}
        parts = {"etcd": self._etcd, "apiserver": self._apiserver, "scheduler": self._scheduler}
        return found | {name: ProcMeter(part.pid) for name, part in parts.items() if part is not None}

    def judging(self) -> Judging:
        """Return by what it is judged: its defaults.

        In a large cluster it does not look at all nodes (schedule_one.go, numFeasibleNodesToFind).
        """
        return Judging(takes_the_best=False)

    async def stop_scheduler(self) -> None:
        """End kube-scheduler in good order."""
        # From now on its end is nobody's news.
        ending, self._scheduler = self._scheduler, None
        if ending is not None:
            await asyncio.to_thread(ending.close)

    async def start_scheduler(self) -> None:
        """Start it, and do not wait for it."""
        folder = self._home()
        flags = scheduler_flags(str(folder), port=self._scheduler_port)
        self._scheduler = ProgramProcess(self._programs[1], flags, folder / "scheduler.log")

    async def wait_scheduler(self) -> None:
        """Return when it is healthy. Raises ClusterError."""
        assert self._scheduler is not None
        await asyncio.to_thread(self._wait, self._scheduler, "scheduler", self._scheduler_port, "/healthz")

    async def watch_scheduler(self) -> None:
        """Go on as long as kube-scheduler does.

        Raises ClusterError, with its last words, when it ends by itself.
        """
        await watch_process(lambda: self._scheduler, "kube-scheduler")

    async def start_controllers(self) -> None:
        """Raise ClusterError: there are none."""
        raise ClusterError(
            "Pods that controllers make need kube-controller-manager, which is not started here"
        )

    def _start(self) -> None:
        if find_etcd() is None:
            raise ClusterError("there is no etcd on the PATH: deploy/trixie.sh etcd brings one")
        fsync = () if self._fsync else ("--unsafe-no-fsync",)
        # mkdtemp makes it for its owner alone (0700): there are a token and private keys in it.
        folder = self._folder = Path(tempfile.mkdtemp(prefix="vaina-reference-"))
        self._write_secrets(folder)
        try:
            self._etcd = EtcdProcess(
                QUOTA, *fsync, cert_dir=self._pki("etcd") if self._certificates else None
            )
        except (AssertionError, TimeoutError) as error:
            raise ClusterError(f"etcd does not start:\n{error}") from None
        flags = apiserver_flags(
            str(folder), etcd=self._etcd.target, port=self._port, certificates=self._certificates
        )
        self._apiserver = ProgramProcess(self._programs[0], flags, folder / "apiserver.log")
        self._wait(self._apiserver, "apiserver", self._port, "/readyz")
        self._write_config(folder)

    def _write_secrets(self, folder: Path) -> None:
        if self._certificates:
            # Here, so that others do without the library of certificates.
            from vaina.pki.cluster import Folders

            Folders(self._pki("")).make(SystemClock().now())
        (folder / "tokens.csv").write_text(f'{self._token},{_USER},{_USER},"system:masters"\n')
        number = bytearray(secrets.token_bytes(32))
        number[0] = number[0] & 0x7F | 1  # neither 0 nor beyond the order of the curve
        key = base64.encodebytes(_KEY_HEAD + number + _KEY_TAIL).decode()
        kind = "EC PRIVATE KEY"
        (folder / "service-account.key").write_text(f"-----BEGIN {kind}-----\n{key}-----END {kind}-----\n")

    def _write_config(self, folder: Path) -> None:
        cluster = {
            "server": f"https://{self.address}",
            "certificate-authority": str(self._authority()),
        }
        shown = self._pki("scheduler")
        certificate = {"client-certificate": str(shown / CERTIFICATE), "client-key": str(shown / KEY)}
        user = certificate if self._certificates else {"token": self._token}
        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": _USER,
            "clusters": [{"name": _USER, "cluster": cluster}],
            "users": [{"name": _USER, "user": user}],
            "contexts": [{"name": _USER, "context": {"cluster": _USER, "user": _USER}}],
        }  # fmt: skip
        (folder / "kubeconfig").write_bytes(msgspec.json.encode(config))
        (folder / "scheduler.json").write_bytes(msgspec.json.encode(scheduler_config(str(folder))))

    def _wait(self, process: ProgramProcess, name: str, port: int, path: str) -> None:
        """Wait until a page of a process says that it is well."""
        # kube-scheduler makes a certificate of its own; its health is told to everybody.
        trusted = self._made("scheduler", "kube-scheduler") if name == "scheduler" else self._authority()
        asked = urllib.request.Request(f"https://127.0.0.1:{port}{path}")
        if not self._certificates:
            asked.add_header("Authorization", f"Bearer {self._token}")

        def is_ready() -> bool:
            try:
                trust = ssl.create_default_context(cafile=str(trusted))
                if self._certificates:
                    admin = self._pki("admin")
                    trust.load_cert_chain(admin / CERTIFICATE, admin / KEY)
                with urllib.request.urlopen(asked, timeout=_READY_SECONDS, context=trust) as answer:
                    code: int = answer.status
                    return code == 200
            except OSError:
                return False  # neither the certificate nor an answer is there yet

        try:
            process.wait_until(is_ready, self._given_up)
        except ProgramError as error:
            raise ClusterError(str(error)) from None

    def _authority(self) -> Path:
        """Return the file with the authority of kube-apiserver's certificate."""
        return (
            self._pki("admin") / AUTHORITIES if self._certificates else self._made("apiserver", "apiserver")
        )

    def _made(self, folder: str, name: str) -> Path:
        """Return the certificate that a program has made for itself."""
        return self._home() / folder / f"{name}.crt"

    def _pki(self, name: str) -> Path:
        """Return the folder of somebody's certificate."""
        return self._home() / "pki" / name

    def _home(self) -> Path:
        assert self._folder is not None, "it was started"
        return self._folder

    def _close(self) -> None:
        self._given_up.set()
        for process in (self._scheduler, self._apiserver, self._etcd):
            if process is not None:
                process.close()
        self._etcd = self._apiserver = self._scheduler = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
