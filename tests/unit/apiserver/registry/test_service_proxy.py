"""Which port of which Pod a proxy to a Service leads to."""

from typing import Any

import pytest

from apiserver.registry.service_proxy import choose_endpoint, find_port
from vaina.api.core.v1 import pod_pb2, service_pb2
from vaina.errors import Unavailable
from vaina.testing.builders import make_pod


def service(*ports: dict[str, Any]) -> service_pb2.Service:
    made = service_pb2.Service()
    made.metadata.name = "web"
    for port in ports:
        target = port.pop("target", None)
        added = made.spec.ports.add(**port)
        if isinstance(target, str):
            added.target_port.type, added.target_port.str_val = 1, target
        elif target is not None:
            added.target_port.int_val = target
    return made


def pod(
    name: str = "a", *, ready: bool = True, address: str = "10.0.0.1", going: bool = False, **ports: int
) -> pod_pb2.Pod:
    made = make_pod(name)
    for port, number in ports.items():
        made.spec.containers[0].ports.add(name=port, container_port=number)
    made.status.pod_ip = address
    made.status.conditions.add(type="Ready", status="True" if ready else "False")
    if going:
        made.metadata.deletion_timestamp.GetCurrentTime()
    return made


TWO = service({"name": "http", "port": 80}, {"name": "admin", "port": 81})


@pytest.mark.parametrize(("wanted", "number"), [("80", 80), ("http", 80), ("81", 81), ("admin", 81)])
def test_a_port_is_found_by_number_or_name(wanted: str, number: int) -> None:
    assert find_port(TWO, wanted).port == number


def test_without_a_port_the_one_without_a_name_is_meant() -> None:
    assert find_port(service({"port": 8080}), "").port == 8080


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("82", 'no service port 82 found for service "web"'),
        ("", 'no endpoints available for service "web"'),
        ("https", 'no endpoints available for service "web"'),
        ("-80", 'no endpoints available for service "web"'),
    ],
)
def test_a_port_that_is_none(wanted: str, words: str) -> None:
    with pytest.raises(Unavailable) as refused:
        find_port(TWO, wanted)
    assert refused.value.message == words


@pytest.mark.parametrize(
    ("target", "want"),
    [(None, 80), (8080, 8080), ("web", 8000)],
    ids=["as the service's", "a number", "a name"],
)
def test_the_target_port_is_the_pods(target: Any, want: int) -> None:
    made = service({"port": 80, "target": target})
    found = choose_endpoint(made, made.spec.ports[0], [pod(web=8000)])
    assert (found[0].metadata.name, found[1]) == ("a", want)


def test_a_pod_that_is_ready_and_stays_is_chosen() -> None:
    made = service({"port": 80, "target": "web"})
    pods = [
        pod("n", ready=False, web=1),
        pod("g", going=True, web=1),
        pod("i", address="", web=1),
        pod("p"),
        pod("z", web=9),
    ]
    chosen, number = choose_endpoint(made, made.spec.ports[0], pods)
    assert (chosen.metadata.name, number) == ("z", 9)
    with pytest.raises(Unavailable, match='no endpoints available for service "web"'):
        choose_endpoint(made, made.spec.ports[0], pods[:-1])
