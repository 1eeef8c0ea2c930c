"""What a call of bindings tells the cache of its Pods, so that it need not read them, is what they have."""

from collections.abc import Sequence

from apiserver.storage.interface import Put, PutResult
from apiserver.storage.memory import MemoryStorage
from tests.support.apiserver import cached_apiserver
from vaina.api.core.v1 import pod_pb2
from vaina.testing.builders import make_node, make_pod

#: by the sort of Pod
LABELS: dict[str, dict[str, str]] = {"a": {"app": "web"}, "b": {"app": "wab"}, "c": {}}
NODES = ["n-1", "n-2", "node-10"]


class _Storage(MemoryStorage):
    """Notes what it is told with writes."""

    def __init__(self) -> None:
        super().__init__()
        self.told = 0

    async def put_all(self, puts: Sequence[Put]) -> Sequence[PutResult]:
        self.told += sum(put.known is not None for put in puts)
        return await super().put_all(puts)


async def test_pods_of_many_sorts_are_found_by_their_nodes_and_labels() -> None:
    storage = _Storage()
    async with cached_apiserver(storage=storage) as api:
        for name in NODES:
            await api.client.nodes.create(make_node(name))
        bindings, expected = list[pod_pb2.Binding](), dict[str, tuple[str, str | None]]()
        for number in range(30):
            sort = "abc"[number % 3]
            pod = await api.client.pods.create(
                make_pod(f"pod-{sort}-{number:02}", labels=LABELS[sort], uid="")
            )
            node = NODES[number // 3 % 3]
            expected[pod.metadata.name] = (node, LABELS[sort].get("app"))
            binding = pod_pb2.Binding()
            binding.metadata.name, binding.metadata.namespace = pod.metadata.name, "default"
            binding.metadata.uid, binding.target.name = pod.metadata.uid, node
            bindings.append(binding)
        await api.client.pods.list()  # the cache has them now
        await api.client.pods.bind_batch(bindings)
        assert storage.told > len(bindings) / 2
        for node in NODES:
            for app in ("web", "wab"):
                found = await api.client.pods.list(
                    label_selector=f"app={app}", field_selector=f"spec.nodeName={node}"
                )
                names = {name for name, has in expected.items() if has == (node, app)}
                assert {pod.metadata.name for pod in found.items} == names
        left = await api.client.pods.list(field_selector="spec.nodeName=")
        assert not left.items
