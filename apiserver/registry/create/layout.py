"""Where given texts stand in an encoded object: names, and what an Event is about. Pure. Called by `templates`.

Two objects of one layout have texts of the same lengths, and everything between the texts is the same, lengths
of messages included. So one comparison tells whether an object has a layout, its texts are slices at known
places, and an object with other texts is made with one join; nothing is parsed.
"""

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

#: a text, by the numbers of the fields that lead to it
Place: TypeAlias = tuple[int, ...]

#: of every kind: `metadata` is field 1, and `name` and `uid` are fields 1 and 5 of it (a test holds the table
#: of kinds to it)
NAME: Final[Place] = (1, 1)
UID: Final[Place] = (1, 5)

#: of a message that is looked through: with labels and annotations metadata has a field for each
_MAX_FIELDS: Final = 256
#: layouts that are remembered, and the bytes of an object with one
_MAX_LAYOUTS: Final = 256
_MAX_REMEMBERED: Final = 16 * 1024
#: of the last byte of the largest number
_MAX_SHIFT: Final = 63
_TAG_BITS: Final = 32
#: wire types
_VARINT, _FIXED64, _TEXT, _FIXED32 = 0, 1, 2, 5


class Layout:
    """How an encoded object looks, but for its texts."""

    __slots__ = ("_first", "_inner", "_last", "_parts", "_size", "_spans", "places")

    def __init__(self, data: bytes, spans: Sequence[tuple[Place, int, int]]) -> None:
        """Make the layout of an object; `spans`: which texts it has, where each begins and ends."""
        self.places = tuple(place for place, _, _ in spans)
        self._size, self._spans = len(data), tuple((begin, end) for _, begin, end in spans)
        between, at = list[bytes](), 0
        for begin, end in self._spans:
            between.append(data[at:begin])
            at = end
        self._last = data[at:]
        self._first = between[0]
        self._inner = tuple(
            (end, end + len(piece), piece) for (_, end), piece in zip(self._spans, between[1:], strict=False)
        )
        # With room for each text.
        self._parts = [part for piece in between for part in (piece, b"")] + [self._last]

    def texts(self, data: bytes) -> list[bytes] | None:
        """Return the texts of an object; None when it has another layout."""
        if len(data) != self._size or not data.startswith(self._first) or not data.endswith(self._last):
            return None
        for begin, end, piece in self._inner:
            if data[begin:end] != piece:
                return None
        return [data[begin:end] for begin, end in self._spans]

    def fill(self, texts: Sequence[bytes]) -> bytes:
        """Return the object with these texts, which have the lengths of the layout's."""
        parts = self._parts[:]
        parts[1::2] = texts
        return b"".join(parts)


class Layouts:
    """Remembers layouts: those of a load's objects are the same from call to call. Owned by one event loop."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, Sequence[Place]], Layout] = {}

    def of(self, data: bytes, places: Sequence[Place]) -> Layout | None:
        """Return what `layout_of` does, or the layout of an earlier object that this one has, too."""
        key = len(data), places
        known = self._found.get(key)
        if known is not None and known.texts(data) is not None:
            return known
        found = layout_of(data, places)
        if found is not None and len(data) <= _MAX_REMEMBERED:
            if len(self._found) >= _MAX_LAYOUTS:
                self._found.clear()
            self._found[key] = found
        return found


def layout_of(data: bytes, places: Sequence[Place]) -> Layout | None:
    """Return the layout of an encoded object; texts that it does not have are left out.

    None when it has no name, when a field on the way to a text is there twice (the last one would count, or
    they would be merged), when texts stand in another order than `places`, when there are too many fields to
    look through, or when it cannot be read.
    """
    spans: list[tuple[Place, int, int]] = []
    try:
        _find(data, (), (0, len(data)), places, spans)
    except (IndexError, ValueError):
        return None
    found = [place for place, _, _ in spans]
    if found != [place for place in places if place in found] or NAME not in found:
        return None
    return Layout(data, spans) if spans[0][1] < spans[0][2] else None


def _find(
    data: bytes,
    prefix: Place,
    within: tuple[int, int],
    places: Sequence[Place],
    spans: list[tuple[Place, int, int]],
) -> None:
    """Find the texts of a part of an object. Raises IndexError, ValueError."""
    depth, seen = len(prefix) + 1, set[int]()
    ways = {place[depth - 1] for place in places if place[: depth - 1] == prefix}
    for count, (number, kind, begin, end) in enumerate(_records(data, *within)):
        if count == _MAX_FIELDS or (number in ways and (number in seen or kind != _TEXT)):
            raise ValueError("too many")
        if number in ways:
            seen.add(number)
            place = (*prefix, number)
            if place in places:
                spans.append((place, begin, end))
            else:
                _find(data, place, (begin, end), places, spans)


def _records(data: bytes, begin: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield each field: number, wire type, begin, end of the content. Raises IndexError, ValueError."""
    at = begin
    while at < end:
        tag, at = _varint(data, at)
        if tag >> _TAG_BITS:
            raise ValueError("no tag")
        kind, start = tag & 7, at
        if kind == _VARINT:
            _, at = _varint(data, at)
        elif kind == _TEXT:
            size, start = _varint(data, at)
            at = start + size
        elif kind in {_FIXED64, _FIXED32}:
            at += 8 if kind == _FIXED64 else 4
        else:
            raise ValueError("a group, or nothing that protobuf knows")
        if at > end:
            raise ValueError("cut off")
        yield tag >> 3, kind, start, at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > _MAX_SHIFT:
            raise ValueError("no number")
