"""Watchers of a story: they leave streams in the middle and come back, and write down all that they get."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from random import Random

from apiserver.registry.world import SelectingStorage
from apiserver.storage import versions
from apiserver.storage.interface import EventType, Key, Storage, StorageEvent, Version
from apiserver.storage.selection import Selection
from tests.support.frames import frames_of
from tests.support.watch_validators import ADDED, BOOKMARK, End, Recorded, Seen, Selects
from vaina.api.core.v1 import config_pb2
from vaina.clock import SystemClock
from vaina.errors import ApiError, Expired
from vaina.objects.watch import INITIAL_EVENTS_END

#: batches after a version; None: the current state first
Source = Callable[[Version | None], AsyncGenerator[Sequence[Seen], None]]

_CLOCK = SystemClock()


def of_storage(storage: Storage, prefix: Key) -> Source:
    """Watch as the cacher does: list, then watch."""

    async def batches(after: Version | None) -> AsyncGenerator[Sequence[Seen], None]:
        if after is None:
            page = await storage.list(prefix)
            mark = Seen(BOOKMARK, "", page.version, ends_initial=True)
            yield [*(Seen(ADDED, item.key, item.version, item.data) for item in page.items), mark]
            return
        async with aclosing(storage.watch(prefix, after=after)) as source:
            async for batch in source:
                yield [seen(event) for event in batch]

    return batches


def of_selection(storage: SelectingStorage, selection: Selection) -> Source:
    """Watch as clients do: the current state with its end, then what happens; each batch says how far it is."""

    async def batches(after: Version | None) -> AsyncGenerator[Sequence[Seen], None]:
        watch = storage.watch_selection(selection, after=after, initial=after is None, bookmarks=True)
        async with aclosing(watch) as source:
            async for batch in source:
                events = [_frame(frame.type, frame.object, frame.version) for frame in frames_of(batch)]
                if batch.version:
                    events.append(Seen(BOOKMARK, "", batch.version))
                yield events

    return batches


async def follow(
    source: Source,
    streams: list[Recorded],
    last: Key,
    *,
    rng: Random,
    compacting: Callable[[], int],
    stall_seconds: float | None,
    selects: Selects,
) -> None:
    """Watch until a key was seen; leave after any event and come back there, list anew when that has expired.

    Args:
        source: what is watched.
        streams: what is recorded.
        last: the key.
        rng: when to leave.
        compacting: returns the newest revision that may be compacted now.
        stall_seconds: a stream that is silent for so long is left; None: that is a failure.
        selects: what the source is about.
    """
    reached: Version | None = None
    while not streams or all(event.key != last for event in streams[-1].events):
        after, events, end = reached, list[Seen](), End.CUT
        try:
            async with asyncio.timeout(stall_seconds or 30), aclosing(source(after)) as batches:
                async for batch in batches:
                    events += batch
                    if any(event.key == last for event in batch):
                        break
                    if rng.random() < 0.2:
                        # What came after that event is not taken; it must come again.
                        del events[len(events) - rng.randrange(len(batch)) :]
                        break
                    for _ in range(rng.randrange(3)):
                        await _CLOCK.sleep(0)
        except TimeoutError:
            if stall_seconds is None:
                raise
        except Expired:
            end = End.EXPIRED
        except ApiError:
            await _CLOCK.sleep(0.01)
        compacted = versions.version_of(compacting(), versions.LAST)
        stream = Recorded(
            after or 0, events, end, initial=after is None, compacted=compacted, selects=selects
        )
        streams.append(stream)
        reached = None if stream.end is End.EXPIRED else Version(stream.reached) or None


def seen(event: StorageEvent) -> Seen:
    """Return an event as the validators take it.

    The last state of what was deleted may be compacted: it is not compared then.
    """
    if event.type is EventType.BOOKMARK:
        return Seen(BOOKMARK, "", event.version)
    return Seen(event.type.value, event.key, event.version, event.object and event.object.data)


def _frame(kind: str, data: bytes, version: int) -> Seen:
    """Return a frame without the version that was stamped on its object."""
    message = config_pb2.ConfigMap.FromString(data)
    if kind == BOOKMARK:
        return Seen(kind, "", version, ends_initial=INITIAL_EVENTS_END in message.metadata.annotations)
    assert message.metadata.resource_version == str(version)
    message.metadata.resource_version = ""
    key = f"/registry/configmaps/{message.metadata.namespace}/{message.metadata.name}"
    return Seen(kind, key, version, message.SerializeToString(deterministic=True))
