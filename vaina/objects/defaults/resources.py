"""Defaults of requests and limits: amounts are rounded up, requests follow limits."""

from collections.abc import Iterable, MutableMapping
from typing import Final

from vaina.api.core.v1 import pod_pb2, reference_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.objects import quantity

_HUGE_PAGES: Final = "hugepages-"
_POD_LEVEL: Final = ("cpu", "memory")

Quantities = MutableMapping[str, meta_pb2.Quantity]


def round_up(amounts: Quantities) -> None:
    """Round amounts up to thousandths; a text that is no quantity is left for validation to refuse."""
    for name in amounts:
        text = amounts[name].string
        if text[-1:] not in {"n", "u"} and "." not in text and "e" not in text and "E" not in text:
            continue  # no finer than thousandths: nearly always
        try:
            rounded = quantity.round_up_milli(text)
        except quantity.QuantityError:
            continue
        amounts[name].string = rounded


def requests_from_limits(resources: reference_pb2.ResourceRequirements) -> None:
    """Request what is limited, where nothing else is requested."""
    for name in resources.limits:
        if name not in resources.requests:
            resources.requests[name].string = resources.limits[name].string


def default_pod_resources(spec: pod_pb2.PodSpec) -> None:
    """Complete the Pod's own requests and limits (KEP-2837) from those of its containers and from each other."""
    own = spec.resources
    round_up(own.limits)
    round_up(own.requests)
    if not own.limits and not own.requests:
        return
    containers = [*spec.containers, *spec.init_containers]
    for name in sorted({name for container in containers for name in container.resources.limits}):
        if name.startswith(_HUGE_PAGES) and name not in own.requests and name not in own.limits:
            own.limits[name].string = _aggregate(spec, "limits", name)
    if own.limits:
        _default_requests(spec, own)
    else:
        _default_limits(spec, own)


def _default_requests(spec: pod_pb2.PodSpec, own: reference_pb2.ResourceRequirements) -> None:
    containers = [*spec.containers, *spec.init_containers]
    for name in _POD_LEVEL:
        if name not in own.requests and any(name in container.resources.requests for container in containers):
            own.requests[name].string = _aggregate(spec, "requests", name)
    for name in own.limits:
        if name not in own.requests and (name in _POD_LEVEL or name.startswith(_HUGE_PAGES)):
            own.requests[name].string = own.limits[name].string


def _default_limits(spec: pod_pb2.PodSpec, own: reference_pb2.ResourceRequirements) -> None:
    """Limit the Pod to what its containers are limited to, if each of them is."""
    containers = [*spec.containers, *spec.init_containers]
    for name in _POD_LEVEL:
        if containers and all(name in container.resources.limits for container in containers):
            own.limits[name].string = _aggregate(spec, "limits", name)


def _aggregate(spec: pod_pb2.PodSpec, side: str, name: str) -> str:
    """Return what the containers ask for together: sidecars run beside all that come after them."""
    form: quantity.Format = "DecimalSI"

    def nanos(containers: Iterable[pod_pb2.Container]) -> int:
        nonlocal form
        total = 0
        for container in containers:
            amounts = getattr(container.resources, side)
            if name in amounts:
                try:
                    amount = quantity.parse(amounts[name].string)
                except quantity.QuantityError:
                    continue
                total, form = total + amount.nanos, amount.format
        return total

    sidecars = peak = 0
    for container in spec.init_containers:
        if container.restart_policy == "Always":
            sidecars += nanos([container])
            peak = max(peak, sidecars)
        else:
            peak = max(peak, sidecars + nanos([container]))
    return str(quantity.Amount(max(peak, nanos(spec.containers) + sidecars), form))
