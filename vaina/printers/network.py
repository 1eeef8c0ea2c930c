"""Columns of Services and their endpoints, of policies and Ingresses, and of devices that Pods claim."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from vaina.printers.cells import NONE, UNSET, at, selector_text, set_at, since
from vaina.printers.columns import AGE, NAME, Column, Columns, named, selecting

#: entries that a cell shows; the others are counted
_SHOWN: Final = 3


def _some(texts: Sequence[str], none: str) -> str:
    shown = ",".join(texts[:_SHOWN]) or none
    return f"{shown} + {len(texts) - _SHOWN} more..." if len(texts) > _SHOWN else shown


def _external(service: Any, _: float) -> str:
    """Show how a Service is reached from outside (getServiceExternalIP)."""
    spec = service.spec
    if spec.type == "ExternalName":
        return str(spec.external_name)
    if spec.type not in ("ClusterIP", "NodePort", "LoadBalancer"):
        return "<unknown>"
    found = list(spec.external_ips)
    if spec.type == "LoadBalancer":
        ingress = service.status.load_balancer.ingress
        found = sorted({it.ip or it.hostname for it in ingress} - {""}) + found
        return ",".join(found) or "<pending>"
    return ",".join(found) or NONE


def _ports(service: Any, _: float) -> str:
    return ",".join(
        f"{port.port}:{port.node_port}/{port.protocol}" if port.node_port else f"{port.port}/{port.protocol}"
        for port in service.spec.ports
    ) or NONE  # fmt: skip


def _join(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _subsets(endpoints: Any, _: float) -> str:
    found: list[str] = []
    for subset in endpoints.subsets:
        addresses = [address.ip for address in subset.addresses]
        found += (
            [_join(ip, port.port) for port in subset.ports for ip in addresses] if subset.ports else addresses
        )
    return _some(found, NONE)


def _slice_ports(found: Any, _: float) -> str:
    ports = (
        str(port.port) if port.HasField("port") else port.name if port.HasField("name") else "*"
        for port in found.ports
    )
    return _some(list(ports), UNSET)


def _claim_state(claim: Any, _: float) -> str:
    """Show the state of a ResourceClaim (resourceClaimState)."""
    gone = claim.metadata.HasField("deletion_timestamp")
    states = ["deleted"] if gone else []
    if claim.status.HasField("allocation"):
        states += ["allocated", "reserved"] if claim.status.reserved_for else ["allocated"]
    elif not gone:
        states.append("pending")
    return ",".join(states)


def _hosts(ingress: Any, _: float) -> str:
    """Show the first hosts of an Ingress; what there is more is counted in rules (formatHosts)."""
    hosts: list[str] = []
    more = ""
    for rule in ingress.spec.rules:
        if len(hosts) == _SHOWN:
            more = f" + {len(ingress.spec.rules) - _SHOWN} more..."
            break
        if rule.host:
            hosts.append(rule.host)
    return ",".join(hosts) + more or "*"


def _balanced(ingress: Any, _: float) -> str:
    return ",".join(sorted({it.ip or it.hostname for it in ingress.status.load_balancer.ingress} - {""}))


def _class_name(found: Any, _: float) -> str:
    default = found.metadata.annotations.get("ingressclass.kubernetes.io/is-default-class") == "true"
    return f"{found.metadata.name} (default)" if default else str(found.metadata.name)


def _parameters(found: Any, _: float) -> str:
    if not found.spec.HasField("parameters"):
        return NONE
    parameters = found.spec.parameters
    group = f".{parameters.api_group}" if parameters.HasField("api_group") else ""
    return f"{parameters.kind}{group}/{parameters.name}"


COLUMNS: Final[Mapping[str, Columns]] = {
    "Service": named(
        Column("Type", "How the Service is reached.", at("spec.type")),
        Column(
            "Cluster-IP", "Its address within the cluster.",
            lambda it, _: next(iter(it.spec.cluster_ips), "") or it.spec.cluster_ip or NONE,
        ),
        Column("External-IP", "Its addresses outside.", _external),
        Column("Port(s)", "Its ports, with those of the nodes and their protocols.", _ports),
        wide=(selecting("spec.selector"),),
    ),
    "Endpoints": named(Column("Endpoints", "Addresses and ports that are ready.", _subsets)),
    "EndpointSlice": named(
        Column("AddressType", "Of what kind its addresses are.", at("address_type")),
        Column("Ports", "The ports of its endpoints.", _slice_ports),
        Column(
            "Endpoints", "The addresses of its endpoints.",
            lambda it, _: _some([ip for endpoint in it.endpoints for ip in endpoint.addresses], UNSET),
        ),
    ),
    "NetworkPolicy": named(
        Column("Pod-Selector", "The Pods that it is about, by their labels.",
               lambda it, _: selector_text(it.spec.pod_selector)),
    ),
    "Ingress": named(
        Column("Class", "The IngressClass that it is of.", set_at("spec.ingress_class_name", NONE)),
        Column("Hosts", "The hosts whose requests it is about.", _hosts),
        Column("Address", "Where it is reached from outside.", _balanced),
        Column("Ports", "The ports that it is reached at.", lambda it, _: "80, 443" if it.spec.tls else "80"),
    ),
    "IngressClass": (
        replace(NAME, cell=_class_name),
        Column("Controller", "Who serves Ingresses of the class.", at("spec.controller")),
        Column("Parameters", "The object with what the controller has to know.", _parameters),
        AGE,
    ),
    "DeviceClass": named(),
    "ResourceClaim": named(Column("State", "Whether it has devices, and whether a Pod uses them.", _claim_state)),
    "ResourceClaimTemplate": named(),
    "ResourceSlice": named(
        Column("Node", "The node whose devices these are.", at("spec.node_name")),
        Column("Driver", "Who provides the devices.", at("spec.driver")),
        Column("Pool", "The pool that they are of.", at("spec.pool.name")),
    ),
    "DeviceTaintRule": named(
        Column("Key", "The key of the taint.", at("spec.taint.key")),
        Column("Value", "Its value.", at("spec.taint.value")),
        Column("Effect", "What it does to Pods that use such a device.", at("spec.taint.effect")),
        Column("TimeAdded", "Since when it has this effect.", since("spec.taint.time_added")),
    ),
}  # fmt: skip
