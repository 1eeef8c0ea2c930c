"""What the cases of the storage suite share: the harness, keys and objects, and ways to listen to a watch."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

import pytest

from apiserver.registry.options import make_selection
from apiserver.registry.world import SelectingStorage
from apiserver.storage.interface import EventType, Key, Storage, StorageEvent, Stored, Version
from apiserver.storage.selection import Selection
from vaina.api.core.v1 import config_pb2
from vaina.kinds import POD
from vaina.testing.builders import make_pod

META = ("v1", "ConfigMap")
POD_META = ("v1", "Pod")
PREFIX = Key("/registry/configmaps/")
PODS = Key("/registry/pods/")


@dataclass(frozen=True)
class Harness:
    """A storage and what else a test may do to it."""

    storage: Storage
    #: the same storage, asked for selections
    selecting: SelectingStorage
    #: another client of what lies behind, which shares nothing else with `storage`
    other: Storage
    #: forget the history up to and with the revision of a version
    compact: Callable[[Version], Awaitable[None]]
    #: let seconds pass
    advance: Callable[[float], Awaitable[None]]
    #: store bytes as they are, as another program may
    put_bytes: Callable[[Key, bytes], Awaitable[None]]


class Spec:
    """The base of all parts of the suite. A test module provides the fixture `harness`."""

    @pytest.fixture
    def harness(self) -> Harness:
        raise NotImplementedError("the test module of each storage provides it")

    @pytest.fixture
    def storage(self, harness: Harness) -> Storage:
        return harness.storage


def key(name: str, namespace: str = "default") -> Key:
    return Key(f"{PREFIX}{namespace}/{name}")


def config(name: str, **data: str) -> bytes:
    message = config_pb2.ConfigMap(data=data)
    message.metadata.name = name
    return message.SerializeToString(deterministic=True)


def number(stored: Stored | None) -> int:
    """Return what an object counts."""
    assert stored is not None
    return int(config_pb2.ConfigMap.FromString(stored.data).data["n"])


def pod(name: str, app: str = "web", node: str = "", namespace: str = "default", **labels: str) -> bytes:
    message = make_pod(name, namespace, labels={"app": app, **labels}, node=node)
    return message.SerializeToString(deterministic=True)


def pod_key(name: str, namespace: str = "default") -> Key:
    return Key(f"{PODS}{namespace}/{name}")


async def put_pod(
    storage: Storage, name: str, app: str = "web", node: str = "", namespace: str = "default"
) -> Stored:
    """Create a Pod, or replace it."""
    where, data = pod_key(name, namespace), pod(name, app, node, namespace)
    current = await storage.get(where)
    if current is None:
        return await storage.create(where, data, POD_META)
    return await storage.update(where, data, POD_META, expected=current.version)


def pods(labels: str = "", fields: str = "", namespace: str = "") -> Selection:
    """Return a selection of Pods, as the registry makes it of selectors in words."""
    return make_selection(POD, namespace, labels, fields)


async def create_many(storage: Storage, count: int, text: str = "") -> list[Stored]:
    """Create a00, a01, ... at once: over etcd most of them go in one batch."""
    return await asyncio.gather(
        *(storage.create(key(f"a{n:03}"), config(f"a{n:03}", x=text), META) for n in range(count))
    )


async def collect(
    storage: Storage, after: Version, count: int, prefix: Key = PREFIX
) -> Sequence[StorageEvent]:
    """Return the next `count` events (without bookmarks), and those that came with the last."""
    found: list[StorageEvent] = []
    async with asyncio.timeout(60), aclosing(storage.watch(prefix, after=after)) as batches:
        async for batch in batches:
            found += [event for event in batch if event.type is not EventType.BOOKMARK]
            if len(found) >= count:
                return found
    raise AssertionError("the watch ended")


def short(events: Sequence[StorageEvent]) -> list[tuple[str, str, bytes | None]]:
    return [(e.type.value, e.key.rpartition("/")[2], e.object and e.object.data) for e in events]


async def next_events(watch: AsyncIterator[Sequence[StorageEvent]]) -> Sequence[StorageEvent]:
    """Return the next batch that is more than a bookmark."""
    async for batch in watch:
        if any(event.type is not EventType.BOOKMARK for event in batch):
            return batch
    raise AssertionError("the watch ended")


async def next_batch(watch: AsyncIterator[Sequence[StorageEvent]]) -> Sequence[StorageEvent]:
    """Return the next batch."""
    return await anext(watch)
