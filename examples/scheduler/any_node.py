"""A scheduler of one's own, as small as it can be.

Each Pod goes to a node that has room for it, chosen at random.

    vaina load run SchedulingBasic/500Nodes --local --scheduler-command "python -m examples.scheduler.any_node
        {apiserver}"

It asks of no taint, selector, affinity or spread: where a load has these, the judge says what came of it
(docs/load-testing.md).
"""

import asyncio
import os
import random
import sys
from collections import defaultdict

from vaina.api.core.v1.node_pb2 import Node
from vaina.api.core.v1.pod_pb2 import Pod
from vaina.cache.informer import InformerFactory
from vaina.client.clientset import Clientset
from vaina.client.transport import GrpcTransport
from vaina.clock import SystemClock
from vaina.controller import Controller, Tools, run_controllers
from vaina.kinds import NODE, POD
from vaina.objects.meta import object_key
from vaina.objects.nodes import allocatable
from vaina.objects.pods import is_terminal, pod_requests
from vaina.pki.folder import client_folder

#: until a Pod that fits nowhere is looked at again
RETRY_SECONDS = 1.0


def has_room(node: Node, pods: list[Pod]) -> bool:
    """Say whether a node has room for all of these."""
    has, wanted = allocatable(node), [pod_requests(pod) for pod in pods]
    enough = all(sum(one.get(name, 0) for one in wanted) <= has.get(name, 0) for name in ("cpu", "memory"))
    return enough and len(pods) <= has.get("pods", 0)


class AnyNode(Controller):
    """Binds the Pods that have no node."""

    name = "any-node"

    def __init__(self, tools: Tools, factory: InformerFactory) -> None:
        super().__init__(tools)
        self.client, self.rng = factory.clientset.pods, random.Random()  # noqa: S311 - no secret
        informer = factory.informer(POD)
        informer.ensure_indexer("node", lambda pod: [] if is_terminal(pod) else [pod.spec.node_name])
        self.pods = self.watch(informer)
        self.nodes = self.watch(factory.informer(NODE), lambda _: None)
        #: by node: what was bound to it and is not in the cache yet, by key; and which node it is
        self.sent: defaultdict[str, dict[str, Pod]] = defaultdict(dict)
        self.node_of: dict[str, str] = {}

    def there(self, node: str) -> dict[str, Pod]:
        """Return the Pods of a node, those that were just bound included, by key."""
        return {object_key(one): one for one in self.pods.by_index("node", node)} | self.sent[node]

    def forget(self, key: str) -> None:
        """The cache knows better: it has the Pod on its node, or the Pod has gone, or it was not bound."""
        self.sent[self.node_of.pop(key, "")].pop(key, None)

    async def sync(self, key: str) -> float | None:
        pod = self.pods.get(key)
        if pod is None or pod.spec.node_name:
            self.forget(key)
            return None
        if pod.metadata.HasField("deletion_timestamp") or key in self.node_of:
            return None
        nodes = self.nodes.list()
        for node in self.rng.sample(nodes, len(nodes)):
            name = node.metadata.name
            if has_room(node, [pod, *self.there(name).values()]):
                break
        else:
            return RETRY_SECONDS
        self.sent[name][key], self.node_of[key] = pod, name
        try:
            await self.client.bind(
                pod.metadata.name, namespace=pod.metadata.namespace, uid=pod.metadata.uid, node=name
            )
        except BaseException:
            self.forget(key)
            raise
        return None


async def main(apiserver: str, cert_dir: str) -> None:
    """Schedule until ended."""
    # The folder of a certificate; without it the apiserver is called in the clear, as `vaina load --local` does.
    folder = client_folder(cert_dir)
    async with Clientset(GrpcTransport(apiserver, folder)) as clientset:
        factory = InformerFactory(clientset, SystemClock())
        await run_controllers(factory, [AnyNode(Tools(SystemClock()), factory)])


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], os.environ.get("VAINA_CERT_DIR", "")))  # noqa: TID251
