"""What is read from Jobs: names of labels, annotations and the finalizer, conditions, how a Job is meant. PURE.

Follows `k8s.io/api/batch/v1` and `pkg/controller/job/util`. Called by apiserver, controllers and the command.
"""

from collections.abc import Iterable
from typing import Final

from vaina.api.batch.v1 import job_pb2
from vaina.api.core.v1 import pod_pb2
from vaina.objects.integers import parse_int

#: holds a Pod of a Job until it is counted
TRACKING_FINALIZER: Final = "batch.kubernetes.io/job-tracking"
#: annotation and label of a Pod of an indexed Job
COMPLETION_INDEX: Final = "batch.kubernetes.io/job-completion-index"
#: annotations of a Pod: how often its index failed before it, and how often that did not count
INDEX_FAILURE_COUNT: Final = "batch.kubernetes.io/job-index-failure-count"
INDEX_IGNORED_FAILURE_COUNT: Final = "batch.kubernetes.io/job-index-ignored-failure-count"
#: annotation of a CronJob's Job: the time that it was meant for
SCHEDULED_TIMESTAMP: Final = "batch.kubernetes.io/cronjob-scheduled-timestamp"
JOB_NAME_LABELS: Final = ("job-name", "batch.kubernetes.io/job-name")
CONTROLLER_UID_LABEL: Final = "batch.kubernetes.io/controller-uid"
CONTROLLER_UID_LABELS: Final = ("controller-uid", CONTROLLER_UID_LABEL)
#: the value of managedBy that means the cluster's own controller
OUR_CONTROLLER: Final = "kubernetes.io/job-controller"

NON_INDEXED: Final = "NonIndexed"
INDEXED: Final = "Indexed"
FAILED_PODS_ONLY: Final = "Failed"
TERMINATING_OR_FAILED: Final = "TerminatingOrFailed"

COMPLETE: Final = "Complete"
FAILED: Final = "Failed"
FAILURE_TARGET: Final = "FailureTarget"
SUCCESS_CRITERIA_MET: Final = "SuccessCriteriaMet"
SUSPENDED: Final = "Suspended"


def get_condition(conditions: Iterable[job_pb2.JobCondition], kind: str) -> job_pb2.JobCondition | None:
    """Return the condition of a type."""
    return next((condition for condition in conditions if condition.type == kind), None)


def is_true(conditions: Iterable[job_pb2.JobCondition], kind: str) -> bool:
    """Say whether the condition of a type is there and true."""
    return any(condition.type == kind and condition.status == "True" for condition in conditions)


def finished_as(job: job_pb2.Job) -> str:
    """Return Complete or Failed for a Job that has ended, and nothing for one that has not."""
    for condition in job.status.conditions:
        if condition.type in (COMPLETE, FAILED) and condition.status == "True":
            return condition.type
    return ""


def is_finished(job: job_pb2.Job) -> bool:
    """Say whether a Job has ended."""
    return bool(finished_as(job))


def is_indexed(spec: job_pb2.JobSpec) -> bool:
    """Say whether each Pod has an index."""
    return spec.completion_mode == INDEXED


def managed_by_other(spec: job_pb2.JobSpec) -> bool:
    """Say whether somebody else than the cluster's own controller sees to a Job."""
    return spec.HasField("managed_by") and spec.managed_by != OUR_CONTROLLER


def replaces_failed_only(spec: job_pb2.JobSpec) -> bool:
    """Say whether a Pod that is ending is replaced only once it has ended."""
    return spec.pod_replacement_policy == FAILED_PODS_ONLY or spec.HasField("pod_failure_policy")


def is_tracked(pod: pod_pb2.Pod) -> bool:
    """Say whether a Pod is held until it is counted."""
    return TRACKING_FINALIZER in pod.metadata.finalizers


def completion_index(pod: pod_pb2.Pod) -> int | None:
    """Return the index of a Pod of an indexed Job; None when it has none that can be read."""
    index = parse_int(pod.metadata.annotations.get(COMPLETION_INDEX, ""))
    return index if index is not None and index >= 0 else None
