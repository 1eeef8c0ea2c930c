"""YAML text to plain values and back, as kubectl's YAML library (sigs.k8s.io/yaml) does it.

Called by `manifest`. libyaml reads the text into events; the values are made here, because PyYAML's own
constructor differs in many scalars (`y`, `1:30`, dates, `0o17`, `=`), swallows duplicate keys and recurses.
Depth, and what aliases expand to, are bounded while reading. A key that stands twice is told with the line of
its value, as go.yaml.in/yaml/v2 does when it is strict (decode.go: setMapIndex). Floats take the form that
Go's JSON gives them: `80.0` is 80, `1e3` is 1000.
"""

import base64
import binascii
import re
from dataclasses import dataclass, field
from decimal import Decimal
from math import isfinite
from operator import itemgetter
from typing import Any, Final

import yaml

from vaina.objects import tree
from vaina.quoting import go_quote

#: values that aliases may add to a document
MAX_ALIASED: Final = 20_000
_TAG: Final = "tag:yaml.org,2002:"
_BOOLS: Final = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
}
_NULLS: Final = frozenset(("", "~", "null", "Null", "NULL"))
_NOT_JSON: Final = re.compile(r"\.(nan|NaN|NAN)|[-+]?\.(inf|Inf|INF)")
_DATE: Final = re.compile(
    r"\d{4}-\d{1,2}-\d{1,2}([Tt]\d{1,2}:\d{1,2}:\d{1,2}([.,]\d+)?(Z|[+-]\d\d:\d\d)| \d{1,2}:\d{1,2}:\d{1,2}([.,]\d+)?)?",
    re.ASCII,
)
_INTEGER: Final = re.compile(
    r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|([1-9][0-9]*|0))", re.ASCII
)
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_MERGE: Final = object()


def write_float(number: float) -> int | tree.Number:
    """Give a float the form that Go's JSON encoder gives it; whole numbers become integers."""
    size = abs(number)
    if size and not 1e-6 <= size < 1e21:
        mantissa, _, exponent = repr(number).partition("e")
        return tree.Number(f"{mantissa.removesuffix('.0')}e{int(exponent):+d}" if exponent else mantissa)
    text = format(Decimal(repr(number)), "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return tree.Number(text) if "." in text else tree.make_integer(text)


def _integer(text: str) -> int | tree.Number | None:
    match = _INTEGER.fullmatch(text)
    if match is None or len(text) > 256:
        return None
    sign, hexadecimal, binary, octal, decimal = match.groups()
    for digits, base in ((hexadecimal, 16), (binary, 2), (octal, 8), (decimal, 10)):
        if digits is not None:
            value = int(digits, base)
            return tree.make_integer(str(-value if sign == "-" else value))
    return None


def resolve_plain(text: str) -> Any:
    """Return the value of a scalar without quotes and tag: by the rules of YAML 1.1 as Go's library reads them.

    Raises TextError: the value has no JSON form (.nan, .inf).
    """
    first = text[:1]
    if first in "yYnNtTfFoO~" or not text:
        if text in _BOOLS:
            return _BOOLS[text]
        return None if text in _NULLS else text
    if first == "." or first in "+-0123456789":
        return _resolve_number(text)
    return text


def _resolve_number(text: str) -> Any:
    if _NOT_JSON.fullmatch(text):
        raise tree.TextError(f"json: unsupported value: {text}")
    if _DATE.fullmatch(text):
        return text
    plain = text.replace("_", "") if text[0] != "." else text
    whole = _integer(plain)
    if whole is not None:
        return whole
    if _FLOAT.fullmatch(plain) and len(plain) <= 256:
        number = float(plain)
        if isfinite(number):
            return write_float(number)
    return text


def _tagged(tag: str, text: str) -> Any:
    short = tag.removeprefix(_TAG)
    if short == "str":
        return text
    if short == "binary":
        try:
            return base64.b64decode("".join(text.split()), validate=True).decode()
        except (binascii.Error, ValueError) as error:
            raise tree.TextError("!!binary value contains invalid base64 data") from error
    if short not in ("bool", "int", "float", "null", "timestamp"):
        return text
    value = resolve_plain(text)
    fits = {
        "bool": isinstance(value, bool),
        "int": isinstance(value, int) and not isinstance(value, bool),
        "float": isinstance(value, int | tree.Number) and not isinstance(value, bool),
        "null": value is None,
        "timestamp": bool(_DATE.fullmatch(text)),
    }[short]
    if not fits:
        raise tree.TextError(f"cannot decode !!str `{text}` as a !!{short}")
    return value


def _key(value: Any) -> str:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | tree.Number():
            return str(value)
        case _:
            raise tree.TextError(f"unsupported map key: {value!r}")


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 0


@dataclass(slots=True)
class _Frame:
    anchor: str | None
    is_map: bool
    #: values counted before this one began
    began: int
    #: the line on which it starts, from 1
    line: int
    items: list[Any] = field(default_factory=list[Any])
    pairs: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])
    names: set[str] = field(default_factory=set[str])
    merged: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    #: keys that came again, in this and in what it has
    again: list[str] = field(default_factory=list[str])
    key: Any = None
    has_key: bool = False


