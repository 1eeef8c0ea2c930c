"""What this process has written, until its own watch brings it back: nine of ten events are such echoes, and need not be read.

Whoever sends a value says so here; whoever reads the watch asks. A value is what was sent when its bytes are the same, whoever wrote
them; so nothing here can be wrong, only missing. Owned by one event loop.
"""

from typing import Final, NamedTuple

from aetcd.rpc import kv_pb2

from apiserver.storage.interface import Key, Known

#: values that are remembered: some batches; the oldest goes first
MAX_VALUES: Final = 2048
#: larger ones are read again, so that all together stay below 32 MiB: a value, and the data that is in it
MAX_VALUE_BYTES: Final = 8 * 1024


class Sent(NamedTuple):
    """A value on its way to etcd, and what it is made of."""

    value: bytes
    key: Key
    data: bytes
    type_meta: tuple[str, str]
    position: int
    known: Known | None = None


class Echoes:
    """The values that have been sent and not come back, by the encoded key."""

    def __init__(self) -> None:
        self._sent: dict[bytes, Sent] = {}

    def __len__(self) -> int:
        return len(self._sent)

    def expect(self, key: bytes, sent: Sent) -> None:
        """A value is about to be sent."""
        if len(sent.value) > MAX_VALUE_BYTES:
            return
        self._sent[key] = sent
        if len(self._sent) > MAX_VALUES:
            del self._sent[next(iter(self._sent))]

    def take(self, kv: "kv_pb2.KeyValue") -> Sent | None:
        """Return what an event has put, if it is what was sent last; None when it must be read."""
        sent = self._sent.pop(kv.key, None)
        return None if sent is None or sent.value != kv.value else sent
