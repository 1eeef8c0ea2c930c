"""metadata.managedFields on writes: who set what, from the first apply of an object on. Called by `changing`
and `store`.

Follows apiserver `endpoints/handlers` (create.go, update.go, patch.go: applyPatcher;
fieldmanager/equality.go) and the GetResetFields of strategies (`pkg/registry/*/*/strategy.go`). The rules are
in `vaina.objects.managed_fields`. Objects that nobody has applied to have no managedFields, and cost nothing
(decision 275).
"""

import contextlib
from collections.abc import Iterable
from functools import cache
from typing import Any, Final, NamedTuple

from apiserver.context import IGNORE, STRICT, Context
from apiserver.registry.certificates import APPROVAL
from apiserver.registry.pods import EPHEMERAL_CONTAINERS, RESIZE
from apiserver.registry.strategies import FINALIZE
from apiserver.registry.strategy import STATUS, Strategy
from vaina.api.meta.v1 import meta_pb2
from vaina.errors import BadRequest, InternalError, TooLarge
from vaina.kinds import Kind
from vaina.objects.managed_fields.comparing import Filter
from vaina.objects.managed_fields.entries import EntriesError, Managed, read_entries, write_entries
from vaina.objects.managed_fields.field_set import FieldSet, Path, field
from vaina.objects.managed_fields.manager import FieldManager, Json
from vaina.objects.managed_fields.values import TypedError
from vaina.objects.manifest import to_dict
from vaina.objects.schema import schema_of
from vaina.objects.tree import MAX_BYTES, Number, TextError, Tree, is_too_large, parse_json
from vaina.objects.yaml_text import parse_yaml

_SPEC: Final = field("spec")
_STATUS: Final = field("status")
#: what alone a sub-resource of Pods changes; None stands for any item
_INCLUDED: Final[dict[str, tuple[tuple[str | None, ...], ...]]] = {
    EPHEMERAL_CONTAINERS: ((_SPEC, field("ephemeralContainers")),),
    RESIZE: tuple(
        (_SPEC, field(listed), None, field(name))
        for listed in ("containers", "initContainers")
        for name in ("resources", "resizePolicy")
    ),
}
#: what other sub-resources do not change
_EXCLUDED: Final[dict[str, tuple[Path, ...]]] = {
    FINALIZE: ((_STATUS,),),
    APPROVAL: ((_SPEC,), (_STATUS, field("certificate"))),
}


@cache  # one entry a kind and sub-resource
def manager_of(kind: Kind[Any], strategy: Strategy[Any], subresource: str) -> FieldManager:
    """Return what keeps the fields of objects as they are written through one (sub-)resource."""
    return FieldManager(kind, subresource, _kept(kind, strategy, subresource))


def _kept(kind: Kind[Any], strategy: Strategy[Any], subresource: str) -> Filter:
    """Return what leaves out of a set the fields that the strategy resets."""
    included = _INCLUDED.get(subresource)
    if included is not None:
        return lambda fields: _only(fields, included)
    if subresource == STATUS:
        reset: Iterable[Path] = _reset_by_status(kind, strategy)
    elif subresource:
        reset = _EXCLUDED.get(subresource, ())
    else:
        reset = [(field(name),) for name in strategy.reset_fields if name in _names(kind)]
    excluded = FieldSet.of(*reset)
    return lambda fields: fields.without(excluded)


def _names(kind: Kind[Any]) -> Iterable[str]:
    return schema_of(kind.message.DESCRIPTOR).by_json


def _reset_by_status(kind: Kind[Any], strategy: Strategy[Any]) -> Iterable[Path]:
    for name in _names(kind):
        if name not in ("metadata", "status"):
            yield (field(name),)
    metadata = schema_of(meta_pb2.ObjectMeta.DESCRIPTOR).by_json.values()
    for item in metadata:
        if item.name in strategy.kept_by_status:
            yield field("metadata"), field(item.json_name)


def _only(fields: FieldSet, included: tuple[tuple[str | None, ...], ...]) -> FieldSet:
    """Return the fields that are at one of some places, or inside it."""
    found = FieldSet()
    for path in fields.paths():
        for place in included:
            if len(path) >= len(place) and all(
                want in (None, step) for want, step in zip(place, path, strict=False)
            ):
                found.insert(path)
    return found


def _without_entries(kind: Kind[Any], obj: Any) -> tuple[Json, list[meta_pb2.ManagedFieldsEntry]]:
    """Return an object as plain values without managedFields, and these, which it loses."""
    entries = list(obj.metadata.managed_fields)
    obj.metadata.ClearField("managed_fields")
    return to_dict(kind, obj), entries


def _set(obj: Any, entries: Iterable[meta_pb2.ManagedFieldsEntry]) -> None:
    obj.metadata.ClearField("managed_fields")
    obj.metadata.managed_fields.extend(entries)


