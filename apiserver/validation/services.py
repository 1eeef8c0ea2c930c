"""Rules for Services.

Follows `validateService`, `ValidateServiceUpdate` and `ValidateServiceStatusUpdate` of
`pkg/apis/core/validation/validation.go`. Nothing allocates here what upstream's registry allocates before it
validates: `clusterIP`, `nodePort` and `healthCheckNodePort` may stay empty, and whether an address or a port is
in the range of the cluster, or taken by another Service, is not asked. The network is IPv4 alone, as upstream's
with one range of addresses (`initIPFamilyFields` of `pkg/registry/core/service/storage/alloc.go`).
"""

from collections.abc import Iterable, Sequence
from typing import Final

from apiserver.validation import metadata
from apiserver.validation.addresses import (
    check_endpoint_ip,
    check_legacy_ip,
    legacy_cidr,
    parse_sloppily,
)
from apiserver.validation.place import IMMUTABLE, Place, given
from vaina.api.core.v1 import service_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.objects import names
from vaina.objects.services import (
    CLUSTER_IP,
    EXTERNAL_NAME,
    LOAD_BALANCER,
    NODE_PORT,
    NONE,
    is_externally_accessible,
    needs_health_check,
)

Service = service_pb2.Service
ServiceSpec = service_pb2.ServiceSpec

PROTOCOLS: Final = ("SCTP", "TCP", "UDP")
_AFFINITIES: Final = ("ClientIP", "None")
_TYPES: Final = (CLUSTER_IP, EXTERNAL_NAME, LOAD_BALANCER, NODE_PORT)
_TRAFFIC_POLICIES: Final = ("Cluster", "Local")
_FAMILIES: Final = ("IPv4", "IPv6")
_FAMILY_POLICIES: Final = ("PreferDualStack", "RequireDualStack", "SingleStack")
_DISTRIBUTIONS: Final = ("PreferClose", "PreferSameZone", "PreferSameNode")
_MODES: Final = ("Proxy", "VIP")
_MAX_AFFINITY_SECONDS: Final = 86400
_MAX_IPS: Final = 2
HINTS: Final = "service.kubernetes.io/topology-aware-hints"
_MODE: Final = "service.kubernetes.io/topology-mode"
_RANGES: Final = "service.beta.kubernetes.io/load-balancer-source-ranges"
_BALANCED_ONLY: Final = "may only be used when `type` is 'LoadBalancer'"
_NOT_EXTERNAL: Final = "may not be set for ExternalName services"


def is_headless(spec: ServiceSpec) -> bool:
    """Say whether a Service wants no address."""
    return list(spec.cluster_ips) == [NONE]


def check_create(root: Place, service: Service) -> None:
    """Check a new Service."""
    metadata.check_create(root, service.metadata, names.dns_1123_label, namespaced=True)
    _check(root, service, Service())


def check_update(root: Place, new: Service, old: Service) -> None:
    """Check a change of a Service; addresses that it has already stay as they are."""
    metadata.check_update(root, new.metadata, old.metadata)
    spec = root.child("spec")
    if EXTERNAL_NAME not in {new.spec.type, old.spec.type}:
        _check_cluster_ips_stay(spec, new.spec, old.spec)
        _check_families_stay(spec, new.spec, old.spec)
    balanced = new.spec.type == LOAD_BALANCER and old.spec.type == LOAD_BALANCER
    now, before = (given(each, "load_balancer_class") for each in (new.spec, old.spec))
    if balanced and now != before:
        spec.child("loadBalancerClass").invalid(now, "may not change once set")
    both = needs_health_check(new.spec) and needs_health_check(old.spec)
    if both and new.spec.health_check_node_port != old.spec.health_check_node_port:
        spec.child("healthCheckNodePort").forbidden(IMMUTABLE)
    _check(root, new, old)


