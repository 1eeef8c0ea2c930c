"""Rules for Namespaces.

Follows `pkg/apis/core/validation`: ValidateNamespace, ValidateNamespaceUpdate, ValidateNamespaceStatusUpdate,
ValidateNamespaceFinalizeUpdate.
"""

from apiserver.validation import metadata
from apiserver.validation.place import Place
from vaina.api.core.v1 import namespace_pb2
from vaina.objects import names


def check(root: Place, namespace: namespace_pb2.Namespace) -> None:
    """Check a Namespace."""
    for name in namespace.spec.finalizers:
        _check_finalizer(root.child("spec", "finalizers"), name)


def _check_finalizer(at: Place, name: str) -> None:
    at.check_value(name, names.qualified_name)
    metadata.check_finalizer_name(at, name)


def check_status(root: Place, new: namespace_pb2.Namespace, _: namespace_pb2.Namespace) -> None:
    """Check a changed status: the phase says whether the Namespace is being deleted."""
    at, phase = root.child("status", "Phase"), new.status.phase
    if not new.metadata.HasField("deletion_timestamp"):
        if phase != "Active":
            at.invalid(phase, "may only be 'Active' if `deletionTimestamp` is empty")
    elif phase != "Terminating":
        at.invalid(phase, "may only be 'Terminating' if `deletionTimestamp` is not empty")


def check_finalize(root: Place, new: namespace_pb2.Namespace, old: namespace_pb2.Namespace) -> None:
    """Check what `finalize` makes of a Namespace. Here alone the path has the place of a finalizer."""
    metadata.check_update(root, new.metadata, old.metadata)
    for index, name in enumerate(new.spec.finalizers):
        _check_finalizer(root.child("spec", "finalizers").index(index), name)
