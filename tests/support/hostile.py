"""Objects whose every text would like to act on a terminal, for what prints them."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from vaina.kinds import Kind

#: the cursor, the title, CSI of the second set of controls, overwriting, bell, backspace, DEL, direction, a
#: line of its own
HOSTILE: Final = "x\x1b[2J\x1b]0;owned\x07\x9b31m\rover\x08\x7f\u202eback\nforged: line"
#: messages inside messages; deeper ones stay empty
_MAX_DEPTH: Final = 9


def _fill_raw(target: Any) -> None:
    target.raw = b'{"a":"\\u001b[2J"}'


def _fill_time(target: Any) -> None:
    target.seconds = 1_700_000_000


def _fill_quantity(target: Any) -> None:
    target.string = "1"


def _fill_int_or_string(target: Any) -> None:
    target.type, target.str_val = 1, HOSTILE


def _fill_selector(target: Any) -> None:
    # Nobody can store another one, and what reads selectors takes no other.
    target.match_labels["a"] = "b"


_SPECIAL: Final[Mapping[str, Callable[[Any], None]]] = {
    "Timestamp": _fill_time, "Quantity": _fill_quantity, "IntOrString": _fill_int_or_string,
    "RawExtension": _fill_raw, "FieldsV1": _fill_raw,
    "LabelSelector": _fill_selector,
}  # fmt: skip


def fill(message: Message, depth: int = 0) -> None:
    """Set every field of a message: texts are hostile, numbers 1; lists and maps get one entry."""
    for field in message.DESCRIPTOR.fields:
        inner: Any = getattr(message, field.name)
        if field.message_type is None:
            if field.is_repeated:
                inner.append(_scalar(field))
            else:
                setattr(message, field.name, _scalar(field))
        elif field.message_type.GetOptions().map_entry:
            value = field.message_type.fields_by_name["value"]
            if field.name == "selector":
                inner["a"] = "b"
            elif value.message_type is None:
                inner[HOSTILE] = _scalar(value)
            else:
                _fill_inner(inner[HOSTILE], depth)
        elif depth < _MAX_DEPTH:
            _fill_inner(inner.add() if field.is_repeated else inner, depth)


def _fill_inner(target: Any, depth: int) -> None:
    special = _SPECIAL.get(target.DESCRIPTOR.name)
    if special is not None:
        special(target)
    else:
        target.SetInParent()
        fill(target, depth + 1)


def _scalar(field: FieldDescriptor) -> Any:
    if field.type == FieldDescriptor.TYPE_STRING:
        return HOSTILE
    if field.type == FieldDescriptor.TYPE_BYTES:
        return HOSTILE.encode()
    return True if field.type == FieldDescriptor.TYPE_BOOL else 1


def hostile_object(kind: Kind[Any], name: str = "evil") -> Any:
    """Make an object with a name, a namespace and a uid like everybody's, and nothing else harmless."""
    made = kind.message()
    fill(made)
    meta = made.metadata
    meta.name, meta.uid, meta.namespace = name, "u", "default" if kind.namespaced else ""
    meta.ClearField("deletion_timestamp")
    meta.ClearField("managed_fields")
    return made
