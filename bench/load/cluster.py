"""What is loaded: a cluster that runs already, or etcd, apiserver and scheduler started here as processes of
their own.
"""

import asyncio
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench.etcd import EtcdProcess, find_etcd, free_port
from bench.load.judging import UNKNOWN, Judging, of_file
from bench.load.scheduler_command import CommandScheduler, SchedulerCommand, SchedulerError, ended
from bench.load.scrape import Meter, PageMeter, ProcMeter
from bench.processes import ServiceProcess
from vaina.client.clientset import Clientset
from vaina.client.transport import GrpcTransport
from vaina.clock import SystemClock
from vaina.pki.folder import AUTHORITIES, CERTIFICATE, KEY, Folder

QUOTA = "--quota-backend-bytes=8589934592"

#: all but those that look after nodes: nodes that are objects alone have no sign of life
_CONTROLLERS = "*,-node-lifecycle,-node-ipam"
_LOOK_SECONDS = 0.2


class ClusterError(Exception):
    """Processes that do not start; the text ends with what they said."""


class Target(Protocol):
    """What a run needs of it."""

    @property
    def name(self) -> str:
        """In the report: local, or the address."""
        ...

    @property
    def address(self) -> str:
        """host:port of the apiserver."""
        ...

    @property
    def credentials(self) -> Folder | None:
        """The certificate to call it with; None: in the clear."""
        ...

    @property
    def is_disposable(self) -> bool:
        """Whether everything in it goes with it, so that nothing need be deleted."""
        ...

    def meters(self) -> dict[str, Meter]:
        """Return where the usage of each process is read; a scheduler that was started anew has another."""
        ...

    @property
    def scheduler_page(self) -> str:
        """URL of the scheduler's metrics, "" where there are none."""
        ...

    @property
    def apiserver_page(self) -> str:
        """URL of the apiserver's metrics, "" where there are none."""
        ...

    def judging(self) -> Judging:
        """Return by what the scheduler's decisions are judged."""
        ...

    async def stop_scheduler(self) -> None:
        """End the scheduler in good order. Raises ClusterError where it is somebody else's."""
        ...

    async def start_scheduler(self) -> None:
        """Start it, and do not wait for it. Raises ClusterError where it is somebody else's."""
        ...

    async def wait_scheduler(self) -> None:
        """Return when it is healthy. Raises ClusterError."""
        ...

    async def watch_scheduler(self) -> None:
        """Go on as long as it does. Raises ClusterError, with its last words, when it ends by itself."""
        ...

    async def start_controllers(self) -> None:
        """Have controllers that make Pods, unless there are some, and wait until they are healthy.

        Raises ClusterError.
        """
        ...


class Process(Protocol):
    """What is watched of a process."""

    @property
    def code(self) -> int | None:
        """With which it ended; None: it goes on."""
        ...

    def log(self) -> str:
        """Return the end of what it said."""
        ...


async def watch_process(process: Callable[[], Process | None], name: str) -> None:
    """Return never. Raise ClusterError, with its last words, when the process of that time ends by itself."""
    while True:
        one = process()
        if one is not None and one.code is not None:
            raise ClusterError(f"{name} {ended(one.code)}; its last words:\n{one.log()}")
        await asyncio.sleep(_LOOK_SECONDS)


@dataclass(frozen=True, slots=True)
class RunningCluster:
    """A cluster of somebody else: make up, or any other."""

    address: str
    scheduler_page: str = ""
    apiserver_page: str = ""
    etcd_page: str = ""
    controller_page: str = ""
    #: of any number of kubelets
    kubelet_pages: tuple[str, ...] = ()
    credentials: Folder | None = None
    is_disposable: bool = False

    @property
    def name(self) -> str:
        return self.address

    def meters(self) -> dict[str, Meter]:
        pages = {
            "etcd": self.etcd_page, "apiserver": self.apiserver_page, "scheduler": self.scheduler_page,
            "controller": self.controller_page,
        }  # fmt: skip
        pages |= {f"kubelet-{number}": url for number, url in enumerate(self.kubelet_pages)}
        return {"load": ProcMeter(os.getpid())} | {
            name: PageMeter(url, self.credentials) for name, url in pages.items() if url
        }

    def judging(self) -> Judging:
        return UNKNOWN

    async def stop_scheduler(self) -> None:
        raise ClusterError("the scheduler of a cluster that runs is not ours to stop")

    async def start_scheduler(self) -> None:
        raise ClusterError("the scheduler of a cluster that runs is not ours to start")

    async def wait_scheduler(self) -> None:
        return

    async def watch_scheduler(self) -> None:
        return  # how it fares is not known

    async def start_controllers(self) -> None:
        return  # it has its own


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """How the processes are started."""

    #: whether etcd syncs its log to the disk before it answers
    fsync: bool = True
    #: whether all speak over TLS, as the parts of a deployed cluster do
    tls: bool = False
    #: a file with the scheduler's configuration; "": its defaults
    scheduler_config: str = ""
    #: further flags of the services
    scheduler_flags: tuple[str, ...] = ()
    #: another scheduler instead of ours
    scheduler_command: SchedulerCommand | None = None
    apiserver_flags: tuple[str, ...] = ()
    #: where cProfile writes what it saw of the scheduler or the apiserver
    profiles: dict[str, Path] = field(default_factory=dict)


