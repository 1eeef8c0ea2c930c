"""What is special about Nodes: a kubelet registers its node together with the status. Follows
`pkg/registry/core/node`.
"""

from apiserver.defaulting.objects import default_node_status
from apiserver.registry.strategy import Strategy
from vaina.api.core.v1 import node_pb2


class NodeStrategy(Strategy[node_pb2.Node]):
    """The hooks."""

    def prepare_for_create(self, obj: node_pb2.Node, now: float) -> None:
        """The status that comes with the registration is kept."""

    def prepare_for_status_update(self, new: node_pb2.Node, old: node_pb2.Node, now: float) -> None:
        """A status that is written gets the same defaults as one that comes with the registration."""
        default_node_status(new.status)
