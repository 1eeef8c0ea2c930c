"""Sets of fields, and their JSON (FieldsV1).

A step leads from a value to one inside it, and is the text that FieldsV1 has for it (`f:spec`,
`k:{"name":"a"}`, `v:"x"`, `i:0`), always spelt in one way; a path is a tuple of steps. Follows
structured-merge-diff `fieldpath` (set.go, serialize.go, serialize-pe.go, element.go).
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, TypeAlias

import msgspec

from vaina.quoting import go_quote

Step: TypeAlias = str
Path: TypeAlias = tuple[Step, ...]

FIELD, KEY, VALUE, INDEX = "f:", "k:", "v:", "i:"
#: in FieldsV1: the parent of these fields is a member as well
_SELF: Final = "."
#: steps that are remembered, and the characters of one: all together a few MiB
_STEPS, _MAX_STEP = 1 << 14, 256


class FieldSetError(Exception):
    """FieldsV1 that cannot be read."""


def field(name: str) -> Step:
    """Return the step to a field of a struct or to an entry of a map."""
    return FIELD + name


def key(values: Mapping[str, Any]) -> Step:
    """Return the step to the item of a list that has these keys."""
    return KEY + _compact({name: _whole(values[name]) for name in sorted(values)})


def value(item: Any) -> Step:
    """Return the step to an item of a set."""
    return VALUE + _compact(_whole(item))


def _whole(item: Any) -> Any:
    """Return a number that is a whole one as such: 80.0 and 80 are the same item."""
    return int(item) if type(item) is float and item.is_integer() else item


def _compact(item: Any) -> str:
    """Write a value as Go does, which spells three characters of HTML and two line ends as numbers."""
    text = msgspec.json.encode(item).decode()
    for char in "<>&\u2028\u2029":
        if char in text:
            text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def read_step(text: str) -> Step | None:
    """Return a step as it is spelt here; None for a kind of step that is not known. Raises FieldSetError."""
    return _known_step(text) if len(text) <= _MAX_STEP else _read_step(text)


@lru_cache(_STEPS)
def _known_step(text: str) -> Step | None:
    return _read_step(text)


def _read_step(text: str) -> Step | None:
    if len(text) < len(FIELD):
        raise FieldSetError("key must be 2 characters long:")
    kind, rest = text[:2], text[2:]
    if kind[1] != ":":
        raise FieldSetError(f"missing colon: {text}")
    if kind == FIELD:
        return text
    try:
        if kind == KEY:
            return key(msgspec.json.decode(rest, type=dict[str, Any]))
        if kind == VALUE:
            return value(msgspec.json.decode(rest))
        return f"{INDEX}{int(rest)}" if kind == INDEX else None
    except (ValueError, RecursionError) as error:
        raise FieldSetError(f"parsing key as path element: {error}") from error


def _order(step: Step) -> tuple[Any, ...]:
    """Return what orders steps of any kind."""
    return _known_order(step) if len(step) <= _MAX_STEP else _order_of(step)


@lru_cache(_STEPS)
def _known_order(step: Step) -> tuple[Any, ...]:
    return _order_of(step)


def _order_of(step: Step) -> tuple[Any, ...]:
    kind, rest = step[:2], step[2:]
    if kind == FIELD:
        return 0, rest
    if kind == KEY:
        found: dict[str, Any] = msgspec.json.decode(rest)
        return 1, tuple((name, _value_order(item)) for name, item in found.items())
    if kind == VALUE:
        return 2, _value_order(msgspec.json.decode(rest))
    return 3, int(rest)


def _sorted(steps: Iterable[Step]) -> list[Step]:
    """Return steps in the order of upstream; those to fields alone are in the order of their texts."""
    found = sorted(steps)
    # Sorted, the first and the last tell whether there are others: their letters are k, v and i.
    if not found or (found[0].startswith(FIELD) and found[-1].startswith(FIELD)):
        return found
    return sorted(found, key=_order)


def _value_order(item: Any) -> tuple[Any, ...]:
    """Return what orders values of any type (structured-merge-diff `value/value.go`: Compare)."""
    match item:
        case bool():
            return 2, item
        case int() | float():
            return 0, item
        case str():
            return 1, item
        case list():
            return 3, tuple(map(_value_order, item))
        case dict():
            return 4, tuple((name, _value_order(item[name])) for name in sorted(item))
        case _:
            return (5,)


def path_text(path: Iterable[Step]) -> str:
    """Write a path as conflicts show it: .spec.containers[name="web"].image."""
    return "".join(map(_step_text, path))


def _step_text(step: Step) -> str:
    kind, rest = step[:2], step[2:]
    if kind == FIELD:
        return f".{rest}"
    if kind == KEY:
        found: dict[str, Any] = msgspec.json.decode(rest)
        return f"[{','.join(f'{name}={_value_text(item)}' for name, item in found.items())}]"
    return f"[={_value_text(msgspec.json.decode(rest))}]" if kind == VALUE else f"[{rest}]"


def _value_text(item: Any) -> str:
    return go_quote(item) if isinstance(item, str) else msgspec.json.encode(item).decode()


class FieldSet:
    """Fields of an object. A parent of a member is no member by that.

    It is filled by `insert` and not changed afterwards: sets share their parts.
    """

    __slots__ = ("children", "members")

    def __init__(
        self, members: Iterable[Step] = (), children: "Mapping[Step, FieldSet] | None" = None
    ) -> None:
        self.members: set[Step] = set(members)
        self.children: dict[Step, FieldSet] = {} if children is None else dict(children)

    @classmethod
    def of(cls, *paths: Path) -> "FieldSet":
        made = cls()
        for path in paths:
            made.insert(path)
        return made

    def insert(self, path: Path) -> None:
        """Add a field; the whole object, which has the empty path, is owned by nobody."""
        if not path:
            return
        at = self
        for step in path[:-1]:
            inner = at.children.get(step)
            if inner is None:
                inner = at.children[step] = FieldSet()
            at = inner
        at.members.add(path[-1])

    def __bool__(self) -> bool:
        return bool(self.members) or any(self.children.values())

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, FieldSet) and self.members == other.members and self.children == other.children
        )

    __hash__ = None  # type: ignore[assignment]  # sets can be filled

    def __or__(self, other: "FieldSet") -> "FieldSet":
        children = dict(self.children)
        for step, theirs in other.children.items():
            ours = children.get(step)
            children[step] = theirs if ours is None else ours | theirs
        return FieldSet(self.members | other.members, children)

    def __and__(self, other: "FieldSet") -> "FieldSet":
        children = {
            step: both
            for step, ours in self.children.items()
            if step in other.children and (both := ours & other.children[step])
        }
        return FieldSet(self.members & other.members, children)

    def __sub__(self, other: "FieldSet") -> "FieldSet":
        """Return the fields that the other has not. What is inside a field of the other stays."""
        children = {}
        for step, ours in self.children.items():
            theirs = other.children.get(step)
            left = ours if theirs is None else ours - theirs
            if left or theirs is None:
                children[step] = left
        return FieldSet(self.members - other.members, children)

    def without(self, other: "FieldSet") -> "FieldSet":
        """Return the fields that neither the other has nor are inside one that it has."""
        children = {}
        for step, ours in self.children.items():
            if step in other.members:
                continue
            theirs = other.children.get(step)
            left = ours if theirs is None else ours.without(theirs)
            if left or theirs is None:
                children[step] = left
        return FieldSet(self.members - other.members, children)

    def below(self, step: Step) -> "FieldSet":
        """Return the fields inside the value that a step leads to, seen from there."""
        return self.children.get(step) or _NOTHING

    def has(self, path: Path) -> bool:
        at = self
        for step in path[:-1]:
            at = at.below(step)
        return bool(path) and path[-1] in at.members

    def paths(self) -> Iterator[Path]:
        """Give the members, in the order of upstream."""
        for step in _sorted(self.members):
            yield (step,)
        for step in _sorted(self.children):
            for path in self.children[step].paths():
                yield (step, *path)

    def to_json(self) -> bytes:
        """Return the set as FieldsV1, its keys in the order of upstream."""
        return msgspec.json.encode(self._tree(is_member=False))

    def _tree(self, *, is_member: bool) -> dict[str, Any]:
        tree: dict[str, Any] = {_SELF: {}} if is_member else {}
        for step in _sorted(self.members | self.children.keys()):
            inner = self.children.get(step)
            # An empty object is a member by itself.
            tree[step] = {} if not inner else inner._tree(is_member=step in self.members)
        return tree


_NOTHING: Final = FieldSet()


def read_field_set(raw: bytes) -> FieldSet:
    """Read FieldsV1; what has a kind of step that is not known is left out. Raises FieldSetError."""
    try:
        return _read(msgspec.json.decode(raw or b"{}"))[0]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FieldSetError(str(error) or "too deep") from error


def _read(tree: Any) -> tuple[FieldSet, bool]:
    """Return the fields inside a value, and whether the value is a member itself."""
    if tree is None:
        return FieldSet(), True
    if not isinstance(tree, dict):
        raise FieldSetError("expect { or n")
    found, is_member = FieldSet(), False
    for text, inner in tree.items():
        if text == _SELF:
            is_member = True
            continue
        # Most steps lead to fields: those are spelt as they are.
        step = text if text.startswith(FIELD) else read_step(text)
        if step is None:
            continue
        if inner == {}:
            found.members.add(step)
            continue
        below, below_is_member = _read(inner)
        if below_is_member:
            found.members.add(step)
        if below:
            found.children[step] = below
    return found, is_member or not found
