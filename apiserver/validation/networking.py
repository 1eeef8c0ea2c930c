"""Rules for NetworkPolicies, Ingresses and IngressClasses.

Follows `pkg/apis/networking/validation`.
"""

from collections.abc import Container, Iterable
from ipaddress import IPv4Network
from typing import Final

from apiserver.validation import metadata
from apiserver.validation.addresses import check_legacy_ip, legacy_cidr, parse_sloppily
from apiserver.validation.place import Place
from apiserver.validation.services import check_ingress_host
from vaina.api.core.v1 import reference_pb2
from vaina.api.networking.v1 import ingress_class_pb2, ingress_pb2, network_policy_pb2
from vaina.objects import names

NetworkPolicy = network_policy_pb2.NetworkPolicy
Ingress = ingress_pb2.Ingress
IngressClass = ingress_class_pb2.IngressClass

_PROTOCOLS: Final = ("TCP", "UDP", "SCTP")
_POLICY_TYPES: Final = ("Ingress", "Egress")
_PATH_TYPES: Final = ("Exact", "ImplementationSpecific", "Prefix")
_SCOPES: Final = ("Cluster", "Namespace")
_NOT_IN_PATHS: Final = ("//", "/./", "/../", "%2f", "%2F")
_NOT_AT_END: Final = ("/..", "/.")
_MAX_CONTROLLER_BYTES: Final = 250
CLASS_ANNOTATION: Final = "kubernetes.io/ingress.class"


def check_policy(root: Place, policy: NetworkPolicy) -> None:
    """Check a new NetworkPolicy."""
    metadata.check_create(root, policy.metadata, names.dns_1123_subdomain, namespaced=True)
    _check_policy(root.child("spec"), policy.spec, ())


def check_policy_update(root: Place, new: NetworkPolicy, old: NetworkPolicy) -> None:
    """Check a changed NetworkPolicy; networks that it names already may stay as they are written."""
    metadata.check_update(root, new.metadata, old.metadata)
    blocks = [
        peer.ip_block
        for peers in (
            *(rule.from_peers for rule in old.spec.ingress), *(rule.to for rule in old.spec.egress),
        )
        for peer in peers
    ]  # fmt: skip
    known = {text for block in blocks for text in (block.cidr, *getattr(block, "except"))}
    _check_policy(root.child("spec"), new.spec, known)


def _check_policy(at: Place, spec: network_policy_pb2.NetworkPolicySpec, known: Container[str]) -> None:
    metadata.check_label_selector(at.child("podSelector"), spec.pod_selector)
    for index, incoming in enumerate(spec.ingress):
        here = at.child("ingress").index(index)
        _check_policy_ports(here.child("ports"), incoming.ports)
        _check_peers(here.child("from"), incoming.from_peers, known)
    for index, outgoing in enumerate(spec.egress):
        here = at.child("egress").index(index)
        _check_policy_ports(here.child("ports"), outgoing.ports)
        _check_peers(here.child("to"), outgoing.to, known)
    path = at.child("policyTypes")
    if len(spec.policy_types) > len(_POLICY_TYPES):
        path.invalid(list(spec.policy_types), "may not specify more than two policyTypes")
        return
    for index, each in enumerate(spec.policy_types):
        path.index(index).check_supported(each, _POLICY_TYPES)


def _check_policy_ports(path: Place, ports: Iterable[network_policy_pb2.NetworkPolicyPort]) -> None:
    for index, port in enumerate(ports):
        at = path.index(index)
        at.check_given(port, "protocol", _PROTOCOLS)
        end, last = at.child("endPort"), port.end_port if port.HasField("end_port") else None
        if not port.HasField("port"):
            if last is not None:
                end.invalid(last, "may not be specified when `port` is not specified")
        elif port.port.type:
            if last is not None:
                end.invalid(last, "may not be specified when `port` is non-numeric")
            at.child("port").check_value(port.port.str_val, names.port_name)
        else:
            at.child("port").check_value(port.port.int_val, names.port_number)
            if last is not None:
                if last < port.port.int_val:
                    end.invalid(last, "must be greater than or equal to `port`")
                end.check_value(last, names.port_number)


