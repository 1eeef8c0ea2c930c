"""Which fields of messages rules look at.

Found by setting each of them, and seeing whether an answer changes.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

Put = Callable[[Any], None]
#: a message and a field of it
Field = tuple[str, str]
#: what the rules answer when the second message is made into the first, in a form that can be compared
Judge = Callable[[Message, Message], object]

#: messages that are one value each
_VALUES: Final = frozenset({"Quantity", "IntOrString", "Time", "MicroTime", "Timestamp"})
_TEXTS: Final = (
    "-Bad_/x y", "", "../a", "x" * 300, "x" * 1100, "1", "Other", "a\nb", "CAP_SYS_ADMIN", "Localhost",
)  # fmt: skip
_NUMBERS: Final = (-1, 0, 1, 2, 70000, 2**31 - 1)
_TABLES: Final = (
    {"-a b": "-1 !"}, {"a/b/c": "0.5"}, {"a": "-b c"}, {"cpu": "-1"}, {"": ""}, {"cpu": "1"}, {"x": "much"},
    {"storage": "1"}, {"kubernetes.io/a": "1"}, {"a": "x" * 1_100_000},
)  # fmt: skip
#: how often a message is looked for in an object: in several places other rules may hold for it
_VISITS: Final = 3
_DEPTH: Final = 14


@dataclass(frozen=True)
class Base:
    """An object in which fields are set."""

    message: Message
    #: only fields of messages that it has: it is there for their sake
    as_it_is: bool


def _is_map(field: FieldDescriptor) -> bool:
    return bool(field.message_type and field.message_type.GetOptions().map_entry)


def is_value(field: FieldDescriptor) -> bool:
    """Say whether a field is looked at as a whole: all but messages that have fields of their own."""
    return field.message_type is None or _is_map(field) or field.message_type.name in _VALUES


def _places(root: Descriptor) -> Iterator[tuple[tuple[FieldDescriptor, ...], Descriptor]]:
    visits: Counter[str] = Counter()
    queue: deque[tuple[tuple[FieldDescriptor, ...], Descriptor]] = deque([((), root)])
    while queue:
        path, message = queue.popleft()
        if visits[message.full_name] >= _VISITS or len(path) > _DEPTH:
            continue
        visits[message.full_name] += 1
        yield path, message
        queue.extend(((*path, field), field.message_type) for field in message.fields if not is_value(field))


def _at(message: Any, path: Sequence[FieldDescriptor]) -> Any:
    """Return the message at a path, made where it is not there. Of lists, the first."""
    for field in path:
        value = getattr(message, field.name)
        if field.is_repeated:
            message = value[0] if value else value.add()
        else:
            value.SetInParent()
            message = value
    return message


def _has(message: Any, path: Sequence[FieldDescriptor]) -> bool:
    for field in path:
        value = getattr(message, field.name)
        if not (value if field.is_repeated else message.HasField(field.name)):
            return False
        message = value[0] if field.is_repeated else value
    return True


def _set(field: FieldDescriptor, value: Any, times: int = 1) -> Put:
    def put(message: Any) -> None:
        if field.is_repeated:
            getattr(message, field.name).extend([value] * times)
        else:
            setattr(message, field.name, value)

    return put


def _fill(field: FieldDescriptor, table: dict[str, str]) -> Put:
    kind = field.message_type.fields_by_name["value"]

    def put(message: Any) -> None:
        entries = getattr(message, field.name)
        for key, value in table.items():
            if kind.message_type and kind.message_type.name == "Timestamp":
                entries[key].seconds = len(value)
            elif kind.message_type and kind.message_type.name == "ExtraValue":
                entries[key].items.append(value)
            elif kind.message_type and kind.message_type.name == "Quantity":
                entries[key].string = value
            elif kind.message_type:
                entries[key].SetInParent()
            else:
                entries[key] = value.encode() if kind.type == FieldDescriptor.TYPE_BYTES else value

    return put


def _make(field: FieldDescriptor, **values: object) -> Put:
    def put(message: Any) -> None:
        target = getattr(message, field.name)
        made = target.add() if field.is_repeated else target
        made.SetInParent()
        for name, value in values.items():
            setattr(made, name, value)

    return put


def _of_message(field: FieldDescriptor) -> Iterator[Put]:
    yield _make(field)
    match field.message_type.name:
        case "Quantity":
            yield from (_make(field, string=text) for text in ("-1", "0.0001", "much", "1", "0"))
        case "IntOrString":
            yield from (_make(field, type=0, int_val=number) for number in _NUMBERS)
            yield from (_make(field, type=1, str_val=text) for text in _TEXTS)
        case _:
            yield from (_make(field, seconds=seconds) for seconds in (1, 10**10, -(10**10)))


def _variants(field: FieldDescriptor) -> Iterator[Put]:
    if _is_map(field):
        yield from (_fill(field, table) for table in _TABLES)
        return
    if field.message_type:
        yield from _of_message(field)
        return
    values: Sequence[object]
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        values = (True, False)
    elif field.type == FieldDescriptor.TYPE_BYTES:
        values = (b"x", b"")
    elif field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        values = _TEXTS
    else:
        values = _NUMBERS
    for value in values:
        yield _set(field, value)
        if field.is_repeated:
            yield from (_set(field, value, times) for times in (2, 300))


def fields_reached(root: Descriptor, bases: Sequence[Base], judge: Judge, known: set[Field]) -> set[Field]:
    """Find the fields of a message, and of those in it, that rules look at. Adds them to `known`.

    Returns:
        all fields there are.
    """
    fields: set[Field] = set()
    for path, message in _places(root):
        for field in filter(is_value, message.fields):
            row = (message.name, field.name)
            fields.add(row)
            if row not in known and any(_is_reached(base, path, field, judge) for base in bases):
                known.add(row)
    return fields


def _is_reached(base: Base, path: Sequence[FieldDescriptor], field: FieldDescriptor, judge: Judge) -> bool:
    if base.as_it_is and not _has(base.message, path):
        return False
    without = type(base.message)()
    without.CopyFrom(base.message)
    _at(without, path).ClearField(field.name)
    answer = judge(without, without)
    for put in _variants(field):
        made = type(base.message)()
        made.CopyFrom(without)
        try:
            put(_at(made, path))
        except ValueError:
            continue  # the field cannot hold it
        if judge(made, without) != answer:
            return True
    return False
