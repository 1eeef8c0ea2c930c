"""The records that pass between the kubelet and a container runtime: frozen values without behaviour.

Times are seconds since the epoch, amounts integers in the unit of their name.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType

# Labels and annotations by which a restarted kubelet finds everything in the runtime again (I11): upstream's
# names where it has them, so that tools know a node's containers.
POD_NAME_LABEL = "io.kubernetes.pod.name"
POD_NAMESPACE_LABEL = "io.kubernetes.pod.namespace"
POD_UID_LABEL = "io.kubernetes.pod.uid"
CONTAINER_NAME_LABEL = "io.kubernetes.container.name"
CONTAINER_KIND_LABEL = "vaina.dev/container-kind"
GRACE_ANNOTATION = "io.kubernetes.pod.terminationGracePeriod"
TERMINATION_PATH_ANNOTATION = "io.kubernetes.container.terminationMessagePath"
TERMINATION_POLICY_ANNOTATION = "io.kubernetes.container.terminationMessagePolicy"
#: of a sandbox and a container: "file" when its Pod is static (upstream's key in the Pod itself)
SOURCE_ANNOTATION = "kubernetes.io/config.source"
RESTART_COUNT_ANNOTATION = "io.kubernetes.container.restartCount"
#: of a container: the CPU and memory that it was made with (`kubelet.decide.resize`)
SIZES_ANNOTATION = "vaina.dev/sizes"
#: of a container: ids of the images that volumes of it show
IMAGES_ANNOTATION = "vaina.dev/images"
#: of a container: how many restarts in a row have led to it
BACKOFF_STEP = "vaina.dev/backoff-step"


Uid = NewType("Uid", str)


class ContainerPhase(StrEnum):
    """Where a container is in its life."""

    #: made, never started (a kubelet that died in between); starting the same attempt goes on from here
    CREATED = "CREATED"
    RUNNING = "RUNNING"
    #: has ended, or could not be started at all (reason StartError)
    EXITED = "EXITED"


@dataclass(frozen=True, slots=True)
class DnsConfig:
    """The sandbox's resolv.conf. Empty nameservers: as the node's own."""

    nameservers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    #: "ndots:5", "edns0"
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PortMapping:
    """A port of the node that leads to one of the Pod's."""

    container_port: int
    host_port: int
    protocol: str = "TCP"
    #: empty: all addresses of the node
    host_ip: str = ""


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """What a Pod's sandbox is made of."""

    #: of the Pod, as are namespace and uid
    name: str
    namespace: str
    uid: Uid
    attempt: int
    hostname: str
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])
    host_network: bool = False
    host_pid: bool = False
    host_ipc: bool = False
    #: containers of the Pod see each other's processes, and the sandbox's own process is their init
    share_process_namespace: bool = False
    #: a privileged container is to be made in it: CRI runtimes want to know beforehand
    privileged: bool = False
    dns: DnsConfig | None = None
    port_mappings: tuple[PortMapping, ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict[str, str])
    #: cgroup (absolute path) below which all of the Pod's are made; empty: the engine's default
    cgroup_parent: str = ""
    #: which of the runtime's handlers runs the Pod (RuntimeClass); empty: its default
    runtime_handler: str = ""


@dataclass(frozen=True, slots=True)
class SandboxState:
    """A sandbox as the runtime has it."""

    id: str
    #: of the Pod, as are namespace and uid
    name: str
    namespace: str
    uid: Uid
    attempt: int
    #: its process runs and its network is complete
    ready: bool
    #: empty with host_network, without a network, and once given back; a dead sandbox has it until it is stopped
    ip: str
    created_at: float
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Mount:
    """A file or directory of the node, or an image, inside a container."""

    host_path: str
    container_path: str
    readonly: bool = False
    #: what is mounted below it is read-only too; only of a runtime that says it can
    recursive_readonly: bool = False
    #: None, HostToContainer or Bidirectional
    propagation: str = "None"
    #: id of an image that the runtime mounts (or its part `sub_path`) in place of a path of the node
    image: str = ""
    sub_path: str = ""


@dataclass(frozen=True, slots=True)
class LinuxResources:
    """Numbers for cgroups; 0 is "not set". Made by `kubelet.containers.cgroups`."""

    cpu_shares: int = 0
    cpu_quota_micros: int = 0
    cpu_period_micros: int = 0
    memory_limit_bytes: int = 0
    oom_score_adj: int = 0


@dataclass(frozen=True, slots=True)
class SecurityConfig:
    """The rights of a container's process."""

    privileged: bool = False
    add_capabilities: tuple[str, ...] = ()
    drop_capabilities: tuple[str, ...] = ()
    #: None: as the image says
    run_as_user: int | None = None
    #: a user that only the image's passwd knows; in place of `run_as_user`
    run_as_username: str = ""
    run_as_group: int | None = None
    supplemental_groups: tuple[int, ...] = ()
    readonly_rootfs: bool = False
    no_new_privs: bool = False
    #: RuntimeDefault, Unconfined or Localhost/<path of the file on the node>; empty: the engine's default
    seccomp_profile: str = ""
    #: as above, but by the profile's name; Unconfined only if the Pod asks for it
    apparmor_profile: str = ""
    #: nothing of /proc is hidden or read-only (procMount: Unmasked)
    unmasked_proc: bool = False


