"""Validation: what is wrong with an object, in Kubernetes' words; and what deserves a warning. PURE.

Called by the registry between defaulting and storage, for every kind of `vaina.kinds`. All violations of an
object are returned, in upstream's order; each module names the file upstream whose behaviour it follows.

How the folder is cut:

- `place.py`: the places that rules report at, and the checks that all rules share.
- `metadata.py`: what every kind has: names, labels, annotations, owners; and label selectors.
- a module a kind, or a few that belong together: `_RULES` below says which, for create, update and status.
- a Pod, by the parts of its manifest (`pod_spec.py` has the order): `containers.py` with `env.py`, `probes.py`,
  `mounts.py`, `resources.py` and `security.py`; `volumes.py` with `volume_legacy.py`; `scheduling.py`;
  `windows.py`. `pods.py` has what is asked of new and changed Pods, `pod_subresources.py` of sub-resources,
  `pod_status.py` of what kubelets report, `annotations.py` of annotations.
- `workloads.py`: what all kinds share that make Pods.
- `unchecked.py`: the fields that need no rule, with the reasons; `warnings.py`: all warnings.

To find the rule of an error, search for the part of its text that is fixed.
"""

from collections.abc import Callable, Mapping
from enum import Enum, auto
from functools import partial
from typing import Any, Final, NamedTuple

from google.protobuf.message import Message

from apiserver.validation import (
    autoscalers,
    certificates,
    classes,
    config,
    devices,
    disruption_budgets,
    endpoints,
    job_status,
    jobs,
    limits,
    metadata,
    namespaces,
    networking,
    nodes,
    persistent_volumes,
    pod_status,
    pods,
    rbac,
    records,
    resource_claims,
    resource_slices,
    services,
    sets,
    storage,
    stored_only,
    warnings,
    workloads,
)
from apiserver.validation.metadata import NameRule
from apiserver.validation.place import Place, find_violations
from apiserver.validation.storage_warnings import STORAGE_WARNINGS
from vaina import kinds
from vaina.errors import FieldError
from vaina.kinds import Kind
from vaina.objects import names

_Change = Callable[[Place, Any, Any], None]


class _Order(Enum):
    """How a changed object is checked, in upstream's order, which is that of the violations.

    `change`, what is asked of the change alone, comes last.
    """

    #: metadata of the change, the object
    CHANGED = auto()
    #: the object as a new one, metadata of the change
    NEW_FIRST = auto()
    #: metadata of the change, the object as a new one
    NEW_LAST = auto()
    #: metadata of the change; not the object
    CHANGE_ONLY = auto()
    #: the kind's own functions check the metadata too, of new objects and changed ones
    OWN = auto()


def _anything(_root: Place, _new: Any, _old: Any) -> None:
    """Allow any change."""


def _any_object(_root: Place, _new: Any) -> None:
    """Ask nothing besides the metadata."""


def _event_update(root: Place, new: Any, _: Any) -> None:
    records.check_event(root, new)


class _Rules(NamedTuple):
    """The rules of a kind, besides those of its metadata."""

    #: what is asked of an object
    check: Callable[[Place, Any], None]
    #: what is asked of a change, and of a changed status
    change: _Change = _anything
    status: _Change = _anything
    name: NameRule = names.dns_1123_subdomain
    order: _Order = _Order.CHANGED

    def create(self, root: Place, new: Any, *, kind: Kind[Any]) -> None:
        if self.order is not _Order.OWN:
            metadata.check_create(root, new.metadata, self.name, namespaced=kind.namespaced)
        self.check(root, new)

    def update(self, root: Place, new: Any, old: Any, *, kind: Kind[Any]) -> None:
        if self.order is _Order.NEW_FIRST:
            self.create(root, new, kind=kind)
        if self.order is not _Order.OWN:
            metadata.check_update(root, new.metadata, old.metadata)
        if self.order is _Order.NEW_LAST:
            self.create(root, new, kind=kind)
        elif self.order is _Order.CHANGED:
            self.check(root, new)
        self.change(root, new, old)

    def update_status(self, root: Place, new: Any, old: Any) -> None:
        if self.order is not _Order.OWN:
            metadata.check_update(root, new.metadata, old.metadata)
        self.status(root, new, old)


def _metadata_update(root: Place, new: Any, old: Any) -> None:
    metadata.check_update(root, new.metadata, old.metadata)


def _own(check: Callable[[Place, Any], None], change: _Change, status: _Change = _metadata_update) -> _Rules:
    return _Rules(check, change, status, order=_Order.OWN)


