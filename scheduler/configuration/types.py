"""The fields of KubeSchedulerConfiguration (kubescheduler.config.k8s.io/v1), with upstream's defaults.

Follows `staging/src/k8s.io/kube-scheduler/config/v1/types.go` and `pkg/scheduler/apis/config/v1/defaults.go`.
Fields that have no effect here are read and checked all the same, so that an upstream file may be used;
`docs/plugins.md` lists them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from scheduler.configuration.decoding import Duration

API_VERSION: Final = "kubescheduler.config.k8s.io/v1"
KIND: Final = "KubeSchedulerConfiguration"

LEASE_DURATION: Final = Duration(15)
RENEW_DEADLINE: Final = Duration(10)
RETRY_PERIOD: Final = Duration(2)


@dataclass(frozen=True, slots=True)
class PluginRef:
    """A plugin that is enabled or disabled."""

    name: str
    #: of a score; 0: as it is by default, or 1
    weight: int = 0


@dataclass(frozen=True, slots=True)
class PluginSet:
    """What is different from the default at one extension point. Disabled `*`: all of the default."""

    enabled: tuple[PluginRef, ...] = ()
    disabled: tuple[PluginRef, ...] = ()


@dataclass(frozen=True, slots=True)
class Plugins:
    """By extension point; `multiPoint` is every point that a plugin has."""

    pre_enqueue: PluginSet = PluginSet()
    queue_sort: PluginSet = PluginSet()
    pre_filter: PluginSet = PluginSet()
    filter: PluginSet = PluginSet()
    post_filter: PluginSet = PluginSet()
    pre_score: PluginSet = PluginSet()
    score: PluginSet = PluginSet()
    reserve: PluginSet = PluginSet()
    permit: PluginSet = PluginSet()
    pre_bind: PluginSet = PluginSet()
    bind: PluginSet = PluginSet()
    post_bind: PluginSet = PluginSet()
    multi_point: PluginSet = PluginSet()


@dataclass(frozen=True, slots=True)
class PluginConfig:
    """The arguments of one plugin."""

    name: str
    args: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KubeSchedulerProfile:
    """What one scheduler name does."""

    #: empty: default-scheduler, when there is but one profile
    scheduler_name: str = ""
    #: without effect: all nodes are scored
    percentage_of_nodes_to_score: int | None = None
    plugins: Plugins = Plugins()
    plugin_config: tuple[PluginConfig, ...] = ()


@dataclass(frozen=True, slots=True)
class LeaderElection:
    """Who of several works."""

    leader_elect: bool = True
    lease_duration: Duration = LEASE_DURATION
    renew_deadline: Duration = RENEW_DEADLINE
    retry_period: Duration = RETRY_PERIOD
    resource_lock: str = "leases"
    resource_name: str = "kube-scheduler"
    resource_namespace: str = "kube-system"


@dataclass(frozen=True, slots=True)
class ClientConnection:
    """Without effect: connections are gRPC's, and --apiserver says where to."""

    kubeconfig: str = ""
    accept_content_types: str = ""
    content_type: str = ""
    qps: float = 50
    burst: int = 100


@dataclass(frozen=True, slots=True)
class KubeSchedulerConfiguration:
    """The whole file."""

    api_version: str
    kind: str
    profiles: tuple[KubeSchedulerProfile, ...] = (KubeSchedulerProfile("default-scheduler"),)
    leader_election: LeaderElection = LeaderElection()
    #: the first back-off of a Pod that failed, and the longest
    pod_initial_backoff_seconds: int = 1
    pod_max_backoff_seconds: int = 10
    #: without effect: decisions are made one at a time, in columns
    parallelism: int = 16
    #: without effect: all nodes are scored
    percentage_of_nodes_to_score: int | None = None
    client_connection: ClientConnection = ClientConnection()
    #: without effect
    enable_profiling: bool = True
    enable_contention_profiling: bool = True
    delay_cache_until_active: bool = False
    #: refused: plugins are written in Python
    extenders: tuple[Mapping[str, Any], ...] = ()
