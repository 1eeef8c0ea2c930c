"""Nodes that go and come back: in which order, and what is done to each and its Pods."""

import random
from collections.abc import Callable
from itertools import islice

import pytest

from apiserver.storage.memory import MemoryStorage
from bench.load.node_churn import NodeChurn, churn_nodes, rotation
from bench.load.settings import RUN_LABEL, Settings
from bench.load.workload import ChurnNodes
from tests.support.direct import build_handlers
from tests.support.tasks import running
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport
from vaina.clock import SystemClock
from vaina.testing.builders import make_node, make_pod

NODES = ("n0", "n1", "n2", "n3")


def test_who_was_away_longest_comes_back_before_another_goes() -> None:
    steps = list(islice(rotation(NODES, 2, random.Random(1)), 10))
    order = [gone for gone, _ in steps[:4]]
    assert sorted(order) == list(NODES)
    assert [gone for gone, _ in steps] == [*order, *order, *order[:2]]
    assert [back for _, back in steps] == ["", "", *order, *order]
    away: set[str] = set()
    for gone, back in steps:
        away.discard(back)
        assert gone not in away
        away.add(gone)
        assert len(away) <= 2


def test_one_seed_gives_one_order() -> None:
    first, same, other = (list(islice(rotation(NODES, 1, random.Random(seed)), 4)) for seed in (1, 1, 2))
    assert first == same
    assert first != other


@pytest.fixture
async def client() -> Clientset:
    clock = SystemClock()
    client = Clientset(InProcessTransport(build_handlers(MemoryStorage(), clock), clock=clock))
    for name in ("n0", "n1"):
        await client.nodes.create(make_node(name))
        for whose in ("ours", "theirs"):
            pod = make_pod(f"{whose}-{name}")
            if whose == "ours":
                pod.metadata.labels[RUN_LABEL] = "r"
            await client.pods.create(pod)
            await client.pods.bind(pod.metadata.name, namespace="default", uid="", node=name)
    return client


async def churned(client: Clientset, mode: str, holds: Callable[[NodeChurn], bool]) -> str:
    """Churn until something holds; return what was said at the end."""
    step = ChurnNodes(mode=mode, number=1, interval_milliseconds=1)  # type: ignore[arg-type]
    churn, said = NodeChurn(client, Settings(run="r"), step), list[str]()
    clock = SystemClock()
    async with running(churn_nodes(churn, ("n0", "n1"), random.Random(1), said.append)):
        end = clock.monotonic() + 60
        while not holds(churn):
            assert clock.monotonic() < end
            await clock.sleep(0.001)
    [words] = said
    return words


async def test_a_cordoned_node_keeps_its_pods_and_takes_no_others_until_it_is_back(client: Clientset) -> None:
    await churned(client, "cordon", lambda churn: churn.counts["back"] >= 3)
    nodes = (await client.nodes.list()).items
    assert sum(node.spec.unschedulable for node in nodes) <= 1
    assert len((await client.pods.list("default")).items) == 4


async def test_from_a_drained_node_the_pods_of_the_run_are_evicted_and_no_others(client: Clientset) -> None:
    words = await churned(client, "drain", lambda churn: churn.counts["back"] >= 3)
    assert words.endswith("came back, 2 Pods were evicted")
    left = {pod.metadata.name for pod in (await client.pods.list("default")).items}
    assert left == {"theirs-n0", "theirs-n1"}


async def test_the_pods_of_daemon_sets_stay_on_a_drained_node(client: Clientset) -> None:
    pod = make_pod("daemon-n0")
    pod.metadata.labels[RUN_LABEL] = "r"
    pod.metadata.owner_references.add(
        api_version="apps/v1", kind="DaemonSet", name="daemon", uid="u", controller=True
    )
    await client.pods.create(pod)
    await client.pods.bind("daemon-n0", namespace="default", uid="", node="n0")
    words = await churned(client, "drain", lambda churn: churn.counts["back"] >= 3)
    assert words.endswith("came back, 2 Pods were evicted")
    assert await client.pods.get("daemon-n0", "default")


async def test_a_node_that_is_made_anew_is_as_it_was_and_another_one(client: Clientset) -> None:
    before = {node.metadata.name: node for node in (await client.nodes.list()).items}
    await churned(client, "recreate", lambda churn: churn.counts["back"] >= 2)
    after = (await client.nodes.list()).items
    assert after
    for node in after:
        old = before[node.metadata.name]
        assert node.metadata.uid != old.metadata.uid
        assert node.metadata.labels == old.metadata.labels
        assert node.status.capacity == old.status.capacity


async def test_a_node_that_somebody_else_has_deleted_is_told_and_the_others_go_on(client: Clientset) -> None:
    await client.nodes.delete("n0")
    words = await churned(client, "drain", lambda churn: churn.counts["went"] >= 2 and bool(churn.refused))
    assert 'refused: nodes "n0" not found' in words
