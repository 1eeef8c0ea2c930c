"""The shell of node IPAM: all nodes without a range are served in one go, under one key.

The record is a ConfigMap, kube-system/pod-cidrs, with a key a range ("10.244.3.0_24") and the node's name as
value. It is read from the apiserver, and written by compare-and-swap before any node is.
"""

from collections.abc import Mapping

import structlog

from controller.base import Controller, Tools, find, for_each
from controller.config import ControllerConfig
from controller.node_ipam.allocate import Allocation, NodeNeed, Range, allocate
from controller.plans import copy_of
from vaina.api.core.v1 import config_pb2, node_pb2
from vaina.cache.informer import InformerFactory
from vaina.client.events import NORMAL, EventRecorder
from vaina.errors import NotFound
from vaina.kinds import NODE
from vaina.objects.nodes import kept_ranges

log = structlog.stdlib.get_logger(__name__)

NAMESPACE, NAME = "kube-system", "pod-cidrs"
#: nodes with this label draw from the range of hollow nodes
HOLLOW_LABEL = "vaina.dev/hollow"
#: nodes whose runtime begins so draw from it too
HOLLOW_RUNTIME = "hollow://"
_KEY = "nodes"


class NodeIpamController(Controller):
    """Gives each node its podCIDR."""

    name = "node-ipam"

    def __init__(
        self, tools: Tools, factory: InformerFactory, recorder: EventRecorder, config: ControllerConfig
    ) -> None:
        self._nodes = factory.informer(NODE)
        super().__init__(Tools(tools.clock, tools.metrics, workers=1), (self._nodes,))
        self._client, self._recorder = factory.clientset, recorder
        self._cluster = Range.parse(config.cluster_cidr, config.node_cidr_mask)
        self._hollow = Range.parse(config.hollow_cidr, config.hollow_cidr_mask)
        self.watch(self._nodes, lambda node: None if node.spec.pod_cidr else _KEY)

    async def sync(self, key: str) -> float | None:
        nodes = self._nodes.lister.list()
        # Upstream refuses what is outside its ranges too (nodeipam/ipam/range_allocator.go, occupyCIDRs).
        kept = kept_ranges(nodes, (self._cluster.cidr, self._hollow.cidr))
        needs = [
            NodeNeed(
                name=node.metadata.name, cidr=node.spec.pod_cidr, hollow=_is_hollow(node),
                counts=node.metadata.name in kept,
            )
            for node in nodes
        ]  # fmt: skip
        stored = await self._read()
        allocation = allocate(needs, _claims(stored.data), cluster=self._cluster, hollow=self._hollow)
        await self._write(stored, allocation.claims)
        await self._assign(allocation)
        for name in allocation.exhausted:
            node = self._nodes.lister.get(name)
            if node is not None:
                self._recorder.event(
                    node, NORMAL, "CIDRNotAvailable", f"Node {name} status is now: CIDRNotAvailable"
                )
        # No event says that a lost node's range is free, so the controller looks again.
        return 30.0 if allocation.exhausted else None

    async def _read(self) -> config_pb2.ConfigMap:
        found = await find(self._client.config_maps, NAME, NAMESPACE)
        if found is None:
            found = config_pb2.ConfigMap()
            found.metadata.name, found.metadata.namespace = NAME, NAMESPACE
        return found

    async def _write(self, stored: config_pb2.ConfigMap, claims: Mapping[str, str]) -> None:
        data = {cidr.replace("/", "_"): name for cidr, name in claims.items()}
        if data == dict(stored.data):
            return
        changed = copy_of(stored)
        changed.data.clear()
        changed.data.update(data)
        if stored.metadata.resource_version:
            await self._client.config_maps.update(changed)
        else:
            await self._client.config_maps.create(changed)

    async def _assign(self, allocation: Allocation) -> None:
        async def one(pair: tuple[str, str]) -> None:
            name, cidr = pair
            node = self._nodes.lister.get(name)
            if node is None:
                return
            changed = copy_of(node)
            changed.spec.pod_cidr = cidr
            changed.spec.pod_cidrs[:] = [cidr]
            try:
                await self._client.nodes.update(changed)
            except NotFound:
                return
            log.info("pod cidr assigned", node=name, cidr=cidr)

        error = await for_each(allocation.assign.items(), one)
        if error is not None:
            raise error


def _is_hollow(node: node_pb2.Node) -> bool:
    runtime = node.status.node_info.container_runtime_version
    return node.metadata.labels.get(HOLLOW_LABEL, "") == "true" or runtime.startswith(HOLLOW_RUNTIME)


def _claims(data: Mapping[str, str]) -> dict[str, str]:
    return {key.replace("_", "/"): name for key, name in data.items()}
