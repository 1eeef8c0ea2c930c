"""The shell of the disruption controller (`pkg/controller/disruption`): budgets follow their Pods.

The eviction itself is the apiserver's (`apiserver/registry/eviction.py`).
"""

from collections.abc import Iterable, Sequence
from typing import Any

import structlog

from controller.base import Controller, Tools
from controller.disruption import reconcile as decide
from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.api.policy.v1 import pod_disruption_budget_pb2
from vaina.cache.informer import Informer, InformerFactory
from vaina.client.events import NORMAL, WARNING, EventRecorder
from vaina.errors import Conflict, NotFound
from vaina.kinds import DEPLOYMENT, KINDS, POD, POD_DISRUPTION_BUDGET, REPLICA_SET
from vaina.objects.disruption_budgets import selector_of
from vaina.objects.meta import controller_of, object_key

log = structlog.stdlib.get_logger(__name__)

Budget = pod_disruption_budget_pb2.PodDisruptionBudget

_UNMANAGED = (
    "Pods selected by this PodDisruptionBudget (selector: {}) were found to be unmanaged. As a result, the status of the PDB "
    "cannot be calculated correctly, which may result in undefined behavior. To account for these pods please set "
    '".spec.minAvailable" field of the PDB to an integer value.'
)


class DisruptionController(Controller):
    """Keys are `namespace/name` of budgets."""

    name = "disruption"

    def __init__(self, tools: Tools, factory: InformerFactory, recorder: EventRecorder) -> None:
        self._budgets, self._pods = factory.informer(POD_DISRUPTION_BUDGET), factory.informer(POD)
        #: kinds that say how many Pods there should be
        self._scaled: dict[str, Informer[Any]] = {
            kind.kind: factory.informer(kind) for kind in KINDS if kind.has_scale
        }
        super().__init__(tools, [*self._scaled.values()])
        self.informers += [self._budgets, self._pods]
        self._client, self._recorder = factory.clientset.pod_disruption_budgets, recorder
        self._pod_client = factory.clientset.pods
        self._coverage = decide.Coverage()
        #: of each Pod with several budgets, those that an Event has named
        self._told: dict[str, frozenset[str]] = {}
        self._budgets.add_handler(
            on_add=self._on_budget,
            on_update=lambda _, new: self._on_budget(new),
            on_delete=lambda budget: self._coverage.drop(object_key(budget)),
        )
        self._pods.add_handler(
            on_add=self._on_pod, on_update=lambda _, new: self._on_pod(new), on_delete=self._on_pod_gone
        )
        for informer in self._scaled.values():
            informer.add_handler(on_add=self._on_scaled, on_update=self._on_scale, on_delete=self._on_scaled)

    async def sync(self, key: str) -> float | None:
        budget = self._budgets.lister.get(key)
        if budget is None:
            return None
        namespace, now = budget.metadata.namespace, self.clock.now()
        keys = self._coverage.pods(key, lambda: self._pods.lister.list(namespace=namespace))
        pods = [pod for pod in map(self._pods.lister.get, sorted(keys)) if pod is not None]
        self._tell_of_several(pods)
        try:
            verdict = self._count(budget, pods, now)
            if self._is_in_doubt(budget, verdict):
                pods = await self._covered_now(budget)
                verdict = self._count(budget, pods, now)
        except decide.NoScale as error:
            self._recorder.event(
                budget, WARNING, "CalculateExpectedPodCountFailed",
                f"Failed to calculate the number of expected pods: {error}",
            )  # fmt: skip
            await self._write(decide.failed(budget, str(error), now))
            return None
        if not pods:
            self._recorder.event(budget, NORMAL, "NoPods", "No matching pods found")
        if verdict.unmanaged:
            self._recorder.event(budget, WARNING, "UnmanagedPods", _UNMANAGED.format(_shown(budget)))
        for pod in verdict.not_deleted:
            self._recorder.event(
                pod, WARNING, "NotDeleted",
                f"Pod was expected by PDB {namespace}/{budget.metadata.name} to be deleted but it wasn't",
            )  # fmt: skip
        await self._write(verdict.wanted)
        return verdict.recheck

    def _tell_of_several(self, pods: Iterable[pod_pb2.Pod]) -> None:
        """Say once of each Pod that several budgets cover that it cannot be evicted (getPdbForPod)."""
        for pod in pods:
            key = object_key(pod)
            budgets = self._coverage.covering(key)
            if len(budgets) < 2:
                self._told.pop(key, None)
            elif self._told.get(key) != budgets:
                self._told[key] = budgets
                meta, first = pod.metadata, min(budgets).partition("/")[2]
                self._recorder.event(
                    pod, WARNING, "MultiplePodDisruptionBudgets",
                    f'Pod "{meta.namespace}"/"{meta.name}" matches multiple PodDisruptionBudgets.  Chose "{first}" arbitrarily.',
                )  # fmt: skip

    def _count(self, budget: Budget, pods: Sequence[pod_pb2.Pod], now: float) -> decide.Verdict:
        """Count a budget's Pods, and note which objects were asked for their scale. Raises NoScale."""
        asked: set[str] = set()
        namespace = budget.metadata.namespace
        try:
            return decide.reconcile(
                budget, pods, lambda reference: self._scale_of(reference, namespace, asked), now
            )
        finally:
            self._coverage.rests_on(object_key(budget), asked)

    def _is_in_doubt(self, budget: Budget, verdict: decide.Verdict) -> bool:
        """Say whether the cache may be too old to allow more on its word.

        Another process may have counted a Pod as gone that this one's cache still has: Pods as old as the
        budget's own state do not count.
        """
        if verdict.not_deleted:
            return True
        wanted = verdict.wanted
        more = wanted is not None and wanted.status.disruptions_allowed > budget.status.disruptions_allowed
        return more and self._pods.resource_version < int(budget.metadata.resource_version)

    async def _covered_now(self, budget: Budget) -> list[pod_pb2.Pod]:
        selector = selector_of(budget)
        if selector.nothing:
            return []
        return (await self._pod_client.list(budget.metadata.namespace, label_selector=str(selector))).items

    async def _write(self, wanted: Budget | None) -> None:
        if wanted is None:
            return
        try:
            # Against the version that was read, so that an eviction granted meanwhile is not forgotten.
            await self._client.update_status(wanted)
        except NotFound:
            return
        log.info(
            "budget counted", budget=object_key(wanted), uid=wanted.metadata.uid,
            allowed=wanted.status.disruptions_allowed, healthy=wanted.status.current_healthy,
        )  # fmt: skip

    def _look_at(self, keys: Iterable[str]) -> None:
        for key in keys:
            self.queue.add(key)

    def _on_budget(self, budget: Budget) -> None:
        self._coverage.put(budget)
        self.queue.add(object_key(budget))

    def _on_pod(self, pod: pod_pb2.Pod) -> None:
        self._look_at(self._coverage.put_pod(pod))

    def _on_pod_gone(self, pod: pod_pb2.Pod) -> None:
        key = object_key(pod)
        self._told.pop(key, None)
        self._look_at(self._coverage.drop_pod(key))

    def _on_scaled(self, obj: Any) -> None:
        self._look_at(self._coverage.resting_on(obj.metadata.uid))

    def _on_scale(self, old: Any, new: Any) -> None:
        before, after = ((obj.spec.replicas, _parent(obj)) for obj in (old, new))
        if before != after:
            self._on_scaled(new)

    def _scale_of(
        self, reference: meta_pb2.OwnerReference, namespace: str, asked: set[str]
    ) -> decide.Scale | None:
        """Return the scale of a controller; add the uids of all objects that were asked to `asked`."""
        asked.add(reference.uid)
        informer = self._scaled.get(reference.kind)
        if informer is None:
            group = reference.api_version.partition("/")[0] if "/" in reference.api_version else ""
            resource = f"{reference.kind.lower()}s.{group}".rstrip(".")
            raise decide.NoScale(f"{resource} does not implement the scale subresource")
        obj = informer.lister.get(f"{namespace}/{reference.name}")
        if obj is None or obj.metadata.uid != reference.uid:
            return None
        parent = controller_of(obj.metadata)
        if reference.kind == REPLICA_SET.kind and parent is not None and parent.kind == DEPLOYMENT.kind:
            return self._scale_of(parent, namespace, asked)
        return decide.Scale(obj.metadata.uid, obj.spec.replicas if obj.spec.HasField("replicas") else 1)


