"""The extension points beside the decision: the order of the queue, and what happens until a Pod is bound.

    decision -> Reserve -> Permit (approve, reject, wait) -> PreBind -> Bind -> PostBind
                   `---------- any failure: Unreserve of all, in reverse order, and the Pod is tried anew

Order and consequences follow upstream (`assumeAndReserve`, `prepareForBindingCycle` and `bindingCycle` of
`pkg/scheduler/schedule_one.go`). `scheduler.bind.binding_cycle` runs them, for profiles that have such plugins
only. `state` is one Pod's own from Reserve to PostBind; what was written for its class before the decision is
not in it.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, runtime_checkable

from scheduler.columns.pod_info import PodInfo
from scheduler.framework.interface import CycleState
from scheduler.volumes.catalogue import Catalogue

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


#: Pods that wait at a time; a further one is tried again after its back-off
MAX_WAITING: Final = 10_000


class WaitingPod:
    """One Pod that has its node, and waits until all plugins that asked for it allow it."""

    def __init__(
        self,
        pod: PodInfo,
        node_name: str,
        until: Mapping[str, tuple[float, float]],
        done: Callable[[str], None],
    ) -> None:
        """Make it; `until` is plugin -> (when its wait ends, how long it was), in monotonic seconds."""
        self.pod, self.node_name = pod, node_name
        self._until, self._done = dict(until), done
        #: the plugin that rejected it, and why; None: not decided, or allowed
        self.rejected: tuple[str, str] | None = None
        self.decided = False

    @property
    def pending_plugins(self) -> tuple[str, ...]:
        return tuple(self._until)

    def allow(self, plugin: str) -> None:
        self._until.pop(plugin, None)
        if not self._until:
            self._decide()

    def reject(self, plugin: str, reason: str) -> bool:
        """A plugin sends it back; False: it was decided already."""
        if self.decided:
            return False
        self.rejected = (plugin, reason)
        self._decide()
        return True

    def expire(self, now: float) -> None:
        for plugin, (ends, seconds) in self._until.items():
            if now >= ends:
                words = f"rejected due to timeout after waiting {seconds:g}s at plugin {plugin}"
                self.reject(plugin, words)
                return

    def _decide(self) -> None:
        if not self.decided:
            self.decided = True
            self._done(self.pod.uid)


class WaitingPods:
    """All of them, by uid. Read by plugins; filled and emptied by `scheduler.bind.binding_cycle`."""

    def __init__(self) -> None:
        self._pods: dict[str, WaitingPod] = {}
        self._decided: deque[str] = deque()
        self.wake: Callable[[], None] = lambda: None

    def __len__(self) -> int:
        return len(self._pods)

    def __iter__(self) -> Iterator[WaitingPod]:
        return iter([*self._pods.values()])

    def get(self, uid: str) -> WaitingPod | None:
        return self._pods.get(uid)

    def add(self, pod: PodInfo, node_name: str, until: Mapping[str, tuple[float, float]]) -> None:
        self._pods[pod.uid] = WaitingPod(pod, node_name, until, self._is_decided)

    def discard(self, uid: str) -> None:
        self._pods.pop(uid, None)

    def expire(self, now: float) -> None:
        for pod in self:
            pod.expire(now)

    def take_decided(self) -> Iterator[WaitingPod]:
        while self._decided:
            pod = self._pods.pop(self._decided.popleft(), None)
            if pod is not None:
                yield pod

    def _is_decided(self, uid: str) -> None:
        self._decided.append(uid)
        self.wake()


@dataclass(slots=True)
class Handle:
    """One for all plugins of a process. Read by plugins, filled by the shell."""

    volumes: Catalogue = field(default_factory=Catalogue)
    waiting: WaitingPods = field(default_factory=WaitingPods)
    #: says of a Pod (by uid) whether it takes room on a node: bound, or on its way there
    holds: Callable[[str], bool] = lambda _uid: False
    #: a Clientset of the apiserver, for PreBind and Bind; None where nothing is bound (a question)
    clients: Any = None
