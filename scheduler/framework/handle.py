"""What a plugin may look at besides its arguments: storage, the Pods that wait at Permit, and the apiserver.

Plugins let waiting Pods go or send them back; `scheduler.bind.binding_cycle` carries that out after the call.
Follows `pkg/scheduler/framework/runtime/waiting_pods_map.go`.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from scheduler.columns.pod_info import PodInfo
from scheduler.volumes.catalogue import Catalogue

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
