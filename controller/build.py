"""The composition root: the only place that constructs the controllers, says which run, and runs them.

Of several processes the one that holds the Lease leads; the others keep their caches true. Two leaders would
do no harm (I18): every write is a compare-and-swap, or has a name that follows from the state.
"""

import asyncio
import random
import socket
from collections.abc import Callable, Mapping, Sequence

from prometheus_client import CollectorRegistry

from controller.base import Controller, Tools
from controller.clusterrole_aggregation import ClusterRoleAggregationController
from controller.config import ControllerConfig
from controller.cronjob.controller import CronJobController
from controller.daemonset.controller import DaemonSetController
from controller.deployment.controller import DeploymentController
from controller.disruption.controller import DisruptionController, StaleDisruptionController
from controller.ephemeral_volume import EphemeralVolumeController
from controller.garbage_collector.controller import GarbageCollector
from controller.job.controller import JobController
from controller.local_path.controller import LocalPathController
from controller.namespace import NamespaceController
from controller.node_ipam.controller import NodeIpamController
from controller.node_lifecycle.controller import NodeLifecycleController
from controller.persistent_volume.controller import PersistentVolumeController
from controller.pod_gc import PodGcController
from controller.podautoscaler.controller import MetricsSource, PodAutoscalerController
from controller.replicaset.controller import (
    ReplicaSetController,
    ReplicationControllerController,
    new_age_ratio,
)
from controller.resource_quota.controller import ResourceQuotaController
from controller.root_ca import RootCaPublisher
from controller.service_accounts import ServiceAccountController, TokenSecretController
from controller.statefulset.controller import StatefulSetController
from controller.trace_collector import TraceCollector
from controller.ttl_after_finished import TtlAfterFinishedController
from controller.volume_protection import ClaimProtectionController, VolumeProtectionController
from vaina import log
from vaina.api.controller.v1 import controller_service_pb2 as pb
from vaina.cache.informer import InformerFactory, MutationDetector
from vaina.client.clientset import Clientset
from vaina.client.connecting import open_transport
from vaina.client.events import EventRecorder
from vaina.client.metrics import MeteredTransport, RestClientMetrics
from vaina.client.rest.kubeconfig import Connection
from vaina.client.reviews import Reviews
from vaina.clock import Clock, SystemClock
from vaina.config import ConfigError, choose
from vaina.leaderelection.service import Election
from vaina.metrics import QueueMetrics, new_registry
from vaina.pki.folder import metrics_folder, server_folder
from vaina.serving.delegated import Delegated
from vaina.serving.handlers import Handlers, RequestContext, typed
from vaina.serving.http import serve_metrics
from vaina.serving.server import serve

SERVICE = pb.DESCRIPTOR.services_by_name["ControllerService"].full_name
COMPONENT = "controller"


def selected(names: Sequence[str], known: Sequence[str]) -> list[str]:
    """Return which known controllers run: "*" is all, "-name" all but that one. Raises ValueError."""
    unknown = [name for name in names if name != "*" and name.removeprefix("-") not in known]
    if unknown:
        raise ValueError(f"unknown controllers: {', '.join(unknown)} (known: {', '.join(known)})")
    off = {name.removeprefix("-") for name in names if name.startswith("-")}
    return [name for name in known if name not in off and ("*" in names or name in names)]


class Manager:
    """The controllers of one process."""

    def __init__(
        self,
        factory: InformerFactory,
        recorders: Sequence[EventRecorder],
        constructors: Mapping[str, Callable[[], Controller]],
        names: Sequence[str],
    ) -> None:
        self._factory, self._recorders = factory, recorders
        self.controllers: Sequence[Controller] = [
            constructors[name]() for name in selected(names, [*constructors])
        ]

    @property
    def synced(self) -> bool:
        return self._factory.synced

    async def wait_synced(self) -> None:
        await self._factory.wait_synced()

    async def run(self) -> None:
        """Follow and lead until cancelled: what a process without election does."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.follow(), name="follow")
            group.create_task(self.lead(), name="lead")

    async def follow(self) -> None:
        """Keep the caches true until cancelled: what a standby does as well."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._factory.run(), name="informers")
            for recorder in self._recorders:
                group.create_task(recorder.run(), name="events")

    async def lead(self) -> None:
        """Run the controllers until cancelled, beside `follow`. Once only."""
        async with asyncio.TaskGroup() as group:
            for controller in self.controllers:
                group.create_task(controller.run(), name=controller.name)


