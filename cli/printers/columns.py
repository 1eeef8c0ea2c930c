"""What `vaina get` shows of each kind, in kubectl's columns (pkg/printers/internalversion), wide ones included."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.message import Message

from cli.printers.autoscaler_columns import AUTOSCALER_HEADERS, autoscaler_row
from cli.printers.duration import age, human_duration, precise
from cli.printers.job_columns import CRON_JOB_HEADERS, JOB_HEADERS, WIDE, cron_job_row, job_row
from cli.printers.pod_summary import summarise
from cli.printers.table import Styler, Table
from vaina.clock import seconds_of
from vaina.kinds import Kind
from vaina.objects import nodes, selectors
from vaina.objects.conditions import get_condition
from vaina.objects.meta import controller_of
from vaina.objects.quota_claims import class_of
from vaina.objects.times import format_time

NONE: Final = "<none>"
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


def event_times(event: Any) -> tuple[float | None, float | None]:
    """Return when an event was first and last seen, in seconds; None when it does not say."""

    def first_set(*stamps: Any) -> float | None:
        return next((seconds_of(stamp) for stamp in stamps if stamp.seconds), None)

    first = first_set(event.first_timestamp, event.event_time)
    last = first_set(event.series.last_observed_time, event.last_timestamp, event.event_time)
    return first, last if last is not None else first


def event_object(event: Any) -> str:
    """Return the object of an event: pod/web."""
    return f"{event.involved_object.kind.lower()}/{event.involved_object.name}"


def event_source(event: Any) -> str:
    """Return who reports an event: kubelet, node-1."""
    component = event.source.component or event.reporting_component
    host = event.source.host or event.reporting_instance
    return f"{component}, {host}" if host else component


def event_count(event: Any) -> int:
    """Return how often an event was seen."""
    return event.series.count or event.count or 1


def _event(event: Any, now: float) -> Sequence[str]:
    first, last = event_times(event)

    def since(seconds: float | None) -> str:
        return "<unknown>" if seconds is None else human_duration(now - seconds)

    return (
        since(last), event.type, event.reason, event_object(event), event.message.strip(),
        event.involved_object.field_path, event_source(event), since(first), str(event_count(event)), event.metadata.name,
    )  # fmt: skip


def _replicas(owner: Any, now: float) -> Sequence[str]:
    spec, status = owner.spec, owner.status
    containers = spec.template.spec.containers
    desired = spec.replicas if spec.HasField("replicas") else 1
    return (
        owner.metadata.name, str(desired), str(status.replicas), str(status.ready_replicas),
        age(owner.metadata.creation_timestamp, now),
        ",".join(c.name for c in containers), ",".join(c.image for c in containers), show_selector(owner),
    )  # fmt: skip


def _deployment(found: Any, now: float) -> Sequence[str]:
    spec, status = found.spec, found.status
    containers = spec.template.spec.containers
    return (
        found.metadata.name, f"{status.ready_replicas}/{spec.replicas if spec.HasField('replicas') else 1}",
        str(status.updated_replicas), str(status.available_replicas), age(found.metadata.creation_timestamp, now),
        ",".join(c.name for c in containers), ",".join(c.image for c in containers), show_selector(found),
    )  # fmt: skip


def _stateful_set(found: Any, now: float) -> Sequence[str]:
    spec, status = found.spec, found.status
    containers = spec.template.spec.containers
    return (
        found.metadata.name, f"{status.ready_replicas}/{spec.replicas if spec.HasField('replicas') else 1}",
        age(found.metadata.creation_timestamp, now),
        ",".join(c.name for c in containers), ",".join(c.image for c in containers),
    )  # fmt: skip


def _daemon_set(found: Any, now: float) -> Sequence[str]:
    spec, status = found.spec, found.status
    containers, selector = spec.template.spec.containers, spec.template.spec.node_selector
    return (
        found.metadata.name, str(status.desired_number_scheduled), str(status.current_number_scheduled),
        str(status.number_ready), str(status.updated_number_scheduled), str(status.number_available),
        ",".join(f"{key}={value}" for key, value in sorted(selector.items())) or NONE,
        age(found.metadata.creation_timestamp, now),
        ",".join(c.name for c in containers), ",".join(c.image for c in containers), show_selector(found),
    )  # fmt: skip


def _controller_revision(found: Any, now: float) -> Sequence[str]:
    owner = controller_of(found.metadata)
    controller = NONE
    if owner is not None:
        group = owner.api_version.rpartition("/")[0]
        controller = f"{owner.kind.lower()}{'.' + group if group else ''}/{owner.name}"
    return found.metadata.name, controller, str(found.revision), age(found.metadata.creation_timestamp, now)


def show_selector(owner: Any) -> str:
    """Write the selector of a ReplicaSet or ReplicationController as text."""
    return selector_text(owner.spec.selector)


def selector_text(selector: Any) -> str:
    """Write a LabelSelector, or a map of labels, as text."""
    if hasattr(selector, "match_labels"):
        try:
            return str(selectors.from_message(selector)) or NONE
        except selectors.SelectorError:
            return "<error>"
    return ",".join(f"{key}={selector[key]}" for key in sorted(selector)) or NONE


def _lease(lease: Any, now: float) -> Sequence[str]:
    return lease.metadata.name, lease.spec.holder_identity, age(lease.metadata.creation_timestamp, now)


def _resource_quota(quota: Any, now: float) -> Sequence[str]:
    used, hard = quota.status.used, quota.status.hard
    shown = [f"{name}: {show_amount(used, name)}/{show_amount(hard, name)}" for name in sorted(hard)]
    requests = ", ".join(text for text in shown if not text.startswith("limits"))
    limits = ", ".join(text for text in shown if text.startswith("limits"))
    return quota.metadata.name, requests, limits, age(quota.metadata.creation_timestamp, now)


def show_amount(amounts: Any, name: str) -> str:
    """Write an amount of a map of amounts; what is not there is nothing."""
    return (amounts[name].string if name in amounts else "") or "0"


def _limit_range(limit_range: Any, _: float) -> Sequence[str]:
    return limit_range.metadata.name, format_time(limit_range.metadata.creation_timestamp) or "<unknown>"


def _priority_class(found: Any, now: float) -> Sequence[str]:
    return (
        found.metadata.name, str(found.value), str(found.global_default).lower(),
        age(found.metadata.creation_timestamp, now), found.preemption_policy,
    )  # fmt: skip


def _budget(budget: Any, now: float) -> Sequence[str]:
    spec = budget.spec
    return (
        budget.metadata.name,
        int_or_text(spec.min_available) if spec.HasField("min_available") else "N/A",
        int_or_text(spec.max_unavailable) if spec.HasField("max_unavailable") else "N/A",
        str(budget.status.disruptions_allowed), age(budget.metadata.creation_timestamp, now),
    )  # fmt: skip


def int_or_text(value: Any) -> str:
    """Write an IntOrString."""
    return value.str_val if value.type else str(value.int_val)


_ACCESS: Final = (
    ("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP"),
)  # fmt: skip


def _access(modes: Sequence[str]) -> str:
    return ",".join(short for mode, short in _ACCESS if mode in modes)


def _phase(obj: Any) -> str:
    return "Terminating" if obj.metadata.HasField("deletion_timestamp") else str(obj.status.phase)


def _attributes_class(spec: Any) -> str:
    return spec.volume_attributes_class_name or "<unset>"


def _mode(spec: Any) -> str:
    return spec.volume_mode if spec.HasField("volume_mode") else "<unset>"


def _persistent_volume(volume: Any, now: float) -> Sequence[str]:
    spec, claim = volume.spec, volume.spec.claim_ref
    return (
        volume.metadata.name, show_amount(spec.capacity, "storage"), _access(spec.access_modes),
        spec.persistent_volume_reclaim_policy, _phase(volume),
        f"{claim.namespace}/{claim.name}" if spec.HasField("claim_ref") else "", class_of(volume),
        _attributes_class(spec), volume.status.reason, age(volume.metadata.creation_timestamp, now), _mode(spec),
    )  # fmt: skip


def _persistent_volume_claim(claim: Any, now: float) -> Sequence[str]:
    spec, bound = claim.spec, bool(claim.spec.volume_name)
    return (
        claim.metadata.name, _phase(claim), spec.volume_name,
        show_amount(claim.status.capacity, "storage") if bound else "",
        _access(claim.status.access_modes) if bound else "", class_of(claim), _attributes_class(spec),
        age(claim.metadata.creation_timestamp, now), _mode(spec),
    )  # fmt: skip


_DEFAULT_CLASS: Final = (
    "storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class",
)  # fmt: skip


def _storage_class(found: Any, now: float) -> Sequence[str]:
    default = any(found.metadata.annotations.get(key) == "true" for key in _DEFAULT_CLASS)
    return (
        f"{found.metadata.name} (default)" if default else found.metadata.name, found.provisioner, found.reclaim_policy,
        found.volume_binding_mode, str(found.allow_volume_expansion).lower(),
        age(found.metadata.creation_timestamp, now),
    )  # fmt: skip


def _csi_node(node: Any, now: float) -> Sequence[str]:
    return node.metadata.name, str(len(node.spec.drivers)), age(node.metadata.creation_timestamp, now)


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
    ("NAME", "DESIRED", "CURRENT", "READY", "AGE"), ("CONTAINERS", "IMAGES", "SELECTOR"), _replicas
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
        _event,
    ),
    "ReplicationController": _REPLICAS,
    "ReplicaSet": _REPLICAS,
    "Deployment": Columns(
        ("NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"),
        ("CONTAINERS", "IMAGES", "SELECTOR"),
        _deployment,
    ),
    "StatefulSet": Columns(("NAME", "READY", "AGE"), ("CONTAINERS", "IMAGES"), _stateful_set),
    "DaemonSet": Columns(
        ("NAME", "DESIRED", "CURRENT", "READY", "UP-TO-DATE", "AVAILABLE", "NODE SELECTOR", "AGE"),
        ("CONTAINERS", "IMAGES", "SELECTOR"),
        _daemon_set,
    ),
    "ControllerRevision": Columns(("NAME", "CONTROLLER", "REVISION", "AGE"), (), _controller_revision),
    "Job": Columns(JOB_HEADERS, WIDE, job_row),
    "CronJob": Columns(CRON_JOB_HEADERS, WIDE, cron_job_row),
    "HorizontalPodAutoscaler": Columns(AUTOSCALER_HEADERS, (), autoscaler_row),
    "ResourceQuota": Columns(("NAME", "REQUEST", "LIMIT", "AGE"), (), _resource_quota),
    "LimitRange": Columns(("NAME", "CREATED AT"), (), _limit_range),
    "PriorityClass": Columns(
        ("NAME", "VALUE", "GLOBAL-DEFAULT", "AGE", "PREEMPTIONPOLICY"), (), _priority_class
    ),
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
        _persistent_volume,
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
        _persistent_volume_claim,
    ),
    "StorageClass": Columns(
        ("NAME", "PROVISIONER", "RECLAIMPOLICY", "VOLUMEBINDINGMODE", "ALLOWVOLUMEEXPANSION", "AGE"),
        (),
        _storage_class,
    ),
    "CSINode": Columns(("NAME", "DRIVERS", "AGE"), (), _csi_node),
    "Lease": Columns(("NAME", "HOLDER", "AGE"), (), _lease),
    "PodTrace": Columns(("NAME", "POD", "STEPS", "TOOK", "AGE"), ("NODE",), _trace),
}


def _any(obj: Any, now: float) -> Sequence[str]:
    return obj.metadata.name, age(obj.metadata.creation_timestamp, now)


_OTHERS: Final = Columns(("NAME", "AGE"), (), _any)


def resource_name(kind: Kind[Any]) -> str:
    """Return the kind as names of objects begin with it: pod, replicaset.apps."""
    return f"{kind.singular}.{kind.group}" if kind.group else kind.singular


def make_table(
    kind: Kind[Any],
    items: Sequence[Message],
    now: float,
    *,
    wide: bool = False,
    with_namespace: bool = False,
    with_kind: bool = False,
    with_labels: bool = False,
) -> Table:
    """Make the table of some objects of one kind.

    Args:
        kind: their kind.
        items: the objects.
        now: seconds since the epoch, for ages.
        wide: with the columns of -o wide.
        with_namespace: begin with the namespace (-A).
        with_kind: names as pod/web, for several kinds at once.
        with_labels: end with the labels (--show-labels).
    """
    columns = _BY_KIND.get(kind.kind, _OTHERS)
    count = len(columns.headers) + (len(columns.wide) if wide else 0)
    headers = (*columns.headers, *columns.wide)[:count]
    rows: list[Sequence[str]] = []
    for item in items:
        fields: Any = item
        cells = list(columns.row(item, now))[:count]
        if with_kind and "NAME" in headers:
            place = headers.index("NAME")
            cells[place] = f"{resource_name(kind)}/{cells[place]}"
        if with_namespace:
            cells.insert(0, fields.metadata.namespace)
        if with_labels:
            labels = fields.metadata.labels
            cells.append(",".join(f"{key}={labels[key]}" for key in sorted(labels)) or NONE)
        rows.append(cells)
    shown = (*(("NAMESPACE",) if with_namespace else ()), *headers, *(("LABELS",) if with_labels else ()))
    stylers = dict(_STYLERS)
    if kind.kind == "Pod":
        stylers["READY"] = ready_style
    return Table(shown, rows, stylers)


def sort_items(kind: Kind[Any], items: Sequence[Message]) -> list[Message]:
    """Return the objects in the order of a table: by namespace and name, events by when they were last seen."""

    def key(item: Any) -> tuple[Any, ...]:
        if kind.kind == "Event":
            return (event_times(item)[1] or 0.0, item.metadata.name)
        if kind.kind == "PodTrace":
            return (item.metadata.namespace, item.metadata.creation_timestamp.seconds, item.spec.pod_name)
        return (item.metadata.namespace, item.metadata.name)

    return sorted(items, key=key)
