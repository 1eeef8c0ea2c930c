"""Services, Endpoints and EndpointSlices: what is refused, in which words."""

from typing import Any

from apiserver.validation import validate_create, validate_status_update, validate_update
from tests.unit.apiserver.validation.cases import (
    IP,
    LABEL,
    PORT,
    QUALIFIED,
    SUBDOMAIN,
    Case,
    case,
    each,
    read_default,
    violations,
)
from vaina.errors import FieldError
from vaina.kinds import ENDPOINT_SLICE, ENDPOINTS, SERVICE, Kind

CIDR = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
BALANCED = "may only be used when `type` is 'LoadBalancer'"
TYPES = 'supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"'


def make(kind: Kind[Any], rest: str, meta: str = "{name: a, namespace: b}") -> Any:
    return read_default(kind, f"apiVersion: {kind.api_version}\nkind: {kind.kind}\nmetadata: {meta}\n{rest}")


def created(rest: str, meta: str = "{name: a, namespace: b}") -> list[FieldError]:
    return validate_create(SERVICE, make(SERVICE, rest, meta))


SERVICES = (
    case("a port", "{ports: [{port: 80}]}"),
    case("named ports, one with a name as its target",
         "{ports: [{name: http, port: 80, targetPort: web}, {name: dns, port: 80, protocol: UDP}], selector: {a: b}}"),
    case("headless, without ports", "{clusterIP: None, clusterIPs: [None], ipFamilies: [IPv4, IPv6], ipFamilyPolicy: RequireDualStack}"),
    case("another name for a host", "{type: ExternalName, externalName: example.com.}"),
    case("a balanced one, whose health nobody is asked about", "{type: LoadBalancer, externalTrafficPolicy: Local, ports: [{port: 80}]}"),
    case("a port of nodes that nobody allocates", "{type: NodePort, ports: [{port: 80}]}"),
    case("no ports", "{}", "spec.ports: Required value"),
    case("ports without names", "{ports: [{port: 80}, {port: 81}]}",
         "spec.ports[0].name: Required value", "spec.ports[1].name: Required value"),
    case("a name twice, a port twice", "{ports: [{name: a, port: 80}, {name: a, port: 80}]}",
         'spec.ports[1].name: Duplicate value: "a"',
         'spec.ports[1]: Duplicate value: {"AppProtocol":null,"Name":"","NodePort":0,"Port":80,"Protocol":"TCP","TargetPort":0}'),
    case("ports that are none", "{ports: [{name: A, port: 0, protocol: ICMP, targetPort: 70000, appProtocol: -}]}",
         f'spec.ports[0].name: Invalid value: "A": {LABEL}', f"spec.ports[0].port: Invalid value: 0: {PORT}",
         'spec.ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"',
         f"spec.ports[0].targetPort: Invalid value: 70000: {PORT}",
         f'spec.ports[0].appProtocol: Invalid value: "-": {QUALIFIED}'),
    case("a type that is none", "{type: Mesh, ports: [{port: 80}]}", f'spec.type: Unsupported value: "Mesh": {TYPES}'),
    case("no host to be another name of", "{type: ExternalName}", "spec.externalName: Required value"),
    case("another name with addresses", "{type: ExternalName, externalName: a_b, clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1]}",
         "spec.clusterIPs: Forbidden: may not be set for ExternalName services",
         f'spec.externalName: Invalid value: "a_b": {SUBDOMAIN}'),
    case("a headless one of nodes", "{type: NodePort, clusterIP: None, clusterIPs: [None], ports: [{port: 80}]}",
         'spec.clusterIPs[0]: Invalid value: "None": may not be set to \'None\' for NodePort services'),
    case("affinity to nothing", "{sessionAffinity: Cookie, ports: [{port: 80}]}",
         'spec.sessionAffinity: Unsupported value: "Cookie": supported values: "ClientIP", "None"'),
    case("affinity for too long", "{sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 86401}}, ports: [{port: 80}]}",
         "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 86401: must be greater than 0 and less than 86400"),
    case("an address with zeros", "{clusterIP: 010.0.0.1, clusterIPs: [010.0.0.1], ports: [{port: 80}]}",
         'spec.clusterIPs[0]: Invalid value: "010.0.0.1": must not have leading 0s'),
    case("an address that is none", "{clusterIP: a, clusterIPs: [a], ports: [{port: 80}]}", f'spec.clusterIPs[0]: Invalid value: "a": {IP}'),
    case("addresses that differ", "{clusterIP: 10.0.0.1, clusterIPs: [10.0.0.2], ports: [{port: 80}]}",
         'spec.clusterIPs: Invalid value: ["10.0.0.2"]: first value must match `clusterIP`'),
    case("addresses of one family", "{clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1, 10.0.0.2], ports: [{port: 80}]}",
         'spec.clusterIPs: Invalid value: ["10.0.0.1","10.0.0.2"]: may specify no more than one IP for each IP family'),
    case("one family, and two of them",
         "{clusterIP: None, clusterIPs: [None], ipFamilies: [IPv4, IPv6], ipFamilyPolicy: SingleStack}",
         "spec.ipFamilyPolicy: Invalid value: \"SingleStack\": must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified"),
    case("one family, and addresses of two",
         "{clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1, '2001:db8::1'], ipFamilies: [IPv4], ipFamilyPolicy: SingleStack, ports: [{port: 80}]}",
         "spec.ipFamilyPolicy: Invalid value: \"SingleStack\": must be 'RequireDualStack' or 'PreferDualStack' when multiple cluster IPs are specified"),
    case("another family than the network's", "{ipFamilies: [IPv6], ipFamilyPolicy: RequireDualStack, ports: [{port: 80}]}",
         'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services',
         'spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster'),
    case("addresses outside that cannot be", "{externalIPs: [127.0.0.1, '::ffff:1.2.3.4', 169.254.0.1, 0.0.0.0], ports: [{port: 80}]}",
         'spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
         'spec.externalIPs[1]: Invalid value: "::ffff:1.2.3.4": must not be an IPv4-mapped IPv6 address',
         'spec.externalIPs[2]: Invalid value: "169.254.0.1": may not be in the link-local range (169.254.0.0/16, fe80::/10)',
         'spec.externalIPs[3]: Invalid value: "0.0.0.0": may not be unspecified (0.0.0.0)'),
    case("a port of nodes within", "{ports: [{port: 80, nodePort: 30000}]}",
         "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"),
    case("a port of nodes twice", "{type: NodePort, ports: [{name: a, port: 80, nodePort: 30000}, {name: b, port: 81, nodePort: 30000}]}",
         "spec.ports[1].nodePort: Duplicate value: 30000"),
    case("sources that are none", "{type: LoadBalancer, ports: [{port: 80}], loadBalancerSourceRanges: [10.0.0.0/33, ' 10.0.0.1/8 ']}",
         f'spec.LoadBalancerSourceRanges[0]: Invalid value: "10.0.0.0/33": {CIDR}',
         'spec.LoadBalancerSourceRanges[1]: Invalid value: "10.0.0.1/8": must not have bits set beyond the prefix length'),
    case("what balanced ones have alone",
         "{ports: [{port: 80}], allocateLoadBalancerNodePorts: true, loadBalancerClass: a/b, loadBalancerSourceRanges: [10.0.0.0/8]}",
         f"spec.LoadBalancerSourceRanges: Forbidden: {BALANCED}", f"spec.allocateLoadBalancerNodePorts: Forbidden: {BALANCED}",
         f"spec.loadBalancerClass: Forbidden: {BALANCED}"),
    case("policies of traffic that are none", "{ports: [{port: 80}], externalTrafficPolicy: Local, internalTrafficPolicy: Near, trafficDistribution: Near}",
         'spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services',
         'spec.internalTrafficPolicy: Unsupported value: "Near": supported values: "Cluster", "Local"',
         'spec.trafficDistribution: Unsupported value: "Near": supported values: "PreferClose", "PreferSameZone", "PreferSameNode"'),
    case("a port for health that nobody asks at", "{ports: [{port: 80}], healthCheckNodePort: 30000}",
         "spec.healthCheckNodePort: Invalid value: 30000: may only be set when `type` is 'LoadBalancer' and "
         "`externalTrafficPolicy` is 'Local'"),
)  # fmt: skip


