"""The kubelet's configuration: flags, environment (VAINA_NODE_NAME ...) or a YAML file."""

import msgspec

from kubelet.eviction.signals import DEFAULT_HARD
from kubelet.network.rules import CLOSED_TO_PODS


class KubeletConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Read once, by `__main__`. Times in seconds."""

    #: host:port of the apiserver
    apiserver: str = "127.0.0.1:6443"
    #: where KubeletService is served
    listen: str = "127.0.0.1:10250"
    #: where /metrics and /healthz are served
    metrics_listen: str = "127.0.0.1:10255"
    #: empty: the host's name
    node_name: str = ""
    #: empty: the address that leads to the apiserver
    node_ip: str = ""
    #: docker, cri or hollow
    runtime: str = "docker"
    docker_socket: str = "/var/run/docker.sock"
    #: with cri: the runtime's socket, and the directory that it reads its CNI configuration from
    cri_socket: str = "/run/containerd/containerd.sock"
    cni_conf_dir: str = "/etc/cni/net.d"
    #: where Pods' files are
    root_dir: str = "/var/lib/kubelet"
    #: where the node-local provisioner has its volumes, as the controllers are told; nothing outside of it is
    #: ever deleted
    local_path_directory: str = "/var/lib/vaina/local-path"
    #: quantities; empty: what the machine has
    capacity_cpu: str = ""
    capacity_memory: str = ""
    capacity_pods: int = 110
    #: quantities that Pods do not get
    system_reserved_cpu: str = ""
    system_reserved_memory: str = ""
    #: the Pods of all nodes, as the controllers are told: no range of a node is believed that lies outside
    cluster_cidr: str = "10.244.0.0/16"
    #: TCP ports of nodes, and of what shares a network with them, that Pods do not reach
    #: (`kubelet/network/rules.py`)
    closed_to_pods: tuple[int, ...] = CLOSED_TO_PODS
    #: addresses of the cluster's DNS; empty until there is one
    cluster_dns: tuple[str, ...] = ()
    cluster_domain: str = "cluster.local"
    #: cgroup below which Pods are; empty: as the engine is configured
    cgroup_parent: str = ""
    #: process ids of each Pod; -1: no limit
    pod_pids_limit: int = -1
    #: where a container's memory runs out, the kernel ends one process of it, not all (cgroup version 2)
    single_process_oom_kill: bool = False
    #: sysctls that Pods may set besides the safe ones: kernel.msgmax, net.core.*
    allowed_unsafe_sysctls: tuple[str, ...] = ()
    #: containers that ask for no seccomp profile get the runtime's own instead of none
    seccomp_default: bool = False
    #: of each container's log
    container_log_max_size: str = "10Mi"
    container_log_max_files: int = 5
    #: node pressure: memory.available<100Mi,nodefs.available<10% (`kubelet/eviction/signals.py`); <0 and <0%
    #: switch one off
    eviction_hard: str = DEFAULT_HARD
    eviction_soft: str = ""
    #: of each soft threshold: memory.available=1m30s
    eviction_soft_grace_period: str = ""
    eviction_minimum_reclaim: str = ""
    #: how long a condition stays after it was last seen
    eviction_pressure_transition_seconds: float = 300.0
    #: what a Pod gets at a soft threshold, at most
    eviction_max_pod_grace_seconds: float = 0.0
    #: between two looks at the node
    eviction_interval_seconds: float = 10.0
    #: between two looks at what containers use (`vaina top`)
    sample_seconds: float = 15.0
    #: of the disk: unused images go above the one, until it is at the other
    image_gc_high_threshold_percent: int = 85
    image_gc_low_threshold_percent: int = 80
    #: an image that came later does not go
    image_minimum_gc_age_seconds: float = 120.0
    lease_seconds: int = 40
    lease_renew_seconds: float = 10.0
    node_status_seconds: float = 10.0
    node_report_seconds: float = 300.0
    #: folder with the manifests of static Pods; empty: there are none
    static_pod_path: str = ""
    #: between two looks at that folder
    file_check_seconds: float = 1.0
    #: between two lists of everything in the runtime
    relist_seconds: float = 10.0
    #: a Pod is looked at after this time, even if nothing happened
    resync_seconds: float = 60.0
    #: CrashLoopBackOff: the first delay, the longest, and the good run after which the record is clean
    crash_backoff_seconds: float = 10.0
    crash_backoff_cap_seconds: float = 300.0
    crash_reset_seconds: float = 600.0
    #: ImagePullBackOff
    image_backoff_seconds: float = 10.0
    image_backoff_cap_seconds: float = 300.0
    parallel_pulls: int = 5
    #: a hollow process: how many nodes it is, and how they are called (hollow-0000, ...)
    hollow_nodes: int = 0
    hollow_prefix: str = "hollow"
    #: addresses of hollow Pods: each node gets a /24 of it
    hollow_cidr: str = "10.128.0.0/9"
    hollow_seed: int = 1
    #: how long a hollow sandbox and container take to start
    hollow_start_seconds: float = 0.0
    #: or each stage by itself: run_sandbox=0.1-0.5,start_container=0.5-2 (`kubelet/runtime/hollow/stages.py`)
    hollow_stages: tuple[str, ...] = ()
    #: whether hollow nodes report the steps of their Pods
    hollow_traces: bool = False
    log_level: str = "info"
    log_format: str = "json"
    #: accelerators that are on: all, none, or names (docs/fast-paths.md)
    fast_paths: tuple[str, ...] = ("all",)
