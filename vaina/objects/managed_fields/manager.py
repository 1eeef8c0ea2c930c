"""Keeps metadata.managedFields of objects of a kind: on updates, and on applies, which it merges.

Follows apimachinery `util/managedfields/internal` (fieldmanager.go, structuredmerge.go, stripmeta.go,
managedfieldsupdater.go, buildmanagerinfo.go, skipnonapplied.go, lastappliedmanager.go, lastappliedupdater.go,
versioncheck.go). Objects that nobody has applied to have no managedFields here (decision 275): what they had
before the first apply is then the manager's `before-first-apply`.
"""

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from vaina.errors import BadRequest, InternalError
from vaina.kinds import Kind
from vaina.objects.managed_fields import field_set
from vaina.objects.managed_fields.comparing import Filter, compare
from vaina.objects.managed_fields.conflicts import conflict_error
from vaina.objects.managed_fields.entries import Managed, without_oldest
from vaina.objects.managed_fields.field_set import FieldSet
from vaina.objects.managed_fields.types import Type, type_of
from vaina.objects.managed_fields.updater import APPLY, SELF, UPDATE, Conflicts, Manager, Owned, Updater
from vaina.objects.managed_fields.values import TypedError, check, fields_of
from vaina.objects.manifest import to_dict, write_json
from vaina.objects.rollouts import LAST_APPLIED

#: whose the fields are that an object had before it was applied to
BEFORE_FIRST_APPLY: Final = "before-first-apply"
#: the manager whose applies go with those of client-side apply
KUBECTL: Final = "kubectl"
_UNKNOWN: Final = "unknown"
#: bytes of an object's annotations together
_MAX_ANNOTATIONS: Final = 256 * 1024

Json = dict[str, Any]


def _metadata(*names: str) -> list[field_set.Path]:
    return [(field_set.field("metadata"), field_set.field(name)) for name in names]


