"""What `vaina get` shows of each kind, in kubectl's columns (pkg/printers/internalversion), wide ones
included.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.message import Message

from cli.printers.autoscaler_columns import AUTOSCALER_HEADERS, autoscaler_row
from cli.printers.cells import NONE, int_or_text, show_amount
from cli.printers.duration import age, precise
from cli.printers.event_columns import event_row, event_times
from cli.printers.job_columns import CRON_JOB_HEADERS, JOB_HEADERS, WIDE, cron_job_row, job_row
from cli.printers.owner_columns import (
    controller_revision_row,
    daemon_set_row,
    deployment_row,
    pod_template_row,
    replicas_row,
    stateful_set_row,
)
from cli.printers.pod_summary import summarise
from cli.printers.storage_columns import (
    csi_driver_row,
    csi_node_row,
    csi_storage_capacity_row,
    persistent_volume_claim_row,
    persistent_volume_row,
    storage_class_row,
    volume_attachment_row,
)
from cli.printers.table import Styler, Table
from vaina.clock import seconds_of
from vaina.kinds import Kind
from vaina.objects import nodes
from vaina.objects.conditions import get_condition
from vaina.objects.times import format_time

_Row = Callable[[Any, float], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a kind. NAME, and AGE where it is, are part of the rows."""

    headers: tuple[str, ...]
    wide: tuple[str, ...]
    #: (object, now) -> cells of headers and wide
    row: _Row


def status_style(word: str) -> str:
    """Return the colour of a status word."""
    plain = word.split(",")[0].removeprefix("Init:")
    if plain in ("Running", "Ready", "Active", "Normal", "True"):
        return "green"
    if plain in ("Completed", "Complete", "Succeeded"):
        return "dim"
    if (
        plain in ("Failed", "Error", "NotReady", "Unknown", "Evicted", "OOMKilled", "NodeLost")
        or "BackOff" in plain
    ):
        return "red"
    return "red" if plain.startswith(("Err", "Invalid")) else "yellow"


def ready_style(cell: str) -> str:
    """Return the colour of a READY cell like 1/2."""
    have, _, want = cell.partition("/")
    return "" if have == want else "yellow"


_STYLERS: Final[dict[str, Styler]] = {
    "STATUS": status_style,
    "TYPE": lambda w: "yellow" if w == "Warning" else "",
}


def _pod(pod: Any, now: float) -> Sequence[str]:
    summary = summarise(pod)
    status = pod.status
    gates = NONE
    if pod.spec.readiness_gates:
        conditions = (get_condition(status, gate.condition_type) for gate in pod.spec.readiness_gates)
        good = sum(1 for condition in conditions if condition is not None and condition.status == "True")
        gates = f"{good}/{len(pod.spec.readiness_gates)}"
    return (
        pod.metadata.name, f"{summary.ready}/{summary.total}", summary.status, summary.restarts_text(now),
        age(pod.metadata.creation_timestamp, now),
        status.pod_ip or NONE, pod.spec.node_name or NONE, status.nominated_node_name or NONE, gates,
    )  # fmt: skip


def _node(node: Any, now: float) -> Sequence[str]:
    ready = nodes.get_condition(node.status, "Ready")
    words = [("Ready" if ready.status == "True" else "NotReady") if ready is not None else "Unknown"]
    if node.spec.unschedulable:
        words.append("SchedulingDisabled")
    info = node.status.node_info
    return (
        node.metadata.name, ",".join(words), ",".join(nodes.roles(node)) or NONE,
        age(node.metadata.creation_timestamp, now), info.kubelet_version,
        nodes.address(node) or NONE, nodes.address(node, "ExternalIP") or NONE,
        info.os_image or "<unknown>", info.kernel_version or "<unknown>", info.container_runtime_version or "<unknown>",
    )  # fmt: skip


def _namespace(namespace: Any, now: float) -> Sequence[str]:
    return namespace.metadata.name, namespace.status.phase, age(namespace.metadata.creation_timestamp, now)


def _config_map(config: Any, now: float) -> Sequence[str]:
    size = len(config.data) + len(config.binary_data)
    return config.metadata.name, str(size), age(config.metadata.creation_timestamp, now)


def _secret(secret: Any, now: float) -> Sequence[str]:
    return (
        secret.metadata.name,
        secret.type,
        str(len(secret.data)),
        age(secret.metadata.creation_timestamp, now),
    )


def _lease(lease: Any, now: float) -> Sequence[str]:
    return lease.metadata.name, lease.spec.holder_identity, age(lease.metadata.creation_timestamp, now)


def _resource_quota(quota: Any, now: float) -> Sequence[str]:
    used, hard = quota.status.used, quota.status.hard
    shown = [f"{name}: {show_amount(used, name)}/{show_amount(hard, name)}" for name in sorted(hard)]
    requests = ", ".join(text for text in shown if not text.startswith("limits"))
    limits = ", ".join(text for text in shown if text.startswith("limits"))
    return quota.metadata.name, requests, limits, age(quota.metadata.creation_timestamp, now)


