"""Rules for StatefulSets. Follows `pkg/apis/apps/validation`.

Beyond upstream the template's Pod is checked as a Pod, with the claims among its volumes: upstream takes any,
and its controller then fails to make the Pods.
"""

from typing import Final

from apiserver.validation import metadata, templates, workloads
from apiserver.validation.metadata import check_label_selector
from apiserver.validation.place import Place
from apiserver.validation.workloads import check_amount, check_at_most_all, is_zero
from vaina.api.apps.v1 import stateful_set_pb2
from vaina.api.core.v1 import pod_pb2
from vaina.objects import names, selectors

_POLICIES: Final = ("OrderedReady", "Parallel")
_RETENTION: Final = ("Delete", "Retain")
#: fields of a spec that an update may not change, in upstream's order (`ValidateStatefulSetUpdate`, 1.37)
_FIXED: Final = ("selector", "volume_claim_templates", "service_name", "pod_management_policy")
_PARTS: Final = ("ready_replicas", "current_replicas", "updated_replicas", "available_replicas")

StatefulSet = stateful_set_pb2.StatefulSet
Spec = stateful_set_pb2.StatefulSetSpec


def check_create(root: Place, new: StatefulSet) -> None:
    """Check a new StatefulSet. Its name is a label: it begins the hostnames of its Pods."""
    metadata.check_create(root, new.metadata, names.dns_1123_label, namespaced=True)
    _check_spec(root.child("spec"), new.spec, is_new=True)


def check_update(root: Place, new: StatefulSet, old: StatefulSet) -> None:
    """Check a changed StatefulSet: most of what makes its Pods theirs stays.

    One that was let in under another name may still go.
    """
    metadata.check_create(root, new.metadata, names.dns_1123_subdomain, namespaced=True)
    _check_spec(root.child("spec"), new.spec, is_new=False)
    metadata.check_update(root, new.metadata, old.metadata)
    for field in _FIXED:
        at = root.child("spec").field(new.spec, field)
        at.check_immutable(getattr(new.spec, field), getattr(old.spec, field))


def check_status_update(root: Place, new: StatefulSet, old: StatefulSet) -> None:
    """Check a changed status."""
    path, status = root.child("status"), new.status
    path.check_counts(status, "replicas", *_PARTS, "observed_generation", "collision_count")
    workloads.check_parts(path, status, *_PARTS, ready="status.readyReplicas")
    metadata.check_update(root, new.metadata, old.metadata)
    workloads.check_collisions(path, status, old.status)


def _check_spec(path: Place, spec: Spec, *, is_new: bool) -> None:
    at = path.child("podManagementPolicy")
    if not spec.pod_management_policy:
        at.required()
    elif spec.pod_management_policy not in _POLICIES:
        at.invalid(spec.pod_management_policy, "must be 'OrderedReady' or 'Parallel'")
    _check_strategy(path.child("updateStrategy"), spec.update_strategy)
    _check_retention(path.child("persistentVolumeClaimRetentionPolicy"), spec)
    path.check_counts(spec, "replicas", "min_ready_seconds")
    if spec.service_name and is_new:
        # It becomes the subdomain of every Pod.
        path.child("serviceName").check_value(spec.service_name, names.dns_1123_label)
    path.child("ordinals").check_counts(spec.ordinals, "start")
    path.check_counts(spec, "revision_history_limit")
    _check_selector(path, spec)
    _check_template(path, spec)


def _check_strategy(path: Place, strategy: stateful_set_pb2.StatefulSetUpdateStrategy) -> None:
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
            source = template.spec.volumes.add(name=claim.metadata.name).volume_source
            source.persistent_volume_claim.claim_name = claim.metadata.name
    templates.check_endless_template(path.child("template"), template, "StatefulSet")
