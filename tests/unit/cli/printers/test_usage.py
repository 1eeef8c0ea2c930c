"""Tables of `vaina top`."""

from cli.commands.top import UNKNOWN, Usage, node_rows, pod_rows
from vaina.api.core.v1 import node_pb2
from vaina.api.metrics.v1beta1 import metrics_pb2


def by_name(_: Usage, name: str) -> tuple[int, str]:
    return 0, name


def by_cpu(usage: Usage, name: str) -> tuple[int, str]:
    return -usage.cpu_millis, name


def node(name: str) -> node_pb2.Node:
    made = node_pb2.Node()
    made.metadata.name = name
    made.status.allocatable["cpu"].string, made.status.allocatable["memory"].string = "2", "1Gi"
    return made


def measured(cpu: str, memory: str) -> metrics_pb2.NodeMetrics:
    made = metrics_pb2.NodeMetrics()
    made.usage["cpu"].string, made.usage["memory"].string = cpu, memory
    return made


def pod(name: str, **containers: tuple[str, str]) -> metrics_pb2.PodMetrics:
    made = metrics_pb2.PodMetrics()
    made.metadata.name, made.metadata.namespace = name, "default"
    for container, (cpu, memory) in containers.items():
        item = made.containers.add(name=container)
        item.usage["cpu"].string, item.usage["memory"].string = cpu, memory
    return made


def test_nodes_have_shares_of_what_is_allocatable_and_the_unknown_come_last() -> None:
    rows = node_rows(
        [node("silent"), node("b"), node("a")],
        {"a": measured("250000001n", "512Mi"), "b": measured("1", "1023Ki")},
        by_name,
    )
    assert rows == [
        ("a", "251m", "12%", "512Mi", "50%"),
        ("b", "1000m", "50%", "0Mi", "0%"),
        ("silent", UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN),
    ]


def test_pods_are_the_sum_of_their_containers_or_shown_one_by_one() -> None:
    pods = [pod("web", app=("100m", "10Mi"), side=("20m", "5Mi")), pod("busy", main=("2", "1Mi"))]

    assert pod_rows(pods, by_cpu, with_namespace=False, containers=False) == [
        ("busy", "2000m", "1Mi"), ("web", "120m", "15Mi"),
    ]  # fmt: skip
    assert pod_rows(pods, by_name, with_namespace=True, containers=True) == [
        ("default", "busy", "main", "2000m", "1Mi"),
        ("default", "web", "app", "100m", "10Mi"),
        ("default", "web", "side", "20m", "5Mi"),
    ]
