"""What is measured of Jobs, under upstream's names (`pkg/controller/job/metrics/metrics.go`)."""

from collections import Counter as Tally
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram

from controller.job.view import View
from vaina.api.batch.v1 import job_pb2
from vaina.api.core.v1 import pod_pb2
from vaina.objects import jobs
from vaina.objects.conditions import find_condition
from vaina.objects.pods import is_terminal

_BUCKETS = tuple(0.004 * 2**power for power in range(15))


class JobMetrics:
    """The metrics of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.sync_seconds = Histogram(
            "job_controller_job_sync_duration_seconds", "The time it took to sync a job",
            ("completion_mode", "result", "action"), registry=registry, buckets=_BUCKETS,
        )  # fmt: skip
        self.syncs = Counter(
            "job_controller_job_syncs_total", "The number of job syncs",
            ("completion_mode", "result", "action"), registry=registry,
        )  # fmt: skip
        self.finished = Counter(
            "job_controller_jobs_finished_total", "The number of finished jobs",
            ("completion_mode", "result", "reason"), registry=registry,
        )  # fmt: skip
        self.pods_finished = Counter(
            "job_controller_job_pods_finished_total", "The number of finished Pods that are fully tracked",
            ("completion_mode", "result"), registry=registry,
        )  # fmt: skip
        self.indexes_finished = Counter(
            "job_controller_job_finished_indexes_total", "The number of finished indexes",
            ("status", "backoffLimit"), registry=registry,
        )  # fmt: skip
        self.failures_handled = Counter(
            "job_controller_pod_failures_handled_by_failure_policy_total",
            "The number of failed Pods handled by failure policy, by its action",
            ("action",), registry=registry,
        )  # fmt: skip
        self.pods_created = Counter(
            "job_controller_job_pods_creation_total",
            "The number of Pods created by the Job controller labelled with a reason for the Pod creation",
            ("reason", "status"), registry=registry,
        )  # fmt: skip
        self.held = Counter(
            "job_controller_terminated_pods_tracking_finalizer_total",
            "The number of terminated pods (phase=Failed|Succeeded) that have the finalizer batch.kubernetes.io/job-tracking",
            ("event",), registry=registry,
        )  # fmt: skip
        self.managed_elsewhere = Counter(
            "job_controller_jobs_by_external_controller_total",
            "The number of Jobs managed by an external controller", ("controller_name",), registry=registry,
        )  # fmt: skip

    def synced(self, job: job_pb2.Job, seconds: float, *, ok: bool, action: str) -> None:
        labels = (_mode(job.spec), "success" if ok else "error", action)
        self.syncs.labels(*labels).inc()
        self.sync_seconds.labels(*labels).observe(seconds)

    def status_written(self, spec: job_pb2.JobSpec, old: job_pb2.JobStatus, new: job_pb2.JobStatus) -> None:
        mode = _mode(spec)
        for name in ("succeeded", "failed"):
            more = getattr(new, name) - getattr(old, name)
            self.pods_finished.labels(mode, name).inc(max(0, more))
        if jobs.is_indexed(spec):
            limit = "perIndex" if spec.HasField("backoff_limit_per_index") else "global"
            for name, field in (("succeeded", "completed_indexes"), ("failed", "failed_indexes")):
                counts = [
                    len(jobs.parse_indexes(getattr(status, field), spec.completions)) for status in (old, new)
                ]
                self.indexes_finished.labels(name, limit).inc(max(0, counts[1] - counts[0]))
        job = job_pb2.Job(status=new)
        kind = jobs.finished_as(job)
        if kind and not jobs.finished_as(job_pb2.Job(status=old)):
            condition = find_condition(new.conditions, kind)
            reason = condition.reason if condition is not None else ""
            self.finished.labels(mode, "succeeded" if kind == jobs.COMPLETE else "failed", reason).inc()

    def created(self, view: View, *, ok: bool) -> None:
        """Note a Pod that was created, or not; one whose answer was lost counts as failed."""
        if jobs.replaces_failed_only(view.spec) and view.failed:
            reason = "recreate_failed"
        elif view.failed or view.terminating:
            reason = "recreate_terminating_or_failed"
        else:
            reason = "new"
        self.pods_created.labels(reason, "succeeded" if ok else "failed").inc()

    def seen(self, old: pod_pb2.Pod | None, new: pod_pb2.Pod | None) -> None:
        """Count a Pod that has ended and is held until it is counted, or is held no more."""
        was, now = (pod is not None and is_terminal(pod) and jobs.is_tracked(pod) for pod in (old, new))
        if was is not now:
            self.held.labels("add" if now else "delete").inc()

    def handled(self, actions: Iterable[str]) -> None:
        for action, count in Tally(actions).items():
            self.failures_handled.labels(action).inc(count)


def _mode(spec: job_pb2.JobSpec) -> str:
    return spec.completion_mode or jobs.NON_INDEXED
