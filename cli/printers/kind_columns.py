"""The columns of each kind in `vaina get`, as kubectl has them (`pkg/printers/internalversion`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cli.printers.autoscaler import metrics_text
from cli.printers.cells import (
    NONE,
    UNKNOWN,
    UNSET,
    Cell,
    at,
    count,
    event_count,
    event_source,
    event_times,
    human_duration,
    int_or_text,
    job_duration,
    precise,
    selector,
    set_at,
    show_amount,
    since,
    template,
)
from cli.printers.pod_summary import summarise
from cli.printers.rbac import created_at, role_ref, subjects
from vaina.clock import seconds_of
from vaina.objects import nodes
from vaina.objects.conditions import get_condition
from vaina.objects.jobs import COMPLETE, FAILED, FAILURE_TARGET, SUCCESS_CRITERIA_MET, SUSPENDED, is_true
from vaina.objects.meta import controller_of
from vaina.objects.quota import class_of
from vaina.objects.rollouts import replicas_of


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a kind, by their headers: those that are always shown, and those of -o wide."""

    shown: Mapping[str, Cell]
    wide: Mapping[str, Cell] = field(default_factory=dict[str, Cell])


def _readiness_gates(pod: Any, _: float) -> str:
    gates = pod.spec.readiness_gates
    conditions = (get_condition(pod.status, gate.condition_type) for gate in gates)
    good = sum(1 for condition in conditions if condition is not None and condition.status == "True")
    return f"{good}/{len(gates)}" if gates else NONE


def _node_status(node: Any, _: float) -> str:
    ready = get_condition(node.status, "Ready")
    word = "Unknown" if ready is None else "Ready" if ready.status == "True" else "NotReady"
    return f"{word},SchedulingDisabled" if node.spec.unschedulable else word


def _requested_duration(csr: Any, _: float) -> str:
    return human_duration(csr.spec.expiration_seconds) if csr.spec.HasField("expiration_seconds") else NONE


def _decision(csr: Any, _: float) -> str:
    """Show what became of a certificate request: Pending, Approved,Issued and so on (extractCSRStatus)."""
    types = {condition.type for condition in csr.status.conditions}
    word = next((word for word in ("Denied", "Approved") if word in types), "Pending")
    return f"{word}{',Failed' * ('Failed' in types)}{',Issued' * bool(csr.status.certificate)}"


def _quota(*, limits: bool) -> Cell:
    def cell(quota: Any, _: float) -> str:
        used, hard = quota.status.used, quota.status.hard
        names = (name for name in sorted(hard) if name.startswith("limits") == limits)
        return ", ".join(f"{name}: {show_amount(used, name)}/{show_amount(hard, name)}" for name in names)

    return cell


def _bound(field: str) -> Cell:
    return lambda budget, _: (
        int_or_text(getattr(budget.spec, field)) if budget.spec.HasField(field) else "N/A"
    )


def _took(trace: Any, _: float) -> str:
    steps = trace.status.steps
    if not steps:
        return ""
    starts = [seconds_of(s.start_time if s.start_time.seconds else s.end_time) for s in steps]
    ends = [seconds_of(s.end_time if s.end_time.seconds else s.start_time) for s in steps]
    return precise(max(ends) - min(starts))


def _event_since(which: int) -> Cell:
    def cell(event: Any, now: float) -> str:
        seconds = event_times(event)[which]
        return UNKNOWN if seconds is None else human_duration(now - seconds)

    return cell


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


_ACCESS: Final = {
    "ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP",
}  # fmt: skip


def _access(modes: Sequence[str]) -> str:
    return ",".join(short for mode, short in _ACCESS.items() if mode in modes)


def _phase(obj: Any, _: float) -> str:
    return "Terminating" if obj.metadata.HasField("deletion_timestamp") else str(obj.status.phase)


def _claim(volume: Any, _: float) -> str:
    claim = volume.spec.claim_ref
    return f"{claim.namespace}/{claim.name}" if volume.spec.HasField("claim_ref") else ""


_DEFAULT_CLASS: Final = (
    "storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class",
)  # fmt: skip


def _class_name(found: Any, _: float) -> str:
    default = any(found.metadata.annotations.get(key) == "true" for key in _DEFAULT_CLASS)
    return f"{found.metadata.name} (default)" if default else str(found.metadata.name)


def _attach_required(driver: Any, _: float) -> str:
    spec = driver.spec
    return str(spec.attach_required or not spec.HasField("attach_required")).lower()


def _audiences(driver: Any, _: float) -> str:
    requests = driver.spec.token_requests
    return ",".join(request.audience for request in requests) if requests else UNSET


_NAME: Final = {"NAME": at("metadata.name")}
_AGE: Final = {"AGE": since("metadata.creation_timestamp")}