class _Reader:
    """Turns the events of one document into a value, without recursion. Owned by one call of `parse_yaml`."""

    def __init__(self) -> None:
        self._stack: list[_Frame] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._count = 0
        self._aliased = 0
        self.value: Any = None

    def event(self, event: yaml.Event) -> None:
        match event:
            case yaml.ScalarEvent():
                self._count += 1
                value = self._scalar(event)
                self._remember(event.anchor, value, 1)
                self._add(value, _line(event))
            case yaml.AliasEvent():
                self._alias(event.anchor or "", _line(event))
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._start(event)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._end()
            case _:
                pass

    def _scalar(self, event: yaml.ScalarEvent) -> Any:
        if event.tag is not None and event.tag != "!":
            return _tagged(event.tag, event.value)
        if not event.implicit[0]:
            return event.value
        frame = self._stack[-1] if self._stack else None
        if event.value == "<<" and frame is not None and frame.is_map and not frame.has_key:
            return _MERGE
        return resolve_plain(event.value)

    def _remember(self, anchor: str | None, value: Any, size: int) -> None:
        if anchor is not None:
            self._anchors[anchor] = (value, size)

    def _alias(self, anchor: str, line: int) -> None:
        if any(frame.anchor == anchor for frame in self._stack):
            raise tree.TextError(f"anchor '{anchor}' value contains itself")
        if anchor not in self._anchors:
            raise tree.TextError(f"unknown anchor '{anchor}' referenced")
        value, size = self._anchors[anchor]
        self._aliased += size
        self._count += size
        if self._aliased > MAX_ALIASED:
            raise tree.TextError("document contains excessive aliasing")
        self._add(value, line)

    def _start(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent) -> None:
        if len(self._stack) >= tree.MAX_DEPTH:
            raise tree.TextError("exceeded max depth")
        frame = self._stack[-1] if self._stack else None
        if frame is not None and frame.is_map and not frame.has_key:
            raise tree.TextError("invalid map key: a map or a list")
        is_map = isinstance(event, yaml.MappingStartEvent)
        self._stack.append(_Frame(event.anchor, is_map, self._count, _line(event)))
        self._count += 1

    def _end(self) -> None:
        frame = self._stack.pop()
        value: Any = frame.items
        if frame.is_map:
            merged: dict[str, Any] = {}
            for source in frame.merged:
                merged.update({name: item for name, item in source.items() if name not in merged})
            pairs = [(name, item) for name, item in merged.items() if name not in frame.names]
            # sorted, because upstream makes JSON of it (YAMLToJSON): mistakes are told in that order
            value = tree.make_object(sorted([*pairs, *frame.pairs], key=itemgetter(0)), tuple(frame.again))
        if self._stack:
            above = self._stack[-1].again
            above.extend(frame.again[: tree.MAX_ERRORS - len(above)])
        self._remember(frame.anchor, value, self._count - frame.began)
        self._add(value, frame.line)

    def _add(self, value: Any, line: int) -> None:
        if not self._stack:
            self.value = None if value is _MERGE else value
            return
        frame = self._stack[-1]
        if not frame.is_map:
            frame.items.append(value)
        elif not frame.has_key:
            frame.key, frame.has_key = value, True
        else:
            if frame.key is _MERGE:
                self._merge(frame, value)
            else:
                name = _key(frame.key)
                if name in frame.names and len(frame.again) < tree.MAX_ERRORS:
                    shown = go_quote(name) if isinstance(frame.key, str) else name
                    frame.again.append(f"line {line}: key {shown} already set in map")
                frame.names.add(name)
                frame.pairs.append((name, value))
            frame.has_key = False

    def _merge(self, frame: _Frame, value: Any) -> None:
        sources = value if isinstance(value, list) else [value]
        if not all(isinstance(source, dict) for source in sources):
            raise tree.TextError("map merge requires map or sequence of maps as the value")
        frame.merged.extend(sources)


