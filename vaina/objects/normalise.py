"""One normal form of a message, so that the same object is the same bytes whether it came over gRPC or as text.

Called wherever objects come in (gRPC, text). Upstream has structs where protobuf has messages that may be
present and empty: those are cleared. A Time loses its nanoseconds, a MicroTime all below a microsecond; a
Quantity gets its canonical text; the unused arm of an IntOrString is dropped. The messages that need nothing
of this are never looked at: 20 µs for a rich Pod.
"""

from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from vaina.errors import BadRequest
from vaina.objects.quantity import QuantityError, canonical
from vaina.objects.schema import Field, Shape, schema_of
from vaina.objects.tree import TextError, parse_one


class _BadValue(Exception):
    """A value has no normal form; the path is put together on the way out."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why
        self.steps: list[str] = []


#: in nanoseconds
_SECOND = 1_000_000_000
#: bytes of a JSON text that is remembered
_MAX_KNOWN = 4096
#: brings a set field of a message into its normal form
_Action = Callable[[Message, Any], None]
#: fields that are asked for one by one: to list those that are set costs as much as some fifteen questions
_PROBED = 8


@cache  # as many entries as there are message types
def _needs(descriptor: Descriptor) -> bool:
    """Say whether messages of this type can hold anything that has a normal form."""
    return _reaches(descriptor, set())


def _reaches(descriptor: Descriptor, seen: set[str]) -> bool:
    if descriptor.full_name in seen:
        return False
    seen.add(descriptor.full_name)
    for item in schema_of(descriptor).by_number.values():
        if (
            item.shape in (Shape.QUANTITY, Shape.INT_OR_STRING, Shape.TIME, Shape.MICRO_TIME)
            or item.is_struct
        ):
            return True
        if item.shape is Shape.MESSAGE and item.message is not None and _reaches(item.message, seen):
            return True
    return False


@cache  # as many entries as there are message types
def _actions(descriptor: Descriptor) -> dict[int, _Action]:
    actions: dict[int, _Action] = {}
    for number, item in schema_of(descriptor).by_number.items():
        action = _action(item)
        if action is not None:
            actions[number] = action
    return actions


def _action(item: Field) -> _Action | None:
    match item.shape:
        case Shape.QUANTITY:
            return _each(item, _quantity) if item.is_map or item.is_list else _one_quantity(item)
        case Shape.INT_OR_STRING:
            # Behind a pointer a zero is something else than nothing: maxUnavailable: 0.
            return _struct(item, _int_or_string)
        case Shape.TIME:
            return _each(item, _whole_seconds) if item.is_map or item.is_list else _time(item, micro=False)
        case Shape.MICRO_TIME:
            return _time(item, micro=True)
        case Shape.RAW:
            return _struct(item, _raw)
        case Shape.MESSAGE:
            assert item.message is not None
            if item.is_map or item.is_list:
                return _each(item, _walk) if _needs(item.message) else None
            if item.is_struct:
                return _cleared(item, _walk)
            return _inside(item, _walk) if _needs(item.message) else None
        case _:
            return None


@cache  # as above
def _probes(descriptor: Descriptor) -> tuple[tuple[str, bool, _Action], ...] | None:
    """Return the fields that have an action (name, whether a list, action); None: too many set ones are
    listed.
    """
    named, actions = schema_of(descriptor).by_number, _actions(descriptor)
    if len(actions) > _PROBED or any(named[number].is_map for number in actions):
        return None
    # In the order of ListFields: the first value without a normal form is the one that is told.
    return tuple((named[number].name, named[number].is_list, actions[number]) for number in sorted(actions))


def _walk(message: Message) -> None:
    descriptor: Any = message.DESCRIPTOR
    probes = _probes(descriptor)
    if probes is not None:
        for name, is_list, action in probes:
            if not is_list:
                if message.HasField(name):
                    action(message, getattr(message, name))
            elif values := getattr(message, name):
                action(message, values)
        return
    actions = _actions(descriptor)
    for field, value in message.ListFields():
        act = actions.get(field.number)
        if act is not None:
            act(message, value)


def _each(item: Field, change: Callable[[Any], None]) -> _Action:
    def act(_: Message, values: Any) -> None:
        for step, key in enumerate(values):
            try:
                change(values[key] if item.is_map else key)
            except _BadValue as error:
                error.steps.append(f".{item.json_name}[{key if item.is_map else step}]")
                raise

    return act


def _inside(item: Field, change: Callable[[Any], None]) -> _Action:
    def act(_: Message, value: Message) -> None:
        try:
            change(value)
        except _BadValue as error:
            error.steps.append(f".{item.json_name}")
            raise

    return act


def _struct(item: Field, change: Callable[[Any], None]) -> _Action:
    """Bring a value, or each of several, into its normal form; an empty struct is unset, a pointer is not."""
    if item.is_map or item.is_list:
        return _each(item, change)
    return _cleared(item, change) if item.is_struct else _inside(item, change)


def _cleared(item: Field, change: Callable[[Any], None]) -> _Action:
    """Bring a struct into its normal form, and clear it when nothing is left in it."""
    name = item.name

    def act(owner: Message, value: Message) -> None:
        try:
            change(value)
        except _BadValue as error:
            error.steps.append("" if item.inline else f".{item.json_name}")
            raise
        if not value.ByteSize():
            owner.ClearField(name)

    return act


def _time(item: Field, *, micro: bool) -> _Action:
    """A Time has whole seconds, a MicroTime microseconds, though fractions may be any number
    (`time_proto.go`).
    """
    name = item.name

    def act(owner: Message, value: Any) -> None:
        nanos = value.nanos
        if nanos:
            if not micro:
                value.nanos = nanos = 0
            elif not (0 < nanos < _SECOND and not nanos % 1000):
                nanos = _carry(value, name=item.json_name)
        if not nanos and not value.seconds:
            owner.ClearField(name)

    return act


def _carry(value: Any, name: str) -> int:
    """Cut a time to microseconds, carry what is no fraction of a second; return the fraction that is left."""
    # Towards zero, as Go divides.
    cut: int = abs(value.nanos) // 1000 * (1 if value.nanos > 0 else -1)
    seconds, micros = divmod(cut, 1_000_000)
    try:
        value.seconds += seconds
    except ValueError as error:
        wrong = _BadValue("time is out of range")
        wrong.steps.append(f".{name}")
        raise wrong from error
    value.nanos = micros * 1000
    return micros


def _whole_seconds(value: Any) -> None:
    if value.nanos:
        value.ClearField("nanos")


def _quantity(value: Any) -> None:
    text = value.string
    if not text:
        value.string = "0"
        return
    try:
        normal = canonical(text)
    except QuantityError as error:
        raise _BadValue(str(error)) from error
    if normal != text:
        value.string = normal


def _one_quantity(item: Field) -> _Action:
    name, is_struct = item.name, item.is_struct

    def act(owner: Message, value: Any) -> None:
        try:
            _quantity(value)
        except _BadValue as error:
            error.steps.append(f".{item.json_name}")
            raise
        if is_struct and value.string == "0":
            owner.ClearField(name)

    return act


def _raw(value: Any) -> None:
    raw = value.raw
    if not raw:
        return
    try:
        # managedFields are the same in one write after the other.
        (_known_json if len(raw) <= _MAX_KNOWN else parse_one)(raw)
    except TextError as error:
        raise _BadValue(f"invalid JSON: {error}") from error


@lru_cache(maxsize=1024)
def _known_json(raw: bytes) -> None:
    """Raise TextError when it is no JSON; keeps which texts are, 4 MiB of them at most."""
    parse_one(raw)


def _int_or_string(value: Any) -> None:
    if value.type == 0:
        value.ClearField("str_val")
    elif value.type == 1:
        value.ClearField("int_val")
    else:
        raise _BadValue("impossible IntOrString.Type")


def normalise(message: Message) -> None:
    """Bring a message into its normal form, in place. Raises BadRequest."""
    try:
        _walk(message)
    except _BadValue as error:
        path = "".join(reversed(error.steps)).removeprefix(".")
        raise BadRequest(f"{path}: {error.why}") from error