def _named(columns: Mapping[str, Cell], wide: Mapping[str, Cell] | None = None) -> Columns:
    return Columns({**_NAME, **columns, **_AGE}, wide or {})


_OWNED: Final = {**template("spec.template"), "SELECTOR": selector("spec.selector")}
_REPLICAS: Final = _named(
    {
        "DESIRED": lambda owner, _: str(replicas_of(owner)),
        "CURRENT": at("status.replicas"),
        "READY": at("status.ready_replicas"),
    },
    _OWNED,
)
_CREATED: Final = Columns({**_NAME, "CREATED AT": created_at})
_BOUND: Final = _named(
    {"ROLE": role_ref},
    {"USERS": subjects("User"), "GROUPS": subjects("Group"), "SERVICEACCOUNTS": subjects("ServiceAccount")},
)
COLUMNS: Final[Mapping[str, Columns]] = {
    "Pod": _named(
        {
            "READY": lambda pod, _: summarise(pod).ready_text,
            "STATUS": lambda pod, _: summarise(pod).status,
            "RESTARTS": lambda pod, now: summarise(pod).restarts_text(now),
        },
        {
            "IP": at("status.pod_ip", NONE),
            "NODE": at("spec.node_name", NONE),
            "NOMINATED NODE": at("status.nominated_node_name", NONE),
            "READINESS GATES": _readiness_gates,
        },
    ),
    "Node": Columns(
        {
            **_NAME,
            "STATUS": _node_status,
            "ROLES": lambda node, _: ",".join(nodes.roles(node)) or NONE,
            **_AGE,
            "VERSION": at("status.node_info.kubelet_version"),
        },
        {
            "INTERNAL-IP": lambda node, _: nodes.address(node) or NONE,
            "EXTERNAL-IP": lambda node, _: nodes.address(node, "ExternalIP") or NONE,
            "OS-IMAGE": at("status.node_info.os_image", UNKNOWN),
            "KERNEL-VERSION": at("status.node_info.kernel_version", UNKNOWN),
            "CONTAINER-RUNTIME": at("status.node_info.container_runtime_version", UNKNOWN),
        },
    ),
    "Namespace": _named({"STATUS": at("status.phase")}),
    "ConfigMap": _named({"DATA": lambda config, _: str(len(config.data) + len(config.binary_data))}),
    "Secret": _named({"TYPE": at("type"), "DATA": count("data")}),
    "Event": Columns(
        {
            "LAST SEEN": _event_since(1),
            "TYPE": at("type"),
            "REASON": at("reason"),
            "OBJECT": lambda it, _: f"{it.involved_object.kind.lower()}/{it.involved_object.name}",
            "MESSAGE": lambda event, _: event.message.strip(),
        },
        {
            "SUBOBJECT": at("involved_object.field_path"),
            "SOURCE": lambda event, _: event_source(event),
            "FIRST SEEN": _event_since(0),
            "COUNT": lambda event, _: str(event_count(event)),
            **_NAME,
        },
    ),
    "PodTemplate": Columns(
        {**_NAME, **template("template"), "POD LABELS": selector("template.metadata.labels")}
    ),
    "ReplicationController": _REPLICAS,
    "ReplicaSet": _REPLICAS,
    "Deployment": _named(
        {
            "READY": _ready_of_desired,
            "UP-TO-DATE": at("status.updated_replicas"),
            "AVAILABLE": at("status.available_replicas"),
        },
        _OWNED,
    ),
    "StatefulSet": _named({"READY": _ready_of_desired}, template("spec.template")),
    "DaemonSet": _named(
        {
            "DESIRED": at("status.desired_number_scheduled"),
            "CURRENT": at("status.current_number_scheduled"),
            "READY": at("status.number_ready"),
            "UP-TO-DATE": at("status.updated_number_scheduled"),
            "AVAILABLE": at("status.number_available"),
            "NODE SELECTOR": selector("spec.template.spec.node_selector"),
        },
        _OWNED,
    ),
    "ControllerRevision": _named({"CONTROLLER": _controller, "REVISION": at("revision")}),
    "Job": _named({"STATUS": _job_status, "COMPLETIONS": _completions, "DURATION": job_duration}, _OWNED),
    "CronJob": _named(
        {
            "SCHEDULE": at("spec.schedule"),
            "TIMEZONE": set_at("spec.time_zone", NONE),
            "SUSPEND": set_at("spec.suspend"),
            "ACTIVE": count("status.active"),
            "LAST SCHEDULE": lambda job, now: (
                since("status.last_schedule_time")(job, now)
                if job.status.HasField("last_schedule_time")
                else NONE
            ),
        },
        {
            **template("spec.job_template.spec.template"),
            "SELECTOR": selector("spec.job_template.spec.selector"),
        },
    ),
    "HorizontalPodAutoscaler": _named(
        {
            "REFERENCE": lambda it, _: f"{it.spec.scale_target_ref.kind}/{it.spec.scale_target_ref.name}",
            "TARGETS": lambda found, _: metrics_text(found.spec.metrics, found.status.current_metrics),
            "MINPODS": set_at("spec.min_replicas"),
            "MAXPODS": at("spec.max_replicas"),
            "REPLICAS": at("status.current_replicas"),
        }
    ),
    "ResourceQuota": _named({"REQUEST": _quota(limits=False), "LIMIT": _quota(limits=True)}),
    "LimitRange": _CREATED,
    "ClusterRole": _CREATED,
    "Role": _CREATED,
    "ClusterRoleBinding": _BOUND,
    "RoleBinding": _BOUND,
    "PriorityClass": Columns(
        {
            **_NAME,
            "VALUE": at("value"),
            "GLOBAL-DEFAULT": at("global_default"),
            **_AGE,
            "PREEMPTIONPOLICY": at("preemption_policy"),
        }
    ),
    "RuntimeClass": _named({"HANDLER": at("handler")}),
    "PodDisruptionBudget": _named(
        {
            "MIN AVAILABLE": _bound("min_available"),
            "MAX UNAVAILABLE": _bound("max_unavailable"),
            "ALLOWED DISRUPTIONS": at("status.disruptions_allowed"),
        }
    ),
    "PersistentVolume": _named(
        {
            "CAPACITY": lambda volume, _: show_amount(volume.spec.capacity, "storage"),
            "ACCESS MODES": lambda volume, _: _access(volume.spec.access_modes),
            "RECLAIM POLICY": at("spec.persistent_volume_reclaim_policy"),
            "STATUS": _phase,
            "CLAIM": _claim,
            "STORAGECLASS": lambda volume, _: class_of(volume),
            "VOLUMEATTRIBUTESCLASS": at("spec.volume_attributes_class_name", UNSET),
            "REASON": at("status.reason"),
        },
        {"VOLUMEMODE": set_at("spec.volume_mode")},
    ),
    "PersistentVolumeClaim": _named(
        {
            "STATUS": _phase,
            "VOLUME": at("spec.volume_name"),
            "CAPACITY": lambda it, _: (
                show_amount(it.status.capacity, "storage") if it.spec.volume_name else ""
            ),
            "ACCESS MODES": lambda it, _: _access(it.status.access_modes) if it.spec.volume_name else "",
            "STORAGECLASS": lambda claim, _: class_of(claim),
            "VOLUMEATTRIBUTESCLASS": at("spec.volume_attributes_class_name", UNSET),
        },
        {"VOLUMEMODE": set_at("spec.volume_mode")},
    ),
    "StorageClass": Columns(
        {
            "NAME": _class_name,
            "PROVISIONER": at("provisioner"),
            "RECLAIMPOLICY": at("reclaim_policy"),
            "VOLUMEBINDINGMODE": at("volume_binding_mode"),
            "ALLOWVOLUMEEXPANSION": at("allow_volume_expansion"),
            **_AGE,
        }
    ),
    "CSINode": _named({"DRIVERS": count("spec.drivers")}),
    "CSIDriver": _named(
        {
            "ATTACHREQUIRED": _attach_required,
            "PODINFOONMOUNT": at("spec.pod_info_on_mount"),
            "STORAGECAPACITY": at("spec.storage_capacity"),
            "TOKENREQUESTS": _audiences,
            "REQUIRESREPUBLISH": at("spec.requires_republish"),
            "MODES": lambda driver, _: ",".join(driver.spec.volume_lifecycle_modes) or NONE,
        }
    ),
    "CSIStorageCapacity": Columns(
        {
            **_NAME,
            "STORAGECLASSNAME": at("storage_class_name"),
            "CAPACITY": lambda it, _: it.capacity.string if it.HasField("capacity") else UNSET,
        }
    ),
    "VolumeAttachment": _named(
        {
            "ATTACHER": at("spec.attacher"),
            "PV": at("spec.source.persistent_volume_name"),
            "NODE": at("spec.node_name"),
            "ATTACHED": at("status.attached"),
        }
    ),
    "Lease": _named({"HOLDER": at("spec.holder_identity")}),
    "CertificateSigningRequest": Columns(
        {
            **_NAME,
            **_AGE,
            "SIGNERNAME": at("spec.signer_name", NONE),
            "REQUESTOR": at("spec.username"),
            "REQUESTEDDURATION": _requested_duration,
            "CONDITION": _decision,
        }
    ),
    "PodTrace": _named(
        {"POD": at("spec.pod_name"), "STEPS": lambda trace, _: f"{len(trace.status.steps)}/7", "TOOK": _took},
        {"NODE": at("status.node_name", NONE)},
    ),
}
#: of other kinds
OTHERS: Final = Columns({**_NAME, **_AGE})
