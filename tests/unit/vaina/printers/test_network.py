"""Cells of Services, endpoints, Ingresses and claims of devices: `pkg/printers/internalversion` in tables."""

from typing import Any

import pytest

from vaina.kinds import KINDS
from vaina.printers.cells import text_of
from vaina.printers.columns import cells_of
from vaina.printers.kinds import columns_of

NOW = 1000.0
META = {"name": "a", "creation_timestamp": {"seconds": 940}}
BY_NAME = {kind.kind: kind for kind in KINDS}

CASES: list[tuple[str, str, dict[str, Any], str]] = [
    (
        "a Service without anything", "Service", {"spec": {"type": "ClusterIP"}},
        "a | ClusterIP | <none> | <none> | <none> | 60s | <none>",
    ),
    (
        "a Service with ports and addresses", "Service",
        {
            "spec": {
                "type": "NodePort", "cluster_ips": ["10.0.0.1", "fd00::1"], "cluster_ip": "10.0.0.1",
                "external_ips": ["1.2.3.4", "1.2.3.5"], "selector": {"app": "web"},
                "ports": [{"port": 80, "node_port": 30080, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}],
            }
        },
        "a | NodePort | 10.0.0.1 | 1.2.3.4,1.2.3.5 | 80:30080/TCP,53/UDP | 60s | app=web",
    ),
    (
        "a balancer that has no address yet", "Service", {"spec": {"type": "LoadBalancer"}},
        "a | LoadBalancer | <none> | <pending> | <none> | 60s | <none>",
    ),
    (
        "a balancer with addresses: sorted, each once, before those of the spec", "Service",
        {
            "spec": {"type": "LoadBalancer", "external_ips": ["9.9.9.9"]},
            "status": {"load_balancer": {"ingress": [{"ip": "2.2.2.2"}, {"hostname": "lb"}, {"ip": "2.2.2.2"}]}},
        },
        "a | LoadBalancer | <none> | 2.2.2.2,lb,9.9.9.9 | <none> | 60s | <none>",
    ),
    (
        "a name elsewhere", "Service", {"spec": {"type": "ExternalName", "external_name": "db.example.org"}},
        "a | ExternalName | <none> | db.example.org | <none> | 60s | <none>",
    ),
    ("no endpoints", "Endpoints", {}, "a | <none> | 60s"),
    (
        "endpoints with ports, of which three are shown", "Endpoints",
        {
            "subsets": [
                {"addresses": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}], "ports": [{"port": 80}, {"port": 443}]}
            ]
        },
        "a | 10.0.0.1:80,[fd00::1]:80,10.0.0.1:443 + 1 more... | 60s",
    ),
    (
        "endpoints without ports", "Endpoints", {"subsets": [{"addresses": [{"ip": "10.0.0.1"}]}]},
        "a | 10.0.0.1 | 60s",
    ),
    ("an empty slice", "EndpointSlice", {"address_type": "IPv4"}, "a | IPv4 | <unset> | <unset> | 60s"),
    (
        "a slice with ports by number, by name and by nothing", "EndpointSlice",
        {
            "address_type": "IPv4", "ports": [{"port": 80, "name": "http"}, {"name": "dns"}, {}],
            "endpoints": [{"addresses": ["10.0.0.1", "10.0.0.2"]}, {"addresses": ["10.0.0.3", "10.0.0.4"]}],
        },
        "a | IPv4 | 80,dns,* | 10.0.0.1,10.0.0.2,10.0.0.3 + 1 more... | 60s",
    ),
    (
        "an Ingress for four hosts", "Ingress",
        {"spec": {"rules": [{"host": host} for host in "abcd"], "tls": [{}]}},
        "a | <none> | a,b,c + 1 more... |  | 80, 443 | 60s",
    ),
    ("an Ingress for all hosts", "Ingress", {"spec": {"ingress_class_name": "n"}}, "a | n | * |  | 80 | 60s"),
    ("a claim that waits", "ResourceClaim", {}, "a | pending | 60s"),
    ("a claim with devices", "ResourceClaim", {"status": {"allocation": {}}}, "a | allocated | 60s"),
    (
        "a claim in use that is being deleted", "ResourceClaim",
        {
            "metadata": {**META, "deletion_timestamp": {"seconds": 950}},
            "status": {"allocation": {}, "reserved_for": [{"resource": "pods", "name": "p"}]},
        },
        "a | deleted,allocated,reserved | 60s",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "fields", "want"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_a_row_is_upstreams(kind: str, fields: dict[str, Any], want: str) -> None:
    message = BY_NAME[kind].message(**{"metadata": META, **fields})
    assert " | ".join(text_of(cell) for cell in cells_of(columns_of(kind), message, NOW)) == want