#: what no manager owns
_STRIPPED: Final = FieldSet.of(
    (field_set.field("apiVersion"),), (field_set.field("kind"),), (field_set.field("metadata"),),
    *_metadata(
        "name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation", "managedFields",
        "resourceVersion",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class FieldManager:
    """Keeps the fields of a kind's objects, as they are written through one (sub-)resource."""

    kind: Kind[Any]
    #: empty, or the name of a sub-resource
    subresource: str
    #: leaves out what the resource's strategy resets
    keep: Filter

    def update(self, live: Json, new: Json, managed: Managed, manager: str, now: int) -> Managed:
        """Return who owns what after an update: it takes what it changes.

        Trees have no managedFields; where nobody owns anything, nothing is kept. Raises TypedError.
        """
        return self._updated(live, new, managed, manager, now) if managed.owners else managed

    def _updated(self, live: Json, new: Json, managed: Managed, manager: str, now: int) -> Managed:
        of = type_of(self.kind)
        owners, times = self._updater(of).update(live, new, managed.owners), dict(managed.times)
        taken = owners.pop(SELF, None)
        fields = FieldSet() if taken is None else taken.fields - _STRIPPED
        if fields:
            me = self._manager(manager, UPDATE)
            before = owners.get(me)
            owners[me] = Owned(fields if before is None else fields | before.fields, self.kind.api_version)
            times[me] = now
        return without_oldest(Managed(owners, times))

    def apply(
        self, live: Json, applied: Json, managed: Managed, manager: str, *, force: bool, now: int
    ) -> tuple[Json, Managed]:
        """Return the object after an apply, and who owns what. `live` has no managedFields.

        Raises BadRequest, InternalError: what is applied is no object of the kind; Conflict.
        """
        self._check_applied(applied)
        of = type_of(self.kind)
        try:
            check(of, applied)
        except TypedError as error:
            raise self._internal("failed to create typed patch object", applied, error) from error
        if not managed.owners:
            empty = to_dict(self.kind, self.kind.message())
            managed = self._updated(empty, live, managed, BEFORE_FIRST_APPLY, now)
        try:
            made, owners = self._apply(of, live, applied, managed, manager, force=force)
        except Conflicts as error:
            raise conflict_error(error) from error
        except TypedError as error:
            raise self._internal("failed to apply", applied, error) from error
        times = dict(managed.times)
        me = self._manager(manager, APPLY)
        if made != live:
            times[me] = now
        if me in owners:
            fields = owners.pop(me).fields - _STRIPPED
            if fields:
                owners[me] = Owned(fields, self.kind.api_version)
        if manager == KUBECTL:
            made = _with_last_applied(made, applied)
        return made, Managed(owners, times)

    def _apply(
        self, of: Type, live: Json, applied: Json, managed: Managed, manager: str, *, force: bool
    ) -> tuple[Json, dict[Manager, Owned]]:
        """Apply; conflicts with what client-side apply has set are none to kubectl. Raises Conflicts,
        TypedError.
        """
        updater, me = self._updater(of), self._manager(manager, APPLY)
        try:
            return updater.apply(live, applied, managed.owners, me, force=force)
        except Conflicts as error:
            allowed = self._of_last_applied(of, live) if manager == KUBECTL else None
            if allowed is None:
                raise
            left = tuple(conflict for conflict in error.conflicts if not allowed.has(conflict.path))
            if left:
                raise Conflicts(left) from error
        return updater.apply(live, applied, managed.owners, me, force=True)

    def _of_last_applied(self, of: Type, live: Json) -> FieldSet | None:
        """Return the fields that client-side apply has set and that are still so; None when it has not."""
        text = (live.get("metadata", {}).get("annotations") or {}).get(LAST_APPLIED)
        if not text:
            return None
        try:
            last = msgspec.json.decode(text, type=Json)
            if last.get("apiVersion") != self.kind.api_version:
                return None
            check(of, last)
            check(of, live)
            changed = compare(of, last, live)
            return fields_of(of, last) - changed.modified - changed.added - changed.removed
        except (msgspec.DecodeError, RecursionError, TypedError):
            return None

    def _check_applied(self, applied: Json) -> None:
        api_version, kind = applied.get("apiVersion") or "", applied.get("kind") or ""
        if (api_version, kind) != (self.kind.api_version, self.kind.kind):
            group, _, version = str(api_version).rpartition("/")
            raise BadRequest(f"invalid object type: {group}/{version}, Kind={kind}")
        metadata = applied.get("metadata")
        if isinstance(metadata, dict) and metadata.get("managedFields"):
            raise BadRequest("metadata.managedFields must be nil")

    def _internal(self, what: str, applied: Json, error: TypedError) -> InternalError:
        """Return the refusal of an object that does not fit its type: upstream has no better code for it."""
        found = applied.get("metadata")
        metadata = found if isinstance(found, dict) else {}
        where = f"{metadata.get('namespace') or ''}/{metadata.get('name') or ''}"
        group = f"{self.kind.group}/{self.kind.version}"
        return InternalError(f"{what} ({where}; {group}, Kind={self.kind.kind}): {error}")

    def _updater(self, of: Type) -> Updater:
        return Updater(of, self.kind.api_version, self.keep)

    def _manager(self, name: str, operation: str) -> Manager:
        version = self.kind.api_version if operation == UPDATE else ""
        return Manager(name or _UNKNOWN, operation, version, self.subresource)


def _with_last_applied(made: Json, applied: Json) -> Json:
    """Bring the annotation of client-side apply up to date, where an object has it."""
    annotations = made.get("metadata", {}).get("annotations") or {}
    if not annotations.get(LAST_APPLIED):
        return made
    said = applied.get("metadata") or {}
    others = {name: text for name, text in (said.get("annotations") or {}).items() if name != LAST_APPLIED}
    if "annotations" in said:
        applied = {**applied, "metadata": {**said, "annotations": others}}
    kept = {**annotations, LAST_APPLIED: write_json(applied) + "\n"}
    if sum(len(name.encode()) + len(text.encode()) for name, text in kept.items()) > _MAX_ANNOTATIONS:
        del kept[LAST_APPLIED]
    return {**made, "metadata": {**made["metadata"], "annotations": kept}}
