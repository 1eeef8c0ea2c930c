"""What is special about PriorityClasses: nothing but a generation that stays 1. Follows
`pkg/registry/scheduling/priorityclass`.
"""

from apiserver.registry.strategy import Strategy
from vaina.api.scheduling.v1 import priority_class_pb2


class PriorityClassStrategy(Strategy[priority_class_pb2.PriorityClass]):
    """The hooks."""

    has_generation = True
