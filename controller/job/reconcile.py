"""PURE: what to do so that a Job gets on, and whether it has ended (`tracking` counts).

Follows upstream's `pkg/controller/job/job_controller.go` (syncJob, manageJob,
addCompletionIndexEnvVariables).
"""

from collections.abc import Container, Sequence
from dataclasses import dataclass

from controller.job.failures import NO_FAILURES, Backoff, failure_of_job, finished_at, too_many_restarts
from controller.job.view import View, all_failures, counts_for_next, indexes_of, success_rule, superfluous
from controller.plans import sooner
from controller.pods import MAX_BASE, choose_victims, pod_from_template, pod_names
from vaina.api.batch.v1 import job_pb2
from vaina.api.core.v1 import pod_pb2
from vaina.clock import seconds_of
from vaina.kinds import JOB
from vaina.objects import jobs
from vaina.objects.conditions import find_condition
from vaina.objects.meta import new_controller_ref

#: at most so many Pods are created or deleted in one sync
BURST = 500
#: variable of every container of an indexed Job's Pod
INDEX_VARIABLE = "JOB_COMPLETION_INDEX"


@dataclass(frozen=True, slots=True)
class NewPod:
    """A Pod to create."""

    name: str
    #: of an indexed Job
    index: int | None = None
    #: of a Job with a limit per index: how often the index failed before, and how often that did not count
    failures: int | None = None
    ignored: int = 0


@dataclass(frozen=True, slots=True)
class Ending:
    """How a Job ends: FailureTarget or SuccessCriteriaMet, before all its Pods are counted."""

    type: str
    reason: str = ""
    message: str = ""

    @property
    def succeeds(self) -> bool:
        return self.type == jobs.SUCCESS_CRITERIA_MET


@dataclass(frozen=True, slots=True)
class JobPlan:
    """What to do, in this order. All empty: the Job goes on by itself."""

    create: tuple[NewPod, ...] = ()
    #: too many: released, then deleted, and never counted
    remove: tuple[pod_pb2.Pod, ...] = ()
    #: of a Job that ends: deleted first, so that they are counted
    terminate: tuple[pod_pb2.Pod, ...] = ()
    ending: Ending | None = None
    #: what is known of failures once the Pods that have ended are counted
    backoff: Backoff = NO_FAILURES
    #: look again after so many seconds
    wake_seconds: float | None = None


def reconcile(view: View, *, backoff: Backoff, now: float, taken: Container[str] = frozenset()) -> JobPlan:
    """Decide what to do for a Job that has not ended; `taken` are names in use, or lately so."""
    known = backoff.after(view.new_succeeded, view.new_failed)
    ending = _ending(view, now)
    if ending is not None:
        return JobPlan(terminate=view.active, ending=ending, backoff=known)
    deadline = _seconds_to_deadline(view, now)
    if view.leaving:
        return JobPlan(backoff=known, wake_seconds=deadline)
    if view.spec.suspend and view.active:
        return JobPlan(remove=view.active[:BURST], backoff=known)
    wanted = 0 if view.spec.suspend else _wanted(view)
    remove = _too_many(view, max(0, len(view.active) - wanted), now)
    if remove:
        return JobPlan(remove=remove[:BURST], backoff=known, wake_seconds=deadline)
    if not view.active and _is_complete(view):
        reason, message = "CompletionsReached", "Reached expected number of succeeded pods"
        return JobPlan(ending=Ending(jobs.SUCCESS_CRITERIA_MET, reason, message), backoff=known)
    create, wait = _missing(view, wanted, known, now, taken)
    return JobPlan(create=create, backoff=known, wake_seconds=sooner(deadline, wait))


def _ending(view: View, now: float) -> Ending | None:
    """Return how the Job ends, if that was decided earlier or is decided now."""
    conditions = view.job.status.conditions
    for kind in (jobs.SUCCESS_CRITERIA_MET, jobs.FAILURE_TARGET):
        condition = find_condition(conditions, kind)
        if condition is not None and jobs.is_true(conditions, kind):
            return Ending(kind, condition.reason, condition.message)
    spec = view.spec
    if message := failure_of_job(spec, view.pods):
        return Ending(jobs.FAILURE_TARGET, "PodFailurePolicy", message)
    if view.failed > spec.backoff_limit or too_many_restarts(spec, view.pods):
        return Ending(
            jobs.FAILURE_TARGET, "BackoffLimitExceeded", "Job has reached the specified backoff limit"
        )
    deadline = _seconds_to_deadline(view, now)
    if deadline is not None and deadline <= 0:
        return Ending(
            jobs.FAILURE_TARGET, "DeadlineExceeded", "Job was active longer than specified deadline"
        )
    return _ending_of_indexes(view) if jobs.is_indexed(spec) else None


def _ending_of_indexes(view: View) -> Ending | None:
    spec, lost = view.spec, view.failed_indexes
    if lost is not None:
        if spec.HasField("max_failed_indexes") and len(lost) > spec.max_failed_indexes:
            message = "Job has exceeded the specified maximal number of failed indexes"
            return Ending(jobs.FAILURE_TARGET, "MaxFailedIndexesExceeded", message)
        if lost and len(lost) + len(view.indexes) >= spec.completions:
            return Ending(jobs.FAILURE_TARGET, "FailedIndexes", "Job has failed indexes")
    rule = success_rule(spec, view.indexes)
    if rule is not None:
        return Ending(jobs.SUCCESS_CRITERIA_MET, "SuccessPolicy", f"Matched rules at index {rule}")
    return None


