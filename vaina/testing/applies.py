"""Server-side apply for the fake apiserver: what is applied, merged into what is there. Called by `apiserver`.

Of other writes the fake keeps no owners: conflicts come between those who apply.
"""

from typing import Any

from vaina.api.meta.v1 import request_pb2
from vaina.errors import BadRequest, Invalid
from vaina.kinds import Kind
from vaina.objects import field_path
from vaina.objects.managed_fields.entries import read_entries, write_entries
from vaina.objects.managed_fields.field_set import FieldSet, field
from vaina.objects.managed_fields.manager import FieldManager
from vaina.objects.manifest import decode_dict, to_dict
from vaina.objects.schema import schema_of
from vaina.objects.tree import TextError
from vaina.objects.yaml_text import parse_yaml


def applied(kind: Kind[Any], old: Any | None, request: request_pb2.PatchRequest, now: float) -> Any:
    """Return what an apply makes of an object, or of none. Raises Conflict, BadRequest, Invalid."""
    if not request.options.field_manager:
        wrong = field_path.required("fieldManager", "is required for apply patch")
        raise Invalid.of("PatchOptions", "", [wrong], group="meta.k8s.io")
    live = kind.message()
    if old is not None:
        live.CopyFrom(old)
    managed = read_entries(live.metadata.managed_fields)
    live.metadata.ClearField("managed_fields")
    made, owners = _manager(kind, request.subresource).apply(
        to_dict(kind, live), _read(request.patch), managed, request.options.field_manager,
        force=request.options.force, now=int(now),
    )  # fmt: skip
    new: Any = decode_dict(made, kind=kind, strict=False).message
    new.metadata.managed_fields.extend(write_entries(owners))
    return new


def _manager(kind: Kind[Any], subresource: str) -> FieldManager:
    names = schema_of(kind.message.DESCRIPTOR).by_json.keys() - {"metadata", "status"}
    reset = FieldSet.of(*((field(name),) for name in (names if subresource else ("status",))))
    return FieldManager(kind, subresource, lambda fields: fields.without(reset))


def _read(text: str) -> dict[str, Any]:
    try:
        documents = parse_yaml(text)
    except TextError as error:
        raise BadRequest(f"error decoding patch: {error}") from error
    if not documents or not isinstance(documents[0][0], dict):
        raise BadRequest("error decoding patch: an object is expected")
    found: dict[str, Any] = documents[0][0]
    return found