def parse_yaml(text: str) -> list[tuple[Any, int]]:
    """Read the documents of a YAML text, each with the line on which it starts; an empty one is None.

    Raises TextError: the text is no YAML, is too deep, expands too far by its aliases, or has too many
    documents.
    """
    documents: list[tuple[Any, int]] = []
    line = 0
    try:
        loader = yaml.CSafeLoader(text)
        try:
            reader: _Reader | None = None
            start = 0
            while loader.check_event():
                event = loader.get_event()
                assert event is not None
                line = event.start_mark.line + 1 if event.start_mark else line
                if isinstance(event, yaml.DocumentStartEvent):
                    if len(documents) >= tree.MAX_DOCUMENTS:
                        raise tree.TooManyDocuments
                    reader, start = _Reader(), 0
                elif isinstance(event, yaml.DocumentEndEvent):
                    assert reader is not None
                    documents.append((reader.value, start or line))
                elif reader is not None:
                    start = start or line
                    reader.event(event)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}: " if mark else ""
        raise tree.TextError(f"yaml: {where}{error.problem or error.context}") from error
    except yaml.reader.ReaderError as error:
        raise tree.TextError("yaml: control characters are not allowed") from error
    except tree.TooManyDocuments:
        raise
    except tree.TextError as error:
        raise tree.TextError(f"yaml: line {line}: {error}") from error
    return documents


class _Dumper(yaml.CSafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_string(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = None
    if "\n" in text:
        style = "|"
    else:
        try:
            plain = resolve_plain(text)
        except tree.TextError:
            plain = None
        if not isinstance(plain, str) or text in ("<<", "=") or _DATE.fullmatch(text) or _sexagesimal(text):
            style = '"'
    return dumper.represent_scalar(f"{_TAG}str", text, style=style)


def _sexagesimal(text: str) -> bool:
    """Say whether a YAML 1.1 parser would read the text as a number of base 60: those are quoted."""
    return re.fullmatch(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?", text, re.ASCII) is not None


def _represent_number(dumper: _Dumper, number: tree.Number) -> yaml.ScalarNode:
    return dumper.represent_scalar(f"{_TAG}float", number.text)


_Dumper.add_representer(str, _represent_string)
_Dumper.add_representer(tree.Number, _represent_number)


def write_yaml(value: Any) -> str:
    """Write plain values as YAML: keys sorted, lists not indented, no line folded, quotes where needed."""
    written = yaml.dump(
        value, Dumper=_Dumper, default_flow_style=False, sort_keys=True, allow_unicode=True, width=1 << 30
    )
    assert isinstance(written, str)
    return written
