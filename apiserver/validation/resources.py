"""Rules for resources: their names, amounts, and requests against limits.

Used for containers, Pods and nodes. Follows `pkg/apis/core/validation` and `pkg/apis/core/helper`.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

from apiserver.validation.metadata import NEGATIVE, Errors, check_text
from vaina.api.core.v1 import reference_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.errors import FieldError
from vaina.objects import names, quantity
from vaina.objects.field_path import (
    NOT_FOUND,
    Path,
    duplicate,
    forbidden,
    invalid,
    not_supported,
    required,
)
from vaina.quoting import go_quote

Quantities = Mapping[str, meta_pb2.Quantity]
NameCheck = Callable[[Errors, Path, str], None]

#: the two that decide a Pod's quality of service
COMPUTE: Final = frozenset({"cpu", "memory"})
#: what stands in the requests and limits of nearly all containers; needs no check of the name
_STANDARD_CONTAINER: Final = frozenset({"cpu", "memory", "ephemeral-storage"})
_COUNTED: Final = frozenset({
    "pods", "resourcequotas", "services", "replicationcontrollers", "secrets", "configmaps", "persistentvolumeclaims",
    "services.nodeports", "services.loadbalancers",
})  # fmt: skip
_STANDARD: Final = (
    _STANDARD_CONTAINER
    | _COUNTED
    | {"storage", "requests.storage"}
    | {f"{side}.{name}" for side in ("requests", "limits") for name in _STANDARD_CONTAINER}
)
_HUGE_PAGES: Final = "hugepages-"
#: what a quota can limit, besides extended resources and counts of objects
_QUOTA: Final = _STANDARD - {"storage"}


def is_huge_pages(name: str) -> bool:
    """Say whether a resource is pages of memory of a fixed, large size."""
    return name.startswith(_HUGE_PAGES)


def is_native(name: str) -> bool:
    """Say whether a resource is one of Kubernetes' own."""
    return "/" not in name or "kubernetes.io/" in name


def is_extended(name: str) -> bool:
    """Say whether a resource is one that a cluster added, as example.com/gpu."""
    if is_native(name) or name.startswith("requests."):
        return False
    return not names.qualified_name(f"requests.{name}")


def may_overcommit(name: str) -> bool:
    """Say whether a request may differ from the limit."""
    return is_native(name) and not is_huge_pages(name)


def _is_standard(name: str) -> bool:
    return name in _STANDARD or is_huge_pages(name) or name.startswith(f"requests.{_HUGE_PAGES}")


def is_standard_for_quota(name: str) -> bool:
    """Say whether a quota knows a resource by its plain name."""
    return name in _QUOTA or is_huge_pages(name) or name.startswith(f"requests.{_HUGE_PAGES}")


def check_quota_name(errors: Errors, path: Path, name: str) -> None:
    """Check the name of a resource that a quota limits."""
    check_name(errors, path, name)
    if "/" not in name and not is_standard_for_quota(name):
        errors.append(invalid(path, name, "must be a standard resource for quota"))


def check_name(errors: Errors, path: Path, name: str) -> bool:
    """Check that a name is a standard one or has a domain; say whether it is in order."""
    before = len(errors)
    check_text(errors, path, name, names.qualified_name)
    if len(errors) == before and "/" not in name and not _is_standard(name):
        errors.append(invalid(path, name, "must be a standard resource type or fully qualified"))
    return len(errors) == before


def check_container_name(errors: Errors, path: Path, name: str) -> None:
    """Check the name of a resource that a container asks for."""
    if name in _STANDARD_CONTAINER:
        return
    check_name(errors, path, name)
    if "/" not in name:
        if not is_huge_pages(name):
            errors.append(invalid(path, name, "must be a standard resource for containers"))
    elif not is_native(name) and not is_extended(name):
        errors.append(invalid(path, name, "doesn't follow extended resource name standard"))


def check_pod_name(errors: Errors, path: Path, name: str) -> None:
    """Check the name of a resource that a Pod asks for as a whole (KEP-2837)."""
    if name in COMPUTE:
        return
    if check_name(errors, path, name) and not is_huge_pages(name):
        errors.append(not_supported(path, name, ["cpu", "memory"]))


