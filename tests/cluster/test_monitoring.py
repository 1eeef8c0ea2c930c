"""The profile `monitoring`: Prometheus measures every component, and who is on a node does not reach it."""

import json
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from bench.etcd import free_port
from tests.cluster.test_isolation import answers_the_node, reached
from tests.support.cluster import DEPLOY, Cluster, run, wait_until
from tests.support.manifests import container, pod
from tests.support.workspace import Workspace

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]


class Prometheus:
    """Prometheus beside the cluster of the tests. Made by `prometheus`."""

    def __init__(self, cluster: Cluster) -> None:
        self._port = str(free_port())
        self._env = {**cluster.env, "VAINA_PROMETHEUS_PORT": self._port, "COMPOSE_PROFILES": "monitoring"}

    def compose(self, *words: str) -> None:
        run(DEPLOY / "compose.sh", "--progress", "quiet", *words, env=self._env, timeout=300)

    def ask(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/api/v1/{path}", timeout=10) as answer:
            return json.load(answer)["data"]

    def query(self, expression: str) -> list[Any]:
        found: list[Any] = self.ask(f"query?query={urllib.parse.quote(expression)}")["result"]
        return found


@pytest.fixture
def prometheus(space: Workspace) -> Iterator[Prometheus]:
    made = Prometheus(space.cluster)
    try:
        made.compose("build", "prometheus")
        made.compose("up", "-d", "--no-build", "--no-recreate", "--wait", "prometheus")
        yield made
    finally:
        made.compose("rm", "-sf", "prometheus")


def test_every_component_is_measured_and_all_rules_can_be_computed(
    prometheus: Prometheus, space: Workspace
) -> None:
    space.start(pod("measured", container()))
    nodes = len(space.cluster.all_nodes)
    wanted = {
        "apiserver": 1, "kube-scheduler": 1, "kube-controller-manager": 1, "vaina-dashboard": 1, "prometheus": 1,
        "kubelet": nodes, "kubelet-resource": nodes,
    }  # fmt: skip

    def seen() -> dict[str, int]:
        found = dict.fromkeys(wanted, 0)
        for target in prometheus.ask("targets?state=active")["activeTargets"]:
            found[target["labels"]["job"]] += target["health"] == "up"
        return found

    wait_until(lambda: seen() == wanted, 90, f"all targets up: {seen()}")

    def rules() -> list[dict[str, Any]]:
        return [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]

    wait_until(lambda: {rule["health"] for rule in rules()} == {"ok"}, 120, "all rules computed")
    recorded = [rule["name"] for rule in rules() if rule["type"] == "recording"]
    wait_until(lambda: all(prometheus.query(name) for name in recorded), 120, "all records have values")
    assert {alert["labels"]["alertname"] for alert in prometheus.ask("alerts")["alerts"]} & {
        "TargetDown", "NobodyLeads", "StorageUnreadable", "CertificateNotReloaded",
    } == set()  # fmt: skip


def test_nobody_on_a_node_reaches_it(prometheus: Prometheus, space: Workspace) -> None:
    assert prometheus.query("up")
    addresses = space.cluster.addresses(space.cluster.container("prometheus"))
    assert addresses.keys() == {"browser", "default", "page"}
    [tenant] = space.start(pod("tenant", container(), nodeName=space.node(0)))
    targets = [f"{address}:9090" for address in addresses.values()]
    assert answers_the_node(space, space.node(0), targets) == set()
    # That the command tells what is open, by a port that is.
    open_port = f"{space.cluster.address(space.cluster.container('apiserver'))}:6443"
    assert reached(space, tenant.metadata.name, [*targets, open_port]) == {open_port}
