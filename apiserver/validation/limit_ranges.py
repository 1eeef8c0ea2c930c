"""Rules for LimitRanges. Follows `pkg/apis/core/validation`: ValidateLimitRange."""

from collections.abc import Mapping
from typing import Final

from apiserver.validation import metadata, resources
from apiserver.validation.place import Place
from vaina.api.core.v1 import limit_range_pb2
from vaina.objects import names
from vaina.objects.quantity import MAX_INT64, Amount, parse

_TYPES: Final = frozenset({"Pod", "Container", "PersistentVolumeClaim"})
_ONE: Final = parse("1").nanos
#: larger amounts have no thousandths in 64 bits
_MAX_MILLI: Final = MAX_INT64 // 1000

LimitRange = limit_range_pb2.LimitRange
Item = limit_range_pb2.LimitRangeItem
_Amounts = Mapping[str, Amount]


def check_create(root: Place, limit_range: LimitRange) -> None:
    """Check a new LimitRange."""
    metadata.check_create(root, limit_range.metadata, names.dns_1123_subdomain, namespaced=True)
    _check_limits(root.child("spec"), limit_range)


def check_update(root: Place, new: LimitRange, old: LimitRange) -> None:
    """Check a changed LimitRange, as a new one; upstream does so too."""
    metadata.check_update(root, new.metadata, old.metadata)
    check_create(root, new)


def _check_limits(path: Place, limit_range: LimitRange) -> None:
    seen: set[str] = set()
    for index, item in enumerate(limit_range.spec.limits):
        at = path.child("limits").index(index)
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
    def ordered(
        field: str,
        small: Amount | None,
        small_words: str,
        large: Amount | None,
        large_words: str,
        *,
        shown: Amount | None,
    ) -> None:
        if small is not None and large is not None and small.nanos > large.nanos:
            words = f"{small_words} value {small} is greater than {large_words} value {large}"
            path.child(field).key(name).invalid(str(shown), words)

    ordered("min", low, "min", high, "max", shown=low)
    ordered("defaultRequest", low, "min", request, "default request", shown=request)
    ordered("defaultRequest", request, "default request", high, "max", shown=request)
    ordered("defaultRequest", request, "default request", limit, "default limit", shown=request)
    ordered("default", low, "min", limit, "default", shown=low)
    ordered("default", limit, "default", high, "max", shown=high)


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
