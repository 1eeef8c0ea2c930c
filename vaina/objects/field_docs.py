"""What is said of fields to people: their type in words, whether they are required, and what they are for.

Read by `vaina explain` and by the REST API's documents. The texts are the comments in `protos/`
(`tools/gen_protos.py` makes `vaina/api/descriptions.py` of them), all else comes from the messages and their
options. Types are called as kubectl's explain calls them (kubectl `pkg/explain/v2/templates/plaintext.tmpl`,
typeGuess).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.descriptor import Descriptor

from vaina.api.options.v1 import options_pb2
from vaina.kinds import KINDS, Kind
from vaina.objects.schema import Field, Shape, Unset, schema_of

#: the two fields that a kind has in JSON and not in its message
TYPE_FIELDS: Final = {
    "apiVersion": "The group and version of the form that the object is written in.",
    "kind": "What the object is.",
}
#: messages that are kinds, also where they are part of another one (claims of a StatefulSet)
KIND_OF: Final[dict[str, Kind[Any]]] = {kind.message.DESCRIPTOR.full_name: kind for kind in KINDS}
_TYPES: Final = {
    Shape.STRING: "string", Shape.BOOL: "boolean", Shape.INT32: "integer", Shape.INT64: "integer",
    Shape.BYTES: "string", Shape.TEXTS: "[]string", Shape.QUANTITY: "Quantity", Shape.INT_OR_STRING: "IntOrString",
    Shape.TIME: "string", Shape.MICRO_TIME: "string", Shape.DURATION: "string",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class FieldDoc:
    """One field of a JSON object, for people."""

    name: str
    #: string, []Container, map[string]Quantity
    type: str
    required: bool
    #: empty: nothing is written of it
    text: str
    #: of the value, or of the items of a list or a map; None: it has no fields
    message: Descriptor | None = None


def description(message: str, field: str = "") -> str:
    """Return what is said of a message (by its full name), or of its field (by its JSON name); or nothing."""
    # Imported when it is needed: few need the texts.
    from vaina.api.descriptions import DESCRIPTIONS

    return DESCRIPTIONS.get(message, {}).get(field, "")


def holder(outer: Descriptor, item: Field) -> Descriptor:
    """Return the message that has a field itself: an inlined one, or the outer."""
    found = outer
    for name in item.via:
        inner = found.fields_by_name[name].message_type
        assert inner is not None
        found = inner
    return found


def options(outer: Descriptor, item: Field) -> Any:
    """Return the options of a field. The generated stubs give extensions no types of their own."""
    return holder(outer, item).fields_by_name[item.name].GetOptions().Extensions


def is_required(outer: Descriptor, item: Field) -> bool:
    """Say whether a field has to be there: as its option says, or else what JSON always shows."""
    said: int = options(outer, item)[options_pb2.need]
    if said:
        return said == options_pb2.NEED_REQUIRED
    if item.unset is Unset.HIDDEN or item.shape in (Shape.TIME, Shape.MICRO_TIME):
        return False
    return item.shape is not Shape.MESSAGE or item.is_list or item.is_map


def type_name(item: Field) -> str:
    """Return what a field's type is called."""
    if item.shape in _TYPES:
        name = _TYPES[item.shape]
    else:
        assert item.message is not None
        name = item.message.name
    if item.is_map:
        return f"map[string]{name}"
    return f"[]{name}" if item.is_list else name


def fields_of(message: Descriptor) -> list[FieldDoc]:
    """Return the fields of a message's JSON object by their names, those of inlined messages included."""
    found = [
        FieldDoc(
            name,
            type_name(item),
            is_required(message, item),
            description(holder(message, item).full_name, name),
            item.message if item.shape is Shape.MESSAGE else None,
        )
        for name, item in schema_of(message).by_json.items()
    ]
    if message.full_name in KIND_OF:
        found += [FieldDoc(name, "string", False, text) for name, text in TYPE_FIELDS.items()]
    return sorted(found, key=lambda doc: doc.name)


def find_field(message: Descriptor, path: Sequence[str]) -> FieldDoc | None:
    """Return the field at a path of JSON names; lists and maps are gone through. None: there is none."""
    found: FieldDoc | None = None
    inside: Descriptor | None = message
    for name in path:
        if inside is None:
            return None
        found = next((doc for doc in fields_of(inside) if doc.name == name), None)
        if found is None:
            return None
        inside = found.message
    return found
