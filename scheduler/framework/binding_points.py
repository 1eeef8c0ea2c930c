"""The extension points beside the decision: the order of the queue, and what happens until a Pod is bound.

    decision -> Reserve -> Permit (approve, reject, wait) -> PreBind -> Bind -> PostBind
                   `---------- any failure: Unreserve of all, in reverse order, and the Pod is tried anew

Order and consequences follow upstream (`assumeAndReserve`, `prepareForBindingCycle` and `bindingCycle` of
`pkg/scheduler/schedule_one.go`). `scheduler.bind.binding_cycle` runs them, for profiles that have such plugins
only. `state` is one Pod's own from Reserve to PostBind; what was written for its class before the decision is
not in it.
"""

from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

from scheduler.columns.pod_info import PodInfo
from scheduler.framework.interface import CycleState

#: a plugin may have a Pod wait so long (`maxTimeout` of `framework/runtime/framework.go`)
MAX_WAIT_SECONDS: Final = 15 * 60.0
#: PreBind and Bind of one plugin take so long at most, unless it has a `timeout_seconds` of its own
TIMEOUT_SECONDS: Final = 60.0


class InQueue(Protocol):
    """A Pod that waits for its turn, as a QueueSort plugin sees it. Times are monotonic seconds."""

    @property
    def info(self) -> PodInfo:
        """The Pod."""

    @property
    def added(self) -> float:
        """When it came to the queue for the first time."""

    @property
    def since(self) -> float:
        """When it came to the queue this time."""

    @property
    def attempts(self) -> int:
        """How often it has been tried."""


@runtime_checkable
class QueueSortPlugin(Protocol):
    """Orders the queue. There is exactly one, the same for all profiles."""

    name: str

    def sort_key(self, pod: InQueue) -> tuple[float, ...]:
        """Return numbers; the Pod with the smallest goes first (upstream's Less, as a key).

        Asked when the Pod becomes ready.
        """


@runtime_checkable
class ReservePlugin(Protocol):
    """Keeps something for a Pod that has its node."""

    name: str

    def reserve(self, state: CycleState, pod: PodInfo, node_name: str) -> str:
        """Reserve; return why that cannot be done, or an empty text."""

    def unreserve(self, state: CycleState, pod: PodInfo, node_name: str) -> None:
        """Take it back. Must not fail, also not without `reserve` (a plugin before this one failed)."""


@dataclass(frozen=True, slots=True)
class PermitResult:
    """What a Permit plugin says; nothing: approved."""

    rejected: str = ""
    #: it waits for so long for `WaitingPod.allow`, and is rejected then; more than 15 minutes are 15 minutes
    wait_seconds: float = 0.0


APPROVE: Final = PermitResult()


@runtime_checkable
class PermitPlugin(Protocol):
    """Lets a Pod be bound, or has it wait."""

    name: str

    def permit(self, state: CycleState, pod: PodInfo, node_name: str) -> PermitResult:
        """Approve, reject, or have it wait."""


@runtime_checkable
class PreBindPlugin(Protocol):
    """Does what must be done before the Pod is bound."""

    name: str

    async def pre_bind(self, state: CycleState, pod: PodInfo, node_name: str) -> str:
        """Do it; return why it cannot be done, or an empty text."""


@runtime_checkable
class BindPlugin(Protocol):
    """Binds Pods itself."""

    name: str

    async def bind(self, state: CycleState, pod: PodInfo, node_name: str) -> bool:
        """Bind the Pod, or return False: the next plugin does (upstream's Skip)."""


@runtime_checkable
class PostBindPlugin(Protocol):
    """Hears of Pods that are bound."""

    name: str

    def post_bind(self, state: CycleState, pod: PodInfo, node_name: str) -> None:
        """The Pod is bound."""


@dataclass(frozen=True, slots=True)
class BindingPoints:
    """The plugins of a profile that are called after a decision, in their order."""

    reserve: tuple[ReservePlugin, ...] = ()
    permit: tuple[PermitPlugin, ...] = ()
    pre_bind: tuple[PreBindPlugin, ...] = ()
    #: those before DefaultBinder
    bind: tuple[BindPlugin, ...] = ()
    post_bind: tuple[PostBindPlugin, ...] = ()
    #: Pods that no plugin of `bind` took are bound in batches (DefaultBinder)
    default_binder: bool = True

    def __bool__(self) -> bool:
        """Say whether there is anything besides DefaultBinder."""
        return bool(self.reserve or self.permit or self.pre_bind or self.bind or self.post_bind)


NO_POINTS: Final = BindingPoints()
