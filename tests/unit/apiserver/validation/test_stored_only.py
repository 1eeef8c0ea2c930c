"""What authors of Services, Ingresses and their like are warned of, besides that nothing stands behind them."""

from typing import Any

import pytest

from apiserver.validation import warnings_for
from tests.unit.apiserver.validation.cases import read_default
from vaina.kinds import ENDPOINT_SLICE, ENDPOINTS, INGRESS, NETWORK_POLICY, SERVICE, Kind

WIDE = "2001:DB8:0::1"
FORM = f'IPv6 address "{WIDE}" should be in RFC 5952 canonical format ("2001:db8::1")'
NET = "2001:DB8::/32"
NET_FORM = f'IPv6 CIDR value "{NET}" should be in RFC 5952 canonical format ("2001:db8::/32")'
DEPRECATED = "spec.externalIPs is deprecated and may no longer be implemented in some clusters"


def make(kind: Kind[Any], rest: str, annotations: str = "{}") -> Any:
    head = f"apiVersion: {kind.api_version}\nkind: {kind.kind}\n"
    return read_default(
        kind, f"{head}metadata: {{name: a, namespace: b, annotations: {annotations}}}\n{rest}"
    )


CASES: list[tuple[Kind[Any], str, list[str]]] = [
    (SERVICE, "spec: {ports: [{port: 80}], externalIPs: [10.0.0.1]}", [DEPRECATED]),
    (SERVICE, f"spec: {{ports: [{{port: 80}}], externalIPs: ['{WIDE}']}}", [f"spec.externalIPs[0]: {FORM}", DEPRECATED]),
    (SERVICE, "spec: {clusterIP: None, clusterIPs: [None], externalIPs: [10.0.0.1], sessionAffinity: ClientIP}",
     ["spec.externalIPs is ignored for headless services", "spec.SessionAffinity is ignored for headless services"]),
    (SERVICE, "spec: {ports: [{port: 80}], clusterIP: 010.0.0.1, clusterIPs: [010.0.0.1]}",
     ['spec.clusterIPs[0]: non-standard IP address "010.0.0.1" is invalid: use "10.0.0.1"']),
    (SERVICE, "spec: {ports: [{port: 80}], loadBalancerIP: '::ffff:10.0.0.1'}",
     ['spec.loadBalancerIP: non-standard IP address "::ffff:10.0.0.1" is invalid: use "10.0.0.1"']),
    (SERVICE, "spec: {ports: [{port: 80}], loadBalancerIP: somewhere}", []),
    (SERVICE, f"spec: {{type: LoadBalancer, ports: [{{port: 80}}], loadBalancerSourceRanges: ['{NET}', 10.0.0.1/8, 010.0.0.0/8]}}",
     [f"spec.loadBalancerSourceRanges[0]: {NET_FORM}",
      'spec.loadBalancerSourceRanges[1]: CIDR value "10.0.0.1/8" is ambiguous in this context (should be "10.0.0.0/8" or "10.0.0.1/32"?)',
      'spec.loadBalancerSourceRanges[2]: non-standard CIDR value "010.0.0.0/8" is invalid: use "10.0.0.0/8"']),
    (ENDPOINTS, f"subsets: [{{addresses: [{{ip: 10.0.0.1}}], notReadyAddresses: [{{ip: '{WIDE}'}}]}}]",
     [f"subsets[0].notReadyAddresses[0].ip: {FORM}"]),
    (ENDPOINT_SLICE, "addressType: IPv4\nendpoints: [{addresses: [010.0.0.1]}]",
     ['endpoints[0].addresses[0]: non-standard IP address "010.0.0.1" is invalid: use "10.0.0.1"']),
    (NETWORK_POLICY, f"spec: {{podSelector: {{}}, egress: [{{to: [{{ipBlock: {{cidr: '{NET}', except: ['{NET}']}}}}]}}]}}",
     [f"spec.egress[0].to[0].ipBlock.cidr: {NET_FORM}", f"spec.egress[0].to[0].ipBlock.except[0]: {NET_FORM}"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "given", "want"), CASES, ids=[f"{case[0].kind}-{case[1]}" for case in CASES]
)
def test_warnings(kind: Kind[Any], given: str, want: list[str]) -> None:
    assert warnings_for(kind, make(kind, given))[1:] == want


def test_what_is_deprecated_is_told_when_it_is_made_and_not_at_each_change() -> None:
    slice_ = make(ENDPOINT_SLICE, "addressType: FQDN\nendpoints: []")
    ingress = make(INGRESS, "spec: {}", "{kubernetes.io/ingress.class: nginx}")
    for kind, found in ((ENDPOINT_SLICE, slice_), (INGRESS, ingress)):
        assert len(warnings_for(kind, found)) == 2
        assert len(warnings_for(kind, found, found)) == 1


def test_of_very_many_addresses_the_first_are_told() -> None:
    service = make(SERVICE, "spec: {ports: [{port: 80}]}")
    service.spec.external_ips.extend(f"2001:DB8::{number:x}" for number in range(1000))
    assert len(warnings_for(SERVICE, service)) <= 200
