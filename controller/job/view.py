"""PURE: a Job and its Pods, sorted by what they count for, and which of its indexes have ended.

Follows upstream's `pkg/controller/job/indexed_job_utils.go`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from controller.job.failures import FAIL_INDEX, finished_at, is_failed, judge
from controller.pods import is_active
from vaina.api.batch.v1 import job_pb2
from vaina.api.core.v1 import pod_pb2
from vaina.objects import jobs
from vaina.objects.pods import is_ready, is_terminal

_MAX_COUNT = 2**31 - 1


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
    indexes_before: jobs.Indexes
    indexes: jobs.Indexes
    #: of a Job with a limit per index
    failed_indexes: jobs.Indexes | None
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
    tracked = tuple(pod for pod in pods if jobs.is_tracked(pod) and pod.metadata.uid not in released)
    active = tuple(pod for pod in pods if is_active(pod))
    uncounted = status.uncounted_terminated_pods
    indexed = jobs.is_indexed(spec)
    valid = [pod for pod in tracked if not indexed or valid_index(pod, spec.completions) is not None]
    succeeded_uids, failed_uids = set(uncounted.succeeded), set(uncounted.failed)
    new_succeeded = tuple(
        pod for pod in valid if pod.status.phase == "Succeeded" and pod.metadata.uid not in succeeded_uids
    )
    new_failed = tuple(pod for pod in valid if is_failed(pod, spec) and pod.metadata.uid not in failed_uids)
    succeeded = status.succeeded + len(new_succeeded) + len(uncounted.succeeded)
    before = now_done = jobs.Indexes()
    lost: jobs.Indexes | None = None
    waiting: Mapping[int, pod_pb2.Pod] = {}
    if indexed:
        before = jobs.parse_indexes(status.completed_indexes, spec.completions)
        per_index = spec.HasField("backoff_limit_per_index")
        lost = failed_indexes(job, pods, before) if per_index else None
        now_done = before | newly_succeeded(job, tracked, lost or jobs.Indexes())
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


def valid_index(pod: pod_pb2.Pod, completions: int) -> int | None:
    """Return the index of a Pod; None when it has none that the Job has."""
    index = jobs.completion_index(pod)
    return index if index is not None and index < completions else None


def newly_succeeded(job: job_pb2.Job, tracked: Iterable[pod_pb2.Pod], failed: jobs.Indexes) -> jobs.Indexes:
    """Return the indexes of Pods that succeeded and are not counted yet, but for those that failed for good."""
    found = (valid_index(pod, job.spec.completions) for pod in tracked if pod.status.phase == "Succeeded")
    return jobs.Indexes.of(index for index in found if index is not None and index not in failed)


def failed_indexes(job: job_pb2.Job, pods: Iterable[pod_pb2.Pod], succeeded: jobs.Indexes) -> jobs.Indexes:
    """Return the indexes that have failed for good; for a Job with a limit per index."""
    before = jobs.parse_indexes(job.status.failed_indexes, job.spec.completions)
    found: set[int] = set()
    for pod in pods:
        index = valid_index(pod, job.spec.completions)
        if index is None or index in before or index in succeeded:
            continue
        if _fails_index(job.spec, pod):
            found.add(index)
    return before | jobs.Indexes.of(found)


def _fails_index(spec: job_pb2.JobSpec, pod: pod_pb2.Pod) -> bool:
    if not is_failed(pod, spec):
        return False
    verdict = judge(spec, pod)
    if verdict.action == FAIL_INDEX:
        return True
    return verdict.counts and failure_count(pod) >= spec.backoff_limit_per_index


def failure_count(pod: pod_pb2.Pod) -> int:
    """Return how often the index of a Pod had failed before it."""
    return _count(pod.metadata.annotations, jobs.INDEX_FAILURE_COUNT)


def all_failures(pod: pod_pb2.Pod) -> int:
    """Return how often the index of a Pod had failed before it, with what did not count."""
    return failure_count(pod) + _count(pod.metadata.annotations, jobs.INDEX_IGNORED_FAILURE_COUNT)


def _count(annotations: Mapping[str, str], key: str) -> int:
    text = annotations.get(key, "")
    return (
        int(text) if text.isascii() and text.isdecimal() and len(text) < 11 and int(text) <= _MAX_COUNT else 0
    )


def counts_for_next(spec: job_pb2.JobSpec, replaced: pod_pb2.Pod | None) -> tuple[int, int]:
    """Return how often an index has failed and been ignored, for the Pod that comes after `replaced`."""
    if replaced is None:
        return 0, 0
    counted = judge(spec, replaced).counts
    ignored = all_failures(replaced) - failure_count(replaced)
    return failure_count(replaced) + counted, ignored + (not counted)


def waiting_for_next(
    job: job_pb2.Job, tracked: Iterable[pod_pb2.Pod], active: Iterable[pod_pb2.Pod], ended: jobs.Indexes
) -> Mapping[int, pod_pb2.Pod]:
    """Return by index the failed Pod that is kept until the next one carries on its count.

    `tracked` are the Pods that are not counted yet; indexes in `ended` need no further Pod.
    """
    running = {jobs.completion_index(pod) for pod in active}
    kept: dict[int, pod_pb2.Pod] = {}
    for pod in tracked:
        index = valid_index(pod, job.spec.completions)
        if index is None or index in ended or index in running or not is_failed(pod, job.spec):
            continue
        other = kept.get(index)
        if other is None or (all_failures(other), finished_at(other)) <= (
            all_failures(pod),
            finished_at(pod),
        ):
            kept[index] = pod
    return kept


def superfluous(
    pods: Sequence[pod_pb2.Pod], completions: int
) -> tuple[Mapping[int, list[pod_pb2.Pod]], list[pod_pb2.Pod]]:
    """Sort active Pods by index: those of the Job's indexes, and those that have none of them."""
    by_index: dict[int, list[pod_pb2.Pod]] = {}
    without: list[pod_pb2.Pod] = []
    for pod in pods:
        index = valid_index(pod, completions)
        if index is None:
            without.append(pod)
        else:
            by_index.setdefault(index, []).append(pod)
    return by_index, without


def success_rule(spec: job_pb2.JobSpec, succeeded: jobs.Indexes) -> int | None:
    """Return which rule of the success policy is met first; None when none is."""
    if not succeeded:
        return None
    for number, rule in enumerate(spec.success_policy.rules):
        if not rule.HasField("succeeded_indexes"):
            if rule.HasField("succeeded_count") and len(succeeded) >= rule.succeeded_count:
                return number
            continue
        wanted = jobs.parse_indexes(rule.succeeded_indexes, spec.completions)
        there = wanted.common(succeeded)
        enough = rule.HasField("succeeded_count") and there >= rule.succeeded_count
        if wanted and (there == len(wanted) or enough):
            return number
    return None


def indexes_of(pods: Collection[pod_pb2.Pod]) -> jobs.Indexes:
    """Return the indexes that Pods have."""
    found = (jobs.completion_index(pod) for pod in pods)
    return jobs.Indexes.of(index for index in found if index is not None)
