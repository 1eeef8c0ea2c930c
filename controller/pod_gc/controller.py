"""The shell of the Pod collector: looks at all Pods every 20 s, as upstream does.

It deletes without grace: no kubelet answers for these Pods.
"""

import structlog
from prometheus_client import CollectorRegistry, Counter

from controller.base import Controller, Tools, find
from controller.config import ControllerConfig
from controller.pod_gc.reconcile import ORPHANED, AbsentNodes, is_out_of_service, reconcile
from controller.pods import status_of, with_target_condition
from vaina.api.core.v1 import pod_pb2
from vaina.cache.informer import InformerFactory
from vaina.errors import ApiError, Conflict, NotFound
from vaina.kinds import NODE, POD
from vaina.objects.pods import is_terminal

log = structlog.stdlib.get_logger(__name__)

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
