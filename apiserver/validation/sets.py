"""Rules for StatefulSets and DaemonSets. Follows `pkg/apis/apps/validation`.

Beyond upstream the template's Pod of a StatefulSet is checked as a Pod, with the claims among its volumes:
upstream takes any, and its controller then fails to make the Pods.
"""

from typing import Final

from apiserver.validation import metadata, workloads
from apiserver.validation.metadata import check_label_selector
from apiserver.validation.place import Place
from apiserver.validation.volume_legacy import check_claim_spec
from apiserver.validation.workloads import check_amount, check_at_most_all, check_share, is_zero
from vaina.api.apps.v1 import daemon_set_pb2, stateful_set_pb2
from vaina.api.core.v1 import pod_pb2
from vaina.objects import names, selectors

_POLICIES: Final = ("OrderedReady", "Parallel")
_RETENTION: Final = ("Delete", "Retain")
#: fields of a spec that an update may not change, in upstream's order (`ValidateStatefulSetUpdate`, 1.37)
_FIXED: Final = ("selector", "volume_claim_templates", "service_name", "pod_management_policy")
_PARTS: Final = ("ready_replicas", "current_replicas", "updated_replicas", "available_replicas")

StatefulSet = stateful_set_pb2.StatefulSet
Spec = stateful_set_pb2.StatefulSetSpec


def check_stateful_set(root: Place, new: StatefulSet) -> None:
    """Check a new StatefulSet. Its name is a label: it begins the hostnames of its Pods."""
    metadata.check_create(root, new.metadata, names.dns_1123_label, namespaced=True)
    _check_stateful_spec(root.child("spec"), new.spec, is_new=True)


def check_stateful_set_update(root: Place, new: StatefulSet, old: StatefulSet) -> None:
    """Check a changed StatefulSet. One that was let in under another name may still be deleted."""
    metadata.check_create(root, new.metadata, names.dns_1123_subdomain, namespaced=True)
    _check_stateful_spec(root.child("spec"), new.spec, is_new=False)
    metadata.check_update(root, new.metadata, old.metadata)
    for field in _FIXED:
        at = root.child("spec").field(new.spec, field)
        at.check_immutable(getattr(new.spec, field), getattr(old.spec, field))


def check_stateful_set_status(root: Place, new: StatefulSet, old: StatefulSet) -> None:
    """Check a changed status."""
    path, status = root.child("status"), new.status
    path.check_counts(status, "replicas", *_PARTS, "observed_generation", "collision_count")
    workloads.check_parts(path, status, *_PARTS, ready="status.readyReplicas")
    metadata.check_update(root, new.metadata, old.metadata)
    workloads.check_collisions(path, status, old.status)


def _check_stateful_spec(path: Place, spec: Spec, *, is_new: bool) -> None:
    at = path.child("podManagementPolicy")
    if not spec.pod_management_policy:
        at.required()
    elif spec.pod_management_policy not in _POLICIES:
        at.invalid(spec.pod_management_policy, "must be 'OrderedReady' or 'Parallel'")
    _check_stateful_strategy(path.child("updateStrategy"), spec.update_strategy)
    _check_retention(path.child("persistentVolumeClaimRetentionPolicy"), spec)
    if is_new:
        # They stay: what was let in before has to be changeable in all else.
        for index, claim in enumerate(spec.volume_claim_templates):
            check_claim_spec(path.child("volumeClaimTemplates").index(index).child("spec"), claim.spec)
    path.check_counts(spec, "replicas", "min_ready_seconds")
    if spec.service_name and is_new:
        # It becomes the subdomain of every Pod.
        path.child("serviceName").check_value(spec.service_name, names.dns_1123_label)
    path.child("ordinals").check_counts(spec.ordinals, "start")
    path.check_counts(spec, "revision_history_limit")
    _check_selector(path, spec)
    _check_template(path, spec)


def _check_stateful_strategy(path: Place, strategy: stateful_set_pb2.StatefulSetUpdateStrategy) -> None:
    rolling = strategy.rolling_update
    match strategy.type:
        case "":
            path.required()
        case "OnDelete":
            if strategy.HasField("rolling_update"):
                detail = "only allowed for updateStrategy 'RollingUpdate'"
                path.child("rollingUpdate").invalid(rolling, detail)
        case "RollingUpdate":
            at = path.child("rollingUpdate")
            at.child("partition").check_non_negative(rolling.partition)
            if rolling.HasField("max_unavailable"):
                where = at.child("maxUnavailable")
                check_amount(where, rolling.max_unavailable)
                if is_zero(rolling.max_unavailable):
                    where.invalid(0, "cannot be 0")
                check_at_most_all(where, rolling.max_unavailable)
        case _:
            path.invalid(strategy, "must be 'RollingUpdate' or 'OnDelete'")


