"""Clients that write ConfigMaps through apiservers, write down what they were told, and compare it with what
etcd has (I4).

Every write carries a token of its own, so that it can be found again in the history, however often it happened.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from tests.support.watch_validators import DELETED, Seen
from vaina.api.core.v1 import config_pb2
from vaina.client.clientset import Clientset
from vaina.clock import SystemClock
from vaina.errors import ApiError, Timeout, Unavailable

TOKEN, SHARD = "token", "shard"
SHARDS = 4
_NAMES = 6


class Answer(StrEnum):
    """What a client was told."""

    ACKNOWLEDGED = "acknowledged"
    #: Conflict, NotFound, ...: it did not happen
    REFUSED = "refused"
    #: Unavailable or Timeout: it happened once or not at all
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One write as its client knows it."""

    verb: str
    token: str
    #: namespace/name; of a create whose name is made by the server only when it was answered
    key: str
    answer: Answer
    #: resourceVersion of what was answered
    version: int = 0
    error: str = ""


class Load:
    """Clients that write until they are stopped. Each asks `pick` for a client before every write."""

    def __init__(self, pick: Callable[[], Clientset], *, seed: int = 1) -> None:
        """Make a load; no other has the same seed: it is in the names of objects and in tokens."""
        self._pick, self._seed, self._rng = pick, seed, Random(seed)
        self._clock = SystemClock()
        self._numbers = itertools.count()
        self.attempts: list[Attempt] = []
        self.stopped = asyncio.Event()

    @property
    def acknowledged(self) -> int:
        """How many writes were acknowledged."""
        return sum(attempt.answer is Answer.ACKNOWLEDGED for attempt in self.attempts)

    async def run(self, writers: int, *, pause_seconds: float = 0.0) -> None:
        """Write until `stopped` is set."""
        async with asyncio.TaskGroup() as group:
            for writer in range(writers):
                group.create_task(self._write_on(writer, pause_seconds))

    async def _write_on(self, writer: int, pause_seconds: float) -> None:
        #: name -> what this client knows of the object
        mine: dict[str, config_pb2.ConfigMap] = {}
        while not self.stopped.is_set():
            name = f"s{self._seed}-w{writer}-{self._rng.randrange(_NAMES)}"
            known, dice = mine.get(name), self._rng.random()
            if dice < 0.3:
                answer = await self._generate(writer)
            elif known is None:
                answer = await self._create(name, mine)
            elif dice < 0.8:
                answer = await self._update(known, mine)
            else:
                answer = await self._delete(known, mine)
            if answer is Answer.UNKNOWN:
                mine.pop(name, None)
                await self._clock.sleep(0.2)
            if answer is Answer.REFUSED:
                await self._look(name, mine)
            await self._clock.sleep(pause_seconds)

    async def _generate(self, writer: int) -> Answer:
        wanted = self._object("", generate_name=f"s{self._seed}-g{writer}-")
        return (await self._attempt("generate", wanted, lambda client: client.config_maps.create(wanted)))[0]

    async def _create(self, name: str, mine: dict[str, config_pb2.ConfigMap]) -> Answer:
        wanted = self._object(name)
        answer, made = await self._attempt("create", wanted, lambda client: client.config_maps.create(wanted))
        if made is not None:
            mine[name] = made
        return answer

    async def _update(self, known: config_pb2.ConfigMap, mine: dict[str, config_pb2.ConfigMap]) -> Answer:
        name = known.metadata.name
        wanted = self._object(name)
        wanted.metadata.resource_version = known.metadata.resource_version
        answer, made = await self._attempt("update", wanted, lambda client: client.config_maps.update(wanted))
        if made is not None:
            mine[name] = made
        return answer

    async def _delete(self, known: config_pb2.ConfigMap, mine: dict[str, config_pb2.ConfigMap]) -> Answer:
        name, uid = known.metadata.name, known.metadata.uid
        answer, _ = await self._attempt(
            "delete", known, lambda client: client.config_maps.delete(name, "default", uid=uid)
        )
        mine.pop(name, None)
        return answer

    async def _look(self, name: str, mine: dict[str, config_pb2.ConfigMap]) -> None:
        mine.pop(name, None)
        try:
            mine[name] = await self._pick().config_maps.get(name, "default")
        except ApiError:
            return

    def _object(self, name: str, *, generate_name: str = "") -> config_pb2.ConfigMap:
        made = config_pb2.ConfigMap(data={TOKEN: f"t{self._seed}-{next(self._numbers)}"})
        made.metadata.namespace, made.metadata.name = "default", name
        made.metadata.generate_name = generate_name
        made.metadata.labels[SHARD] = str(self._rng.randrange(SHARDS))
        return made

    async def _attempt(
        self, verb: str, wanted: config_pb2.ConfigMap, write: "Callable[[Clientset], object]"
    ) -> tuple[Answer, config_pb2.ConfigMap | None]:
        token, key = wanted.data[TOKEN], f"default/{wanted.metadata.name}"
        try:
            made: config_pb2.ConfigMap = await write(self._pick())  # type: ignore[misc]  # a coroutine of a client
        except ApiError as error:
            unknown = isinstance(error, Unavailable | Timeout) and "nothing was written" not in error.message
            answer = Answer.UNKNOWN if unknown else Answer.REFUSED
            self.attempts.append(Attempt(verb, token, key, answer, error=f"{error.reason}: {error.message}"))
            return answer, None
        version = int(made.metadata.resource_version)
        key = f"default/{made.metadata.name}"
        self.attempts.append(Attempt(verb, token, key, Answer.ACKNOWLEDGED, version))
        return Answer.ACKNOWLEDGED, made


def check_attempts(attempts: Sequence[Attempt], history: Sequence[Seen]) -> list[str]:
    """Return what is wrong with what clients were told.

    Args:
        attempts: everything that clients tried.
        history: everything that etcd has seen of ConfigMaps in their namespace; `data` as `data_of` returns it.
    """
    found: list[str] = []
    writes: dict[str, list[Seen]] = {}
    deletions: set[tuple[str, int]] = set()
    for event in history:
        if event.type == DELETED:
            deletions.add((event.key, event.version))
        else:
            assert isinstance(event.data, tuple)
            writes.setdefault(event.data[0], []).append(event)
    for attempt in attempts:
        if attempt.verb == "delete":
            if attempt.answer is Answer.ACKNOWLEDGED and (attempt.key, attempt.version) not in deletions:
                found.append(f"lost: {attempt}")
            continue
        happened = writes.pop(attempt.token, [])
        if len(happened) > 1:
            found.append(f"doubled: {attempt} is {[str(event) for event in happened]}")
        elif attempt.answer is Answer.ACKNOWLEDGED:
            if [(event.key, event.version) for event in happened] != [(attempt.key, attempt.version)]:
                found.append(f"lost: {attempt}, there is {[str(event) for event in happened]}")
        elif attempt.answer is Answer.REFUSED and happened:
            found.append(f"refused and done: {attempt} is {[str(event) for event in happened]}")
    found += [f"from nowhere: {event}" for events in writes.values() for event in events]
    return found


def answers(attempts: Sequence[Attempt]) -> dict[str, int]:
    """Return how many attempts had which answer, by verb."""
    return dict(Counter(f"{attempt.verb} {attempt.answer}" for attempt in attempts))


def data_of(obj: config_pb2.ConfigMap) -> tuple[str, str]:
    """Return what is compared of an object: its token and its shard."""
    return obj.data[TOKEN], obj.metadata.labels[SHARD]
