"""Defaults of the kinds that make Pods, and of what scales them.

Follows `pkg/apis/core/v1/defaults.go`, and those of `apps/v1`, `batch/v1` and `autoscaling/v2`.
"""

from typing import Final

from apiserver.defaulting.objects import default_claim
from vaina.api.apps.v1 import apps_pb2, daemon_set_pb2, deployment_pb2, stateful_set_pb2
from vaina.api.autoscaling.v2 import horizontal_pod_autoscaler_pb2 as v2
from vaina.api.batch.v1 import job_pb2
from vaina.api.core.v1 import pod_pb2, replication_controller_pb2
from vaina.objects.defaults import default_pod_spec, set_defaults
from vaina.objects.jobs import FAILED_PODS_ONLY, NON_INDEXED, TERMINATING_OR_FAILED

_QUARTER: Final = "25%"
_REVISIONS_KEPT: Final = 10
_BACKOFF_LIMIT: Final = 6
#: the backoffLimit of a Job that counts failures per index
_NO_LIMIT: Final = 2**31 - 1
#: percent of the CPU that Pods ask for
_CPU_UTILIZATION: Final = 80
_SCALING_PERIOD_SECONDS: Final = 15
#: what one period may bring: (type, value); the higher one holds
_UP: Final = (("Pods", 4), ("Percent", 100))
_DOWN: Final = (("Percent", 100),)


def default_pod_template(template: pod_pb2.PodTemplate) -> None:
    """Complete the spec of the Pods that the template describes."""
    default_pod_spec(template.template.spec)


def default_replication_controller(controller: replication_controller_pb2.ReplicationController) -> None:
    """Take selector and labels from the template's labels."""
    spec = controller.spec
    set_defaults(spec, replicas=1)
    if not spec.HasField("template"):
        return
    labels = dict(spec.template.metadata.labels)
    if not spec.selector:
        spec.selector.update(labels)
    if not controller.metadata.labels:
        controller.metadata.labels.update(labels)
    default_pod_spec(spec.template.spec)


def default_replica_set(replica_set: apps_pb2.ReplicaSet) -> None:
    """Make one Pod where no number is given. The selector has no default (since apps/v1)."""
    set_defaults(replica_set.spec, replicas=1)
    default_pod_spec(replica_set.spec.template.spec)


def default_deployment(deployment: deployment_pb2.Deployment) -> None:
    """Make one Pod, and roll by a quarter, where nothing else is said."""
    spec = deployment.spec
    set_defaults(spec, replicas=1, revision_history_limit=_REVISIONS_KEPT, progress_deadline_seconds=600)
    set_defaults(spec.strategy, type="RollingUpdate")
    if spec.strategy.type == "RollingUpdate":
        rolling = spec.strategy.rolling_update
        rolling.SetInParent()
        for field in ("max_unavailable", "max_surge"):
            if not rolling.HasField(field):
                amount = getattr(rolling, field)
                amount.type, amount.str_val = 1, _QUARTER
    default_pod_spec(spec.template.spec)


def default_stateful_set(stateful_set: stateful_set_pb2.StatefulSet) -> None:
    """Make and roll Pods one after the other, from the last to the first; claims outlive their Pods."""
    spec = stateful_set.spec
    set_defaults(
        spec, pod_management_policy="OrderedReady", replicas=1, revision_history_limit=_REVISIONS_KEPT
    )
    strategy = spec.update_strategy
    if not strategy.type:
        strategy.type = "RollingUpdate"
        strategy.rolling_update.SetInParent()
    # A manifest that names the type alone gets no parameters, which means the same.
    if strategy.HasField("rolling_update") and strategy.type == "RollingUpdate":
        set_defaults(strategy.rolling_update, partition=0)
        if not strategy.rolling_update.HasField("max_unavailable"):
            strategy.rolling_update.max_unavailable.int_val = 1
    set_defaults(spec.persistent_volume_claim_retention_policy, when_deleted="Retain", when_scaled="Retain")
    default_pod_spec(spec.template.spec)
    for claim in spec.volume_claim_templates:
        default_claim(claim)


def default_daemon_set(daemon_set: daemon_set_pb2.DaemonSet) -> None:
    """Roll one node at a time."""
    spec = daemon_set.spec
    set_defaults(spec, revision_history_limit=_REVISIONS_KEPT)
    set_defaults(spec.update_strategy, type="RollingUpdate")
    if spec.update_strategy.type == "RollingUpdate":
        rolling = spec.update_strategy.rolling_update
        if not rolling.HasField("max_unavailable"):
            rolling.max_unavailable.int_val = 1
        if not rolling.HasField("max_surge"):
            rolling.max_surge.int_val = 0
    default_pod_spec(spec.template.spec)


def default_job(job: job_pb2.Job) -> None:
    """Run one Pod to its end, where nothing else is said."""
    spec = job.spec
    if not spec.HasField("parallelism"):
        set_defaults(spec, completions=1, parallelism=1)
    limit = _NO_LIMIT if spec.HasField("backoff_limit_per_index") else _BACKOFF_LIMIT
    replacement = FAILED_PODS_ONLY if spec.HasField("pod_failure_policy") else TERMINATING_OR_FAILED
    set_defaults(
        spec,
        backoff_limit=limit,
        completion_mode=NON_INDEXED,
        suspend=False,
        manual_selector=False,
        pod_replacement_policy=replacement,
    )
    _default_job_spec(spec)


def default_cron_job(cron_job: job_pb2.CronJob) -> None:
    """Let Jobs run beside each other and keep the last few; the Job's own defaults come when one is made."""
    spec = cron_job.spec
    set_defaults(
        spec,
        concurrency_policy="Allow",
        suspend=False,
        successful_jobs_history_limit=3,
        failed_jobs_history_limit=1,
    )
    _default_job_spec(spec.job_template.spec)


def _default_job_spec(spec: job_pb2.JobSpec) -> None:
    for rule in spec.pod_failure_policy.rules:
        for pattern in rule.on_pod_conditions:
            set_defaults(pattern, status="True")
    default_pod_spec(spec.template.spec)


def default_autoscaler(autoscaler: v2.HorizontalPodAutoscaler) -> None:
    """Ask for one replica at least, and for four fifths of the CPU; fill a behavior where there is one."""
    spec = autoscaler.spec
    set_defaults(spec, min_replicas=1)
    if not spec.metrics:
        metric = spec.metrics.add(type="Resource")
        metric.resource.name, metric.resource.target.type = "cpu", "Utilization"
        metric.resource.target.average_utilization = _CPU_UTILIZATION
    if spec.HasField("behavior"):
        _fill_rules(spec.behavior.scale_up, _UP)
        set_defaults(spec.behavior.scale_up, stabilization_window_seconds=0)
        # The window for fewer replicas stays unset: the controller's own holds.
        _fill_rules(spec.behavior.scale_down, _DOWN)


def _fill_rules(rules: v2.HPAScalingRules, policies: tuple[tuple[str, int], ...]) -> None:
    set_defaults(rules, select_policy="Max")
    if not rules.policies:
        for kind, value in policies:
            rules.policies.add(type=kind, value=value, period_seconds=_SCALING_PERIOD_SECONDS)
