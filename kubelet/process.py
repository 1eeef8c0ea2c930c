"""A kubelet as a process: certificates, connection, server; of one node or of many hollow ones.

Called by `__main__`. The parts of a node's kubelet are made by `build`.
"""

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from prometheus_client import CollectorRegistry

from kubelet.build import Outlets, build_kubelet, check_settings
from kubelet.config import KubeletConfig
from kubelet.hollow import HollowNode, HollowNodes, Silent, hollow_machine
from kubelet.kubelet import Kubelet
from kubelet.machine.machine import Machine, read_machine
from kubelet.metrics import KubeletMetrics
from kubelet.node.care import NodeCare
from kubelet.runtime.interface import RuntimeUnavailable
from kubelet.runtime.left import LeftCommands
from kubelet.runtime.records import Uid
from kubelet.runtimes import NodeRuntime, cri_runtime, docker_runtime, hollow_runtime
from kubelet.server.bound import bind_sessions
from kubelet.server.pages import PageService
from kubelet.server.service import KubeletService
from kubelet.server.stats import ResourceCollector, StatsService
from kubelet.status.manager import StatusManager
from kubelet.status.sinks import StepSink
from kubelet.tasks import Job
from kubelet.volumes.tasks import volume_tasks
from vaina import log as logging_setup
from vaina.api.core.v1 import pod_pb2
from vaina.backoff import Backoff
from vaina.client.clientset import Clientset
from vaina.client.events import EventRecorder
from vaina.client.metrics import MeteredTransport, RestClientMetrics
from vaina.client.steps import StepReporter
from vaina.client.transport import GrpcTransport
from vaina.clock import Clock, SystemClock
from vaina.config import ConfigError, choose
from vaina.metrics import new_registry
from vaina.pki.folder import Folder, client_folder, metrics_folder, server_folder
from vaina.serving.http import Pages, serve_metrics
from vaina.serving.server import serve

if TYPE_CHECKING:
    from kubelet.certificates import NodeCertificates

log = structlog.stdlib.get_logger(__name__)

_STATUS_BACKOFF = Backoff(0.3, 5.0, jitter=0.5)


def _address_towards(target: str) -> str:
    """Return the address of this machine from which the apiserver is reached."""
    host, _, port = target.rpartition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Connecting a datagram socket sends nothing: it only chooses a route.
            probe.connect((host, int(port)))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


async def run(config: KubeletConfig, stop: asyncio.Event, *, rng: random.Random) -> None:
    """Be the kubelet (or many hollow ones) until `stop` is set. Containers go on when it ends.

    Raises ConfigError: a setting is none.
    """
    logging_setup.configure("kubelet", config.log_level, config.log_format)
    log.info("fast paths", on=sorted(choose(config.fast_paths, {})))
    check_settings(config)
    clock, registry = SystemClock(), new_registry("kubelet")
    async with _keeping_certificates(config, stop, clock, rng):
        if not stop.is_set():
            await _run(config, stop, clock, rng, registry)


@asynccontextmanager
async def _keeping_certificates(
    config: KubeletConfig, stop: asyncio.Event, clock: Clock, rng: random.Random
) -> AsyncIterator[None]:
    """Have certificates that hold before anything else, unless `stop` is set meanwhile; renew them."""
    if not config.bootstrap_dir:
        yield
        return
    certificates = _certificates(config, clock, rng)
    async with asyncio.TaskGroup() as group:
        stopping = group.create_task(stop.wait())
        ready = group.create_task(certificates.ensure())
        await asyncio.wait((ready, stopping), return_when=asyncio.FIRST_COMPLETED)
        keeping = group.create_task(certificates.run())
        try:
            yield
        finally:
            for task in (stopping, ready, keeping):
                task.cancel()


def _certificates(config: KubeletConfig, clock: Clock, rng: random.Random) -> "NodeCertificates":
    """Make what asks for the certificates of a node. Raises ConfigError."""
    # Here alone: a kubelet without certificates does without their library.
    from kubelet.certificates import (
        CertificateKeeper,
        NodeCertificates,
        client_certificate,
        serving_certificate,
    )
    from vaina.pki.token import TokenFolder

    if not (config.cert_dir and config.serving_cert_dir):
        raise ConfigError("bootstrap_dir: cert_dir and serving_cert_dir say where the certificates are to be")
    name, bootstrap = _name(config), Path(config.bootstrap_dir)
    client = client_certificate(name, Path(config.cert_dir), bootstrap)
    serving = serving_certificate(name, _address(config), Path(config.serving_cert_dir), bootstrap)
    return NodeCertificates(
        CertificateKeeper(client, clock, rng),
        [CertificateKeeper(serving, clock, rng)],
        clock,
        rng,
        with_token=lambda: Clientset(
            GrpcTransport(config.bootstrap_apiserver, TokenFolder(bootstrap), user_agent="kubelet")
        ),
        with_certificate=lambda: Clientset(
            GrpcTransport(config.apiserver, client_folder(config.cert_dir), user_agent="kubelet")
        ),
    )