class ControllerService:
    """Reads the controllers of this process, which is called `identity`."""

    def __init__(self, controllers: Sequence[Controller], identity: str) -> None:
        self._controllers, self._identity = controllers, identity

    async def ListControllers(
        self, request: pb.ListControllersRequest, ctx: RequestContext
    ) -> pb.ListControllersResponse:
        states = sorted(
            (controller.state() for controller in self._controllers), key=lambda state: state.name
        )
        return pb.ListControllersResponse(controllers=states, identity=self._identity)

    def handlers(self) -> Handlers:
        return {f"/{SERVICE}/ListControllers": typed(self.ListControllers, pb.ListControllersRequest)}


def build(  # noqa: PLR0913 - all but three by keyword
    clientset: Clientset,
    clock: Clock,
    config: ControllerConfig,
    *,
    registry: CollectorRegistry | None = None,
    instance: str = COMPONENT,
    detector: MutationDetector | None = None,
    rng: random.Random | None = None,
    metrics: MetricsSource | None = None,
) -> Manager:
    """Construct the controllers over any clientset, of the apiserver over gRPC or in process.

    `metrics` knows what Pods use, by default the apiserver. Raises ValueError: a range or a name is wrong.
    """
    registry = registry or CollectorRegistry()
    factory = InformerFactory(clientset, clock, detector=detector, rng=rng)
    tools = Tools(clock=clock, metrics=QueueMetrics(registry))

    def recorder(component: str) -> EventRecorder:
        made = EventRecorder(clientset.events, component, instance, clock)
        recorders.append(made)
        return made

    recorders: list[EventRecorder] = []
    age_ratio = new_age_ratio(registry)
    constructors: dict[str, Callable[[], Controller]] = {
        "replicaset": lambda: ReplicaSetController(
            tools, factory, recorder("replicaset-controller"), age_ratio
        ),
        "replicationcontroller": lambda: ReplicationControllerController(
            tools, factory, recorder("replication-controller"), age_ratio
        ),
        "deployment": lambda: DeploymentController(tools, factory, recorder("deployment-controller")),
        "job": lambda: JobController(tools, factory, recorder("job-controller"), registry),
        "cronjob": lambda: CronJobController(tools, factory, recorder("cronjob-controller"), registry),
        "horizontalpodautoscaling": lambda: PodAutoscalerController(
            tools, factory, recorder("horizontal-pod-autoscaler"), config, registry, metrics or clientset.metrics
        ),
        "ttl-after-finished": lambda: TtlAfterFinishedController(tools, factory, registry),
        "node-ipam": lambda: NodeIpamController(tools, factory, recorder("cidrAllocator"), config),
        "daemonset": lambda: DaemonSetController(tools, factory, recorder("daemonset-controller")),
        "statefulset": lambda: StatefulSetController(tools, factory, recorder("statefulset-controller")),
        "disruption": lambda: DisruptionController(tools, factory, recorder("controllermanager")),
        "stale-pod-disruption": lambda: StaleDisruptionController(tools, factory),
        "garbage-collector": lambda: GarbageCollector(tools, factory, recorder("garbage-collector-controller")),
        "node-lifecycle": lambda: NodeLifecycleController(
            tools, factory, recorder("node-controller"), config, registry
        ),
        "pod-gc": lambda: PodGcController(tools, factory, config, registry),
        "namespace": lambda: NamespaceController(tools, factory),
        "resourcequota": lambda: ResourceQuotaController(tools, factory),
        "trace-collector": lambda: TraceCollector(tools, factory),
        "persistentvolume-binder": lambda: PersistentVolumeController(
            tools, factory, recorder("persistentvolume-controller"), registry
        ),
        "local-path": lambda: LocalPathController(tools, factory, recorder("vaina.dev/local-path"), config),
        "clusterrole-aggregation": lambda: ClusterRoleAggregationController(tools, factory),
        "pvc-protection": lambda: ClaimProtectionController(tools, factory),
        "pv-protection": lambda: VolumeProtectionController(tools, factory),
        "ephemeral-volume": lambda: EphemeralVolumeController(
            tools, factory, recorder("ephemeral_volume"), registry
        ),
    }  # fmt: skip
    if config.root_ca_file:
        constructors |= {
            "serviceaccount": lambda: ServiceAccountController(tools, factory),
            "root-ca-cert-publisher": lambda: RootCaPublisher(tools, factory, config.root_ca_file),
            "serviceaccount-token": lambda: TokenSecretController(tools, factory),
        }
    if config.cluster_signing_cert_dir:
        constructors |= _certificate_controllers(tools, factory, config)
    return Manager(factory, recorders, constructors, config.controllers)


