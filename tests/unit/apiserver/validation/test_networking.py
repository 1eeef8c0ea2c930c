"""NetworkPolicies, Ingresses and IngressClasses: what is refused, in which words."""

from typing import Any

from apiserver.validation import validate_create, validate_status_update, validate_update
from tests.unit.apiserver.validation.cases import (
    IP,
    PORT,
    SUBDOMAIN,
    Case,
    case,
    each,
    read_default,
    violations,
)
from vaina.kinds import INGRESS, INGRESS_CLASS, NETWORK_POLICY, Kind

WILDCARD = (
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower "
    "case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for "
    "validation is '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)


def make(kind: Kind[Any], rest: str, more: str = "") -> Any:
    namespace = ", namespace: b" if kind.namespaced else ""
    return read_default(
        kind,
        f"apiVersion: {kind.api_version}\nkind: {kind.kind}\nmetadata: {{name: a{namespace}{more}}}\n{rest}",
    )


POLICIES = (
    case("nobody", "{podSelector: {}}"),
    case("some", "{ingress: [{ports: [{port: 80, endPort: 90}, {port: dns, protocol: UDP}], from: [{podSelector: {}, namespaceSelector: {}}]}]}"),
    case("a network without a part of it", "{egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}]}]}"),
    case("ports that are none", "{egress: [{ports: [{protocol: X, endPort: 1}, {port: 80, endPort: 70}, {port: a, endPort: 1}, {port: 0}]}]}",
         'spec.egress[0].ports[0].protocol: Unsupported value: "X": supported values: "TCP", "UDP", "SCTP"',
         "spec.egress[0].ports[0].endPort: Invalid value: 1: may not be specified when `port` is not specified",
         "spec.egress[0].ports[1].endPort: Invalid value: 70: must be greater than or equal to `port`",
         "spec.egress[0].ports[2].endPort: Invalid value: 1: may not be specified when `port` is non-numeric",
         f"spec.egress[0].ports[3].port: Invalid value: 0: {PORT}"),
    case("peers that are none", "{ingress: [{from: [{}, {podSelector: {}, ipBlock: {cidr: ''}}]}]}",
         "spec.ingress[0].from[0]: Required value: must specify a peer", "spec.ingress[0].from[1].ipBlock.cidr: Required value",
         "spec.ingress[0].from[1]: Forbidden: may not specify both ipBlock and another peer"),
    case("parts that are none", "{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/16, '2001:db8::/32', 10.0.0.0/8]}}]}]}",
         'spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: "11.0.0.0/16": must be a strict subset of `cidr`',
         'spec.ingress[0].from[0].ipBlock.except[1]: Invalid value: "2001:db8::/32": must be a strict subset of `cidr`',
         'spec.ingress[0].from[0].ipBlock.except[2]: Invalid value: "10.0.0.0/8": must be a strict subset of `cidr`'),
    case("types that are none", "{policyTypes: [Both]}", 'spec.policyTypes[0]: Unsupported value: "Both": supported values: "Ingress", "Egress"'),
)  # fmt: skip


@each(POLICIES)
def test_policies(case: Case) -> None:
    assert validate_create(NETWORK_POLICY, make(NETWORK_POLICY, f"spec: {case.given}")) == violations(
        *case.want
    )


def test_networks_that_a_policy_names_already_may_stay() -> None:
    old = make(
        NETWORK_POLICY, "spec: {ingress: [{from: [{ipBlock: {cidr: 10.0.0.1/8, except: [10.1.0.1/16]}}]}]}"
    )
    assert len(validate_create(NETWORK_POLICY, old)) == 2
    assert validate_update(NETWORK_POLICY, old, old) == []


WEB = "backend: {service: {name: web, port: {number: 80}}}"
INGRESSES = (
    case("one for all", "{defaultBackend: {service: {name: web, port: {name: http}}}}"),
    case("by host and path", f"{{ingressClassName: a, tls: [{{hosts: ['*.a.b'], secretName: s}}], rules: [{{host: '*.a.b', http: {{paths: [{{path: /, pathType: Exact, {WEB}}}]}}}}]}}"),
    case("nothing", "{}", "spec: Invalid value: null: either `defaultBackend` or `rules` must be specified"),
    case("hosts that are none", "{rules: [{host: 1.2.3.4}, {host: '*a.b'}, {host: A}], tls: [{hosts: [A, '*'], secretName: S}]}",
         'spec.rules[0].host: Invalid value: "1.2.3.4": must be a DNS name, not an IP address',
         f'spec.rules[1].host: Invalid value: "*a.b": {WILDCARD}', f'spec.rules[2].host: Invalid value: "A": {SUBDOMAIN}',
         f'spec.tls[0].hosts[0]: Invalid value: "A": {SUBDOMAIN}', f'spec.tls[0].hosts[1]: Invalid value: "*": {WILDCARD}',
         f'spec.tls[0].secretName: Invalid value: "S": {SUBDOMAIN}'),
    case("paths that are none", f"{{rules: [{{http: {{paths: [{{path: a, pathType: Prefix, {WEB}}}, {{path: /a//b/.., pathType: Exact, {WEB}}}, {{pathType: Regex, {WEB}}}, {{{WEB}}}]}}}}, {{http: {{}}}}]}}",
         'spec.rules[0].http.paths[0].path: Invalid value: "a": must be an absolute path',
         'spec.rules[0].http.paths[1].path: Invalid value: "/a//b/..": must not contain \'//\'',
         'spec.rules[0].http.paths[1].path: Invalid value: "/a//b/..": cannot end with \'/..\'',
         'spec.rules[0].http.paths[2].pathType: Unsupported value: "Regex": supported values: "Exact", "ImplementationSpecific", "Prefix"',
         "spec.rules[0].http.paths[3].pathType: Required value: pathType must be specified",
         "spec.rules[1].http.paths: Required value"),
    case("a backend that is none", "{defaultBackend: {}}", 'spec.defaultBackend: Invalid value: "": resource or service backend is required'),
    case("a Service without a port", "{defaultBackend: {service: {name: a.b}}}",
         'spec.defaultBackend.service.name: Invalid value: "a.b": must not contain dots',
         "spec.defaultBackend: Required value: port name or number is required"),
    case("both", "{defaultBackend: {service: {name: a, port: {number: 1}}, resource: {kind: A, name: b}}}",
         'spec.defaultBackend: Invalid value: "": cannot set both resource and service backends'),
    case("an object that is none", "{defaultBackend: {resource: {kind: a/b, name: ''}}}",
         "spec.defaultBackend.resource.kind: Invalid value: \"a/b\": may not contain '/'", "spec.defaultBackend.resource.name: Required value"),
)  # fmt: skip


@each(INGRESSES)
def test_ingresses(case: Case) -> None:
    assert validate_create(INGRESS, make(INGRESS, f"spec: {case.given}")) == violations(*case.want)


def test_the_class_and_its_annotation_agree() -> None:
    text = "spec: {ingressClassName: a, defaultBackend: {service: {name: web, port: {number: 80}}}}"
    found = make(INGRESS, text, ", annotations: {kubernetes.io/ingress.class: b}")
    assert validate_create(INGRESS, found) == violations(
        'annotations.kubernetes.io/ingress.class: Invalid value: "b": must match `ingressClassName` when both are specified'
    )
    assert validate_update(INGRESS, found, found) == []


def test_statuses_of_ingresses() -> None:
    new = make(INGRESS, "status: {loadBalancer: {ingress: [{ip: a}, {hostname: 1.2.3.4}]}}")
    assert validate_status_update(INGRESS, new, make(INGRESS, "")) == violations(
        f'status.loadBalancer.ingress[0].ip: Invalid value: "a": {IP}',
        'status.loadBalancer.ingress[1].hostname: Invalid value: "1.2.3.4": must be a DNS name, not an IP address',
    )


CLASSES = (
    case("a controller", "{controller: a.b/c, parameters: {kind: A, name: b}}"),
    case("none", "{}", "spec.controller: Required value"),
    case("parameters of a namespace", "{controller: a.b/c, parameters: {kind: A, name: b, scope: Namespace}}",
         "spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'"),
    case("parameters that are none", "{controller: a, parameters: {apiGroup: A, scope: Cluster, namespace: b}}",
         'spec.controller: Invalid value: "a": must be a domain-prefixed path (such as "acme.io/foo")',
         f'spec.parameters.apiGroup: Invalid value: "A": {SUBDOMAIN}', "spec.parameters.kind: Required value",
         "spec.parameters.name: Required value", "spec.parameters.namespace: Forbidden: `parameters.scope` is set to 'Cluster'"),
)  # fmt: skip


@each(CLASSES)
def test_classes(case: Case) -> None:
    assert validate_create(INGRESS_CLASS, make(INGRESS_CLASS, f"spec: {case.given}")) == violations(
        *case.want
    )


def test_a_class_keeps_its_controller() -> None:
    old, new = (make(INGRESS_CLASS, f"spec: {{controller: a.b/{name}}}") for name in ("c", "d"))
    assert validate_update(INGRESS_CLASS, new, old) == violations(
        'spec.controller: Invalid value: "a.b/d": field is immutable'
    )
