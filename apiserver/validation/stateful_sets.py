"""Rules for StatefulSets. Follows `pkg/apis/apps/validation`.

Beyond upstream the template's Pod is checked as a Pod, with the claims among its volumes: upstream takes any,
and its controller then fails to make the Pods.
"""

from typing import Final

from apiserver.validation import metadata, templates
from apiserver.validation.amounts import check_amount, check_at_most_all, is_zero
from apiserver.validation.labels import check_label_selector
from apiserver.validation.place import Place
from vaina.api.apps.v1 import stateful_set_pb2
from vaina.api.core.v1 import pod_pb2
from vaina.objects import names, selectors

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
    for field, shown in _FIXED:
        root.child("spec", shown).check_immutable(getattr(new.spec, field), getattr(old.spec, field))


def check_status_update(root: Place, new: StatefulSet, old: StatefulSet) -> None:
    """Check a changed status: a part is no more than all, and collisions are never forgotten."""
    status = new.status
    for field, shown in _COUNTS:
        root.child("status", shown).check_non_negative(getattr(status, field))
    for field, shown in _COUNTS[1:5]:
        if getattr(status, field) > status.replicas:
            root.child("status", shown).invalid(getattr(status, field), _TOO_MANY)
    if status.available_replicas > status.ready_replicas:
        detail = "cannot be greater than status.readyReplicas"
        root.child("status", "availableReplicas").invalid(status.available_replicas, detail)
    metadata.check_update(root, new.metadata, old.metadata)
    if status.collision_count < old.status.collision_count:
        root.child("status", "collisionCount").invalid(status.collision_count, "cannot be decremented")


def _check_spec(path: Place, spec: Spec, *, is_new: bool) -> None:
    at = path.child("podManagementPolicy")
    if not spec.pod_management_policy:
        at.required()
    elif spec.pod_management_policy not in _POLICIES:
        at.invalid(spec.pod_management_policy, "must be 'OrderedReady' or 'Parallel'")
    _check_strategy(path.child("updateStrategy"), spec.update_strategy)
    _check_retention(path.child("persistentVolumeClaimRetentionPolicy"), spec)
    path.child("replicas").check_non_negative(spec.replicas)
    path.child("minReadySeconds").check_non_negative(spec.min_ready_seconds)
    if spec.service_name and is_new:
        # It becomes the subdomain of every Pod.
        path.child("serviceName").check_value(spec.service_name, names.dns_1123_label)
    if spec.HasField("ordinals"):
        path.child("ordinals", "start").check_non_negative(spec.ordinals.start)
    if spec.HasField("revision_history_limit"):
        path.child("revisionHistoryLimit").check_non_negative(spec.revision_history_limit)
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
    labels = spec.template.metadata.labels
    if not selector.matches(labels):
        path.child("template", "metadata", "labels").invalid(dict(labels) if labels else None, _NO_MATCH)


def _check_template(path: Place, spec: Spec) -> None:
    template = pod_pb2.PodTemplateSpec()
    template.CopyFrom(spec.template)
    known = {volume.name for volume in template.spec.volumes}
    for claim in spec.volume_claim_templates:
        if claim.metadata.name and claim.metadata.name not in known:
            source = template.spec.volumes.add(name=claim.metadata.name).volume_source
            source.persistent_volume_claim.claim_name = claim.metadata.name
    at = path.child("template")
    templates.check_template(at, template)
    if template.spec.restart_policy != "Always":
        at.child("spec", "restartPolicy").not_supported(template.spec.restart_policy, ["Always"])
    if template.spec.HasField("active_deadline_seconds"):
        where = at.child("spec", "activeDeadlineSeconds")
        where.forbidden("activeDeadlineSeconds in StatefulSet is not Supported")
