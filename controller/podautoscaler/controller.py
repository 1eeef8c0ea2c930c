"""The shell of HorizontalPodAutoscalers: looks at each every 15 seconds, and sets the scale of its target.

Follows upstream's `pkg/controller/podautoscaler/horizontal.go`: changes of Pods wake nobody, time does. What
it remembers is lost with the process; then the present number counts as the last recommendation.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Protocol

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram

from controller.base import Controller, Tools
from controller.config import ControllerConfig
from controller.plans import copy_of
from controller.podautoscaler import reconcile as decide
from controller.podautoscaler.behavior import History
from controller.podautoscaler.measure import Readiness
from vaina.api.autoscaling.v1 import scale_pb2
from vaina.api.autoscaling.v2 import horizontal_pod_autoscaler_pb2 as v2
from vaina.api.core.v1 import pod_pb2
from vaina.api.metrics.v1beta1 import metrics_pb2
from vaina.cache.informer import InformerFactory
from vaina.client.events import EventRecorder
from vaina.client.verbs import ScalableClient
from vaina.errors import ApiError, NotFound
from vaina.kinds import HORIZONTAL_POD_AUTOSCALER, KINDS, POD, Kind
from vaina.objects.meta import object_key
from vaina.objects.selectors import LabelSelector, SelectorError, parse_label_selector
from vaina.quoting import go_quote

log = structlog.stdlib.get_logger(__name__)


class MetricsSource(Protocol):
    """Who knows what Pods use: the apiserver's metrics.k8s.io, or whoever a test hands in."""

    async def pods(self, namespace: str, *, label_selector: str) -> Sequence[metrics_pb2.PodMetrics]: ...


