"""JSON text to plain values, keeping what a strict reader needs: duplicate keys, and the text of numbers.

Size and depth are bounded before anything is parsed.
"""

import json
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

#: upstream's limit of a request body
MAX_BYTES: Final = 3 * 1024 * 1024
#: no object of the API is a third as deep
MAX_DEPTH: Final = 100
#: documents in one text, empty ones too
MAX_DOCUMENTS: Final = 5000
#: mistakes of one kind that a document is told; upstream's JSON stops collecting here as well
MAX_ERRORS: Final = 100
#: integers with more digits stay text
_INT_DIGITS: Final = 20
_BRACKETS: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)
_NONE: Final[Mapping[str, int]] = MappingProxyType({})
_SPACE: Final = re.compile(r"[ \t\r\n]*")


class TextError(ValueError):
    """The text is no JSON or YAML. The message says where and why."""


class Number:
    """A number that is no integer of 64 bits, as it was written: 0.1, 1e3."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Number({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Number) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)


class Tree(dict[str, Any]):
    """An object in which (in YAML: or below which) a key stands twice; the last value counts, as in upstream."""

    #: key -> how many others the object has before it comes again, in that order; a third time is not told
    duplicates: Mapping[str, int] = MappingProxyType({})
    #: of YAML: each key that comes again in this object or in what it has, with its line; at most MAX_ERRORS
    lines: tuple[str, ...] = ()


def make_object(pairs: list[tuple[str, Any]], lines: tuple[str, ...] = ()) -> dict[str, Any]:
    """Make an object of its pairs, noting the keys that come again. `lines`: what is told of them in YAML."""
    plain = dict(pairs)
    if len(plain) == len(pairs) and not lines:
        return plain
    tree = Tree(plain)
    tree.lines = lines
    seen: set[str] = set()
    again: dict[str, int] = {}
    for name, _ in pairs:
        if name in seen:
            again.setdefault(name, len(seen))
        seen.add(name)
    tree.duplicates = again
    return tree


def with_fields(tree: dict[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with these fields where it does not have them."""
    whole = {**tree, **{name: value for name, value in fields.items() if name not in tree}}
    if not isinstance(tree, Tree):
        return whole
    made = Tree(whole)
    made.duplicates, made.lines = tree.duplicates, tree.lines
    return made


def make_integer(text: str) -> int | Number:
    """Read an integer; one with very many digits stays text."""
    return int(text) if len(text) <= _INT_DIGITS else Number(text)


def clean_text(text: str) -> str:
    """Replace lone surrogates, which no UTF-8 can hold, by U+FFFD as Go does."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _clean(value: Any) -> Any:
    """Clean all strings of a value that has escapes of surrogates in it. Its depth is bounded."""
    match value:
        case str():
            return clean_text(value)
        case list():
            return [_clean(item) for item in value]
        case dict():
            cleaned = make_object([(clean_text(name), _clean(item)) for name, item in value.items()])
            if again := duplicates_of(value):
                cleaned = Tree(cleaned)
                cleaned.duplicates = again
            return cleaned
        case _:
            return value


def _no_constant(name: str) -> Any:
    raise TextError(f"invalid character '{name[0]}' looking for beginning of value")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=make_object, parse_int=make_integer, parse_float=Number, parse_constant=_no_constant
)


def is_too_large(text: str | bytes) -> bool:
    """Say whether a text has more bytes, as UTF-8, than any request may have."""
    if isinstance(text, bytes) or text.isascii() or len(text) > MAX_BYTES:
        return len(text) > MAX_BYTES
    return len(text.encode(errors="surrogatepass")) > MAX_BYTES


def decode_text(text: str | bytes) -> str:
    """Return the text of a document as str. Raises TextError: it is no UTF-8, or too large."""
    if is_too_large(text):
        raise TextError(f"Request entity too large: limit is {MAX_BYTES}")
    if isinstance(text, str):
        return text
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TextError(f"invalid UTF-8 at byte {error.start}") from error


def check_depth(text: str) -> None:
    """Raise TextError for JSON that is deeper than MAX_DEPTH, before a recursive parser sees it."""
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return
    depth = 0
    for match in _BRACKETS.finditer(text):
        char = match[0]
        if char in ("{", "["):
            depth += 1
            if depth > MAX_DEPTH:
                raise TextError("exceeded max depth")
        elif char in ("}", "]"):
            depth -= 1


class TooManyDocuments(TextError):
    """A text has more documents than anybody looks at."""

    def __init__(self) -> None:
        super().__init__(f"there may be at most {MAX_DOCUMENTS} documents")


def parse_json(text: str) -> list[tuple[Any, int]]:
    """Read JSON values that follow one another; return each with the line on which it starts, from 1.

    Raises TextError: the text is no JSON, is too large or too deep, or has too many values.
    """
    check_depth(text)
    values: list[tuple[Any, int]] = []
    position, line, counted = 0, 1, 0
    # Looked for once, not for each value: a search goes through the whole text.
    escaped = "\\u" in text
    while True:
        space = _SPACE.match(text, position)
        position = space.end() if space else position
        if position >= len(text):
            return values
        if len(values) >= MAX_DOCUMENTS:
            raise TooManyDocuments
        line += text.count("\n", counted, position)
        counted = position
        try:
            value, position = _DECODER.raw_decode(text, position)
        except json.JSONDecodeError as error:
            raise TextError(f"{error.msg} (line {error.lineno}, column {error.colno})") from error
        except RecursionError as error:
            raise TextError("exceeded max depth") from error
        values.append((_clean(value) if escaped else value, line))


def parse_one(raw: bytes) -> Any:
    """Read the JSON value that a message has as bytes. Raises TextError: it is none, several, or too deep."""
    values = parse_json(decode_text(raw))
    if len(values) != 1:
        raise TextError("there must be one value")
    return values[0][0]


def _write_number(value: object) -> Any:
    if isinstance(value, Number):
        return msgspec.Raw(value.text.encode())
    raise TypeError(f"no JSON form: {type(value).__name__}")


def compact_json(value: Any, *, sort_keys: bool = False) -> bytes:
    """Write plain values as JSON without spaces, numbers as they were written."""
    return msgspec.json.encode(value, enc_hook=_write_number, order="sorted" if sort_keys else None)


def duplicates_of(value: Any) -> Mapping[str, int]:
    """Return the duplicate keys of an object, with how many keys it has before each comes again."""
    return value.duplicates if isinstance(value, Tree) else _NONE


def in_order(tree: Mapping[str, Any]) -> Iterator[tuple[str, Any, bool]]:
    """Give keys and values in the order of the document; a key that comes again comes with True."""
    again = list(duplicates_of(tree).items())
    told = 0
    for index, (name, value) in enumerate(tree.items()):
        while told < len(again) and again[told][1] <= index:
            yield again[told][0], None, True
            told += 1
        yield name, value, False
    for name, _ in again[told:]:
        yield name, None, True
