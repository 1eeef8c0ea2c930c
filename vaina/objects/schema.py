"""What the codec knows of a message, compiled once from its descriptor and the field options.

A `Schema` tells the JSON name of every field (inlined ones included), its shape, and how an unset field is
shown. Read by `encode`, `decode`, `normalise` and the patch code; the options are in
protos/vaina/api/options/v1/options.proto.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from functools import cache
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from vaina.api.options.v1 import options_pb2


class Shape(Enum):
    """How one value is written in JSON."""

    STRING = auto()
    BOOL = auto()
    INT32 = auto()
    INT64 = auto()
    BYTES = auto()
    MESSAGE = auto()
    QUANTITY = auto()
    INT_OR_STRING = auto()
    TIME = auto()
    MICRO_TIME = auto()
    #: bytes that are a JSON value: FieldsV1, RawExtension
    RAW = auto()
    #: a message that JSON shows as a list of texts: ExtraValue, Verbs
    TEXTS = auto()
    #: nanoseconds that JSON shows as Go writes durations: 15s
    DURATION = auto()


class Unset(Enum):
    """How JSON shows a field that is unset."""

    HIDDEN = auto()
    NULL = auto()
    #: 0, "", false, "0" or {} by its shape
    ZERO = auto()


_SPECIAL: Final[Mapping[str, Shape]] = {
    "vaina.api.meta.v1.Quantity": Shape.QUANTITY,
    "vaina.api.meta.v1.IntOrString": Shape.INT_OR_STRING,
    "vaina.api.meta.v1.FieldsV1": Shape.RAW,
    "vaina.api.runtime.v1.RawExtension": Shape.RAW,
    "vaina.api.certificates.v1.ExtraValue": Shape.TEXTS,
    "vaina.api.meta.v1.Verbs": Shape.TEXTS,
    "vaina.api.authentication.v1.ExtraValue": Shape.TEXTS,
    "vaina.api.authentication.v1.AttestationValue": Shape.TEXTS,
    "vaina.api.authorization.v1.ExtraValue": Shape.TEXTS,
    "vaina.api.metrics.v1beta1.Duration": Shape.DURATION,
    "google.protobuf.Timestamp": Shape.TIME,
}
_SCALARS: Final[Mapping[int, Shape]] = {
    FieldDescriptor.TYPE_STRING: Shape.STRING,
    FieldDescriptor.TYPE_BOOL: Shape.BOOL,
    FieldDescriptor.TYPE_INT32: Shape.INT32,
    FieldDescriptor.TYPE_UINT32: Shape.INT64,
    FieldDescriptor.TYPE_INT64: Shape.INT64,
    FieldDescriptor.TYPE_BYTES: Shape.BYTES,
}
_GO_NAMES: Final[Mapping[Shape, str]] = {
    Shape.STRING: "string", Shape.BOOL: "bool", Shape.INT32: "int32", Shape.INT64: "int64", Shape.BYTES: "[]uint8",
    Shape.QUANTITY: "resource.Quantity", Shape.INT_OR_STRING: "intstr.IntOrString", Shape.TIME: "v1.Time",
    Shape.MICRO_TIME: "v1.MicroTime", Shape.RAW: "runtime.RawExtension",
    Shape.TEXTS: "v1.ExtraValue", Shape.DURATION: "v1.Duration",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Field:
    """One field as JSON sees it."""

    name: str
    number: int
    json_name: str
    shape: Shape
    #: of the value: of an item in a list, of an entry in a map
    message: Descriptor | None
    is_list: bool
    is_map: bool
    inline: bool
    unset: Unset
    #: upstream has a struct here, not a pointer: empty and unset are the same
    is_struct: bool
    #: names of the inlined messages between the outer one and this field
    via: tuple[str, ...] = ()
    patch_strategy: tuple[str, ...] = ()
    patch_merge_key: str = ""

    @property
    def go_type(self) -> str:
        """The type as upstream's decoding errors name it: []v1.Container, map[string]string."""
        name = (
            f"v1.{self.message.name}"
            if self.shape is Shape.MESSAGE and self.message
            else _GO_NAMES[self.shape]
        )
        if self.is_map:
            return f"map[string]{name}"
        return f"[]{name}" if self.is_list else name


@dataclass(frozen=True, slots=True)
class Schema:
    """A message as JSON sees it."""

    #: the short name, as in errors: Container
    name: str
    descriptor: Descriptor
    #: the message's own fields, by number
    by_number: Mapping[int, Field]
    #: all fields that stand in its JSON object, inlined ones included
    by_json: Mapping[str, Field]
    #: own fields that JSON shows, or looks into, when they are unset
    shown_unset: tuple[Field, ...] = field(default=())


def _shape(descriptor: FieldDescriptor, *, micro: bool) -> Shape:
    if descriptor.message_type is None:
        return _SCALARS[descriptor.type]
    special = _SPECIAL.get(descriptor.message_type.full_name, Shape.MESSAGE)
    return Shape.MICRO_TIME if special is Shape.TIME and micro else special


def _compile_field(descriptor: FieldDescriptor) -> Field:
    # The generated stubs give extensions no types of their own.
    options: Any = descriptor.GetOptions().Extensions
    always, nullable = options[options_pb2.always], options[options_pb2.nullable]
    inline, omitzero = options[options_pb2.inline], options[options_pb2.omitzero]
    is_map = descriptor.message_type is not None and descriptor.message_type.GetOptions().map_entry
    is_list = descriptor.is_repeated and not is_map
    value = descriptor
    if is_map:
        assert descriptor.message_type is not None
        value = descriptor.message_type.fields_by_name["value"]
    shape = _shape(value, micro=options[options_pb2.micro_time])
    is_message = shape not in (Shape.STRING, Shape.BOOL, Shape.INT32, Shape.INT64, Shape.BYTES)
    pointer = descriptor.has_presence and (not is_message or nullable or not (always or omitzero or inline))
    shown_null = pointer or is_list or is_map or shape in (Shape.TIME, Shape.MICRO_TIME, Shape.RAW)
    unset = Unset.HIDDEN
    if always:
        unset = Unset.NULL if shown_null else Unset.ZERO
    return Field(
        name=descriptor.name, number=descriptor.number, json_name=descriptor.json_name, shape=shape,
        message=value.message_type, is_list=is_list, is_map=is_map, inline=inline, unset=unset,
        is_struct=descriptor.has_presence and is_message and not pointer,
        patch_strategy=tuple(options[options_pb2.patch_strategy]),
        patch_merge_key=options[options_pb2.patch_merge_key],
    )  # fmt: skip


def _through(outer: Field, inner: Field) -> Field:
    """Return the inner field as the message sees it that inlines `outer`."""
    return replace(inner, via=(outer.name, *inner.via))


@cache  # as many entries as there are message types
def schema_of(descriptor: Descriptor) -> Schema:
    """Compile a message's schema, once."""
    own = [_compile_field(item) for item in descriptor.fields]
    by_json: dict[str, Field] = {}
    for item in own:
        if not item.inline:
            by_json[item.json_name] = item
            continue
        assert item.message is not None
        for name, inner in schema_of(item.message).by_json.items():
            by_json[name] = _through(item, inner)
    return Schema(
        name=descriptor.name,
        descriptor=descriptor,
        by_number={item.number: item for item in own},
        by_json=by_json,
        shown_unset=tuple(item for item in own if item.inline or item.unset is not Unset.HIDDEN),
    )
