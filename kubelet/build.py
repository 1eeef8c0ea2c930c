"""The composition root: the only place that makes the parts of a node's kubelet.

The runtimes are in `runtimes.py`, the process around them is in `process.py`.
"""

import asyncio
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kubelet.config import KubeletConfig
from kubelet.decide.containers import RestartPolicy
from kubelet.eviction.signals import parse_thresholds
from kubelet.images.access import read_policy
from kubelet.images.manager import ImageManager, PullSettings
from kubelet.images.records import PullRecords
from kubelet.kubelet import Kubelet
from kubelet.machine.capacity import allocatable, configured
from kubelet.machine.cgroups import Cgroups, PodCgroups
from kubelet.machine.machine import Machine, node_dns
from kubelet.metrics import KubeletMetrics
from kubelet.network.kubernetes_service import read_service, service_variables
from kubelet.node.care import NodeCare
from kubelet.node.manager import NodeLease, NodeManager
from kubelet.pod.config import NodeSettings
from kubelet.pod.tools import NodeView, PodTools, WorkerSettings
from kubelet.runtime.records import DnsConfig
from kubelet.runtimes import NodeRuntime, hollow_stages
from kubelet.stats import NodeStats, StatsSettings
from kubelet.status.manager import StatusManager
from kubelet.status.node_status import NodeFacts, NodeSeen
from kubelet.status.sinks import EventSink, ShownSteps, StepSink
from kubelet.volumes.interface import ApiObjects
from vaina.backoff import Backoff
from vaina.client.clientset import Clientset
from vaina.clock import Clock
from vaina.config import ConfigError
from vaina.objects.quantity import QuantityError, value


@dataclass(frozen=True, slots=True)
class Outlets:
    """Where a kubelet's events, steps and metrics go; hollow kubelets share them."""

    events: EventSink
    steps: StepSink
    metrics: KubeletMetrics


def worker_settings(config: KubeletConfig) -> WorkerSettings:
    """Return the times of a worker."""
    return WorkerSettings(
        restarts=RestartPolicy(
            Backoff(config.crash_backoff_seconds, config.crash_backoff_cap_seconds),
            config.crash_reset_seconds,
        ),
        resync_seconds=config.resync_seconds,
    )


#: settings that are amounts
_QUANTITIES: Final = (
    "capacity_cpu", "capacity_memory", "system_reserved_cpu", "system_reserved_memory", "container_log_max_size",
)  # fmt: skip


def check_settings(config: KubeletConfig) -> None:
    """Raise ConfigError: a setting cannot be read. Asked before anything is made of them."""
    try:
        hollow_stages(config)
        parse_thresholds(
            config.eviction_hard, soft=config.eviction_soft, grace=config.eviction_soft_grace_period,
            min_reclaim=config.eviction_minimum_reclaim,
        )  # fmt: skip
        read_policy(
            config.image_pull_credentials_verification_policy, config.preloaded_images_verification_allowlist
        )
        read_service(config.kubernetes_service, config.kubernetes_service_ip)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    for name in _QUANTITIES:
        try:
            value(getattr(config, name) or "0")
        except QuantityError as error:
            raise ConfigError(f"{name}: {error}") from error


async def _read_records(runtime: NodeRuntime, clock: Clock, metrics: KubeletMetrics) -> PullRecords | None:
    """Read who has pulled which image. Raises OSError, RuntimeUnavailable."""
    if runtime.pull_records is None:
        return None
    records = PullRecords(runtime.pull_records, clock, metrics)
    await asyncio.to_thread(records.load)
    if records.has_intents:
        await records.adopt(await runtime.images.list_images())
    return records


