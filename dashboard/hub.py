"""PURE: who listens to what, and which frames each gets.

A frame is one message to a browser, encoded once for all who get it:

    {"topic": NAME, "snapshot": ...}   all there is; what was known before counts no more
    {"topic": NAME, "changes": ...}    what is new since the frame before
    {"topic": NAME, "error": {...}}    it cannot be shown, Kubernetes' Status; it is not listened to any more

Each listener has a queue with a bound. One that does not keep up loses what is queued, and gets fresh
snapshots once it has read the rest: it never holds up others, and is never shown half of the news.
"""

from collections import deque
from collections.abc import Iterable
from typing import Any, Final, Protocol

import msgspec

from vaina.errors import ApiError, TooLarge, TooManyRequests

#: connections of browsers
MAX_LISTENERS: Final = 64
#: topics of one connection
MAX_SUBSCRIPTIONS: Final = 16
#: topics of all
MAX_TOPICS: Final = 128
#: letters of a topic's name
MAX_NAME_LETTERS: Final = 2048
#: of one frame
MAX_FRAME_BYTES: Final = 32 * 1024 * 1024
#: frames that wait for one listener, beside snapshots
MAX_QUEUED_FRAMES: Final = 40
#: bytes that wait for one listener
MAX_QUEUED_BYTES: Final = MAX_FRAME_BYTES + 4 * 1024 * 1024
#: snapshots that are kept for who comes next, of all topics
MAX_KEPT_BYTES: Final = 64 * 1024 * 1024


class Shown(Protocol):
    """What a topic has to tell (dashboard.view.Topic)."""

    def snapshot(self) -> Any: ...

    def changes(self) -> Any: ...


class Listener:
    """One connection: what it listens to, and what waits for it."""

    def __init__(self) -> None:
        self.queue: deque[bytes] = deque()
        self._bytes = 0
        #: its queue was dropped, and what was sent before that has not been taken yet
        self.is_behind = False
        #: topic -> whether it has a snapshot of it
        self.topics: dict[str, bool] = {}

    def take(self) -> bytes | None:
        """Return the next frame to send; None: there is none."""
        if not self.queue:
            self.is_behind = False
            return None
        frame = self.queue.popleft()
        self._bytes -= len(frame)
        return frame

    @property
    def waits_for(self) -> list[str]:
        """The topics that it has no snapshot of."""
        return [name for name, is_current in self.topics.items() if not is_current]

    def put(self, frame: bytes) -> bool:
        """Queue a frame; return False when there is no room: then what was queued is dropped."""
        if len(self.queue) >= MAX_QUEUED_FRAMES or self._bytes + len(frame) > MAX_QUEUED_BYTES:
            self.queue.clear()
            self._bytes = 0
            self.topics = dict.fromkeys(self.topics, False)
            self.is_behind = True
            return False
        self.queue.append(frame)
        self._bytes += len(frame)
        return True