@each(SERVICES)
def test_services(case: Case) -> None:
    assert created(f"spec: {case.given}") == violations(*case.want)


def test_a_name_is_a_label_of_dns() -> None:
    assert created("spec: {ports: [{port: 80}]}", "{name: 1a, namespace: b}") == []
    assert created("spec: {ports: [{port: 80}]}", "{name: a.b, namespace: b}") == violations(
        'metadata.name: Invalid value: "a.b": must not contain dots'
    )


CHANGES = (
    case("nothing", "{clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1], ports: [{port: 80}]}", spec="same"),
    case("the address", "{clusterIP: 10.0.0.2, clusterIPs: [10.0.0.2], ports: [{port: 80}]}",
         'spec.clusterIPs[0]: Invalid value: ["10.0.0.2"]: may not change once set'),
    case("no address any more", "{ports: [{port: 80}]}", "spec.clusterIPs[0]: Invalid value: []: primary clusterIP can not be unset"),
    case("no address, as another name has none", "{type: ExternalName, externalName: a}"),
)  # fmt: skip


@each(CHANGES)
def test_changes_of_services(case: Case) -> None:
    old = make(SERVICE, "spec: {clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1], ports: [{port: 80}]}")
    new = make(SERVICE, f"spec: {case.given}")
    assert validate_update(SERVICE, new, old) == violations(*case.want)