def _check_peers(
    path: Place, peers: Iterable[network_policy_pb2.NetworkPolicyPeer], known: Container[str]
) -> None:
    for index, peer in enumerate(peers):
        at = path.index(index)
        given = [field.name for field, _ in peer.ListFields()]
        if "pod_selector" in given:
            metadata.check_label_selector(at.child("podSelector"), peer.pod_selector)
        if "namespace_selector" in given:
            metadata.check_label_selector(at.child("namespaceSelector"), peer.namespace_selector)
        if "ip_block" in given:
            _check_block(at.child("ipBlock"), peer.ip_block, known)
        if not given:
            at.required("must specify a peer")
        elif len(given) > 1 and "ip_block" in given:
            at.forbidden("may not specify both ipBlock and another peer")


def _check_block(at: Place, block: network_policy_pb2.IPBlock, known: Container[str]) -> None:
    if not block.cidr:
        at.child("cidr").required()
        return
    if block.cidr not in known:
        at.child("cidr").check_value(block.cidr, legacy_cidr)
    whole = names.parse_cidr(block.cidr)
    if whole is None:
        return
    for index, text in enumerate(getattr(block, "except")):
        path = at.child("except").index(index)
        if text not in known:
            path.check_value(text, legacy_cidr)
        part = names.parse_cidr(text)
        if part is None:
            continue
        alike = isinstance(part, IPv4Network) == isinstance(whole, IPv4Network)
        inside = alike and part.network_address in whole and part.prefixlen > whole.prefixlen
        if not inside:
            path.invalid(text, "must be a strict subset of `cidr`")


def check_ingress(root: Place, ingress: Ingress) -> None:
    """Check a new Ingress."""
    metadata.check_create(root, ingress.metadata, names.dns_1123_subdomain, namespaced=True)
    _check_ingress(root.child("spec"), ingress.spec, secrets_checked=True)
    named, spec = ingress.metadata.annotations.get(CLASS_ANNOTATION), ingress.spec
    if named is not None and spec.HasField("ingress_class_name") and named != spec.ingress_class_name:
        words = "must match `ingressClassName` when both are specified"
        root.child("annotations", CLASS_ANNOTATION).invalid(named, words)


def check_ingress_update(root: Place, new: Ingress, old: Ingress) -> None:
    """Check a changed Ingress; bad names of Secrets in a stored one are let be."""
    metadata.check_update(root, new.metadata, old.metadata)
    metadata.check_create(root, new.metadata, names.dns_1123_subdomain, namespaced=True)
    bad = any(each.secret_name and names.dns_1123_subdomain(each.secret_name) for each in old.spec.tls)
    _check_ingress(root.child("spec"), new.spec, secrets_checked=not bad)


def check_ingress_status(root: Place, new: Ingress, old: Ingress) -> None:
    """Check a changed status."""
    metadata.check_update(root, new.metadata, old.metadata)
    known = {each.ip for each in old.status.load_balancer.ingress}
    for index, each in enumerate(new.status.load_balancer.ingress):
        at = root.child("status", "loadBalancer", "ingress").index(index)
        if each.ip:
            check_legacy_ip(at.child("ip"), each.ip, known)
        check_ingress_host(at.child("hostname"), each.hostname)


def _check_ingress(at: Place, spec: ingress_pb2.IngressSpec, *, secrets_checked: bool) -> None:
    if not spec.rules and not spec.HasField("default_backend"):
        at.invalid(None, "either `defaultBackend` or `rules` must be specified")
    if spec.HasField("default_backend"):
        _check_backend(at.child("defaultBackend"), spec.default_backend)
    for index, rule in enumerate(spec.rules):
        _check_rule(at.child("rules").index(index), rule)
    for index, tls in enumerate(spec.tls):
        here = at.child("tls").index(index)
        for position, host in enumerate(tls.hosts):
            _check_host(here.child("hosts").index(position), host)
        if secrets_checked and tls.secret_name:
            here.child("secretName").check_value(tls.secret_name, names.dns_1123_subdomain)
    if spec.HasField("ingress_class_name"):
        at.child("ingressClassName").check_value(spec.ingress_class_name, names.dns_1123_subdomain)


