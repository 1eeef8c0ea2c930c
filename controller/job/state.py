"""What one process remembers of a Job between two syncs. Lost without harm: see each field."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from controller.job.failures import Backoff
from controller.job.reconcile import NewPod
from vaina.api.core.v1 import pod_pb2
from vaina.objects.jobs import is_tracked


@dataclass(slots=True)
class JobState:
    """One Job. Owned by the worker that has its key."""

    uid: str
    #: the version of the Job that this process wrote, or for which it listed the Pods. Another process that
    #: wrote since may have counted Pods that the cache still shows as before: then they are listed again
    version: str = ""
    #: uids of Pods that were let go, as long as the cache shows them held
    released: set[str] = field(default_factory=set)
    #: None: not known yet, and read off the Pods that are there
    backoff: Backoff | None = None
    #: by name, Pods whose creation has no clear answer yet
    asked: dict[str, NewPod] = field(default_factory=dict)

    def see(self, cached: Iterable[pod_pb2.Pod]) -> None:
        if self.released:
            self.released &= {pod.metadata.uid for pod in cached if is_tracked(pod)}

    def compare(self, cached: Iterable[pod_pb2.Pod], live: Iterable[pod_pb2.Pod]) -> None:
        """Note which Pods are held in the cache alone."""
        held = {pod.metadata.uid for pod in live if is_tracked(pod)}
        self.released |= {pod.metadata.uid for pod in cached if is_tracked(pod)} - held
