"""A write of some fields of a status, as a strategic merge patch. Pure.

Our components send the fields that they own with a mask (decision 003), which Kubernetes' API does not have. A
patch of the sub-resource status means the same there: conditions merge by type, amounts by name, all other
fields are replaced (apimachinery `pkg/util/strategicpatch/patch.go`).
"""

from collections.abc import Sequence
from typing import Any, Final

from google.protobuf.message import Message

from vaina.objects.encode import message_to_dict
from vaina.objects.schema import Field, Shape, schema_of
from vaina.objects.tree import compact_json

_CONDITIONS: Final = "conditions"
_PATCH: Final = "$patch"


def status_patch(sent: Message, mask: Sequence[str]) -> bytes:
    """Return the patch that writes the fields of a status that the mask names (snake_case), as JSON.

    The object's uid goes with it as a precondition where it is set.
    """
    tree = message_to_dict(sent)
    status: Any = tree.get("status") or {}
    descriptor: Any = sent.DESCRIPTOR.fields_by_name["status"].message_type
    names = [descriptor.fields_by_name[path].json_name for path in mask]
    fields = schema_of(descriptor).by_json
    patch = {name: _value(status.get(name), fields[name]) for name in names}
    for name in names:
        if fields[name].is_map and fields[name].shape is Shape.QUANTITY:
            amounts = getattr(sent.status, fields[name].name)  # type: ignore[attr-defined]  # it has a status
            # One without a number is to go (`apiserver.registry.status`).
            patch[name] = (patch[name] or {}) | {key: None for key in amounts if not amounts[key].string}
    uid: str = sent.metadata.uid  # type: ignore[attr-defined]  # every kind has metadata
    precondition = {"metadata": {"uid": uid}} if uid else {}
    return compact_json(precondition | {"status": patch})


def _value(value: Any, field: Field) -> Any:
    if value is None:
        return None
    if field.json_name == _CONDITIONS:
        return [_condition(item) for item in value]
    if field.is_map:
        return value
    # What is merged otherwise would keep what is no longer there.
    if field.is_list:
        return [*value, {_PATCH: "replace"}] if "merge" in field.patch_strategy else value
    return {**value, _PATCH: "replace"} if isinstance(value, dict) else value


def _condition(item: dict[str, Any]) -> dict[str, Any]:
    """A condition that is sent without a status is to go (decision 122)."""
    return item if item.get("status") else {"type": item.get("type", ""), _PATCH: "delete"}
