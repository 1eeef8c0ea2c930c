"""Frames of the cluster: whoever reads them knows what a list would say, whenever they came."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from dashboard.cluster import topic as topics
from dashboard.cluster.selection import parse_selection
from dashboard.cluster.state import ClusterState
from dashboard.cluster.topic import ClusterTopic
from tests.support.tasks import running
from vaina.cache.list_watch import Apply, Replace
from vaina.testing.builders import make_node, make_pod
from vaina.testing.clock import settle

Seen = tuple[str, str, str, str, int]


class Reader:
    """A browser's half: reads frames as static/cluster/model.js does."""

    def __init__(self) -> None:
        self.strings: list[str] = []
        self.nodes: dict[int, list[Any]] = {}
        self.pods: dict[int, list[Any]] = {}
        self.left_out = 0

    def snapshot(self, value: Any) -> None:
        self.__init__()  # type: ignore[misc]  # what was known counts no more
        self.changes(value)

    def changes(self, value: Any) -> None:
        if "reset" in value:
            self.snapshot(value["reset"])
            return
        self.strings += value["strings"]
        self.left_out = value["left_out"]
        for row in value["nodes"]:
            self.nodes[row[0]] = row
        for row in value["pods"]:
            self.pods[row[0]] = row
        for number in value.get("gone_pods", ()):
            del self.pods[number]
        for number in value.get("gone_nodes", ()):
            del self.nodes[number]

    def seen(self) -> set[Seen]:
        """Return namespace, name, node, word and health of each Pod."""
        return {
            (
                self.strings[row[2]],
                row[1],
                self.nodes[row[3]][1] if row[3] else "",
                self.strings[row[5]],
                row[6],
            )
            for row in self.pods.values()
        }

    def rooms(self) -> dict[str, str]:
        return {row[1]: self.strings[row[2]] for row in self.nodes.values()}


class Held:
    """A state under a test's hand."""

    def __init__(self) -> None:
        self.state = ClusterState()

    @asynccontextmanager
    async def use(self) -> AsyncIterator[ClusterState]:
        yield self.state

    async def wait_refused(self) -> None:
        await asyncio.Event().wait()


class Cluster:
    """A cluster under a test's hand, and a topic of it."""

    def __init__(self, asked: str = "cluster", **options: int) -> None:
        self.held = Held()
        self.topic = ClusterTopic(parse_selection(asked), self.held, **options)
        self.news = 0
        self.readers: list[Reader] = []

    def put(self, *pods: Any) -> None:
        self.held.state.on_pods(Apply([(f"{p.metadata.namespace}/{p.metadata.name}", p, p) for p in pods]))

    def drop(self, *keys: str) -> None:
        self.held.state.on_pods(Apply([(key, None, make_pod()) for key in keys]))

    def put_nodes(self, *nodes: Any) -> None:
        self.held.state.on_nodes(Apply([(node.metadata.name, node, node) for node in nodes]))

    def drop_nodes(self, *names: str) -> None:
        self.held.state.on_nodes(Apply([(name, None, make_node()) for name in names]))

    def flush(self) -> Any:
        """Do what the hub does, in JSON as it is sent; return the changes."""
        changes = self.topic.changes()
        value = json.loads(msgspec.json.encode(changes))
        if changes is not None:
            for reader in self.readers:
                reader.changes(value)
        return value

    def join(self) -> Reader:
        """Let a reader come."""
        self.flush()
        reader = Reader()
        reader.snapshot(json.loads(msgspec.json.encode(self.topic.snapshot())))
        self.readers.append(reader)
        return reader

    def on_news(self) -> None:
        self.news += 1


@asynccontextmanager
async def following(cluster: Cluster) -> AsyncIterator[None]:
    async with running(cluster.topic.run(cluster.on_news)):
        await settle()
        yield


async def test_a_pod_that_goes_its_way_is_told_step_by_step() -> None:
    cluster = Cluster()
    cluster.put_nodes(make_node("n1"))
    async with following(cluster):
        reader = cluster.join()
        assert (reader.seen(), reader.rooms()) == (set(), {"n1": "Ready"})
        cluster.put(make_pod("web"))
        cluster.flush()
        assert reader.seen() == {("default", "web", "", "Pending", 1)}
        cluster.put(make_pod("web", node="n1", phase="Running", ready=True))
        cluster.flush()
        assert reader.seen() == {("default", "web", "n1", "Running", 0)}
        cluster.drop("default/web")
        cluster.flush()
        assert reader.seen() == set()


async def test_what_shows_nothing_new_is_not_told() -> None:
    cluster = Cluster()
    cluster.put_nodes(make_node("n1"))
    async with following(cluster):
        cluster.join()
        before = cluster.news
        cluster.put_nodes(make_node("n1", heartbeat=1.0, resource_version="7"))
        assert cluster.news == before
        assert cluster.flush() is None


