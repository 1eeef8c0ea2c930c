"""Rules for ResourceQuotas.

Follows `pkg/apis/core/validation` (ValidateResourceQuota, its updates, validateResourceQuotaScopes,
validateScopeSelector) and `pkg/apis/core/helper` (which scope goes with which resource).
"""

from typing import Final

from apiserver.validation import metadata, resources
from apiserver.validation.place import IMMUTABLE, Place
from vaina.api.core.v1 import resource_quota_pb2
from vaina.objects import names

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


def check_create(root: Place, quota: Quota) -> None:
    """Check a new ResourceQuota."""
    metadata.check_create(root, quota.metadata, names.dns_1123_subdomain, namespaced=True)
    _check_spec(root.child("spec"), quota.spec)
    _check_status(root.child("status"), quota.status)


def check_update(root: Place, new: Quota, old: Quota) -> None:
    """Check a changed ResourceQuota; its scopes stay, for what was counted was counted by them."""
    metadata.check_update(root, new.metadata, old.metadata)
    _check_spec(root.child("spec"), new.spec)
    if set(new.spec.scopes) != set(old.spec.scopes):
        root.child("spec", "scopes").invalid(new.spec.scopes, IMMUTABLE)


def check_status_update(root: Place, new: Quota, old: Quota) -> None:
    """Check a changed status."""
    metadata.check_update(root, new.metadata, old.metadata)
    _check_status(root.child("status"), new.status)


def _check_spec(path: Place, spec: resource_quota_pb2.ResourceQuotaSpec) -> None:
    _check_amounts(path.child("hard"), spec.hard)
    hard = sorted(name for name in spec.hard if resources.is_standard_for_quota(name))
    _check_scopes(path, spec, hard)
    if spec.HasField("scope_selector"):
        _check_selector(path, spec.scope_selector, hard)


def _check_status(path: Place, status: resource_quota_pb2.ResourceQuotaStatus) -> None:
    _check_amounts(path.child("hard"), status.hard)
    _check_amounts(path.child("used"), status.used)


def _check_amounts(path: Place, amounts: resources.Quantities) -> None:
    for name in sorted(amounts):
        at = path.key(name)
        resources.check_quota_name(at, name)
        resources.check_amount(at, name, amounts[name].string)


def _check_scopes(path: Place, spec: resource_quota_pb2.ResourceQuotaSpec, hard: list[str]) -> None:
    for scope in spec.scopes:
        if scope not in _SCOPED:
            path.child("scopes").invalid(spec.scopes, "unsupported scope")
            continue
        for name in hard:
            if name not in _SCOPED[scope]:
                path.child("scopes").invalid(spec.scopes, "unsupported scope applied to resource")
    for pair in _CONFLICTS:
        if pair <= set(spec.scopes):
            path.child("scopes").invalid(spec.scopes, "conflicting scopes")


def _check_selector(path: Place, selector: resource_quota_pb2.ScopeSelector, hard: list[str]) -> None:
    path = path.child("scopeSelector", "matchExpressions")
    for requirement in selector.match_expressions:
        scope = requirement.scope_name
        if scope not in _SCOPED:
            path.child("scopeName").invalid(scope, "unsupported scope")
        else:
            for name in hard:
                if name not in _SCOPED[scope]:
                    path.invalid(selector, "unsupported scope applied to resource")
        if scope in _PLAIN and requirement.operator != "Exists":
            path.child("operator").invalid(requirement.operator, _ONLY_EXISTS)
        _check_operator(path, requirement)
    chosen = {requirement.scope_name for requirement in selector.match_expressions}
    for pair in _CONFLICTS:
        if pair <= chosen:
            path.invalid(selector, "conflicting scopes")


def _check_operator(path: Place, requirement: resource_quota_pb2.ScopedResourceSelectorRequirement) -> None:
    values = requirement.values
    match requirement.operator:
        case "In" | "NotIn":
            if not values:
                words = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
                path.child("values").required(words)
        case "Exists" | "DoesNotExist":
            if values:
                words = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
                path.child("values").invalid(values, words)
        case operator:
            path.child("operator").invalid(operator, "not a valid selector operator")
