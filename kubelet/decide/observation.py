"""What is known of a Pod at one time: frozen values, times in seconds since the epoch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from kubelet.decide.actions import KillReason
from kubelet.decide.resize import Pending, Sizes
from kubelet.runtime.records import ContainerState, SandboxState
from vaina.api.core.v1 import pod_pb2


class ImageProgress(StrEnum):
    """How far the image for a container's next attempt is."""

    MISSING = "missing"
    PULLING = "pulling"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ImageObservation:
    """The image for a container's next attempt."""

    progress: ImageProgress = ImageProgress.MISSING
    image_id: str = ""
    #: of FAILED, and of PULLING after a failed try: ErrImagePull, InvalidImageName
    reason: str = ""
    message: str = ""
    #: of FAILED: when its reason becomes ImagePullBackOff, and when it is tried again
    backoff_from: float = 0.0
    retry_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that did not work and is tried again later."""

    count: int
    #: waiting reason of the container, or "" when it concerns the whole Pod
    reason: str
    message: str
    retry_at: float


class HookProgress(StrEnum):
    """How far a lifecycle hook is."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Stopping:
    """A container that has been asked to end."""

    reason: KillReason
    deadline: float
    #: of the preStop hook, where there is one
    hook: HookProgress | None = None
    termed_at: float | None = None
    killed_at: float | None = None

    @property
    def is_failure(self) -> bool:
        """It was ended so that another attempt begins: OnFailure restarts it whatever its exit code."""
        return self.reason in _FAILURES


#: a resize is no failure, but restarts the container as one does
_FAILURES = frozenset({KillReason.LIVENESS, KillReason.STARTUP, KillReason.POST_START, KillReason.RESIZE})


class ProbeKind(StrEnum):
    """The three probes of a container; the words of the Unhealthy event."""

    STARTUP = "Startup"
    LIVENESS = "Liveness"
    READINESS = "Readiness"


class ProbeResult(StrEnum):
    """What a probe has established, after its thresholds."""

    UNKNOWN = "unknown"
    SUCCESS = "success"
    FAILURE = "failure"


#: keys of failures that concern the whole Pod
SANDBOX_KEY = "sandbox"
VOLUMES_KEY = "volumes"


def resize_key(name: str) -> str:
    """Return the key of a container's failures to be resized."""
    return f"resize/{name}"


def start_key(name: str) -> str:
    """Return the key of a container's failures to be created."""
    return f"start/{name}"


@dataclass(frozen=True, slots=True)
class PodObservation:
    """Everything that is known of one Pod at one time."""

    observed_at: float
    #: when this kubelet first saw the Pod: its startTime
    first_seen: float = 0.0
    sandboxes: tuple[SandboxState, ...] = ()
    containers: tuple[ContainerState, ...] = ()
    #: ids of sandboxes that have been stopped
    stopped: frozenset[str] = frozenset()
    mounted: frozenset[str] = frozenset()
    #: by `image_key`
    images: Mapping[str, ImageObservation] = field(default_factory=dict[str, ImageObservation])
    #: by SANDBOX_KEY, VOLUMES_KEY, start_key(name), resize_key(name)
    failures: Mapping[str, Failure] = field(default_factory=dict[str, Failure])
    #: by container id; of postStart
    post_start: Mapping[str, HookProgress] = field(default_factory=dict[str, HookProgress])
    #: by container id
    stopping: Mapping[str, Stopping] = field(default_factory=dict[str, Stopping])
    probes: Mapping[tuple[str, ProbeKind], ProbeResult] = field(
        default_factory=dict[tuple[str, ProbeKind], ProbeResult]
    )
    #: by container name: restarts in a row that led to its last end
    steps: Mapping[str, str] = field(default_factory=dict[str, str])
    termination_messages: Mapping[str, str] = field(default_factory=dict[str, str])
    #: by container id: what running containers have; one that is missing has what it was allocated
    sizes: Mapping[str, Sizes] = field(default_factory=dict[str, Sizes])
    #: why the Pod does not get the CPU and memory that it asks for
    resize: Pending | None = None
    #: what was reported last: remembers containers that the runtime has no more
    previous: pod_pb2.PodStatus | None = None
    #: what was reported last, by an earlier kubelet too: its times are kept; None: the Pod's own status
    said: pod_pb2.PodStatus | None = None

    @property
    def post_start_pending(self) -> frozenset[str]:
        """Ids of containers whose postStart hook is under way: they do not count as running yet."""
        return frozenset(key for key, hook in self.post_start.items() if hook is HookProgress.RUNNING)

    def holds(self, sandbox: SandboxState) -> bool:
        """Say whether a sandbox still has a process or an address to give back."""
        return sandbox.ready or (bool(sandbox.ip) and sandbox.id not in self.stopped)
