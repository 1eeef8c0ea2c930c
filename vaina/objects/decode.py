"""From plain values of JSON or YAML to a message, strictly: every mistake is found, with its path, in one
pass.

Types are checked here, since protobuf's Python takes a 2 for a bool and bytes for text. Null means unset; in
a map or a list of scalars it is the zero value, as in upstream. Errors have the words of Go's decoder, with
the index of a list where upstream leaves it out, in the order of the document (`sigs.k8s.io/json`); keys that
stand twice in YAML come first, with their lines.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from google.protobuf.message import Message

from vaina.durations import DurationError, parse_duration
from vaina.objects.quantity import QuantityError
from vaina.objects.quantity import parse as parse_quantity
from vaina.objects.schema import Field, Schema, Shape, schema_of
from vaina.objects.times import TimeError, parse_time
from vaina.objects.tree import MAX_ERRORS, Number, Tree, compact_json, in_order
from vaina.quoting import go_quote

_YAML: Final = "yaml: unmarshal errors:\n  "
_NOT_BASE64: Final = re.compile(r"[^A-Za-z0-9+/]", re.ASCII)

#: (path of the parent, this step): made for every value, written out for mistakes alone
_Place = tuple[Any, str] | None
_BAD: Final = object()


@dataclass(slots=True)
class Mistakes:
    """What was wrong with a document."""

    #: values that cannot be read: always an error
    fatal: list[str] = field(default_factory=list[str])
    #: unknown and duplicate fields: an error or a warning, as the caller asked
    strict: list[str] = field(default_factory=list[str])

    def warnings(self) -> list[str]:
        """Return unknown and duplicate fields one by one (`endpoints/handlers/rest.go`: parseYAMLWarnings)."""
        told: list[str] = []
        for text in self.strict:
            told += text.removeprefix(_YAML).split("\n  ") if text.startswith(_YAML) else [text]
        return told

    def add_strict(self, text: str) -> None:
        """Note an unknown or duplicate field, once."""
        if len(self.strict) < MAX_ERRORS and text not in self.strict:
            self.strict.append(text)

    def add_fatal(self, text: str) -> None:
        if len(self.fatal) < MAX_ERRORS:
            self.fatal.append(text)


def _write_place(place: _Place) -> str:
    steps: list[str] = []
    while place is not None:
        place, step = place
        steps.append(step)
    return "".join(reversed(steps)).removeprefix(".")


def _go_kind(value: object) -> str:
    match value:
        case bool():
            return "bool"
        case str():
            return "string"
        case int() | float() | Number():
            return "number"
        case list():
            return "array"
        case _:
            return "object"


class _Decoder:
    def __init__(self) -> None:
        self.mistakes = Mistakes()

    def message(
        self, schema: Schema, tree: Mapping[str, Any], place: _Place, known: frozenset[str]
    ) -> dict[str, Any]:
        """Return keyword arguments for the message's constructor. `known`: names that are read elsewhere."""
        out: dict[str, Any] = {}
        by_json = schema.by_json
        for name, value in (
            tree.items() if type(tree) is not Tree else self.once(tree, place, {*by_json, *known})
        ):
            item = by_json.get(name)
            if item is None:
                if name not in known:
                    self.mistakes.add_strict(f"unknown field {go_quote(_write_place((place, f'.{name}')))}")
                continue
            if value is None:
                continue
            decoded = self.field(schema, item, value, (place, f".{name}"))
            if decoded is _BAD:
                continue
            target = out
            for via in item.via:
                target = target.setdefault(via, {})
            target[item.name] = decoded
        return out

    def once(self, tree: Tree, place: _Place, fields: AbstractSet[str]) -> Iterator[tuple[str, Any]]:
        """Give the entries of an object, and note duplicate fields where they come; YAML told them by line."""
        for name, value, again in in_order(tree):
            if not again:
                yield name, value
            elif name in fields and not tree.lines:
                self.mistakes.add_strict(f"duplicate field {go_quote(_write_place((place, f'.{name}')))}")

    def field(self, schema: Schema, item: Field, value: Any, place: _Place) -> Any:
        """Return the value of one field, or _BAD after noting what is wrong."""
        if item.is_list:
            if type(value) is not list:
                return self.wrong_type(schema, value, place, item.go_type)
            return self.items(schema, item, value, place)
        if item.is_map:
            if not isinstance(value, dict):
                return self.wrong_type(schema, value, place, item.go_type)
            return self.entries(schema, item, value, place)
        return self.one(schema, item, value, place)

    def items(self, schema: Schema, item: Field, values: list[Any], place: _Place) -> Any:
        out: list[Any] = []
        for index, value in enumerate(values):
            inner = (place, f"[{index}]")
            out.append(_ZEROS.get(item.shape, {}) if value is None else self.one(schema, item, value, inner))
        return _BAD if _BAD in out else out

    def entries(self, schema: Schema, item: Field, values: dict[str, Any], place: _Place) -> Any:
        out: dict[str, Any] = {}
        for name, value in (
            values.items() if type(values) is not Tree else self.once(values, place, values.keys())
        ):
            inner = (place, f".{name}")
            out[name] = _ZEROS.get(item.shape, {}) if value is None else self.one(schema, item, value, inner)
        return _BAD if _BAD in out.values() else out

    def one(self, schema: Schema, item: Field, value: Any, place: _Place) -> Any:
        shape = item.shape
        if shape is Shape.MESSAGE:
            if not isinstance(value, dict):
                name = f"v1.{item.message.name}" if item.message is not None else "object"
                return self.wrong_type(schema, value, place, name)
            assert item.message is not None
            return self.message(schema_of(item.message), value, place, frozenset())
        return _READERS[shape](self, schema, value, place)

    def wrong_type(self, schema: Schema, value: Any, place: _Place, wanted: str) -> object:
        kind = _go_kind(value)
        if kind == "number" and wanted in ("int32", "int64"):
            kind = f"number {value}"
        self.mistakes.add_fatal(
            f"json: cannot unmarshal {kind} into Go struct field {schema.name}.{_write_place(place)} of type {wanted}"
        )
        return _BAD

    def read_string(self, schema: Schema, value: Any, place: _Place) -> Any:
        return value if type(value) is str else self.wrong_type(schema, value, place, "string")

    def read_bool(self, schema: Schema, value: Any, place: _Place) -> Any:
        return value if type(value) is bool else self.wrong_type(schema, value, place, "bool")

    def read_int(self, schema: Schema, value: Any, place: _Place, *, bits: int = 32) -> Any:
        if type(value) is int and -(1 << bits - 1) <= value < 1 << bits - 1:
            return value
        return self.wrong_type(schema, value, place, f"int{bits}")

    def read_bytes(self, schema: Schema, value: Any, place: _Place) -> Any:
        if type(value) is not str:
            return self.wrong_type(schema, value, place, "[]uint8")
        text = value.replace("\n", "").replace("\r", "")
        try:
            return base64.b64decode(text.encode("ascii"), validate=True)
        except (binascii.Error, UnicodeEncodeError):
            found = _NOT_BASE64.search(text)
            at = found.start() if found else len(text)
            return self.bad(place, f"illegal base64 data at input byte {at}")

    def read_quantity(self, schema: Schema, value: Any, place: _Place) -> Any:
        text = value.strip() if type(value) is str else compact_json(value).decode()
        try:
            return {"string": str(parse_quantity(text))}
        except QuantityError as error:
            return self.bad(place, str(error))

    def read_int_or_string(self, schema: Schema, value: Any, place: _Place) -> Any:
        if type(value) is str:
            return {"type": 1, "str_val": value}
        number = self.read_int(schema, value, place)
        return _BAD if number is _BAD else {"int_val": number}

    def read_time(self, schema: Schema, value: Any, place: _Place, *, micro: bool = False) -> Any:
        if type(value) is not str:
            return self.wrong_type(schema, value, place, "string")
        try:
            return parse_time(value, micro=micro)
        except TimeError as error:
            return self.bad(place, str(error))

    def read_raw(self, schema: Schema, value: Any, place: _Place) -> Any:
        return {"raw": compact_json(value)}

    def read_texts(self, schema: Schema, value: Any, place: _Place) -> Any:
        if type(value) is not list:
            return self.wrong_type(schema, value, place, "v1.ExtraValue")
        texts = [
            "" if text is None else self.read_string(schema, text, (place, f"[{index}]"))
            for index, text in enumerate(value)
        ]
        return _BAD if _BAD in texts else {"items": texts}

    def read_duration(self, schema: Schema, value: Any, place: _Place) -> Any:
        if type(value) is not str:
            return self.wrong_type(schema, value, place, "string")
        try:
            return {"duration": parse_duration(value)}
        except DurationError as error:
            return self.bad(place, str(error))

    def bad(self, place: _Place, why: str) -> object:
        self.mistakes.add_fatal(f"{_write_place(place)}: {why}")
        return _BAD


