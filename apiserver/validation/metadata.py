"""Rules for metadata: names, labels, annotations, owners, finalizers, and what an update may not change.

Called for every kind. Follows apimachinery's `api/validation/objectmeta.go` and `meta/v1/validation`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from vaina.api.meta.v1 import meta_pb2
from vaina.errors import FieldError
from vaina.objects import names
from vaina.objects.field_path import Path, forbidden, invalid, required, too_long
from vaina.objects.times import format_time
from vaina.quoting import go_quote

Errors = list[FieldError]
NameRule = Callable[[str], names.Problems]

NEGATIVE: Final = "must be greater than or equal to 0"
NOT_POSITIVE: Final = "must be greater than zero"
IMMUTABLE: Final = "field is immutable"
METADATA: Final = Path("metadata")

_MAX_ANNOTATIONS_BYTES: Final = 256 * 1024
_MAX_MANAGER_BYTES: Final = 128
_MAX_SUBRESOURCE_BYTES: Final = 256
#: each violation of a second controller shows the owners: of so many, in so many violations (upstream has no
#: bound here)
_MAX_CONTROLLERS_TOLD: Final = 16
_MAX_OWNERS_SHOWN: Final = 64
_STANDARD_FINALIZERS: Final = frozenset({"kubernetes", "orphan", "foregroundDeletion"})


class _Nowhere(Path):
    """A path that goes nowhere, for finding out whether there is anything to report at all."""

    __slots__ = ()

    def child(self, *names: str) -> Path:
        return self

    def index(self, index: int) -> Path:
        return self

    def key(self, key: str) -> Path:
        return self


#: Nearly all objects are in order, and a third of the time of a check would go into paths that nobody reads
#: (a rich Pod makes 93): Pods are checked with this one first, and again with true paths if it finds anything
#: (30 instead of 41 us for a small Pod, 139 instead of 200 us for a rich one, CPython 3.11).
NOWHERE: Final[Path] = _Nowhere()


def check_text(errors: Errors, path: Path, value: str, rule: NameRule) -> None:
    """Report every problem that a rule finds with a text."""
    if problems := rule(value):
        errors.extend(invalid(path, value, problem) for problem in problems)


def check_non_negative(errors: Errors, path: Path, value: int) -> None:
    """Report a negative number."""
    if value < 0:
        errors.append(invalid(path, value, NEGATIVE))


def check_immutable(errors: Errors, path: Path, new: object, old: object) -> None:
    """Report a value that an update may not change; messages are compared by their fields."""
    if new != old:
        errors.append(invalid(path, new, IMMUTABLE))


def check_label_name(errors: Errors, path: Path, key: str) -> None:
    """Report a bad label key."""
    check_text(errors, path, key, names.qualified_name)


def check_labels(errors: Errors, path: Path, labels: Mapping[str, str]) -> None:
    """Report bad keys and values of labels, in the order of the keys."""
    for key in sorted(labels) if len(labels) > 1 else labels:
        check_label_name(errors, path, key)
        check_text(errors, path, labels[key], names.label_value)


def check_annotations(errors: Errors, path: Path, annotations: Mapping[str, str]) -> None:
    """Report bad keys of annotations, and annotations that are too large together."""
    total = 0
    for key in sorted(annotations):
        errors.extend(invalid(path, key, problem) for problem in names.qualified_name(key.lower()))
        total += names.size(key) + names.size(annotations[key])
    if total > _MAX_ANNOTATIONS_BYTES:
        errors.append(too_long(path, _MAX_ANNOTATIONS_BYTES))


def check_finalizer_name(errors: Errors, path: Path, name: str) -> None:
    """Report a finalizer without a domain that is none of the standard ones."""
    if "/" not in name and name not in _STANDARD_FINALIZERS:
        errors.append(
            invalid(path, name, "name is neither a standard finalizer name nor is it fully qualified")
        )


def check_create(
    meta: meta_pb2.ObjectMeta, rule: NameRule, *, namespaced: bool, at: Path = METADATA
) -> Errors:
    """Check the metadata of a new object, whose name has been generated if need be."""
    errors: Errors = []
    if meta.generate_name:
        checked = names.generated(meta.generate_name)
        errors.extend(
            invalid(at.child("generateName"), meta.generate_name, problem) for problem in rule(checked)
        )
    if not meta.name:
        errors.append(required(at.child("name"), "name or generateName is required"))
    else:
        check_text(errors, at.child("name"), meta.name, rule)
    _check_namespace(errors, at.child("namespace"), meta, namespaced=namespaced)
    if meta.generation < 0:
        check_non_negative(errors, at.child("generation"), meta.generation)
    _check_common(errors, at, meta)
    return errors


def _check_namespace(errors: Errors, path: Path, meta: meta_pb2.ObjectMeta, *, namespaced: bool) -> None:
    if not namespaced:
        if meta.namespace:
            errors.append(forbidden(path, "not allowed on this type"))
    elif not meta.namespace:
        errors.append(required(path))
    else:
        check_text(errors, path, meta.namespace, names.dns_1123_label)


def _check_common(errors: Errors, at: Path, meta: meta_pb2.ObjectMeta) -> None:
    if meta.labels:
        check_labels(errors, at.child("labels"), meta.labels)
    if meta.annotations:
        check_annotations(errors, at.child("annotations"), meta.annotations)
    if meta.owner_references:
        _check_owners(errors, at.child("ownerReferences"), meta.owner_references)
    if meta.finalizers:
        _check_finalizers(errors, at.child("finalizers"), list(meta.finalizers))
    if meta.managed_fields:
        _check_managed_fields(errors, at.child("managedFields"), meta.managed_fields)


def _check_owners(errors: Errors, path: Path, owners: Sequence[meta_pb2.OwnerReference]) -> None:
    first_controller = ""
    told = 0
    for index, owner in enumerate(owners):
        at = path.index(index)
        group, slash, version = owner.api_version.rpartition("/")
        if not owner.api_version:
            errors.append(required(at.child("apiVersion"), "must not be empty"))
        elif not version or "/" in group:
            errors.append(
                invalid(at.child("apiVersion"), owner.api_version, "must be <group>/<version> or <version>")
            )
        for field, value in (("kind", owner.kind), ("name", owner.name), ("uid", owner.uid)):
            if not value:
                errors.append(required(at.child(field), "must not be empty"))
        if not group and not slash and version == "v1" and owner.kind == "Event":
            errors.append(invalid(at, _shown(owner), "/v1, Kind=Event is disallowed from being an owner"))
        if owner.controller:
            controller = f"{owner.kind}/{owner.name}"
            if first_controller and told < _MAX_CONTROLLERS_TOLD:
                told += 1
                detail = (
                    'Only one reference can have Controller set to true. Found "true" in references for '
                    f"{first_controller} and {controller}"
                )
                errors.append(invalid(path, [_shown(each) for each in owners[:_MAX_OWNERS_SHOWN]], detail))
            first_controller = first_controller or controller


def _shown(owner: meta_pb2.OwnerReference) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "apiVersion": owner.api_version, "kind": owner.kind, "name": owner.name, "uid": owner.uid,
    }  # fmt: skip
    if owner.HasField("controller"):
        shown["controller"] = owner.controller
    if owner.HasField("block_owner_deletion"):
        shown["blockOwnerDeletion"] = owner.block_owner_deletion
    return shown


def _check_finalizers(errors: Errors, path: Path, finalizers: list[str]) -> None:
    for name in finalizers:
        check_text(errors, path, name, names.qualified_name)
    if "orphan" in finalizers and "foregroundDeletion" in finalizers:
        detail = "finalizer orphan and foregroundDeletion cannot be both set"
        errors.append(invalid(path, finalizers, detail))
    for index, name in enumerate(finalizers):
        check_finalizer_name(errors, path.index(index), name)


def _check_managed_fields(
    errors: Errors, managed: Path, entries: Iterable[meta_pb2.ManagedFieldsEntry]
) -> None:
    for index, entry in enumerate(entries):
        path = managed.index(index)
        if entry.operation not in {"Apply", "Update"}:
            errors.append(invalid(path.child("operation"), entry.operation, "must be `Apply` or `Update`"))
        if entry.fields_type not in {"", "FieldsV1"}:
            errors.append(invalid(path.child("fieldsType"), entry.fields_type, "must be `FieldsV1`"))
        check_field_manager(errors, path.child("manager"), entry.manager)
        if names.size(entry.subresource) > _MAX_SUBRESOURCE_BYTES:
            errors.append(too_long(path.child("subresource"), _MAX_SUBRESOURCE_BYTES))


def check_field_manager(errors: Errors, path: Path, manager: str) -> None:
    """Check the name under which a client's fields are kept."""
    if names.size(manager) > _MAX_MANAGER_BYTES:
        errors.append(too_long(path, _MAX_MANAGER_BYTES))
    position = 0
    for char in manager:
        if not char.isprintable():
            detail = f"invalid character U+{ord(char):04X} (at position {position})"
            errors.append(invalid(path, manager, detail))
        position += names.size(char)


