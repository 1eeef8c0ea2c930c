"""PURE: the few fields of messages that a Tab needs, written and read as protobuf has them on the wire.

The messages' own modules take 0.04 s to import, of the 0.2 that a Tab has. The numbers are those of `protos/`,
and of Kubernetes' own (decision 002); `tests/unit/cli/test_completion_messages.py` holds them to both.
Format: protobuf.dev, "Encoding".
"""

from collections.abc import Iterator
from typing import Final

#: before an object on the REST API (apimachinery `pkg/runtime/serializer/protobuf/protobuf.go`)
_MAGIC: Final = b"k8s\x00"
#: kinds of fields, in the lowest bits of a key: a number, bytes with their length, or so many bytes
_NUMBER, _BYTES = 0, 2
_FIXED: Final = {1: 8, 5: 4}
#: ListMeta of a list and its objects; metadata of an object; its name; where the list goes on
_LIST_META, _ITEMS, _METADATA, _NAME, _CONTINUE = 1, 2, 1, 1, 3
_SPEC: Final = 2
#: of a PodSpec: containers, init containers, ephemeral containers, as a Tab offers them
_CONTAINERS, _INIT, _EPHEMERAL = 2, 20, 34
#: of an envelope
_RAW: Final = 2


def list_request(namespace: str, limit: int, more: str) -> bytes:
    """Write a ListRequest of a page; `more` is where it goes on, empty: the first one, as it is in the cache."""
    version = _field(6, b"" if more else b"0")
    return _field(1, namespace.encode()) + _number(4, limit) + _field(5, more.encode()) + version


def get_request(namespace: str, name: str) -> bytes:
    """Write a GetRequest."""
    return _field(1, namespace.encode()) + _field(2, name.encode())


def names_of(page: bytes) -> tuple[list[str], str]:
    """Return the names of a list's objects, and where it goes on. Raises ValueError: it is no list."""
    names = [
        _text(name)
        for item in _all(page, _ITEMS)
        for metadata in _all(item, _METADATA)
        for name in _all(metadata, _NAME)
    ]
    more = [_text(value) for meta in _all(page, _LIST_META) for value in _all(meta, _CONTINUE)]
    return names, more[-1] if more else ""


def containers_of(pod: bytes) -> list[str]:
    """Return the names of a Pod's containers, the usual ones first. Raises ValueError: it is none."""
    specs = list(_all(pod, _SPEC))
    found = [item for number in (_CONTAINERS, _INIT) for spec in specs for item in _all(spec, number)]
    # Of an ephemeral container the fields that others have too are a message of their own.
    found += [common for spec in specs for item in _all(spec, _EPHEMERAL) for common in _all(item, 1)]
    return [_text(name) for item in found for name in _all(item, _NAME)]


def unwrapped(answer: bytes) -> bytes:
    """Return what the envelope of the REST API holds. Raises ValueError: it is none."""
    if not answer.startswith(_MAGIC):
        raise ValueError(answer[:20])
    return b"".join(_all(answer[len(_MAGIC) :], _RAW))


def _text(value: bytes) -> str:
    return value.decode(errors="replace")


def _all(message: bytes, wanted: int) -> Iterator[bytes]:
    """Yield the values of a field whose values are bytes, texts or messages. Raises ValueError: it is cut."""
    at = 0
    while at < len(message):
        key, at = _read_number(message, at)
        shape = key & 7
        if shape == _NUMBER:
            at = _read_number(message, at)[1]
        elif shape == _BYTES:
            length, at = _read_number(message, at)
            if at + length > len(message):
                raise ValueError(at)
            if key >> 3 == wanted:
                yield message[at : at + length]
            at += length
        elif shape in _FIXED:
            at += _FIXED[shape]
        else:
            raise ValueError(shape)


def _read_number(message: bytes, at: int) -> tuple[int, int]:
    """Return a number (seven bits a byte, the lowest first), and where it ends. Raises ValueError."""
    found = 0
    for place, byte in enumerate(message[at : at + 10]):
        found |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return found, at + place + 1
    raise ValueError(at)


def _number(number: int, value: int) -> bytes:
    return _written(number << 3) + _written(value) if value else b""


def _field(number: int, value: bytes) -> bytes:
    return _written(number << 3 | _BYTES) + _written(len(value)) + value if value else b""


def _written(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*found, value))