class StaleDisruptionController(Controller):
    """Keys are `namespace/name` of Pods that were said to be about to end, and did not."""

    name = "stale-pod-disruption"

    def __init__(self, tools: Tools, factory: InformerFactory) -> None:
        self._pods = factory.informer(POD)
        super().__init__(Tools(tools.clock, tools.metrics, workers=1), (self._pods,))
        self._client = factory.clientset.pods
        self.watch(self._pods, self._marked)

    def _marked(self, pod: pod_pb2.Pod) -> str | None:
        return None if decide.stale_in(pod, self.clock.now()) is None else object_key(pod)

    async def sync(self, key: str) -> float | None:
        pod, now = self._pods.lister.get(key), self.clock.now()
        left = None if pod is None else decide.stale_in(pod, now)
        if pod is None or left is None or left > 0:
            return left
        try:
            await self._client.update_status(decide.no_longer_target(pod, now), mask=("conditions",))
        except (NotFound, Conflict):
            return None
        log.info("pod is no longer about to end", pod=key, uid=pod.metadata.uid)
        return None


def _parent(obj: Any) -> str:
    reference = controller_of(obj.metadata)
    return "" if reference is None else reference.uid


def _shown(budget: Budget) -> str:
    pairs = ",".join(f"{key}={value}" for key, value in sorted(budget.spec.selector.match_labels.items()))
    return pairs or "by expressions"
