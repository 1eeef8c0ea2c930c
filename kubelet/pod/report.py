"""Step 7 for one Pod: its status, the events that go with it, and what its steps wait for. Shell."""

from typing import Final

from kubelet.decide.containers import field_path
from kubelet.decide.observation import PodObservation
from kubelet.decide.resize import IN_PROGRESS, message
from kubelet.decide.status import compute_pod_status
from kubelet.decide.termination import Ending
from kubelet.pod.observe import PodMemory
from kubelet.pod.tools import NodeView, PodTools
from kubelet.status.sinks import ShownSteps
from vaina.api.core.v1 import pod_pb2
from vaina.clock import Clock, seconds_of
from vaina.objects.conditions import get_condition
from vaina.steps import PodStep

#: reasons of a container that is not waiting for anything in particular
_NOT_YET: Final = frozenset({"", "ContainerCreating", "PodInitializing"})


class StepWaits:
    """Reports what the steps of a Pod wait for until it has started; best effort. Owned by the Pod's worker."""

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
        for key in [*self._open]:
            self.end(pod, key)
        self._over = True


class PodReporter:
    """What was reported of one Pod. Owned by its worker."""

    def __init__(self, tools: PodTools, waits: StepWaits, *, started: bool) -> None:
        self._tools, self._waits = tools, waits
        #: by container: the reason for which it waits, as it was told last
        self._reasons: dict[str, str] = {}
        #: the Pod's start was reported, by this kubelet or an earlier one
        self._started = started

    def report(
        self,
        wish: pod_pb2.Pod,
        pod: pod_pb2.Pod,
        observed: PodObservation,
        ending: Ending | None,
        memory: PodMemory,
    ) -> None:
        """Report the Pod's status: `wish` is the Pod as its source has it, `pod` with what it was allocated."""
        tools = self._tools
        status = compute_pod_status(
            pod, observed, node=tools.node.addresses, ending=ending, now=tools.clock.now(),
            policy=tools.settings.restarts,
        )  # fmt: skip
        self._tell_waits(pod, status)
        self._waits.containers(pod, status)
        self._tell_resized(pod, memory.reported or pod.status, status)
        memory.reported = status
        tools.status.set(wish, status)
        if not self._started and status.phase not in {"", "Pending"}:
            self._started = True
            self._waits.finish(pod)
            self._report_start(pod, observed, memory)

    def _tell_waits(self, pod: pod_pb2.Pod, status: pod_pb2.PodStatus) -> None:
        """Tell why each container waits whose reason has changed: one event for each wait."""
        for item in (
            *status.init_container_statuses,
            *status.container_statuses,
            *status.ephemeral_container_statuses,
        ):
            reason = item.state.waiting.reason
            if self._reasons.get(item.name, "") != reason:
                self._reasons[item.name] = reason
                for type_, told, words in _words(pod, item, reason):
                    self._tools.events.event(pod, type_, told, words, field_path=field_path(pod, item.name))

    def _tell_resized(self, pod: pod_pb2.Pod, before: pod_pb2.PodStatus, status: pod_pb2.PodStatus) -> None:
        was, now = get_condition(before, IN_PROGRESS), get_condition(status, IN_PROGRESS)
        if was is not None and was.status == "True" and (now is None or not now.status):
            self._tools.event(pod, "Normal", "ResizeCompleted", message("Pod resize completed", pod))

    def _report_start(self, pod: pod_pb2.Pod, observed: PodObservation, memory: PodMemory) -> None:
        tools = self._tools
        started = [state.started_at for state in observed.containers if state.started_at]
        if memory.first_start is None or not started:
            return
        end = max(*started, memory.first_start)
        names = ", ".join(spec.name for spec in pod.spec.containers)
        tools.steps.report(pod.metadata, PodStep.STARTED, memory.first_start, end, names, tools.node.name)
        tools.metrics.pod_start.observe(max(end - memory.first_seen, 0.0))
        created = seconds_of(pod.metadata.creation_timestamp)
        tools.metrics.pod_start_sli.observe(max(end - created, 0.0))


def _words(pod: pod_pb2.Pod, item: pod_pb2.ContainerStatus, reason: str) -> tuple[tuple[str, str, str], ...]:
    meta, message = pod.metadata, item.state.waiting.message
    match reason:
        case "CrashLoopBackOff":
            where = f"{meta.name}_{meta.namespace}({meta.uid})"
            words = f"Back-off restarting failed container {item.name} in pod {where}"
            return (("Warning", "BackOff", words),)
        case "ImagePullBackOff":
            return (
                # The message names the image, the container's or a volume's.
                ("Normal", "BackOff", message.partition(": ErrImagePull")[0]),
                ("Warning", "Failed", "Error: ImagePullBackOff"),
            )
        case "ErrImageNeverPull":
            return (("Warning", reason, message), ("Warning", "Failed", "Error: ErrImageNeverPull"))
        case "InvalidImageName":
            return (("Warning", "InspectFailed", message), ("Warning", "Failed", "Error: InvalidImageName"))
        case _:
            return ()