_RULES: Final[Mapping[str, _Rules]] = {
    kinds.POD.kind: _own(pods.check_create, pods.check_update, pod_status.check_status_update),
    kinds.NODE.kind: _Rules(nodes.check, nodes.check_change, nodes.check_change, order=_Order.NEW_FIRST),
    kinds.NAMESPACE.kind: _Rules(
        namespaces.check, status=namespaces.check_status, name=names.dns_1123_label, order=_Order.NEW_FIRST
    ),
    kinds.CONFIG_MAP.kind: _own(config.check_config_map, config.check_config_map_update),
    kinds.SECRET.kind: _own(config.check_secret, config.check_secret_update),
    kinds.SERVICE_ACCOUNT.kind: _Rules(_any_object, order=_Order.NEW_LAST),
    kinds.EVENT.kind: _own(records.check_event, _event_update, _event_update),
    kinds.POD_TEMPLATE.kind: _Rules(workloads.check_pod_template),
    kinds.REPLICATION_CONTROLLER.kind: _Rules(
        workloads.check_controller, status=workloads.check_replicas_status, order=_Order.NEW_FIRST
    ),
    kinds.REPLICA_SET.kind: _Rules(
        workloads.check_replica_set,
        workloads.check_selector_stays,
        workloads.check_replicas_status,
        order=_Order.NEW_FIRST,
    ),
    kinds.DEPLOYMENT.kind: _Rules(
        workloads.check_deployment,
        workloads.check_selector_stays,
        workloads.check_deployment_status,
        order=_Order.NEW_FIRST,
    ),
    kinds.CONTROLLER_REVISION.kind: _Rules(
        workloads.check_revision, workloads.check_revision_change, order=_Order.NEW_LAST
    ),
    kinds.STATEFUL_SET.kind: _own(
        sets.check_stateful_set, sets.check_stateful_set_update, sets.check_stateful_set_status
    ),
    kinds.DAEMON_SET.kind: _Rules(
        sets.check_daemon_set,
        workloads.check_selector_stays,
        sets.check_daemon_set_status,
        order=_Order.NEW_FIRST,
    ),
    kinds.JOB.kind: _Rules(
        jobs.check_job, jobs.check_job_change, job_status.check_job_status, order=_Order.NEW_FIRST
    ),
    kinds.CRON_JOB.kind: _own(jobs.check_cron_job, jobs.check_cron_job_update),
    kinds.HORIZONTAL_POD_AUTOSCALER.kind: _own(
        autoscalers.check_create, autoscalers.check_update, autoscalers.check_status_update
    ),
    kinds.RESOURCE_QUOTA.kind: _own(limits.check_quota, limits.check_quota_update, limits.check_quota_status),
    kinds.LIMIT_RANGE.kind: _Rules(limits.check_limit_range, order=_Order.NEW_LAST),
    kinds.PRIORITY_CLASS.kind: _Rules(
        classes.check_priority_class, classes.check_priority_class_change, order=_Order.CHANGE_ONLY
    ),
    kinds.RUNTIME_CLASS.kind: _Rules(classes.check_runtime_class, classes.check_runtime_class_change),
    kinds.POD_DISRUPTION_BUDGET.kind: _Rules(
        disruption_budgets.check, status=disruption_budgets.check_status, name=names.path_segment
    ),
    kinds.CLUSTER_ROLE_BINDING.kind: _Rules(
        rbac.check_cluster_binding, rbac.check_role_stays, name=names.path_segment, order=_Order.NEW_FIRST
    ),
    kinds.CLUSTER_ROLE.kind: _Rules(rbac.check_cluster_role, name=names.path_segment, order=_Order.NEW_FIRST),
    kinds.ROLE_BINDING.kind: _Rules(
        rbac.check_binding, rbac.check_role_stays, name=names.path_segment, order=_Order.NEW_FIRST
    ),
    kinds.ROLE.kind: _Rules(rbac.check_role, name=names.path_segment, order=_Order.NEW_FIRST),
    kinds.PERSISTENT_VOLUME.kind: _Rules(
        persistent_volumes.check_volume, persistent_volumes.check_volume_change, order=_Order.NEW_FIRST
    ),
    kinds.PERSISTENT_VOLUME_CLAIM.kind: _Rules(
        persistent_volumes.check_claim,
        persistent_volumes.check_claim_change,
        persistent_volumes.check_claim_status,
        order=_Order.NEW_LAST,
    ),
    kinds.STORAGE_CLASS.kind: _Rules(storage.check_class, storage.check_class_change, order=_Order.NEW_FIRST),
    kinds.CSI_NODE.kind: _Rules(
        storage.check_csi_node, storage.check_csi_node_change, order=_Order.NEW_FIRST
    ),
    kinds.CSI_DRIVER.kind: _Rules(storage.check_driver, storage.check_driver_change),
    kinds.CSI_STORAGE_CAPACITY.kind: _Rules(
        storage.check_capacity, storage.check_capacity_change, order=_Order.NEW_FIRST
    ),
    kinds.VOLUME_ATTACHMENT.kind: _own(
        storage.check_attachment, storage.check_attachment_update, storage.check_attachment_update
    ),
    kinds.LEASE.kind: _Rules(records.check_lease),
    kinds.CERTIFICATE_SIGNING_REQUEST.kind: _own(
        certificates.check, certificates.check_update, certificates.check_status_update
    ),
    kinds.SERVICE.kind: _own(services.check_create, services.check_update, services.check_status),
    kinds.ENDPOINTS.kind: _own(endpoints.check_endpoints, endpoints.check_endpoints_update),
    kinds.ENDPOINT_SLICE.kind: _own(endpoints.check_slice, endpoints.check_slice_update),
    kinds.NETWORK_POLICY.kind: _own(networking.check_policy, networking.check_policy_update),
    kinds.INGRESS.kind: _own(
        networking.check_ingress, networking.check_ingress_update, networking.check_ingress_status
    ),
    kinds.INGRESS_CLASS.kind: _Rules(
        networking.check_class, networking.check_class_change, order=_Order.NEW_LAST
    ),
    kinds.DEVICE_CLASS.kind: _Rules(devices.check_class, order=_Order.NEW_FIRST),
    kinds.RESOURCE_CLAIM.kind: _own(
        resource_claims.check_claim, resource_claims.check_claim_update, resource_claims.check_claim_status
    ),
    kinds.RESOURCE_CLAIM_TEMPLATE.kind: _own(
        resource_claims.check_template, resource_claims.check_template_update
    ),
    kinds.RESOURCE_SLICE.kind: _own(resource_slices.check, resource_slices.check_update),
    kinds.DEVICE_TAINT_RULE.kind: _Rules(devices.check_taint_rule, status=devices.check_taint_rule_status),
    kinds.POD_TRACE.kind: _Rules(
        records.check_trace, records.check_trace_change, records.check_trace_change, order=_Order.CHANGE_ONLY
    ),
}


