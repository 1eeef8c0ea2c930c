"""What is special about Nodes: a kubelet registers its node together with the status. Follows `pkg/registry/core/node`."""

from apiserver.registry.strategy import Strategy
from vaina.api.core.v1 import node_pb2


class NodeStrategy(Strategy[node_pb2.Node]):
    """The hooks."""

    def prepare_for_create(self, obj: node_pb2.Node, now: float) -> None:
        """The status that comes with the registration is kept."""
