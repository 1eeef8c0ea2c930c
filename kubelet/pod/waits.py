"""The events that say why a container waits: once for each wait, in upstream's words. Shell.

Called by the Pod's worker with each status that it reports.
"""

from kubelet.decide.containers import field_path
from kubelet.pod.tools import EventSink
from vaina.api.core.v1 import pod_pb2


class Waits:
    """What was said of one Pod's containers. Owned by its worker."""

    def __init__(self, events: EventSink) -> None:
        self._events = events
        #: by container: the reason that was said last
        self._reasons: dict[str, str] = {}

    def say(self, pod: pod_pb2.Pod, status: pod_pb2.PodStatus) -> None:
        """Say of each container whose reason has changed why it waits."""
        for item in (
            *status.init_container_statuses,
            *status.container_statuses,
            *status.ephemeral_container_statuses,
        ):
            reason = item.state.waiting.reason
            if self._reasons.get(item.name, "") == reason:
                continue
            self._reasons[item.name] = reason
            for type_, told, words in _words(pod, item, reason):
                self._events.event(pod, type_, told, words, field_path=field_path(pod, item.name))


def _words(pod: pod_pb2.Pod, item: pod_pb2.ContainerStatus, reason: str) -> tuple[tuple[str, str, str], ...]:
    """Return (type, reason, message) of the events for a reason."""
    meta, message = pod.metadata, item.state.waiting.message
    match reason:
        case "CrashLoopBackOff":
            where = f"{meta.name}_{meta.namespace}({meta.uid})"
            words = f"Back-off restarting failed container {item.name} in pod {where}"
            return (("Warning", "BackOff", words),)
        case "ImagePullBackOff":
            return (
                # Which image that is, its own or a volume's, its status says.
                ("Normal", "BackOff", message.partition(": ErrImagePull")[0]),
                ("Warning", "Failed", "Error: ImagePullBackOff"),
            )
        case "ErrImageNeverPull":
            return (("Warning", reason, message), ("Warning", "Failed", "Error: ErrImageNeverPull"))
        case "InvalidImageName":
            return (
                ("Warning", "InspectFailed", message),
                ("Warning", "Failed", "Error: InvalidImageName"),
            )
        case _:
            return ()
