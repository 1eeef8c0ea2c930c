"""A Pod that gets its node, by its bytes: what a binding changes is spec and status, and those are alike in
most Pods of a load. Pure.

Parsed, changed and encoded, a Pod costs some 15 µs; here its metadata alone is read, and the rest is looked
up: what a binding makes of everything behind the metadata is found once for a call, with `change`, which is
what binds any Pod, and holds for all Pods with the same bytes there (decision 165). Most Pods of a call are
alike but for name and uid: of those not even the metadata is read (decision 177). Whatever is not as simple
as that is left to `change`.
"""

from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from google.protobuf.message import DecodeError

from apiserver.registry.layout import NAME, UID, Layout, layout_of
from apiserver.storage.codec import record_at_start, varint
from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.errors import ApiError

#: what is behind the metadata of Pods is remembered: so many, of so many bytes at most
_MAX_TAILS: Final = 1024
_MAX_TAIL: Final = 16 * 1024
_METADATA: Final = 0x0A
_SPEC: Final = 0x12
#: a node's name that no node has: a name has no capitals
_NODE: Final = "NODE-OF-A-MOULD-THAT-NO-NODE-IS-CALLED"


class Parts(NamedTuple):
    """A Pod's bytes, cut in two."""

    #: the metadata's record
    head: bytes
    #: everything behind it
    tail: bytes
    metadata: meta_pb2.ObjectMeta


class Mould:
    """What a binding makes of everything behind the metadata; the node's name is put in."""

    __slots__ = ("_before", "_size", "after")

    def __init__(self, size: int, before: bytes, after: bytes) -> None:
        """Make a mould.

        Args:
            size: of the spec without the node's name and the length of that.
            before: the spec up to the length of the node's name.
            after: what follows the name: the rest of the spec, and the status.
        """
        self._size, self._before, self.after = size, before, after

    def begin(self, size: int) -> bytes:
        """Return what stands between the metadata and the name of the node, which has so many bytes."""
        length = varint(size)
        return b"".join((b"\x12", varint(self._size + len(length) + size), self._before, length))

    def cast(self, head: bytes, node: str) -> bytes:
        """Return the encoded Pod on a node."""
        text = node.encode()
        return b"".join((head, self.begin(len(text)), text, self.after))


class Form:
    """Pods that differ in nothing but name and uid, and what a binding makes of them."""

    __slots__ = ("_befores", "_meta_rest", "_mould", "_sent")

    def __init__(self, sent: Layout, meta_rest: bytes, mould: Mould) -> None:
        """Make a form.

        Args:
            sent: of such Pods as they are stored, with room for name and uid.
            meta_rest: what follows the uid in the metadata.
            mould: of what is behind the metadata.
        """
        self._sent, self._meta_rest, self._mould = sent, meta_rest, mould
        #: by the length of a node's name: what stands between it and the uid
        self._befores: dict[int, bytes] = {}

    def cast(self, data: bytes, name: str, uid: str, node: str) -> bytes | None:
        """Return what a Pod becomes on a node; None when it is not of this form, or has not this name and
        uid.
        """
        front = self._sent.front([name.encode(), uid.encode()], data)
        if front is None:
            return None
        place = node.encode()
        size = len(place)
        before = self._befores.get(size)
        if before is None:
            before = self._befores[size] = self._meta_rest + self._mould.begin(size)
        return b"".join((front, before, place, self._mould.after))


class Moulds:
    """The moulds of bindings that say the same besides the node: at one time."""

    __slots__ = ("_change", "_found")

    def __init__(self, change: Callable[[pod_pb2.Pod, str], object]) -> None:
        """Make moulds as they are asked for.

        Args:
            change: gives a Pod, in place, the node of this name. It looks at nothing of the metadata but what
                `cut` leaves out. Raises ApiErrors.
        """
        self._change = change
        #: False: seen once
        self._found: dict[bytes, Mould | Literal[False] | None] = {}

    def of(self, tail: bytes) -> Mould | None:
        """Return what to cast Pods with these bytes behind their metadata in; None: change them one by one."""
        found = self._found.get(tail)
        if found:
            return found
        if found is False:
            found = self._found[tail] = self._make(tail)
            return found
        if len(tail) <= _MAX_TAIL and tail not in self._found:
            if len(self._found) >= _MAX_TAILS:
                self._found.clear()
            # To make a mould costs more than to change one Pod: it is made for the second.
            self._found[tail] = False
        return None

    def _make(self, tail: bytes) -> Mould | None:
        try:
            pod = pod_pb2.Pod.FromString(tail)
            if pod.HasField("metadata") or pod.SerializeToString(deterministic=True) != tail:
                return None
            self._change(pod, _NODE)
        except (ApiError, DecodeError, ValueError):  # ValueError: bad UTF-8
            return None
        if pod.HasField("metadata"):
            return None
        data, text = pod.SerializeToString(deterministic=True), _NODE.encode()
        spec = record_at_start(data, _SPEC)
        if spec is None or data.count(text) != 1:
            return None
        before, _, after = data[spec[0] :].partition(text)
        size = pod.spec.ByteSize()
        if len(before) + len(text) > size:
            return None
        # What stands before the name is its length: one byte, as the name is short.
        mould = Mould(size - len(text) - 1, before[:-1], after)
        return mould if mould.cast(b"", _NODE) == data else None


def form_of(data: bytes, parts: Parts, mould: Mould) -> Form | None:
    """Return the form of a Pod; None when its name or uid does not stand where an encoder writes it.

    Args:
        data: of the Pod.
        parts: it, cut.
        mould: of its tail.
    """
    sent = layout_of(data, (NAME, UID))
    if sent is None or sent.places != (NAME, UID):
        return None
    return Form(sent, sent.last[: len(sent.last) - len(parts.tail)], mould)


def cut(data: bytes) -> Parts | None:
    """Cut a stored Pod in two; None when a binding needs to know more: it is ending, or its bytes are not as
    encoders write them.
    """
    found = record_at_start(data, _METADATA)
    if found is None:
        return None
    begin, end = found
    try:
        metadata = meta_pb2.ObjectMeta.FromString(data[begin:end])
    except (DecodeError, ValueError):
        return None
    if metadata.resource_version or metadata.HasField("deletion_timestamp"):
        return None
    return Parts(data[:end], data[end:], metadata)