#: what no update may change, with the name in manifests
_IMMUTABLE_FIELDS: Final = (("name", "name"), ("namespace", "namespace"), ("uid", "uid"))
_IMMUTABLE_OPTIONAL_FIELDS: Final = (
    ("creation_timestamp", "creationTimestamp"),
    ("deletion_timestamp", "deletionTimestamp"),
    ("deletion_grace_period_seconds", "deletionGracePeriodSeconds"),
)


def check_update(new: meta_pb2.ObjectMeta, old: meta_pb2.ObjectMeta) -> Errors:
    """Check the metadata of an update.

    Whether a resourceVersion is given and current is the registry's business, which also fills in what a
    client left out (uid, creationTimestamp), as upstream's does before it validates.
    """
    errors: Errors = []
    if old.HasField("deletion_timestamp"):
        _check_no_new_finalizers(errors, new, old)
    if new.generation < old.generation:
        errors.append(invalid(METADATA.child("generation"), new.generation, "must not be decremented"))
    for field, shown in _IMMUTABLE_FIELDS:
        check_immutable(errors, METADATA.child(shown), getattr(new, field), getattr(old, field))
    for field, shown in _IMMUTABLE_OPTIONAL_FIELDS:
        check_immutable(errors, METADATA.child(shown), _optional(new, field), _optional(old, field))
    _check_common(errors, METADATA, new)
    return errors


def _optional(message: Message, field: str) -> object:
    """Return a field's value, or None when it is unset; a Time as text, where a zero one is unset too."""
    if not message.HasField(field):
        return None
    value = getattr(message, field)
    return format_time(value) if isinstance(value, Timestamp) else value


def _check_no_new_finalizers(errors: Errors, new: meta_pb2.ObjectMeta, old: meta_pb2.ObjectMeta) -> None:
    extra = sorted(set(new.finalizers) - set(old.finalizers))
    if extra:
        shown = ", ".join(go_quote(name) for name in extra)
        detail = (
            "no new finalizers can be added if the object is being deleted, found new finalizers "
            f"[]string{{{shown}}}"
        )
        errors.append(forbidden(METADATA.child("finalizers"), detail))
