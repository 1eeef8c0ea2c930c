"""Messages of watches as they came: kept while a load goes on, read when it is over (`verify.py`)."""

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

from vaina.api.meta.v1 import raw_pb2, request_pb2
from vaina.client.clientset import Clientset
from vaina.clock import SystemClock
from vaina.errors import ApiError, Expired
from vaina.kinds import Kind
from vaina.objects.meta import object_key

_RETRY_SECONDS = 0.2


class Recording:
    """Messages of a watch, up to a bound."""

    def __init__(self, most_bytes: int) -> None:
        self._left, self._messages = most_bytes, list[bytes]()

    @property
    def is_full(self) -> bool:
        """Whether there was more than is kept."""
        return self._left < 0

    def take(self, message: bytes) -> None:
        """Keep a message; beyond the bound nothing is kept any more."""
        self._left -= len(message)
        if self._left >= 0:
            self._messages.append(message)
        else:
            self._messages.clear()

    def drain(self) -> list[bytes]:
        """Return what was kept since the last time."""
        found, self._messages = self._messages, []
        return found


class Follower:
    """Watches all objects of a kind and hands each message on; a watch that breaks is resumed."""

    def __init__(
        self, client: Clientset, kind: Kind[Any], take: Callable[[bytes], None], field_selector: str = ""
    ) -> None:
        self._field_selector = field_selector
        self._client, self._kind, self._hand_on = client, kind, take
        #: name (with its namespace before it) -> the newest version that came
        self.seen: dict[str, int] = {}
        #: set when the watch is there
        self.ready = asyncio.Event()

    async def run(self) -> None:
        """Watch until cancelled. Raises Expired."""
        version = ""
        while True:
            request = request_pb2.WatchRequest(
                resource_version=version,
                send_initial_events=None if version else True,
                allow_watch_bookmarks=True,
                field_selector=self._field_selector,
            )
            try:
                stream = self._client.transport.stream(
                    self._kind.method("Watch"), request.SerializeToString()
                )
                async with aclosing(stream) as answers:
                    async for answer in answers:
                        batch = raw_pb2.RawWatchResponse.FromString(answer)
                        self._hand_on(answer)
                        version = batch.resource_version or version
                        for event in batch.events:
                            if event.type != "BOOKMARK":
                                made = self._kind.message.FromString(event.object)
                                self.seen[object_key(made)] = int(made.metadata.resource_version)
                        self.ready.set()
            except Expired:
                raise
            except ApiError:
                await asyncio.sleep(_RETRY_SECONDS)

    async def caught_up(self, until: float) -> bool:
        """Wait until every object is recorded as it is now; False: the time of `time.perf_counter` is up.

        Raises ApiError.
        """
        wanted = {
            object_key(made): int(made.metadata.resource_version)
            for made in (await self._client.kind(self._kind).list()).items
        }
        while any(self.seen.get(name, 0) < version for name, version in wanted.items()):
            if time.perf_counter() > until:
                return False
            await SystemClock().sleep(0.02)
        return True
