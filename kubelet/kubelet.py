"""The kubelet brings together what its sources want and what its runtime has, in one worker a Pod. Shell.

It admits, dispatches, and finds what belongs to no Pod; how anything is done it does not know.
"""

import asyncio
from collections.abc import Mapping, Sequence

import structlog

from kubelet.admit import Rejection, admit, is_crowded
from kubelet.decide.phase import TERMINAL
from kubelet.node.care import NodeCare
from kubelet.node.manager import NodeManager
from kubelet.pod.tools import PodTools
from kubelet.pod.workers import PodWorkers
from kubelet.runtime.interface import RuntimeFailure
from kubelet.runtime.records import Uid
from kubelet.runtime.watch import RuntimePod, RuntimeWatch
from kubelet.sources.apiserver import ApiserverSource, MirrorPods
from kubelet.sources.files import FileSource
from kubelet.sources.static_files import HASH, SOURCE, full_name, is_static, shown
from kubelet.status.manager import StatusManager
from vaina.api.core.v1 import pod_pb2
from vaina.client.clientset import Clientset
from vaina.clock import seconds_of
from vaina.objects.meta import key_of
from vaina.objects.pods import is_mirror
from vaina.steps import PodStep

log = structlog.stdlib.get_logger(__name__)


class Kubelet:
    """The kubelet of one node. Owned by the task that runs it; everything in it is on one event loop."""

    def __init__(
        self,
        client: Clientset,
        tools: PodTools,
        node: NodeManager,
        status: StatusManager,
        *,
        relist_seconds: float,
        static_pod_path: str = "",
        file_check_seconds: float = 1.0,
    ) -> None:
        self._tools, self._node, self._status = tools, node, status
        #: what looks after the node itself; None where nothing runs
        self.care: NodeCare | None = None
        self.workers = PodWorkers(
            tools, on_end=self._on_end, is_crowded=lambda pod, others: is_crowded(pod, others, node.node)
        )
        self.source = ApiserverSource(
            client.pods, tools.clock, node_name=tools.node.name, on_change=self._on_change, rng=tools.rng
        )
        self._watch = RuntimeWatch(
            tools.runtime, tools.clock, relist_seconds=relist_seconds, poke=self.workers.poke,
            on_relist=self._on_relist, metrics=tools.metrics,
        )  # fmt: skip
        self.files = FileSource(
            static_pod_path, tools.clock, node_name=tools.node.name, check_seconds=file_check_seconds,
            on_change=self._on_files, metrics=tools.metrics,
        )  # fmt: skip
        self._mirrors = MirrorPods(
            client.pods, tools.clock, statics=lambda: self._statics, mirrors=self._mirror_pods,
            outlived=self._outlived, node=lambda: node.node, metrics=tools.metrics, rng=tools.rng,
        )  # fmt: skip
        self._statics: dict[Uid, pod_pb2.Pod] = {}
        #: what was in the runtime when this kubelet began
        self._found: Mapping[Uid, RuntimePod] = {}
        self._adopted: set[Uid] = set()

    @property
    def knows_its_pods(self) -> bool:
        """Whether it has been told all its Pods since it started, the static ones too."""
        return self.source.informer.synced and self.files.synced

    def looked_after(self) -> frozenset[Uid] | None:
        """Return the Pods that have a worker; None while a source has not told all it has."""
        return frozenset(worker.uid for worker in self.workers.all()) if self.knows_its_pods else None

    async def wait_registered(self) -> None:
        await self._node.wait_registered()

    async def run(self) -> None:
        self._found = await self._first_relist()
        self._adopted = set(self._found)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._node.run(), name="node")
            group.create_task(self.workers.run(), name="workers")
            group.create_task(self._watch.run(), name="runtime-watch")
            # Static Pods need no apiserver: it may be one of them.
            group.create_task(self.files.run(), name="static-pods")
            # Other Pods are judged by what the node has: its record has to be there first.
            await self._node.wait_registered()
            group.create_task(self.source.informer.run(), name="pods")
            await self.source.informer.wait_synced()
            # A mirror of which no manifest is known is taken away: not before all of them are.
            await self.files.wait_synced()
            group.create_task(self._mirrors.run(), name="mirror-pods")

    async def _first_relist(self) -> Mapping[Uid, RuntimePod]:
        attempt = 0
        while True:
            try:
                return await self._watch.relist()
            except RuntimeFailure as error:
                log.warning("the runtime does not answer yet", error=str(error))
                await self._tools.clock.sleep(self._tools.settings.retry_backoff.delay(attempt))
                attempt += 1

    def _on_change(self, wishes: Sequence[pod_pb2.Pod], gone: Sequence[Uid]) -> None:
        for uid in gone:
            self._on_gone(uid)
        mirrors = [pod for pod in wishes if is_mirror(pod)]
        if mirrors or (gone and self._statics):
            self._match_mirrors()
        if mirrors:
            wishes = [pod for pod in wishes if not is_mirror(pod)]
        # Pods that run already come first, then the oldest: a later Pod must not push them out.
        for pod in sorted(wishes, key=self._order):
            self._on_wish(pod)

    def _on_files(self, pods: Mapping[Uid, pod_pb2.Pod]) -> None:
        for uid in [uid for uid in self._statics if uid not in pods]:
            del self._statics[uid]
            self._on_gone(uid)
        self._statics.update(pods)
        # What an earlier kubelet ran of manifests that are gone, or others by now, has to make room first.
        self._end_orphans(self._found)
        self._found = {}
        self._start_statics()
        self._match_mirrors()

    def _start_statics(self) -> None:
        """Start the static Pods that have no worker.

        One whose manifest was changed waits for the end of its predecessor, which has the same ports and files.
        """
        taken = {full_name(worker.pod) for worker in self.workers.all() if is_static(worker.pod.metadata)}
        for uid, pod in self._statics.items():
            if uid not in self.workers and full_name(pod) not in taken:
                self._on_wish(pod)

    def _mirror_pods(self) -> Sequence[pod_pb2.Pod]:
        return [pod for pod in self.source.informer.lister.list() if is_mirror(pod)]

    def _outlived(self, static: pod_pb2.Pod, mirror: pod_pb2.Pod) -> bool:
        """Say whether a mirror shows an end that is none: an earlier kubelet's refusal stays in the API."""
        worker = self.workers.get(Uid(static.metadata.uid))
        phase = worker.reported.phase if worker is not None else ""
        return mirror.status.phase in TERMINAL and phase != "" and phase not in TERMINAL

    def _match_mirrors(self) -> None:
        found = shown(self._statics.values(), self._mirror_pods(), self._outlived)
        for uid in self._statics:
            self._status.mirrored(uid, found.get(uid))
            self._tools.steps.mirrored(uid, found.get(uid))
        self._mirrors.poke()

    def _order(self, pod: pod_pb2.Pod) -> tuple[bool, float]:
        return Uid(pod.metadata.uid) not in self._adopted, seconds_of(pod.metadata.creation_timestamp)

    def _on_wish(self, pod: pod_pb2.Pod) -> None:
        uid = Uid(pod.metadata.uid)
        worker = self.workers.get(uid)
        if worker is not None:
            worker.wish(pod)
            self._status.reconcile(pod)
            return
        adopted = uid in self._adopted
        # As upstream, which asks its sources (filterOutInactivePods in `pkg/kubelet/kubelet_pods.go`).
        others = [
            other.allocated_pod for other in self.workers.all() if other.holds_resources and not other.is_gone
        ]
        worker = self.workers.start(pod, adopted=adopted)
        if adopted:
            log.info("pod adopted", pod=key_of(pod.metadata), uid=uid)
            return
        log.info("pod observed", pod=key_of(pod.metadata), uid=uid, step=PodStep.OBSERVED)
        now = self._tools.clock.now()
        self._tools.steps.report(
            pod.metadata,
            PodStep.OBSERVED,
            now,
            now,
            "read from its manifest" if is_static(pod.metadata) else "seen over the watch",
            self._tools.node.name,
        )
        if pod.status.phase in TERMINAL or pod.metadata.HasField("deletion_timestamp"):
            return
        try:
            rejection = admit(
                pod, others, self._node.node,
                allowed_unsafe_sysctls=self._tools.node.settings.allowed_unsafe_sysctls,
            )  # fmt: skip
        except ValueError as error:
            # Something in a Pod or in the Node that validation lets pass and that cannot be counted.
            rejection = Rejection("UnexpectedAdmissionError", f"Unexpected error: {error}")
        if rejection is None:
            self._tools.metrics.containers_per_pod.observe(len(pod.spec.containers))
        if rejection is not None:
            log.info("pod rejected", pod=key_of(pod.metadata), uid=uid, reason=rejection.reason)
            self._tools.events.event(pod, "Warning", rejection.reason, rejection.message)
            worker.reject(rejection.reason, f"Pod was rejected: {rejection.message}")

    def _on_gone(self, uid: Uid) -> None:
        worker = self.workers.get(uid)
        if worker is not None:
            worker.wish(None)

    def _on_end(self, uid: Uid) -> None:
        self._status.forget(uid)
        self._tools.steps.forget(uid)
        self._adopted.discard(uid)
        if uid in self._statics:
            # Its manifest went and came back while it ended.
            self._tools.metrics.restarted_pods.labels("true").inc()
        if self._statics:
            self._start_statics()
            self._match_mirrors()

    def _on_relist(self, pods: Mapping[Uid, RuntimePod]) -> None:
        """End what is in the runtime and in no source; look after what was lost."""
        for worker in self.workers.all():
            if worker.has_sandbox and worker.uid not in pods:
                worker.poke()
        mirrors = len(self._mirror_pods())
        self._tools.metrics.desired_pods.labels("false").set(
            len(self.source.informer.lister.list()) - mirrors
        )
        if self._statics:
            self._match_mirrors()
        self._end_orphans(pods)

    def _end_orphans(self, pods: Mapping[Uid, RuntimePod]) -> None:
        """End Pods that no source has, once the source has told what there is."""
        for uid, found in pods.items():
            if uid in self.workers or uid in self._statics:
                continue
            if not found.static and (not self.source.informer.synced or self.source.has(uid)):
                continue
            if found.static and not self.files.synced:
                continue
            log.info("pod without an owner", pod=f"{found.namespace}/{found.name}", uid=uid)
            self._tools.metrics.orphans.inc()
            self.workers.start(_orphan(found), adopted=True).wish(None)


def _orphan(found: RuntimePod) -> pod_pb2.Pod:
    """Return what is left of a Pod that no source has any more."""
    pod = pod_pb2.Pod()
    pod.metadata.name, pod.metadata.namespace, pod.metadata.uid = found.name, found.namespace, found.uid
    if found.grace_seconds is not None:
        pod.spec.termination_grace_period_seconds = found.grace_seconds
    if found.static:
        pod.metadata.annotations.update({SOURCE: "file", HASH: found.uid})
    return pod
