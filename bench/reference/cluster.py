"""etcd, kube-apiserver and kube-scheduler as processes on the loopback, with TLS and a token.

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
from vaina.pki.folder import Folder

_USER: Final = "load"
_READY_SECONDS: Final = 5.0
#: requests a second of kube-scheduler's client, as in scheduler_perf
_CLIENT_QPS: Final = 5000
#: SEC 1's ECPrivateKey on P-256 without its public half: before and after the 32 bytes of the number
_KEY_HEAD, _KEY_TAIL = bytes.fromhex("30310201010420"), bytes.fromhex("a00a06082a8648ce3d030107")


def apiserver_flags(folder: str, *, etcd: str, port: int | str) -> list[str]:
    """Return the flags of kube-apiserver.

    Args:
        folder: with its token and keys; certificates are made there.
        etcd: host:port.
        port: that it listens on.
    """
    key = f"{folder}/service-account.key"
    return [
        f"--etcd-servers=http://{etcd}", "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1",
        f"--secure-port={port}", f"--cert-dir={folder}/apiserver", f"--token-auth-file={folder}/tokens.csv",
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
    #: the bridge to it is called in the clear
    credentials: Folder | None = None
    #: behind TLS and a token, where the lab does not read them: CPU and memory are those of the processes
    scheduler_page = ""
    apiserver_page = ""

    def __init__(self, apiserver: Program, scheduler: Program, *, fsync: bool) -> None:
        self._programs, self._fsync = (apiserver, scheduler), fsync
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

    def transport(self) -> RestTransport:
        """Return a way to its apiserver; the caller's to close."""
        connection = Connection(
            f"https://{self.address}", self._certificate("apiserver"), token=self._token.encode()
        )
        return RestTransport(connection, user_agent="vaina-load")

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
        try:
            self._etcd = EtcdProcess(QUOTA, *fsync)
        except (AssertionError, TimeoutError) as error:
            raise ClusterError(f"etcd does not start:\n{error}") from None
        # mkdtemp makes it for its owner alone (0700): there are a token and private keys in it.
        folder = self._folder = Path(tempfile.mkdtemp(prefix="vaina-reference-"))
        self._write_secrets(folder)
        flags = apiserver_flags(str(folder), etcd=self._etcd.target, port=self._port)
        self._apiserver = ProgramProcess(self._programs[0], flags, folder / "apiserver.log")
        self._wait(self._apiserver, "apiserver", self._port, "/readyz")
        self._write_config(folder)

    def _write_secrets(self, folder: Path) -> None:
        (folder / "tokens.csv").write_text(f'{self._token},{_USER},{_USER},"system:masters"\n')
        number = bytearray(secrets.token_bytes(32))
        number[0] = number[0] & 0x7F | 1  # neither 0 nor beyond the order of the curve
        key = base64.encodebytes(_KEY_HEAD + number + _KEY_TAIL).decode()
        kind = "EC PRIVATE KEY"
        (folder / "service-account.key").write_text(f"-----BEGIN {kind}-----\n{key}-----END {kind}-----\n")

    def _write_config(self, folder: Path) -> None:
        cluster = {
            "server": f"https://{self.address}",
            "certificate-authority": str(self._certificate("apiserver")),
        }
        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": _USER,
            "clusters": [{"name": _USER, "cluster": cluster}],
            "users": [{"name": _USER, "user": {"token": self._token}}],
            "contexts": [{"name": _USER, "context": {"cluster": _USER, "user": _USER}}],
        }  # fmt: skip
        (folder / "kubeconfig").write_bytes(msgspec.json.encode(config))
        (folder / "scheduler.json").write_bytes(msgspec.json.encode(scheduler_config(str(folder))))

    def _wait(self, process: ProgramProcess, name: str, port: int, path: str) -> None:
        """Wait until a page of a process says that it is well."""
        certificate = self._certificate("kube-scheduler" if name == "scheduler" else name, name)
        asked = urllib.request.Request(
            f"https://127.0.0.1:{port}{path}", headers={"Authorization": f"Bearer {self._token}"}
        )

        def is_ready() -> bool:
            try:
                trust = ssl.create_default_context(cafile=str(certificate))
                with urllib.request.urlopen(asked, timeout=_READY_SECONDS, context=trust) as answer:
                    code: int = answer.status
                    return code == 200
            except OSError:
                return False  # neither the certificate nor an answer is there yet

        try:
            process.wait_until(is_ready, self._given_up)
        except ProgramError as error:
            raise ClusterError(str(error)) from None

    def _certificate(self, name: str, folder: str = "") -> Path:
        return self._home() / (folder or name) / f"{name}.crt"

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
