"""The Service kubernetes: where it leads, and what containers are told of it."""

from collections.abc import Sequence
from ipaddress import IPv4Address as A
from ipaddress import IPv4Network

import pytest

from kubelet.containers.env import PodFacts, Sources, make_env
from kubelet.network.kubernetes_service import (
    LOOK_SECONDS,
    KubernetesService,
    ServiceRoute,
    read_service,
    service_variables,
)
from kubelet.network.plan import service_rules
from kubelet.network.pod_network import PodNetwork
from vaina.api.core.v1 import pod_pb2
from vaina.tasks import beside
from vaina.testing.builders import make_pod
from vaina.testing.clock import FakeClock

SERVICE = KubernetesService(A("10.96.0.1"), "apiserver", 6445)


def test_a_service_has_an_address_and_an_apiserver_behind_it() -> None:
    assert read_service("apiserver:6445", "10.96.0.1") == SERVICE
    assert read_service("", "10.96.0.1") is None


@pytest.mark.parametrize(
    ("target", "address", "words"),
    [
        ("apiserver", "10.96.0.1", "kubernetes_service: 'apiserver' is not host:port"),
        ("apiserver:https", "10.96.0.1", "is not host:port"),
        ("apiserver:6445", "kubernetes", "kubernetes_service_ip"),
    ],
)
def test_what_is_none_is_named(target: str, address: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_service(target, address)


def test_the_rules_lead_pods_and_the_node_to_the_apiserver() -> None:
    rules = service_rules(A("10.96.0.1"), 443, [(A("172.18.0.5"), 6445)])
    assert rules.count("ip daddr 10.96.0.1 tcp dport 443 dnat to 172.18.0.5:6445") == 2
    several = service_rules(A("10.96.0.1"), 443, [(A("172.18.0.5"), 6445), (A("172.18.0.6"), 6445)])
    assert "random mod 2 map { 0 : 172.18.0.5 . 6445, 1 : 172.18.0.6 . 6445 }" in several
    assert "dnat" not in service_rules(A("10.96.0.1"), 443, [])


class Network(PodNetwork):
    """Remembers what it was told, instead of telling the kernel."""

    def __init__(self) -> None:
        super().__init__(cluster_cidr=IPv4Network("10.244.0.0/16"))
        self.told: list[Sequence[tuple[A, int]]] = []

    async def set_service(self, address: A, port: int, targets: Sequence[tuple[A, int]]) -> None:
        assert (address, port) == (SERVICE.address, 443)
        self.told.append(targets)


async def test_an_apiserver_that_came_back_elsewhere_is_found_and_one_that_is_away_is_kept() -> None:
    network, clock = Network(), FakeClock()
    known: list[Sequence[A]] = [[A("172.18.0.5")], [], [A("172.18.0.9")]]

    async def resolve(host: str, port: int) -> Sequence[A]:
        assert (host, port) == ("apiserver", 6445)
        found = known.pop(0)
        if not found:
            raise OSError("no such name")
        return found

    route = ServiceRoute(SERVICE, network, clock, resolve)
    async with beside(route.run()):
        for _ in range(2):
            await clock.advance(LOOK_SECONDS)
    assert network.told == [[(A("172.18.0.5"), 6445)], [(A("172.18.0.9"), 6445)]]


def test_every_container_is_told_unless_it_says_otherwise() -> None:
    container = pod_pb2.Container(name="c")
    container.env.add(name="URL", value="https://$(KUBERNETES_SERVICE_HOST):$(KUBERNETES_SERVICE_PORT)")
    container.env.add(name="KUBERNETES_SERVICE_HOST", value="elsewhere")
    container.env.add(name="AGAIN", value="$(KUBERNETES_SERVICE_HOST)")
    facts = PodFacts(services=service_variables(A("10.96.0.1")))
    variables = dict(make_env(make_pod("web"), container, Sources({}, {}, {}), facts))
    assert variables["URL"] == "https://10.96.0.1:443"
    assert (variables["KUBERNETES_SERVICE_HOST"], variables["AGAIN"]) == ("elsewhere", "elsewhere")
    assert variables["KUBERNETES_PORT_443_TCP_ADDR"] == "10.96.0.1"
    assert len([name for name in variables if name.startswith("KUBERNETES_")]) == 8
