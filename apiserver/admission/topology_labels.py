"""A Pod has its node's zone and region among its labels, where its containers can read them.

Follows `plugin/pkg/admission/podtopologylabels`: at the binding, which asks `TopologyLabels.of`, and when a Pod
is created that says its node. What a node is given later its Pods do not have.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, cast

from apiserver.admission.chain import Attributes, Operation
from apiserver.storage import keys
from apiserver.storage.interface import CachedStorage, Key, Stored, Version
from apiserver.storage.resources import resource_of
from vaina.api.core.v1 import pod_pb2
from vaina.kinds import NODE, POD

_LABELS: Final = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region")
_NONE: Final[Mapping[str, str]] = MappingProxyType({})
#: nodes whose labels are remembered; when there are more, all are forgotten and read again
_MOST: Final = 10_000


class TopologyLabels:
    """The plugin. Owned by one event loop."""

    ignores_names = True

    def __init__(self, storage: CachedStorage) -> None:
        self._storage = storage
        #: read once for each version of a node: to read them takes 5 µs, a tenth of a binding
        self._known: dict[Key, tuple[Version, Mapping[str, str]]] = {}

    async def admit(self, attributes: Attributes) -> None:
        """Give a new Pod that is bound already the labels of its node, in place of its own of these names."""
        if attributes.kind is not POD or attributes.operation is not Operation.CREATE:
            return
        pod = cast("pod_pb2.Pod", attributes.object)
        if not pod.spec.node_name:
            return
        key = keys.object_key(NODE, "", pod.spec.node_name)  # type: ignore[arg-type]  # a Kind[Node] is a Kind
        node = self._storage.peek(key, Version(0)) or await self._storage.get(key)
        if node is not None and (labels := self.of(node)):
            pod.metadata.labels.update(labels)

    def of(self, node: Stored) -> Mapping[str, str]:
        """Return the zone and the region that a node names."""
        known = self._known.get(node.key)
        if known is not None and known[0] == node.version:
            return known[1]
        there = resource_of(NODE).labels(node.data)
        found = {name: there[name] for name in _LABELS if name in there} or _NONE
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[node.key] = node.version, found
        return found
