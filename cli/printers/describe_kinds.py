"""The pages of Nodes, of limits, budgets and priorities, and of what makes Pods (`kubectl/pkg/describe`)."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from cli.printers.describe_pod import describe_template
from cli.printers.page import NONE, Page, controlled_by, describe_labels, describe_meta, show_time
from vaina.objects import nodes, pods, quantity
from vaina.objects.jobs import is_indexed
from vaina.objects.rollouts import new_replica_set, old_replica_sets, replicas_of
from vaina.printers.cells import UNSET, int_or_text, job_duration, selector_text, set_text, show_amount


def describe_node(page: Page, node: Any, on_it: Sequence[Any] = ()) -> None:
    """Write everything about a Node but its events; `on_it` are its Pods."""
    status, info = node.status, node.status.node_info
    page.value(0, "Name", node.metadata.name)
    page.value(0, "Roles", ",".join(nodes.roles(node)) or NONE)
    describe_labels(page, node)
    page.value(0, "CreationTimestamp", show_time(node.metadata.creation_timestamp))
    page.many(0, "Taints", [_taint(taint) for taint in node.spec.taints])
    page.value(0, "Unschedulable", str(node.spec.unschedulable).lower())
    if status.conditions:
        page.line(0, "Conditions:")
        headers = ("Type", "Status", "LastHeartbeatTime", "LastTransitionTime", "Reason", "Message")
        page.table(1, headers, [_condition(item) for item in status.conditions])
    page.line(0, "Addresses:")
    for address in status.addresses:
        page.value(1, address.type, address.address)
    for title, amounts in (("Capacity", status.capacity), ("Allocatable", status.allocatable)):
        page.line(0, f"{title}:")
        page.values(1, *((name, amounts[name].string) for name in sorted(amounts)))
    page.line(0, "System Info:")
    page.values(
        1,
        ("Machine ID", info.machine_id),
        ("Boot ID", info.boot_id),
        ("Kernel Version", info.kernel_version),
        ("OS Image", info.os_image),
        ("Operating System", info.operating_system),
        ("Architecture", info.architecture),
        ("Container Runtime Version", info.container_runtime_version),
        ("Kubelet Version", info.kubelet_version),
    )
    page.values(0, ("PodCIDR", node.spec.pod_cidr or None))
    _pods(page, node, on_it)


def _condition(item: Any) -> Sequence[str]:
    times = (show_time(item.last_heartbeat_time), show_time(item.last_transition_time))
    return item.type, item.status, *times, item.reason, item.message


def _taint(taint: Any) -> str:
    return f"{taint.key}{f'={taint.value}' if taint.value else ''}:{taint.effect}"


def _pods(page: Page, node: Any, on_it: Sequence[Any]) -> None:
    """Write the Pods that have not ended, with their requests and limits, and the sums."""
    living = [pod for pod in on_it if not pods.is_terminal(pod)]
    have = nodes.allocatable(node)
    sums = {("cpu", 0): 0, ("cpu", 1): 0, ("memory", 0): 0, ("memory", 1): 0}

    def show(name: str, amount: int) -> str:
        text = quantity.format_millis(amount) if name == "cpu" else quantity.format_bytes(amount)
        return f"{text} ({amount * 100 // have[name] if have.get(name) else 0}%)"

    rows: list[Sequence[str]] = []
    for pod in sorted(living, key=lambda item: (item.metadata.namespace, item.metadata.name)):
        sides = (pods.pod_requests(pod), pods.pod_limits(pod))
        cells: list[str] = []
        for name, side in sums:
            amount = sides[side].get(name, 0)
            sums[name, side] += amount
            cells.append(show(name, amount))
        rows.append((pod.metadata.namespace, pod.metadata.name, *cells))
    page.line(0, f"Non-terminated Pods:  ({len(living)} in total)")
    headers = ("Namespace", "Name", "CPU Requests", "CPU Limits", "Memory Requests", "Memory Limits")
    page.table(1, headers, rows)
    page.line(0, "Allocated resources:")
    totals = [(name, *(show(name, sums[name, side]) for side in (0, 1))) for name in ("cpu", "memory")]
    page.table(1, ("Resource", "Requests", "Limits"), totals)


#: headers of the table of limits
_LIMITS: Final = (
    "Type", "Resource", "Min", "Max", "Default Request", "Default Limit", "Max Limit/Request Ratio",
)  # fmt: skip


def describe_budget(page: Page, budget: Any, _: Sequence[Any]) -> None:
    """Write how many Pods may be away, and how many are."""
    describe_meta(page, budget)
    spec, status = budget.spec, budget.status
    least, most = spec.HasField("min_available"), spec.HasField("max_unavailable")
    page.values(
        0,
        ("Min available", int_or_text(spec.min_available) if least else None),
        ("Max unavailable", int_or_text(spec.max_unavailable) if most and not least else None),
        ("Selector", selector_text(spec.selector) if spec.HasField("selector") else UNSET),
    )
    page.line(0, "Status:")
    page.values(
        2,
        ("Allowed disruptions", str(status.disruptions_allowed)),
        ("Current", str(status.current_healthy)),
        ("Desired", str(status.desired_healthy)),
        ("Total", str(status.expected_pods)),
    )


def describe_resource_quota(page: Page, quota: Any, _: Sequence[Any]) -> None:
    """Write what is used of what there is."""
    describe_meta(page, quota)
    if quota.spec.scopes:
        page.value(0, "Scopes", ", ".join(sorted(quota.spec.scopes)))
    for requirement in quota.spec.scope_selector.match_expressions:
        words = f"{requirement.scope_name} {requirement.operator} {','.join(requirement.values)}"
        page.value(0, "Scope Selector", words.strip())
    _uses(page, 0, quota)


def _uses(page: Page, level: int, quota: Any) -> None:
    used, hard = quota.status.used, quota.status.hard
    rows = [(name, show_amount(used, name), show_amount(hard, name)) for name in sorted(hard)]
    page.table(level, ("Resource", "Used", "Hard"), rows)


def describe_limit_range(page: Page, limit_range: Any, _: Sequence[Any]) -> None:
    """Write the bounds and defaults of each resource."""
    describe_meta(page, limit_range)
    page.table(0, _LIMITS, _limits([limit_range]))


def _limits(ranges: Sequence[Any]) -> Iterable[Sequence[str]]:
    for item in (item for limit_range in ranges for item in limit_range.spec.limits):
        parts = (item.min, item.max, item.default_request, item.default, item.max_limit_request_ratio)
        for name in sorted({name for part in parts for name in part}):
            yield item.type, name, *(show_amount(part, name) if name in part else "-" for part in parts)


def describe_priority_class(page: Page, found: Any, _: Sequence[Any]) -> None:
    """Write what the Pods of a class get."""
    describe_meta(page, found, namespaced=False)
    page.values(
        0,
        ("Value", str(found.value)),
        ("GlobalDefault", str(found.global_default).lower()),
        ("PreemptionPolicy", found.preemption_policy),
        ("Description", found.description),
    )
    describe_labels(page, found)


def describe_namespace(page: Page, namespace: Any, related: Sequence[Any]) -> None:
    """Write a namespace, why it does not end, and what limits it: `related` are its quotas and limit ranges."""
    describe_meta(page, namespace, namespaced=False)
    describe_labels(page, namespace)
    page.value(0, "Status", namespace.status.phase)
    page.conditions(namespace.status, "Type", "Status", "Reason", "Message")
    quotas = [obj for obj in related if obj.DESCRIPTOR.name == "ResourceQuota"]
    ranges = [obj for obj in related if obj.DESCRIPTOR.name == "LimitRange"]
    page.line(0, "")
    page.line(0, "Resource Quotas:" if quotas else "No resource quota.")
    for quota in quotas:
        page.value(1, "Name", quota.metadata.name)
        _uses(page, 1, quota)
    page.line(0, "")
    page.line(0, "Resource Limits:" if ranges else "No LimitRange resource.")
    if ranges:
        page.table(1, _LIMITS, _limits(ranges))


#: completed indexes are shown up to so many characters
_MAX_INDEXES: Final = 50
_PHASES: Final = {"Running": "Running", "Pending": "Waiting", "Succeeded": "Succeeded", "Failed": "Failed"}


def describe_replicas(page: Page, owner: Any, pods: Sequence[Any]) -> None:
    """Write the page of a ReplicaSet or ReplicationController; `pods` are those that it owns."""
    describe_meta(page, owner)
    page.value(0, "Selector", selector_text(owner.spec.selector))
    describe_labels(page, owner)
    phases = [pod.status.phase for pod in pods]
    page.values(
        0,
        ("Controlled By", controlled_by(owner)),
        ("Replicas", f"{owner.status.replicas} current / {set_text(owner.spec, 'replicas', '1')} desired"),
        ("Pods Status", " / ".join(f"{phases.count(phase)} {word}" for phase, word in _PHASES.items())),
    )
    describe_template(page, owner.spec.template)
    page.conditions(owner.status, "Type", "Status", "Reason")


def describe_deployment(page: Page, found: Any, sets: Sequence[Any]) -> None:
    """Write the page of a Deployment; `sets` are its ReplicaSets."""
    spec, status = found.spec, found.status
    describe_meta(page, found)
    page.value(0, "CreationTimestamp", show_time(found.metadata.creation_timestamp))
    describe_labels(page, found)
    counts = {
        "desired": replicas_of(found),
        "updated": status.updated_replicas,
        "total": status.replicas,
        "available": status.available_replicas,
        "unavailable": status.unavailable_replicas,
    }
    rolling = spec.strategy.rolling_update
    steps = (
        f"{int_or_text(rolling.max_unavailable)} max unavailable, {int_or_text(rolling.max_surge)} max surge"
    )
    page.values(
        0,
        ("Selector", selector_text(spec.selector)),
        ("Replicas", " | ".join(f"{count} {word}" for word, count in counts.items())),
        ("StrategyType", spec.strategy.type),
        ("MinReadySeconds", str(spec.min_ready_seconds)),
        ("RollingUpdateStrategy", steps if spec.strategy.HasField("rolling_update") else None),
    )
    describe_template(page, spec.template)
    page.conditions(status, "Type", "Status", "Reason")
    new = new_replica_set(found, sets)
    old = [rs for rs in old_replica_sets(found, sets) if replicas_of(rs) or rs.status.replicas]
    page.value(0, "OldReplicaSets", ", ".join(_made(rs) for rs in old) or NONE)
    page.value(0, "NewReplicaSet", NONE if new is None else _made(new))


def _made(rs: Any) -> str:
    return f"{rs.metadata.name} ({rs.status.replicas}/{replicas_of(rs)} replicas created)"


def describe_job(page: Page, job: Any, _: Sequence[Any]) -> None:
    """Write what a Job is to do, and how far it is."""
    spec, status = job.spec, job.status
    describe_meta(page, job)
    page.value(0, "Selector", selector_text(spec.selector))
    describe_labels(page, job)
    ended = status.HasField("completion_time")
    ready = f" ({status.ready} Ready)" if status.HasField("ready") else ""
    page.values(
        0,
        ("Controlled By", controlled_by(job)),
        ("Parallelism", _given(spec, "parallelism")),
        ("Completions", set_text(spec, "completions")),
        ("Completion Mode", _given(spec, "completion_mode")),
        ("Suspend", str(spec.suspend).lower() if spec.HasField("suspend") else None),
        ("Backoff Limit", _given(spec, "backoff_limit")),
        ("TTL Seconds After Finished", _given(spec, "ttl_seconds_after_finished")),
        ("Start Time", show_time(status.start_time) if status.HasField("start_time") else None),
        ("Completed At", show_time(status.completion_time) if ended else None),
        ("Duration", job_duration(job, 0.0) if ended else None),
        ("Active Deadline Seconds", _given(spec, "active_deadline_seconds", "s")),
        (
            "Pods Statuses",
            f"{status.active} Active{ready} / {status.succeeded} Succeeded / {status.failed} Failed",
        ),
    )
    if is_indexed(spec):
        page.value(0, "Completed Indexes", _indexes(status.completed_indexes))
        if status.HasField("failed_indexes"):
            page.value(0, "Failed Indexes", _indexes(status.failed_indexes))
    describe_template(page, spec.template)


def _given(message: Any, field: str, unit: str = "") -> str | None:
    return f"{getattr(message, field)}{unit}" if message.HasField(field) else None


def _indexes(text: str) -> str:
    if len(text) < _MAX_INDEXES:
        return text or NONE
    return f"{text[:_MAX_INDEXES].rpartition(',')[0]}, ..."


def describe_cron_job(page: Page, cron_job: Any, _: Sequence[Any]) -> None:
    """Write when a CronJob makes Jobs, and which."""
    spec, status, job = cron_job.spec, cron_job.status, cron_job.spec.job_template.spec
    describe_meta(page, cron_job)
    describe_labels(page, cron_job)
    page.values(
        0,
        ("Schedule", spec.schedule),
        ("Time Zone", _given(spec, "time_zone")),
        ("Concurrency Policy", spec.concurrency_policy),
        ("Suspend", set_text(spec, "suspend")),
        ("Successful Job History Limit", set_text(spec, "successful_jobs_history_limit")),
        ("Failed Job History Limit", set_text(spec, "failed_jobs_history_limit")),
        ("Starting Deadline Seconds", _given(spec, "starting_deadline_seconds", "s") or UNSET),
        ("Selector", selector_text(job.selector) if job.HasField("selector") else UNSET),
        ("Parallelism", set_text(job, "parallelism")),
        ("Completions", set_text(job, "completions")),
        ("Active Deadline Seconds", _given(job, "active_deadline_seconds", "s")),
    )
    describe_template(page, job.template)
    page.value(0, "Last Schedule Time", show_time(status.last_schedule_time))
    page.value(0, "Active Jobs", ", ".join(reference.name for reference in status.active) or NONE)
