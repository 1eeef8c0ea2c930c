"""Warnings for kinds that are stored, checked and watched, and on which nothing in vaina acts.

They are there for schedulers, controllers and charts that watch or make them. Their first warning is ours, and
says so; the others follow `pkg/api/service/warnings.go` and the strategies below `pkg/registry`.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

from apiserver.validation.addresses import cidr_warnings, ip_warnings
from apiserver.validation.networking import CLASS_ANNOTATION
from apiserver.validation.place import Place
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


#: upstream's, of one object
_MAX_WARNINGS: Final = 100
#: who puts addresses into their plain spelling: upstream's controllers, by the labels of what they make
_MANAGED_BY: Final = {
    kinds.ENDPOINTS.kind: ("endpoints.kubernetes.io/managed-by", ("endpoint-controller",)),
    kinds.ENDPOINT_SLICE.kind: (
        "endpointslice.kubernetes.io/managed-by",
        ("endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io"),
    ),
}


def warnings_for(kind: Kind[Any], found: Any, *, is_new: bool = True) -> list[str]:
    """Return what the author of a valid object of such a kind should know; nothing for other kinds."""
    missing = NOTHING_BEHIND.get(kind.kind)
    if missing is None:
        return []
    lonely = f"{kind.kind}: {missing}"
    once = _ONCE.get(kind.kind, _nothing) if is_new else _nothing
    more = _MORE.get(kind.kind, _nothing)
    return [lonely, *once(found), *islice(more(found), _MAX_WARNINGS)]


def _nothing(_: Any) -> Iterator[str]:
    return iter(())


def _of_service(service: service_pb2.Service) -> Iterator[str]:
    spec, at = service.spec, Place("spec")
    headless = spec.type == CLUSTER_IP and spec.cluster_ip == NONE
    if HINTS in service.metadata.annotations:
        yield f"annotation {HINTS} is deprecated, please use service.kubernetes.io/topology-mode instead"
    for index, address in enumerate(spec.cluster_ips):
        yield from ip_warnings(at.child("clusterIPs").index(index), address)
    for field, ignored in (
        ("loadBalancerIP", spec.load_balancer_ip), ("externalIPs", spec.external_ips),
        ("SessionAffinity", spec.session_affinity != NONE),
    ):  # fmt: skip
        if headless and ignored:
            yield f"spec.{field} is ignored for headless services"
    yield from _of_outer_addresses(at, spec, headless=headless)
    if spec.type == EXTERNAL_NAME:
        if spec.external_ips:
            yield f'spec.externalIPs is ignored when spec.type is "{EXTERNAL_NAME}"'
    elif spec.external_name:
        yield f'spec.externalName is ignored when spec.type is not "{EXTERNAL_NAME}"'
    if spec.traffic_distribution == "PreferClose":
        yield 'spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"'


def _of_outer_addresses(at: Place, spec: service_pb2.ServiceSpec, *, headless: bool) -> Iterator[str]:
    for index, address in enumerate(spec.external_ips):
        yield from ip_warnings(at.child("externalIPs").index(index), address)
    if spec.external_ips and not headless and spec.type != EXTERNAL_NAME:
        yield "spec.externalIPs is deprecated and may no longer be implemented in some clusters"
    yield from ip_warnings(at.child("loadBalancerIP"), spec.load_balancer_ip)
    for index, network in enumerate(spec.load_balancer_source_ranges):
        yield from cidr_warnings(at.child("loadBalancerSourceRanges").index(index), network)


def _of_ingress(ingress: Any) -> Iterator[str]:
    if CLASS_ANNOTATION in ingress.metadata.annotations and not ingress.spec.HasField("ingress_class_name"):
        yield f"annotation {go_quote(CLASS_ANNOTATION)} is deprecated, please use 'spec.ingressClassName' instead"


def _of_slice(found: Any) -> Iterator[str]:
    driver = found.spec.driver
    if driver != driver.lower():
        words = f"driver names should be lowercase; {go_quote(driver)} contains uppercase characters"
        yield f"spec.driver: {words}"


def _of_new_endpoint_slice(found: Any) -> Iterator[str]:
    if found.address_type == "FQDN":
        yield "spec.addressType: FQDN endpoints are deprecated"


def _is_of_a_controller(kind: str, found: Any) -> bool:
    label, controllers = _MANAGED_BY[kind]
    return found.metadata.labels.get(label) in controllers


def _of_endpoint_slice(found: Any) -> Iterator[str]:
    if _is_of_a_controller(kinds.ENDPOINT_SLICE.kind, found):
        return
    for index, endpoint in enumerate(found.endpoints):
        at = Place("endpoints").index(index).child("addresses")
        for position, address in enumerate(endpoint.addresses):
            yield from ip_warnings(at.index(position), address)


def _of_endpoints(found: Any) -> Iterator[str]:
    if _is_of_a_controller(kinds.ENDPOINTS.kind, found):
        return
    for index, subset in enumerate(found.subsets):
        at = Place("subsets").index(index)
        for field in ("addresses", "not_ready_addresses"):
            for position, address in enumerate(getattr(subset, field)):
                yield from ip_warnings(at.field(subset, field).index(position).child("ip"), address.ip)


def _of_policy(policy: Any) -> Iterator[str]:
    for rules, peers in (("ingress", "from"), ("egress", "to")):
        for index, rule in enumerate(getattr(policy.spec, rules)):
            at = Place("spec").child(rules).index(index).child(peers)
            for position, peer in enumerate(rule.from_peers if rules == "ingress" else rule.to):
                block = at.index(position).child("ipBlock")
                yield from cidr_warnings(block.child("cidr"), peer.ip_block.cidr)
                for number, text in enumerate(getattr(peer.ip_block, "except")):
                    yield from cidr_warnings(block.child("except").index(number), text)


_MORE: Final[Mapping[str, Callable[[Any], Iterator[str]]]] = {
    kinds.SERVICE.kind: _of_service,
    kinds.ENDPOINTS.kind: _of_endpoints,
    kinds.ENDPOINT_SLICE.kind: _of_endpoint_slice,
    kinds.NETWORK_POLICY.kind: _of_policy,
    kinds.RESOURCE_SLICE.kind: _of_slice,
}
#: of new objects alone
_ONCE: Final[Mapping[str, Callable[[Any], Iterator[str]]]] = {
    kinds.INGRESS.kind: _of_ingress,
    kinds.ENDPOINT_SLICE.kind: _of_new_endpoint_slice,
}