def _check_retention(path: Place, spec: Spec) -> None:
    if not spec.HasField("persistent_volume_claim_retention_policy"):
        return
    policy = spec.persistent_volume_claim_retention_policy
    for field, value in (("whenDeleted", policy.when_deleted), ("whenScaled", policy.when_scaled)):
        path.child(field).check_supported(value, _RETENTION)


def _check_selector(path: Place, spec: Spec) -> None:
    at = path.child("selector")
    if not spec.HasField("selector"):
        at.required()
        return
    check_label_selector(at, spec.selector)
    if not spec.selector.match_labels and not spec.selector.match_expressions:
        at.invalid(spec.selector, "empty selector is invalid for statefulset")
        return
    try:
        selector = selectors.from_message(spec.selector)
    except selectors.SelectorError:
        at.invalid(spec.selector, "invalid label selector")
        return
    workloads.check_match(path, selector, spec.template.metadata.labels)


def _check_template(path: Place, spec: Spec) -> None:
    template = pod_pb2.PodTemplateSpec()
    template.CopyFrom(spec.template)
    known = {volume.name for volume in template.spec.volumes}
    for claim in spec.volume_claim_templates:
        if claim.metadata.name and claim.metadata.name not in known:
            known.add(claim.metadata.name)
            source = template.spec.volumes.add(name=claim.metadata.name).volume_source
            source.persistent_volume_claim.claim_name = claim.metadata.name
    workloads.check_endless_template(path.child("template"), template, "StatefulSet")


_TYPES: Final = ("OnDelete", "RollingUpdate")
_COUNTS: Final = (
    "current_number_scheduled", "number_misscheduled", "desired_number_scheduled", "number_ready", "observed_generation",
    "updated_number_scheduled", "number_available", "number_unavailable", "collision_count",
)  # fmt: skip

DaemonSet = daemon_set_pb2.DaemonSet


def check_daemon_set_status(root: Place, new: DaemonSet, old: DaemonSet) -> None:
    """Check a changed status."""
    path = root.child("status")
    path.check_counts(new.status, *_COUNTS)
    workloads.check_collisions(path, new.status, old.status)


def check_daemon_set(root: Place, new: DaemonSet) -> None:
    """Check a DaemonSet."""
    path, spec = root.child("spec"), new.spec
    at = path.child("selector")
    if not spec.HasField("selector"):
        at.required()
    else:
        check_label_selector(at, spec.selector)
        _check_match(path, spec)
    workloads.check_endless_template(path.child("template"), spec.template, "DaemonSet")
    path.check_counts(spec, "min_ready_seconds")
    _check_daemon_strategy(path.child("updateStrategy"), spec.update_strategy)
    path.check_counts(spec, "revision_history_limit")


def _check_match(path: Place, spec: daemon_set_pb2.DaemonSetSpec) -> None:
    try:
        selector = selectors.from_message(spec.selector)
    except selectors.SelectorError:
        return
    workloads.check_match(path, selector, spec.template.metadata.labels)
    if not spec.selector.match_labels and not spec.selector.match_expressions:
        path.child("selector").invalid(spec.selector, "empty selector is invalid for daemonset")


def _check_daemon_strategy(path: Place, strategy: daemon_set_pb2.DaemonSetUpdateStrategy) -> None:
    if strategy.type == "OnDelete":
        return
    if strategy.type != "RollingUpdate":
        path.not_supported(strategy, _TYPES)
        return
    at = path.child("rollingUpdate")
    if not strategy.HasField("rolling_update"):
        at.required()
        return
    rolling = strategy.rolling_update
    unavailable, surge = rolling.max_unavailable, rolling.max_surge
    check_share(at.child("maxUnavailable"), unavailable)
    check_share(at.child("maxSurge"), surge)
    if is_zero(unavailable) and is_zero(surge):
        at.child("maxUnavailable").required("cannot be 0 when maxSurge is 0")
    if not is_zero(unavailable) and not is_zero(surge):
        shown = surge.str_val if surge.type else surge.int_val
        at.child("maxSurge").invalid(shown, "may not be set when maxUnavailable is non-zero")
