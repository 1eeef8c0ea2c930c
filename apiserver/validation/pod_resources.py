"""Rules for resources of a Pod as a whole (KEP-2837) and for its overhead.

Follows `pkg/apis/core/validation`: validatePodResources, validatePodResourceConsistency, validateOverhead.
"""

from collections.abc import Collection

from apiserver.validation import resources
from apiserver.validation.place import Place
from vaina.api.core.v1 import pod_pb2, reference_pb2
from vaina.objects import quantity


def check_overhead(path: Place, overhead: resources.Quantities) -> None:
    """Check what running a Pod costs besides its containers; upstream checks it as limits."""
    made = reference_pb2.ResourceRequirements()
    for name in overhead:
        made.limits[name].CopyFrom(overhead[name])
    resources.check_requirements(path, made, ())


def check_pod_resources(path: Place, spec: pod_pb2.PodSpec, claims: Collection[str]) -> None:
    """Check the Pod's own requests and limits, also against those of its containers."""
    own = spec.resources
    if spec.os.name == "windows":
        path.forbidden("may not be set for a windows pod")
        return
    if own.claims:
        path.child("claims").forbidden("claims may not be set for Resources at pod-level")
    before = len(path.errors)
    resources.check_requirements(path, own, claims, resources.check_pod_name)
    if len(path.errors) == before:
        _check_consistency(path, spec)


def _nanos(amounts: resources.Quantities, name: str) -> int:
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
    """Check that the Pod has what its containers ask for.

    Huge pages cannot be promised twice, so their limits count too.
    """
    _check_covers(path, spec, "requests", sorted(spec.resources.requests))
    huge = [name for name in sorted(spec.resources.limits) if resources.is_huge_pages(name)]
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
