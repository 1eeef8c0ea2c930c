"""Removes Pods that nobody else will: of lost nodes, never bound, or too many that have ended
(`pkg/controller/podgc`).

It looks at all Pods every 20 s, as upstream does, and deletes without grace: no kubelet answers for these
Pods.
"""

from collections.abc import Collection, Sequence

import structlog
from prometheus_client import CollectorRegistry, Counter

from controller.base import Controller, Tools, find
from controller.config import ControllerConfig
from controller.pods import is_ending, status_of, with_target_condition
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.cache.informer import InformerFactory
from vaina.clock import seconds_of
from vaina.errors import ApiError, Conflict, NotFound
from vaina.kinds import NODE, POD
from vaina.objects.nodes import is_ready
from vaina.objects.pods import is_terminal

log = structlog.stdlib.get_logger(__name__)

#: a person gives it to a node that is off and stays off for a while
OUT_OF_SERVICE_TAINT = "node.kubernetes.io/out-of-service"


#: why Pods are removed, in upstream's words: their node is no more; they are ending on a node that is out of
#: service, or were never given to one, so that no kubelet will end them; they have ended, and are too many
ORPHANED, OUT_OF_SERVICE, UNSCHEDULED, TERMINATED = "orphaned", "out-of-service", "unscheduled", "terminated"


def is_out_of_service(node: node_pb2.Node) -> bool:
    """Say whether a person has marked a node as one that is off, and it is not ready.

    https://kubernetes.io/docs/concepts/cluster-administration/node-shutdown/#non-graceful-node-shutdown
    """
    return not is_ready(node) and any(taint.key == OUT_OF_SERVICE_TAINT for taint in node.spec.taints)


def reconcile(
    pods: Sequence[pod_pb2.Pod],
    *,
    absent_nodes: Collection[str],
    keep_terminated: int,
    out_of_service: Collection[str] = (),
) -> dict[str, list[pod_pb2.Pod]]:
    """Return the Pods to delete without grace, by why; of ended ones `keep_terminated` may stay (0: all).

    `absent_nodes` were asked for and certainly do not exist; of `out_of_service` nodes `is_out_of_service`
    holds.
    """
    orphaned = [pod for pod in pods if pod.spec.node_name in absent_nodes]
    ending = [pod for pod in pods if is_ending(pod)]
    unscheduled = [pod for pod in ending if not pod.spec.node_name]
    given_up = sorted(
        (
            pod
            for pod in ending
            if pod.spec.node_name in out_of_service and pod.spec.node_name not in absent_nodes
        ),
        key=_order,
    )
    gone = {pod.metadata.uid for pod in given_up}
    ended = [
        pod
        for pod in pods
        if is_terminal(pod) and pod.spec.node_name not in absent_nodes and pod.metadata.uid not in gone
    ]
    ended.sort(key=_order)
    surplus = ended[:-keep_terminated] if keep_terminated > 0 else []
    return {ORPHANED: orphaned, OUT_OF_SERVICE: given_up, UNSCHEDULED: unscheduled, TERMINATED: surplus}


def _order(pod: pod_pb2.Pod) -> tuple[bool, float, str]:
    """Sort evicted Pods first, then the oldest (byEvictionAndCreationTimestamp)."""
    evicted = pod.status.phase == "Failed" and pod.status.reason == "Evicted"
    return not evicted, seconds_of(pod.metadata.creation_timestamp), pod.metadata.name


class AbsentNodes:
    """Node names that Pods have and no node has, with since when. Owned by the Pod collector."""

    def __init__(self, quarantine_seconds: float) -> None:
        self._quarantine, self._since = quarantine_seconds, dict[str, float]()

    def observe(self, used: Collection[str], existing: Collection[str], now: float) -> frozenset[str]:
        """Return the names that have been absent for the whole quarantine; `now` is monotonic seconds."""
        absent = {name for name in used if name and name not in existing}
        self._since = {name: self._since.get(name, now) for name in absent}
        return frozenset(name for name, since in self._since.items() if now - since >= self._quarantine)


_KEY = "pods"
#: between two looks
PERIOD_SECONDS = 20.0
#: what the DisruptionTarget condition of an orphaned Pod says
_NO_NODE = "PodGC: node no longer exists"


class PodGcController(Controller):
    """Removes Pods that nobody else will."""

    name = "pod-gc"

    def __init__(
        self, tools: Tools, factory: InformerFactory, config: ControllerConfig, registry: CollectorRegistry
    ) -> None:
        self._pods, self._nodes = factory.informer(POD), factory.informer(NODE)
        super().__init__(Tools(tools.clock, tools.metrics, workers=1), (self._pods, self._nodes))
        self._client = factory.clientset
        self._keep_terminated = config.terminated_pod_threshold
        self._absent = AbsentNodes(config.missing_node_quarantine_seconds)
        labels = ("namespace", "reason")
        self._removed = Counter(
            "pod_gc_collector_force_delete_pods_total",
            "Number of pods that are being forcefully deleted since the Pod GC Controller started.",
            labels, registry=registry,
        )  # fmt: skip
        self._errors = Counter(
            "pod_gc_collector_force_delete_pod_errors_total",
            "Number of errors encountered when forcefully deleting the pods since the Pod GC Controller started.",
            labels, registry=registry,
        )  # fmt: skip
        self.queue.add(_KEY)

    async def sync(self, key: str) -> float | None:
        pods, nodes = self._pods.lister.list(), self._nodes.lister.list()
        existing = {node.metadata.name for node in nodes}
        used = {pod.spec.node_name for pod in pods}
        absent = {
            name
            for name in self._absent.observe(used, existing, self.clock.monotonic())
            if await find(self._client.nodes, name) is None
        }
        plan = reconcile(
            pods, absent_nodes=absent, keep_terminated=self._keep_terminated,
            out_of_service={node.metadata.name for node in nodes if is_out_of_service(node)},
        )  # fmt: skip
        for why, doomed in plan.items():
            for pod in doomed:
                await self._remove(pod, why, because=_NO_NODE if why == ORPHANED else "")
        return PERIOD_SECONDS

    async def _remove(self, pod: pod_pb2.Pod, why: str, *, because: str) -> None:
        """Delete a Pod; `why` is upstream's word, `because` what its DisruptionTarget condition says.

        One that has not ended is Failed first: a finalizer may hold it, as one of a Job, and no kubelet would
        say what has become of it (markFailedAndDeletePodWithCondition of
        pkg/controller/podgc/gc_controller.go).
        """
        meta = pod.metadata
        self._removed.labels(meta.namespace, why).inc()
        try:
            if not is_terminal(pod):
                mask = ("phase", "conditions") if because else ("phase",)
                await self._client.pods.update_status(_failed(pod, because, self.clock.now()), mask=mask)
            await self._client.pods.delete(meta.name, meta.namespace, uid=meta.uid, grace_period_seconds=0)
        except (NotFound, Conflict):
            return
        except ApiError as error:
            self._errors.labels(meta.namespace, why).inc()
            log.warning("pod not removed", pod=f"{meta.namespace}/{meta.name}", error=error.message)
            return
        log.info("pod removed", pod=f"{meta.namespace}/{meta.name}", why=why)


def _failed(pod: pod_pb2.Pod, because: str, now: float) -> pod_pb2.Pod:
    failed = status_of(pod)
    if because:
        failed = with_target_condition(pod, "True", now, reason="DeletionByPodGC", message=because)
    failed.status.phase = "Failed"
    return failed
