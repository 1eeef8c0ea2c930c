"""JSON patch, merge patch and strategic merge patch on objects. Pure; called by `store`.

Follows apiserver `endpoints/handlers/patch.go`: a patch is read once and may be applied several times, on conflict.
"""

from collections.abc import Callable
from typing import Any, Final

import jsonpatch
import msgspec
from google.protobuf.message import Message

from vaina.errors import BadRequest, Invalid
from vaina.kinds import Kind
from vaina.objects import field_path
from vaina.objects.manifest import decode_dict, to_dict
from vaina.objects.strategic_merge import json_merge, strategic_merge

JSON_PATCH: Final = "application/json-patch+json"
MERGE_PATCH: Final = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH: Final = "application/strategic-merge-patch+json"
TYPES: Final = (JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH)

#: a JSON patch may copy: without a bound a small one makes a large object
_MAX_OPERATIONS: Final = 10_000

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


def apply_patch(kind: Kind[Any], patch: Patch, current: Message, warn: Callable[[str], None]) -> Message:
    """Return the patched object.

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
    decoded = decode_dict(patched, kind=kind)
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
        patch = jsonpatch.JsonPatch(operations)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError, KeyError) as error:
        raise BadRequest(f"error decoding patch: {error}") from error

    def apply(current: dict[str, Any]) -> dict[str, Any]:
        try:
            return _object(patch.apply(current))
        except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError, KeyError) as error:
            wrong = field_path.invalid("patch", str(error), "the patch cannot be applied")
            name = current.get("metadata", {}).get("name", "")
            raise Invalid.of(kind.kind, name, [wrong], group=kind.group) from error

    return apply


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadRequest("the patch makes something that is no object")
    return value