def test_addresses_that_are_stored_already_stay_as_they_are_written() -> None:
    text = (
        "spec: {clusterIP: 010.0.0.1, clusterIPs: [010.0.0.1], externalIPs: [011.0.0.1], ports: [{port: 80}]}"
    )
    assert validate_update(SERVICE, make(SERVICE, text), make(SERVICE, text)) == []


def test_as_many_external_addresses_as_fit_are_looked_up_and_not_searched() -> None:
    new = make(SERVICE, "spec: {ports: [{port: 80}]}")
    old = make(SERVICE, "spec: {ports: [{port: 80}]}")
    addresses = [f"10.{high}.{middle}.1" for high in range(200) for middle in range(200)]
    old.spec.external_ips.extend(addresses)
    new.spec.external_ips.extend(reversed(addresses))
    for each_of in (old, new):
        each_of.spec.external_traffic_policy = "Cluster"
    assert validate_update(SERVICE, new, old) == []


STATUSES = (
    case("an address", "{type: LoadBalancer}|{loadBalancer: {ingress: [{ip: 10.0.0.1, ipMode: VIP}, {hostname: a.b}]}}"),
    case("not of others", "{type: ClusterIP}|{loadBalancer: {ingress: [{ip: 10.0.0.1}]}}",
         "status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is 'LoadBalancer'"),
    case("all wrong", "{type: LoadBalancer}|{loadBalancer: {ingress: [{ip: a, ipMode: VIP}, {hostname: 1.2.3.4, ipMode: VIP}, {ip: 1.2.3.4, ipMode: X}]}}",
         f'status.loadBalancer.ingress[0].ip: Invalid value: "a": {IP}',
         "status.loadBalancer.ingress[1].ipMode: Forbidden: may not be specified when `ip` is not set",
         'status.loadBalancer.ingress[1].hostname: Invalid value: "1.2.3.4": must be a DNS name, not an IP address',
         'status.loadBalancer.ingress[2].ipMode: Unsupported value: "X": supported values: "Proxy", "VIP"'),
)  # fmt: skip


@each(STATUSES)
def test_statuses_of_services(case: Case) -> None:
    spec, _, status = case.given.partition("|")
    new = make(SERVICE, f"spec: {spec}\nstatus: {status}")
    assert validate_status_update(SERVICE, new, make(SERVICE, f"spec: {spec}")) == violations(*case.want)


