"""Reports what the steps of one Pod wait for, as far as its kubelet knows, until the Pod has started. Shell.

Used by the Pod's worker and its helpers. Best effort, as the reports of steps are.
"""

from typing import Final

from kubelet.pod.tools import NodeView
from kubelet.status.sinks import ShownSteps
from vaina.api.core.v1 import pod_pb2
from vaina.clock import Clock
from vaina.steps import PodStep

#: reasons of a container that is not waiting for anything in particular
_NOT_YET: Final = frozenset({"", "ContainerCreating", "PodInitializing"})


class StepWaits:
    """The waits of one Pod: a few for each container. Owned by the Pod's worker."""

    def __init__(self, steps: ShownSteps, node: NodeView, clock: Clock, *, over: bool) -> None:
        self._steps, self._node, self._clock, self._over = steps, node, clock, over
        #: by key: the step that is held up, since when, and for what
        self._open: dict[str, tuple[PodStep, float, str]] = {}

    def begin(self, pod: pod_pb2.Pod, key: str, step: PodStep, words: str) -> None:
        """Report that something waits, and end what it waited for before."""
        if self._over or self._open.get(key, (None, 0.0, ""))[::2] == (step, words):
            return
        self.end(pod, key)
        now = self._clock.now()
        self._open[key] = step, now, words
        self._steps.report(pod.metadata, step, now, None, words, self._node.name, wait=True)

    def end(self, pod: pod_pb2.Pod, key: str) -> None:
        """Report that something no longer waits, if it did."""
        if (wait := self._open.pop(key, None)) is not None:
            step, since, words = wait
            self._steps.report(
                pod.metadata, step, since, self._clock.now(), words, self._node.name, wait=True
            )

    def containers(self, pod: pod_pb2.Pod, status: pod_pb2.PodStatus) -> None:
        """Report containers that wait, with the reason in the Pod's status, and init containers that run."""
        sidecars = {spec.name for spec in pod.spec.init_containers if spec.restart_policy == "Always"}
        for item in status.init_container_statuses:
            runs = item.state.HasField("running") and item.name not in sidecars
            self._container(pod, item, f"init container {item.name} to end" if runs else "")
        for item in status.container_statuses:
            self._container(pod, item, "")

    def _container(self, pod: pod_pb2.Pod, item: pod_pb2.ContainerStatus, words: str) -> None:
        key, reason = f"container/{item.name}", item.state.waiting.reason
        if reason not in _NOT_YET:
            words = f"container {item.name}: {reason}"
        if words:
            self.begin(pod, key, PodStep.STARTED, words)
        else:
            self.end(pod, key)

    def finish(self, pod: pod_pb2.Pod) -> None:
        """End all waits: the Pod has started."""
        for key in [*self._open]:
            self.end(pod, key)
        self._over = True
