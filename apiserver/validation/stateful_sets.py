"""Rules for StatefulSets. Follows `pkg/apis/apps/validation`.

Beyond upstream the template's Pod is checked as a Pod, with the claims among its volumes: upstream takes any,
and its controller then fails to make the Pods.
"""

from typing import Final

from apiserver.validation import metadata, templates
from apiserver.validation.amounts import check_amount, check_at_most_all, is_zero
from apiserver.validation.labels import check_label_selector
from apiserver.validation.metadata import Errors, check_immutable, check_non_negative
from vaina.api.apps.v1 import stateful_set_pb2
from vaina.api.core.v1 import pod_pb2
from vaina.objects import names, selectors
from vaina.objects.field_path import Path, forbidden, invalid, not_supported, required

_SPEC: Final = Path("spec")
_STATUS: Final = Path("status")
_POLICIES: Final = ("OrderedReady", "Parallel")
_RETENTION: Final = ("Delete", "Retain")
_TOO_MANY: Final = "cannot be greater than status.replicas"
_NO_MATCH: Final = "`selector` does not match template `labels`"
#: fields of a spec that an update may not change, in upstream's order (`ValidateStatefulSetUpdate`, 1.37)
_FIXED: Final = (
    ("selector", "selector"), ("volume_claim_templates", "volumeClaimTemplates"), ("service_name", "serviceName"),
    ("pod_management_policy", "podManagementPolicy"),
)  # fmt: skip
_COUNTS: Final = (
    ("replicas", "replicas"), ("ready_replicas", "readyReplicas"), ("current_replicas", "currentReplicas"),
    ("updated_replicas", "updatedReplicas"), ("available_replicas", "availableReplicas"),
    ("observed_generation", "observedGeneration"), ("collision_count", "collisionCount"),
)  # fmt: skip

StatefulSet = stateful_set_pb2.StatefulSet
Spec = stateful_set_pb2.StatefulSetSpec


def check_create(new: StatefulSet) -> Errors:
    """Check a new StatefulSet. Its name is a label: it begins the hostnames of its Pods."""
    errors = metadata.check_create(new.metadata, names.dns_1123_label, namespaced=True)
    _check_spec(errors, new.spec, is_new=True)
    return errors


def check_update(new: StatefulSet, old: StatefulSet) -> Errors:
    """Check a changed StatefulSet: most of what makes its Pods theirs stays.

    One that was let in under another name may still go.
    """
    errors = metadata.check_create(new.metadata, names.dns_1123_subdomain, namespaced=True)
    _check_spec(errors, new.spec, is_new=False)
    errors.extend(metadata.check_update(new.metadata, old.metadata))
    for field, shown in _FIXED:
        check_immutable(errors, _SPEC.child(shown), getattr(new.spec, field), getattr(old.spec, field))
    return errors


def check_status_update(new: StatefulSet, old: StatefulSet) -> Errors:
    """Check a changed status: a part is no more than all, and collisions are never forgotten."""
    errors: Errors = []
    status = new.status
    for field, shown in _COUNTS:
        check_non_negative(errors, _STATUS.child(shown), getattr(status, field))
    for field, shown in _COUNTS[1:5]:
        if getattr(status, field) > status.replicas:
            errors.append(invalid(_STATUS.child(shown), getattr(status, field), _TOO_MANY))
    if status.available_replicas > status.ready_replicas:
        detail = "cannot be greater than status.readyReplicas"
        errors.append(invalid(_STATUS.child("availableReplicas"), status.available_replicas, detail))
    errors.extend(metadata.check_update(new.metadata, old.metadata))
    if status.collision_count < old.status.collision_count:
        at = _STATUS.child("collisionCount")
        errors.append(invalid(at, status.collision_count, "cannot be decremented"))
    return errors


