"""A Node as scheduling sees it, compiled.

What the table stores of it, and what queue hints compare before and after.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Flag, auto
from typing import Final

from vaina.api.core.v1 import node_pb2
from vaina.objects.nodes import allocatable

NO_SCHEDULE: Final = "NoSchedule"
NO_EXECUTE: Final = "NoExecute"
PREFER_NO_SCHEDULE: Final = "PreferNoSchedule"

#: 4 PiB, or 4.5e12 cores: nodes that say more have this much
MAX_ALLOCATABLE: Final = 1 << 52


@dataclass(frozen=True, slots=True)
class Taint:
    """A mark on a node that keeps Pods away which do not tolerate it."""

    key: str
    value: str
    effect: str


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """One node, without its Pods."""

    name: str
    #: by resource: CPU in thousandths, everything else in units; "pods" is the most Pods it takes
    allocatable: dict[str, int]
    labels: dict[str, str]
    taints: tuple[Taint, ...]
    unschedulable: bool
    #: name with its tag -> bytes, of the images that are there (status.images)
    images: Mapping[str, int] = field(default_factory=dict)
    #: features that the kubelet declares (status.declaredFeatures)
    features: frozenset[str] = frozenset()

    @property
    def max_pods(self) -> int:
        return self.allocatable.get("pods", 0)


def compile_node(node: node_pb2.Node) -> NodeInfo:
    """Compile a Node. Raises QuantityError: an amount cannot be read."""
    return NodeInfo(
        name=node.metadata.name,
        allocatable={name: min(amount, MAX_ALLOCATABLE) for name, amount in allocatable(node).items()},
        labels=dict(node.metadata.labels),
        taints=tuple(Taint(taint.key, taint.value, taint.effect) for taint in node.spec.taints),
        unschedulable=node.spec.unschedulable,
        # The same names are on many nodes.
        images={
            sys.intern(image_name(name)): image.size_bytes
            for image in node.status.images
            for name in image.names
        },
        features=frozenset(node.status.declared_features),
    )


def image_name(name: str) -> str:
    """Return an image's name with its tag: `:latest` when it says none (`normalizedImageName`)."""
    return name if name.rfind(":") > name.rfind("/") else f"{name}:latest"


class NodeChange(Flag):
    """What is different about a node."""

    NONE = 0
    ADDED = auto()
    ALLOCATABLE = auto()
    LABELS = auto()
    #: taints, or whether it is unschedulable
    TAINTS = auto()
    IMAGES = auto()
    #: what the kubelet declares that it can do
    FEATURES = auto()


def compare_nodes(before: NodeInfo, after: NodeInfo) -> NodeChange:
    """Say what is different."""
    change = NodeChange.NONE
    if before.allocatable != after.allocatable:
        change |= NodeChange.ALLOCATABLE
    if before.labels != after.labels:
        change |= NodeChange.LABELS
    if before.taints != after.taints or before.unschedulable != after.unschedulable:
        change |= NodeChange.TAINTS
    if before.images != after.images:
        change |= NodeChange.IMAGES
    if before.features != after.features:
        change |= NodeChange.FEATURES
    return change
