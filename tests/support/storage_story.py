"""Clients that write, read and watch a storage all at once, and everything they were told.

A story for `storage_judge`.

A story is run from programs: one list of steps a client. Seeds or Hypothesis make them. Everything that is
written is unlike anything else that is written (a token), so that the judge can tell whose write an event is.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from random import Random
from typing import Any, NamedTuple

from apiserver.registry.options import make_selection
from apiserver.registry.world import SelectingStorage
from apiserver.storage import versions
from apiserver.storage.interface import (
    CONSISTENT,
    Change,
    EventType,
    Key,
    Page,
    Put,
    Read,
    Storage,
    StorageError,
    StorageEvent,
    Stored,
    Version,
)
from apiserver.storage.selection import Selection
from tests.support.storage_watchers import Source, follow, of_selection, of_storage
from tests.support.tasks import running
from tests.support.watch_validators import Recorded, Selects
from vaina.api.core.v1 import config_pb2
from vaina.clock import SystemClock
from vaina.errors import ApiError
from vaina.kinds import CONFIG_MAP

PREFIX = Key("/registry/configmaps/")
#: the key that is written when everybody is done
LAST = Key(f"{PREFIX}default/last")
NOTHING = Version(0)
_META = ("v1", "ConfigMap")
_CLOCK = SystemClock()


class Way(StrEnum):
    """What a client does."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    CHANGE = "change"
    PUT_ALL = "put all"
    GET = "get"
    LIST = "list"
    PAGES = "pages"


class Step(NamedTuple):
    """One call of a client: what, on which key, and a number that decides everything else about it."""

    way: Way
    key: int
    choice: int


@dataclass(slots=True)
class Call:
    """One call and what came of it. `called` and `returned` are ticks of one counter."""

    way: Way
    key: Key
    called: int
    #: of what it wants to write
    token: str = ""
    expected: Version | None = None
    read: Read = CONSISTENT
    #: None while it runs
    returned: int | None = None
    #: Stored, None, a list of items, or the error
    answer: object = None
    #: of a list
    version: Version = NOTHING
    #: of a change: the state that it saw last, and whether it wanted to delete
    saw: Stored | None = None
    deletes: bool = False
    #: the revision that had been compacted when it began, and the newest that may have been when it ended
    compacted: tuple[int, int] = (-1, -1)

    @property
    def is_unknown(self) -> bool:
        """Whether nobody can say what came of it."""
        return isinstance(self.answer, ApiError) and "unknown" in self.answer.message


@dataclass(slots=True)
class Story:
    """Everything that was done and told."""

    calls: list[Call] = field(default_factory=list)
    #: what a watch that was never interrupted saw, from before the first call on
    truth: list[StorageEvent] = field(default_factory=list)
    #: the streams of each watcher
    streams: list[list[Recorded]] = field(default_factory=list)
    #: the revision that has been compacted
    compacted: int = -1
    #: the revision that may have been, for somebody has asked for it
    compacting: int = -1
    start: Version = NOTHING
    #: of the last write
    end: Version = NOTHING


def document(name: str, token: str, parent: str = "") -> bytes:
    """Return an object that holds a token, and the token of what it was made from."""
    message = config_pb2.ConfigMap(data={"parent": parent, "token": token})
    message.metadata.name, message.metadata.namespace = name, "default"
    message.metadata.labels["shade"] = shade_of(token)
    return message.SerializeToString(deterministic=True)


def shade_of(token: str) -> str:
    """Return the label of an object: half of all that is written is dark, so that objects enter and leave a
    selection.
    """
    return "dark" if token == "last" or int(token[1:]) % 2 else "light"


def is_dark(_: str, data: object) -> bool:
    """Tell whether an object is in the selection `shade=dark`."""
    assert isinstance(data, bytes)
    return config_pb2.ConfigMap.FromString(data).metadata.labels["shade"] == "dark"


def token_of(stored: Stored) -> str:
    return config_pb2.ConfigMap.FromString(stored.data).data["token"]


def parent_of(stored: Stored) -> str:
    return config_pb2.ConfigMap.FromString(stored.data).data["parent"]


def make_programs(seed: int, clients: int, steps: int, keys: int = 3) -> list[list[Step]]:
    """Make programs from a seed."""
    rng = Random(seed)
    ways = list(Way)
    return [
        [Step(rng.choice(ways), rng.randrange(keys), rng.randrange(1000)) for _ in range(steps)]
        for _ in range(clients)
    ]


