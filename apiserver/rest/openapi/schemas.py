"""PURE: messages as schemas of OpenAPI 3, under the names that upstream gives them.

Follows what a kube-apiserver publishes (kubernetes `api/openapi-spec/v3`, made by kube-openapi
`pkg/builder3`): types, formats, what is required, defaults that are a type's zero, how lists are merged. Of all
this the field options tell (`protos/vaina/api/options/v1/options.proto`).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from google.protobuf.descriptor import Descriptor

from vaina.api.meta.v1 import meta_pb2
from vaina.api.options.v1 import options_pb2
from vaina.kinds import Kind
from vaina.objects.field_docs import KIND_OF, TYPE_FIELDS, holder, is_required, options
from vaina.objects.schema import Field, Shape, Unset, schema_of

#: a schema, or a part of one, as JSON has it
Json = dict[str, Any]
#: (full name of a message, name of a field in JSON, or none for the message) -> what our protos say of it
Describe = Callable[[str, str], str]

_PREFIX: Final = "#/components/schemas/"
#: package below vaina.api -> that of Go; others are below k8s.io/api
_PACKAGES: Final = {
    "meta.v1": "io.k8s.apimachinery.pkg.apis.meta.v1",
    "metrics.v1beta1": "io.k8s.metrics.pkg.apis.metrics.v1beta1",
    "runtime.v1": "io.k8s.apimachinery.pkg.runtime",
    "trace.v1": "dev.vaina.trace.v1",
}
_QUANTITY: Final = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_INT_OR_STRING: Final = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_META: Final = _PACKAGES["meta.v1"]
_LIST_META: Final[Any] = meta_pb2.ListMeta.DESCRIPTOR
_TIME, _MICRO_TIME, _PATCH = f"{_META}.Time", f"{_META}.MicroTime", f"{_META}.Patch"
_DURATION: Final = f"{_META}.Duration"
#: schemas of what is written otherwise than its message says
_SPECIAL: Final[Mapping[str, Json]] = {
    _QUANTITY: {"oneOf": [{"type": "string"}, {"type": "number"}]},
    _INT_OR_STRING: {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]},
    _TIME: {"type": "string", "format": "date-time"},
    _MICRO_TIME: {"type": "string", "format": "date-time"},
    _DURATION: {"type": "string"},
    _PATCH: {"type": "object"},
    f"{_META}.FieldsV1": {"type": "object"},
    f"{_PACKAGES['runtime.v1']}.RawExtension": {"type": "object"},
}
_SCALARS: Final[Mapping[Shape, Json]] = {
    Shape.STRING: {"type": "string"},
    Shape.BOOL: {"type": "boolean"},
    Shape.INT32: {"type": "integer", "format": "int32"},
    Shape.INT64: {"type": "integer", "format": "int64"},
    Shape.BYTES: {"type": "string", "format": "byte"},
    Shape.TEXTS: {"type": "array", "items": {"type": "string"}},
}
_ZEROS: Final[Mapping[Shape, Any]] = {
    Shape.STRING: "", Shape.BOOL: False, Shape.INT32: 0, Shape.INT64: 0, Shape.MESSAGE: {},
}  # fmt: skip
_NAMES: Final = {
    Shape.QUANTITY: _QUANTITY, Shape.INT_OR_STRING: _INT_OR_STRING, Shape.TIME: _TIME, Shape.MICRO_TIME: _MICRO_TIME,
    Shape.DURATION: _DURATION,
}  # fmt: skip


def schema_name(descriptor: Descriptor) -> str:
    """Return the name that upstream has for a message's schema: io.k8s.api.core.v1.Pod."""
    package, _, name = descriptor.full_name.removeprefix("vaina.api.").rpartition(".")
    return f"{_PACKAGES.get(package, f'io.k8s.api.{package}')}.{name}"


def ref(name: str) -> Json:
    """Return the reference to a schema."""
    return {"$ref": f"{_PREFIX}{name}"}


