"""What is special about PodTemplates: a generation that counts the changes of the template.

Follows `pkg/registry/core/podtemplate/strategy.go`.
"""

from apiserver.registry.strategy import Strategy
from vaina.api.core.v1 import pod_pb2


class PodTemplateStrategy(Strategy[pod_pb2.PodTemplate]):
    """The hooks."""

    has_generation = True

    def raises_generation(self, new: pod_pb2.PodTemplate, old: pod_pb2.PodTemplate) -> bool:
        """Say whether an update changes the template, which is all there is."""
        return bool(new.template != old.template)
