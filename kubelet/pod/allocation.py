"""What of its wish for CPU and memory a Pod is given. Shell around `kubelet.decide.resize`.

Called by the Pod's worker.
"""

from collections.abc import Callable

from kubelet.decide.resize import (
    IN_PROGRESS,
    Pending,
    desired,
    first_allocation,
    message,
    with_allocated,
)
from kubelet.pod.memory import PodMemory
from kubelet.pod.tools import PodTools
from vaina.api.core.v1 import pod_pb2
from vaina.objects.conditions import get_condition

#: a Pod as it wishes to be -> why this node cannot have it so
Judge = Callable[[pod_pb2.Pod], Pending | None]


class Allocation:
    """Of one Pod. Owned by its worker, whose memory keeps what was given."""

    def __init__(self, tools: PodTools, memory: PodMemory, judge: Judge, on_room: Callable[[], None]) -> None:
        self._tools, self._memory = tools, memory
        self._judge, self._on_room = judge, on_room

    def give(self, pod: pod_pb2.Pod, *, ending: bool) -> pod_pb2.Pod:
        """Give the Pod what it wishes, if the node has it; return the Pod with what it was given."""
        memory = self._memory
        if memory.allocated is None:
            memory.allocated = first_allocation(pod)
        wished = desired(pod)
        before = memory.resize
        if ending or wished == memory.allocated:
            memory.resize = None
            memory.allocated = memory.allocated if ending else wished
        else:
            memory.resize = self._judge(pod)
            if memory.resize is None:
                memory.allocated = wished
                self._tools.event(pod, "Normal", "ResizeStarted", message("Pod resize started", pod))
                self._on_room()
            elif before != memory.resize:
                reason = memory.resize.reason
                words = message(f"Pod resize {reason}", pod, memory.resize.message)
                self._tools.event(pod, "Warning", f"Resize{reason}", words)
        return with_allocated(pod, memory.allocated)

    def say_completed(self, pod: pod_pb2.Pod, status: pod_pb2.PodStatus) -> None:
        """Say when all containers have what the Pod was allocated."""
        before = get_condition(self._memory.reported or pod.status, IN_PROGRESS)
        now = get_condition(status, IN_PROGRESS)
        if before is not None and before.status == "True" and (now is None or not now.status):
            words = message("Pod resize completed", pod)
            self._tools.event(pod, "Normal", "ResizeCompleted", words)
