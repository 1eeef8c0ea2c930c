"""Rules for Namespaces.

Follows `pkg/apis/core/validation`: ValidateNamespace, ValidateNamespaceUpdate, ValidateNamespaceStatusUpdate.
"""

from typing import Final

from apiserver.validation import metadata, names
from apiserver.validation.metadata import Errors, check_text
from vaina.api.core.v1 import namespace_pb2
from vaina.objects.field_path import Path, invalid

_FINALIZERS: Final = Path("spec", "finalizers")


def check_create(namespace: namespace_pb2.Namespace) -> Errors:
    """Check a new Namespace."""
    errors = metadata.check_create(namespace.metadata, names.dns_1123_label, namespaced=False)
    for name in namespace.spec.finalizers:
        check_text(errors, _FINALIZERS, name, names.qualified_name)
        metadata.check_finalizer_name(errors, _FINALIZERS, name)
    return errors


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
