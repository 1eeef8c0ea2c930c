"""Where the kubelet's events and steps go."""

from collections.abc import Callable
from typing import Any, Final, Protocol

from kubelet.sources.static_files import is_static
from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.steps import PodStep

#: steps and waits of one static Pod that are kept for its mirror
_MAX_HELD: Final = 30


class EventSink(Protocol):
    """Where events go (`vaina.client.events.EventRecorder`); never blocks."""

    def event(self, obj: Any, type: str, reason: str, message: str, *, field_path: str = "") -> None:
        """Record an event about an object."""


class StepSink(Protocol):
    """Where finished steps go (`vaina.client.steps.StepReporter`); never blocks."""

    def report(
        self,
        pod_meta: meta_pb2.ObjectMeta,
        step: PodStep,
        start: float,
        end: float | None,
        message: str = "",
        node_name: str = "",
        *,
        wait: bool = False,
    ) -> None:
        """Report a step; with `wait` what it waits for, when that begins (`end` None) and when it is over."""


class ShownSteps:
    """Reports steps under the uid that the API knows: those of a static Pod under its mirror's.

    Owned by the kubelet. A mirror that is made anew is told all steps again.
    """

    def __init__(self, steps: StepSink) -> None:
        self._steps = steps
        #: by static Pod's uid: what shows it, and what was reported
        self._shown: dict[str, meta_pb2.ObjectMeta] = {}
        self._held: dict[str, list[Callable[[meta_pb2.ObjectMeta], None]]] = {}

    def report(
        self,
        pod_meta: meta_pb2.ObjectMeta,
        step: PodStep,
        start: float,
        end: float | None,
        message: str = "",
        node_name: str = "",
        *,
        wait: bool = False,
    ) -> None:
        def tell(meta: meta_pb2.ObjectMeta) -> None:
            self._steps.report(meta, step, start, end, message, node_name, wait=wait)

        if not is_static(pod_meta):
            tell(pod_meta)
            return
        held = self._held.setdefault(pod_meta.uid, [])
        if len(held) < _MAX_HELD:
            held.append(tell)
        if (shown := self._shown.get(pod_meta.uid)) is not None:
            tell(shown)

    def mirrored(self, uid: str, mirror: pod_pb2.Pod | None) -> None:
        """Report the steps of a static Pod to this mirror from now on; None: there is none."""
        if mirror is None:
            self._shown.pop(uid, None)
            return
        before = self._shown.get(uid)
        if before is None or before.uid != mirror.metadata.uid:
            self._shown[uid] = mirror.metadata
            for tell in self._held.get(uid, ()):
                tell(mirror.metadata)

    def forget(self, uid: str) -> None:
        self._shown.pop(uid, None)
        self._held.pop(uid, None)
