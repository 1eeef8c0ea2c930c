"""NodeMetrics and PodMetrics (metrics.k8s.io), as metrics-server has them; nothing is stored (decision 127).

Kubelets are asked when a client asks. A kubelet measures every 15 s; its answer is kept for some seconds, so
that `vaina top` and autoscalers do not ask twice for the same. A node that does not answer is left out.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from apiserver import refusals
from apiserver.registry.options import ListOptions
from apiserver.registry.store import Store
from apiserver.registry.streams import Kubelets, kubelet_address
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.api.kubelet.v1 import stats_service_pb2
from vaina.api.metrics.v1beta1 import metrics_pb2
from vaina.clock import Clock
from vaina.errors import ApiError, NotFound
from vaina.kinds import NODE
from vaina.quoting import go_quote

log = structlog.stdlib.get_logger(__name__)

_SUMMARY = "/vaina.api.kubelet.v1.StatsService/Summary"
#: for how long an answer holds
FRESH_SECONDS = 5.0
#: how long a kubelet may take, and how many are asked at once
TIMEOUT_SECONDS, AT_ONCE = 3.0, 32
#: answers kept; the oldest go
KEPT = 1000


@dataclass(frozen=True, slots=True)
class _Answer:
    at: float
    summary: stats_service_pb2.SummaryResponse


class ResourceMetrics:
    """Owned by the apiserver's build; one event loop."""

    def __init__(
        self, pods: Store[pod_pb2.Pod], nodes: Store[node_pb2.Node], kubelets: Kubelets, clock: Clock
    ) -> None:
        self._pods, self._nodes, self._kubelets, self._clock = pods, nodes, kubelets, clock
        self._answers: dict[str, _Answer] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def node(self, name: str) -> metrics_pb2.NodeMetrics:
        """Return what a node uses. Raises NotFound: there is no such node, or it has not been measured."""
        node = await self._nodes.find("", name)
        if node is None:
            raise refusals.not_found(NODE, name)
        summaries = await self._ask([node])
        if name not in summaries or not summaries[name].HasField("node"):
            raise NotFound(
                f"nodemetrics.metrics.k8s.io {go_quote(name)} not found", kind="nodemetrics", name=name
            )
        return _labelled(summaries[name].node, node)

    async def nodes(self, options: ListOptions) -> list[metrics_pb2.NodeMetrics]:
        """Return what the selected nodes use, by name; those that have not been measured are left out."""
        nodes = {node.metadata.name: node for node in await self._nodes.list_all(options)}
        summaries = await self._ask(nodes.values())
        return [
            _labelled(summaries[name].node, nodes[name])
            for name in sorted(summaries)
            if summaries[name].HasField("node")
        ]

    async def pod(self, namespace: str, name: str) -> metrics_pb2.PodMetrics:
        """Return what a Pod uses. Raises NotFound: there is no such Pod, or it has not been measured."""
        pod = self._pods.decode(await self._pods.get(namespace, name))
        for found in await self._of([pod]):
            return found
        where = f"{pod.metadata.namespace}/{name}"
        raise NotFound(f'podmetrics.metrics.k8s.io "{where}" not found', kind="podmetrics", name=name)

    async def pods(self, options: ListOptions) -> list[metrics_pb2.PodMetrics]:
        """Return what the selected Pods use; those that have not been measured are left out."""
        return await self._of(await self._pods.list_all(options))

    async def _of(self, pods: Sequence[pod_pb2.Pod]) -> list[metrics_pb2.PodMetrics]:
        names = sorted({pod.spec.node_name for pod in pods if pod.spec.node_name})
        nodes = [node for node in [await self._nodes.find("", name) for name in names] if node is not None]
        measured = {
            (item.metadata.namespace, item.metadata.name): item
            for summary in (await self._ask(nodes)).values()
            for item in summary.pods
        }
        keys = [(pod.metadata.namespace, pod.metadata.name) for pod in pods]
        return [measured[key] for key in keys if key in measured]

    async def _ask(self, nodes: Iterable[node_pb2.Node]) -> Mapping[str, stats_service_pb2.SummaryResponse]:
        wanted = list(nodes)
        answers = await asyncio.gather(*(self._summary(node) for node in wanted))
        return {
            node.metadata.name: answer
            for node, answer in zip(wanted, answers, strict=True)
            if answer is not None
        }

    async def _summary(self, node: node_pb2.Node) -> stats_service_pb2.SummaryResponse | None:
        name, now = node.metadata.name, self._clock.monotonic()
        known = self._answers.get(name)
        if known is not None and now - known.at < FRESH_SECONDS:
            return known.summary
        request = stats_service_pb2.SummaryRequest(node=name).SerializeToString()
        try:
            async with self._slots, self._kubelets.to(kubelet_address(node)) as kubelet:
                data = await kubelet.unary(_SUMMARY, request, timeout=TIMEOUT_SECONDS)
        except ApiError as error:
            log.debug("a kubelet did not say what it uses", node=name, error=error.message)
            return None
        answer = stats_service_pb2.SummaryResponse.FromString(data)
        self._answers.pop(name, None)
        while len(self._answers) >= KEPT:
            del self._answers[next(iter(self._answers))]
        self._answers[name] = _Answer(self._clock.monotonic(), answer)
        return answer


def _labelled(found: metrics_pb2.NodeMetrics, node: node_pb2.Node) -> metrics_pb2.NodeMetrics:
    made = metrics_pb2.NodeMetrics()
    made.CopyFrom(found)
    made.metadata.labels.update(node.metadata.labels)
    return made
