"""Where in an object a rule looks, and the violations that it finds there. PURE.

A rule is a function of a `Place` and a value; it reports a violation with a method of the place:
`path.child("replicas").invalid(-1, NEGATIVE)`. All places of one object add to one list, in upstream's order.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final, TypeVar

from google.protobuf.message import Message

from vaina.errors import FieldError
from vaina.objects import field_path, names, quantity
from vaina.objects.field_path import Path

V = TypeVar("V", str, int)
Errors = list[FieldError]

NEGATIVE: Final = "must be greater than or equal to 0"
NOT_POSITIVE: Final = "must be greater than zero"
IMMUTABLE: Final = "field is immutable"
#: violations of an object that are named
MAX_VIOLATIONS: Final = 100


class Place(Path):
    """A field path that collects violations: `child`, `index`, `key` and `field` go down to a part, the other
    methods report what is wrong here; those that begin with `check` look first.
    """

    __slots__ = ("errors",)

    def __init__(self, text: str = "", errors: Errors | None = None) -> None:
        """Make the place of an object, or of what is at a path in it."""
        super().__init__(text)
        self.errors: Errors = [] if errors is None else errors

    def child(self, *names: str) -> "Place":
        return Place(".".join((self._text, *names) if self._text else names), self.errors)

    def index(self, index: int) -> "Place":
        return Place(f"{self._text}[{index}]", self.errors)

    def key(self, key: str) -> "Place":
        return Place(f"{self._text}[{key}]", self.errors)

    def field(self, message: Message, name: str) -> "Place":
        """Go down to a field of a message, by its name in Python."""
        return self.child(message.DESCRIPTOR.fields_by_name[name].json_name)

    def required(self, detail: str = "") -> None:
        self.errors.append(field_path.required(self, detail))

    def invalid(self, value: object, detail: str) -> None:
        self.errors.append(field_path.invalid(self, value, detail))

    def wrong(self, detail: str) -> None:
        self.errors.append(field_path.wrong(self, detail))

    def duplicate(self, value: object) -> None:
        self.errors.append(field_path.duplicate(self, value))

    def not_found(self, value: object) -> None:
        self.errors.append(field_path.not_found(self, value))

    def not_supported(self, value: object, allowed: Iterable[str]) -> None:
        self.errors.append(field_path.not_supported(self, value, allowed))

    def forbidden(self, detail: str) -> None:
        self.errors.append(field_path.forbidden(self, detail))

    def too_long(self, max_bytes: int) -> None:
        self.errors.append(field_path.too_long(self, max_bytes))

    def too_many(self, actual: int, maximum: int) -> None:
        self.errors.append(field_path.too_many(self, actual, maximum))

    def internal(self, detail: str) -> None:
        self.errors.append(field_path.internal(self, detail))

    def check_value(self, value: V, rule: Callable[[V], names.Problems]) -> bool:
        """Report every problem that a rule finds with a value; say whether there is none."""
        if problems := rule(value):
            for problem in problems:
                self.invalid(value, problem)
            return False
        return True

    def check_required(self, value: str, rule: Callable[[str], names.Problems], detail: str = "") -> None:
        """Report a text that is missing, or breaks a rule."""
        if value:
            self.check_value(value, rule)
        else:
            self.required(detail)

    def check_supported(self, value: str, allowed: Iterable[str]) -> None:
        """Report a text that is none of those allowed."""
        if value not in allowed:
            self.not_supported(value, allowed)

    def check_choice(self, value: str, allowed: Iterable[str]) -> None:
        """Report a text that is missing, or none of those allowed."""
        if value:
            self.check_supported(value, allowed)
        else:
            self.required()

    def check_given(self, message: Message, field: str, allowed: Iterable[str]) -> None:
        """Report a field of a message that is given, but none of the texts allowed."""
        if message.HasField(field):
            self.field(message, field).check_supported(getattr(message, field), allowed)

    def check_quantity(self, text: str) -> quantity.Amount | None:
        """Report a text that is no quantity; return the amount where it is one."""
        try:
            return quantity.parse(text)
        except quantity.QuantityError as error:
            self.invalid(text, str(error))
            return None

    def check_unique(self, value: V, seen: set[V]) -> None:
        """Report a value that was seen before, and remember it."""
        if value in seen:
            self.duplicate(value)
        seen.add(value)

    def check_non_negative(self, value: int) -> None:
        if value < 0:
            self.invalid(value, NEGATIVE)

    def check_immutable(self, new: object, old: object) -> None:
        """Report a value that an update may not change; messages are compared by their fields."""
        if new != old:
            self.invalid(new, IMMUTABLE)

    def check_kept(self, new: object, old: object) -> None:
        """Report a value that an update may not change; its rule is a declarative one, which shows no value."""
        if new != old:
            self.invalid(None, IMMUTABLE)

    def check_absent(self, message: Message, fields: Iterable[str], detail: str) -> None:
        """Report fields of a message that may not be given."""
        given = {field.name for field, _ in message.ListFields()}
        for field in fields:
            if field in given:
                self.field(message, field).forbidden(detail)

    def check_unchanged(self, new: Message, old: Message, *fields: str) -> None:
        """Report fields of a message that an update may neither change, give nor take away."""
        for field in fields:
            self.field(new, field).check_immutable(given(new, field), given(old, field))

    def check_counts(self, message: Message, *fields: str) -> None:
        """Report negative numbers among fields of a message."""
        for field in fields:
            if (value := getattr(message, field)) < 0:
                self.field(message, field).invalid(value, NEGATIVE)


def given(message: Message, field: str) -> Any:
    """Return the value of a field, or None where it is not given."""
    has_presence = message.DESCRIPTOR.fields_by_name[field].has_presence
    return getattr(message, field) if not has_presence or message.HasField(field) else None


class _Enough(Exception):
    """Nothing more is looked for."""


class _First(Errors):
    """Ends the search at the first violation."""

    def append(self, error: FieldError) -> None:
        super().append(error)
        raise _Enough


class _Some(Errors):
    """Ends the search when there are so many that nobody reads more; some may be there twice."""

    def append(self, error: FieldError) -> None:
        super().append(error)
        if len(self) == 2 * MAX_VIOLATIONS:
            raise _Enough


class _Nowhere(Place):
    """A place without a path, for finding out whether there is anything to report at all."""

    __slots__ = ()

    def child(self, *names: str) -> Place:
        return self

    def index(self, index: int) -> Place:
        return self

    def key(self, key: str) -> Place:
        return self

    def field(self, message: Message, name: str) -> Place:
        return self


def find_violations(rule: Callable[..., None], *objects: Any) -> Errors:
    """Return what a rule finds in an object, or in a new and an old one; each violation once, and the first
    MAX_VIOLATIONS of them.

    An update is checked as a whole and as a change, and both may find the same.

    Nearly all objects are in order, and a third of the time of a check would go into paths that nobody reads
    (a rich Pod has 93). So a rule is tried without paths, and asked again with paths if it finds anything:
    30 instead of 41 us for a small Pod, 139 instead of 200 us for a rich one (CPython 3.11).
    """
    with suppress(_Enough):
        rule(_Nowhere("", _First()), *objects)
        return []
    found = _Some()
    with suppress(_Enough):
        rule(Place("", found), *objects)
    return list(dict.fromkeys(found))[:MAX_VIOLATIONS]