async def build_kubelet(  # noqa: PLR0913 - one node's parts
    config: KubeletConfig,
    client: Clientset,
    node_runtime: NodeRuntime,
    clock: Clock,
    rng: random.Random,
    *,
    name: str,
    address: str,
    port: int,
    machine: Machine,
    outlets: Outlets,
    status: StatusManager,
) -> Kubelet:
    """Make the kubelet of one node. Raises RuntimeUnavailable."""
    capacity = configured(
        machine.resources, cpu=config.capacity_cpu, memory=config.capacity_memory, pods=config.capacity_pods
    )
    room = allocatable(
        capacity, reserved_cpu=config.system_reserved_cpu, reserved_memory=config.system_reserved_memory
    )
    runtime = node_runtime.runtime
    version = await runtime.version()
    facts = NodeFacts(name, address, port, machine, version, capacity, room)
    lease = NodeLease(
        client.leases, clock, node_name=name, duration_seconds=config.lease_seconds,
        renew_seconds=config.lease_renew_seconds,
    )  # fmt: skip
    cgroups = PodCgroups(
        Cgroups(), config.cgroup_parent, kill_together=not config.single_process_oom_kill,
        timed=outlets.metrics.cgroup_operation,
    )  # fmt: skip
    records = await _read_records(node_runtime, clock, outlets.metrics)
    care = None
    if node_runtime.runs_processes:
        stats = NodeStats(
            Cgroups(), runtime, node_runtime.volumes, clock,
            StatsSettings(capacity, room, config.cgroup_parent, Path(config.root_dir)),
        )  # fmt: skip
        care = NodeCare(
            config, runtime, node_runtime.images, clock, outlets.events, outlets.metrics, stats=stats, room=room,
            cgroups=cgroups, records=records,
        )  # fmt: skip
    node = NodeManager(
        client.nodes, lease, runtime, clock, facts=facts, network=node_runtime.network, events=outlets.events,
        status_seconds=config.node_status_seconds, report_seconds=config.node_report_seconds, rng=rng,
        look=care.look if care else NodeSeen, beside=(care.run,) if care else (),
    )  # fmt: skip
    service = read_service(config.kubernetes_service, config.kubernetes_service_ip)
    settings = NodeSettings(
        memory_capacity_bytes=capacity.memory_bytes, cgroup_parent=config.cgroup_parent,
        cluster_dns=config.cluster_dns, cluster_domain=config.cluster_domain, allocatable=room.amounts(),
        node_dns=node_dns() if node_runtime.runs_processes else DnsConfig(), seccomp_default=config.seccomp_default,
        seccomp_root=f"{config.root_dir}/seccomp", recursive_readonly=version.recursive_readonly,
        pod_pids_limit=max(config.pod_pids_limit, 0), allowed_unsafe_sysctls=config.allowed_unsafe_sysctls,
        services={} if service is None else service_variables(service.address),
    )  # fmt: skip
    pulls = PullSettings(
        Backoff(config.image_backoff_seconds, config.image_backoff_cap_seconds), config.parallel_pulls,
        verification=read_policy(
            config.image_pull_credentials_verification_policy, config.preloaded_images_verification_allowlist
        ),
    )  # fmt: skip
    tools = PodTools(
        runtime=runtime,
        images=ImageManager(node_runtime.images, clock, pulls, outlets.metrics, records),
        volumes=node_runtime.volumes,
        files=node_runtime.files,
        objects=ApiObjects(client),
        events=outlets.events,
        steps=ShownSteps(outlets.steps),
        status=status,
        node=NodeView(name, address, version.name, settings),
        metrics=outlets.metrics,
        clock=clock,
        rng=rng,
        settings=worker_settings(config),
        cgroups=cgroups,
    )
    kubelet = Kubelet(
        client, tools, node, status, relist_seconds=config.relist_seconds,
        # Many hollow nodes have no folder each.
        static_pod_path="" if config.hollow_nodes else config.static_pod_path,
        file_check_seconds=config.file_check_seconds,
    )  # fmt: skip
    if care is not None:
        care.attach(kubelet.workers, node)
        kubelet.care = care
    return kubelet