class Teller:
    """Runs programs against a storage."""

    def __init__(
        self,
        clients: Sequence[Storage],
        direct: Storage,
        compact: Callable[[Version], Awaitable[None]],
        rng: Random,
        selecting: SelectingStorage | None = None,
    ) -> None:
        """Make a teller.

        Args:
            clients: the storages that the clients ask, in turns.
            direct: the same storage by a line that never fails: the truth is read from it.
            compact: forgets the history up to a version's revision.
            rng: when watchers leave, when is compacted.
            selecting: is watched as clients watch, too.
        """
        self._selecting = selecting
        self._clients, self._direct, self._compact, self._rng = clients, direct, compact, rng
        self._ticks = count()
        self._tokens = count()
        self.story = Story()
        #: what anybody has seen of a key, for expected versions and for reading the past
        self._known: dict[Key, list[Stored]] = {}

    async def tell(
        self,
        programs: Sequence[Sequence[Step]],
        *beside: Coroutine[Any, Any, None],
        watchers: int = 3,
        stall_seconds: float | None = None,
    ) -> Story:
        """Run all programs at once, with watchers beside them, until everyone has seen the last write.

        Args:
            programs: the steps of each client.
            beside: what else goes on while the clients work.
            watchers: who follows all that happens.
            stall_seconds: over a line that fails, watchers leave a stream that is silent for so long. None:
            it fails the story.
        """
        story = self.story
        story.start = await self._direct.current_version()
        sources = self._sources(watchers)
        story.streams = [[] for _ in sources]
        async with (
            running(self._write_down_truth(), self._compact_now_and_then()),
            asyncio.TaskGroup() as watching,
        ):
            tasks = [
                watching.create_task(
                    follow(
                        source, streams, LAST, rng=self._rng, compacting=lambda: story.compacting,
                        stall_seconds=stall_seconds, selects=selects,
                    )
                )
                for (source, selects), streams in zip(sources, story.streams, strict=True)
            ]  # fmt: skip
            async with running(*beside), asyncio.TaskGroup() as working:
                for number, program in enumerate(programs):
                    working.create_task(self._run(self._clients[number % len(self._clients)], program))
            story.end = (await self._direct.create(LAST, document("last", "last"), _META)).version
            await asyncio.wait(tasks)
            async with asyncio.timeout(60):
                while not story.truth or story.truth[-1].version < story.end:
                    await _CLOCK.sleep(0.005)
        return story

    def _sources(self, watchers: int) -> list[tuple[Source, Selects]]:
        """Return what is watched, and what of it."""

        def everything(_: str, data: object) -> bool:
            return True

        found: list[tuple[Source, Selects]] = [
            (of_storage(self._clients[number % len(self._clients)], PREFIX), everything)
            for number in range(watchers)
        ]
        if self._selecting is not None:
            dark = make_selection(CONFIG_MAP, "", "shade=dark", "")
            found += [
                (of_selection(self._selecting, Selection(PREFIX)), everything),
                (of_selection(self._selecting, Selection(Key(f"{PREFIX}default/"))), everything),
                (of_selection(self._selecting, dark), is_dark),
                (of_selection(self._selecting, dark), is_dark),
            ]
        return found

    async def _run(self, storage: Storage, program: Sequence[Step]) -> None:
        for step in program:
            name = Key(f"{PREFIX}default/k{step.key}")
            match step.way:
                case Way.PUT_ALL:
                    await self._put_all(storage, step)
                case Way.PAGES:
                    await self._pages(storage, step)
                case _:
                    await self._do(storage, name, step)

    async def _do(self, storage: Storage, name: Key, step: Step) -> None:
        call = self._begin(step.way, name)
        short = name.rpartition("/")[2]
        work: Awaitable[object]
        match step.way:
            case Way.CREATE:
                work = storage.create(name, document(short, call.token), _META)
            case Way.UPDATE:
                call.expected = self._expected(name, step.choice)
                work = storage.update(name, document(short, call.token), _META, expected=call.expected)
            case Way.DELETE:
                call.expected = self._expected(name, step.choice) if step.choice % 2 else None
                work = storage.delete(name, expected=call.expected)
            case Way.CHANGE:
                work = storage.guaranteed_update(name, self._change(call, step), hint=self._hint(name, step))
            case Way.GET:
                call.read = self._read(step.choice)
                work = storage.get(name, call.read)
            case _:
                call.read = self._read(step.choice)
                work = storage.list(PREFIX, call.read)
        await self._end(call, work)

    async def _put_all(self, storage: Storage, step: Step) -> None:
        """Three writes at once, each a call of its own."""
        calls, puts = [], []
        for number in range(3):
            short = f"k{(step.key + number % 2)}"
            call = self._begin(
                Way.CREATE if (step.choice >> number) % 2 else Way.UPDATE, Key(f"{PREFIX}default/{short}")
            )
            if call.way is Way.UPDATE:
                call.expected = self._expected(call.key, step.choice // 8)
            calls.append(call)
            puts.append(Put(call.key, document(short, call.token), _META, call.expected))
        try:
            answers: Sequence[object] = await storage.put_all(puts)
        except ApiError as error:
            answers = [error] * len(calls)
        for call, answer in zip(calls, answers, strict=True):
            self._returned(call, answer)

    async def _pages(self, storage: Storage, step: Step) -> None:
        """A list in pages of one or two: a consistent first page, and the rest exactly at its version."""
        limit = 1 + step.choice % 2
        first = self._begin(Way.LIST, PREFIX)
        items: list[Stored] = []
        try:
            page = await storage.list(PREFIX, limit=limit)
            version, items = page.version, list(page.items)
            first.version = version
            while page.next_key is not None:
                page = await storage.list(PREFIX, Read(exact=version), limit=limit, after=page.next_key)
                assert page.version == version
                items += page.items
        except ApiError as error:
            if first.version:
                first.read = Read(exact=first.version)
            self._returned(first, error)
            return
        self._returned(first, items)

    def _begin(self, way: Way, name: Key) -> Call:
        call = Call(way, name, next(self._ticks), f"t{next(self._tokens)}")
        call.compacted = (self.story.compacted, self.story.compacted)
        self.story.calls.append(call)
        return call

    async def _end(self, call: Call, work: Awaitable[object]) -> None:
        answer: object
        try:
            answer = await work
        except (StorageError, ApiError, _Refused) as error:
            answer = error
        self._returned(call, answer)

    def _returned(self, call: Call, answer: object) -> None:
        call.returned = next(self._ticks)
        call.compacted = (call.compacted[0], self.story.compacting)
        if isinstance(answer, Stored):
            self._known.setdefault(answer.key, []).append(answer)
        elif isinstance(answer, Page):
            call.version, answer = answer.version, list(answer.items)
        call.answer = answer

    def _expected(self, name: Key, choice: int) -> Version:
        """Return the newest version that anybody saw, an older one, or one that never was."""
        known = self._known.get(name)
        if not known or choice % 11 == 0:
            return Version(choice % versions.SPAN if choice % 2 else 1 << 60)
        return known[-1 if choice % 3 else choice % len(known)].version

    def _hint(self, name: Key, step: Step) -> Stored | None:
        known = self._known.get(name)
        return known[step.choice % len(known)] if known and step.choice % 3 == 0 else None

    def _read(self, choice: int) -> Read:
        seen = [stored.version for known in self._known.values() for stored in known]
        if not seen or choice % 2:
            return CONSISTENT
        version = sorted(seen)[-1 - choice % min(len(seen), 20)]
        return Read(exact=version) if choice % 4 else Read(at_least=version)

    def _change(self, call: Call, step: Step) -> Callable[[Stored], Change]:
        short = call.key.rpartition("/")[2]
        call.deletes = step.choice % 7 == 1

        def change(current: Stored) -> Change:
            call.saw = current
            if step.choice % 7 == 2:
                raise _Refused
            if step.choice % 7 == 3:
                return Change(current.data)
            return Change(None if call.deletes else document(short, call.token, token_of(current)))

        return change

    async def _write_down_truth(self) -> None:
        story = self.story
        async with aclosing(self._direct.watch(PREFIX, after=story.start)) as batches:
            async for batch in batches:
                story.truth += [event for event in batch if event.type is not EventType.BOOKMARK]

    async def _compact_now_and_then(self) -> None:
        story, rng = self.story, self._rng
        while True:
            for _ in range(rng.randrange(1, 40)):
                await _CLOCK.sleep(0)
            await _CLOCK.sleep(rng.uniform(0.0, 0.01))
            if story.truth:
                # Never more than the truth has seen: it must not be cut off itself.
                version = story.truth[-1 - rng.randrange(min(len(story.truth), 6))].version
                if versions.revision_of(version) > story.compacted:
                    story.compacting = versions.revision_of(version)
                    await self._compact(version)
                    story.compacted = story.compacting


class _Refused(Exception):
    """A change that did not want to."""
