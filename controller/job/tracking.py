"""PURE: counting the Pods of a Job, each once, whatever ends this process between two writes.

A Pod that has ended is held by a finalizer until it is counted, in three writes:

    1  its uid goes into status.uncountedTerminatedPods (an index into completedIndexes)       `before_release`
    2  its finalizer goes
    3  its uid goes from there and the counter goes up                                         `after_release`

Killed after 1: the next process finds the uid there, and does 2 and 3. After 2: it finds no Pod with the
finalizer for the uid, and does 3. Every write of the status is a compare-and-swap. Follows upstream's
trackJobStatusAndRemoveFinalizers (`pkg/controller/job/job_controller.go`, KEP-2307).
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from controller.job.failures import Backoff, is_failed, judge
from controller.job.reconcile import JobPlan, NewPod
from controller.job.view import View, valid_index
from controller.plans import copy_of
from vaina.api.batch.v1 import job_pb2
from vaina.api.core.v1 import pod_pb2
from vaina.clock import timestamp
from vaina.objects import jobs
from vaina.objects.conditions import find_condition

#: Pods that are counted in one sync; their uids take 20 KB of a status
MAX_UNCOUNTED = 500


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
            self.released &= {pod.metadata.uid for pod in cached if jobs.is_tracked(pod)}

    def compare(self, cached: Iterable[pod_pb2.Pod], live: Iterable[pod_pb2.Pod]) -> None:
        """Note which Pods are held in the cache alone."""
        held = {pod.metadata.uid for pod in live if jobs.is_tracked(pod)}
        self.released |= {pod.metadata.uid for pod in cached if jobs.is_tracked(pod)} - held


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a plan."""

    created: int = 0
    #: deleted, and how many of them were ready
    deleted: int = 0
    deleted_ready: int = 0
    #: something could not be deleted: the Job has not ended yet
    incomplete: bool = False


@dataclass(frozen=True, slots=True)
class Counting:
    """The first status to write, and the Pods that may be released after it."""

    status: job_pb2.JobStatus
    release: tuple[pod_pb2.Pod, ...]
    #: more Pods have ended than are counted at a time
    more: bool = False
    #: failure policy action -> Pods
    actions: tuple[str, ...] = ()


def set_condition(
    status: job_pb2.JobStatus, kind: str, state: str, reason: str, message: str, now: float
) -> bool:
    """Set a condition; one that is not there is not set to False. Says whether anything changed."""
    known = find_condition(status.conditions, kind)
    if known is None and state == "False":
        return False
    if known is not None and (known.status, known.reason, known.message) == (state, reason, message):
        return False
    condition = status.conditions.add() if known is None else known
    condition.type, condition.status, condition.reason, condition.message = kind, state, reason, message
    condition.last_probe_time.CopyFrom(timestamp(now))
    condition.last_transition_time.CopyFrom(timestamp(now))
    return True


def before_release(view: View, plan: JobPlan, done: Done, now: float) -> Counting:
    """Return the status in which everything that has ended is noted. `view.job` stays as it is."""
    status = copy_of(view.job.status)
    status.uncounted_terminated_pods.SetInParent()
    if not status.HasField("start_time") and (plan.ending is not None or not view.spec.suspend):
        status.start_time.CopyFrom(timestamp(now))
    if plan.ending is None and not view.leaving:
        _set_suspended(status, suspended=view.spec.suspend, now=now)
    status.active = len(view.active) + done.created - done.deleted
    status.ready = min(view.ready - done.deleted_ready, status.active)
    status.terminating = len(view.terminating) + done.deleted
    drop_released(status, {pod.metadata.uid for pod in view.tracked})
    counting = _note(view, plan, status)
    if plan.ending is not None and not done.incomplete:
        ending = plan.ending
        set_condition(status, ending.type, "True", ending.reason, ending.message, now)
    return counting


def _set_suspended(status: job_pb2.JobStatus, *, suspended: bool, now: float) -> None:
    if suspended:
        set_condition(status, jobs.SUSPENDED, "True", "JobSuspended", "Job suspended", now)
        # The deadline counts the time that a Job is active without a break.
        status.ClearField("start_time")
    else:
        set_condition(status, jobs.SUSPENDED, "False", "JobResumed", "Job resumed", now)


