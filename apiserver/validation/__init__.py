"""Validation: what is wrong with an object, in Kubernetes' words; and what deserves a warning. PURE.

Called by the registry between defaulting and storage, for every kind of `vaina.kinds`. All violations of an
object are returned, in upstream's order; each module names the file upstream whose behaviour it follows.

How the folder is cut:

- `place.py`: the places that rules report at, and the checks that all rules share.
- `metadata.py`: what every kind has: names, labels, annotations, owners; and label selectors.
- a module a kind, or a few that belong together: `_RULES` below says which, for create, update and status.
- a Pod, by the parts of its manifest (`pod_spec.py` has the order): `containers.py` with `env.py`, `ports.py`,
  `probes.py`, `mounts.py`, `resources.py` and `security.py`; `volumes.py` with `volume_files.py` and
  `volume_legacy.py`; `scheduling.py`; `pod_network.py`; `pod_resources.py`; `windows.py`.
  `pods.py` has what is asked of new Pods, `pod_updates.py` and `pod_subresources.py` of changed ones,
  `pod_status.py` and `container_status.py` of what kubelets report, `annotations.py` of annotations.
- `templates.py` and `workloads.py`: what all kinds share that make Pods.
- `unchecked.py`: the fields that need no rule, with the reasons; `warnings.py`: all warnings.

To find the rule of an error, search for the part of its text that is fixed.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from google.protobuf.message import Message

from apiserver.validation import (
    autoscalers,
    config,
    cron_jobs,
    daemon_sets,
    deployments,
    disruption_budgets,
    job_status,
    jobs,
    limit_ranges,
    metadata,
    namespaces,
    nodes,
    persistent_volumes,
    pod_status,
    pod_updates,
    pods,
    priority_classes,
    quotas,
    records,
    runtime_classes,
    stateful_sets,
    storage,
    storage_drivers,
    templates,
    warnings,
    workloads,
)
from apiserver.validation.place import Place, find_violations
from vaina import kinds
from vaina.errors import FieldError
from vaina.kinds import Kind

_Create = Callable[[Place, Any], None]
_Update = Callable[[Place, Any, Any], None]


def _event_update(root: Place, new: Any, _: Any) -> None:
    records.check_event(root, new)


def _metadata_update(root: Place, new: Any, old: Any) -> None:
    metadata.check_update(root, new.metadata, old.metadata)


#: kind -> (create, update, status update)
_RULES: Final[Mapping[str, tuple[_Create, _Update, _Update]]] = {
    kinds.POD.kind: (pods.check_create, pod_updates.check_update, pod_status.check_status_update),
    kinds.NODE.kind: (nodes.check_create, nodes.check_update, nodes.check_status_update),
    kinds.NAMESPACE.kind: (namespaces.check_create, namespaces.check_update, namespaces.check_status_update),
    kinds.CONFIG_MAP.kind: (config.check_config_map, config.check_config_map_update, _metadata_update),
    kinds.SECRET.kind: (config.check_secret, config.check_secret_update, _metadata_update),
    kinds.EVENT.kind: (records.check_event, _event_update, _event_update),
    kinds.POD_TEMPLATE.kind: (templates.check_create, templates.check_update, _metadata_update),
    kinds.REPLICATION_CONTROLLER.kind: (
        workloads.check_controller,
        workloads.check_controller_update,
        workloads.check_status_update,
    ),
    kinds.REPLICA_SET.kind: (
        workloads.check_replica_set,
        workloads.check_replica_set_update,
        workloads.check_status_update,
    ),
    kinds.DEPLOYMENT.kind: (
        deployments.check_create,
        deployments.check_update,
        deployments.check_status_update,
    ),
    kinds.CONTROLLER_REVISION.kind: (
        deployments.check_revision,
        deployments.check_revision_update,
        _metadata_update,
    ),
    kinds.STATEFUL_SET.kind: (
        stateful_sets.check_create,
        stateful_sets.check_update,
        stateful_sets.check_status_update,
    ),
    kinds.DAEMON_SET.kind: (
        daemon_sets.check_create,
        daemon_sets.check_update,
        daemon_sets.check_status_update,
    ),
    kinds.JOB.kind: (jobs.check_create, jobs.check_update, job_status.check_status_update),
    kinds.CRON_JOB.kind: (cron_jobs.check_create, cron_jobs.check_update, _metadata_update),
    kinds.HORIZONTAL_POD_AUTOSCALER.kind: (
        autoscalers.check_create,
        autoscalers.check_update,
        autoscalers.check_status_update,
    ),
    kinds.RESOURCE_QUOTA.kind: (quotas.check_create, quotas.check_update, quotas.check_status_update),
    kinds.LIMIT_RANGE.kind: (limit_ranges.check_create, limit_ranges.check_update, _metadata_update),
    kinds.PRIORITY_CLASS.kind: (
        priority_classes.check_create,
        priority_classes.check_update,
        _metadata_update,
    ),
    kinds.RUNTIME_CLASS.kind: (runtime_classes.check_create, runtime_classes.check_update, _metadata_update),
    kinds.POD_DISRUPTION_BUDGET.kind: (
        disruption_budgets.check_create,
        disruption_budgets.check_update,
        disruption_budgets.check_status_update,
    ),
    kinds.PERSISTENT_VOLUME.kind: (
        persistent_volumes.check_volume,
        persistent_volumes.check_volume_update,
        _metadata_update,
    ),
    kinds.PERSISTENT_VOLUME_CLAIM.kind: (
        persistent_volumes.check_claim,
        persistent_volumes.check_claim_update,
        persistent_volumes.check_claim_status_update,
    ),
    kinds.STORAGE_CLASS.kind: (storage.check_class, storage.check_class_update, _metadata_update),
    kinds.CSI_NODE.kind: (storage.check_node, storage.check_node_update, _metadata_update),
    kinds.CSI_DRIVER.kind: (
        storage_drivers.check_driver,
        storage_drivers.check_driver_update,
        _metadata_update,
    ),
    kinds.CSI_STORAGE_CAPACITY.kind: (
        storage_drivers.check_capacity,
        storage_drivers.check_capacity_update,
        _metadata_update,
    ),
    kinds.VOLUME_ATTACHMENT.kind: (
        storage_drivers.check_attachment,
        storage_drivers.check_attachment_update,
        storage_drivers.check_attachment_update,
    ),
    kinds.LEASE.kind: (records.check_lease, records.check_lease_update, records.check_lease_update),
    kinds.POD_TRACE.kind: (records.check_trace, records.check_trace_update, records.check_trace_update),
}


_SETS = (kinds.STATEFUL_SET, kinds.DAEMON_SET)


def validate_create(kind: Kind[Any], message: Message) -> list[FieldError]:
    """Return every violation of a new object, whose defaults and name are set."""
    return find_violations(_RULES[kind.kind][0], message)


def validate_update(kind: Kind[Any], new: Message, old: Message) -> list[FieldError]:
    """Return every violation of a changed object, its status apart."""
    return find_violations(_RULES[kind.kind][1], new, old)


def validate_status_update(kind: Kind[Any], new: Message, old: Message) -> list[FieldError]:
    """Return every violation of a changed status."""
    return find_violations(_RULES[kind.kind][2], new, old)


def warnings_for(kind: Kind[Any], message: Message) -> list[str]:
    """Return what the author of a valid object should know."""
    found: Any = message
    if kind is kinds.POD:
        named = warnings.warnings_for_name(found.metadata)
        return named + warnings.warnings_for_pod(Place(), found.metadata, found.spec)
    if kind in (kinds.REPLICA_SET, kinds.REPLICATION_CONTROLLER, kinds.DEPLOYMENT, *_SETS):
        template = found.spec.template
        return warnings.warnings_for_pod(Place("spec.template"), template.metadata, template.spec)
    if kind is kinds.POD_TEMPLATE:
        return warnings.warnings_for_pod(Place("template"), found.template.metadata, found.template.spec)
    if kind is kinds.JOB:
        named = warnings.warnings_for_name(found.metadata, of_job=True)
        return named + warnings.warnings_for_job(Place("spec"), found.spec)
    if kind is kinds.CRON_JOB:
        named = warnings.warnings_for_name(found.metadata, of_job=True)
        return named + warnings.warnings_for_job(Place("spec.jobTemplate.spec"), found.spec.job_template.spec)
    return []
