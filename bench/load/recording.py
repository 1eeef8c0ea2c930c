"""Messages of watches as they came: kept while a load goes on, read when it is over (`verify.py`)."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing

from vaina.api.core.v1 import node_pb2
from vaina.api.meta.v1 import raw_pb2, request_pb2
from vaina.client.clientset import Clientset
from vaina.errors import ApiError, Expired
from vaina.kinds import NODE

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


class NodeFollower:
    """Watches all nodes and hands each message on; a watch that breaks is resumed."""

    def __init__(self, client: Clientset, take: Callable[[bytes], None]) -> None:
        self._client, self._hand_on = client, take
        #: name -> the newest version that came
        self.seen: dict[str, int] = {}

    async def run(self) -> None:
        """Watch until cancelled. Raises Expired."""
        version = ""
        while True:
            request = request_pb2.WatchRequest(
                resource_version=version,
                send_initial_events=None if version else True,
                allow_watch_bookmarks=True,
            )
            try:
                stream = self._client.transport.stream(NODE.method("Watch"), request.SerializeToString())
                async with aclosing(stream) as answers:
                    async for answer in answers:
                        batch = raw_pb2.RawWatchResponse.FromString(answer)
                        self._hand_on(answer)
                        version = batch.resource_version or version
                        for event in batch.events:
                            if event.type != "BOOKMARK":
                                made = node_pb2.Node.FromString(event.object).metadata
                                self.seen[made.name] = int(made.resource_version)
            except Expired:
                raise
            except ApiError:
                await asyncio.sleep(_RETRY_SECONDS)