async def test_only_what_is_new_is_sent() -> None:
    cluster = Cluster()
    cluster.put(*(make_pod(f"p{number}") for number in range(1000)))
    async with following(cluster):
        cluster.join()
        cluster.put(
            make_pod("p7", phase="Failed"),
            make_pod("p7", phase="Running", ready=True),
            make_pod("p8", phase="Running", ready=True),
        )
        value = cluster.flush()
        assert [row[1] for row in value["pods"]] == ["p7", "p8"]
        assert value["strings"] == ["Running"]


async def test_a_node_that_is_no_object_stays_as_long_as_pods_are_on_it() -> None:
    cluster = Cluster()
    async with following(cluster):
        reader = cluster.join()
        cluster.put(make_pod("web", node="n1"))
        cluster.flush()
        assert reader.rooms() == {"n1": "Missing"}
        cluster.put_nodes(make_node("n1"))
        cluster.flush()
        assert reader.rooms() == {"n1": "Ready"}
        cluster.drop_nodes("n1")
        cluster.flush()
        assert reader.rooms() == {"n1": "Missing"}
        cluster.drop("default/web")
        cluster.flush()
        assert reader.rooms() == {}


async def test_pods_beyond_the_bound_are_counted() -> None:
    cluster = Cluster(max_pods=2)
    cluster.put(*(make_pod(f"p{number}") for number in range(5)))
    async with following(cluster):
        reader = cluster.join()
        assert (len(reader.seen()), reader.left_out) == (2, 3)
        cluster.drop("default/p4")
        cluster.flush()
        assert (len(reader.seen()), reader.left_out) == (2, 2)


async def test_pods_that_had_no_room_are_shown_when_others_have_gone() -> None:
    cluster = Cluster(max_pods=2)
    cluster.put(*(make_pod(f"p{number}") for number in range(5)))
    async with following(cluster):
        reader = cluster.join()
        cluster.drop("default/p3", "default/p0")
        cluster.put(make_pod("p5"))
        cluster.flush()
        assert (sorted(seen[1] for seen in reader.seen()), reader.left_out) == (["p1", "p2"], 2)
        cluster.drop("default/p1", "default/p2")
        cluster.flush()
        assert (sorted(seen[1] for seen in reader.seen()), reader.left_out) == (["p4", "p5"], 0)


async def test_the_list_of_texts_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "SPARE_STRINGS", 10)
    cluster = Cluster()
    async with following(cluster):
        reader = cluster.join()
        for number in range(50):
            cluster.put(make_pod("web", namespace=f"ns{number}"))
            cluster.flush()
            cluster.drop(f"ns{number}/web")
            cluster.flush()
        assert len(reader.strings) <= 20
        assert reader.seen() == set()


def pod_at_random(rng: random.Random, name: str) -> Any:
    return make_pod(
        name, rng.choice(("a", "b")), labels={"app": rng.choice(("x", "y"))}, node=rng.choice(("", "n1", "n2", "n3")),
        phase=rng.choice(("Pending", "Running", "Failed", "Succeeded")), ready=rng.choice((True, False, None)),
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("asked", ["cluster", "cluster?namespace=a&selector=app%3Dx"])
async def test_whenever_a_reader_came_it_knows_what_a_list_says(
    seed: int, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(seed)
    monkeypatch.setattr(topics, "SPARE_STRINGS", rng.choice((0, 5, 20_000)))
    cluster = Cluster(asked)
    state = cluster.held.state
    async with following(cluster):
        for _ in range(60):
            match rng.randrange(7):
                case 0:
                    cluster.join()
                case 1:
                    cluster.put_nodes(make_node(rng.choice(("n1", "n2")), ready=rng.random() < 0.5))
                case 2:
                    cluster.drop_nodes(rng.choice(("n1", "n2")))
                case 3 if state.pods:
                    cluster.drop(rng.choice(sorted(state.pods)))
                case 4:
                    items = state.new_pods()
                    for number in range(rng.randrange(6)):
                        pod = pod_at_random(rng, f"p{number}")
                        items[f"{pod.metadata.namespace}/{pod.metadata.name}"] = pod
                    state.on_pods(Replace(items))
                case _:
                    cluster.put(pod_at_random(rng, f"p{rng.randrange(6)}"))
            if rng.random() < 0.5:
                cluster.flush()
        cluster.flush()
        cluster.join()
    wanted = {
        (row.namespace, row.name, row.node, row.word, int(row.health))
        for row in state.pods.values()
        if parse_selection(asked).has(row)
    }
    rooms = {name: row.word for name, row in state.nodes.items()}
    rooms |= {node: "Missing" for _, _, node, _, _ in wanted if node and node not in rooms}
    for reader in cluster.readers:
        assert reader.seen() == wanted
        assert reader.rooms() == rooms
        assert len(reader.pods) == len(wanted)


async def test_a_topic_that_nobody_listens_to_is_told_nothing() -> None:
    cluster = Cluster()
    async with following(cluster):
        pass
    before = cluster.news
    cluster.put(make_pod("web"))
    assert cluster.news == before
    await asyncio.wait_for(settle(), 60)