def track(manager: FieldManager, ctx: Context, old: Any, new: Any, now: float) -> None:
    """Bring the managedFields of a changed object up to date, in place; `old` loses its own.

    Where the fields cannot be told apart by their type, they stay as they were.
    """
    sent = list(new.metadata.managed_fields)
    before, kept = _without_entries(manager.kind, old)
    after, _ = _without_entries(manager.kind, new)
    entries = kept
    try:
        managed = manager.update(before, after, _managed(sent, kept), ctx.manager, int(now))
        entries = _with_old_times(write_entries(managed), kept, same=before == after)
    except TypedError:
        pass
    _set(new, entries)


def _managed(sent: list[meta_pb2.ManagedFieldsEntry], kept: list[meta_pb2.ManagedFieldsEntry]) -> Managed:
    """Return what a client sent; where that cannot be read, or says nothing, what is stored."""
    for entries in (sent, kept):
        try:
            managed = read_entries(entries)
        except EntriesError:
            continue
        if managed.owners:
            return managed
    return Managed()


def _with_old_times(
    entries: list[meta_pb2.ManagedFieldsEntry], old: list[meta_pb2.ManagedFieldsEntry], *, same: bool
) -> list[meta_pb2.ManagedFieldsEntry]:
    """Return the old entries where only times have changed, so that such a write stores nothing."""
    if same and len(entries) == len(old) and all(map(_same_but_time, entries, old)):
        return old
    return entries


def _same_but_time(one: meta_pb2.ManagedFieldsEntry, other: meta_pb2.ManagedFieldsEntry) -> bool:
    timeless = []
    for entry in (one, other):
        copy = meta_pb2.ManagedFieldsEntry()
        copy.CopyFrom(entry)
        copy.ClearField("time")
        timeless.append(copy)
    return timeless[0] == timeless[1]


#: managedFields
Entries = list[meta_pb2.ManagedFieldsEntry]


class Applied(NamedTuple):
    """What an apply makes of an object, before defaults and the strategy."""

    tree: Json
    entries: Entries


class Apply(NamedTuple):
    """A server-side apply: what is applied, by whom."""

    ctx: Context
    applied: Json
    force: bool

    def to(self, manager: FieldManager, obj: Any, now: float) -> Applied:
        """Return what becomes of an object, which is not changed. Raises Conflict, BadRequest, InternalError."""
        live = type(obj)()
        live.CopyFrom(obj)
        managed = read_stored(live)
        tree, _ = _without_entries(manager.kind, live)
        made, owners = manager.apply(
            tree, self.applied, managed, self.ctx.field_manager, force=self.force, now=int(now)
        )
        return Applied(made, write_entries(owners))


def read_stored(obj: Any) -> Managed:
    """Return who owns what of a stored object. Raises InternalError."""
    try:
        return read_entries(obj.metadata.managed_fields)
    except EntriesError as error:
        raise InternalError(f"failed to decode managed fields: {error}") from error


def settle(new: Any, old: Any, entries: list[meta_pb2.ManagedFieldsEntry]) -> None:
    """Give an object that was applied to its managedFields; where nothing else has changed, old times stay."""
    kept = list(old.metadata.managed_fields)
    _set(new, kept)
    _set(new, _with_old_times(entries, kept, same=new == old))


def read_apply(ctx: Context, text: str, *, force: bool) -> Apply:
    """Read what is applied, as YAML. Fields that stand twice are an error (Strict) or a warning (Warn, the
    default).

    Raises BadRequest, TooLarge.
    """
    if is_too_large(text):
        raise TooLarge(f"Request entity too large: limit is {MAX_BYTES}")
    try:
        tree = _read(text)
    except (TextError, UnicodeEncodeError) as error:
        raise BadRequest(f"error decoding patch: error converting YAML to JSON: {error}") from error
    if tree is None:
        tree = {}
    if not isinstance(tree, dict):
        raise BadRequest(
            f"error decoding patch: json: cannot unmarshal {_go_kind(tree)} into Go value of type map[string]interface {{}}"
        )
    if isinstance(tree, Tree) and tree.lines and ctx.field_validation != IGNORE:
        lines = "\n  ".join(tree.lines)
        mistakes = f"error converting YAML to JSON: yaml: unmarshal errors:\n  {lines}"
        if ctx.field_validation == STRICT:
            raise BadRequest(f"error strict decoding patch: {mistakes}")
        ctx.warn(mistakes)
    return Apply(ctx, _plain(tree), force)


def _read(text: str) -> Any:
    """Return the first document. What JSON alone says is read as JSON, a tenth of the price. Raises
    TextError.
    """
    if text.lstrip()[:1] == "{":
        with contextlib.suppress(TextError):
            documents = parse_json(text)
            if len(documents) == 1 and _is_plain(documents[0][0]):
                return documents[0][0]
    documents = parse_yaml(text)
    return documents[0][0] if documents else None


def _is_plain(value: Any) -> bool:
    """Say whether a value is the same in YAML: no key stands twice, and numbers are integers."""
    if isinstance(value, dict):
        return type(value) is dict and all(map(_is_plain, value.values()))
    return all(map(_is_plain, value)) if isinstance(value, list) else not isinstance(value, Number)


def _plain(value: Any) -> Any:
    """Return a value with its numbers as numbers."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return float(value.text) if isinstance(value, Number) else value


def _go_kind(value: Any) -> str:
    return {list: "array", str: "string", bool: "bool"}.get(type(value), "number")
