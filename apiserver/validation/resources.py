"""Rules for resources: their names, amounts, requests against limits, and those of a Pod as a whole (KEP-2837).

Follows `pkg/apis/core/validation` (also validatePodResources, validatePodResourceConsistency, validateOverhead)
and `pkg/apis/core/helper`.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

from apiserver.validation.place import NEGATIVE, Place
from vaina.api.core.v1 import pod_pb2, reference_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.errors import FieldError
from vaina.objects import names, quantity
from vaina.objects.field_path import NOT_FOUND
from vaina.quoting import go_quote

Quantities = Mapping[str, meta_pb2.Quantity]
NameCheck = Callable[[Place, str], None]

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


def check_quota_name(path: Place, name: str) -> None:
    """Check the name of a resource that a quota limits."""
    check_name(path, name)
    if "/" not in name and not is_standard_for_quota(name):
        path.invalid(name, "must be a standard resource for quota")


def check_name(path: Place, name: str) -> bool:
    """Check that a name is a standard one or has a domain; say whether it is in order."""
    if not path.check_value(name, names.qualified_name):
        return False
    if "/" not in name and not _is_standard(name):
        path.invalid(name, "must be a standard resource type or fully qualified")
        return False
    return True


def check_container_name(path: Place, name: str) -> None:
    """Check the name of a resource that a container asks for."""
    if name in _STANDARD_CONTAINER:
        return
    check_name(path, name)
    if "/" not in name:
        if not is_huge_pages(name):
            path.invalid(name, "must be a standard resource for containers")
    elif not is_native(name) and not is_extended(name):
        path.invalid(name, "doesn't follow extended resource name standard")


def check_pod_name(path: Place, name: str) -> None:
    """Check the name of a resource that a Pod asks for as a whole (KEP-2837)."""
    if name in COMPUTE:
        return
    if check_name(path, name) and not is_huge_pages(name):
        path.not_supported(name, ["cpu", "memory"])


def check_amount(path: Place, name: str, text: str) -> bool:
    """Check an amount of a resource; say whether it can be read."""
    amount = path.check_quantity(text)
    if amount is None:
        return False
    if amount.nanos < 0:
        path.invalid(str(amount), NEGATIVE)
    if (name in _COUNTED or ("/" in name and is_extended(name))) and amount.milli_value() % 1000:
        path.invalid(str(amount), "must be an integer")
    return True


def _check_huge_pages(path: Place, name: str, text: str) -> None:
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
    path.invalid(shown, f"{shown} is not positive integer multiple of {name}")


def check_requirements(
    path: Place,
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
        if _check_resource(limit_path, name, limits[name].string, check_name)
    }
    for name in sorted(requests):
        text = requests[name].string
        if _check_resource(request_path, name, text, check_name):
            _check_against_limit(path, name, text, readable.get(name))
    asked = {*limits, *requests}
    if any(is_huge_pages(name) for name in asked) and not asked & COMPUTE:
        path.forbidden("HugePages require cpu or memory")
    if resources.claims:
        _check_claims(path.child("claims"), resources.claims, claims)


def _check_resource(path: Place, name: str, text: str, check_name: NameCheck) -> bool:
    at = path.key(name)
    check_name(at, name)
    readable = check_amount(at, name, text)
    if readable and is_huge_pages(name):
        _check_huge_pages(at, name, text)
    return readable


def _check_against_limit(path: Place, name: str, request: str, limit: str | None) -> None:
    overcommit = may_overcommit(name)
    if limit is None:
        if not overcommit:
            path.child("limits").required("Limit must be set for non overcommitable resources")
        return
    order = quantity.compare(request, limit)
    if order and not overcommit:
        words = "must be equal to"
    elif order > 0:
        words = "must be less than or equal to"
    else:
        return
    detail = f"{words} {name} limit of {quantity.canonical(limit)}"
    path.child("requests").invalid(quantity.canonical(request), detail)


def _check_claims(
    path: Place, claims: Iterable[reference_pb2.ResourceClaim], declared: Collection[str]
) -> None:
    seen: set[str] = set()
    for index, claim in enumerate(claims):
        at = path.index(index)
        if not claim.name:
            at.required()
            continue
        key = f"{claim.name}/{claim.request}" if claim.request else claim.name
        if claim.request and claim.name not in seen:
            at.child("request").check_value(claim.request, names.dns_1123_label)
        if claim.name in seen:
            at.duplicate(claim.name)
        elif key in seen:
            at.duplicate(key)
        elif not claim.request:
            for other in seen:
                if other.startswith(f"{claim.name}/"):
                    at.duplicate(claim.name)
        seen.add(key)
        if claim.name not in declared:
            known = f": {', '.join(sorted(declared))}" if declared else " which is empty"
            detail = f"must be one of the names in pod.spec.resourceClaims{known}"
            at.errors.append(FieldError(NOT_FOUND, str(at), f"Not found: {go_quote(claim.name)}: {detail}"))


def check_overhead(path: Place, overhead: Quantities) -> None:
    """Check what running a Pod costs besides its containers; upstream checks it as limits."""
    made = reference_pb2.ResourceRequirements()
    for name in overhead:
        made.limits[name].CopyFrom(overhead[name])
    check_requirements(path, made, ())


def check_pod_resources(path: Place, spec: pod_pb2.PodSpec, claims: Collection[str]) -> None:
    """Check the Pod's own requests and limits, also against those of its containers."""
    own = spec.resources
    if spec.os.name == "windows":
        path.forbidden("may not be set for a windows pod")
        return
    if own.claims:
        path.child("claims").forbidden("claims may not be set for Resources at pod-level")
    before = len(path.errors)
    check_requirements(path, own, claims, check_pod_name)
    if len(path.errors) == before:
        _check_consistency(path, spec)


