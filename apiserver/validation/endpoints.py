"""Rules for Endpoints and EndpointSlices.

Follows `ValidateEndpoints` of `pkg/apis/core/validation/validation.go` and `pkg/apis/discovery/validation`. An
update that leaves the addresses as they are is not asked about them. Upstream's authorization for addresses of
other Pods (`endpoints/restricted`, `endpointslices/restricted`) is not asked: nothing forwards to them here.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from apiserver.validation import metadata
from apiserver.validation.addresses import (
    check_endpoint_ip,
    check_legacy_ip,
    legacy_ip,
    parse_sloppily,
    strict_ip,
)
from apiserver.validation.place import Place
from apiserver.validation.services import PROTOCOLS
from vaina.api.core.v1 import endpoints_pb2
from vaina.api.discovery.v1 import endpoint_slice_pb2
from vaina.objects import names

Endpoints = endpoints_pb2.Endpoints
EndpointSlice = endpoint_slice_pb2.EndpointSlice

_ADDRESS_TYPES: Final = ("FQDN", "IPv4", "IPv6")
_MAX_ADDRESSES: Final = 100
_MAX_PORTS: Final = 20000
_MAX_ENDPOINTS: Final = 1000
_MAX_TOPOLOGY: Final = 16
_MAX_HINTS: Final = 8


def check_endpoints(root: Place, endpoints: Endpoints) -> None:
    """Check new Endpoints."""
    metadata.check_create(root, endpoints.metadata, names.dns_1123_subdomain, namespaced=True)
    _check_subsets(root.child("subsets"), endpoints.subsets)


def check_endpoints_update(root: Place, new: Endpoints, old: Endpoints) -> None:
    """Check changed Endpoints."""
    metadata.check_update(root, new.metadata, old.metadata)
    metadata.check_create(root, new.metadata, names.dns_1123_subdomain, namespaced=True)
    if list(new.subsets) != list(old.subsets):
        _check_subsets(root.child("subsets"), new.subsets)


def _check_subsets(path: Place, subsets: Iterable[endpoints_pb2.EndpointSubset]) -> None:
    for index, subset in enumerate(subsets):
        at = path.index(index)
        if not subset.addresses and not subset.not_ready_addresses:
            at.required("must specify `addresses` or `notReadyAddresses`")
        for name, addresses in (
            ("addresses", subset.addresses), ("notReadyAddresses", subset.not_ready_addresses),
        ):  # fmt: skip
            for position, address in enumerate(addresses):
                _check_address(at.child(name).index(position), address)
        for position, port in enumerate(subset.ports):
            _check_port(at.child("ports").index(position), port, is_named=len(subset.ports) > 1)


def _check_address(at: Place, address: endpoints_pb2.EndpointAddress) -> None:
    check_legacy_ip(at.child("ip"), address.ip)
    if address.hostname:
        at.child("hostname").check_value(address.hostname, names.dns_1123_label)
    if address.HasField("node_name"):
        at.child("nodeName").check_value(address.node_name, names.dns_1123_subdomain)
    check_endpoint_ip(at.child("ip"), address.ip)


def _check_port(at: Place, port: endpoints_pb2.EndpointPort, *, is_named: bool) -> None:
    if port.name:
        at.child("name").check_value(port.name, names.dns_1123_label)
    elif is_named:
        at.child("name").required()
    at.child("port").check_value(port.port, names.port_number)
    at.child("protocol").check_choice(port.protocol, PROTOCOLS)
    if port.HasField("app_protocol"):
        at.child("appProtocol").check_value(port.app_protocol, names.qualified_name)


def check_slice(root: Place, found: EndpointSlice) -> None:
    """Check a new EndpointSlice."""
    _check_slice(root, found)
    _check_slice_endpoints(root.child("endpoints"), found.endpoints, found.address_type)


def check_slice_update(root: Place, new: EndpointSlice, old: EndpointSlice) -> None:
    """Check a changed EndpointSlice; it keeps the type of its addresses."""
    metadata.check_update(root, new.metadata, old.metadata)
    _check_slice(root, new)
    if list(new.endpoints) != list(old.endpoints):
        _check_slice_endpoints(root.child("endpoints"), new.endpoints, new.address_type)
    root.child("addressType").check_immutable(new.address_type, old.address_type)


def _check_slice(root: Place, found: EndpointSlice) -> None:
    metadata.check_create(root, found.metadata, names.dns_1123_subdomain, namespaced=True)
    root.child("addressType").check_choice(found.address_type, _ADDRESS_TYPES)
    path = root.child("ports")
    if len(found.ports) > _MAX_PORTS:
        path.too_many(len(found.ports), _MAX_PORTS)
        return
    seen: set[str] = set()
    for index, port in enumerate(found.ports):
        at = path.index(index)
        if port.name:
            at.child("name").check_value(port.name, names.dns_1123_label)
        at.child("name").check_unique(port.name, seen)
        if not port.HasField("protocol"):
            at.child("protocol").required()
        else:
            at.child("protocol").check_supported(port.protocol, PROTOCOLS)
        if port.HasField("app_protocol"):
            at.child("appProtocol").check_value(port.app_protocol, names.qualified_name)


def _check_slice_endpoints(
    path: Place, endpoints: Sequence[endpoint_slice_pb2.Endpoint], address_type: str
) -> None:
    if len(endpoints) > _MAX_ENDPOINTS:
        path.too_many(len(endpoints), _MAX_ENDPOINTS)
        return
    for index, endpoint in enumerate(endpoints):
        at = path.index(index)
        _check_slice_addresses(at.child("addresses"), endpoint.addresses, address_type)
        if endpoint.HasField("node_name"):
            at.child("nodeName").check_value(endpoint.node_name, names.dns_1123_subdomain)
        topology = at.child("deprecatedTopology")
        if len(endpoint.deprecated_topology) > _MAX_TOPOLOGY:
            topology.too_many(len(endpoint.deprecated_topology), _MAX_TOPOLOGY)
        metadata.check_labels(topology, endpoint.deprecated_topology)
        if endpoint.HasField("hostname"):
            at.child("hostname").check_value(endpoint.hostname, names.dns_1123_label)
        if endpoint.HasField("hints"):
            _check_hints(at.child("hints"), endpoint.hints)


def _check_slice_addresses(path: Place, addresses: Sequence[str], address_type: str) -> None:
    if not addresses:
        path.required("must contain at least 1 address")
    elif len(addresses) > _MAX_ADDRESSES:
        path.too_many(len(addresses), _MAX_ADDRESSES)
    for index, address in enumerate(addresses):
        at = path.index(index)
        if address_type == "FQDN":
            _check_fqdn(at, address)
        elif address_type in _ADDRESS_TYPES and at.check_value(
            address, legacy_ip if address_type == "IPv4" else strict_ip
        ):
            parsed = parse_sloppily(address)
            if parsed is not None and f"IPv{parsed.version}" != address_type:
                path.invalid(address, f"must be an {address_type} address")
            check_endpoint_ip(at, address)


def _check_fqdn(at: Place, name: str) -> None:
    """Check a name with a domain (`IsFullyQualifiedDomainName`); a dot at its end is no part of it."""
    if not name:
        at.required()
        return
    name = name.removesuffix(".")
    if problems := names.dns_1123_subdomain(name):
        at.invalid(name, ",".join(problems))
    elif "." not in name:
        at.invalid(name, "should be a domain with at least two segments separated by dots")
    else:
        for label in name.split("."):
            if problems := names.dns_1123_label(label):
                at.invalid(label, ",".join(problems))


def _check_hints(path: Place, hints: endpoint_slice_pb2.EndpointHints) -> None:
    for name, named, rule in (
        ("forZones", [zone.name for zone in hints.for_zones], names.label_value),
        ("forNodes", [node.name for node in hints.for_nodes], names.dns_1123_subdomain),
    ):
        at = path.child(name)
        if len(named) > _MAX_HINTS:
            at.too_many(len(named), _MAX_HINTS)
            return
        seen: set[str] = set()
        for index, each in enumerate(named):
            at.index(index).child("name").check_unique(each, seen)
            at.index(index).child("name").check_value(each, rule)