class Hub:
    """All listeners and topics. Its shell (`live`) opens and closes topics, and sends."""

    def __init__(self) -> None:
        self.listeners: set[Listener] = set()
        #: topic -> who listens
        self.topics: dict[str, set[Listener]] = {}
        #: by topic: the snapshot that was encoded last, as long as nothing has been told since
        self._kept: dict[str, bytes] = {}
        #: frames that were encoded, and queues that were dropped, since the start
        self.frames, self.dropped = 0, 0

    def connect(self) -> Listener:
        """Take in a connection. Raises TooManyRequests."""
        if len(self.listeners) >= MAX_LISTENERS:
            raise TooManyRequests(f"{MAX_LISTENERS} pages are open; close some")
        listener = Listener()
        self.listeners.add(listener)
        return listener

    def disconnect(self, listener: Listener) -> list[str]:
        """Forget a connection; return the topics that nobody listens to any more."""
        self.listeners.discard(listener)
        return [name for name in [*listener.topics] if self.unsubscribe(listener, name)]

    def subscribe(self, listener: Listener, name: str) -> bool:
        """Let a connection listen to a topic; say whether it is the first.

        Raises TooLarge, TooManyRequests: a bound is reached.
        """
        if name in listener.topics:
            return False
        if len(name) > MAX_NAME_LETTERS:
            raise TooLarge(f"the name of a topic has at most {MAX_NAME_LETTERS} letters")
        if len(listener.topics) >= MAX_SUBSCRIPTIONS:
            raise TooManyRequests(f"a page listens to {MAX_SUBSCRIPTIONS} topics at most")
        is_first = name not in self.topics
        if is_first and len(self.topics) >= MAX_TOPICS:
            raise TooManyRequests(f"{MAX_TOPICS} topics are listened to; close some pages")
        self.topics.setdefault(name, set()).add(listener)
        listener.topics[name] = False
        return is_first

    def unsubscribe(self, listener: Listener, name: str) -> bool:
        """Let a connection listen to a topic no more; say whether it was the last."""
        if listener.topics.pop(name, None) is None:
            return False
        others = self.topics[name]
        others.discard(listener)
        if others:
            return False
        del self.topics[name]
        self._kept.pop(name, None)
        return True

    def share(self, name: str) -> set[Listener]:
        """Queue the snapshot that is kept, if it is, for who has none; return as `flush` does."""
        waiting = self._waiting(name)
        if (frame := self._kept.get(name)) is None:
            return set()
        for one in self._give(waiting, frame):
            one.topics[name] = True
        return {*waiting}

    def flush(self, name: str, topic: Shown) -> set[Listener]:
        """Queue what is new of a topic; return who has got something, or has lost all that waited.

        Raises TooLarge: it cannot be shown.
        """
        told: set[Listener] = set()
        current = {one for one in self.topics.get(name, ()) if one.topics[name]}
        changes = topic.changes()
        if changes is not None:
            self._kept.pop(name, None)
        if changes is not None and current:
            frame = self._encode(name, "changes", changes)
            self._give(current, frame)
            # Who has lost all has to come for a snapshot.
            told |= current
        told |= self.share(name)
        if waiting := self._waiting(name):
            frame = self._encode(name, "snapshot", topic.snapshot())
            if len(frame) > MAX_FRAME_BYTES:
                raise TooLarge(f"more than {MAX_FRAME_BYTES >> 20} MiB would have to be shown: filter")
            for one in self._give(waiting, frame):
                one.topics[name] = True
            told.update(waiting)
            if sum(map(len, self._kept.values())) + len(frame) <= MAX_KEPT_BYTES:
                self._kept[name] = frame
        return told

    def fail(self, name: str, error: ApiError) -> set[Listener]:
        """Tell all who listen to a topic that it cannot be shown, and forget it; return them."""
        told, frame = {*self.topics.get(name, ())}, error_frame(name, error)
        for one in told:
            self.unsubscribe(one, name)
            self.tell(one, frame)
        return told

    def tell(self, listener: Listener, frame: bytes) -> None:
        """Queue a small frame that must not be lost."""
        # A queue that was full is empty after the first try.
        if not listener.put(frame):
            self.dropped += 1
            listener.put(frame)

    def _waiting(self, name: str) -> list[Listener]:
        return [one for one in self.topics.get(name, ()) if not one.topics[name] and not one.is_behind]

    def _encode(self, name: str, what: str, value: Any) -> bytes:
        self.frames += 1
        return msgspec.json.encode({"topic": name, what: value})

    def _give(self, listeners: Iterable[Listener], frame: bytes) -> set[Listener]:
        given = {one for one in listeners if one.put(frame)}
        self.dropped += sum(1 for one in listeners if one not in given)
        return given


def error_frame(name: str, error: ApiError) -> bytes:
    """Return the frame that says why a topic is not shown."""
    return msgspec.json.encode({"topic": name, "error": error_value(error)})


def error_value(error: ApiError) -> dict[str, Any]:
    """Return an error in values that JSON has, with the fields of Kubernetes' Status."""
    return {"status": "Failure", "code": error.code, "reason": error.reason, "message": error.message}
