"""Rules for metadata: names, labels, annotations, owners, finalizers, and what an update may not change; for
label selectors and for conditions of the common kind.

Called for every kind. Follows apimachinery's `api/validation/objectmeta.go` and `meta/v1/validation`.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from apiserver.validation.place import Place
from vaina.api.meta.v1 import meta_pb2
from vaina.objects import names
from vaina.objects.times import format_time
from vaina.quoting import go_quote

NameRule = Callable[[str], names.Problems]

_MAX_ANNOTATIONS_BYTES: Final = 256 * 1024
_MAX_MANAGER_BYTES: Final = 128
_MAX_SUBRESOURCE_BYTES: Final = 256
#: each violation of a second controller shows the owners: of so many, in so many violations (upstream has no
#: bound here)
_MAX_CONTROLLERS_TOLD: Final = 16
_MAX_OWNERS_SHOWN: Final = 64
_STATUSES: Final = ("False", "True", "Unknown")
_MAX_REASON: Final = 1024
_MAX_MESSAGE: Final = 32 * 1024
_FORMAT: Final = "[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?"
_REASON = re.compile(_FORMAT, re.ASCII).fullmatch
_RULE: Final = (
    "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters "
    "or '_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName',  or "
    f"'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is '{_FORMAT}')"
)
_STANDARD_FINALIZERS: Final = frozenset({"kubernetes", "orphan", "foregroundDeletion"})


def check_label_name(path: Place, key: str) -> None:
    """Report a bad label key."""
    path.check_value(key, names.qualified_name)


def check_labels(path: Place, labels: Mapping[str, str]) -> None:
    """Report bad keys and values of labels, in the order of the keys."""
    for key in sorted(labels) if len(labels) > 1 else labels:
        check_label_name(path, key)
        path.check_value(labels[key], names.label_value)


def check_label_selector(path: Place, selector: meta_pb2.LabelSelector) -> None:
    """Check a selector's labels and expressions."""
    if selector.match_labels:
        check_labels(path.child("matchLabels"), selector.match_labels)
    if selector.match_expressions:
        _check_expressions(path.child("matchExpressions"), selector.match_expressions)


def _check_expressions(path: Place, expressions: Iterable[meta_pb2.LabelSelectorRequirement]) -> None:
    for index, expression in enumerate(expressions):
        at = path.index(index)
        if expression.operator in {"In", "NotIn"}:
            if not expression.values:
                at.child("values").required("must be specified when `operator` is 'In' or 'NotIn'")
        elif expression.operator in {"Exists", "DoesNotExist"}:
            if expression.values:
                detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                at.child("values").forbidden(detail)
        else:
            at.child("operator").invalid(expression.operator, "not a valid selector operator")
        check_label_name(at.child("key"), expression.key)
        for position, value in enumerate(expression.values):
            at.child("values").index(position).check_value(value, names.label_value)


def check_annotations(path: Place, annotations: Mapping[str, str]) -> None:
    """Report bad keys of annotations, and annotations that are too large together."""
    total = 0
    for key in sorted(annotations):
        for problem in names.qualified_name(key.lower()):
            path.invalid(key, problem)
        total += names.size(key) + names.size(annotations[key])
    if total > _MAX_ANNOTATIONS_BYTES:
        path.too_long(_MAX_ANNOTATIONS_BYTES)


def check_finalizer_name(path: Place, name: str) -> None:
    """Report a finalizer without a domain that is none of the standard ones."""
    if "/" not in name and name not in _STANDARD_FINALIZERS:
        path.invalid(name, "name is neither a standard finalizer name nor is it fully qualified")


def check_create(root: Place, meta: meta_pb2.ObjectMeta, rule: NameRule, *, namespaced: bool) -> None:
    """Check the metadata of a new object, whose name has been generated if need be."""
    if meta.generate_name:
        checked = names.generated(meta.generate_name)
        for problem in rule(checked):
            root.child("metadata", "generateName").invalid(meta.generate_name, problem)
    root.child("metadata", "name").check_required(meta.name, rule, "name or generateName is required")
    _check_namespace(root.child("metadata", "namespace"), meta, namespaced=namespaced)
    if meta.generation < 0:
        root.child("metadata", "generation").check_non_negative(meta.generation)
    _check_common(root.child("metadata"), meta)


def _check_namespace(path: Place, meta: meta_pb2.ObjectMeta, *, namespaced: bool) -> None:
    if not namespaced:
        if meta.namespace:
            path.forbidden("not allowed on this type")
    else:
        path.check_required(meta.namespace, names.dns_1123_label)


def _check_common(path: Place, meta: meta_pb2.ObjectMeta) -> None:
    if meta.labels:
        check_labels(path.child("labels"), meta.labels)
    if meta.annotations:
        check_annotations(path.child("annotations"), meta.annotations)
    if meta.owner_references:
        _check_owners(path.child("ownerReferences"), meta.owner_references)
    if meta.finalizers:
        _check_finalizers(path.child("finalizers"), list(meta.finalizers))
    if meta.managed_fields:
        _check_managed_fields(path.child("managedFields"), meta.managed_fields)


