"""Patches of manifests: strategic merge, JSON merge, and the three-way patch of `kubectl apply`.

Called by the apiserver's Patch and by ManifestService. Works on plain values (`manifest.to_dict`), with the
merge keys and strategies that the field options tell. Follows `apimachinery/pkg/util/strategicpatch`, the
order of lists included: what a patch names comes first, in its order. Random patches are held to upstream's
own code (`tests/component/test_strategic_merge_interop.py`).

Two differences: where a merge key is not unique in a list (two ports 53, TCP and UDP) the three-way patch
replaces the list, where upstream mixes the items up; and of deletions inside of what is put in anew nothing
stays, where upstream leaves their keys.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from vaina.errors import BadRequest
from vaina.kinds import Kind
from vaina.objects.schema import Field, Schema, Shape, schema_of

Json = Any
JsonObject = dict[str, Any]

_PATCH: Final = "$patch"
_RETAIN: Final = "$retainKeys"
_DELETE_PREFIX: Final = "$deleteFromPrimitiveList/"
_ORDER_PREFIX: Final = "$setElementOrder/"
_NO_FIELDS: Final[Mapping[str, Field]] = {}


def _fields(schema: Schema | None) -> Mapping[str, Field]:
    return schema.by_json if schema is not None else _NO_FIELDS


def _inner(item: Field | None) -> Schema | None:
    """Return the schema of what stands in a field; maps and plain values have none."""
    if item is None or item.shape is not Shape.MESSAGE or item.message is None or item.is_map:
        return None
    return schema_of(item.message)


def _merges(item: Field | None) -> bool:
    return item is not None and item.is_list and "merge" in item.patch_strategy


def _retains(item: Field | None) -> bool:
    return item is not None and "retainKeys" in item.patch_strategy


def _is_directive(name: str) -> bool:
    return name in (_PATCH, _RETAIN) or name.startswith((_DELETE_PREFIX, _ORDER_PREFIX))


def strategic_merge(kind: Kind[Any], current: JsonObject, patch: JsonObject) -> JsonObject:
    """Apply a strategic merge patch; neither argument is changed. Raises BadRequest: it makes no sense."""
    return _merge_map(current, patch, schema_of(kind.message.DESCRIPTOR))


def _merge_map(current: JsonObject, patch: JsonObject, schema: Schema | None) -> JsonObject:
    directive = patch.get(_PATCH)
    if directive == "replace":
        return {name: value for name, value in patch.items() if name != _PATCH}
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise BadRequest(f"Unknown patch type found: {directive}")
    merged = dict(current)
    if _RETAIN in patch:
        kept = _kept_keys(patch)
        merged = {name: value for name, value in merged.items() if name in kept}
    fields = _fields(schema)
    for name, value in patch.items():
        if _is_directive(name):
            continue
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merge_value(merged.get(name), value, fields.get(name))
    _delete_primitives(merged, patch)
    _order_lists(merged, current, patch, fields)
    return merged


def _kept_keys(patch: JsonObject) -> set[str]:
    """Return the fields that stay. Raises BadRequest when the patch sets one that does not."""
    kept = {name for name in _as_list(patch[_RETAIN], _RETAIN) if isinstance(name, str)}
    for name, value in patch.items():
        if value is not None and not _is_directive(name) and name not in kept:
            raise BadRequest("invalid patch format of retainKeys")
    return kept


def _as_list(value: Json, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise BadRequest(f"the value of {name} must be a list")
    return value


def _merge_value(current: Json, value: Json, item: Field | None) -> Json:
    if isinstance(value, dict) and isinstance(current, dict):
        return _merge_map(current, value, _inner(item))
    if isinstance(value, list) and isinstance(current, list) and _merges(item):
        assert item is not None
        return _merge_list(current, value, item)
    return _take(value)


def _take(value: Json) -> Json:
    """Return what a patch adds where there is nothing to merge with: its values, without its directives."""
    if isinstance(value, dict):
        if value.get(_PATCH) == "delete":
            return {}
        return {
            name: _take(inner)
            for name, inner in value.items()
            if inner is not None and not _is_directive(name)
        }
    if isinstance(value, list):
        return [_take(entry) for entry in value if not _is_only_directive(entry)]
    return value


def _is_only_directive(entry: Json) -> bool:
    return isinstance(entry, dict) and (entry.get(_PATCH) == "delete" or set(entry) == {_PATCH})


def _merge_list(current: list[Any], patch: list[Any], item: Field) -> list[Any]:
    key = item.patch_merge_key
    if not key:
        return _in_order(_union(current, patch), patch, current, key)
    for entry in patch:
        if not isinstance(entry, dict):
            raise BadRequest(f"expected an object in the list {item.json_name}")
    if any(entry.get(_PATCH) == "replace" for entry in patch):
        return [_take(entry) for entry in patch if entry.get(_PATCH) is None]
    return _merge_items(current, patch, key, _inner(item))


def _merge_items(current: list[Any], patch: list[JsonObject], key: str, schema: Schema | None) -> list[Any]:
    gone = {_key_of(entry, key) for entry in patch if entry.get(_PATCH) == "delete"}
    left = [old for old in current if not (isinstance(old, dict) and _identity(old, key) in gone)]
    named = [entry for entry in patch if entry.get(_PATCH) != "delete"]
    merged: list[Any] = list(left)
    #: value of the merge key -> where it stands first
    places: dict[str, int] = {}
    for place, old in enumerate(merged):
        if isinstance(old, dict):
            places.setdefault(_identity(old, key), place)
    for entry in named:
        identity = _key_of(entry, key)
        there = places.get(identity)
        if there is None:
            places[identity] = len(merged)
            merged.append(_take(entry))
        else:
            merged[there] = _merge_map(merged[there], entry, schema)
    return _in_order(merged, named, left, key)


def _key_of(entry: JsonObject, key: str) -> str:
    """Return what tells an item of a patch from others. Raises BadRequest."""
    if key not in entry:
        raise BadRequest(f"map: {_shown(entry)} does not contain declared merge key: {key}")
    return _identity(entry, key)


def _union(current: list[Any], more: list[Any]) -> list[Any]:
    """Add what is not there yet, each once, compared by text: a patch may hold anything."""
    return list({repr(value): value for value in (*current, *more)}.values())


def _shown(entry: Mapping[str, Any]) -> str:
    return "map[" + " ".join(f"{name}:{entry[name]}" for name in sorted(entry)) + "]"


def _delete_primitives(merged: JsonObject, patch: JsonObject) -> None:
    for name, value in patch.items():
        if name.startswith(_DELETE_PREFIX):
            target = name.removeprefix(_DELETE_PREFIX)
            gone = {repr(entry) for entry in _as_list(value, name)}
            present = merged.get(target)
            if isinstance(present, list):
                merged[target] = [entry for entry in present if repr(entry) not in gone]


def _order_lists(
    merged: JsonObject, current: JsonObject, patch: JsonObject, fields: Mapping[str, Field]
) -> None:
    for name, value in patch.items():
        if not name.startswith(_ORDER_PREFIX):
            continue
        target = name.removeprefix(_ORDER_PREFIX)
        present, item = merged.get(target), fields.get(target)
        if isinstance(present, list) and _merges(item):
            assert item is not None
            key, sent, before = item.patch_merge_key, patch.get(target), current.get(target)
            known = _known_order(before, sent if isinstance(sent, list) else [], key) if before else []
            merged[target] = _in_order(present, _as_list(value, name), known, key)


def _known_order(before: Json, sent: list[Any], key: str) -> list[Any]:
    """Return the order that items have on the server, when a patch gives an order of its own.

    Upstream deletes items in place and appends to the same array: as many new items as were deleted count as
    the last ones of the server's (mergeSliceWithSpecialElements, mergeSliceWithoutSpecialElements).
    """
    if not isinstance(before, list) or not key:
        return before if isinstance(before, list) else []
    entries = [entry for entry in sent if isinstance(entry, dict)]
    gone = {_identity(entry, key) for entry in entries if entry.get(_PATCH) == "delete"}
    left = [entry for entry in before if _identity(entry, key) not in gone]
    there = {_identity(entry, key) for entry in left}
    added = [entry for entry in entries if entry.get(_PATCH) is None and _identity(entry, key) not in there]
    return [*left, *added[: len(before) - len(left)]]


def _identity(entry: Json, key: str) -> str:
    return repr(entry.get(key) if key and isinstance(entry, dict) else entry)


def _in_order(present: list[Any], order: list[Any], known: list[Any], key: str) -> list[Any]:
    """Bring the items that the order names into it, and the others of the server between them.

    An item of the server stands before a named one only where both were there and it stood before it already
    (normalizeElementOrder and mergeSortedSlice of `strategicpatch/patch.go`).
    """
    rank, places = _places(order, key), _places(known, key)
    named = sorted((e for e in present if _identity(e, key) in rank), key=lambda e: rank[_identity(e, key)])
    others = [e for e in present if _identity(e, key) not in rank]
    result: list[Any] = []
    done = 0
    for other in sorted(others, key=lambda e: places.get(_identity(e, key), len(places))):
        at = places.get(_identity(other, key), -1)
        while done < len(named) and not 0 <= at < places.get(_identity(named[done], key), -1):
            result.append(named[done])
            done += 1
        result.append(other)
    return [*result, *named[done:]]


def _places(entries: list[Any], key: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for place, entry in enumerate(entries):
        found.setdefault(_identity(entry, key), place)
    return found


def json_merge(current: Json, patch: Json) -> Json:
    """Apply a JSON merge patch (RFC 7386); neither argument is changed."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(current) if isinstance(current, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = json_merge(merged.get(name), value)
    return merged


