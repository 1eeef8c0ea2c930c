"""PURE: a Job and its Pods, sorted by what they count for. What `reconcile` and `tracking` both look at."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from controller.job.failures import is_failed, judge
from controller.job.indexes import (
    failed_indexes,
    newly_succeeded,
    succeeded_before,
    valid_index,
    waiting_for_next,
)
from controller.pods import is_active
from vaina.api.batch.v1 import job_pb2
from vaina.api.core.v1 import pod_pb2
from vaina.objects.completion_indexes import Indexes
from vaina.objects.jobs import is_indexed, is_tracked
from vaina.objects.pods import is_ready, is_terminal


@dataclass(frozen=True, slots=True)
class View:
    """A Job as it is. Its messages are shared: read only."""

    job: job_pb2.Job
    pods: tuple[pod_pb2.Pod, ...]
    #: not released yet: they are counted, or are to be
    tracked: tuple[pod_pb2.Pod, ...]
    active: tuple[pod_pb2.Pod, ...]
    ready: int
    #: ending and not yet ended
    terminating: tuple[pod_pb2.Pod, ...]
    #: ended, and in no count yet
    new_succeeded: tuple[pod_pb2.Pod, ...]
    new_failed: tuple[pod_pb2.Pod, ...]
    #: what the counts will be
    succeeded: int
    failed: int
    #: of an indexed Job: those that the status has, and those together with what Pods say now
    indexes_before: Indexes
    indexes: Indexes
    #: of a Job with a limit per index
    failed_indexes: Indexes | None
    #: by index, Pods that stay until the next one has their count
    waiting: Mapping[int, pod_pb2.Pod]

    @property
    def spec(self) -> job_pb2.JobSpec:
        return self.job.spec

    @property
    def leaving(self) -> bool:
        return self.job.metadata.HasField("deletion_timestamp")


def observe(job: job_pb2.Job, pods: Sequence[pod_pb2.Pod], released: Collection[str]) -> View:
    """Sort the Pods of a Job; those in `released` (uids) are counted, whatever the cache still shows."""
    spec, status = job.spec, job.status
    tracked = tuple(pod for pod in pods if is_tracked(pod) and pod.metadata.uid not in released)
    active = tuple(pod for pod in pods if is_active(pod))
    uncounted = status.uncounted_terminated_pods
    indexed = is_indexed(spec)
    valid = [pod for pod in tracked if not indexed or valid_index(pod, spec.completions) is not None]
    succeeded_uids, failed_uids = set(uncounted.succeeded), set(uncounted.failed)
    new_succeeded = tuple(
        pod for pod in valid if pod.status.phase == "Succeeded" and pod.metadata.uid not in succeeded_uids
    )
    new_failed = tuple(pod for pod in valid if is_failed(pod, spec) and pod.metadata.uid not in failed_uids)
    succeeded = status.succeeded + len(new_succeeded) + len(uncounted.succeeded)
    before = now_done = Indexes()
    lost: Indexes | None = None
    waiting: Mapping[int, pod_pb2.Pod] = {}
    if indexed:
        before = succeeded_before(job)
        per_index = spec.HasField("backoff_limit_per_index")
        lost = failed_indexes(job, pods, before) if per_index else None
        now_done = before | newly_succeeded(job, tracked, lost or Indexes())
        succeeded = len(now_done)
        if lost is not None:
            waiting = waiting_for_next(job, tracked, active, now_done | lost)
    return View(
        job=job, pods=tuple(pods), tracked=tracked, active=active, ready=sum(map(is_ready, active)),
        terminating=tuple(
            pod for pod in pods if pod.metadata.HasField("deletion_timestamp") and not is_terminal(pod)
        ),
        new_succeeded=new_succeeded, new_failed=new_failed, succeeded=succeeded,
        failed=status.failed + len(uncounted.failed) + sum(judge(spec, pod).counts for pod in new_failed),
        indexes_before=before, indexes=now_done, failed_indexes=lost, waiting=waiting,
    )  # fmt: skip
