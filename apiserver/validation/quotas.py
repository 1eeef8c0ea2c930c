"""Rules for ResourceQuotas.

Follows `pkg/apis/core/validation` (ValidateResourceQuota, its updates, validateResourceQuotaScopes,
validateScopeSelector) and `pkg/apis/core/helper` (which scope goes with which resource).
"""

from typing import Final

from apiserver.validation import metadata, resources
from apiserver.validation.metadata import IMMUTABLE, Errors
from vaina.api.core.v1 import resource_quota_pb2
from vaina.objects import names
from vaina.objects.field_path import Path, invalid, required

_SPEC: Final = Path("spec")
_STATUS: Final = Path("status")
_SCOPES: Final = _SPEC.child("scopes")

_POD_COMPUTE: Final = frozenset({
    "pods", "cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory",
})  # fmt: skip
_CLAIMS: Final = frozenset({"persistentvolumeclaims", "requests.storage"})
#: scope -> the standard resources that it may go with
_SCOPED: Final = {
    "Terminating": _POD_COMPUTE,
    "NotTerminating": _POD_COMPUTE,
    "BestEffort": frozenset({"pods"}),
    "NotBestEffort": _POD_COMPUTE,
    "PriorityClass": _POD_COMPUTE,
    "CrossNamespacePodAffinity": _POD_COMPUTE,
    "VolumeAttributesClass": _CLAIMS,
}
#: no object is in both
_CONFLICTS: Final = (
    frozenset({"BestEffort", "NotBestEffort"}),
    frozenset({"Terminating", "NotTerminating"}),
)
#: scopes that an object has or has not: only Exists makes sense of them
_PLAIN: Final = frozenset({
    "Terminating", "NotTerminating", "BestEffort", "NotBestEffort", "CrossNamespacePodAffinity",
})  # fmt: skip
_ONLY_EXISTS: Final = (
    "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
    "ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
)

Quota = resource_quota_pb2.ResourceQuota


def check_create(quota: Quota) -> Errors:
    """Check a new ResourceQuota."""
    errors = metadata.check_create(quota.metadata, names.dns_1123_subdomain, namespaced=True)
    _check_spec(errors, quota.spec)
    _check_status(errors, quota.status)
    return errors


def check_update(new: Quota, old: Quota) -> Errors:
    """Check a changed ResourceQuota; its scopes stay, for what was counted was counted by them."""
    errors = metadata.check_update(new.metadata, old.metadata)
    _check_spec(errors, new.spec)
    if set(new.spec.scopes) != set(old.spec.scopes):
        errors.append(invalid(_SCOPES, new.spec.scopes, IMMUTABLE))
    return errors


def check_status_update(new: Quota, old: Quota) -> Errors:
    """Check a changed status."""
    errors = metadata.check_update(new.metadata, old.metadata)
    _check_status(errors, new.status)
    return errors


def _check_spec(errors: Errors, spec: resource_quota_pb2.ResourceQuotaSpec) -> None:
    _check_amounts(errors, _SPEC.child("hard"), spec.hard)
    hard = sorted(name for name in spec.hard if resources.is_standard_for_quota(name))
    _check_scopes(errors, spec, hard)
    if spec.HasField("scope_selector"):
        _check_selector(errors, spec.scope_selector, hard)


def _check_status(errors: Errors, status: resource_quota_pb2.ResourceQuotaStatus) -> None:
    _check_amounts(errors, _STATUS.child("hard"), status.hard)
    _check_amounts(errors, _STATUS.child("used"), status.used)


def _check_amounts(errors: Errors, path: Path, amounts: resources.Quantities) -> None:
    for name in sorted(amounts):
        at = path.key(name)
        resources.check_quota_name(errors, at, name)
        resources.check_amount(errors, at, name, amounts[name].string)


def _check_scopes(errors: Errors, spec: resource_quota_pb2.ResourceQuotaSpec, hard: list[str]) -> None:
    for scope in spec.scopes:
        if scope not in _SCOPED:
            errors.append(invalid(_SCOPES, spec.scopes, "unsupported scope"))
            continue
        errors.extend(
            invalid(_SCOPES, spec.scopes, "unsupported scope applied to resource")
            for name in hard
            if name not in _SCOPED[scope]
        )
    errors.extend(
        invalid(_SCOPES, spec.scopes, "conflicting scopes") for pair in _CONFLICTS if pair <= set(spec.scopes)
    )


def _check_selector(errors: Errors, selector: resource_quota_pb2.ScopeSelector, hard: list[str]) -> None:
    path = _SPEC.child("scopeSelector", "matchExpressions")
    for requirement in selector.match_expressions:
        scope = requirement.scope_name
        if scope not in _SCOPED:
            errors.append(invalid(path.child("scopeName"), scope, "unsupported scope"))
        else:
            errors.extend(
                invalid(path, selector, "unsupported scope applied to resource")
                for name in hard
                if name not in _SCOPED[scope]
            )
        if scope in _PLAIN and requirement.operator != "Exists":
            errors.append(invalid(path.child("operator"), requirement.operator, _ONLY_EXISTS))
        _check_operator(errors, path, requirement)
    chosen = {requirement.scope_name for requirement in selector.match_expressions}
    errors.extend(invalid(path, selector, "conflicting scopes") for pair in _CONFLICTS if pair <= chosen)


def _check_operator(
    errors: Errors, path: Path, requirement: resource_quota_pb2.ScopedResourceSelectorRequirement
) -> None:
    values = requirement.values
    match requirement.operator:
        case "In" | "NotIn":
            if not values:
                words = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
                errors.append(required(path.child("values"), words))
        case "Exists" | "DoesNotExist":
            if values:
                words = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
                errors.append(invalid(path.child("values"), values, words))
        case operator:
            errors.append(invalid(path.child("operator"), operator, "not a valid selector operator"))
