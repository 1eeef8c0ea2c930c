"""NodeMetrics and PodMetrics: asked of kubelets when somebody asks."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from apiserver.build import build
from apiserver.storage.memory import MemoryStorage
from tests.support.direct import Direct
from vaina.api.core.v1 import node_pb2
from vaina.api.kubelet.v1 import stats_service_pb2
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport, Transport
from vaina.errors import NotFound, Unavailable
from vaina.serving.handlers import Method, RequestContext, typed
from vaina.testing.builders import make_pod
from vaina.testing.clock import FakeClock

SUMMARY = "/vaina.api.kubelet.v1.StatsService/Summary"


@dataclass
class Fleet:
    """Kubelets by address, and a client of the apiserver that asks them."""

    clock: FakeClock = field(default_factory=FakeClock)
    #: address -> names of its Pods
    pods: dict[str, list[str]] = field(default_factory=dict)
    away: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    clients: Clientset = field(init=False)

    def connect(self, address: str) -> Transport:
        async def summary(
            request: stats_service_pb2.SummaryRequest, ctx: RequestContext
        ) -> stats_service_pb2.SummaryResponse:
            self.asked.append(request.node)
            if address in self.away:
                raise Unavailable("no route")
            answer = stats_service_pb2.SummaryResponse()
            answer.node.metadata.name = request.node
            answer.node.usage["cpu"].string = "5n"
            for name in self.pods.get(address, ()):
                item = answer.pods.add()
                item.metadata.name, item.metadata.namespace = name, "default"
                item.containers.add(name="app").usage["cpu"].string = "7n"
            return answer

        methods: dict[str, Method] = {SUMMARY: typed(summary, stats_service_pb2.SummaryRequest)}
        return InProcessTransport(methods)


@asynccontextmanager
async def fleet() -> AsyncIterator[Fleet]:
    """Two nodes with a kubelet each, and a third that says no address."""
    made = Fleet()
    app = build(
        Direct(MemoryStorage(made.clock)), made.clock, rng=random.Random(1), connect_kubelet=made.connect
    )
    await app.bootstrap()
    made.clients = Clientset(InProcessTransport(app.handlers))
    for index, name in enumerate(("one", "two", "mute")):
        node = node_pb2.Node()
        node.metadata.name = name
        node.metadata.labels["zone"] = name
        node.status.daemon_endpoints.kubelet_endpoint.port = 10250
        if name != "mute":
            node.status.addresses.add(type="InternalIP", address=f"192.0.2.{index}")
        await made.clients.nodes.create(node)
    for name, where in (("a", "one"), ("b", "two"), ("waits", "")):
        pod = make_pod(name)
        pod.metadata.uid, pod.spec.node_name = "", where
        pod.metadata.labels["app"] = name
        pod.status.Clear()
        await made.clients.pods.create(pod)
    made.pods = {"192.0.2.0:10250": ["a"], "192.0.2.1:10250": ["b"]}
    yield made
    await app.kubelets.close()


async def test_nodes_are_measured_and_those_that_do_not_answer_left_out() -> None:
    async with fleet() as on:
        on.away.add("192.0.2.1:10250")
        found = await on.clients.metrics.nodes()
        assert [(item.metadata.name, item.usage["cpu"].string) for item in found] == [("one", "5n")]
        assert found[0].metadata.labels["zone"] == "one"
        with pytest.raises(NotFound, match=r'nodemetrics.metrics.k8s.io "two" not found'):
            await on.clients.metrics.node("two")
        with pytest.raises(NotFound, match='nodes "none" not found'):
            await on.clients.metrics.node("none")


async def test_only_the_nodes_of_the_selected_pods_are_asked() -> None:
    async with fleet() as on:
        found = await on.clients.metrics.pods("default", label_selector="app=b")
        assert [(item.metadata.name, item.containers[0].usage["cpu"].string) for item in found] == [
            ("b", "7n")
        ]
        assert on.asked == ["two"]
        assert {item.metadata.name for item in await on.clients.metrics.pods()} == {"a", "b"}
        with pytest.raises(NotFound, match=r'podmetrics.metrics.k8s.io "default/waits" not found'):
            await on.clients.metrics.pod("waits", "default")


async def test_an_answer_holds_for_some_seconds() -> None:
    async with fleet() as on:
        await on.clients.metrics.node("one")
        await on.clients.metrics.pod("a", "default")
        assert on.asked == ["one"]
        await on.clock.advance(5.0)
        await on.clients.metrics.node("one")
        assert on.asked == ["one", "one"]
