"""What changed between two values of a type. Follows structured-merge-diff `typed/compare.go`."""

from collections.abc import Callable
from dataclasses import dataclass, field

from vaina.objects.managed_fields import field_set
from vaina.objects.managed_fields.field_set import FieldSet, Path, Step
from vaina.objects.managed_fields.types import Form, Type
from vaina.objects.managed_fields.values import ABSENT, Value, entries, item_step, items

#: leaves out of a set what a resource's strategy resets
Filter = Callable[[FieldSet], FieldSet]


@dataclass(slots=True)
class Comparison:
    """The fields that were removed, modified and added."""

    removed: FieldSet = field(default_factory=FieldSet)
    modified: FieldSet = field(default_factory=FieldSet)
    added: FieldSet = field(default_factory=FieldSet)

    def filtered(self, keep: Filter) -> "Comparison":
        return Comparison(keep(self.removed), keep(self.modified), keep(self.added))


def compare(of: Type, old: Value, new: Value) -> Comparison:
    """Compare two checked values. Raises TypedError: an item of a list has no keys."""
    found = Comparison()
    _compare(of, old, new, (), found)
    return found


def _compare(of: Type, old: Value, new: Value, path: Path, found: Comparison) -> None:
    is_leaf = of.atomic or of.form in (Form.SCALAR, Form.ANY)
    if is_leaf or not ((old not in (ABSENT, None) and len(old)) or (new not in (ABSENT, None) and len(new))):
        _compare_leaf(old, new, path, found)
        return
    if of.form is Form.LIST:
        _compare_items(of, items(old), items(new), path, found)
    else:
        before, after = entries(old), entries(new)
        for name in before.keys() | after.keys():
            ours, theirs = before.get(name, ABSENT), after.get(name, ABSENT)
            if ours == theirs:
                # Nothing inside of it has changed either, which is told here at C's speed.
                continue
            inner = of.of(name)
            assert inner is not None, "it was checked"
            _compare(inner, ours, theirs, (*path, field_set.field(name)), found)
    if old is ABSENT:
        found.added.insert(path)
    elif new is ABSENT:
        found.removed.insert(path)


def _compare_leaf(old: Value, new: Value, path: Path, found: Comparison) -> None:
    if old is ABSENT:
        found.added.insert(path)
    elif new is ABSENT:
        found.removed.insert(path)
    elif old != new:
        found.modified.insert(path)


def _by_step(of: Type, listed: list[Value]) -> dict[Step, list[Value]]:
    found: dict[Step, list[Value]] = {}
    for item in listed:
        found.setdefault(item_step(of, item), []).append(item)
    return found


def _compare_items(of: Type, old: list[Value], new: list[Value], path: Path, found: Comparison) -> None:
    """Compare lists whose items have steps. Items with the same step are one value together."""
    assert of.element is not None
    before, after = _by_step(of, old), _by_step(of, new)
    for step in before.keys() | after.keys():
        ours, theirs, at = before.get(step, []), after.get(step, []), (*path, step)
        if len(ours) <= 1 and len(theirs) <= 1:
            _compare(of.element, ours[0] if ours else ABSENT, theirs[0] if theirs else ABSENT, at, found)
        elif len(ours) > 1 and len(theirs) > 1:
            if ours != theirs:
                found.modified.insert(at)
        elif len(ours) > 1:
            if theirs:
                _compare(of.element, ABSENT, theirs[0], at, found)
            found.removed.insert(at)
        else:
            if ours:
                _compare(of.element, ours[0], ABSENT, at, found)
            found.added.insert(at)
