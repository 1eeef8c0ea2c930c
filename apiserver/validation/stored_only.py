"""Warnings for kinds that are stored, checked and watched, and on which nothing in vaina acts.

They are there for schedulers, controllers and charts that watch or make them. Their first warning is ours, and
says so; the others follow `pkg/api/service/warnings.go` and the strategies below `pkg/registry`.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from apiserver.validation.networking import CLASS_ANNOTATION
from apiserver.validation.services import HINTS
from vaina import kinds
from vaina.api.core.v1 import service_pb2
from vaina.kinds import Kind
from vaina.objects.services import CLUSTER_IP, EXTERNAL_NAME, NONE
from vaina.quoting import go_quote

_NO_FORWARDING: Final = "stored and watched, but nothing in vaina forwards traffic to these addresses"
_NO_DEVICES: Final = "stored and watched, but nothing in vaina allocates devices"
#: kind -> what is missing behind it
NOTHING_BEHIND: Final[Mapping[str, str]] = {
    kinds.SERVICE.kind: (
        "stored and watched, but nothing in vaina stands behind it: it gets no address and no port of nodes, and no traffic "
        "is forwarded to its Pods"
    ),
    kinds.ENDPOINTS.kind: _NO_FORWARDING,
    kinds.ENDPOINT_SLICE.kind: _NO_FORWARDING,
    kinds.NETWORK_POLICY.kind: "stored and watched, but nothing in vaina enforces it: all Pods may speak with one another",
    kinds.INGRESS.kind: "stored and watched, but nothing in vaina serves it: no request from outside is forwarded",
    kinds.INGRESS_CLASS.kind: "stored and watched, but vaina has no controller of Ingresses",
    kinds.DEVICE_CLASS.kind: _NO_DEVICES,
    kinds.RESOURCE_CLAIM.kind: _NO_DEVICES,
    kinds.RESOURCE_CLAIM_TEMPLATE.kind: "stored and watched, but nothing in vaina makes claims from it",
    kinds.RESOURCE_SLICE.kind: _NO_DEVICES,
    kinds.DEVICE_TAINT_RULE.kind: "stored and watched, but nothing in vaina allocates devices, nor ends Pods because of a taint",
}


def warnings_for(kind: Kind[Any], found: Any) -> list[str]:
    """Return what the author of a valid object of such a kind should know; nothing for other kinds."""
    missing = NOTHING_BEHIND.get(kind.kind)
    if missing is None:
        return []
    more = _MORE.get(kind.kind)
    return [f"{kind.kind}: {missing}", *(more(found) if more else ())]


def _of_service(service: service_pb2.Service) -> Iterator[str]:
    spec = service.spec
    headless = spec.type == CLUSTER_IP and spec.cluster_ip == NONE
    if HINTS in service.metadata.annotations:
        yield f"annotation {HINTS} is deprecated, please use service.kubernetes.io/topology-mode instead"
    if headless:
        for field, ignored in (
            ("loadBalancerIP", spec.load_balancer_ip), ("externalIPs", spec.external_ips),
            ("SessionAffinity", spec.session_affinity != NONE),
        ):  # fmt: skip
            if ignored:
                yield f"spec.{field} is ignored for headless services"
    elif spec.external_ips and spec.type != EXTERNAL_NAME:
        yield "spec.externalIPs is deprecated and may no longer be implemented in some clusters"
    if spec.type == EXTERNAL_NAME:
        if spec.external_ips:
            yield f'spec.externalIPs is ignored when spec.type is "{EXTERNAL_NAME}"'
    elif spec.external_name:
        yield f'spec.externalName is ignored when spec.type is not "{EXTERNAL_NAME}"'
    if spec.traffic_distribution == "PreferClose":
        yield 'spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"'


def _of_ingress(ingress: Any) -> Iterator[str]:
    if CLASS_ANNOTATION in ingress.metadata.annotations and not ingress.spec.HasField("ingress_class_name"):
        yield f"annotation {go_quote(CLASS_ANNOTATION)} is deprecated, please use 'spec.ingressClassName' instead"


def _of_slice(found: Any) -> Iterator[str]:
    driver = found.spec.driver
    if driver != driver.lower():
        words = f"driver names should be lowercase; {go_quote(driver)} contains uppercase characters"
        yield f"spec.driver: {words}"


def _of_endpoint_slice(found: Any) -> Iterator[str]:
    if found.address_type == "FQDN":
        yield "spec.addressType: FQDN endpoints are deprecated"


_MORE: Final[Mapping[str, Callable[[Any], Iterator[str]]]] = {
    kinds.SERVICE.kind: _of_service,
    kinds.INGRESS.kind: _of_ingress,
    kinds.RESOURCE_SLICE.kind: _of_slice,
    kinds.ENDPOINT_SLICE.kind: _of_endpoint_slice,
}
