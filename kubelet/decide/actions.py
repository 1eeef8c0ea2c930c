"""The actions for a Pod, and the plan that is made of them.

`compute_pod_plan` makes plans, `PodExecutor.execute` carries them out. Actions are done in the plan's order;
one that fails ends the pass, and the next pass looks again.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class ContainerKind(StrEnum):
    """Which of a Pod's containers: how it is started and what its end means."""

    INIT = "init"
    #: an init container with restartPolicy Always (KEP-753)
    SIDECAR = "sidecar"
    MAIN = "main"
    EPHEMERAL = "ephemeral"


class PullPolicy(StrEnum):
    """imagePullPolicy."""

    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"


class KillReason(StrEnum):
    """Why a container is ended: words of the Killing event."""

    POD_ENDS = "pod ends"
    LIVENESS = "liveness"
    STARTUP = "startup"
    POST_START = "post start hook"
    RESIZE = "resize"
    #: a restart rule of one container asks that all start again
    RESTART_ALL = "restart all containers"
    #: its sandbox is no longer the Pod's
    SANDBOX_CHANGED = "sandbox changed"


@dataclass(frozen=True, slots=True)
class CreateSandbox:
    """Step 4: the network namespace and the address come with it."""

    attempt: int


@dataclass(frozen=True, slots=True)
class StopSandbox:
    """End it and give its address back."""

    sandbox_id: str


@dataclass(frozen=True, slots=True)
class RemoveSandbox:
    """Remove it with all its containers: the Pod is gone, or nothing of an older attempt is needed any more."""

    sandbox_id: str


@dataclass(frozen=True, slots=True)
class PrepareVolumes:
    """See that everything is there that the volumes need, before the sandbox is made."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MountVolumes:
    """Step 5."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UnmountVolumes:
    """Undo step 5 for all volumes of the Pod, and remove what lives only as long as the Pod (emptyDir)."""

    names: tuple[str, ...]


def image_key(container: str, volume: str = "") -> str:
    """Return the key of an image's record: one for a volume's image, or one for each container's own."""
    return f"volume/{volume}" if volume else container


@dataclass(frozen=True, slots=True)
class PullImage:
    """Begin to pull an image that the container's next attempt needs; does not wait."""

    name: str
    attempt: int
    image: str
    policy: PullPolicy
    #: the volume that shows the image; "": it is the container's own
    volume: str = ""

    @property
    def key(self) -> str:
        return image_key(self.name, self.volume)


@dataclass(frozen=True, slots=True)
class CancelPulls:
    """Nothing needs the images any more."""


@dataclass(frozen=True, slots=True)
class StartContainer:
    """Step 6: create it (once an attempt) and start it; a postStart hook begins and is not waited for."""

    name: str
    kind: ContainerKind
    attempt: int
    image_id: str
    #: restarts in a row that led here; kept with the container, so that back-off survives the kubelet
    backoff_step: int = 0
    #: the container whose processes an ephemeral one sees; None: only its own; "": that does not run
    target_id: str | None = None
    images: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ResizeContainer:
    """Give a running container the CPU and memory of the Pod's allocated spec."""

    container_id: str
    name: str


@dataclass(frozen=True, slots=True)
class RunPreStop:
    """Begin the preStop hook; TERM follows when it is done or at the deadline."""

    container_id: str
    name: str
    reason: KillReason
    deadline: float


@dataclass(frozen=True, slots=True)
class TermContainer:
    """Send the stop signal; KILL follows at the deadline."""

    container_id: str
    name: str
    reason: KillReason
    deadline: float


@dataclass(frozen=True, slots=True)
class KillContainer:
    """End it at once."""

    container_id: str
    name: str
    reason: KillReason


@dataclass(frozen=True, slots=True)
class RemoveContainer:
    """Remove an ended container that status and logs no longer show."""

    container_id: str


Action: TypeAlias = (
    CreateSandbox
    | StopSandbox
    | RemoveSandbox
    | PrepareVolumes
    | MountVolumes
    | UnmountVolumes
    | PullImage
    | CancelPulls
    | StartContainer
    | ResizeContainer
    | RunPreStop
    | TermContainer
    | KillContainer
    | RemoveContainer
)


@dataclass(frozen=True, slots=True)
class PodPlan:
    """What to do now. () and None: nothing to do until something changes."""

    actions: tuple[Action, ...] = ()
    #: look again at this time (seconds since the epoch), even if nothing happens
    wake_at: float | None = None
    #: no container runs, volumes are unmounted, the address is given back: the object may go
    stopped: bool = False
    #: nothing of the Pod is left on the node: its worker ends
    terminal: bool = False


def earliest(*times: float | None) -> float | None:
    """Return the earliest of the times that are set."""
    return min((time for time in times if time is not None), default=None)