def _limit_range(limit_range: Any, _: float) -> Sequence[str]:
    return limit_range.metadata.name, format_time(limit_range.metadata.creation_timestamp) or "<unknown>"


def _priority_class(found: Any, now: float) -> Sequence[str]:
    return (
        found.metadata.name, str(found.value), str(found.global_default).lower(),
        age(found.metadata.creation_timestamp, now), found.preemption_policy,
    )  # fmt: skip


def _runtime_class(found: Any, now: float) -> Sequence[str]:
    return found.metadata.name, found.handler, age(found.metadata.creation_timestamp, now)


def _budget(budget: Any, now: float) -> Sequence[str]:
    spec = budget.spec
    return (
        budget.metadata.name,
        int_or_text(spec.min_available) if spec.HasField("min_available") else "N/A",
        int_or_text(spec.max_unavailable) if spec.HasField("max_unavailable") else "N/A",
        str(budget.status.disruptions_allowed), age(budget.metadata.creation_timestamp, now),
    )  # fmt: skip


def _trace(trace: Any, now: float) -> Sequence[str]:
    steps = trace.status.steps
    took = ""
    if steps:
        starts = [seconds_of(s.start_time if s.start_time.seconds else s.end_time) for s in steps]
        ends = [seconds_of(s.end_time if s.end_time.seconds else s.start_time) for s in steps]
        took = precise(max(ends) - min(starts))
    return (
        trace.metadata.name, trace.spec.pod_name, f"{len(steps)}/7", took, age(trace.metadata.creation_timestamp, now),
        trace.status.node_name or NONE,
    )  # fmt: skip


_REPLICAS: Final = Columns(
    ("NAME", "DESIRED", "CURRENT", "READY", "AGE"), ("CONTAINERS", "IMAGES", "SELECTOR"), replicas_row
)
_BY_KIND: Final[Mapping[str, Columns]] = {
    "Pod": Columns(
        ("NAME", "READY", "STATUS", "RESTARTS", "AGE"),
        ("IP", "NODE", "NOMINATED NODE", "READINESS GATES"),
        _pod,
    ),
    "Node": Columns(
        ("NAME", "STATUS", "ROLES", "AGE", "VERSION"),
        ("INTERNAL-IP", "EXTERNAL-IP", "OS-IMAGE", "KERNEL-VERSION", "CONTAINER-RUNTIME"),
        _node,
    ),
    "Namespace": Columns(("NAME", "STATUS", "AGE"), (), _namespace),
    "ConfigMap": Columns(("NAME", "DATA", "AGE"), (), _config_map),
    "Secret": Columns(("NAME", "TYPE", "DATA", "AGE"), (), _secret),
    "Event": Columns(
        ("LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"),
        ("SUBOBJECT", "SOURCE", "FIRST SEEN", "COUNT", "NAME"),
        event_row,
    ),
    "PodTemplate": Columns(("NAME", "CONTAINERS", "IMAGES", "POD LABELS"), (), pod_template_row),
    "ReplicationController": _REPLICAS,
    "ReplicaSet": _REPLICAS,
    "Deployment": Columns(
        ("NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"),
        ("CONTAINERS", "IMAGES", "SELECTOR"),
        deployment_row,
    ),
    "StatefulSet": Columns(("NAME", "READY", "AGE"), ("CONTAINERS", "IMAGES"), stateful_set_row),
    "DaemonSet": Columns(
        ("NAME", "DESIRED", "CURRENT", "READY", "UP-TO-DATE", "AVAILABLE", "NODE SELECTOR", "AGE"),
        ("CONTAINERS", "IMAGES", "SELECTOR"),
        daemon_set_row,
    ),
    "ControllerRevision": Columns(("NAME", "CONTROLLER", "REVISION", "AGE"), (), controller_revision_row),
    "Job": Columns(JOB_HEADERS, WIDE, job_row),
    "CronJob": Columns(CRON_JOB_HEADERS, WIDE, cron_job_row),
    "HorizontalPodAutoscaler": Columns(AUTOSCALER_HEADERS, (), autoscaler_row),
    "ResourceQuota": Columns(("NAME", "REQUEST", "LIMIT", "AGE"), (), _resource_quota),
    "LimitRange": Columns(("NAME", "CREATED AT"), (), _limit_range),
    "PriorityClass": Columns(
        ("NAME", "VALUE", "GLOBAL-DEFAULT", "AGE", "PREEMPTIONPOLICY"), (), _priority_class
    ),
    "RuntimeClass": Columns(("NAME", "HANDLER", "AGE"), (), _runtime_class),
    "PodDisruptionBudget": Columns(
        ("NAME", "MIN AVAILABLE", "MAX UNAVAILABLE", "ALLOWED DISRUPTIONS", "AGE"), (), _budget
    ),
    "PersistentVolume": Columns(
        (
            "NAME",
            "CAPACITY",
            "ACCESS MODES",
            "RECLAIM POLICY",
            "STATUS",
            "CLAIM",
            "STORAGECLASS",
            "VOLUMEATTRIBUTESCLASS",
            "REASON",
            "AGE",
        ),
        ("VOLUMEMODE",),
        persistent_volume_row,
    ),
    "PersistentVolumeClaim": Columns(
        (
            "NAME",
            "STATUS",
            "VOLUME",
            "CAPACITY",
            "ACCESS MODES",
            "STORAGECLASS",
            "VOLUMEATTRIBUTESCLASS",
            "AGE",
        ),
        ("VOLUMEMODE",),
        persistent_volume_claim_row,
    ),
    "StorageClass": Columns(
        ("NAME", "PROVISIONER", "RECLAIMPOLICY", "VOLUMEBINDINGMODE", "ALLOWVOLUMEEXPANSION", "AGE"),
        (),
        storage_class_row,
    ),
    "CSINode": Columns(("NAME", "DRIVERS", "AGE"), (), csi_node_row),
    "CSIDriver": Columns(
        (
            "NAME",
            "ATTACHREQUIRED",
            "PODINFOONMOUNT",
            "STORAGECAPACITY",
            "TOKENREQUESTS",
            "REQUIRESREPUBLISH",
            "MODES",
            "AGE",
        ),
        (),
        csi_driver_row,
    ),
    "CSIStorageCapacity": Columns(("NAME", "STORAGECLASSNAME", "CAPACITY"), (), csi_storage_capacity_row),
    "VolumeAttachment": Columns(
        ("NAME", "ATTACHER", "PV", "NODE", "ATTACHED", "AGE"), (), volume_attachment_row
    ),
    "Lease": Columns(("NAME", "HOLDER", "AGE"), (), _lease),
    "PodTrace": Columns(("NAME", "POD", "STEPS", "TOOK", "AGE"), ("NODE",), _trace),
}


