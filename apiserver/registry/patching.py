"""JSON patch, merge patch and strategic merge patch on objects. Pure; called by `store`.

Follows apiserver `endpoints/handlers/patch.go`: a patch is read once and may be applied several times, on conflict.
"""

from collections.abc import Callable
from typing import Any, Final

import jsonpatch
import msgspec
from google.protobuf.message import Message
from jsonpointer import resolve_pointer

from vaina.errors import BadRequest, Invalid
from vaina.kinds import Kind
from vaina.objects import field_path
from vaina.objects.manifest import decode_dict, to_dict
from vaina.objects.strategic_merge import json_merge, strategic_merge
from vaina.objects.tree import compact_json

JSON_PATCH: Final = "application/json-patch+json"
MERGE_PATCH: Final = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH: Final = "application/strategic-merge-patch+json"
TYPES: Final = (JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH)

_MAX_OPERATIONS: Final = 10_000
#: bytes that the copies of a JSON patch may add: without a bound sixty operations that double make an exabyte.
#: Upstream's limit, that of a request.
_MAX_COPIED: Final = 3 * 1024 * 1024
#: what the library raises when an operation does not fit the object
_MISFITS: Final = (
    jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError, KeyError, IndexError, RecursionError
)  # fmt: skip

#: an object as a dict -> the patched one
Patch = Callable[[dict[str, Any]], dict[str, Any]]


def read_patch(kind: Kind[Any], patch_type: str, text: str) -> Patch:
    """Return the patch as a function.

    Raises:
        BadRequest: it cannot be read, or is of no known type.
    """
    if patch_type not in TYPES:
        raise BadRequest(
            "the body of the request was in an unknown format - accepted media types include: "
            + ", ".join(TYPES)
        )
    try:
        patch: Any = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadRequest(f"error decoding patch: {error}") from error
    if patch_type == JSON_PATCH:
        return _json_patch(kind, patch)
    if not isinstance(patch, dict):
        raise BadRequest("error decoding patch: an object is expected")
    if patch_type == MERGE_PATCH:
        return lambda current: _object(json_merge(current, patch))
    return lambda current: strategic_merge(kind, current, patch)


def apply_patch(
    kind: Kind[Any], patch: Patch, current: Message, warn: Callable[[str], None], *, strict: bool = True
) -> Message:
    """Return the patched object.

    Args:
        kind: of the object.
        patch: what `read_patch` made.
        current: the object as it is.
        warn: is told of what was dropped.
        strict: unknown fields are errors; otherwise they are dropped, with a warning.

    Raises:
        BadRequest: the result is no object of the kind.
        Invalid: the patch does not fit.
    """
    patched = patch(to_dict(kind, current))
    if (patched.get("apiVersion"), patched.get("kind")) != (kind.api_version, kind.kind):
        raise BadRequest(
            f"the API version in the data ({patched.get('apiVersion')}, {patched.get('kind')}) "
            f"does not match the expected API version ({kind.api_version}, {kind.kind})"
        )
    decoded = decode_dict(patched, kind=kind, strict=strict)
    for warning in decoded.warnings:
        warn(warning)
    return decoded.message


def _json_patch(kind: Kind[Any], operations: Any) -> Patch:
    if not isinstance(operations, list):
        raise BadRequest("error decoding patch: a list of operations is expected")
    if len(operations) > _MAX_OPERATIONS:
        raise BadRequest(
            f"The allowed maximum operations in a JSON patch is {_MAX_OPERATIONS}, got {len(operations)}"
        )
    try:
        steps = [(operation, jsonpatch.JsonPatch([operation])) for operation in operations]
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError, KeyError) as error:
        raise BadRequest(f"error decoding patch: {error}") from error

    def apply(current: dict[str, Any]) -> dict[str, Any]:
        document: Any = current
        copied = 0
        for operation, step in steps:
            try:
                if operation["op"] == "copy":
                    copied += _copied_size(document, operation["from"])
                document = step.apply(document, in_place=True)
            except _MISFITS as error:
                name = current.get("metadata", {}).get("name", "")
                wrong = field_path.invalid("patch", _misfit(operation), "the patch cannot be applied")
                raise Invalid.of(kind.kind, name, [wrong], group=kind.group) from error
            if copied > _MAX_COPIED:
                raise BadRequest(
                    f"Unable to complete the copy, the accumulated size increase of copy is {copied}, "
                    f"exceeding the limit {_MAX_COPIED}"
                )
        return _object(document)

    return apply


def _copied_size(document: Any, pointer: str) -> int:
    """Return how much a copy adds, before it is made. Raises JsonPointerException when there is nothing."""
    return len(compact_json(resolve_pointer(document, pointer)))


def _misfit(operation: Any) -> str:
    """Say why an operation does not fit, without a word of the object: it may be a Secret."""
    path, source = operation["path"], operation.get("from", "")
    match operation["op"]:
        case "test":
            return f"testing value {path} failed: test failed"
        case "remove":
            key = path.rpartition("/")[2]
            return (
                f"error in remove for path: '{path}': Unable to remove nonexistent key: {key}: missing value"
            )
        case "replace":
            return f"replace operation does not apply: doc is missing key: {path}: missing value"
        case "add":
            return f'add operation does not apply: doc is missing path: "{path}": missing value'
        case other:
            return f"error in {other} for path: '{source}': missing value"


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadRequest("the patch makes something that is no object")
    return value
