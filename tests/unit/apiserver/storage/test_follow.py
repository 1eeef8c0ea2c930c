"""A part of the apiserver that follows a kind hears of its objects before any watcher does."""

from random import Random

from apiserver.authorization.following import feed_graph
from apiserver.authorization.node.graph import Graph
from apiserver.storage.cacher import Cacher
from apiserver.storage.interface import Key
from apiserver.storage.keys import object_key
from apiserver.storage.memory import MemoryStorage
from apiserver.storage.resources import resource_of
from apiserver.storage.selection import Selection
from tests.support.tasks import running
from vaina.api.core.v1 import pod_pb2
from vaina.clock import SystemClock
from vaina.kinds import PERSISTENT_VOLUME, POD

_KIND = ("v1", "Pod")


def _pod(name: str, node: str, secret: str) -> bytes:
    pod = pod_pb2.Pod()
    pod.metadata.namespace, pod.metadata.name, pod.metadata.uid = "default", name, f"uid-{name}"
    pod.spec.node_name = node
    pod.spec.image_pull_secrets.add(name=secret)
    return pod.SerializeToString()


def _key(name: str) -> Key:
    return object_key(POD, "default", name)


async def test_the_graph_follows_the_watch_cache_and_is_ahead_of_every_watcher() -> None:
    storage = MemoryStorage()
    await storage.create(_key("old"), _pod("old", "a", "first"), _KIND)
    cacher = Cacher(
        storage, [resource_of(POD), resource_of(PERSISTENT_VOLUME)], clock=SystemClock(), rng=Random(1)
    )
    graph = Graph()
    feed_graph(graph, cacher)
    assert not graph.has_path("a", "secrets", "default", "first")
    async with running(cacher.run()):
        await cacher.wait_ready()
        assert graph.has_path("a", "secrets", "default", "first")
        watch = cacher.watch_selection(Selection(resource_of(POD).prefix), initial=True)
        await anext(watch)
        await storage.create(_key("new"), _pod("new", "b", "second"), _KIND)
        await anext(watch)
        assert graph.has_path("b", "secrets", "default", "second")
        await storage.delete(_key("old"))
        await anext(watch)
        assert not graph.has_path("a", "secrets", "default", "first")
        stored = await storage.get(_key("new"))
        assert stored is not None
        await storage.update(_key("new"), b"\xff", _KIND, expected=stored.version)
        await anext(watch)
        assert not graph.has_path("b", "secrets", "default", "second")
        await watch.aclose()
