"""PURE: which Pods have failed, what a failure policy makes of them, and how long the next try waits.

Follows pod_failure_policy.go, backoff_utils.go, and isPodFailed and pastBackoffLimitOnFailure of
job_controller.go in upstream's `pkg/controller/job`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vaina.api.batch.v1 import job_pb2
from vaina.api.core.v1 import pod_pb2
from vaina.clock import seconds_of
from vaina.objects.conditions import get_condition
from vaina.objects.jobs import is_tracked, replaces_failed_only

#: the wait after a failure, doubled with each that follows, and its bound; seconds
FIRST_BACKOFF, MAX_BACKOFF = 10.0, 600.0

IGNORE, FAIL_INDEX, FAIL_JOB, COUNT = "Ignore", "FailIndex", "FailJob", "Count"


def is_failed(pod: pod_pb2.Pod, spec: job_pb2.JobSpec) -> bool:
    """Say whether a Pod has failed; one that is ending has too, unless it is replaced only once it has ended."""
    if pod.status.phase == "Failed":
        return True
    if replaces_failed_only(spec):
        return False
    return pod.metadata.HasField("deletion_timestamp") and pod.status.phase != "Succeeded"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a failure policy says of a Pod."""

    #: the action of the rule that fits; nothing for none
    action: str = ""
    #: whether the failure counts towards the limits
    counts: bool = True
    #: why the Job fails, when it does
    message: str = ""


def judge(spec: job_pb2.JobSpec, pod: pod_pb2.Pod) -> Verdict:
    """Ask the failure policy of a Job about a Pod that failed; the first rule that fits decides."""
    for index, rule in enumerate(spec.pod_failure_policy.rules):
        meta, found = pod.metadata, ""
        if rule.HasField("on_exit_codes"):
            status = _matching_container(pod.status, rule.on_exit_codes)
            if status is not None:
                found = (
                    f"Container {status.name} for pod {meta.namespace}/{meta.name} failed with exit code "
                    f"{status.state.terminated.exit_code}"
                )
        elif kind := _matching_condition(pod.status, rule.on_pod_conditions):
            found = f"Pod {meta.namespace}/{meta.name} has condition {kind}"
        if found and rule.action in (IGNORE, FAIL_INDEX, FAIL_JOB, COUNT):
            message = f"{found} matching {rule.action} rule at index {index}"
            return Verdict(rule.action, rule.action != IGNORE, message if rule.action == FAIL_JOB else "")
    return Verdict()


def _matching_container(
    status: pod_pb2.PodStatus, rule: job_pb2.PodFailurePolicyOnExitCodesRequirement
) -> pod_pb2.ContainerStatus | None:
    for container in (*status.container_statuses, *status.init_container_statuses):
        if not container.state.HasField("terminated"):
            continue
        if rule.HasField("container_name") and rule.container_name != container.name:
            continue
        code = container.state.terminated.exit_code
        if code != 0 and (code in rule.values) == (rule.operator == "In"):
            return container
    return None


def _matching_condition(
    status: pod_pb2.PodStatus, patterns: Sequence[job_pb2.PodFailurePolicyOnPodConditionsPattern]
) -> str:
    wanted = {(pattern.type, pattern.status) for pattern in patterns}
    return next((c.type for c in status.conditions if (c.type, c.status) in wanted), "")


def failure_of_job(spec: job_pb2.JobSpec, pods: Iterable[pod_pb2.Pod]) -> str:
    """Return why the failure policy fails the Job; nothing when it does not."""
    if not spec.HasField("pod_failure_policy"):
        return ""
    messages = (judge(spec, pod).message for pod in pods if is_failed(pod, spec))
    return next((message for message in messages if message), "")


def too_many_restarts(spec: job_pb2.JobSpec, pods: Iterable[pod_pb2.Pod]) -> bool:
    """Say whether a Job whose Pods restart their containers (OnFailure) fails for too many restarts."""
    if spec.template.spec.restart_policy != "OnFailure":
        return False
    restarts = sum(
        status.restart_count
        for pod in pods
        if pod.status.phase in ("Running", "Pending")
        for status in (*pod.status.init_container_statuses, *pod.status.container_statuses)
    )
    return restarts > 0 if spec.backoff_limit == 0 else restarts >= spec.backoff_limit


def finished_at(pod: pod_pb2.Pod) -> float:
    """Return when a Pod ended, seconds since the epoch, as well as can be told (getFinishedTime).

    It is when its last container ended, sidecars included; else when it became unready; else when it was
    deleted; else when it was made.
    """
    if ended := _containers_ended(pod):
        return ended
    ready = get_condition(pod.status, "Ready")
    if ready is not None and ready.status == "False" and ready.HasField("last_transition_time"):
        return seconds_of(ready.last_transition_time)
    meta = pod.metadata
    if meta.HasField("deletion_timestamp"):
        return seconds_of(meta.deletion_timestamp) - meta.deletion_grace_period_seconds
    return seconds_of(meta.creation_timestamp)


def _containers_ended(pod: pod_pb2.Pod) -> float:
    """Return when the last container ended; 0: some have not, or their status does not say when."""
    sidecars = {spec.name for spec in pod.spec.init_containers if spec.restart_policy == "Always"}
    beside = [status for status in pod.status.init_container_statuses if status.name in sidecars]
    return _last_end(beside, _last_end(pod.status.container_statuses, 0.0))


def _last_end(statuses: Iterable[pod_pb2.ContainerStatus], before: float) -> float:
    """Return the last of these ends and the one before; 0: one has not ended (latestFinishTime)."""
    last = before
    for status in statuses:
        ended = seconds_of(status.state.terminated.finished_at)
        if not ended:
            return 0.0
        last = max(last, ended)
    return last


@dataclass(frozen=True, slots=True)
class Backoff:
    """How often Pods of a Job have failed since one succeeded, and when the last did."""

    failures: int = 0
    last: float = 0.0

    def after(self, succeeded: Sequence[pod_pb2.Pod], failed: Sequence[pod_pb2.Pod]) -> "Backoff":
        ends = sorted(finished_at(pod) for pod in failed)
        if not succeeded:
            return Backoff(self.failures + len(ends), ends[-1]) if ends else self
        success = max(finished_at(pod) for pod in succeeded)
        later = [end for end in ends if end > success]
        return Backoff(len(later), later[-1]) if later else Backoff()

    def remaining(self, now: float) -> float:
        if self.failures <= 0:
            return 0.0
        wait = min(FIRST_BACKOFF * 2.0 ** min(self.failures - 1, 30), MAX_BACKOFF)
        return max(0.0, wait - (now - self.last))


#: of a Job that nothing is known of
NO_FAILURES = Backoff()


def remembered(pods: Iterable[pod_pb2.Pod], spec: job_pb2.JobSpec) -> Backoff:
    """Return what the Pods say that were counted already: what a controller knows that has only just started."""
    counted = [pod for pod in pods if not is_tracked(pod)]
    return NO_FAILURES.after(
        [pod for pod in counted if pod.status.phase == "Succeeded"],
        [pod for pod in counted if is_failed(pod, spec)],
    )