def _seconds_to_deadline(view: View, now: float) -> float | None:
    spec, status = view.spec, view.job.status
    if not spec.HasField("active_deadline_seconds") or spec.suspend:
        return None
    start = seconds_of(status.start_time) if status.HasField("start_time") else now
    return start + spec.active_deadline_seconds - now


def _is_complete(view: View) -> bool:
    spec = view.spec
    return view.succeeded >= spec.completions if spec.HasField("completions") else view.succeeded > 0


def _wanted(view: View) -> int:
    spec = view.spec
    if spec.HasField("completions"):
        return max(0, min(spec.completions - view.succeeded, spec.parallelism))
    # One success is enough: Pods that run are left to end.
    return len(view.active) if view.succeeded > 0 else spec.parallelism


def _too_many(view: View, at_least: int, now: float) -> tuple[pod_pb2.Pod, ...]:
    """Return the Pods to remove: at least so many, and those without an index of their own."""
    if not jobs.is_indexed(view.spec):
        return choose_victims(view.active, at_least, now=now) if at_least else ()
    by_index, gone = superfluous(view.active, view.spec.completions)
    left: list[pod_pb2.Pod] = []
    for pods in by_index.values():
        victims = choose_victims(pods, len(pods) - 1, now=now)
        uids = {pod.metadata.uid for pod in victims}
        gone.extend(victims)
        left.extend(pod for pod in pods if pod.metadata.uid not in uids)
    if len(gone) < at_least:
        gone.extend(choose_victims(left, at_least - len(gone), now=now))
    return tuple(gone)


def _missing(
    view: View, wanted: int, backoff: Backoff, now: float, taken: Container[str]
) -> tuple[tuple[NewPod, ...], float | None]:
    spec = view.spec
    count = wanted - len(view.active)
    if jobs.replaces_failed_only(spec):
        count -= len(view.terminating)
    if count <= 0:
        return (), None
    per_index = spec.HasField("backoff_limit_per_index")
    wait = 0.0 if per_index else backoff.remaining(now)
    if wait > 0:
        return (), wait
    meta, count = view.job.metadata, min(count, BURST)
    if not jobs.is_indexed(spec):
        return tuple(NewPod(name) for name in pod_names(meta.name, meta.uid, count, taken)), None
    made: list[NewPod] = []
    waits: list[float] = []
    for index in _pending(view, count):
        failed = view.waiting.get(index)
        wait = (
            0.0 if failed is None else Backoff(all_failures(failed) + 1, finished_at(failed)).remaining(now)
        )
        if wait > 0:
            waits.append(wait)
            continue
        name = indexed_name(meta.name, meta.uid, index, taken)
        counts = counts_for_next(spec, failed) if per_index else (None, 0)
        made.append(NewPod(name, index, *counts))
    return tuple(made), min(waits, default=None)


def _pending(view: View, count: int) -> Sequence[int]:
    busy = view.indexes | indexes_of(view.active)
    if jobs.replaces_failed_only(view.spec):
        busy |= indexes_of(view.terminating)
    if view.failed_indexes is not None:
        busy |= view.failed_indexes
    return busy.missing(count, view.spec.completions)


def indexed_name(job: str, uid: str, index: int, taken: Container[str]) -> str:
    """Return the name of the next Pod of an index: `<job>-<index>-<five letters>`."""
    tail = f"-{index}"
    [name] = pod_names(f"{job[: MAX_BASE - 1 - len(tail)]}{tail}", f"{uid}/{index}", 1, taken)
    return name


def new_pod(job: job_pb2.Job, new: NewPod) -> pod_pb2.Pod:
    """Return the Pod of a Job to create."""
    reference = new_controller_ref(job, JOB.api_version, JOB.kind)
    pod = pod_from_template(job.spec.template, job.metadata, reference, new.name)
    if jobs.TRACKING_FINALIZER not in pod.metadata.finalizers:
        pod.metadata.finalizers.append(jobs.TRACKING_FINALIZER)
    if new.index is not None:
        _give_index(pod, job.metadata.name, new)
    return pod


def _give_index(pod: pod_pb2.Pod, job: str, new: NewPod) -> None:
    meta, text = pod.metadata, str(new.index)
    meta.generate_name = f"{job}-{text}-"
    meta.annotations[jobs.COMPLETION_INDEX] = text
    meta.labels[jobs.COMPLETION_INDEX] = text
    pod.spec.hostname = f"{job}-{text}"
    if new.failures is not None:
        meta.annotations[jobs.INDEX_FAILURE_COUNT] = str(new.failures)
        if new.ignored:
            meta.annotations[jobs.INDEX_IGNORED_FAILURE_COUNT] = str(new.ignored)
    for container in (*pod.spec.init_containers, *pod.spec.containers):
        if all(variable.name != INDEX_VARIABLE for variable in container.env):
            variable = container.env.add(name=INDEX_VARIABLE)
            variable.value_from.field_ref.field_path = f"metadata.labels['{jobs.COMPLETION_INDEX}']"
