"""Configuration of the controllers. Each field is VAINA_<NAME>, --<name>, or a key of the YAML file."""

from vaina.leaderelection.service import LeaderElectionConfig


class ControllerConfig(LeaderElectionConfig, frozen=True, forbid_unknown_fields=True):
    """What can be configured; times in seconds, defaults as upstream's."""

    leader_elect_resource_name: str = "kube-controller-manager"

    #: host:port of the apiserver
    apiserver: str = "127.0.0.1:6443"
    #: instead of gRPC, the REST API that a kubeconfig names; in-cluster: as the Pod that this process runs in
    kubeconfig: str = ""
    #: where gRPC is served (health, reflection)
    listen: str = "127.0.0.1:10257"
    #: folder with tls.crt, tls.key and ca.crt (docs/security.md); empty: in the clear, on loopback alone
    cert_dir: str = ""
    #: folder of the cluster's authority (tls.crt, tls.key), which signs nodes' certificates; empty: nobody does
    cluster_signing_cert_dir: str = ""
    #: how long those certificates hold at most
    cluster_signing_duration_seconds: float = 7_776_000.0
    #: file with the authority of the apiserver, which each namespace gets as ConfigMap kube-root-ca.crt,
    #: beside its ServiceAccount `default`; empty: neither (there are no tokens)
    root_ca_file: str = ""
    #: where /metrics and /healthz are served
    metrics_listen: str = "127.0.0.1:10252"
    #: where /healthz is served in the clear as well, on loopback alone; empty: nowhere else
    health_listen: str = ""
    #: lines of this level and above are written: debug, info, warning, error
    log_level: str = "info"
    #: json, or console for people
    log_format: str = "json"
    #: accelerators that are on: all, none, or names (docs/fast-paths.md)
    fast_paths: tuple[str, ...] = ("all",)
    #: names of controllers that run; "*": all, "-name": all but that one
    controllers: tuple[str, ...] = ("*",)
    #: addresses of Pods
    cluster_cidr: str = "10.244.0.0/16"
    #: prefix length of a node's share of them
    node_cidr_mask: int = 24
    #: addresses of Pods on nodes with the label vaina.dev/hollow=true
    hollow_cidr: str = "10.128.0.0/9"
    #: prefix length of such a node's share of them
    hollow_cidr_mask: int = 24
    #: how long a node may be silent before its status is Unknown
    node_monitor_grace_seconds: float = 40.0
    #: the same for a node that has never reported
    node_startup_grace_seconds: float = 60.0
    #: time between two looks at the nodes
    node_monitor_period_seconds: float = 5.0
    #: how long Pods without tolerations of their own stay on a silent node
    pod_eviction_seconds: float = 300.0
    #: share of silent nodes from which on a zone is disrupted; if it is that of all nodes, nothing is evicted
    unhealthy_node_threshold: float = 0.55
    #: silent nodes of a zone whose Pods are evicted, a second
    node_eviction_rate: float = 0.1
    #: the same in a disrupted zone that is large
    secondary_node_eviction_rate: float = 0.01
    #: number of nodes above which a zone is large; nothing is evicted in a smaller one that is disrupted
    large_cluster_size_threshold: int = 50
    #: number of ended Pods beyond which the oldest are removed
    terminated_pod_threshold: int = 12500
    #: how long a node must be missing before its Pods are removed
    missing_node_quarantine_seconds: float = 40.0
    #: time between two looks of an autoscaler at its metrics
    horizontal_pod_autoscaler_sync_period_seconds: float = 15.0
    #: how long the highest recommendation holds before an autoscaler scales down
    horizontal_pod_autoscaler_downscale_stabilization_seconds: float = 300.0
    #: how far a metric may be from its target before anything is scaled
    horizontal_pod_autoscaler_tolerance: float = 0.1
    #: how long after its start the CPU of an unready Pod does not count
    horizontal_pod_autoscaler_cpu_initialization_period_seconds: float = 300.0
    #: how long after its start a change to unready counts as not yet ready
    horizontal_pod_autoscaler_initial_readiness_delay_seconds: float = 30.0
    #: folder of the node-local provisioner's volumes on every node
    local_path_directory: str = "/var/lib/vaina/local-path"
    #: default StorageClass, made at the start if it is missing; empty: none
    default_storage_class: str = "standard"