def _nanos(amounts: Quantities, name: str) -> int:
    """Return an amount in units of 10^-9; what cannot be read is reported elsewhere and counts as nothing."""
    if name not in amounts:
        return 0
    try:
        return quantity.parse(amounts[name].string).nanos
    except quantity.QuantityError:
        return 0


def _aggregate(spec: pod_pb2.PodSpec, side: str, name: str) -> int:
    """Return what the containers ask for together: sidecars run beside all that come after them."""
    sidecars = peak = 0
    for container in spec.init_containers:
        amount = _nanos(getattr(container.resources, side), name)
        if container.restart_policy == "Always":
            sidecars += amount
            peak = max(peak, sidecars)
        else:
            peak = max(peak, sidecars + amount)
    regular = sum(_nanos(getattr(container.resources, side), name) for container in spec.containers)
    return max(peak, regular + sidecars)


def _check_consistency(path: Place, spec: pod_pb2.PodSpec) -> None:
    """Check that the Pod has what its containers ask for; limits too of huge pages, which no two can share."""
    _check_covers(path, spec, "requests", sorted(spec.resources.requests))
    huge = [name for name in sorted(spec.resources.limits) if is_huge_pages(name)]
    _check_covers(path, spec, "limits", huge)
    for index, container in enumerate(spec.containers):
        for name in sorted(container.resources.limits):
            if name not in spec.resources.limits:
                continue
            limit = spec.resources.limits[name].string
            if _nanos(container.resources.limits, name) > quantity.parse(limit).nanos:
                at = path.child("containers").index(index).key(name).child("limits")
                shown = quantity.canonical(container.resources.limits[name].string)
                at.invalid(shown, f"must be less than or equal to pod limits of {quantity.canonical(limit)}")


def _check_covers(path: Place, spec: pod_pb2.PodSpec, side: str, asked: list[str]) -> None:
    own = getattr(spec.resources, side)
    for name in asked:
        total = _aggregate(spec, side, name)
        if total > _nanos(own, name):
            form: quantity.Format = "DecimalSI" if name == "cpu" else "BinarySI"
            shown = str(quantity.Amount(total, form))
            detail = f"must be greater than or equal to aggregate container {side} of {shown}"
            path.child(side).key(name).invalid(quantity.canonical(own[name].string), detail)
