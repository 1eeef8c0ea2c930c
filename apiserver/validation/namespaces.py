"""Rules for Namespaces.

Follows `pkg/apis/core/validation`: ValidateNamespace, ValidateNamespaceUpdate, ValidateNamespaceStatusUpdate,
ValidateNamespaceFinalizeUpdate.
"""

from typing import Final

from apiserver.validation import metadata
from apiserver.validation.metadata import Errors, check_text
from vaina.api.core.v1 import namespace_pb2
from vaina.objects import names
from vaina.objects.field_path import Path, invalid

_FINALIZERS: Final = Path("spec", "finalizers")


def check_create(namespace: namespace_pb2.Namespace) -> Errors:
    """Check a new Namespace."""
    errors = metadata.check_create(namespace.metadata, names.dns_1123_label, namespaced=False)
    for name in namespace.spec.finalizers:
        _check_finalizer(errors, _FINALIZERS, name)
    return errors


def _check_finalizer(errors: Errors, at: Path, name: str) -> None:
    check_text(errors, at, name, names.qualified_name)
    metadata.check_finalizer_name(errors, at, name)


def check_update(new: namespace_pb2.Namespace, old: namespace_pb2.Namespace) -> Errors:
    """Check a changed Namespace."""
    errors = check_create(new)
    errors.extend(metadata.check_update(new.metadata, old.metadata))
    return errors


def check_status_update(new: namespace_pb2.Namespace, old: namespace_pb2.Namespace) -> Errors:
    """Check a changed status: the phase says whether the Namespace is being deleted."""
    errors = metadata.check_update(new.metadata, old.metadata)
    at, phase = Path("status", "Phase"), new.status.phase
    if not new.metadata.HasField("deletion_timestamp"):
        if phase != "Active":
            errors.append(invalid(at, phase, "may only be 'Active' if `deletionTimestamp` is empty"))
    elif phase != "Terminating":
        errors.append(invalid(at, phase, "may only be 'Terminating' if `deletionTimestamp` is not empty"))
    return errors


def check_finalize(new: namespace_pb2.Namespace, old: namespace_pb2.Namespace) -> Errors:
    """Check what `finalize` makes of a Namespace.

    Here, and not in an update, the path has the place of a finalizer.
    """
    errors = metadata.check_update(new.metadata, old.metadata)
    for index, name in enumerate(new.spec.finalizers):
        _check_finalizer(errors, _FINALIZERS.index(index), name)
    return errors
