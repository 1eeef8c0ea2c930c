"""Rules for ResourceQuotas and LimitRanges.

Follows `pkg/apis/core/validation` (ValidateResourceQuota, its updates, validateResourceQuotaScopes,
validateScopeSelector, ValidateLimitRange) and `pkg/apis/core/helper` (which scope goes with which resource).
"""

from collections.abc import Mapping
from typing import Final

from apiserver.validation import metadata, resources
from apiserver.validation.place import IMMUTABLE, Place
from vaina.api.core.v1 import limit_range_pb2, resource_quota_pb2
from vaina.objects import names
from vaina.objects.quantity import MAX_INT64, Amount, parse

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


def check_quota(root: Place, quota: Quota) -> None:
    """Check a new ResourceQuota."""
    metadata.check_create(root, quota.metadata, names.dns_1123_subdomain, namespaced=True)
    _check_spec(root.child("spec"), quota.spec)
    _check_status(root.child("status"), quota.status)


def check_quota_update(root: Place, new: Quota, old: Quota) -> None:
    """Check a changed ResourceQuota; its scopes stay, for what was counted was counted by them."""
    metadata.check_update(root, new.metadata, old.metadata)
    _check_spec(root.child("spec"), new.spec)
    if set(new.spec.scopes) != set(old.spec.scopes):
        root.child("spec", "scopes").invalid(new.spec.scopes, IMMUTABLE)


def check_quota_status(root: Place, new: Quota, old: Quota) -> None:
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


_TYPES: Final = frozenset({"Pod", "Container", "PersistentVolumeClaim"})
_ONE: Final = parse("1").nanos
#: larger amounts have no thousandths in 64 bits
_MAX_MILLI: Final = MAX_INT64 // 1000

LimitRange = limit_range_pb2.LimitRange
Item = limit_range_pb2.LimitRangeItem
_Amounts = Mapping[str, Amount]


def check_limit_range(root: Place, limit_range: LimitRange) -> None:
    """Check a LimitRange."""
    seen: set[str] = set()
    for index, item in enumerate(limit_range.spec.limits):
        at = root.child("spec", "limits").index(index)
        _check_type(at.child("type"), item.type)
        at.child("type").check_unique(item.type, seen)
        _check_item(at, item)


def _check_type(path: Place, value: str) -> None:
    if path.check_value(value, names.qualified_name) and "/" not in value and value not in _TYPES:
        path.invalid(value, "must be a standard limit type or fully qualified")


def _read(path: Place, item: Item, amounts: resources.Quantities) -> _Amounts:
    """Check names and amounts; return those that can be read."""
    found: dict[str, Amount] = {}
    for name in sorted(amounts):
        at = path.key(name)
        if item.type in ("Pod", "Container"):
            resources.check_container_name(at, name)
        else:
            resources.check_name(at, name)
        if amount := at.check_quantity(amounts[name].string):
            found[name] = amount
    return found


def _check_item(path: Place, item: Item) -> None:
    highest = _read(path.child("max"), item, item.max)
    lowest = _read(path.child("min"), item, item.min)
    limits, requests = _check_defaults(path, item)
    if item.type == "PersistentVolumeClaim" and "storage" not in item.min and "storage" not in item.max:
        words = "either minimum or maximum storage value is required, but neither was provided"
        path.child("limits").required(words)
    ratios = _read(path.child("maxLimitRequestRatio"), item, item.max_limit_request_ratio)
    for name in sorted({*highest, *lowest, *limits, *requests, *ratios}):
        low, request, limit, high = (amounts.get(name) for amounts in (lowest, requests, limits, highest))
        _check_order(path, name, low, request, limit, high)
        if name in ratios:
            _check_ratio(path, name, ratios[name], low, high)
        if not resources.may_overcommit(name) and limit and request and limit.nanos != request.nanos:
            words = f"default value {limit} must equal to defaultRequest value {request} in {name}"
            path.child("defaultRequest").key(name).invalid(str(request), words)


def _check_defaults(path: Place, item: Item) -> tuple[_Amounts, _Amounts]:
    """Return the default limits and requests. A Pod has none: they are its containers'."""
    fields = (("default", item.default), ("defaultRequest", item.default_request))
    if item.type == "Pod":
        for field, amounts in fields:
            if amounts:
                path.child(field).forbidden("may not be specified when `type` is 'Pod'")
        return {}, {}
    limits, requests = (_read(path.child(field), item, amounts) for field, amounts in fields)
    return limits, requests


def _check_order(
    path: Place,
    name: str,
    low: Amount | None,
    request: Amount | None,
    limit: Amount | None,
    high: Amount | None,
) -> None:
    for field, small, small_words, large, large_words, shown in (
        ("min", low, "min", high, "max", low),
        ("defaultRequest", low, "min", request, "default request", request),
        ("defaultRequest", request, "default request", high, "max", request),
        ("defaultRequest", request, "default request", limit, "default limit", request),
        ("default", low, "min", limit, "default", low),
        ("default", limit, "default", high, "max", high),
    ):
        if small is not None and large is not None and small.nanos > large.nanos:
            words = f"{small_words} value {small} is greater than {large_words} value {large}"
            path.child(field).key(name).invalid(str(shown), words)


def _check_ratio(path: Place, name: str, ratio: Amount, low: Amount | None, high: Amount | None) -> None:
    at = path.child("maxLimitRequestRatio").key(name)
    if ratio.nanos < _ONE:
        at.invalid(str(ratio), f"ratio {ratio} is less than 1")
    if low is None or high is None:
        return
    values = (ratio.value(), low.value(), high.value())
    if max(values) < _MAX_MILLI:
        wanted, small, large = ratio.milli_value() / 1000, low.milli_value(), high.milli_value()
    else:
        wanted, small, large = float(values[0]), values[1], values[2]
    if not small:
        return  # any ratio is possible
    if wanted > large / small:
        at.invalid(str(ratio), f"ratio {ratio} is greater than max/min = {large / small:f}")
