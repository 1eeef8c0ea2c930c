"""Columns of Pods, of what makes them, and of what guards and scales them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from vaina.objects.conditions import get_condition
from vaina.objects.jobs import COMPLETE, FAILED, FAILURE_TARGET, SUCCESS_CRITERIA_MET, SUSPENDED, is_true
from vaina.objects.meta import controller_of
from vaina.objects.rollouts import replicas_of
from vaina.printers.cells import (
    NONE,
    Cell,
    at,
    count,
    int_or_text,
    job_duration,
    selector,
    set_at,
    since,
)
from vaina.printers.columns import (
    AGE,
    NAME,
    Column,
    Columns,
    integer,
    named,
    of_template,
    selecting,
    wide,
)
from vaina.printers.metrics import metrics_text
from vaina.printers.pod_summary import summarise


def _readiness_gates(pod: Any, _: float) -> str:
    gates = pod.spec.readiness_gates
    conditions = (get_condition(pod.status, gate.condition_type) for gate in gates)
    good = sum(1 for condition in conditions if condition is not None and condition.status == "True")
    return f"{good}/{len(gates)}" if gates else NONE


def _bound(field: str) -> Cell:
    return lambda budget, _: (
        int_or_text(getattr(budget.spec, field)) if budget.spec.HasField(field) else "N/A"
    )


def _ready_of_desired(owner: Any, _: float) -> str:
    return f"{owner.status.ready_replicas}/{replicas_of(owner)}"


def _controller(revision: Any, _: float) -> str:
    owner = controller_of(revision.metadata)
    if owner is None:
        return NONE
    group = owner.api_version.rpartition("/")[0]
    return f"{owner.kind.lower()}{'.' + group if group else ''}/{owner.name}"


def _job_status(job: Any, _: float) -> str:
    conditions = job.status.conditions
    ends = [kind for kind in (COMPLETE, FAILED) if is_true(conditions, kind)]
    if not ends and job.metadata.HasField("deletion_timestamp"):
        return "Terminating"
    states = (kind for kind in (SUSPENDED, FAILURE_TARGET, SUCCESS_CRITERIA_MET) if is_true(conditions, kind))
    return next(iter(ends), "") or next(states, "Running")


def _completions(job: Any, _: float) -> str:
    done, spec = job.status.succeeded, job.spec
    if spec.HasField("completions"):
        return f"{done}/{spec.completions}"
    return f"{done}/1 of {spec.parallelism}" if spec.parallelism > 1 else f"{done}/1"


def _last_schedule(job: Any, now: float) -> str:
    if not job.status.HasField("last_schedule_time"):
        return NONE
    return str(since("status.last_schedule_time")(job, now))


def _of_summary(name: str, description: str, cell: Cell) -> Column:
    return Column(name, description, cell, part=summarise)


_OWNED: Final = (*of_template("spec.template"), selecting("spec.selector"))
_REPLICAS: Final = named(
    integer("Desired", "How many Pods there are to be.", lambda owner, _: replicas_of(owner)),
    integer("Current", "How many Pods there are.", at("status.replicas")),
    integer("Ready", "How many of its Pods are ready.", at("status.ready_replicas")),
    wide=_OWNED,
)
_READY: Final = Column("Ready", "How many Pods are ready, of how many there are to be.", _ready_of_desired)

COLUMNS: Final[Mapping[str, Columns]] = {
    "Pod": named(
        _of_summary(
            "Ready", "How many containers are ready, of how many there are.", lambda it, _: it.ready_text
        ),
        _of_summary("Status", "The state of the Pod in one word.", lambda it, _: it.status),
        _of_summary(
            "Restarts", "How often containers were started again, and how long ago it last happened.",
            lambda it, now: it.restarts_text(now),
        ),
        wide=(
            wide("IP", "The Pod's address.", at("status.pod_ip", NONE)),
            wide("Node", "The node that the Pod is on.", at("spec.node_name", NONE)),
            wide(
                "Nominated Node", "The node on which Pods of lower priority make room for this one.",
                at("status.nominated_node_name", NONE),
            ),
            wide(
                "Readiness Gates", "How many of the further conditions of its readiness are true.", _readiness_gates
            ),
        ),
    ),
    "PodTemplate": (
        NAME,
        *of_template("template", is_wide=False),
        Column("Pod Labels", "The labels that Pods of the template get.", selector("template.metadata.labels")),
    ),
    "ReplicationController": _REPLICAS,
    "ReplicaSet": _REPLICAS,
    "Deployment": named(
        _READY,
        Column("Up-to-date", "How many Pods have the template of today.", at("status.updated_replicas")),
        Column(
            "Available", "How many Pods have been ready for as long as is asked.", at("status.available_replicas")
        ),
        wide=_OWNED,
    ),
    "StatefulSet": named(_READY, wide=of_template("spec.template")),
    "DaemonSet": named(
        integer("Desired", "How many nodes are to have a Pod.", at("status.desired_number_scheduled")),
        integer("Current", "How many nodes have one that are to have one.", at("status.current_number_scheduled")),
        integer("Ready", "How many nodes have a Pod that is ready.", at("status.number_ready")),
        integer(
            "Up-to-date", "How many nodes have a Pod of the template of today.",
            at("status.updated_number_scheduled"),
        ),
        integer(
            "Available", "How many nodes have a Pod that has been ready for as long as is asked.",
            at("status.number_available"),
        ),
        Column(
            "Node Selector", "Which nodes get a Pod, by their labels.",
            selector("spec.template.spec.node_selector"),
        ),
        wide=_OWNED,
    ),
    "ControllerRevision": named(
        Column("Controller", "The object whose past the revision is.", _controller),
        Column("Revision", "The number of the revision; the newest has the highest.", at("revision")),
    ),
    "Job": named(
        Column("Status", "Whether the Job runs, waits, or how it ended.", _job_status),
        Column("Completions", "How many Pods have succeeded, of how many that have to.", _completions),
        Column("Duration", "How long the Job has run, or ran.", job_duration),
        wide=_OWNED,
    ),
    "CronJob": named(
        Column("Schedule", "When Jobs are made, as cron writes it.", at("spec.schedule")),
        Column("Timezone", "The time zone of the schedule.", set_at("spec.time_zone", NONE)),
        Column("Suspend", "Whether no Jobs are made for now.", set_at("spec.suspend"), "boolean"),
        integer("Active", "How many of its Jobs run.", count("status.active")),
        Column("Last Schedule", "How long ago a Job was last due and made.", _last_schedule),
        wide=(
            *of_template("spec.job_template.spec.template"),
            selecting("spec.job_template.spec.selector"),
        ),
    ),
    "HorizontalPodAutoscaler": named(
        Column(
            "Reference", "The object whose replicas it sets.",
            lambda it, _: f"{it.spec.scale_target_ref.kind}/{it.spec.scale_target_ref.name}",
        ),
        Column(
            "Targets", "What is measured, beside what is aimed at.",
            lambda found, _: metrics_text(found.spec.metrics, found.status.current_metrics),
        ),
        Column("MinPods", "The fewest replicas that it may set.", set_at("spec.min_replicas")),
        Column("MaxPods", "The most replicas that it may set.", at("spec.max_replicas")),
        Column("Replicas", "How many replicas it last saw.", at("status.current_replicas")),
    ),
    "PodDisruptionBudget": named(
        Column("Min Available", "How many Pods have to stay available.", _bound("min_available")),
        Column("Max Unavailable", "How many Pods may be unavailable.", _bound("max_unavailable")),
        integer(
            "Allowed Disruptions", "How many Pods may be evicted at this time.", at("status.disruptions_allowed")
        ),
    ),
    "Scale": (
        replace(NAME, format=""),
        integer("Desired", "How many replicas there are to be.", at("spec.replicas")),
        integer("Available", "How many replicas there are.", at("status.replicas")),
        AGE,
    ),
}  # fmt: skip
