"""Configuration of the controllers. Each field is VAINA_<NAME>, --<name>, or a key of the YAML file."""

from vaina.leaderelection.config import LeaderElectionConfig


class ControllerConfig(LeaderElectionConfig, frozen=True, forbid_unknown_fields=True):
    """What can be configured; times in seconds, defaults as upstream's."""

    leader_elect_resource_name: str = "kube-controller-manager"

    #: host:port of the apiserver
    apiserver: str = "127.0.0.1:6443"
    listen: str = "127.0.0.1:10257"
    metrics_listen: str = "127.0.0.1:10252"
    log_level: str = "info"
    log_format: str = "json"
    #: accelerators that are on: all, none, or names (docs/fast-paths.md)
    fast_paths: tuple[str, ...] = ("all",)
    #: names of controllers; "*" is all, "-name" all but that one
    controllers: tuple[str, ...] = ("*",)
    #: addresses of Pods, and the prefix length of a node's share
    cluster_cidr: str = "10.244.0.0/16"
    node_cidr_mask: int = 24
    #: the same for nodes with the label vaina.dev/hollow=true
    hollow_cidr: str = "10.128.0.0/9"
    hollow_cidr_mask: int = 24
    #: after this time without a sign of life a node's status is Unknown
    node_monitor_grace_seconds: float = 40.0
    #: the same for a node that has never reported
    node_startup_grace_seconds: float = 60.0
    node_monitor_period_seconds: float = 5.0
    #: how long Pods stay on a silent node, unless they bring tolerations other than the default ones of 300 s
    pod_eviction_seconds: float = 300.0
    #: share of silent nodes from which on nothing is evicted
    unhealthy_node_threshold: float = 0.55
    #: nodes of a zone that are driven empty in a second; of one that is partly disrupted; the size up to
    #: which that is none
    node_eviction_rate: float = 0.1
    secondary_node_eviction_rate: float = 0.01
    large_cluster_size_threshold: int = 50
    #: ended Pods beyond this number are removed, oldest first
    terminated_pod_threshold: int = 12500
    #: how long a node must be missing before its Pods are removed
    missing_node_quarantine_seconds: float = 40.0
    #: how often autoscalers look; how long the highest recommendation holds; how far from its target a metric
    #: may be
    horizontal_pod_autoscaler_sync_period_seconds: float = 15.0
    horizontal_pod_autoscaler_downscale_stabilization_seconds: float = 300.0
    horizontal_pod_autoscaler_tolerance: float = 0.1
    #: how long after its start the CPU of an unready Pod does not count; how soon after it a Pod becomes
    #: ready
    horizontal_pod_autoscaler_cpu_initialization_period_seconds: float = 300.0
    horizontal_pod_autoscaler_initial_readiness_delay_seconds: float = 30.0
    #: where the node-local provisioner has its volumes, on every node
    local_path_directory: str = "/var/lib/vaina/local-path"
    #: a StorageClass of the node-local provisioner that is made at the start unless it is there, for claims
    #: that name none; empty: none
    default_storage_class: str = "standard"