def check_readable(errors: Errors, path: Path, text: str) -> bool:
    """Check that a text is a quantity; say whether it is."""
    try:
        quantity.parse(text)
    except quantity.QuantityError as error:
        errors.append(invalid(path, text, str(error)))
        return False
    return True


def check_amount(errors: Errors, path: Path, name: str, text: str) -> bool:
    """Check an amount of a resource; say whether it can be read."""
    try:
        amount = quantity.parse(text)
    except quantity.QuantityError as error:
        errors.append(invalid(path, text, str(error)))
        return False
    if amount.nanos < 0:
        errors.append(invalid(path, str(amount), NEGATIVE))
    if (name in _COUNTED or ("/" in name and is_extended(name))) and amount.milli_value() % 1000:
        errors.append(invalid(path, str(amount), "must be an integer"))
    return True


def _check_huge_pages(errors: Errors, path: Path, name: str, text: str) -> None:
    try:
        page = quantity.parse(name.removeprefix(_HUGE_PAGES))
    except quantity.QuantityError:
        page = None
    if (
        page
        and page.nanos > 0
        and page.milli_value() % 1000 == 0
        and quantity.value(text) % page.value() == 0
    ):
        return
    shown = quantity.canonical(text)
    errors.append(invalid(path, shown, f"{shown} is not positive integer multiple of {name}"))


def check_requirements(
    errors: Errors,
    path: Path,
    resources: reference_pb2.ResourceRequirements,
    claims: Collection[str],
    check_name: NameCheck = check_container_name,
) -> None:
    """Check requests and limits: names, amounts, and that no request is above its limit."""
    limits, requests = resources.limits, resources.requests
    limit_path, request_path = path.child("limits"), path.child("requests")
    readable = {
        name: limits[name].string
        for name in sorted(limits)
        if _check_resource(errors, limit_path, name, limits[name].string, check_name)
    }
    for name in sorted(requests):
        text = requests[name].string
        if _check_resource(errors, request_path, name, text, check_name):
            _check_against_limit(errors, path, name, text, readable.get(name))
    asked = {*limits, *requests}
    if any(is_huge_pages(name) for name in asked) and not asked & COMPUTE:
        errors.append(forbidden(path, "HugePages require cpu or memory"))
    if resources.claims:
        _check_claims(errors, path.child("claims"), resources.claims, claims)


def _check_resource(errors: Errors, path: Path, name: str, text: str, check_name: NameCheck) -> bool:
    at = path.key(name)
    check_name(errors, at, name)
    readable = check_amount(errors, at, name, text)
    if readable and is_huge_pages(name):
        _check_huge_pages(errors, at, name, text)
    return readable


def _check_against_limit(errors: Errors, path: Path, name: str, request: str, limit: str | None) -> None:
    overcommit = may_overcommit(name)
    if limit is None:
        if not overcommit:
            errors.append(
                required(path.child("limits"), "Limit must be set for non overcommitable resources")
            )
        return
    order = quantity.compare(request, limit)
    if order and not overcommit:
        words = "must be equal to"
    elif order > 0:
        words = "must be less than or equal to"
    else:
        return
    detail = f"{words} {name} limit of {quantity.canonical(limit)}"
    errors.append(invalid(path.child("requests"), quantity.canonical(request), detail))


def _check_claims(
    errors: Errors, path: Path, claims: Iterable[reference_pb2.ResourceClaim], declared: Collection[str]
) -> None:
    seen: set[str] = set()
    for index, claim in enumerate(claims):
        at = path.index(index)
        if not claim.name:
            errors.append(required(at))
            continue
        key = f"{claim.name}/{claim.request}" if claim.request else claim.name
        if claim.request and claim.name not in seen:
            check_text(errors, at.child("request"), claim.request, names.dns_1123_label)
        if claim.name in seen:
            errors.append(duplicate(at, claim.name))
        elif key in seen:
            errors.append(duplicate(at, key))
        elif not claim.request:
            errors.extend(duplicate(at, claim.name) for other in seen if other.startswith(f"{claim.name}/"))
        seen.add(key)
        if claim.name not in declared:
            known = f": {', '.join(sorted(declared))}" if declared else " which is empty"
            detail = f"must be one of the names in pod.spec.resourceClaims{known}"
            errors.append(FieldError(NOT_FOUND, str(at), f"Not found: {go_quote(claim.name)}: {detail}"))