def _check(root: Place, service: Service, old: Service) -> None:
    spec, at = service.spec, root.child("spec")
    annotations = service.metadata.annotations
    if HINTS in annotations and _MODE in annotations and annotations[HINTS] != annotations[_MODE]:
        words = f"must match annotations[{HINTS}] when both are specified"
        root.child("metadata", "annotations").key(_MODE).invalid(annotations[_MODE], words)
    if not spec.ports and not is_headless(spec) and spec.type != EXTERNAL_NAME:
        at.child("ports").required()
    _check_type(at, spec)
    _check_ports(at.child("ports"), spec.ports)
    metadata.check_labels(at.child("selector"), spec.selector)
    _check_affinity(at, spec)
    if spec.type != EXTERNAL_NAME:
        _check_cluster_ips(at, spec, old.spec.cluster_ips)
    known = frozenset(old.spec.external_ips)
    for index, address in enumerate(spec.external_ips):
        here = at.child("externalIPs").index(index)
        if check_legacy_ip(here, address, known):
            check_endpoint_ip(here, address)
    at.child("type").check_choice(spec.type, _TYPES)
    _check_node_ports(at.child("ports"), spec)
    _check_unique_ports(at.child("ports"), spec.ports)
    _check_ranges(root, service, old)
    _check_balancer(at, spec)
    _check_traffic(at, spec)


def _check_type(at: Place, spec: ServiceSpec) -> None:
    if spec.type in {LOAD_BALANCER, NODE_PORT}:
        if is_headless(spec):
            words = f"may not be set to 'None' for {spec.type} services"
            at.child("clusterIPs").index(0).invalid(NONE, words)
    elif spec.type == EXTERNAL_NAME:
        at.check_absent(spec, ("cluster_ips", "ip_families", "ip_family_policy"), _NOT_EXTERNAL)
        name = spec.external_name.removesuffix(".")
        at.child("externalName").check_required(name, names.dns_1123_subdomain)


def _check_ports(path: Place, ports: Sequence[service_pb2.ServicePort]) -> None:
    seen: set[str] = set()
    for index, port in enumerate(ports):
        at = path.index(index)
        if port.name:
            at.child("name").check_value(port.name, names.dns_1123_label)
            at.child("name").check_unique(port.name, seen)
        elif len(ports) > 1:
            at.child("name").required()
        at.child("port").check_value(port.port, names.port_number)
        at.child("protocol").check_choice(port.protocol, PROTOCOLS)
        check_port_or_name(at.child("targetPort"), port.target_port)
        if port.HasField("app_protocol"):
            at.child("appProtocol").check_value(port.app_protocol, names.qualified_name)


def check_port_or_name(path: Place, port: meta_pb2.IntOrString) -> None:
    """Check the number or the name of a port."""
    if port.type:
        path.check_value(port.str_val, names.port_name)
    else:
        path.check_value(port.int_val, names.port_number)


def _check_affinity(at: Place, spec: ServiceSpec) -> None:
    at.child("sessionAffinity").check_choice(spec.session_affinity, _AFFINITIES)
    path, config = at.child("sessionAffinityConfig"), spec.session_affinity_config
    if spec.session_affinity == "ClientIP":
        # Defaulting has completed it.
        seconds = config.client_ip.timeout_seconds
        if not 0 < seconds <= _MAX_AFFINITY_SECONDS:
            words = f"must be greater than 0 and less than {_MAX_AFFINITY_SECONDS}"
            path.child("clientIP", "timeoutSeconds").invalid(seconds, words)
    elif spec.session_affinity == NONE and spec.HasField("session_affinity_config"):
        path.forbidden("must not be set when session affinity is None")


def _check_first_ip(at: Place, spec: ServiceSpec) -> None:
    path, addresses = at.child("clusterIPs"), list(spec.cluster_ips)
    if not spec.cluster_ip and addresses:
        path.invalid(addresses, "must be empty when `clusterIP` is not specified")
    elif spec.cluster_ip and not addresses:
        path.required()
    elif addresses and addresses[0] != spec.cluster_ip:
        path.invalid(addresses, "first value must match `clusterIP`")


def _check_cluster_ips(at: Place, spec: ServiceSpec, known: Iterable[str]) -> None:
    """Check what a Service says of its addresses (`ValidateServiceClusterIPsRelatedFields`)."""
    _check_first_ip(at, spec)
    path, addresses = at.child("clusterIPs"), list(spec.cluster_ips)
    seen: set[str] = set()
    for index, family in enumerate(spec.ip_families):
        here = at.child("ipFamilies").index(index)
        here.check_supported(family, _FAMILIES)
        here.check_unique(family, seen)
    at.check_given(spec, "ip_family_policy", _FAMILY_POLICIES)
    known = set(known)
    in_order = True
    for index, address in enumerate(addresses):
        if index == 0 and address == NONE:
            if len(addresses) > 1:
                in_order = False
                path.invalid(addresses, "'None' must be the first and only value")
        elif not check_legacy_ip(path.index(index), address, known):
            in_order = False
    if len(addresses) > _MAX_IPS:
        path.invalid(addresses, "may only hold up to 2 values")
    if in_order:
        _check_address_families(at, spec)


