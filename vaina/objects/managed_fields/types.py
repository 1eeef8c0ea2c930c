"""What the values of a kind are to server-side apply: what is merged, and what is one value.

Compiled once from descriptors and their options: lists are maps (their items have keys), sets, or one value;
structs and maps are merged, or one value. Upstream has the same of its OpenAPI schema (kube-openapi
`pkg/schemaconv`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from functools import cache
from types import MappingProxyType
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from vaina.api.options.v1 import options_pb2
from vaina.kinds import Kind
from vaina.objects.schema import Field, Shape, Unset, schema_of


class Form(Enum):
    """What a value is."""

    SCALAR = auto()
    LIST = auto()
    #: a struct, or a map of any keys
    MAP = auto()
    #: a JSON value of any form
    ANY = auto()


@dataclass(frozen=True, slots=True)
class Type:
    """The type of a value."""

    form: Form
    #: of a SCALAR: string, numeric, boolean, untyped
    scalar: str = ""
    #: the whole is one value
    atomic: bool = False
    #: of a struct, by JSON name
    fields: "Mapping[str, Type]" = field(default_factory=lambda: MappingProxyType({}))
    #: of a list's items, of a map's values
    element: "Type | None" = None
    #: JSON names of the keys of a list's items; of a set none
    keys: tuple[str, ...] = ()
    #: what a key is where an item leaves it out
    key_defaults: Mapping[str, str | int] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def is_leaf(self) -> bool:
        """Whether nothing inside has an owner of its own."""
        return self.atomic or self.form is Form.SCALAR

    def of(self, name: str) -> "Type | None":
        """Return the type of a field or of a map's entry; None: there is no such field."""
        return self.fields.get(name) or self.element


_UNTYPED: Final = Type(Form.SCALAR, "untyped")
_ANY: Final = Type(Form.ANY, atomic=True)
STRING: Final = Type(Form.SCALAR, "string")
_NUMBER: Final = Type(Form.SCALAR, "numeric")
_VALUES: Final[Mapping[Shape, Type]] = {
    Shape.STRING: STRING, Shape.BYTES: STRING, Shape.BOOL: Type(Form.SCALAR, "boolean"), Shape.INT32: _NUMBER,
    Shape.INT64: _NUMBER, Shape.QUANTITY: _UNTYPED, Shape.INT_OR_STRING: _UNTYPED, Shape.TIME: _UNTYPED,
    Shape.MICRO_TIME: _UNTYPED, Shape.RAW: _ANY, Shape.TEXTS: Type(Form.LIST, atomic=True, element=STRING),
    Shape.DURATION: _UNTYPED,
}  # fmt: skip
_ZEROS: Final[Mapping[Shape, str | int]] = {Shape.STRING: "", Shape.INT32: 0, Shape.INT64: 0}


def type_of(kind: Kind[Any]) -> Type:
    """Return the type of a kind's objects."""
    return _of_object(kind.message.DESCRIPTOR)


@cache  # one entry a kind
def _of_object(descriptor: Descriptor) -> Type:
    return Type(Form.MAP, fields={"apiVersion": STRING, "kind": STRING, **_of_message(descriptor).fields})


@cache  # as many entries as there are message types
def _of_message(descriptor: Descriptor) -> Type:
    atomic = bool(_options(descriptor)[options_pb2.atomic_message])
    fields = {name: _of_field(descriptor, item) for name, item in schema_of(descriptor).by_json.items()}
    return Type(Form.MAP, atomic=atomic, fields=fields)


def _options(descriptor: Descriptor | FieldDescriptor) -> Any:
    # The generated stubs give extensions no types of their own.
    return descriptor.GetOptions().Extensions


def _descriptor(outer: Descriptor, item: Field) -> FieldDescriptor:
    for name in item.via:
        inner = outer.fields_by_name[name].message_type
        assert inner is not None
        outer = inner
    return outer.fields_by_name[item.name]


def _of_field(outer: Descriptor, item: Field) -> Type:
    options = _options(_descriptor(outer, item))
    element = _value(item)
    if item.is_list:
        return _list_type(item, element, options)
    if item.is_map:
        return Type(Form.MAP, atomic=options[options_pb2.atomic], element=element)
    if options[options_pb2.atomic] or options[options_pb2.granular]:
        return replace(element, atomic=options[options_pb2.atomic])
    return element


def _value(item: Field) -> Type:
    if item.shape is not Shape.MESSAGE:
        return _VALUES[item.shape]
    assert item.message is not None
    return _of_message(item.message)


def _list_type(item: Field, element: Type, options: Any) -> Type:
    keys = tuple(options[options_pb2.list_map_key])
    defaults: dict[str, str | int] = {}
    if keys:
        assert item.message is not None
        fields = schema_of(item.message).by_json
        defaults = {
            name: default for name in keys if (default := _key_default(item, fields[name])) is not None
        }
    atomic = options[options_pb2.list_type] not in ("map", "set")
    return Type(Form.LIST, atomic=atomic, element=element, keys=keys, key_defaults=defaults)


def _key_default(item: Field, key: Field) -> str | int | None:
    """Return what a key is where an item leaves it out; a field that JSON always shows is zero then."""
    assert item.message is not None
    given: str = _options(_descriptor(item.message, key))[options_pb2.list_key_default]
    return given or (_ZEROS.get(key.shape) if key.unset is Unset.ZERO else None)