def _check_owners(path: Place, owners: Sequence[meta_pb2.OwnerReference]) -> None:
    first_controller = ""
    told = 0
    for index, owner in enumerate(owners):
        at = path.index(index)
        group, slash, version = owner.api_version.rpartition("/")
        if not owner.api_version:
            at.child("apiVersion").required("must not be empty")
        elif not version or "/" in group:
            at.child("apiVersion").invalid(owner.api_version, "must be <group>/<version> or <version>")
        for field, value in (("kind", owner.kind), ("name", owner.name), ("uid", owner.uid)):
            if not value:
                at.child(field).required("must not be empty")
        if not group and not slash and version == "v1" and owner.kind == "Event":
            at.invalid(_shown(owner), "/v1, Kind=Event is disallowed from being an owner")
        if owner.controller:
            controller = f"{owner.kind}/{owner.name}"
            if first_controller and told < _MAX_CONTROLLERS_TOLD:
                told += 1
                detail = (
                    'Only one reference can have Controller set to true. Found "true" in references for '
                    f"{first_controller} and {controller}"
                )
                path.invalid([_shown(each) for each in owners[:_MAX_OWNERS_SHOWN]], detail)
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


def _check_finalizers(path: Place, finalizers: list[str]) -> None:
    for name in finalizers:
        path.check_value(name, names.qualified_name)
    if "orphan" in finalizers and "foregroundDeletion" in finalizers:
        path.invalid(finalizers, "finalizer orphan and foregroundDeletion cannot be both set")
    for index, name in enumerate(finalizers):
        check_finalizer_name(path.index(index), name)


def _check_managed_fields(managed: Place, entries: Iterable[meta_pb2.ManagedFieldsEntry]) -> None:
    for index, entry in enumerate(entries):
        path = managed.index(index)
        if entry.operation not in {"Apply", "Update"}:
            path.child("operation").invalid(entry.operation, "must be `Apply` or `Update`")
        if entry.fields_type not in {"", "FieldsV1"}:
            path.child("fieldsType").invalid(entry.fields_type, "must be `FieldsV1`")
        check_field_manager(path.child("manager"), entry.manager)
        if names.size(entry.subresource) > _MAX_SUBRESOURCE_BYTES:
            path.child("subresource").too_long(_MAX_SUBRESOURCE_BYTES)


def check_field_manager(path: Place, manager: str) -> None:
    """Check the name under which a client's fields are kept."""
    if names.size(manager) > _MAX_MANAGER_BYTES:
        path.too_long(_MAX_MANAGER_BYTES)
    position = 0
    for char in manager:
        if not char.isprintable():
            path.invalid(manager, f"invalid character U+{ord(char):04X} (at position {position})")
        position += names.size(char)


#: what no update may change
_IMMUTABLE: Final = ("creation_timestamp", "deletion_timestamp", "deletion_grace_period_seconds")


def check_update(root: Place, new: meta_pb2.ObjectMeta, old: meta_pb2.ObjectMeta) -> None:
    """Check the metadata of an update.

    Whether a resourceVersion is given and current is the registry's business, which also fills in what a
    client left out (uid, creationTimestamp), as upstream's does before it validates.
    """
    path = root.child("metadata")
    if old.HasField("deletion_timestamp"):
        _check_no_new_finalizers(path, new, old)
    if new.generation < old.generation:
        path.child("generation").invalid(new.generation, "must not be decremented")
    path.check_unchanged(new, old, "name", "namespace", "uid")
    for field in _IMMUTABLE:
        path.field(new, field).check_immutable(_optional(new, field), _optional(old, field))
    _check_common(path, new)


def _optional(message: Message, field: str) -> object:
    """Return a field's value, or None when it is unset; a Time as text, where a zero one is unset too."""
    if not message.HasField(field):
        return None
    value = getattr(message, field)
    return format_time(value) if isinstance(value, Timestamp) else value


def _check_no_new_finalizers(path: Place, new: meta_pb2.ObjectMeta, old: meta_pb2.ObjectMeta) -> None:
    extra = sorted(set(new.finalizers) - set(old.finalizers))
    if extra:
        shown = ", ".join(go_quote(name) for name in extra)
        detail = (
            "no new finalizers can be added if the object is being deleted, found new finalizers "
            f"[]string{{{shown}}}"
        )
        path.child("finalizers").forbidden(detail)


def check_conditions(path: Place, conditions: Iterable[meta_pb2.Condition]) -> None:
    """Check conditions of the common kind (metav1.Condition), of which there is one of each type."""
    seen: set[str] = set()
    for index, condition in enumerate(conditions):
        at = path.index(index)
        at.child("type").check_unique(condition.type, seen)
        _check_condition(at, condition)


def _check_condition(path: Place, condition: meta_pb2.Condition) -> None:
    check_label_name(path.child("type"), condition.type)
    path.child("status").check_supported(condition.status, _STATUSES)
    if condition.observed_generation < 0:
        words = "must be greater than or equal to zero"
        path.child("observedGeneration").invalid(condition.observed_generation, words)
    if not condition.HasField("last_transition_time"):
        path.child("lastTransitionTime").required("must be set")
    if not condition.reason:
        path.child("reason").required("must be set")
    else:
        if not _REASON(condition.reason):
            path.child("reason").invalid(condition.reason, _RULE)
        if names.size(condition.reason) > _MAX_REASON:
            path.child("reason").too_long(_MAX_REASON)
    if names.size(condition.message) > _MAX_MESSAGE:
        path.child("message").too_long(_MAX_MESSAGE)