class LocalCluster:
    """etcd, apiserver and scheduler on free ports of the loopback. Use it as an async context manager."""

    name = "local"
    is_disposable = True

    def __init__(self, settings: LocalSettings) -> None:
        self._settings = settings
        self._certs: tempfile.TemporaryDirectory[str] | None = None
        #: the folder of a kubeconfig, where a scheduler of somebody else's wants one
        self._kubeconfig: tempfile.TemporaryDirectory[str] | None = None
        self._etcd: EtcdProcess | None = None
        self._apiserver: ServiceProcess | None = None
        self._scheduler: ServiceProcess | CommandScheduler | None = None
        #: whether a scheduler of somebody else's has bound a Pod
        self._is_probed = False
        self._controller: ServiceProcess | None = None

    async def __aenter__(self) -> "LocalCluster":
        starting = asyncio.ensure_future(asyncio.to_thread(self._start))
        try:
            await asyncio.shield(starting)
        except BaseException:
            # A thread cannot be cancelled: what it has yet to start would stay behind.
            await asyncio.wait([starting])
            self._close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        # Not in a thread: also when the task is being cancelled, nothing stays behind.
        self._close()

    def _start(self) -> None:
        if find_etcd() is None:
            raise ClusterError("there is no etcd on the PATH: deploy/trixie.sh etcd brings one")
        fsync = () if self._settings.fsync else ("--unsafe-no-fsync",)
        if self._settings.tls:
            self._certs = tempfile.TemporaryDirectory(prefix="vaina-certs-")
            # Here, so that others do without the library of certificates.
            from vaina.pki.cluster import Folders

            Folders(Path(self._certs.name)).make(SystemClock().now())
        try:
            self._etcd = EtcdProcess(QUOTA, *fsync, cert_dir=self._folder("etcd"))
        except (AssertionError, TimeoutError) as error:
            raise ClusterError(f"etcd does not start:\n{error}") from None
        self._apiserver = ServiceProcess(
            "apiserver", *self._rest_flags(), f"--etcd-endpoints={self._etcd.target}", "--log-level=warning",
            # The namespaces of an exported cluster may have Pods that ask for more than the default allows.
            "--pod-security-enforce=privileged",
            *self._cert_flags(cert_dir="apiserver", etcd_cert_dir="apiserver-etcd-client"),
            *self._settings.apiserver_flags, profile=self._settings.profiles.get("apiserver"),
        )  # fmt: skip
        _wait_healthy(self._apiserver, "apiserver")

    def _close(self) -> None:
        for process in (self._controller, self._scheduler, self._apiserver, self._etcd):
            if process is not None:
                process.close()
        self._controller = self._scheduler = self._apiserver = self._etcd = None
        for folder in (self._certs, self._kubeconfig):
            if folder is not None:
                folder.cleanup()

    def _rest_flags(self) -> list[str]:
        """Write a kubeconfig where one is wanted, and return the flag that serves the REST API for it."""
        command = self._settings.scheduler_command
        if command is None or not command.wants_kubeconfig:
            return []
        # Here, so that others do without the library of YAML.
        from vaina.pki.kubeconfig import with_files

        self._kubeconfig = tempfile.TemporaryDirectory(prefix="vaina-kubeconfig-")
        address, admin = f"127.0.0.1:{free_port()}", self._folder("admin")
        text = with_files("load", f"http://{address}", "", "", "")
        if admin is not None:
            files = (str(admin / name) for name in (AUTHORITIES, CERTIFICATE, KEY))
            text = with_files("load", f"https://{address}", *files)
        Path(self._kubeconfig.name, "kubeconfig").write_text(text)
        return [f"--rest-listen={address}"]

    def _folder(self, name: str) -> Path | None:
        return None if self._certs is None else Path(self._certs.name) / name

    def _cert_flags(self, **folders: str) -> list[str]:
        """Return the flags that name a service's certificates: none where all call in the clear, whatever the
        environment of this process says.
        """
        return [f"--{flag.replace('_', '-')}={self._folder(name) or ''}" for flag, name in folders.items()]

    @property
    def credentials(self) -> Folder | None:
        folder = self._folder("admin")
        return None if folder is None else Folder(folder)

    @property
    def address(self) -> str:
        assert self._apiserver is not None
        return self._apiserver.target

    @property
    def scheduler_page(self) -> str:
        if self._settings.scheduler_command is not None:
            return self._settings.scheduler_command.page
        return f"{self._scheduler.page}/metrics" if isinstance(self._scheduler, ServiceProcess) else ""

    @property
    def apiserver_page(self) -> str:
        assert self._apiserver is not None
        return f"{self._apiserver.page}/metrics"

    def meters(self) -> dict[str, Meter]:
        found: dict[str, Meter] = {"load": ProcMeter(os.getpid())}
        parts = {
            "etcd": self._etcd, "apiserver": self._apiserver, "scheduler": self._scheduler,
            "controller": self._controller,
        }  # fmt: skip
        return found | {
            name: part.meter if isinstance(part, CommandScheduler) else ProcMeter(part.pid)
            for name, part in parts.items()
            if part is not None
        }

    def judging(self) -> Judging:
        if self._settings.scheduler_command is not None:
            return UNKNOWN
        config = self._settings.scheduler_config
        return of_file(config) if config else Judging()

    async def stop_scheduler(self) -> None:
        # From now on its end is nobody's news.
        ending, self._scheduler = self._scheduler, None
        if ending is not None:
            await asyncio.to_thread(ending.close)

    async def start_scheduler(self) -> None:
        if self._settings.scheduler_command is not None:
            try:
                kubeconfig = "" if self._kubeconfig is None else f"{self._kubeconfig.name}/kubeconfig"
                self._scheduler = CommandScheduler(self._settings.scheduler_command, self.address, kubeconfig)
            except SchedulerError as error:
                raise ClusterError(f"the scheduler does not start: {error}") from None
            return
        config = (f"--config={self._settings.scheduler_config}",) if self._settings.scheduler_config else ()
        self._scheduler = ServiceProcess(
            "scheduler", f"--apiserver={self.address}", "--log-level=warning", *config,
            *self._cert_flags(cert_dir="scheduler"),
            *self._settings.scheduler_flags, profile=self._settings.profiles.get("scheduler"),
        )  # fmt: skip

    async def start_controllers(self) -> None:
        if self._controller is None:
            self._controller = ServiceProcess(
                "controller", f"--apiserver={self.address}", "--log-level=warning", "--leader-elect=false",
                f"--controllers={_CONTROLLERS}", *self._cert_flags(cert_dir="controller"),
            )  # fmt: skip
            await asyncio.to_thread(_wait_healthy, self._controller, "controller")

    async def wait_scheduler(self) -> None:
        scheduler = self._scheduler
        assert scheduler is not None
        await asyncio.to_thread(_wait_healthy, scheduler, "scheduler")
        if isinstance(scheduler, CommandScheduler) and not self._is_probed:
            # Once: later on there are Pods and nodes that a run counts.
            try:
                transport = GrpcTransport(self.address, self.credentials, user_agent="vaina-load")
                async with Clientset(transport) as client:
                    await scheduler.bind_probe(client)
            except SchedulerError as error:
                raise ClusterError(f"the scheduler is not ready: {error}") from None
            self._is_probed = True

    async def watch_scheduler(self) -> None:
        await watch_process(lambda: self._scheduler, "the scheduler")


def _wait_healthy(process: ServiceProcess | CommandScheduler, name: str) -> None:
    try:
        process.wait_healthy()
    except TimeoutError as error:
        raise ClusterError(f"the {name} does not start:\n{error}") from None