def _note(view: View, plan: JobPlan, status: job_pb2.JobStatus) -> Counting:
    spec, indexed = view.spec, jobs.is_indexed(view.spec)
    uncounted = status.uncounted_terminated_pods
    failed_already, succeeded_already = set(uncounted.failed), set(uncounted.succeeded)
    indexes: list[int] = []
    release: list[pod_pb2.Pod] = []
    actions: list[str] = []
    pods = sorted(view.tracked, key=lambda pod: jobs.completion_index(pod) or 0) if indexed else view.tracked
    more = False
    for pod in pods:
        if not _may_be_released(view, plan, pod):
            continue
        if len(indexes) + len(uncounted.succeeded) + len(uncounted.failed) >= MAX_UNCOUNTED:
            more = True
            break
        release.append(pod)
        uid, index = pod.metadata.uid, valid_index(pod, spec.completions) if indexed else 0
        if pod.status.phase == "Succeeded" and uid not in failed_already:
            if not indexed and uid not in succeeded_already:
                uncounted.succeeded.append(uid)
            elif indexed and index is not None and index in view.indexes:
                # The index itself says that it is counted.
                indexes.append(index)
        elif uid not in failed_already and index is not None and _has_failed(view, plan, pod):
            verdict = judge(spec, pod)
            actions.extend([verdict.action] if verdict.action else [])
            uncounted.failed.extend([uid] if verdict.counts else [])
    if indexed:
        _tell_indexes(view, status, view.indexes_before | jobs.Indexes.of(indexes))
    return Counting(status, tuple(release), more, tuple(actions))


def _tell_indexes(view: View, status: job_pb2.JobStatus, succeeded: jobs.Indexes) -> None:
    status.completed_indexes, status.succeeded = str(succeeded), len(succeeded)
    status.ClearField("failed_indexes")
    if view.failed_indexes is not None:
        status.failed_indexes = str(view.failed_indexes)


def _has_failed(view: View, plan: JobPlan, pod: pod_pb2.Pod) -> bool:
    """Say whether a Pod that is released counts as failed: in a Job that fails, running Pods do too."""
    return is_failed(pod, view.spec) or (plan.ending is not None and not plan.ending.succeeds)


def _may_be_released(view: View, plan: JobPlan, pod: pod_pb2.Pod) -> bool:
    if view.leaving or plan.ending is not None or pod.status.phase == "Succeeded":
        return True
    if not is_failed(pod, view.spec):
        return False
    index = jobs.completion_index(pod)
    kept = view.waiting.get(index) if index is not None else None
    return kept is None or kept.metadata.uid != pod.metadata.uid


def drop_released(status: job_pb2.JobStatus, held: Collection[str]) -> None:
    """Count the Pods that are noted and held no more."""
    uncounted = status.uncounted_terminated_pods
    for name in ("succeeded", "failed"):
        listed = getattr(uncounted, name)
        kept = [uid for uid in listed if uid in held]
        setattr(status, name, getattr(status, name) + len(listed) - len(kept))
        del listed[:]
        listed.extend(kept)


def after_release(
    counted: job_pb2.JobStatus, held: Collection[str], plan: JobPlan, now: float, *, may_end: bool
) -> job_pb2.JobStatus:
    """Return the status in which the released Pods are counted, and the Job has ended, if it has.

    `counted` is the status as written before, `held` the uids of the Pods that still have the finalizer;
    `may_end` says whether all that was planned has happened.
    """
    status = copy_of(counted)
    drop_released(status, held)
    uncounted = status.uncounted_terminated_pods
    open_ends = uncounted.succeeded or uncounted.failed or status.terminating or status.active
    ending = plan.ending
    if ending is not None and may_end and not open_ends:
        kind = jobs.COMPLETE if ending.succeeds else jobs.FAILED
        set_condition(status, kind, "True", ending.reason, ending.message, now)
        if ending.succeeds:
            # The clock may have been set back since; the apiserver takes no time before the start.
            status.completion_time.CopyFrom(timestamp(max(now, status.start_time.seconds)))
    return status
