"""The composition root: the only place that constructs what the scheduler is made of."""

import asyncio
import gc
import random
from collections.abc import Collection, Mapping, Sequence
from typing import Final

import structlog
from prometheus_client import CollectorRegistry

from scheduler.columns.pod_info import DEFAULT_SCHEDULER_NAME
from scheduler.config import SchedulerConfig
from scheduler.configuration.load import KubeSchedulerConfiguration, without_effect
from scheduler.configuration.profiles import make_profiles
from scheduler.configuration.third_party import PluginError, find_plugins
from scheduler.decide.ahead import Ahead
from scheduler.decide.ranking import TieBreak
from scheduler.framework.binding_points import Handle
from scheduler.framework.registry import default_profile
from scheduler.framework.runtime import Framework, Frameworks, Profile
from scheduler.metrics import PluginMetrics, PluginTimes, PreemptionMetrics, SchedulerMetrics
from scheduler.queue.scheduling_queue import BACKOFF
from scheduler.scheduler import Scheduler
from scheduler.service import SERVICE, SchedulerService
from vaina import log as logging_setup
from vaina.backoff import Backoff
from vaina.cache.informer import MutationDetector
from vaina.client.clientset import Clientset
from vaina.client.connecting import open_transport
from vaina.client.events import EventRecorder
from vaina.client.metrics import MeteredTransport, RestClientMetrics
from vaina.client.rest.kubeconfig import Connection
from vaina.client.reviews import Reviews
from vaina.client.steps import StepReporter
from vaina.clock import Clock, SystemClock
from vaina.config import ConfigError, choose
from vaina.leaderelection.service import Election
from vaina.metrics import new_registry
from vaina.pki.folder import metrics_folder, server_folder
from vaina.serving.delegated import Delegated
from vaina.serving.health import Health
from vaina.serving.http import serve_metrics
from vaina.serving.server import serve

log = structlog.stdlib.get_logger(__name__)

EQUAL_PODS: Final = "equal-pods"
#: the scheduler's accelerators (`--fast-paths`, docs/fast-paths.md)
FAST_PATHS: Final[Mapping[str, str]] = {
    EQUAL_PODS: "what nodes are worth with some more equal Pods is computed ahead, and these are placed together",
}


def build(  # noqa: PLR0913 - tools, all by keyword
    clients: Clientset,
    clock: Clock,
    *,
    registry: CollectorRegistry | None = None,
    name: str = DEFAULT_SCHEDULER_NAME,
    profiles: Sequence[Profile] = (),
    handle: Handle | None = None,
    backoff: Backoff = BACKOFF,
    instance: str = "scheduler",
    tie_break: TieBreak | None = None,
    detector: MutationDetector | None = None,
    rng: random.Random | None = None,
    check_plugins: bool = False,
    fast_paths: Collection[str] = FAST_PATHS,
) -> Scheduler:
    """Make a scheduler over any transport.

    `profiles`, made with `handle`, stand instead of the default one, which is for Pods of the scheduler
    `name`.
    """
    registry = registry or CollectorRegistry()
    handle = handle or Handle()
    profiles = profiles or (default_profile(name, handle),)
    names = [profile.name for profile in profiles]
    times = PluginMetrics(registry)
    draw = (rng or random.Random()).random  # noqa: S311 - whose plugins are timed is no secret
    return Scheduler(
        clients, clock,
        frameworks=Frameworks(
            [Framework(profile, PluginTimes(times, clock, profile.name, draw)) for profile in profiles]
        ),
        metrics=SchedulerMetrics(registry, names), preemption=PreemptionMetrics(registry),
        recorders={own: EventRecorder(clients.events, own, instance, clock) for own in names},
        handle=handle, backoff=backoff,
        reporter=StepReporter(clients.pod_traces, "scheduler", instance, clock),
        tie_break=tie_break or random.SystemRandom().randrange, detector=detector, rng=rng, check_plugins=check_plugins,
        make_ahead=Ahead if EQUAL_PODS in fast_paths else None,
    )  # fmt: skip


async def run(
    config: SchedulerConfig,
    scheduling: KubeSchedulerConfiguration,
    stop: asyncio.Event,
    *,
    instance: str,
    connection: Connection | None = None,
) -> None:
    """Be the scheduler until `stop` is set; `instance` names this process among its replicas.

    `connection` is to a REST API, instead of gRPC to `config.apiserver`.
    """
    logging_setup.configure("scheduler", config.log_level, config.log_format)
    fast_paths = choose(config.fast_paths, FAST_PATHS)
    log.info("fast paths", on=sorted(fast_paths))
    for line in without_effect(scheduling):
        log.warning("a field of the configuration is not acted on", field=line)
    handle = Handle()
    try:
        third_party = find_plugins(config.plugins_dir)
    except PluginError as error:
        raise ConfigError(f"plugins_dir: {error}") from error
    profiles = make_profiles(scheduling.profiles, handle=handle, third_party=third_party)
    credentials = server_folder(config.cert_dir, config.listen)
    of_metrics = metrics_folder(config.cert_dir, config.metrics_listen, config.health_listen)
    clock, registry = SystemClock(), new_registry("scheduler")
    inner, host = open_transport(config.apiserver, config.cert_dir, connection, user_agent="vaina-scheduler")
    transport = MeteredTransport(inner, RestClientMetrics(registry), clock, host)
    try:
        election = Election(
            config, transport, clock, component=config.scheduler_name, instance=instance, registry=registry
        )
    except ValueError as error:
        raise ConfigError(f"leader election: {error}") from error
    scheduler = build(
        election.clients, clock, registry=registry, profiles=profiles, handle=handle, instance=instance,
        check_plugins=config.check_plugins, fast_paths=fast_paths,
        backoff=Backoff(
            base_seconds=scheduling.pod_initial_backoff_seconds, cap_seconds=scheduling.pod_max_backoff_seconds
        ),
        tie_break=random.Random().randrange,  # noqa: S311 - which of equal nodes is no secret
    )  # fmt: skip
    elector = election.elector
    service = SchedulerService(
        scheduler, election.clients, clock,
        identity=instance if elector is None else elector.identity,
        leading=(lambda: True) if elector is None else elector.is_leader,
        leader=(lambda: "") if elector is None else (lambda: elector.leader),
    )  # fmt: skip
    try:
        async with (
            serve(
                Delegated(clock, Reviews(transport).may_call).wrap(service.handlers()), listen=config.listen, clock=clock, services=(SERVICE,),
                registry=registry, ready=False,
                credentials=credentials,
            ) as server,
            serve_metrics(
                registry, listen=config.metrics_listen, health_listen=config.health_listen, healthy=lambda: server.health.serving,
                credentials=of_metrics,
            ),
            asyncio.TaskGroup() as group,
        ):  # fmt: skip
            tasks = [
                group.create_task(election.run(scheduler.follow, scheduler.wait_synced, scheduler.lead)),
                group.create_task(_report_ready(scheduler, server.health)),
            ]
            await stop.wait()
            for task in tasks:
                task.cancel()
    finally:
        await transport.close()


async def _report_ready(scheduler: Scheduler, health: Health) -> None:
    await scheduler.wait_synced()
    # What is known of the nodes stays: the garbage collector would take 50 ms for it each time.
    gc.freeze()
    await health.set_serving(True)
    log.info("ready", scheduler_name=scheduler.name)
