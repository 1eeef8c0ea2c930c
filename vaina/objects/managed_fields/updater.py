"""Who owns what after a write: updates take what they change, applies own what they say and remove what they
no longer say.

Follows structured-merge-diff `merge/update.go` and `fieldpath/set.go` (EnsureNamedFieldsAreMembers).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from vaina.objects.managed_fields import field_set
from vaina.objects.managed_fields.comparing import Comparison, Filter, compare
from vaina.objects.managed_fields.field_set import FieldSet, Path, Step
from vaina.objects.managed_fields.merging import merge
from vaina.objects.managed_fields.removing import remove
from vaina.objects.managed_fields.types import Form, Type
from vaina.objects.managed_fields.values import Value, fields_of


@dataclass(frozen=True, slots=True)
class Manager:
    """Who owns fields, and by which way of writing; an applier is the same in every version."""

    name: str
    #: Apply or Update
    operation: str
    #: of an update
    api_version: str = ""
    subresource: str = ""


APPLY, UPDATE = "Apply", "Update"
#: stands for the manager of an update until it is known what the update took
SELF = Manager("current-operation", UPDATE)


@dataclass(frozen=True, slots=True)
class Owned:
    """The fields of a manager, in the words of a version."""

    fields: FieldSet
    api_version: str

    def less(self, fields: FieldSet) -> "Owned":
        return replace(self, fields=self.fields - fields)


Managers: TypeAlias = Mapping[Manager, Owned]


@dataclass(frozen=True, slots=True)
class Conflict:
    """A field that another manager owns and the applier wants otherwise."""

    manager: Manager
    path: Path


class Conflicts(Exception):
    """Fields that others own, when an apply is not forced."""

    def __init__(self, conflicts: tuple[Conflict, ...]) -> None:
        super().__init__(conflicts)
        self.conflicts = conflicts


@dataclass(frozen=True, slots=True)
class Updater:
    """Computes owners for objects of a type, in one version."""

    type: Type
    api_version: str
    #: leaves out what the resource's strategy resets
    keep: Filter

    def update(self, old: Value, new: Value, managers: Managers) -> dict[Manager, Owned]:
        """Return the owners after an update; what it took is SELF's. Raises TypedError."""
        left, changed = self._changed(old, new, self._reconciled(managers), SELF, force=True)
        taken = self.keep((changed.modified | changed.added) - changed.removed)
        if taken:
            left[SELF] = Owned(taken, self.api_version)
        return left

    def apply(
        self, live: Value, config: Value, managers: Managers, manager: Manager, *, force: bool
    ) -> tuple[Value, dict[Manager, Owned]]:
        """Return the object after an apply, and its owners. Raises Conflicts, TypedError."""
        managers = self._reconciled(managers)
        last = managers.get(manager)
        owners = {**managers, manager: Owned(self.keep(fields_of(self.type, config)), self.api_version)}
        made = self._pruned(merge(self.type, live, config), owners, last)
        left, _ = self._changed(live, made, owners, manager, force=force)
        return made, left

    def _reconciled(self, managers: Managers) -> dict[Manager, Owned]:
        return {
            other: replace(owned, fields=reconciled(self.type, owned.fields))
            for other, owned in managers.items()
        }

    def _changed(
        self, old: Value, new: Value, managers: Managers, manager: Manager, *, force: bool
    ) -> tuple[dict[Manager, Owned], Comparison]:
        """Take from others what a write changes. Entries of versions that are not known are dropped."""
        changed = compare(self.type, old, new).filtered(self.keep)
        wanted = changed.modified | changed.added
        left, conflicts = {}, list[Conflict]()
        for other, owned in managers.items():
            if other == manager:
                left[other] = owned
            elif owned.api_version == self.api_version:
                conflicts += [Conflict(other, path) for path in (owned.fields & wanted).paths()]
                left[other] = owned.less(owned.fields & wanted).less(changed.removed)
        if conflicts and not force:
            raise Conflicts(tuple(conflicts))
        return {other: owned for other, owned in left.items() if owned.fields}, changed

    def _pruned(self, merged: Value, owners: Managers, last: Owned | None) -> Value:
        """Remove what the applier said the last time, says no longer, and nobody else owns."""
        if last is None or not last.fields or last.api_version != self.api_version:
            return merged
        owned = FieldSet()
        for other in owners.values():
            if other.api_version == self.api_version:
                owned |= other.fields
        if not last.fields - owned:
            # As in most applies: everything is said again, or owned by others.
            return merged
        of, said = self.type, named(self.type, last.fields)
        pruned = remove(of, merged, said)
        whole = named(of, fields_of(of, merged))
        kept = named(of, fields_of(of, pruned)) | named(of, owned)
        pruned = remove(of, merged, whole - kept)
        gone = whole - named(of, fields_of(of, pruned))
        return remove(of, merged, gone & said)


def reconciled(of: Type, fields: FieldSet) -> FieldSet:
    """Return a set in which what is one value now is a member as a whole (typed/reconcile_schema.go)."""
    members, children = set(fields.members), {}
    for step, inner in fields.children.items():
        below = _below(of, step)
        if below is not None and below.atomic and inner:
            members.add(step)
        else:
            children[step] = inner if below is None else reconciled(below, inner)
    return FieldSet(members, children)


def named(of: Type | None, fields: FieldSet) -> FieldSet:
    """Return a set with the named fields of structs that lead to its members."""
    members, children = set(fields.members), {}
    for step, inner in fields.children.items():
        if of is not None and step.removeprefix(field_set.FIELD) in of.fields:
            members.add(step)
        children[step] = named(None if of is None else _below(of, step), inner)
    return FieldSet(members, children)


def _below(of: Type, step: Step) -> Type | None:
    """Return the type of what a step leads to; None: it leads nowhere."""
    if of.form is Form.MAP and step.startswith(field_set.FIELD):
        return of.of(step.removeprefix(field_set.FIELD))
    return of.element if of.form is Form.LIST else None
