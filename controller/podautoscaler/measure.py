"""PURE: what each metric of an autoscaler calls for, or why it calls for nothing.

Follows computeReplicasForMetric of upstream's `pkg/controller/podautoscaler/horizontal.go`. Metrics of Pods,
objects and the outside have no server here, and fail with upstream's words.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from controller.podautoscaler.replicas import (
    Ask,
    MetricError,
    Proposal,
    Readiness,
    Tolerances,
    Usage,
    by_average,
    by_utilization,
    usages_of,
)
from vaina.api.autoscaling.v2 import horizontal_pod_autoscaler_pb2 as v2
from vaina.api.core.v1 import pod_pb2
from vaina.api.metrics.v1beta1 import metrics_pb2
from vaina.objects import quantity
from vaina.quoting import go_quote

_NO_CUSTOM: Final = "unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered"
_NO_EXTERNAL: Final = "unable to fetch metrics from external metrics API: no external metrics API (external.metrics.k8s.io) registered"
_NO_TARGET: Final = "invalid resource metric source: neither an average utilization target nor an average value (usage) target was set"


@dataclass(frozen=True, slots=True)
class Measured:
    """What is known of the Pods of a target."""

    pods: Sequence[pod_pb2.Pod]
    #: what they use; a text: why it is not known
    metrics: Sequence[metrics_pb2.PodMetrics] | str
    #: as the target wishes for
    current: int
    now: float
    tolerances: Tolerances
    readiness: Readiness


@dataclass(frozen=True, slots=True)
class Answer:
    """What a metric calls for."""

    replicas: int
    #: as messages call it
    name: str
    status: v2.MetricStatus


class NoAnswer(Exception):
    """A metric calls for nothing. The Event and the condition have `reason` and `detail`, the error the text."""

    def __init__(self, reason: str, detail: str, text: str) -> None:
        super().__init__(text)
        self.reason, self.detail = reason, detail


def measure(namespace: str, metric: v2.MetricSpec, known: Measured) -> Answer:
    """Return what a metric calls for. Raises NoAnswer."""
    match metric.type:
        case "Resource" | "ContainerResource":
            return _of_resource(metric, known)
        case "Pods":
            detail = f"unable to get metric {metric.pods.metric.name}: {_NO_CUSTOM}"
            raise NoAnswer("FailedGetPodsMetric", detail, f"failed to get pods metric value: {detail}")
        case "Object":
            about = metric.object.described_object
            where = f"{about.kind} on {namespace} {about.name}"
            detail = f"unable to get metric {metric.object.metric.name}: {where}/{_NO_CUSTOM}"
            raise NoAnswer("FailedGetObjectMetric", detail, f"failed to get object metric value: {detail}")
        case "External":
            name = metric.external.metric.name
            detail = f"unable to get external metric {namespace}/{name}: {_NO_EXTERNAL}"
            text = f"failed to get {name} external metric value: {detail}"
            raise NoAnswer("FailedGetExternalMetric", detail, text)
        case _:
            text = f"unknown metric source type {go_quote(metric.type)}"
            raise NoAnswer("InvalidMetricSourceType", text, text)


def _of_resource(metric: v2.MetricSpec, known: Measured) -> Answer:
    """Return what a resource of Pods, or of a container of each, calls for. Raises NoAnswer."""
    status, container = v2.MetricStatus(type=metric.type), ""
    if metric.type == "Resource":
        name, target = metric.resource.name, metric.resource.target
        what, reason = f"{name} resource", "FailedGetResourceMetric"
        status.resource.name, current = name, status.resource.current
    else:
        part = metric.container_resource
        name, target, container = part.name, part.target, part.container
        what, reason = f"{container} container", "FailedGetContainerResourceMetric"
        status.container_resource.name, current = name, status.container_resource.current
        status.container_resource.container = container
    try:
        proposal = _propose(name, target, known, container)
    except MetricError as error:
        raise NoAnswer(reason, str(error), f"failed to get {what} metric value: {error}") from error
    current.average_value.string = quantity.format_millis(proposal.millis)
    if proposal.utilization is not None:
        current.average_utilization = proposal.utilization
    called = f"{name} container resource" if container else f"{name} resource"
    if not target.HasField("average_value"):
        called += " utilization (percentage of request)"
    return Answer(proposal.replicas, called, status)


def _propose(name: str, target: v2.MetricTarget, known: Measured, container: str) -> Proposal:
    by_value = target.HasField("average_value")
    if not by_value and not target.HasField("average_utilization"):
        raise MetricError(_NO_TARGET)
    try:
        ask = Ask(
            name, known.pods, _usages(name, known, container), known.current, known.now, known.tolerances,
            known.readiness, container,
        )  # fmt: skip
        if by_value:
            return by_average(ask, quantity.milli_value(target.average_value.string))
        return by_utilization(ask, target.average_utilization)
    except MetricError as error:
        word = "usage" if by_value else "utilization"
        raise MetricError(f"failed to get {name} {word}: {error}") from error


def _usages(name: str, known: Measured, container: str) -> dict[str, Usage]:
    why = ""
    if isinstance(known.metrics, str):
        why = f"unable to fetch metrics from resource metrics API: {known.metrics}"
    elif not known.metrics:
        why = "no metrics returned from resource metrics API"
    else:
        try:
            return usages_of(known.metrics, name, container)
        except MetricError as error:
            why = str(error)
    raise MetricError(f"unable to get metrics for resource {name}: {why}")
