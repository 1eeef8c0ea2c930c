"""PURE: what each metric of an autoscaler calls for, and what is said of those that call for nothing.

Follows upstream's `pkg/controller/podautoscaler/horizontal.go` (computeReplicasForMetric). Metrics of Pods,
objects and the outside have no server here: they are told apart from resources, and say so.
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
    """A metric calls for nothing. `reason` and `detail` are of the event and the condition, the text is of
    the error.
    """

    def __init__(self, reason: str, detail: str, text: str) -> None:
        super().__init__(text)
        self.reason, self.detail = reason, detail


def measure(namespace: str, metric: v2.MetricSpec, known: Measured) -> Answer:
    """Return what a metric calls for. Raises NoAnswer."""
    match metric.type:
        case "Resource":
            resource = metric.resource
            try:
                answer, proposal = _resource(resource.name, resource.target, known, "")
            except MetricError as error:
                text = f"failed to get {resource.name} resource metric value: {error}"
                raise NoAnswer("FailedGetResourceMetric", str(error), text) from error
            answer.status.resource.name = resource.name
            _fill(answer.status.resource.current, proposal)
            return answer
        case "ContainerResource":
            part = metric.container_resource
            try:
                answer, proposal = _resource(part.name, part.target, known, part.container)
            except MetricError as error:
                text = f"failed to get {part.container} container metric value: {error}"
                raise NoAnswer("FailedGetContainerResourceMetric", str(error), text) from error
            answer.status.container_resource.name = part.name
            answer.status.container_resource.container = part.container
            _fill(answer.status.container_resource.current, proposal)
            return answer
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


def _resource(name: str, target: v2.MetricTarget, known: Measured, container: str) -> tuple[Answer, Proposal]:
    by_value = target.HasField("average_value")
    word = "usage" if by_value else "utilization"
    if not by_value and not target.HasField("average_utilization"):
        raise MetricError(_NO_TARGET)
    try:
        ask = Ask(
            name, known.pods, _usages(name, known, container), known.current, known.now, known.tolerances,
            known.readiness, container,
        )  # fmt: skip
        if by_value:
            proposal = by_average(ask, quantity.milli_value(target.average_value.string))
        else:
            proposal = by_utilization(ask, target.average_utilization)
    except MetricError as error:
        raise MetricError(f"failed to get {name} {word}: {error}") from error
    called = f"{name} container resource" if container else f"{name} resource"
    if not by_value:
        called += " utilization (percentage of request)"
    status = v2.MetricStatus(type="ContainerResource" if container else "Resource")
    return Answer(proposal.replicas, called, status), proposal


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


def _fill(current: v2.MetricValueStatus, proposal: Proposal) -> None:
    current.average_value.string = quantity.format_millis(proposal.millis)
    if proposal.utilization is not None:
        current.average_utilization = proposal.utilization
