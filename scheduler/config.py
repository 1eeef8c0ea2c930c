"""The scheduler's configuration: flags, environment (VAINA_APISERVER ...) or a YAML file."""

from vaina.leaderelection.config import LeaderElectionConfig


class SchedulerConfig(LeaderElectionConfig, frozen=True, forbid_unknown_fields=True):
    """Read once, by `__main__`."""

    leader_elect_resource_name: str = "kube-scheduler"

    #: host:port of the apiserver
    apiserver: str = "127.0.0.1:6443"
    #: where gRPC is served (health, reflection)
    listen: str = "127.0.0.1:10259"
    #: where /metrics and /healthz are served
    metrics_listen: str = "127.0.0.1:10251"
    #: spec.schedulerName of the Pods that are ours
    scheduler_name: str = "default-scheduler"
    log_level: str = "info"
    log_format: str = "json"