@dataclass(frozen=True, slots=True)
class ContainerConfig:
    """What a container is made of. The Pod's name, namespace and uid come from the sandbox's config."""

    name: str
    attempt: int
    #: the image's id or reference as `pull_image`/`image_status` gave it
    image_id: str
    #: the reference as the Pod has it: for people
    image: str
    #: replaces the image's entry point; empty: the image's own
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    working_dir: str = ""
    mounts: tuple[Mount, ...] = ()
    resources: LinuxResources = field(default_factory=LinuxResources)
    security: SecurityConfig = field(default_factory=SecurityConfig)
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    #: overrides the image's STOPSIGNAL ("SIGUSR1"); empty: the image's, or SIGTERM
    stop_signal: str = ""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])
    #: id of the container whose process namespace it joins (an ephemeral container's target); or empty
    target_container_id: str = ""


@dataclass(frozen=True, slots=True)
class ContainerState:
    """A container as the runtime has it."""

    id: str
    sandbox_id: str
    pod_uid: Uid
    name: str
    attempt: int
    phase: ContainerPhase
    #: reference as the config had it, and the id of what runs
    image: str
    image_id: str
    created_at: float
    #: 0 when it never was
    started_at: float = 0.0
    finished_at: float = 0.0
    #: of an EXITED one. 128 + n when it died of signal n
    exit_code: int = 0
    #: of an EXITED one: Completed, Error, OOMKilled or StartError
    reason: str = ""
    message: str = ""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class ContainerStats:
    """What a container uses."""

    #: cumulative
    cpu_usage_nanos: int
    memory_working_set_bytes: int


@dataclass(frozen=True, slots=True)
class DiskUsage:
    """What a container, running or ended, has on the node's disk beside its volumes."""

    #: of its writable layer (CRI: ContainerStats.writable_layer.used_bytes)
    writable_bytes: int = 0
    log_bytes: int = 0
    writable_inodes: int = 0


@dataclass(frozen=True, slots=True)
class ExecResult:
    """What a command that ran to its end said. Output is cut at 10 kB a stream."""

    exit_code: int
    stdout: bytes
    stderr: bytes


class OutputStream(StrEnum):
    """Which of a process's outputs."""

    STDOUT = "stdout"
    STDERR = "stderr"


@dataclass(frozen=True, slots=True)
class Output:
    """Bytes that a process wrote."""

    stream: OutputStream
    data: bytes


@dataclass(frozen=True, slots=True)
class ExecConfig:
    """A command to run in a container, with its streams connected."""

    argv: tuple[str, ...]
    stdin: bool = False
    tty: bool = False
    #: (width, height) of the terminal; (0, 0): not known
    size: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class LogLimits:
    """What is kept of a container's log: containerLogMaxSize and containerLogMaxFiles of a kubelet."""

    max_bytes: int = 10 * 1024**2
    #: the newest included
    max_files: int = 5


@dataclass(frozen=True, slots=True)
class LogOptions:
    """Which part of a container's log."""

    follow: bool = False
    #: only the last so many lines; None: all
    tail_lines: int | None = None
    #: only lines written at or after this time; None: all
    since: float | None = None
    #: each line starts with its time, RFC 3339 with nanoseconds, and a space
    timestamps: bool = False
    #: only one of the streams; None: both
    stream: OutputStream | None = None


class RuntimeEventType(StrEnum):
    """What a hint is about."""

    STARTED = "STARTED"
    #: a container or a sandbox has ended
    STOPPED = "STOPPED"
    REMOVED = "REMOVED"


@dataclass(frozen=True, slots=True)
class RuntimeEvent:
    """A hint to look again, never a source of truth: it may be missed or come twice."""

    type: RuntimeEventType
    pod_uid: Uid


@dataclass(frozen=True, slots=True)
class RuntimeVersion:
    """For the Node's nodeInfo: containerRuntimeVersion is `name://version`."""

    name: str
    version: str
    #: it can mount read-only with all that is mounted below
    recursive_readonly: bool = False


@dataclass(frozen=True, slots=True)
class RuntimeStatus:
    """Whether Pods can run: the Node's Ready condition says so."""

    ready: bool
    network_ready: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class ImageState:
    """An image that is on the node."""

    id: str
    tags: tuple[str, ...] = ()
    #: name@sha256:...
    digests: tuple[str, ...] = ()
    size_bytes: int = 0
    #: as the image's config has it ("1000", "nobody:nogroup", ""): for runAsNonRoot
    user: str = ""
    #: never collected: the runtime itself needs it (CRI: Image.pinned, and the sandbox image)
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class RegistryAuth:
    """How to log in to a registry."""

    username: str = ""
    password: str = ""
    #: instead of the two above
    identity_token: str = ""