def _check_address_families(at: Place, spec: ServiceSpec) -> None:
    addresses, families = list(spec.cluster_ips), list(spec.ip_families)
    path = at.child("clusterIPs")
    versions = [parsed.version for parsed in map(parse_sloppily, addresses) if parsed is not None]
    if len(addresses) > 1 and len(set(versions)) != len(addresses):
        path.invalid(addresses, "may specify no more than one IP for each IP family")
    for index, (version, family) in enumerate(zip(versions, families, strict=False)):
        if family in _FAMILIES and family != f"IPv{version}":
            words = f"expected an {family} value as indicated by `ipFamilies[{index}]`"
            path.index(index).invalid(addresses[index], words)
    if not _check_single(at, spec):
        return
    if is_headless(spec) and not spec.selector:
        return
    if spec.ip_family_policy == "RequireDualStack":
        words = "this cluster is not configured for dual-stack services"
        at.child("ipFamilyPolicy").invalid(spec.ip_family_policy, words)
    for index, family in enumerate(families):
        if family == "IPv6":
            at.child("ipFamilies").index(index).invalid(family, "not configured on this cluster")


def _check_single(at: Place, spec: ServiceSpec) -> bool:
    """Report two of what a Service is to have one of; say whether there is none such."""
    if spec.ip_family_policy != "SingleStack":
        return True
    given_twice = [
        what
        for what, found in (("cluster IPs", spec.cluster_ips), ("IP families", spec.ip_families))
        if len(found) == _MAX_IPS
    ]
    for what in given_twice:
        words = f"must be 'RequireDualStack' or 'PreferDualStack' when multiple {what} are specified"
        at.child("ipFamilyPolicy").invalid(spec.ip_family_policy, words)
    return not given_twice


def _check_cluster_ips_stay(at: Place, new: ServiceSpec, old: ServiceSpec) -> None:
    """Check that the address of a Service stays (`validateUpgradeDowngradeClusterIPs`)."""
    if is_headless(new) and is_headless(old):
        return
    addresses, before = list(new.cluster_ips), list(old.cluster_ips)
    path = at.child("clusterIPs")
    if before and not addresses:
        path.index(0).invalid(addresses, "primary clusterIP can not be unset")
        return
    compared = len(before) if len(before) == len(addresses) else min(len(before), 1)
    for index in range(compared):
        if addresses[index] != before[index]:
            path.index(index).invalid(addresses, "may not change once set")
    if len(before) > len(addresses) == 1 and new.ip_family_policy != "SingleStack":
        words = "must be set to 'SingleStack' when releasing the secondary clusterIP"
        at.child("ipFamilyPolicy").invalid(given(new, "ip_family_policy"), words)


def _check_families_stay(at: Place, new: ServiceSpec, old: ServiceSpec) -> None:
    """Check that the first family of a Service stays (`validateUpgradeDowngradeIPFamilies`).

    Defaulting gives a Service its family, so one that has some has not lost all.
    """
    if is_headless(new) or is_headless(old):
        return
    families, before = list(new.ip_families), list(old.ip_families)
    path = at.child("ipFamilies").index(0)
    if families and before and families[0] != before[0]:
        path.invalid(families, "may not change once set")
    if len(before) > len(families) == 1 and new.ip_family_policy != "SingleStack":
        words = "must be set to 'SingleStack' when releasing the secondary ipFamily"
        at.child("ipFamilyPolicy").invalid(given(new, "ip_family_policy"), words)


def _check_node_ports(path: Place, spec: ServiceSpec) -> None:
    if spec.type == CLUSTER_IP:
        for index, port in enumerate(spec.ports):
            if port.node_port:
                words = "may not be used when `type` is 'ClusterIP'"
                path.index(index).child("nodePort").forbidden(words)
    seen: set[tuple[str, int]] = set()
    for index, port in enumerate(spec.ports):
        if port.node_port:
            if (port.protocol, port.node_port) in seen:
                path.index(index).child("nodePort").duplicate(port.node_port)
            seen.add((port.protocol, port.node_port))


