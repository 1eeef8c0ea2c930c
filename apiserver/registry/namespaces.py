"""What is special about Namespaces: they end in two steps. Follows `pkg/registry/core/namespace`.

A deletion makes a namespace Terminating; whoever empties it (the namespace controller) then takes the entry out of
spec.finalizers by an ordinary update, and with the last one the namespace goes.
"""

from apiserver.registry.strategy import Strategy, copy_field
from vaina.api.core.v1 import namespace_pb2

ACTIVE, TERMINATING = "Active", "Terminating"
FINALIZER = "kubernetes"
NAME_LABEL = "kubernetes.io/metadata.name"


class NamespaceStrategy(Strategy[namespace_pb2.Namespace]):
    """The hooks."""

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
        """What holds a namespace can be taken out only while it ends."""
        copy_field(new, old, "status")
        self.name_known(new)
        if not old.metadata.HasField("deletion_timestamp"):
            copy_field(new, old, "spec")

    def mark_deleting(self, obj: namespace_pb2.Namespace) -> None:
        """Show that nothing can be created in it any more."""
        obj.status.phase = TERMINATING

    def is_held(self, obj: namespace_pb2.Namespace) -> bool:
        """A namespace is also held by spec.finalizers."""
        return bool(obj.metadata.finalizers or obj.spec.finalizers)