def three_way_patch(
    original: JsonObject | None, modified: JsonObject, current: JsonObject, kind: Kind[Any]
) -> JsonObject:
    """Make the strategic merge patch of an apply; empty when nothing is to be done.

    It changes what `modified` (the manifest now) says otherwise than `current` (the stored object), and
    removes what `original` (the manifest that was applied last, if any) said and `modified` does not. Fields
    that others set stay.
    """
    return _diff_map(original or {}, modified, current, schema_of(kind.message.DESCRIPTOR))


def _diff_map(
    original: JsonObject, modified: JsonObject, current: JsonObject, schema: Schema | None
) -> JsonObject:
    patch: JsonObject = {}
    fields = _fields(schema)
    for name, value in modified.items():
        if value is None:
            if current.get(name) is not None:
                patch[name] = None
        elif name not in current or current[name] is None:
            patch[name] = value
        else:
            _diff_value(patch, name, original.get(name), value, current[name], fields.get(name))
    for name in original:
        if name not in modified and current.get(name) is not None:
            patch[name] = None
    return patch


def _diff_value(  # the three sides of a three-way comparison, and where it goes
    patch: JsonObject, name: str, original: Json, modified: Json, current: Json, item: Field | None
) -> None:
    if isinstance(modified, dict) and isinstance(current, dict):
        inner = _diff_map(original if isinstance(original, dict) else {}, modified, current, _inner(item))
        if inner:
            patch[name] = _with_retained(inner, modified, item)
    elif isinstance(modified, list) and isinstance(current, list) and _merges(item):
        assert item is not None
        _diff_list(patch, name, original if isinstance(original, list) else [], modified, current, item)
    elif _take(modified) != _take(current):
        patch[name] = modified


