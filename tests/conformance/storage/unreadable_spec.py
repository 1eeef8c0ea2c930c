"""Keys that hold what cannot be read: written by other programs, or damaged."""

import asyncio
from contextlib import aclosing

import pytest

from apiserver.storage import codec
from apiserver.storage.interface import Change, KeyConflict, KeyExists, KeyMissing, Read, Unreadable, Version
from apiserver.storage.selection import Selection
from tests.conformance.storage.harness import META, PREFIX, Harness, Spec, collect, config, key, short
from tests.support.frames import frames_of
from vaina.api.core.v1 import config_pb2
from vaina.objects.envelope import MAGIC

_ALL = Selection(PREFIX)
#: the envelope of somebody else; an envelope of ours around what is no ConfigMap (a record that is cut off,
#: bad UTF-8)
BROKEN = (
    pytest.param(b"{}", id="no envelope"),
    pytest.param(MAGIC + b"\xff\xff", id="broken envelope"),
    pytest.param(codec.encode_value(b"\x0a\x05a", META, 0), id="cut off"),
    pytest.param(codec.encode_value(b"\x0a\x03\x0a\x01\xff", META, 0), id="not UTF-8"),
)


class UnreadableSpec(Spec):
    """One value that cannot be read holds up nobody who does not ask for it."""

    @pytest.mark.parametrize("value", BROKEN)
    async def test_it_is_left_out_and_told_by_its_key(self, harness: Harness, value: bytes) -> None:
        storage = harness.storage
        await storage.create(key("a"), config("a"), META)
        await harness.put_bytes(key("b"), value)
        await storage.create(key("c"), config("c"), META)
        page = await storage.list(PREFIX)
        assert ([item.key for item in page.items], list(page.unreadable)) == (
            [key("a"), key("c")],
            [key("b")],
        )
        with pytest.raises(Unreadable, match=f"corrupt object, Code: 7, Key: {key('b')}, "):
            await storage.get(key("b"))
        with pytest.raises(Unreadable):
            await storage.guaranteed_update(key("b"), lambda current: Change(current.data))
        with pytest.raises(Unreadable):
            await storage.delete(key("b"))
        with pytest.raises(KeyExists):
            await storage.create(key("b"), config("b"), META)

    async def test_it_can_be_deleted_and_nothing_else_so(self, harness: Harness) -> None:
        storage = harness.storage
        await storage.create(key("a"), config("a"), META)
        await harness.put_bytes(key("b"), b"{}")
        with pytest.raises(KeyConflict):
            await storage.delete_unreadable(key("a"))
        with pytest.raises(KeyMissing):
            await storage.delete_unreadable(key("c"))
        version = await storage.delete_unreadable(key("b"))
        assert version <= await storage.current_version()
        assert await storage.get(key("b")) is None
        assert not (await storage.list(PREFIX)).unreadable
        assert (await storage.create(key("b"), config("b"), META)).version > version

    async def test_watches_go_on(self, harness: Harness) -> None:
        storage, start = harness.storage, await harness.storage.current_version()
        await storage.create(key("a"), config("a"), META)
        await harness.put_bytes(key("a"), b"{}")
        await harness.put_bytes(key("b"), b"{}")
        await harness.put_bytes(key("b"), codec.encode_value(config("b"), META, 0))
        await storage.delete_unreadable(key("a"))
        assert short(await collect(storage, start, 5)) == [
            ("ADDED", "a", config("a")), ("MODIFIED", "a", None), ("ADDED", "b", None),
            ("MODIFIED", "b", config("b")), ("DELETED", "a", None),
        ]  # fmt: skip

    async def test_who_watches_a_selection_sees_the_object_go(self, harness: Harness) -> None:
        storage = harness.storage
        start = (await storage.create(key("a"), config("a"), META)).version
        await harness.put_bytes(key("a"), b"{}")
        await storage.create(key("b"), config("b"), META)
        seen: list[tuple[str, str]] = []
        async with (
            asyncio.timeout(60),
            aclosing(harness.selecting.watch_selection(_ALL, after=start)) as batches,
        ):
            async for batch in batches:
                seen += [(frame.type.value, _name(frame.object)) for frame in frames_of(batch)]
                if len(seen) >= 2:
                    break
        assert seen == [("DELETED", "a"), ("ADDED", "b")]
        page = await harness.selecting.list_selection(_ALL)
        assert ([item.key for item in page.items], list(page.unreadable)) == ([key("b")], [key("a")])
        with pytest.raises(Unreadable):
            await storage.get(key("a"), Read(at_least=Version(0)))


def _name(data: bytes) -> str:
    name: str = config_pb2.ConfigMap.FromString(data).metadata.name
    return name
