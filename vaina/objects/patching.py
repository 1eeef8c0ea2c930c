"""JSON patch, merge patch and strategic merge patch on objects. PURE.

Follows apiserver `endpoints/handlers/patch.go`: a patch is read once and may be applied again, on conflict.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from google.protobuf.message import Message

from vaina.errors import BadRequest, Invalid, TooLarge
from vaina.kinds import Kind
from vaina.objects.json_patch import PatchError, apply_operations, read_operations
from vaina.objects.manifest import decode_dict, to_dict
from vaina.objects.strategic_merge import json_merge, strategic_merge
from vaina.objects.tree import TextError, in_order, parse_one
from vaina.quoting import go_quote

JSON_PATCH: Final = "application/json-patch+json"
MERGE_PATCH: Final = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH: Final = "application/strategic-merge-patch+json"
#: server-side apply, which is no patch of this module (`vaina.objects.managed_fields`)
APPLY_PATCH: Final = "application/apply-patch+yaml"
_TYPES: Final = (JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH)

#: values of fieldValidation that are not strict
_WARN: Final = "Warn"
_IGNORE: Final = "Ignore"
_MAX_OPERATIONS: Final = 10_000
#: of a JSON patch that does not fit (apimachinery `pkg/api/errors`, NewGenericServerResponse)
_REJECTED: Final = "the server rejected our request due to an error in our request"

#: an object as a dict -> the patched one
Patch = Callable[[dict[str, Any]], dict[str, Any]]


def read_patch(
    kind: Kind[Any], patch_type: str, text: str, warn: Callable[[str], None], *, validation: str = ""
) -> Patch:
    """Return a patch in JSON text as a function.

    Duplicate members are an error (`validation` Strict), are told to `warn` (Warn, or empty), or are left out
    (Ignore). Raises BadRequest: it cannot be read, or is of no known type; TooLarge: it has too many
    operations.
    """
    if patch_type not in _TYPES:
        raise BadRequest(
            "the body of the request was in an unknown format - accepted media types include: "
            + ", ".join((*_TYPES, APPLY_PATCH))
        )
    try:
        patch: Any = parse_one(text.encode())
    except (TextError, UnicodeEncodeError) as error:
        raise BadRequest(f"error decoding patch: {error}") from error
    if patch_type == JSON_PATCH and isinstance(patch, list) and len(patch) > _MAX_OPERATIONS:
        raise TooLarge(
            "Request entity too large: The allowed maximum operations in a JSON patch is "
            f"{_MAX_OPERATIONS}, got {len(patch)}"
        )
    mistakes = [f"duplicate field {go_quote(name)}" for name in _duplicates(patch)]
    if mistakes:
        patch = _plain(patch)
    made: Patch
    if patch_type == JSON_PATCH:
        made, unknown = _json_patch(patch, warn)
        mistakes = [f"json patch {words}" for words in (*mistakes, *unknown)]
    elif not isinstance(patch, dict):
        raise BadRequest("error decoding patch: an object is expected")
    elif patch_type == MERGE_PATCH:

        def made(current: dict[str, Any]) -> dict[str, Any]:
            return _object(json_merge(current, patch))
    else:

        def made(current: dict[str, Any]) -> dict[str, Any]:
            return strategic_merge(kind, current, patch)

    _tell(mistakes, warn, validation)
    return made


def _tell(mistakes: list[str], warn: Callable[[str], None], validation: str) -> None:
    if mistakes and validation in ("", _WARN):
        for words in mistakes:
            warn(words)
    elif mistakes and validation != _IGNORE:
        raise BadRequest(f"error decoding patch: strict decoding error: {', '.join(mistakes)}")


def _duplicates(value: Any, path: str = "") -> Iterator[str]:
    """Give the paths of members that stand twice, in the order of the text. The depth of a text is bounded."""
    if isinstance(value, dict):
        for name, inner, again in in_order(value):
            if again:
                yield f"{path}.{name}".removeprefix(".")
            else:
                yield from _duplicates(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _duplicates(inner, f"{path}[{index}]")


def apply_patch(
    kind: Kind[Any], patch: Patch, current: Message, warn: Callable[[str], None], *, strict: bool = True
) -> Message:
    """Return the patched object; unknown fields are errors, or unless strict are dropped and told to `warn`.

    Raises BadRequest: the result is no object of the kind; Invalid: the patch does not fit.
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


def _plain(value: Any) -> Any:
    """Forget what stood twice: it has been told, and is not to be told again of the result."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


def _json_patch(tree: Any, warn: Callable[[str], None]) -> tuple[Patch, list[str]]:
    try:
        operations, unknown = read_operations(tree)
    except PatchError as error:
        raise BadRequest(f"error decoding patch: {error}") from error

    def apply(current: dict[str, Any]) -> dict[str, Any]:
        try:
            return _object(apply_operations(operations, current))
        except PatchError as error:
            # Upstream says no more than this (`applyJSPatch`).
            warn(str(error))
            raise Invalid(_REJECTED) from error

    return apply, unknown


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadRequest("the patch makes something that is no object")
    return value
