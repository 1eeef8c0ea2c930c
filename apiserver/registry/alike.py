"""New objects of one batch that differ in nothing but their names: what a ReplicaSet or a load test makes. Pure.

The first of them, the leader, takes the whole way: parsed, defaulted, admitted, validated, encoded. What it became is then true of the
others too, but for the name and the uid; so they are neither parsed nor encoded, the two are put into the leader's bytes
(decision 081). Whatever is not as simple as that takes the whole way itself.

Names are cut out of the bytes as sent. An encoder writes fields in the order of their numbers: `metadata` is field 1 of every kind and
`name` field 1 of metadata (a test holds the table of kinds to it), so the name stands first.
"""

from typing import Any, Final, NamedTuple

from apiserver.storage.codec import varint
from apiserver.validation import names

_FIRST_FIELD: Final = 0x0A
#: of a name or uid; a longer one takes the whole way: its length has two bytes
_MAX_NAME: Final = 127
_NO_NAME: Final = b"?"


class Cut(NamedTuple):
    """The bytes of an object without its name."""

    name: str
    #: of the metadata without its name
    meta_size: int
    rest: bytes


def cut_name(data: bytes) -> Cut | None:
    """Cut the name out of an encoded object; None when it does not stand where encoders write it, or is no DNS subdomain.

    `rest` may hold another name: see `keeps_name`.
    """
    if len(data) < 4 or data[0] != _FIRST_FIELD:
        return None
    size, at = data[1], 2
    if size > 0x7F:
        size, at = size & 0x7F | data[2] << 7, 3
        if size > 0x3FFF:
            return None
    if len(data) < at + 2 or data[at] != _FIRST_FIELD:
        return None
    length = data[at + 1]
    end = at + 2 + length
    if length > _MAX_NAME or size < length + 2 or end > len(data):
        return None
    name = data[at + 2 : end].decode("ascii", "replace")
    return Cut(name, size - length - 2, data[end:]) if names.is_dns_1123_subdomain(name) else None


def keeps_name(cut: Cut, message: type[Any]) -> bool:
    """Say whether the name that was cut out is the one that counts: what is left may hold another, even an empty one, and the last counts.

    Asked with a name that no object has: one that holds this very name is refused, and nobody follows it.
    """
    size = varint(cut.meta_size + 2 + len(_NO_NAME))
    data = b"".join((b"\x0a", size, b"\x0a", varint(len(_NO_NAME)), _NO_NAME, cut.rest))
    name: str = message.FromString(data).metadata.name
    return name.encode() == _NO_NAME


class Mould:
    """A finished object without its name and uid."""

    __slots__ = ("between", "left", "rest")

    def __init__(self, meta_size: int, between: bytes, rest: bytes) -> None:
        """Make a mould.

        Args:
            meta_size: of the metadata without the texts of name and uid.
            between: what stands between the name and the length of the uid.
            rest: what follows the uid.
        """
        self.left, self.between, self.rest = meta_size, between, rest

    def cast(self, name: str, uid: str) -> bytes:
        """Return the encoded object of a name and a uid."""
        raw, text = name.encode(), uid.encode()
        head = varint(self.left + len(raw) + len(text))
        parts = (
            b"\x0a",
            head,
            b"\x0a",
            varint(len(raw)),
            raw,
            self.between,
            varint(len(text)),
            text,
            self.rest,
        )
        return b"".join(parts)


def mould_of(data: bytes, name: str, uid: str) -> Mould | None:
    """Return the mould of a finished object; None when it cannot be cut.

    Args:
        data: encoded as it is stored.
        name: its name.
        uid: its uid, which stands nowhere else in it.
    """
    cut, text = cut_name(data), uid.encode()
    if cut is None or cut.name != name or not 0 < len(text) <= _MAX_NAME or cut.rest.count(text) != 1:
        return None
    between, _, rest = cut.rest.partition(text)
    if len(between) + len(text) > cut.meta_size:
        return None
    # The record of the name has two bytes besides its text; one byte before the uid is its length.
    found = Mould(cut.meta_size + 2 - len(text), between[:-1], rest)
    return found if found.cast(name, uid) == data else None
