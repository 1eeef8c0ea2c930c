"""The kubelet's configuration: flags, environment (VAINA_NODE_NAME ...) or a YAML file."""

import msgspec


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
    #: quantities; empty: what the machine has
    capacity_cpu: str = ""
    capacity_memory: str = ""
    capacity_pods: int = 110
    #: quantities that Pods do not get
    system_reserved_cpu: str = ""
    system_reserved_memory: str = ""
    #: the Pods of all nodes
    cluster_cidr: str = "10.244.0.0/16"
    #: addresses of the cluster's DNS; empty until there is one
    cluster_dns: tuple[str, ...] = ()
    cluster_domain: str = "cluster.local"
    #: cgroup below which Pods are; empty: as the engine is configured
    cgroup_parent: str = ""
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