def _check_rule(at: Place, rule: ingress_pb2.IngressRule) -> None:
    if rule.host:
        if parse_sloppily(rule.host) is not None:
            at.child("host").invalid(rule.host, "must be a DNS name, not an IP address")
        _check_host(at.child("host"), rule.host)
    if rule.ingress_rule_value.HasField("http"):
        paths = rule.ingress_rule_value.http.paths
        if not paths:
            at.child("http", "paths").required()
        for index, path in enumerate(paths):
            _check_path(at.child("http", "paths").index(index), path)


def _check_host(path: Place, host: str) -> None:
    path.check_value(host, names.wildcard_dns_1123_subdomain if "*" in host else names.dns_1123_subdomain)


def _check_path(at: Place, found: ingress_pb2.HTTPIngressPath) -> None:
    if not found.HasField("path_type"):
        at.child("pathType").required("pathType must be specified")
        return
    path, text, kind = at.child("path"), found.path, found.path_type
    if kind not in _PATH_TYPES:
        at.child("pathType").not_supported(kind, _PATH_TYPES)
    elif not text.startswith("/") and (text or kind != "ImplementationSpecific"):
        path.invalid(text, "must be an absolute path")
    if kind in {"Exact", "Prefix"}:
        for part in _NOT_IN_PATHS:
            if part in text:
                path.invalid(text, f"must not contain '{part}'")
        for end in _NOT_AT_END:
            if text.endswith(end):
                path.invalid(text, f"cannot end with '{end}'")
    _check_backend(at.child("backend"), found.backend)


def _check_backend(at: Place, backend: ingress_pb2.IngressBackend) -> None:
    if backend.HasField("resource") and backend.HasField("service"):
        at.invalid("", "cannot set both resource and service backends")
    elif backend.HasField("resource"):
        _check_reference(at.child("resource"), backend.resource)
    elif backend.HasField("service"):
        service = backend.service
        at.child("service", "name").check_required(service.name, names.dns_1123_label)
        port = at.child("service", "port")
        if service.port.name and service.port.number:
            at.invalid("", "cannot set both port name & port number")
        elif service.port.name:
            port.child("name").check_value(service.port.name, names.port_name)
        elif service.port.number:
            port.child("number").check_value(service.port.number, names.port_number)
        else:
            at.required("port name or number is required")
    else:
        at.invalid("", "resource or service backend is required")


def _check_reference(
    at: Place,
    reference: reference_pb2.TypedLocalObjectReference | ingress_class_pb2.IngressClassParametersReference,
) -> None:
    if reference.HasField("api_group"):
        at.child("apiGroup").check_value(reference.api_group, names.dns_1123_subdomain)
    at.child("kind").check_required(reference.kind, names.path_segment)
    at.child("name").check_required(reference.name, names.path_segment)


def check_class(root: Place, found: IngressClass) -> None:
    """Check an IngressClass."""
    at, spec = root.child("spec"), found.spec
    if names.size(spec.controller) > _MAX_CONTROLLER_BYTES:
        at.child("controller").too_long(_MAX_CONTROLLER_BYTES)
    at.child("controller").check_required(spec.controller, names.domain_prefixed_path)
    if not spec.HasField("parameters"):
        return
    path, parameters = at.child("parameters"), spec.parameters
    _check_reference(path, parameters)
    if not parameters.HasField("scope"):
        path.child("scope").required()
        return
    path.child("scope").check_supported(parameters.scope, _SCOPES)
    namespace = path.child("namespace")
    if parameters.scope == "Namespace":
        if parameters.HasField("namespace"):
            namespace.check_value(parameters.namespace, names.dns_1123_label)
        else:
            namespace.required("`parameters.scope` is set to 'Namespace'")
    elif parameters.scope == "Cluster" and parameters.HasField("namespace"):
        namespace.forbidden("`parameters.scope` is set to 'Cluster'")


def check_class_change(root: Place, new: IngressClass, old: IngressClass) -> None:
    """Check that an IngressClass stays that of its controller."""
    root.child("spec", "controller").check_immutable(new.spec.controller, old.spec.controller)