def _with_retained(inner: JsonObject, modified: JsonObject, item: Field | None) -> JsonObject:
    return {**inner, _RETAIN: sorted(modified)} if _retains(item) else inner


def _diff_list(  # the three sides of a three-way comparison, and where it goes
    patch: JsonObject, name: str, original: list[Any], modified: list[Any], current: list[Any], item: Field
) -> None:
    key = item.patch_merge_key
    if not key:
        there, wanted = {repr(entry) for entry in current}, {repr(entry) for entry in modified}
        added = [entry for entry in modified if repr(entry) not in there]
        gone = [entry for entry in original if repr(entry) not in wanted and repr(entry) in there]
        if added:
            patch[name] = added
        if gone:
            patch[_DELETE_PREFIX + name] = gone
        if added or gone:
            patch[_ORDER_PREFIX + name] = modified
        return
    if not all(_has_unique_keys(entries, key) for entries in (original, modified, current)):
        if _take(modified) != _take(current):
            patch[name] = [*modified, {_PATCH: "replace"}]
        return
    changes = list(_diff_items(original, modified, current, item))
    order = [entry[key] for entry in modified]
    named = {repr(value) for value in order}
    present = [entry[key] for entry in current if repr(entry[key]) in named]
    if changes:
        patch[name] = changes
    if changes or present != order:
        patch[_ORDER_PREFIX + name] = [{key: value} for value in order]


def _has_unique_keys(entries: list[Any], key: str) -> bool:
    if not all(isinstance(entry, dict) and key in entry for entry in entries):
        return False
    return len({repr(entry[key]) for entry in entries}) == len(entries)


def _diff_items(
    original: list[Any], modified: list[Any], current: list[Any], item: Field
) -> Iterable[JsonObject]:
    key, schema = item.patch_merge_key, _inner(item)
    was = {repr(entry[key]): entry for entry in original}
    there = {repr(entry[key]): entry for entry in current}
    wanted = {repr(entry[key]) for entry in modified}
    for entry in modified:
        identity = repr(entry[key])
        if identity not in there:
            yield entry
            continue
        inner = _diff_map(was.get(identity, {}), entry, there[identity], schema)
        if inner:
            yield {**_with_retained(inner, entry, item), key: entry[key]}
    for identity, entry in was.items():
        if identity not in wanted and identity in there:
            yield {key: entry[key], _PATCH: "delete"}
