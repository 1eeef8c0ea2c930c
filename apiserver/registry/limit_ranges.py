"""What is special about LimitRanges: an update creates them. Follows `pkg/registry/core/limitrange`."""

from apiserver.registry.strategy import Strategy
from vaina.api.core.v1 import limit_range_pb2


class LimitRangeStrategy(Strategy[limit_range_pb2.LimitRange]):
    """The hooks."""

    allow_create_on_update = True
