"""Defaults of Jobs and CronJobs. Follows `pkg/apis/batch/v1/defaults.go`."""

from typing import Final

from vaina.api.batch.v1 import job_pb2
from vaina.objects.defaults import default_pod_spec
from vaina.objects.jobs import FAILED_PODS_ONLY, NON_INDEXED, TERMINATING_OR_FAILED

_BACKOFF_LIMIT: Final = 6
#: what a Job that counts per index may fail in all
_NO_LIMIT: Final = 2**31 - 1
_SUCCESSFUL_JOBS, _FAILED_JOBS = 3, 1


def default_job(job: job_pb2.Job) -> None:
    """Run one Pod to its end, where nothing else is said."""
    spec = job.spec
    if not spec.HasField("completions") and not spec.HasField("parallelism"):
        spec.completions = 1
    if not spec.HasField("parallelism"):
        spec.parallelism = 1
    if not spec.HasField("backoff_limit"):
        spec.backoff_limit = _NO_LIMIT if spec.HasField("backoff_limit_per_index") else _BACKOFF_LIMIT
    if not spec.HasField("completion_mode"):
        spec.completion_mode = NON_INDEXED
    if not spec.HasField("suspend"):
        spec.suspend = False
    if not spec.HasField("manual_selector"):
        spec.manual_selector = False
    if not spec.HasField("pod_replacement_policy"):
        failing = spec.HasField("pod_failure_policy")
        spec.pod_replacement_policy = FAILED_PODS_ONLY if failing else TERMINATING_OR_FAILED
    _default_spec(spec)


def default_cron_job(cron_job: job_pb2.CronJob) -> None:
    """Let Jobs run beside each other and keep the last few; the Job's own defaults come when one is made."""
    spec = cron_job.spec
    spec.concurrency_policy = spec.concurrency_policy or "Allow"
    if not spec.HasField("suspend"):
        spec.suspend = False
    if not spec.HasField("successful_jobs_history_limit"):
        spec.successful_jobs_history_limit = _SUCCESSFUL_JOBS
    if not spec.HasField("failed_jobs_history_limit"):
        spec.failed_jobs_history_limit = _FAILED_JOBS
    _default_spec(spec.job_template.spec)


def _default_spec(spec: job_pb2.JobSpec) -> None:
    for rule in spec.pod_failure_policy.rules:
        for pattern in rule.on_pod_conditions:
            pattern.status = pattern.status or "True"
    default_pod_spec(spec.template.spec)
