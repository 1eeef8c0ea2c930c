"""The runtimes that a node may have, each with the images, volumes, files and network that go with it."""

import random
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Final

from kubelet.config import KubeletConfig
from kubelet.machine.machine import least_oom_score_adj, node_dns
from kubelet.network.kubernetes_service import ServiceRoute, read_service
from kubelet.network.pod_network import PodNetwork
from kubelet.pod.directory import PodDirectory, PodFiles
from kubelet.runtime.hollow.program import Delay, Stages, parse_stages
from kubelet.runtime.hollow.runtime import HollowImages, HollowRuntime
from kubelet.runtime.interface import ImageService, Runtime
from kubelet.runtime.records import LogLimits
from kubelet.tasks import Job
from kubelet.volumes.interface import ApiObjects, Volumes
from kubelet.volumes.manager import VolumeManager
from kubelet.volumes.tokens import Tokens
from vaina.client.clientset import Clientset
from vaina.clock import Clock
from vaina.objects.quantity import value

#: below the kubelet's folder, as upstream
PULL_RECORDS: Final = "image_manager"


@dataclass(frozen=True, slots=True)
class NodeRuntime:
    """A runtime, and what belongs to it."""

    runtime: Runtime
    images: ImageService
    volumes: Volumes
    files: PodFiles
    #: that the kubelet has to configure; None: the runtime has its own
    network: PodNetwork | None
    #: of the runtime itself: run as long as the kubelet
    jobs: tuple[Job, ...] = ()
    #: something runs there, so memory, disk and cgroups are looked after
    runs_processes: bool = False
    #: folder where it is written down who has pulled which image; None: every Pod may use every image
    pull_records: Path | None = None


def hollow_stages(config: KubeletConfig) -> Stages:
    """Return how long each stage takes on hollow nodes. Raises ValueError for a table that cannot be read."""
    if config.hollow_stages:
        return parse_stages(config.hollow_stages)
    start = Delay(config.hollow_start_seconds / 2, config.hollow_start_seconds)
    return Stages(run_sandbox=start, start_container=start)


def hollow_runtime(
    config: KubeletConfig, clock: Clock, rng: random.Random, *, cidr: IPv4Network
) -> NodeRuntime:
    """Make a node's hollow runtime. Raises ValueError for a table of delays that cannot be read."""
    stages = hollow_stages(config)
    return NodeRuntime(
        runtime=HollowRuntime(clock, rng, stages=stages, cidr=cidr),
        images=HollowImages(clock, rng, stages),
        volumes=Volumes(),
        files=PodFiles(),
        network=None,
    )


def closed_to_pods(config: KubeletConfig) -> tuple[int, ...]:
    """Return the ports that Pods do not reach: the configured ones and this kubelet's own."""
    own = (int(where.rpartition(":")[2]) for where in (config.listen, config.metrics_listen))
    return (*config.closed_to_pods, *own)


def _objects(client: Clientset, clock: Clock, rng: random.Random) -> ApiObjects:
    return ApiObjects(client, Tokens(client.service_accounts.create_token, clock, rng))


def _service_jobs(config: KubeletConfig, network: PodNetwork, clock: Clock) -> tuple[Job, ...]:
    service = read_service(config.kubernetes_service, config.kubernetes_service_ip)
    return () if service is None else (ServiceRoute(service, network, clock).run,)


def _log_limits(config: KubeletConfig) -> LogLimits:
    return LogLimits(value(config.container_log_max_size), config.container_log_max_files)


def docker_runtime(config: KubeletConfig, client: Clientset, clock: Clock, rng: random.Random) -> NodeRuntime:
    """Make the runtime over this node's Docker engine."""
    # The SDK takes a while to import, and a hollow node may be without it.
    from kubelet.runtime.docker.engine import Engine
    from kubelet.runtime.docker.images import DockerImages
    from kubelet.runtime.docker.runtime import DockerRuntime

    engine = Engine(config.docker_socket)
    network = PodNetwork(cluster_cidr=IPv4Network(config.cluster_cidr), closed_to_pods=closed_to_pods(config))
    volumes = VolumeManager(Path(config.root_dir), _objects(client, clock, rng))
    return NodeRuntime(
        runtime=DockerRuntime(
            engine,
            network,
            clock,
            node_dns=node_dns(),
            least_oom_score_adj=least_oom_score_adj(),
            logs=_log_limits(config),
        ),
        images=DockerImages(engine),
        volumes=volumes,
        files=PodDirectory(Path(config.root_dir), volumes, cluster_domain=config.cluster_domain),
        network=network,
        jobs=_service_jobs(config, network, clock),
        runs_processes=True,
        pull_records=Path(config.root_dir) / PULL_RECORDS,
    )


def cri_runtime(config: KubeletConfig, client: Clientset, clock: Clock, rng: random.Random) -> NodeRuntime:
    """Make the runtime over this node's CRI socket (containerd)."""
    # Only these nodes have the messages in memory.
    from kubelet.network.pod_network import CniNetwork
    from kubelet.runtime.cri.connection import Connection
    from kubelet.runtime.cri.images import CriImages
    from kubelet.runtime.cri.rotation import LogRotation
    from kubelet.runtime.cri.runtime import CriRuntime

    root = Path(config.root_dir)
    connection = Connection(config.cri_socket)
    network = CniNetwork(
        cluster_cidr=IPv4Network(config.cluster_cidr),
        closed_to_pods=closed_to_pods(config),
        directory=Path(config.cni_conf_dir),
        pool=root / "cni",
    )
    runtime = CriRuntime(connection, clock, node_dns=node_dns(), log_root=root / "logs")
    volumes = VolumeManager(root, _objects(client, clock, rng))
    return NodeRuntime(
        runtime=runtime,
        images=CriImages(connection),
        volumes=volumes,
        files=PodDirectory(root, volumes, cluster_domain=config.cluster_domain),
        network=network,
        jobs=(LogRotation(runtime, clock, _log_limits(config)).run, *_service_jobs(config, network, clock)),
        runs_processes=True,
        pull_records=root / PULL_RECORDS,
    )
