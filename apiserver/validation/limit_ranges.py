"""Rules for LimitRanges. Follows `pkg/apis/core/validation`: ValidateLimitRange."""

from collections.abc import Mapping
from typing import Final

from apiserver.validation import metadata, resources
from apiserver.validation.metadata import Errors, check_text
from vaina.api.core.v1 import limit_range_pb2
from vaina.objects import names
from vaina.objects.field_path import Path, duplicate, forbidden, invalid, required
from vaina.objects.quantity import MAX_INT64, Amount, parse

_LIMITS: Final = Path("spec", "limits")
_TYPES: Final = frozenset({"Pod", "Container", "PersistentVolumeClaim"})
_ONE: Final = parse("1").nanos
#: larger amounts have no thousandths in 64 bits
_MAX_MILLI: Final = MAX_INT64 // 1000

LimitRange = limit_range_pb2.LimitRange
Item = limit_range_pb2.LimitRangeItem
_Amounts = Mapping[str, Amount]


def check_create(limit_range: LimitRange) -> Errors:
    """Check a new LimitRange."""
    errors = metadata.check_create(limit_range.metadata, names.dns_1123_subdomain, namespaced=True)
    _check_limits(errors, limit_range)
    return errors


def check_update(new: LimitRange, old: LimitRange) -> Errors:
    """Check a changed LimitRange, as a new one; upstream does so too."""
    errors = metadata.check_update(new.metadata, old.metadata)
    errors.extend(check_create(new))
    return errors


def _check_limits(errors: Errors, limit_range: LimitRange) -> None:
    seen: set[str] = set()
    for index, item in enumerate(limit_range.spec.limits):
        path = _LIMITS.index(index)
        _check_type(errors, path.child("type"), item.type)
        if item.type in seen:
            errors.append(duplicate(path.child("type"), item.type))
        seen.add(item.type)
        _check_item(errors, path, item)


def _check_type(errors: Errors, path: Path, value: str) -> None:
    before = len(errors)
    check_text(errors, path, value, names.qualified_name)
    if len(errors) == before and "/" not in value and value not in _TYPES:
        errors.append(invalid(path, value, "must be a standard limit type or fully qualified"))


def _read(errors: Errors, path: Path, item: Item, amounts: resources.Quantities) -> _Amounts:
    """Check names and amounts; return those that can be read."""
    found: dict[str, Amount] = {}
    for name in sorted(amounts):
        at = path.key(name)
        if item.type in ("Pod", "Container"):
            resources.check_container_name(errors, at, name)
        else:
            resources.check_name(errors, at, name)
        if resources.check_readable(errors, at, amounts[name].string):
            found[name] = parse(amounts[name].string)
    return found


def _check_item(errors: Errors, path: Path, item: Item) -> None:
    highest = _read(errors, path.child("max"), item, item.max)
    lowest = _read(errors, path.child("min"), item, item.min)
    limits, requests = _check_defaults(errors, path, item)
    if item.type == "PersistentVolumeClaim" and "storage" not in item.min and "storage" not in item.max:
        words = "either minimum or maximum storage value is required, but neither was provided"
        errors.append(required(path.child("limits"), words))
    ratios = _read(errors, path.child("maxLimitRequestRatio"), item, item.max_limit_request_ratio)
    for name in sorted({*highest, *lowest, *limits, *requests, *ratios}):
        low, request, limit, high = (amounts.get(name) for amounts in (lowest, requests, limits, highest))
        _check_order(errors, path, name, low, request, limit, high)
        if name in ratios:
            _check_ratio(errors, path, name, ratios[name], low, high)
        if not resources.may_overcommit(name) and limit and request and limit.nanos != request.nanos:
            words = f"default value {limit} must equal to defaultRequest value {request} in {name}"
            errors.append(invalid(path.child("defaultRequest").key(name), str(request), words))


def _check_defaults(errors: Errors, path: Path, item: Item) -> tuple[_Amounts, _Amounts]:
    """Return the default limits and requests. A Pod has none: they are its containers'."""
    fields = (("default", item.default), ("defaultRequest", item.default_request))
    if item.type == "Pod":
        for field, amounts in fields:
            if amounts:
                errors.append(forbidden(path.child(field), "may not be specified when `type` is 'Pod'"))
        return {}, {}
    limits, requests = (_read(errors, path.child(field), item, amounts) for field, amounts in fields)
    return limits, requests


def _check_order(
    errors: Errors,
    path: Path,
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
            errors.append(invalid(path.child(field).key(name), str(shown), words))

    ordered("min", low, "min", high, "max", shown=low)
    ordered("defaultRequest", low, "min", request, "default request", shown=request)
    ordered("defaultRequest", request, "default request", high, "max", shown=request)
    ordered("defaultRequest", request, "default request", limit, "default limit", shown=request)
    ordered("default", low, "min", limit, "default", shown=low)
    ordered("default", limit, "default", high, "max", shown=high)


def _check_ratio(
    errors: Errors, path: Path, name: str, ratio: Amount, low: Amount | None, high: Amount | None
) -> None:
    at = path.child("maxLimitRequestRatio").key(name)
    if ratio.nanos < _ONE:
        errors.append(invalid(at, str(ratio), f"ratio {ratio} is less than 1"))
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
        errors.append(invalid(at, str(ratio), f"ratio {ratio} is greater than max/min = {large / small:f}"))
