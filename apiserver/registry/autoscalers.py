"""What is special about HorizontalPodAutoscalers: a generation. Follows
`pkg/registry/autoscaling/horizontalpodautoscaler`.
"""

from apiserver.registry.strategy import Strategy
from vaina.api.autoscaling.v2 import horizontal_pod_autoscaler_pb2


class AutoscalerStrategy(Strategy[horizontal_pod_autoscaler_pb2.HorizontalPodAutoscaler]):
    """The hooks."""

    has_generation = True
