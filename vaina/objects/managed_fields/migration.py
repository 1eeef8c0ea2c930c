"""What client-side apply owned becomes server-side apply's, in managedFields.

Follows client-go `util/csaupgrade/upgrade.go`. Called by whoever applies on the server what was applied on the
client's side before.
"""

from collections.abc import Collection, Sequence
from typing import Final

from vaina.api.meta.v1 import meta_pb2
from vaina.objects.managed_fields.field_set import FieldSet, FieldSetError, Path, field, read_field_set
from vaina.objects.managed_fields.updater import APPLY, UPDATE
from vaina.objects.rollouts import LAST_APPLIED

Entry = meta_pb2.ManagedFieldsEntry

#: where client-side apply keeps what it applied
LAST_APPLIED_PATH: Final[Path] = (field("metadata"), field("annotations"), field(LAST_APPLIED))


def owners_of(entries: Sequence[Entry], operation: str, path: Path) -> list[Entry]:
    """Return the entries of an operation that own a field. What cannot be read owns nothing."""
    found = []
    for entry in entries:
        try:
            if entry.operation == operation and _fields(entry).has(path):
                found.append(entry)
        except FieldSetError:
            continue
    return found


def upgraded(entries: Sequence[Entry], old: Collection[str], manager: str) -> list[Entry]:
    """Return the entries with what managers of client-side apply owned given to an applier.

    Raises FieldSetError: an entry of theirs cannot be read.
    """
    found = [_copy(entry) for entry in entries]
    for name in sorted(old):
        found = _upgraded(found, name, manager)
    return found


def _upgraded(entries: list[Entry], old: str, manager: str) -> list[Entry]:
    theirs = [entry for entry in entries if _is(entry, old, UPDATE)]
    target = next((entry for entry in entries if _is(entry, manager, APPLY)), None)
    if target is None:
        if not theirs:
            return entries
        target = theirs[0]
        target.operation, target.manager = APPLY, manager
        theirs = theirs[1:]
    same = next((entry for entry in theirs if entry.api_version == target.api_version), None)
    if same is not None:
        target.fields_v1.raw = (_fields(target) | _fields(same)).to_json()
    return [entry for entry in entries if not _is(entry, old, UPDATE)]


def _is(entry: Entry, manager: str, operation: str) -> bool:
    return (entry.manager, entry.operation, entry.subresource) == (manager, operation, "")


def _fields(entry: Entry) -> FieldSet:
    return read_field_set(entry.fields_v1.raw)


def _copy(entry: Entry) -> Entry:
    copy = Entry()
    copy.CopyFrom(entry)
    return copy