def _name(config: KubeletConfig) -> str:
    return config.node_name or socket.gethostname().lower()


def _address(config: KubeletConfig) -> str:
    return config.node_ip or _address_towards(config.apiserver)


async def _run(
    config: KubeletConfig, stop: asyncio.Event, clock: Clock, rng: random.Random, registry: CollectorRegistry
) -> None:
    metrics = RestClientMetrics(registry)

    def connect(folder: Folder | None) -> Clientset:
        transport = GrpcTransport(config.apiserver, folder, user_agent="kubelet")
        return Clientset(MeteredTransport(transport, metrics, clock, config.apiserver))

    client = connect(client_folder(config.cert_dir))
    process = _Process(config, client, clock, rng, registry)
    try:
        if config.hollow_nodes:
            await process.run_hollow(stop, connect)
        else:
            await process.run_node(stop)
    finally:
        await client.close()


@dataclass(frozen=True, slots=True)
class _Caller:
    """What hollow nodes call through: one of them, or all of a process."""

    client: Clientset
    outlets: Outlets
    status: StatusManager
    jobs: tuple[Job, ...]


class _Process:
    """What a process is made of, whichever kind it is. Lives as long as `run`."""

    def __init__(
        self,
        config: KubeletConfig,
        client: Clientset,
        clock: Clock,
        rng: random.Random,
        registry: CollectorRegistry,
    ) -> None:
        self.config, self.client, self.clock, self.rng, self.registry = config, client, clock, rng, registry
        self.metrics = KubeletMetrics(registry, clock)
        self.name, self.address = _name(config), _address(config)
        self.port = int(config.listen.rpartition(":")[2])
        self.credentials = server_folder(config.serving_cert_dir, config.listen)
        self.of_metrics = metrics_folder(config.serving_cert_dir, config.metrics_listen, config.health_listen)
        # Whoever reads metrics is no apiserver: the cluster's authority tells.
        self.clients_of_metrics = client_folder(config.cert_dir)
        self.events = EventRecorder(client.events, "kubelet", self.name, clock)
        self.steps = StepReporter(client.pod_traces, "kubelet", self.name, clock)

    def _status(self, client: Clientset, name: str, steps: StepSink) -> StatusManager:
        return StatusManager(
            client.pods, self.clock, steps=steps, node_name=name, metrics=self.metrics,
            backoff=_STATUS_BACKOFF, rng=self.rng,
        )  # fmt: skip

    async def run_node(self, stop: asyncio.Event) -> None:
        root = Path(self.config.root_dir)
        machine = await asyncio.to_thread(read_machine, root)
        if self.config.runtime == "hollow":
            cidr = next(IPv4Network(self.config.hollow_cidr).subnets(new_prefix=24))
            node_runtime = hollow_runtime(self.config, self.clock, self.rng, cidr=cidr)
        elif self.config.runtime == "cri":
            node_runtime = cri_runtime(self.config, self.client, self.clock, self.rng)
        else:
            node_runtime = docker_runtime(self.config, self.client, self.clock, self.rng)
        status = self._status(self.client, self.name, self.steps)
        kubelet = await self._build_when_up(node_runtime, machine, status)
        self.metrics.node_name.labels(self.name).set(1)
        left = LeftCommands(root / "sessions")
        service = KubeletService(
            lambda _: node_runtime.runtime,
            self.clock,
            pods=lambda: tuple(worker.pod for worker in kubelet.workers.all()),
            status_of=lambda pod: _reported(kubelet, pod),
            knows_its_pods=lambda: kubelet.knows_its_pods,
            noted=left.noted,
        )
        jobs = (
            kubelet.run, status.run, self.events.run, self.steps.run, *node_runtime.jobs,
            lambda: left.end_all(node_runtime.runtime.end_command),
            *volume_tasks(
                node_runtime.volumes, self.client, self.clock, node=self.name, root=self.config.root_dir,
                directory=self.config.local_path_directory, events=self.events,
                known=kubelet.looked_after, arrived=kubelet.workers.retry_volumes, rng=self.rng,
            ),
        )  # fmt: skip
        try:
            await self._serve(stop, service, jobs, kubelet.care)
        finally:
            await node_runtime.runtime.close()

    async def _build_when_up(
        self, node_runtime: NodeRuntime, machine: Machine, status: StatusManager
    ) -> Kubelet:
        outlets = Outlets(self.events, self.steps, self.metrics)
        attempt = 0
        while True:
            try:
                return await build_kubelet(
                    self.config, self.client, node_runtime, self.clock, self.rng, name=self.name,
                    address=self.address, port=self.port, machine=machine, outlets=outlets, status=status,
                )  # fmt: skip
            except RuntimeUnavailable as error:
                log.warning("the runtime does not answer yet", error=str(error))
                await self.clock.sleep(Backoff(0.2, 5.0).delay(attempt))
                attempt += 1

    async def run_hollow(self, stop: asyncio.Event, connect: Callable[[Folder | None], Clientset]) -> None:
        """Be many hollow nodes' kubelets, with one server for all.

        They share a connection and a queue of statuses too, unless each has an identity of its own.
        """
        config, folder_of = self.config, self._hollow_identities()
        networks = IPv4Network(config.hollow_cidr).subnets(new_prefix=24)
        shared, own = self._caller(self.client, self.name), list[Clientset]()

        async def make(index: int) -> HollowNode:
            rng = random.Random(config.hollow_seed * 1_000_003 + index)  # noqa: S311 - a simulation's
            node_runtime = hollow_runtime(config, self.clock, rng, cidr=next(networks))
            name = f"{config.hollow_prefix}-{index:04d}"
            caller = shared
            if folder_of is not None:
                own.append(connect(folder_of(name)))
                caller = self._caller(own[-1], name)
            kubelet = await build_kubelet(
                config, caller.client, node_runtime, self.clock, rng, name=name, address=self.address,
                port=self.port, machine=hollow_machine(name), outlets=caller.outlets, status=caller.status,
            )  # fmt: skip
            return HollowNode(name, kubelet, node_runtime.runtime, caller.jobs if folder_of else ())

        nodes = HollowNodes(config.hollow_nodes, make)
        try:
            await self._serve(stop, nodes.service(self.clock), (nodes.run, *shared.jobs))
        finally:
            for client in own:
                await client.close()

    def _caller(self, client: Clientset, name: str) -> _Caller:
        reporter = StepReporter(client.pod_traces, "kubelet", name, self.clock)
        steps: StepSink = reporter if self.config.hollow_traces else Silent()
        status, outlets = self._status(client, name, steps), Outlets(Silent(), steps, self.metrics)
        return _Caller(client, outlets, status, (status.run, reporter.run))

    def _hollow_identities(self) -> Callable[[str], Folder] | None:
        """Return what makes hollow nodes' certificates; None: they have none. Raises ConfigError."""
        config = self.config
        if not config.hollow_signing_cert_dir:
            return None
        # Here alone: kubelets without certificates do without their library.
        from kubelet.hollow_identities import hollow_identities

        shown = client_folder(config.cert_dir)
        if shown is None:
            raise ConfigError("hollow_signing_cert_dir: cert_dir says (ca.crt) who the apiserver is")
        return hollow_identities(Path(config.hollow_signing_cert_dir), shown, self.clock)

    async def _serve(
        self,
        stop: asyncio.Event,
        service: KubeletService,
        jobs: Sequence[Job],
        care: NodeCare | None = None,
    ) -> None:
        config = self.config
        handlers, more = dict(bind_sessions(service.handlers(), self.clock)), {}
        if care is not None:
            handlers |= StatsService(care.sampler, self.name).handlers()
            more["/metrics/resource"] = CollectorRegistry(auto_describe=False)
            more["/metrics/resource"].register(ResourceCollector(care.sampler))
        pages = Pages({"/metrics": self.registry, **more}, lambda: server.health.serving)
        handlers |= PageService(pages).handlers()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(job()) for job in jobs]
            async with (
                serve(
                    handlers,
                    listen=config.listen,
                    clock=self.clock,
                    registry=self.registry,
                    drain_seconds=2.0,
                    credentials=self.credentials,
                ) as server,
                serve_metrics(
                    self.registry,
                    listen=config.metrics_listen,
                    health_listen=config.health_listen,
                    healthy=lambda: server.health.serving,
                    more=more,
                    credentials=self.of_metrics,
                    clients=self.clients_of_metrics,
                ),
            ):
                await stop.wait()
            for task in tasks:
                task.cancel()


def _reported(kubelet: Kubelet, pod: pod_pb2.Pod) -> pod_pb2.PodStatus:
    worker = kubelet.workers.get(Uid(pod.metadata.uid))
    return worker.reported if worker is not None else pod.status
