"""What nodes of a run have beside their template: more that can be allocated, and the CSINode of each. PURE.

Upstream: test/integration/scheduler_perf/runners.go, NodeAllocatableStrategy.
"""

from typing import Any, Final

from bench.load.workload import AllocatableStrategy
from vaina.api.storage.v1 import csi_node_pb2
from vaina.objects import quantity

#: of a CSINode: in-tree plugins whose volumes drivers have taken over (upstream: k8s.io/api/core/v1,
#: MigratedPluginsAnnotationKey)
MIGRATED_PLUGINS: Final = "storage.alpha.kubernetes.io/migrated-plugins"


def check(strategy: AllocatableStrategy) -> None:
    """See that quantities are some.

    Raises:
        ValueError: one is not; the text begins with the field.
    """
    for resource, text in strategy.node_allocatable.items():
        try:
            quantity.parse(text)
        except ValueError as error:
            raise ValueError(f'nodeAllocatable.{resource}: "{text}" is no quantity like 39 or 1Gi') from error


def prepare(node: Any, strategy: AllocatableStrategy) -> csi_node_pb2.CSINode:
    """Let a node have what the strategy says as well, and return its CSINode."""
    for resource, text in strategy.node_allocatable.items():
        node.status.allocatable[resource].string = text
    made = csi_node_pb2.CSINode()
    made.metadata.name = node.metadata.name
    made.metadata.annotations[MIGRATED_PLUGINS] = ",".join(strategy.migrated_plugins)
    for driver, limit in strategy.csi_node_allocatable.items():
        one = made.spec.drivers.add(name=driver, node_id=node.metadata.name)
        one.allocatable.count = limit.count
    return made