def _any(obj: Any, now: float) -> Sequence[str]:
    return obj.metadata.name, age(obj.metadata.creation_timestamp, now)


_OTHERS: Final = Columns(("NAME", "AGE"), (), _any)


def resource_name(kind: Kind[Any]) -> str:
    """Return the kind as names of objects begin with it: pod, replicaset.apps."""
    return f"{kind.singular}.{kind.group}" if kind.group else kind.singular


@dataclass(frozen=True, slots=True)
class Shown:
    """Which columns a table has beside those of its kind."""

    #: those of -o wide
    wide: bool = False
    #: first the namespace (-A)
    with_namespace: bool = False
    #: names as pod/web, for several kinds at once
    with_kind: bool = False
    #: keys of labels that have a column each (-L), behind the kind's own
    label_columns: Sequence[str] = ()
    #: all labels at the end (--show-labels)
    with_labels: bool = False


def make_table(kind: Kind[Any], items: Sequence[Message], now: float, shown: Shown = Shown()) -> Table:
    """Make the table of some objects of one kind; now in seconds since the epoch, for ages."""
    columns = _BY_KIND.get(kind.kind, _OTHERS)
    count = len(columns.headers) + (len(columns.wide) if shown.wide else 0)
    headers = (*columns.headers, *columns.wide)[:count]
    rows: list[Sequence[str]] = []
    for item in items:
        fields: Any = item
        cells = list(columns.row(item, now))[:count]
        if shown.with_kind and "NAME" in headers:
            place = headers.index("NAME")
            cells[place] = f"{resource_name(kind)}/{cells[place]}"
        if shown.with_namespace:
            cells.insert(0, fields.metadata.namespace)
        labels = fields.metadata.labels
        cells.extend(labels.get(key, "") for key in shown.label_columns)
        if shown.with_labels:
            cells.append(",".join(f"{key}={labels[key]}" for key in sorted(labels)) or NONE)
        rows.append(cells)
    first = ["NAMESPACE"] if shown.with_namespace else []
    last = [key.rpartition("/")[2].upper() for key in shown.label_columns]
    last += ["LABELS"] if shown.with_labels else []
    stylers = dict(_STYLERS)
    if kind.kind == "Pod":
        stylers["READY"] = ready_style
    return Table((*first, *headers, *last), rows, stylers)


def sort_items(kind: Kind[Any], items: Sequence[Message]) -> list[Message]:
    """Return the objects in the order of a table: by namespace and name, events by when they were last seen."""

    def key(item: Any) -> tuple[Any, ...]:
        if kind.kind == "Event":
            return (event_times(item)[1] or 0.0, item.metadata.name)
        if kind.kind == "PodTrace":
            return (item.metadata.namespace, item.metadata.creation_timestamp.seconds, item.spec.pod_name)
        return (item.metadata.namespace, item.metadata.name)

    return sorted(items, key=key)
