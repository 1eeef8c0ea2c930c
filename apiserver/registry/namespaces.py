"""What is special about Namespaces: they end in two steps. Follows `pkg/registry/core/namespace`.

A deletion makes a namespace Terminating; whoever empties it (the namespace controller) then takes the entry
out of spec.finalizers through the sub-resource `finalize`, and with the last one the namespace goes.
"""

from collections.abc import Mapping
from functools import partial
from typing import Final

from apiserver.registry import metadata
from apiserver.registry.strategy import Strategy, Subresource, copy_field
from apiserver.validation import namespaces
from apiserver.validation.place import find_violations
from vaina.api.core.v1 import namespace_pb2

ACTIVE, TERMINATING = "Active", "Terminating"
FINALIZER = "kubernetes"
NAME_LABEL = "kubernetes.io/metadata.name"
FINALIZE: Final = "finalize"


def finalized(sent: namespace_pb2.Namespace, old: namespace_pb2.Namespace) -> namespace_pb2.Namespace:
    """Return the stored Namespace with the finalizers that were sent (namespaceFinalizeStrategy)."""
    new = namespace_pb2.Namespace()
    new.CopyFrom(sent)
    metadata.prepare_for_update(new.metadata, old.metadata)
    new.metadata.resource_version = old.metadata.resource_version
    new.metadata.labels[NAME_LABEL] = new.metadata.name
    copy_field(new, old, "status")
    return new


class NamespaceStrategy(Strategy[namespace_pb2.Namespace]):
    """The hooks."""

    ends_in_two_steps = True
    #: upstream's FinalizeREST has no Get, and so no patches
    subresources: Mapping[str, Subresource[namespace_pb2.Namespace]] = {
        FINALIZE: Subresource(finalized, partial(find_violations, namespaces.check_finalize), has_get=False)
    }

    def prepare_for_create(self, obj: namespace_pb2.Namespace, now: float) -> None:
        """A new namespace is Active, and held until it is emptied."""
        obj.ClearField("status")
        obj.status.phase = ACTIVE
        if FINALIZER not in obj.spec.finalizers:
            obj.spec.finalizers.append(FINALIZER)
        self.name_known(obj)

    def name_known(self, obj: namespace_pb2.Namespace) -> None:
        """The label by which selectors find a namespace always has its name."""
        if obj.metadata.name:
            obj.metadata.labels[NAME_LABEL] = obj.metadata.name

    def prepare_for_update(self, new: namespace_pb2.Namespace, old: namespace_pb2.Namespace) -> None:
        """An update changes metadata alone: what holds a namespace is taken out by `finalize`."""
        copy_field(new, old, "status")
        copy_field(new, old, "spec")
        self.name_known(new)

    def prepare_for_status_update(
        self, new: namespace_pb2.Namespace, old: namespace_pb2.Namespace, now: float
    ) -> None:
        """The label is there, whoever writes."""
        self.name_known(new)

    def mark_deleting(self, obj: namespace_pb2.Namespace) -> None:
        """Show that nothing can be created in it any more."""
        obj.status.phase = TERMINATING

    def is_awaited(self, obj: namespace_pb2.Namespace) -> bool:
        """A namespace is also held by spec.finalizers."""
        return bool(obj.spec.finalizers)
