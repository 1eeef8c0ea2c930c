"""The entries of metadata.managedFields: read, written, and at most ten of updates.

Follows apimachinery `util/managedfields/internal` (managedfields.go, capmanagers.go).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final

from vaina.api.meta.v1 import meta_pb2
from vaina.objects.managed_fields.conflicts import identifier
from vaina.objects.managed_fields.field_set import FieldSet, FieldSetError, read_field_set
from vaina.objects.managed_fields.updater import APPLY, UPDATE, Manager, Owned

FIELDS_V1: Final = "FieldsV1"
MAX_UPDATERS: Final = 10
#: bytes of FieldsV1 that are remembered
_MAX_KNOWN: Final = 4096
#: into whose entry those of the oldest updates go
ANCIENT: Final = "ancient-changes"


class EntriesError(Exception):
    """Entries that cannot be read."""


@dataclass(frozen=True, slots=True)
class Managed:
    """Who owns what of an object, and since when."""

    owners: dict[Manager, Owned] = field(default_factory=dict[Manager, Owned])
    #: seconds since the epoch of the last change of an entry
    times: dict[Manager, int] = field(default_factory=dict[Manager, int])


def read_entries(entries: Iterable[meta_pb2.ManagedFieldsEntry]) -> Managed:
    """Read managedFields. Raises EntriesError."""
    managed = Managed()
    for index, entry in enumerate(entries):
        if entry.operation not in (APPLY, UPDATE):
            raise EntriesError("operation must be `Apply` or `Update`")
        if not entry.api_version:
            raise EntriesError("apiVersion must not be empty")
        if entry.fields_type != FIELDS_V1:
            why = f'invalid fieldsType "{entry.fields_type}"' if entry.fields_type else "missing fieldsType"
            raise EntriesError(f"{why} in managed fields entry {index}")
        version = "" if entry.operation == APPLY else entry.api_version
        manager = Manager(entry.manager, entry.operation, version, entry.subresource)
        try:
            fields = _fields(entry.fields_v1.raw)
        except FieldSetError as error:
            raise EntriesError(
                f"error decoding versioned set from {entry.manager}: error decoding set: {error}"
            ) from error
        managed.owners[manager] = Owned(fields, entry.api_version)
        if entry.HasField("time"):
            managed.times[manager] = entry.time.seconds
        else:
            managed.times.pop(manager, None)
    return managed


def _fields(raw: bytes) -> FieldSet:
    return _known_fields(raw) if len(raw) <= _MAX_KNOWN else read_field_set(raw)


@lru_cache(maxsize=512)
def _known_fields(raw: bytes) -> FieldSet:
    """Read a set; those of an object are the same in one write after the other."""
    return read_field_set(raw)


def write_entries(managed: Managed) -> list[meta_pb2.ManagedFieldsEntry]:
    """Return managedFields: appliers first, then by time, name, version, sub-resource."""
    written = []
    for manager, owned in managed.owners.items():
        entry = meta_pb2.ManagedFieldsEntry(
            manager=manager.name, operation=manager.operation, api_version=owned.api_version,
            subresource=manager.subresource, fields_type=FIELDS_V1, fields_v1={"raw": owned.fields.to_json()},
        )  # fmt: skip
        if manager in managed.times:
            entry.time.seconds = managed.times[manager]
        written.append(entry)
    written.sort(key=lambda e: (e.operation, e.time.seconds, e.manager, e.api_version, e.subresource))
    return written


def without_oldest(managed: Managed) -> Managed:
    """Merge the oldest entries of updates into one a version, until there are at most ten."""
    updaters = [manager for manager in managed.owners if manager.operation == UPDATE]
    if len(updaters) <= MAX_UPDATERS:
        return managed
    owners, times = dict(managed.owners), dict(managed.times)
    updaters.sort(key=lambda manager: (times.get(manager, 0), identifier(manager)))
    first: dict[str, Manager] = {}
    length = len(updaters)
    for manager in updaters:
        if length <= MAX_UPDATERS:
            break
        owned, at = owners[manager], times.get(manager)
        before = first.setdefault(owned.api_version, manager)
        if before == manager:
            continue
        bucket = Manager(ANCIENT, UPDATE, owned.api_version)
        if bucket not in owners:
            owners[bucket] = owners.pop(before)
        owners[bucket] = replace(owned, fields=owned.fields | owners[bucket].fields)
        del owners[manager]
        length -= 1
        # That of the entry which is merged: it is the newer one.
        times.pop(bucket, None)
        if at is not None:
            times[bucket] = at
    return Managed(owners, times)