def _check_unique_ports(path: Place, ports: Iterable[service_pb2.ServicePort]) -> None:
    seen: set[tuple[str, int]] = set()
    for index, port in enumerate(ports):
        if (port.protocol, port.port) in seen:
            # Upstream shows the two of them in a port of its internal type.
            shown = {
                "Name": "", "Protocol": port.protocol, "AppProtocol": None, "Port": port.port, "TargetPort": 0,
                "NodePort": 0,
            }  # fmt: skip
            path.index(index).duplicate(shown)
        seen.add((port.protocol, port.port))


def _check_ranges(root: Place, service: Service, old: Service) -> None:
    spec, balanced = service.spec, service.spec.type == LOAD_BALANCER
    if spec.load_balancer_source_ranges:
        # Upstream writes the field so.
        path = root.child("spec", "LoadBalancerSourceRanges")
        if not balanced:
            path.forbidden(_BALANCED_ONLY)
        known = {text.strip() for text in old.spec.load_balancer_source_ranges}
        for index, text in enumerate(map(str.strip, spec.load_balancer_source_ranges)):
            if text not in known:
                path.index(index).check_value(text, legacy_cidr)
        return
    if _RANGES not in service.metadata.annotations:
        return
    text = service.metadata.annotations[_RANGES]
    path = root.child("metadata", "annotations").key(_RANGES)
    if not balanced:
        path.forbidden(_BALANCED_ONLY)
    if text.strip() and text != old.metadata.annotations.get(_RANGES):
        for part in text.strip().split(","):
            path.check_value(part.strip(), legacy_cidr)


def _check_balancer(at: Place, spec: ServiceSpec) -> None:
    balanced = spec.type == LOAD_BALANCER
    if not balanced:
        at.check_absent(spec, ("allocate_load_balancer_node_ports", "load_balancer_class"), _BALANCED_ONLY)
    elif spec.HasField("load_balancer_class"):
        at.child("loadBalancerClass").check_value(spec.load_balancer_class, names.qualified_name)


def _check_traffic(at: Place, spec: ServiceSpec) -> None:
    path = at.child("externalTrafficPolicy")
    if is_externally_accessible(spec):
        path.check_choice(spec.external_traffic_policy, _TRAFFIC_POLICIES)
    elif spec.external_traffic_policy:
        words = "may only be set for externally-accessible services"
        path.invalid(spec.external_traffic_policy, words)
    path, port = at.child("healthCheckNodePort"), spec.health_check_node_port
    if port and not needs_health_check(spec):
        words = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        path.invalid(port, words)
    elif port:
        path.check_value(port, names.port_number)
    if not spec.HasField("internal_traffic_policy") and spec.type in {CLUSTER_IP, NODE_PORT, LOAD_BALANCER}:
        at.child("internalTrafficPolicy").required()
    at.check_given(spec, "internal_traffic_policy", _TRAFFIC_POLICIES)
    at.check_given(spec, "traffic_distribution", _DISTRIBUTIONS)


def check_status(root: Place, new: Service, old: Service) -> None:
    """Check a changed status (`ValidateLoadBalancerStatus`)."""
    metadata.check_update(root, new.metadata, old.metadata)
    path, ingress = root.child("status", "loadBalancer", "ingress"), new.status.load_balancer.ingress
    if new.spec.type != LOAD_BALANCER and ingress:
        path.forbidden("may only be used when `spec.type` is 'LoadBalancer'")
        return
    known = {each.ip for each in old.status.load_balancer.ingress}
    for index, each in enumerate(ingress):
        at = path.index(index)
        if each.ip:
            check_legacy_ip(at.child("ip"), each.ip, known)
        if not each.HasField("ip_mode"):
            if each.ip:
                at.child("ipMode").required("must be specified when `ip` is set")
        elif not each.ip:
            at.child("ipMode").forbidden("may not be specified when `ip` is not set")
        else:
            at.child("ipMode").check_supported(each.ip_mode, _MODES)
        check_ingress_host(at.child("hostname"), each.hostname)


def check_ingress_host(path: Place, host: str) -> None:
    """Check the name under which a load balancer is found."""
    if host:
        path.check_value(host, names.dns_1123_subdomain)
        if parse_sloppily(host) is not None:
            path.invalid(host, "must be a DNS name, not an IP address")
