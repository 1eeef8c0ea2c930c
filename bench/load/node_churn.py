"""Nodes that go and come back, beside what a run does: the step `churnNodes`. `rotation` is PURE."""

import asyncio
import random
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator, Sequence

from bench.load.settings import Settings
from bench.load.workload import ChurnNodes
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.client.clientset import Clientset
from vaina.errors import ApiError, NotFound
from vaina.kinds import DAEMON_SET
from vaina.objects.meta import controller_of

_EVICTIONS_IN_FLIGHT = 16


def rotation(names: Sequence[str], number: int, rng: random.Random) -> Iterator[tuple[str, str]]:
    """Yield without end who goes next and who comes back before that ("": nobody yet), so that at most
    `number` are away.

    One round takes all nodes in random order; the next one is in the same. The longest away comes back first.
    """
    order = list(names)
    rng.shuffle(order)
    away: deque[str] = deque()
    while True:
        for name in order:
            back = away.popleft() if len(away) == number else ""
            away.append(name)
            yield name, back


class NodeChurn:
    """What a step does until it is cancelled. Owned by its task."""

    def __init__(self, client: Clientset, settings: Settings, step: ChurnNodes) -> None:
        self._client, self._step = client, step
        self._selector = settings.selector
        #: where no kubelet lets Pods end, they go at once
        self._options = (
            meta_pb2.DeleteOptions(grace_period_seconds=0) if settings.nodes == "objects" else None
        )
        #: nodes that are deleted, as they were
        self._deleted: dict[str, node_pb2.Node] = {}
        self.counts: Counter[str] = Counter()
        #: what was refused, each reason once
        self.refused: dict[str, str] = {}

    async def run(self, names: Sequence[str], rng: random.Random) -> None:
        """Let nodes go and come back at the step's interval until cancelled.

        What is refused is noted, and the churn goes on.

        Args:
            names: of the nodes, more than are away at once.
            rng: decides their order.
        """
        due, interval = time.perf_counter(), self._step.interval_milliseconds / 1000
        for name, back in rotation(names, self._step.number, rng):
            if back:
                await self._try(self._return(back), "back")
            await self._try(self._leave(name), "went")
            # Where it takes longer than the interval there is no hurry afterwards: nodes would go in heaps.
            due = max(due + interval, time.perf_counter())
            await asyncio.sleep(due - time.perf_counter())

    def words(self) -> str:
        """Say what was done, and what was refused."""
        counts = self.counts
        said = f"{counts['went']:,} nodes went, {counts['back']:,} came back, {counts['evicted']:,} Pods were evicted"
        return "; ".join((said, *(f"refused: {message}" for message in self.refused.values())))

    async def _try(self, work: Awaitable[None], what: str) -> None:
        try:
            await work
            self.counts[what] += 1
        except ApiError as error:
            self.refused.setdefault(error.reason, error.message)

    async def _leave(self, name: str) -> None:
        await self._cordon(name, True)
        if self._step.mode == "cordon":
            return
        await self._evict(name)
        if self._step.mode == "recreate":
            self._deleted[name] = await self._client.nodes.get(name)
            await self._client.nodes.delete(name)

    async def _return(self, name: str) -> None:
        node = self._deleted.get(name)
        if node is None:
            await self._cordon(name, False)
            return
        made = node_pb2.Node()
        made.metadata.name = name
        made.metadata.labels.update(node.metadata.labels)
        made.metadata.annotations.update(node.metadata.annotations)
        made.spec.CopyFrom(node.spec)
        made.spec.unschedulable = False
        made.status.CopyFrom(node.status)
        await self._client.nodes.create(made)
        del self._deleted[name]

    async def _cordon(self, name: str, wanted: bool) -> None:
        value = "true" if wanted else "null"
        patch = f'{{"spec":{{"unschedulable":{value}}}}}'
        await self._client.nodes.patch(name, patch, patch_type="application/merge-patch+json")

    async def _evict(self, name: str) -> None:
        found = await self._client.pods.list(
            label_selector=self._selector, field_selector=f"spec.nodeName={name}"
        )
        going = [pod for pod in found.items if not _is_of_a_daemon_set(pod)]
        order = iter(going)

        async def evictor() -> None:
            for pod in order:
                try:
                    await self._client.pods.evict(
                        pod.metadata.name, namespace=pod.metadata.namespace, options=self._options
                    )
                    self.counts["evicted"] += 1
                except NotFound:
                    continue
                except ApiError as error:
                    self.refused.setdefault(error.reason, error.message)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(_EVICTIONS_IN_FLIGHT, len(going))):
                group.create_task(evictor())


def _is_of_a_daemon_set(pod: pod_pb2.Pod) -> bool:
    """Whether it would be made anew where it was.

    `kubectl drain --ignore-daemonsets` leaves it (k8s.io/kubectl, pkg/drain/filters.go).
    """
    owner = controller_of(pod.metadata)
    return owner is not None and owner.kind == DAEMON_SET.kind


async def churn_nodes(
    churn: NodeChurn, names: Sequence[str], rng: random.Random, note: Callable[[str], None]
) -> None:
    """Churn until cancelled, and then say what was done."""
    try:
        await churn.run(names, rng)
    finally:
        note(churn.words())