class Schemas:
    """The schemas of one document. Collects those that others need."""

    def __init__(self, describe: Describe) -> None:
        """Make it; `describe` returns descriptions, or nothing."""
        self._describe = describe
        self.found: dict[str, Json] = {}

    def special(self, name: str) -> Json:
        """Return the reference to a schema that no message describes, and have it."""
        self.found[name] = _SPECIAL[name]
        return ref(name)

    def patch(self) -> Json:
        """Return the reference to the schema of a patch."""
        return self.special(_PATCH)

    def kind(self, kind: Kind[Any]) -> Json:
        """Return the reference to the schema of a kind, which has an apiVersion and is told of as one."""
        descriptor = kind.message.DESCRIPTOR
        reference = self.message(descriptor)
        self._name_kind(self.found[schema_name(descriptor)], kind)
        return reference

    def _name_kind(self, schema: Json, kind: Kind[Any]) -> None:
        if "x-kubernetes-group-version-kind" not in schema:
            schema["properties"] = _sorted({**_typed(), **schema.get("properties", {})})
            schema["x-kubernetes-group-version-kind"] = [gvk(kind)]

    def list_of(self, kind: Kind[Any]) -> Json:
        """Return the reference to the schema of a list of a kind."""
        name = f"{schema_name(kind.message.DESCRIPTOR)}List"
        items = {"type": "array", "items": self.kind(kind), "description": "The objects."}
        meta = {
            "allOf": [self.message(_LIST_META)],
            "default": {},
            "description": "What is said of the list.",
        }
        self.found[name] = {
            "type": "object",
            "properties": _sorted({**_typed(), "items": items, "metadata": meta}),
            "required": ["items"],
            "x-kubernetes-group-version-kind": [{**gvk(kind), "kind": f"{kind.kind}List"}],
        }
        return ref(name)

    def message(self, descriptor: Descriptor) -> Json:
        """Return the reference to the schema of a message, and have all schemas that it needs."""
        name = schema_name(descriptor)
        if name in _SPECIAL:
            return self.special(name)
        if name not in self.found:
            # Messages refer to themselves.
            self.found[name] = {}
            self.found[name] = self._of_message(descriptor)
            # Some kinds are part of others: claims of a StatefulSet.
            if kind := KIND_OF.get(descriptor.full_name):
                self._name_kind(self.found[name], kind)
        return ref(name)

    def _of_message(self, descriptor: Descriptor) -> Json:
        schema: Json = {"type": "object"}
        if text := self._describe(descriptor.full_name, ""):
            schema["description"] = text
        fields = schema_of(descriptor).by_json
        if fields:
            schema["properties"] = _sorted(
                {name: self._property(descriptor, fields[name]) for name in fields}
            )
        required = sorted(name for name, item in fields.items() if is_required(descriptor, item))
        if required:
            schema["required"] = required
        own: Any = descriptor.GetOptions().Extensions
        if own[options_pb2.atomic_message]:
            schema["x-kubernetes-map-type"] = "atomic"
        return schema

    def _property(self, outer: Descriptor, item: Field) -> Json:
        value = self._value(item)
        told = options(outer, item)
        more: Json = _merging(item, told)
        if text := self._describe(holder(outer, item).full_name, item.json_name):
            more["description"] = text
        if item.is_list:
            return {"type": "array", "items": value, **more}
        if item.is_map:
            return {"type": "object", "additionalProperties": value, **more}
        if default := told[options_pb2.list_key_default]:
            more["default"] = default
        elif _has_zero(item):
            more["default"] = _ZEROS[item.shape]
        if "$ref" in value and more:
            return {"allOf": [value], **more}
        return {**value, **more}

    def _value(self, item: Field) -> Json:
        scalar = _SCALARS.get(item.shape)
        if scalar is not None:
            return {**scalar}
        if item.shape in _NAMES:
            return self.special(_NAMES[item.shape])
        assert item.message is not None
        return self.message(item.message)


def gvk(kind: Kind[Any]) -> Json:
    """Return the group, version and kind of a kind, as extensions tell of it."""
    return {"group": kind.group, "kind": kind.kind, "version": kind.version}


def _typed() -> Json:
    return {name: {"type": "string", "description": text} for name, text in TYPE_FIELDS.items()}


def _sorted(properties: Json) -> Json:
    return {name: properties[name] for name in sorted(properties)}


def _has_zero(item: Field) -> bool:
    """Say whether a field without a value is its type's zero for those who read the schema."""
    if item.shape is Shape.MESSAGE:
        return item.is_struct
    return item.shape in _ZEROS and item.unset is Unset.ZERO


def _merging(item: Field, told: Any) -> Json:
    """Return what tells how values of a field are merged."""
    found: Json = {}
    keys: Sequence[str] = told[options_pb2.list_map_key]
    if keys:
        found["x-kubernetes-list-map-keys"] = [*keys]
    if told[options_pb2.list_type]:
        found["x-kubernetes-list-type"] = told[options_pb2.list_type]
    if told[options_pb2.atomic] or told[options_pb2.granular]:
        found["x-kubernetes-map-type"] = "atomic" if told[options_pb2.atomic] else "granular"
    if item.patch_merge_key:
        found["x-kubernetes-patch-merge-key"] = item.patch_merge_key
    if item.patch_strategy:
        found["x-kubernetes-patch-strategy"] = ",".join(item.patch_strategy)
    return found


def described(_: str, __: str) -> str:
    """Describe nothing."""
    return ""