#: kind, API group under which an object comes -> rules that are other than those of the stored form's group
_OF_FORM: Final[Mapping[tuple[str, str | None], _Rules]] = {
    (kinds.EVENT.kind, "events.k8s.io"): _own(records.check_newer_event, records.check_newer_event_update),
}


def _rules_of(kind: Kind[Any], group: str | None) -> _Rules:
    return _OF_FORM.get((kind.kind, group), _RULES[kind.kind])


def validate_create(kind: Kind[Any], message: Message, group: str | None = None) -> list[FieldError]:
    """Return every violation of a new object, whose defaults and name are set.

    `group` is the API group under which it comes; None: the kind's own.
    """
    return find_violations(partial(_rules_of(kind, group).create, kind=kind), message)


def validate_update(
    kind: Kind[Any], new: Message, old: Message, group: str | None = None
) -> list[FieldError]:
    """Return every violation of a changed object, its status apart; `group` as of a new one."""
    return find_violations(partial(_rules_of(kind, group).update, kind=kind), new, old)


def validate_status_update(kind: Kind[Any], new: Message, old: Message) -> list[FieldError]:
    """Return every violation of a changed status."""
    return find_violations(_RULES[kind.kind].update_status, new, old)


_ENDLESS: Final = (
    kinds.REPLICA_SET, kinds.REPLICATION_CONTROLLER, kinds.DEPLOYMENT, kinds.STATEFUL_SET, kinds.DAEMON_SET,
)  # fmt: skip


def warnings_for(kind: Kind[Any], message: Message, old: Message | None = None) -> list[str]:
    """Return what the author of a valid object should know; `old` is what it was before, None: it is new."""
    found: Any = message
    if kind is kinds.POD:
        named = warnings.warnings_for_name(found.metadata)
        return named + warnings.warnings_for_pod(Place(), found.metadata, found.spec)
    if kind in _ENDLESS:
        template = found.spec.template
        of_pods = warnings.warnings_for_pod(Place("spec.template"), template.metadata, template.spec)
        for index, claim in enumerate(
            found.spec.volume_claim_templates if kind is kinds.STATEFUL_SET else ()
        ):
            of_pods += warnings.claim_fractions(Place("spec.volumeClaimTemplates").index(index), claim.spec)
        return of_pods
    if kind is kinds.POD_TEMPLATE:
        return warnings.warnings_for_pod(Place("template"), found.template.metadata, found.template.spec)
    if kind is kinds.SERVICE_ACCOUNT:
        return warnings.warnings_for_account(Place("metadata.annotations"), found.metadata)
    if kind is kinds.JOB:
        named = warnings.warnings_for_name(found.metadata, of_job=True)
        return named + warnings.warnings_for_job(Place("spec"), found.spec)
    if kind is kinds.CRON_JOB:
        named = warnings.warnings_for_name(found.metadata, of_job=True)
        return named + warnings.warnings_for_job(Place("spec.jobTemplate.spec"), found.spec.job_template.spec)
    if kind.kind in STORAGE_WARNINGS:
        return [*STORAGE_WARNINGS[kind.kind](found, old)]
    return stored_only.warnings_for(kind, found, is_new=old is None)