def _check_spec(errors: Errors, spec: Spec, *, is_new: bool) -> None:
    at = _SPEC.child("podManagementPolicy")
    if not spec.pod_management_policy:
        errors.append(required(at))
    elif spec.pod_management_policy not in _POLICIES:
        errors.append(invalid(at, spec.pod_management_policy, "must be 'OrderedReady' or 'Parallel'"))
    _check_strategy(errors, _SPEC.child("updateStrategy"), spec.update_strategy)
    _check_retention(errors, _SPEC.child("persistentVolumeClaimRetentionPolicy"), spec)
    check_non_negative(errors, _SPEC.child("replicas"), spec.replicas)
    check_non_negative(errors, _SPEC.child("minReadySeconds"), spec.min_ready_seconds)
    if spec.service_name and is_new:
        # It becomes the subdomain of every Pod.
        where = _SPEC.child("serviceName")
        errors.extend(
            invalid(where, spec.service_name, why) for why in names.dns_1123_label(spec.service_name)
        )
    if spec.HasField("ordinals"):
        check_non_negative(errors, _SPEC.child("ordinals", "start"), spec.ordinals.start)
    if spec.HasField("revision_history_limit"):
        check_non_negative(errors, _SPEC.child("revisionHistoryLimit"), spec.revision_history_limit)
    _check_selector(errors, spec)
    _check_template(errors, spec)


def _check_strategy(errors: Errors, path: Path, strategy: stateful_set_pb2.StatefulSetUpdateStrategy) -> None:
    rolling = strategy.rolling_update
    match strategy.type:
        case "":
            errors.append(required(path))
        case "OnDelete":
            if strategy.HasField("rolling_update"):
                detail = "only allowed for updateStrategy 'RollingUpdate'"
                errors.append(invalid(path.child("rollingUpdate"), rolling, detail))
        case "RollingUpdate":
            at = path.child("rollingUpdate")
            check_non_negative(errors, at.child("partition"), rolling.partition)
            if rolling.HasField("max_unavailable"):
                where = at.child("maxUnavailable")
                check_amount(errors, where, rolling.max_unavailable)
                if is_zero(rolling.max_unavailable):
                    errors.append(invalid(where, 0, "cannot be 0"))
                check_at_most_all(errors, where, rolling.max_unavailable)
        case _:
            errors.append(invalid(path, strategy, "must be 'RollingUpdate' or 'OnDelete'"))


def _check_retention(errors: Errors, path: Path, spec: Spec) -> None:
    if not spec.HasField("persistent_volume_claim_retention_policy"):
        return
    policy = spec.persistent_volume_claim_retention_policy
    for field, value in (("whenDeleted", policy.when_deleted), ("whenScaled", policy.when_scaled)):
        if value not in _RETENTION:
            errors.append(not_supported(path.child(field), value, _RETENTION))


def _check_selector(errors: Errors, spec: Spec) -> None:
    at = _SPEC.child("selector")
    if not spec.HasField("selector"):
        errors.append(required(at))
        return
    check_label_selector(errors, at, spec.selector)
    if not spec.selector.match_labels and not spec.selector.match_expressions:
        errors.append(invalid(at, spec.selector, "empty selector is invalid for statefulset"))
        return
    try:
        selector = selectors.from_message(spec.selector)
    except selectors.SelectorError:
        errors.append(invalid(at, spec.selector, "invalid label selector"))
        return
    labels = spec.template.metadata.labels
    if not selector.matches(labels):
        where = _SPEC.child("template", "metadata", "labels")
        errors.append(invalid(where, dict(labels) if labels else None, _NO_MATCH))


def _check_template(errors: Errors, spec: Spec) -> None:
    template = pod_pb2.PodTemplateSpec()
    template.CopyFrom(spec.template)
    known = {volume.name for volume in template.spec.volumes}
    for claim in spec.volume_claim_templates:
        if claim.metadata.name and claim.metadata.name not in known:
            source = template.spec.volumes.add(name=claim.metadata.name).volume_source
            source.persistent_volume_claim.claim_name = claim.metadata.name
    at = _SPEC.child("template")
    templates.check_template(errors, at, template)
    if template.spec.restart_policy != "Always":
        where = at.child("spec", "restartPolicy")
        errors.append(not_supported(where, template.spec.restart_policy, ["Always"]))
    if template.spec.HasField("active_deadline_seconds"):
        where = at.child("spec", "activeDeadlineSeconds")
        errors.append(forbidden(where, "activeDeadlineSeconds in StatefulSet is not Supported"))