def _certificate_controllers(
    tools: Tools, factory: InformerFactory, config: ControllerConfig
) -> dict[str, Callable[[], Controller]]:
    """Return the controllers of how nodes join; without them the process does without their library."""
    from controller.certificates.controller import CsrApprover, CsrCleaner, CsrSigner
    from controller.certificates.tokens import TokenCleaner

    directory, seconds = config.cluster_signing_cert_dir, config.cluster_signing_duration_seconds
    return {
        "csrapproving": lambda: CsrApprover(tools, factory, config.cert_dir),
        "csrsigning": lambda: CsrSigner(tools, factory, directory, seconds),
        "csrcleaner": lambda: CsrCleaner(tools, factory),
        "tokencleaner": lambda: TokenCleaner(tools, factory),
    }


async def run(config: ControllerConfig, stop: asyncio.Event, *, connection: Connection | None = None) -> None:
    """Run the service until `stop`: controllers, gRPC server, metrics.

    `connection` is to a REST API, instead of gRPC to `config.apiserver`.
    """
    try:
        log.configure(COMPONENT, config.log_level, config.log_format)
        choose(config.fast_paths, {})
    except ValueError as error:
        raise ConfigError(str(error)) from error
    credentials = server_folder(config.cert_dir, config.listen)
    of_metrics = metrics_folder(config.cert_dir, config.metrics_listen, config.health_listen)
    clock, registry = SystemClock(), new_registry(COMPONENT)
    inner, host = open_transport(
        config.apiserver, config.cert_dir, connection, user_agent=f"vaina-{COMPONENT}"
    )
    transport = MeteredTransport(inner, RestClientMetrics(registry), clock, host)
    instance = socket.gethostname()
    try:
        election = Election(
            config,
            transport,
            clock,
            component="kube-controller-manager",
            instance=instance,
            registry=registry,
        )
        manager = build(election.clients, clock, config, registry=registry, instance=instance)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    elector = election.elector
    service = ControllerService(manager.controllers, instance if elector is None else elector.identity)
    async with (
        election.clients,
        serve(
            Delegated(clock, Reviews(transport).may_call).wrap(service.handlers()), listen=config.listen, clock=clock, services=(SERVICE,), registry=registry,
            ready=False,
            credentials=credentials,
        ) as server,
        serve_metrics(
            registry, listen=config.metrics_listen, health_listen=config.health_listen, healthy=lambda: server.health.serving,
            credentials=of_metrics,
        ),
        asyncio.TaskGroup() as group,
    ):  # fmt: skip
        running = group.create_task(election.run(manager.follow, manager.wait_synced, manager.lead))
        ending = group.create_task(stop.wait())
        filled = group.create_task(manager.wait_synced())
        await asyncio.wait((filled, ending, running), return_when=asyncio.FIRST_COMPLETED)
        if filled.done():
            await server.health.set_serving(True)
        await asyncio.wait((ending, running), return_when=asyncio.FIRST_COMPLETED)
        for task in (running, filled, ending):
            task.cancel()