_READERS: Final[Mapping[Shape, Callable[[_Decoder, Schema, Any, _Place], Any]]] = {
    Shape.STRING: _Decoder.read_string,
    Shape.BOOL: _Decoder.read_bool,
    Shape.INT32: _Decoder.read_int,
    Shape.INT64: partial(_Decoder.read_int, bits=64),
    Shape.BYTES: _Decoder.read_bytes,
    Shape.QUANTITY: _Decoder.read_quantity,
    Shape.INT_OR_STRING: _Decoder.read_int_or_string,
    Shape.TIME: _Decoder.read_time,
    Shape.MICRO_TIME: partial(_Decoder.read_time, micro=True),
    Shape.RAW: _Decoder.read_raw,
    Shape.TEXTS: _Decoder.read_texts,
    Shape.DURATION: _Decoder.read_duration,
}


#: what null means in a list or a map; an empty object for all other shapes
_ZEROS: Final[Mapping[Shape, Any]] = {
    Shape.STRING: "", Shape.BOOL: False, Shape.INT32: 0, Shape.INT64: 0, Shape.BYTES: b"",
    Shape.QUANTITY: {"string": "0"},
}  # fmt: skip


def dict_to_message(
    message_type: type[Message], tree: Mapping[str, Any], *, known: frozenset[str] = frozenset()
) -> tuple[Message | None, Mistakes]:
    """Make a message of the values of a JSON object; return it, or None, and what was wrong.

    `known` are names at its top that are read elsewhere: apiVersion, kind.
    """
    decoder = _Decoder()
    if isinstance(tree, Tree) and tree.lines:
        # as one mistake and the first, as upstream's reader of YAML tells them (serializer/json: unmarshal)
        decoder.mistakes.add_strict(_YAML + "\n  ".join(tree.lines))
    arguments = decoder.message(schema_of(message_type.DESCRIPTOR), tree, None, known)
    if decoder.mistakes.fatal:
        return None, decoder.mistakes
    return message_type(**arguments), decoder.mistakes