SUBSETS = (
    case("addresses and ports", "[{addresses: [{ip: 10.0.0.1, nodeName: n1, hostname: a}], ports: [{port: 80}]}]"),
    case("no addresses", "[{ports: [{port: 80}]}]",
         "subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`"),
    case("addresses that are none", "[{addresses: [{ip: a, hostname: a.b}], notReadyAddresses: [{ip: '::1', nodeName: _}]}]",
         f'subsets[0].addresses[0].ip: Invalid value: "a": {IP}', 'subsets[0].addresses[0].hostname: Invalid value: "a.b": must not contain dots',
         'subsets[0].addresses[0].ip: Invalid value: "a": must be a valid IP address',
         f'subsets[0].notReadyAddresses[0].nodeName: Invalid value: "_": {SUBDOMAIN}',
         'subsets[0].notReadyAddresses[0].ip: Invalid value: "::1": may not be in the loopback range (127.0.0.0/8, ::1/128)'),
    case("ports that are none", "[{addresses: [{ip: 10.0.0.1}], ports: [{port: 0}, {name: a, port: 1, protocol: X}]}]",
         "subsets[0].ports[0].name: Required value", f"subsets[0].ports[0].port: Invalid value: 0: {PORT}",
         'subsets[0].ports[1].protocol: Unsupported value: "X": supported values: "SCTP", "TCP", "UDP"'),
)  # fmt: skip


@each(SUBSETS)
def test_endpoints(case: Case) -> None:
    found = make(ENDPOINTS, f"subsets: {case.given}")
    assert validate_create(ENDPOINTS, found) == violations(*case.want)
    assert validate_update(ENDPOINTS, found, found) == []


SLICES = (
    case("addresses", "addressType: IPv4\nendpoints: [{addresses: [10.0.0.1], nodeName: n1}]\nports: [{port: 80}]"),
    case("names", "addressType: FQDN\nendpoints: [{addresses: [a.example.com.]}]"),
    case("no type", "endpoints: []", "addressType: Required value"),
    case("a type that is none", "addressType: MAC\nendpoints: [{addresses: [x]}]",
         'addressType: Unsupported value: "MAC": supported values: "FQDN", "IPv4", "IPv6"'),
    case("addresses of another type", "addressType: IPv4\nendpoints: [{addresses: ['2001:db8::1']}, {}]",
         'endpoints[0].addresses: Invalid value: "2001:db8::1": must be an IPv4 address',
         "endpoints[1].addresses: Required value: must contain at least 1 address"),
    case("an address in another spelling", "addressType: IPv6\nendpoints: [{addresses: ['2001:DB8::1']}]",
         'endpoints[0].addresses[0]: Invalid value: "2001:DB8::1": must be in canonical form ("2001:db8::1")'),
    case("a name without a domain", "addressType: FQDN\nendpoints: [{addresses: [a]}]",
         'endpoints[0].addresses[0]: Invalid value: "a": should be a domain with at least two segments separated by dots'),
    case("a port twice", "addressType: IPv4\nendpoints: []\nports: [{port: 1}, {port: 2, protocol: X}]",
         'ports[1].name: Duplicate value: ""',
         'ports[1].protocol: Unsupported value: "X": supported values: "SCTP", "TCP", "UDP"'),
    case("hints twice", "addressType: IPv4\nendpoints: [{addresses: [10.0.0.1], hints: {forZones: [{name: a}, {name: a}]}}]",
         'endpoints[0].hints.forZones[1].name: Duplicate value: "a"'),
)  # fmt: skip


@each(SLICES)
def test_endpoint_slices(case: Case) -> None:
    assert validate_create(ENDPOINT_SLICE, make(ENDPOINT_SLICE, case.given)) == violations(*case.want)


def test_a_slice_keeps_the_type_of_its_addresses() -> None:
    old = make(ENDPOINT_SLICE, "addressType: IPv4\nendpoints: []")
    new = make(ENDPOINT_SLICE, "addressType: IPv6\nendpoints: []")
    assert validate_update(ENDPOINT_SLICE, new, old) == violations(
        'addressType: Invalid value: "IPv6": field is immutable'
    )


def test_as_many_addresses_and_endpoints_as_upstream_takes() -> None:
    many = make(ENDPOINT_SLICE, "addressType: FQDN\nendpoints: [{addresses: [a.b]}]")
    many.endpoints[0].addresses.extend(["a.b"] * 100)
    assert validate_create(ENDPOINT_SLICE, many) == violations(
        "endpoints[0].addresses: Too many: 101: must have at most 100 items"
    )
    many.endpoints.extend(many.endpoints[:] * 1000)
    assert validate_create(ENDPOINT_SLICE, many) == violations(
        "endpoints: Too many: 1001: must have at most 1000 items"
    )
