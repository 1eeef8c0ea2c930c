"""The kubelet's configuration: flags, environment (VAINA_NODE_NAME ...) or a YAML file."""

import msgspec

from kubelet.eviction.signals import DEFAULT_HARD
from kubelet.network.plan import CLOSED_TO_PODS


class KubeletConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Read once, by `__main__`. Times in seconds."""

    #: host:port of the apiserver
    apiserver: str = "127.0.0.1:6443"
    #: where KubeletService is served
    listen: str = "127.0.0.1:10250"
    #: folder with tls.crt, tls.key and ca.crt (docs/security.md), to show to the apiserver; empty: in the clear
    cert_dir: str = ""
    #: likewise, to show to those who call the kubelet; ca.crt is the authority of apiservers' certificates
    serving_cert_dir: str = ""
    #: folder with a bootstrap token (token), the authority of servers (ca.crt) and that of apiservers
    #: (kubelet-client-ca.crt): the kubelet asks for its certificates, and keeps them in the two folders above;
    #: empty: others put them there
    bootstrap_dir: str = ""
    #: host:port of the apiserver for bootstrap tokens
    bootstrap_apiserver: str = "127.0.0.1:6444"
    #: where /metrics and /healthz are served
    metrics_listen: str = "127.0.0.1:10255"
    #: where /healthz is served in the clear as well, on loopback alone; empty: nowhere else
    health_listen: str = ""
    #: name of the Node; empty: the host's name
    node_name: str = ""
    #: address of the node; empty: the one that leads to the apiserver
    node_ip: str = ""
    #: docker, cri or hollow
    runtime: str = "docker"
    #: socket of the engine, with docker
    docker_socket: str = "/var/run/docker.sock"
    #: socket of the runtime, with cri
    cri_socket: str = "/run/containerd/containerd.sock"
    #: folder from which that runtime reads its CNI configuration
    cni_conf_dir: str = "/etc/cni/net.d"
    #: folder of Pods' files
    root_dir: str = "/var/lib/kubelet"
    #: folder of the node-local provisioner's volumes, as the controllers have it; nothing outside is deleted
    local_path_directory: str = "/var/lib/vaina/local-path"
    #: CPU of the node; empty: what the machine has
    capacity_cpu: str = ""
    #: memory of the node; empty: what the machine has
    capacity_memory: str = ""
    #: how many Pods the node takes
    capacity_pods: int = 110
    #: CPU that Pods do not get
    system_reserved_cpu: str = ""
    #: memory that Pods do not get
    system_reserved_memory: str = ""
    #: addresses of the Pods of all nodes, as the controllers have it
    cluster_cidr: str = "10.244.0.0/16"
    #: TCP ports of nodes, and of what shares a network with them, that Pods do not reach
    closed_to_pods: tuple[int, ...] = CLOSED_TO_PODS
    #: host:port of the apiserver's REST API, as the node reaches it; empty: Pods are told of none
    kubernetes_service: str = ""
    #: address under which Pods reach it, at port 443: that of the Service kubernetes
    kubernetes_service_ip: str = "10.96.0.1"
    #: addresses of the cluster's DNS; empty until there is one
    cluster_dns: tuple[str, ...] = ()
    #: domain of the cluster's DNS
    cluster_domain: str = "cluster.local"
    #: cgroup of all Pods; empty: as the engine is configured
    cgroup_parent: str = ""
    #: how many processes a Pod may have; -1: no limit
    pod_pids_limit: int = -1
    #: a container whose memory runs out loses one process instead of all (cgroup version 2)
    single_process_oom_kill: bool = False
    #: sysctls that Pods may set besides the safe ones: kernel.msgmax, net.core.*
    allowed_unsafe_sysctls: tuple[str, ...] = ()
    #: containers that ask for no seccomp profile get the runtime's own
    seccomp_default: bool = False
    #: size at which a container's log is rotated
    container_log_max_size: str = "10Mi"
    #: how many files of a container's log are kept
    container_log_max_files: int = 5
    #: thresholds below which Pods are evicted at once; memory.available<0 switches one off
    eviction_hard: str = DEFAULT_HARD
    #: thresholds below which Pods are evicted after a while
    eviction_soft: str = ""
    #: how long each soft threshold may be passed: memory.available=1m30s
    eviction_soft_grace_period: str = ""
    #: how much is freed at least: nodefs.available=500Mi
    eviction_minimum_reclaim: str = ""
    #: how long a node's pressure is reported after it was last seen
    eviction_pressure_transition_seconds: float = 300.0
    #: grace period of a Pod evicted at a soft threshold, at most
    eviction_max_pod_grace_seconds: float = 0.0
    #: time between two looks at the node's pressure
    eviction_interval_seconds: float = 10.0
    #: time between two looks at what containers use (`vaina top`)
    sample_seconds: float = 15.0
    #: share of the disk above which unused images are removed
    image_gc_high_threshold_percent: int = 85
    #: share of the disk at which that ends
    image_gc_low_threshold_percent: int = 80
    #: age below which an image is not removed
    image_minimum_gc_age_seconds: float = 120.0
    #: how long the node's Lease holds
    lease_seconds: int = 40
    #: time between two renewals of it
    lease_renew_seconds: float = 10.0
    #: time between two looks at the node's status, which is written when it has changed
    node_status_seconds: float = 10.0
    #: time after which it is written even if nothing has changed
    node_report_seconds: float = 300.0
    #: folder with the manifests of static Pods; empty: there are none
    static_pod_path: str = ""
    #: time between two looks at that folder
    file_check_seconds: float = 1.0
    #: time between two lists of everything in the runtime
    relist_seconds: float = 10.0
    #: time after which a Pod is looked at, even if nothing happened
    resync_seconds: float = 60.0
    #: first delay of CrashLoopBackOff
    crash_backoff_seconds: float = 10.0
    #: longest delay of CrashLoopBackOff
    crash_backoff_cap_seconds: float = 300.0
    #: how long a container must run for CrashLoopBackOff to begin anew
    crash_reset_seconds: float = 600.0
    #: first delay of ImagePullBackOff
    image_backoff_seconds: float = 10.0
    #: longest delay of ImagePullBackOff
    image_backoff_cap_seconds: float = 300.0
    #: how many images are pulled at once
    parallel_pulls: int = 5
    #: of which images on the node a Pod has to show that it may have them: NeverVerify, AlwaysVerify,
    #: NeverVerifyPreloadedImages (of those that the kubelet has pulled), NeverVerifyAllowlistedImages
    image_pull_credentials_verification_policy: str = "NeverVerifyPreloadedImages"
    #: of NeverVerifyAllowlistedImages: images without tag, or beginnings of some with /* at their end
    preloaded_images_verification_allowlist: tuple[str, ...] = ()
    #: number of nodes that a hollow process is
    hollow_nodes: int = 0
    #: first part of their names: hollow-0000
    hollow_prefix: str = "hollow"
    #: addresses of hollow Pods: each node gets a /24 of it
    hollow_cidr: str = "10.128.0.0/9"
    #: seed of what hollow nodes draw by chance
    hollow_seed: int = 1
    #: time that a hollow sandbox and a hollow container take to start
    hollow_start_seconds: float = 0.0
    #: time of each stage by itself: run_sandbox=0.1-0.5,start_container=0.5-2
    hollow_stages: tuple[str, ...] = ()
    #: whether hollow nodes report the steps of their Pods
    hollow_traces: bool = False
    #: folder of a lab's authority (tls.crt, tls.key): each hollow node signs a certificate of its own, and calls
    #: with it; empty: all call as the process does (cert_dir)
    hollow_signing_cert_dir: str = ""
    #: lines of this level and above are written: debug, info, warning, error
    log_level: str = "info"
    #: json, or console for people
    log_format: str = "json"
    #: accelerators that are on: all, none, or names (docs/fast-paths.md)
    fast_paths: tuple[str, ...] = ("all",)
