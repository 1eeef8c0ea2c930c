"""The profile `monitoring`: Prometheus measures every component, and who is on a node does not reach it."""

import asyncio
import json
import urllib.parse
import urllib.request
from collections.abc import Iterator
from functools import partial
from typing import Any

import aiohttp
import pytest

from bench.etcd import free_port
from tests.cluster.test_isolation import answers_the_node, reached
from tests.support.cluster import DEPLOY, Cluster, run, wait_until
from tests.support.manifests import container, pod
from tests.support.workspace import Workspace
from vaina.pki.login import LOGIN_LINK

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]


#: what every cluster has, of the page's plots
PLOTTED = {
    "scheduler": {"queue/active", "queue/gated", "pace/decided", "pace/scheduled"},
    "machinery": {"requests/reads", "requests/writes", "etcd/size"},
}


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


async def plotted(cluster: Cluster, view: str) -> dict[str, Any]:
    """Return the plots of a view of the last quarter of an hour, as the page has them from Prometheus."""
    link = (cluster.cert_dir / LOGIN_LINK).read_text("ascii").strip()
    page, topic = link.partition("/login")[0], f"history/{view}?range=15m"
    jar = aiohttp.CookieJar(unsafe=True)
    async with asyncio.timeout(20), aiohttp.ClientSession(cookie_jar=jar) as session:
        async with session.get(link) as response:
            assert response.status == 200
        async with session.ws_connect(f"{page}/live", headers={"Origin": page}) as socket:
            await socket.send_json({"subscribe": topic})
            async for message in socket:
                frame = json.loads(message.data)
                if frame["topic"] == topic:
                    found: dict[str, Any] = frame["snapshot"].get("plots", {})
                    return found
    raise AssertionError("the page ended")


def has_plotted(cluster: Cluster, view: str, lines: set[str]) -> bool:
    """Say whether lines (PLOT/LINE) have a value at some time, in the page's plots of a view."""
    plots = asyncio.run(plotted(cluster, view))
    known = {
        f"{plot}/{line}"
        for plot, found in plots.items()
        for line, values in found.items()
        if any(one is not None for one in values)
    }
    return lines <= known


@pytest.fixture
def prometheus(space: Workspace) -> Iterator[Prometheus]:
    made = Prometheus(space.cluster)
    try:
        made.compose("build", "prometheus")
        made.compose("up", "-d", "--no-build", "--no-recreate", "--wait", "prometheus")
        yield made
    finally:
        made.compose("rm", "-sf", "prometheus")


def test_every_component_is_measured_all_rules_can_be_computed_and_the_page_plots_them(
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
    for view, lines in PLOTTED.items():
        wait_until(partial(has_plotted, space.cluster, view, lines), 60, f"the page has {lines}", every=5)


def test_nobody_on_a_node_reaches_it(prometheus: Prometheus, space: Workspace) -> None:
    wait_until(lambda: prometheus.query("up"), 60, "Prometheus has measured something")
    addresses = space.cluster.addresses(space.cluster.container("prometheus"))
    assert addresses.keys() == {"browser", "default", "page"}
    [tenant] = space.start(pod("tenant", container(), nodeName=space.node(0)))
    targets = [f"{address}:9090" for address in addresses.values()]
    assert answers_the_node(space, space.node(0), targets) == set()
    # That the command tells what is open, by a port that is.
    open_port = f"{space.cluster.address(space.cluster.container('apiserver'))}:6443"
    assert reached(space, tenant.metadata.name, [*targets, open_port]) == {open_port}