class PodAutoscalerController(Controller):
    """Keys are `namespace/name` of HorizontalPodAutoscalers."""

    name = "horizontalpodautoscaling"

    def __init__(
        self,
        tools: Tools,
        factory: InformerFactory,
        recorder: EventRecorder,
        config: ControllerConfig,
        registry: CollectorRegistry,
        metrics: MetricsSource,
    ) -> None:
        self._autoscalers = factory.informer(HORIZONTAL_POD_AUTOSCALER)
        self._pods = factory.informer(POD)
        super().__init__(tools, (self._autoscalers, self._pods))
        self._clients, self._recorder, self._metrics = factory.clientset, recorder, metrics
        self._period = config.horizontal_pod_autoscaler_sync_period_seconds
        self._rules = decide.Rules(
            config.horizontal_pod_autoscaler_downscale_stabilization_seconds, config.horizontal_pod_autoscaler_tolerance,
            Readiness(
                config.horizontal_pod_autoscaler_cpu_initialization_period_seconds,
                config.horizontal_pod_autoscaler_initial_readiness_delay_seconds,
            ),
        )  # fmt: skip
        #: by key, of autoscalers that are there
        self._histories: dict[str, History] = {}
        self._selectors: dict[str, LabelSelector] = {}
        labels = ("action", "error")
        self._count = Counter(
            "horizontal_pod_autoscaler_controller_reconciliations_total",
            "Number of reconciliations of HPA controller",
            labels,
            registry=registry,
        )
        self._seconds = Histogram(
            "horizontal_pod_autoscaler_controller_reconciliation_duration_seconds",
            "The time(seconds) that the HPA controller takes to reconcile once",
            labels, registry=registry, buckets=tuple(0.001 * 2.0**power for power in range(15)),
        )  # fmt: skip
        of_metric = ("action", "error", "metric_type")
        self._computations = Counter(
            "horizontal_pod_autoscaler_controller_metric_computation_total",
            "Number of metric computations", of_metric, registry=registry,
        )  # fmt: skip
        self._computation_seconds = Histogram(
            "horizontal_pod_autoscaler_controller_metric_computation_duration_seconds",
            "The time(seconds) that the HPA controller takes to calculate one metric",
            of_metric, registry=registry, buckets=tuple(0.001 * 2.0**power for power in range(15)),
        )  # fmt: skip
        self._autoscalers.add_handler(
            on_add=lambda obj: self.queue.add(object_key(obj)),
            on_update=self._on_update,
            on_delete=lambda obj: self.queue.add(object_key(obj)),
        )

    def _on_update(self, old: decide.Autoscaler, new: decide.Autoscaler) -> None:
        # Each look writes a status, which calls for no other look.
        if old.spec != new.spec:
            self.queue.add(object_key(new))

    async def sync(self, key: str) -> float | None:
        autoscaler = self._autoscalers.lister.get(key)
        if autoscaler is None:
            self._histories.pop(key, None)
            self._selectors.pop(key, None)
            return None
        started = self.clock.monotonic()
        plan, word = await self._plan(key, autoscaler)
        self._histories[key] = plan.history
        for note in plan.notes:
            self._recorder.event(autoscaler, *note)
        labels = (word, "internal" if plan.error else "none")
        self._count.labels(*labels).inc()
        self._seconds.labels(*labels).observe(self.clock.monotonic() - started)
        if plan.error:
            log.warning(
                "autoscaler is in trouble", autoscaler=key, uid=autoscaler.metadata.uid, error=plan.error
            )
        await self._write(autoscaler, plan)
        return self._period

    async def _plan(self, key: str, autoscaler: decide.Autoscaler) -> tuple[decide.Plan, str]:
        """Decide and set the scale; return the plan as it turned out, and upstream's word for it."""
        history, spec = self._histories.get(key, History()), autoscaler.spec
        now = self.clock.now()
        kind = _scalable(spec.scale_target_ref)
        if kind is None:
            reference = spec.scale_target_ref
            group = reference.api_version.rpartition("/")[0]
            why = f"no matches for kind {go_quote(reference.kind)} in group {go_quote(group)}"
            return decide.no_scale(autoscaler, history, why, now), "none"
        client: ScalableClient[Any] = ScalableClient(self._clients.transport, kind)
        try:
            scale = await client.get_scale(spec.scale_target_ref.name, autoscaler.metadata.namespace)
        except ApiError as error:
            return decide.no_scale(autoscaler, history, error.message, now), "none"
        current = scale.spec.replicas
        started = self.clock.monotonic()
        plan = decide.reconcile(
            autoscaler, await self._look(key, autoscaler, scale), history, self._rules, now
        )
        for labels in plan.computed:
            # All metrics of a look are asked for at once: each took this time.
            self._computations.labels(*labels).inc()
            self._computation_seconds.labels(*labels).observe(self.clock.monotonic() - started)
        if plan.replicas is None:
            return plan, "none"
        word = decide.action(plan.replicas, current)
        # Against the version that was read: a user who scaled it meanwhile is not overruled.
        scale.spec.replicas = plan.replicas
        try:
            await client.update_scale(scale)
        except ApiError as error:
            return decide.not_rescaled(autoscaler, plan, error.message, now), word
        log.info(
            "rescaled", autoscaler=key, uid=autoscaler.metadata.uid, target=spec.scale_target_ref.name,
            before=current, after=plan.replicas, reason=plan.reason,
        )  # fmt: skip
        return decide.rescaled(autoscaler, plan, current, now), word

    async def _look(self, key: str, autoscaler: decide.Autoscaler, scale: scale_pb2.Scale) -> decide.Seen:
        namespace, text = autoscaler.metadata.namespace, scale.status.selector
        if not text:
            self._selectors.pop(key, None)
            return decide.Seen(scale)
        try:
            selector = parse_label_selector(text)
        except SelectorError:
            return decide.Seen(scale)
        self._selectors[key] = selector
        pods = self._pods.lister.list(selector, namespace)
        seen = decide.Seen(scale, pods, (), self._autoscalers_of(namespace, pods))
        if not decide.wants_metrics(autoscaler, scale):
            return seen
        metrics: Sequence[metrics_pb2.PodMetrics] | str
        try:
            metrics = await self._metrics.pods(namespace, label_selector=text)
        except ApiError as error:
            metrics = error.message
        return decide.Seen(scale, pods, metrics, seen.autoscalers)

    def _autoscalers_of(self, namespace: str, pods: Sequence[pod_pb2.Pod]) -> list[str]:
        return [
            key
            for key, selector in self._selectors.items()
            if key.startswith(f"{namespace}/") and any(selector.matches(pod.metadata.labels) for pod in pods)
        ]

    async def _write(self, autoscaler: decide.Autoscaler, plan: decide.Plan) -> None:
        if plan.status == autoscaler.status:
            return
        changed = copy_of(autoscaler)
        changed.status.CopyFrom(plan.status)
        with suppress(NotFound):
            await self._clients.horizontal_pod_autoscalers.update_status(changed)


def _scalable(reference: v2.CrossVersionObjectReference) -> Kind[Any] | None:
    """Return the kind with replicas that a reference names, in any version of its group; None: there is none."""
    group = reference.api_version.rpartition("/")[0]
    named = (kind for kind in KINDS if (kind.group, kind.kind) == (group, reference.kind))
    return next((kind for kind in named if kind.has_scale), None)
