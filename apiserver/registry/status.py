"""Applies a write of the status to an object. Pure; called by `store`.

Without a mask it does what upstream does: the spec stays, and the object gets the sent status and metadata,
except for the metadata that the kind's status strategy resets (GetResetFields in
`pkg/registry/*/*/strategy.go`). With a mask it replaces the fields of the status that the mask names, merges
conditions by type and amounts by name, and keeps the metadata: kubelet, scheduler and controllers each send
their own fields, and need no resourceVersion (decision 003).
"""

from collections.abc import Sequence
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from apiserver.registry import metadata
from apiserver.registry.strategy import Strategy, copy_field, keep_field
from vaina.errors import BadRequest

_CONDITIONS = "conditions"


def take_status(new: Message, sent: Message, strategy: Strategy[Any]) -> None:
    """Copy the sent status and metadata into `new`, the stored object, in place."""
    copy_field(new, sent, "status")
    meta: Any = new.metadata  # type: ignore[attr-defined]  # every kind has metadata
    stored = type(meta)()
    stored.CopyFrom(meta)
    meta.CopyFrom(sent.metadata)  # type: ignore[attr-defined]  # every kind has metadata
    for field in (*strategy.kept_by_status, "managed_fields"):
        keep_field(meta, stored, field)
    metadata.prepare_for_update(meta, stored)
    meta.resource_version = stored.resource_version


def merge_status(new: Message, sent: Message, mask: Sequence[str], now: Timestamp) -> None:
    """Copy the fields of the sent status that `mask` names (snake_case) into the stored object `new`.

    A named field that is unset in `sent` is cleared. `now` is the transition time of changed conditions that
    have none. Raises BadRequest when the status has no such field.
    """
    target: Any = new.status  # type: ignore[attr-defined]  # only kinds that have one
    source: Any = sent.status  # type: ignore[attr-defined]  # only kinds that have one
    fields = target.DESCRIPTOR.fields_by_name
    unknown = [path for path in mask if path not in fields]
    if unknown:
        raise BadRequest(f"status_mask: no such field of {target.DESCRIPTOR.name}: {', '.join(unknown)}")
    for path in mask:
        if path == _CONDITIONS:
            merge_conditions(target.conditions, source.conditions, now)
        elif _has_amounts(fields[path]):
            _merge_amounts(getattr(target, path), getattr(source, path))
        else:
            _replace(target, source, fields[path])


def merge_conditions(current: Any, sent: Any, now: Timestamp) -> None:
    """Merge conditions into a list of conditions, by type. A transition time changes only with the status.

    A condition that is sent without a status is removed (decision 122).
    """
    gone = {condition.type for condition in sent if not condition.status}
    if gone:
        kept = [condition for condition in current if condition.type not in gone]
        del current[:]
        current.extend(kept)
        sent = [condition for condition in sent if condition.status]
    by_type = {condition.type: condition for condition in current}
    for condition in sent:
        found = by_type.get(condition.type)
        if found is None:
            found = by_type[condition.type] = current.add()
            since = condition.last_transition_time if condition.HasField("last_transition_time") else now
        elif found.status == condition.status and found.HasField("last_transition_time"):
            since = Timestamp(seconds=found.last_transition_time.seconds)
        else:
            since = condition.last_transition_time if condition.HasField("last_transition_time") else now
        found.CopyFrom(condition)
        found.last_transition_time.CopyFrom(since)


def _has_amounts(field: Any) -> bool:
    entry = field.message_type
    if entry is None or not entry.GetOptions().map_entry:
        return False
    kind = entry.fields_by_name["value"].message_type
    return kind is not None and kind.name == "Quantity"


def _merge_amounts(current: Any, sent: Any) -> None:
    """Merge amounts by name, because several owners may write them. One without a number is removed."""
    for name in sent:
        if sent[name].string:
            current[name].CopyFrom(sent[name])
        elif name in current:
            del current[name]


def _replace(target: Any, source: Any, field: Any) -> None:
    target.ClearField(field.name)
    if field.is_repeated:
        getattr(target, field.name).MergeFrom(getattr(source, field.name))
    elif field.message_type is not None:
        if source.HasField(field.name):
            getattr(target, field.name).CopyFrom(getattr(source, field.name))
    elif not field.has_presence or source.HasField(field.name):
        setattr(target, field.name, getattr(source, field.name))
