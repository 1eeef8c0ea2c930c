"""PURE: how many replicas each metric of an autoscaler calls for, or why it calls for none.

Follows upstream's `pkg/controller/podautoscaler`: `replica_calculator.go`, `metrics/utilization.go`,
`metrics/client.go` and computeReplicasForMetric. Amounts are thousandths: of a core, of a byte. Metrics of
Pods, objects and the outside have no server here, and fail with upstream's words.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from vaina.api.autoscaling.v2 import horizontal_pod_autoscaler_pb2 as v2
from vaina.api.core.v1 import pod_pb2
from vaina.api.metrics.v1beta1 import metrics_pb2
from vaina.clock import seconds_of
from vaina.objects import quantity
from vaina.objects.conditions import get_condition
from vaina.objects.pods import is_restartable_init, pod_requests
from vaina.quoting import go_quote

_MAX_INT32: Final = 2**31 - 1


class MetricError(Exception):
    """A metric says nothing about the number of replicas; the message is upstream's."""


@dataclass(frozen=True, slots=True)
class Tolerances:
    """How far the ratio of what is used to what is wished for may be from 1 without a change."""

    down: float = 0.1
    up: float = 0.1

    def covers(self, ratio: float) -> bool:
        return 1.0 - self.down <= ratio <= 1.0 + self.up


@dataclass(frozen=True, slots=True)
class Readiness:
    """When what a young Pod uses counts; seconds."""

    #: a Pod this young counts only while it is ready, and by what was measured since then
    cpu_initialization: float = 300.0
    #: a Pod that became unready this soon after its start has never been ready
    initial_delay: float = 30.0


@dataclass(frozen=True, slots=True)
class Usage:
    """What a Pod uses."""

    millis: int
    #: end of the window, in seconds since the epoch, and its length
    time: float = 0.0
    window: float = 0.0


@dataclass(frozen=True, slots=True)
class Ask:
    """The question: a metric of some Pods."""

    resource: str
    pods: Sequence[pod_pb2.Pod]
    usages: Mapping[str, Usage]
    current: int
    now: float
    tolerances: Tolerances = field(default_factory=Tolerances)
    readiness: Readiness = field(default_factory=Readiness)
    #: of this container alone; empty: of the whole Pod
    container: str = ""


@dataclass(frozen=True, slots=True)
class Proposal:
    """The answer."""

    replicas: int
    #: on average
    millis: int
    #: percent of what the Pods ask for
    utilization: int | None = None


@dataclass(frozen=True, slots=True)
class Groups:
    """Pods by what is known of them, by name."""

    ready: int
    unready: frozenset[str]
    missing: frozenset[str]
    ignored: frozenset[str]


def usages_of(
    metrics: Iterable[metrics_pb2.PodMetrics], resource: str, container: str = ""
) -> dict[str, Usage]:
    """Return what Pods, or a container of each, use of a resource; Pods not fully measured are left out.

    Raises MetricError when a Pod that was measured has no such container.
    """
    found: dict[str, Usage] = {}
    for item in metrics:
        parts = [part for part in item.containers if not container or part.name == container]
        if container and not parts:
            where = f"{item.metadata.namespace}/{item.metadata.name}"
            raise MetricError(
                f"failed to get container metrics: container {container} not present in metrics for pod {where}"
            )
        if not parts or any(resource not in part.usage for part in parts):
            continue
        total = sum(quantity.milli_value(part.usage[resource].string) for part in parts)
        found[item.metadata.name] = Usage(total, seconds_of(item.timestamp), item.window.duration / 1e9)
    return found


def group(ask: Ask) -> Groups:
    """Tell ready Pods from unready ones, from those without a measurement, and from those that do not count."""
    ready, unready, missing, ignored = 0, set(), set(), set()
    for pod in ask.pods:
        name, usage = pod.metadata.name, ask.usages.get(pod.metadata.name)
        if pod.metadata.HasField("deletion_timestamp") or pod.status.phase == "Failed":
            ignored.add(name)
        elif pod.status.phase == "Pending":
            unready.add(name)
        elif usage is None:
            missing.add(name)
        elif ask.resource == "cpu" and _is_unready(pod, usage, ask):
            unready.add(name)
        else:
            ready += 1
    return Groups(ready, frozenset(unready), frozenset(missing), frozenset(ignored))


def _is_unready(pod: pod_pb2.Pod, usage: Usage, ask: Ask) -> bool:
    """Say whether a Pod's CPU does not count yet: a Pod that starts uses more than it will."""
    condition = get_condition(pod.status, "Ready")
    if condition is None or not pod.status.HasField("start_time"):
        return True
    started, changed = seconds_of(pod.status.start_time), seconds_of(condition.last_transition_time)
    if started + ask.readiness.cpu_initialization > ask.now:
        return condition.status == "False" or usage.time < changed + usage.window
    return condition.status == "False" and started + ask.readiness.initial_delay > changed


def requests_of(pods: Iterable[pod_pb2.Pod], resource: str, container: str = "") -> dict[str, int]:
    """Return what Pods, or a container of each, ask for. Raises MetricError when one does not say."""
    return {pod.metadata.name: _request_of(pod, resource, container) for pod in pods}


def _request_of(pod: pod_pb2.Pod, resource: str, container: str) -> int:
    name = pod.metadata.name
    if not container and pod.spec.resources.requests:
        # A Pod's own request replaces those of its containers (KEP-2837).
        amount = pod_requests(pod).get(resource)
        if amount is None:
            raise MetricError(f"missing pod-level request for {resource} in Pod {name}")
        return amount if resource == "cpu" else amount * 1000
    sidecars = [one for one in pod.spec.init_containers if is_restartable_init(one)]
    parts = [one for one in (*pod.spec.containers, *sidecars) if not container or one.name == container]
    if container and not parts:
        raise MetricError(f"container {container} not found in Pod {name}")
    total = 0
    for one in parts:
        if resource not in one.resources.requests:
            raise MetricError(f"missing request for {resource} in container {one.name} of Pod {name}")
        total += quantity.milli_value(one.resources.requests[resource].string)
    return total


def by_utilization(ask: Ask, target: int) -> Proposal:
    """Return how many replicas keep the Pods at `target` percent of what they ask for. Raises MetricError."""
    groups, counted = _counted(ask)
    requests = requests_of(ask.pods, ask.resource, ask.container)
    ratio, utilization, average = _utilization(counted, requests, target)
    # Missing Pods count as using all that they ask for when there may be too many of them.
    full = max(100, target)
    whole = {name: requests[name] * full // 100 for name in groups.missing}
    again = _recount(groups, counted, ratio, whole)
    second = ratio if again is None else _utilization(again, requests, target)[0]
    replicas = _replicas(ask, groups, ratio, second, again)
    return Proposal(replicas, average, utilization)


def by_average(ask: Ask, target: int) -> Proposal:
    """Return how many replicas keep a Pod's average at `target` thousandths. Raises MetricError."""
    groups, counted = _counted(ask)
    average = sum(counted.values()) // len(counted)
    ratio = average / target
    again = _recount(groups, counted, ratio, dict.fromkeys(groups.missing, target))
    second = ratio if again is None else sum(again.values()) // len(again) / target
    return Proposal(_replicas(ask, groups, ratio, second, again), average)


def _counted(ask: Ask) -> tuple[Groups, dict[str, int]]:
    if not ask.pods:
        raise MetricError("no pods returned by selector while calculating replica count")
    groups = group(ask)
    left_out = groups.ignored | groups.unready
    counted = {name: usage.millis for name, usage in ask.usages.items() if name not in left_out}
    if not counted:
        raise MetricError("did not receive metrics for targeted pods (pods might be unready)")
    return groups, counted


def _utilization(
    counted: Mapping[str, int], requests: Mapping[str, int], target: int
) -> tuple[float, int, int]:
    known = [name for name in counted if name in requests]
    used, asked = sum(counted[name] for name in known), sum(requests[name] for name in known)
    if asked == 0:
        raise MetricError("no metrics returned matched known pods")
    utilization = used * 100 // asked
    return utilization / target, utilization, used // len(known)


def _recount(
    groups: Groups, counted: Mapping[str, int], ratio: float, whole: Mapping[str, int]
) -> dict[str, int] | None:
    """Count missing and unready Pods too, on the safe side of the direction; None: none matter."""
    with_unready = bool(groups.unready) and ratio > 1.0
    if not with_unready and not groups.missing:
        return None
    again = dict(counted)
    if ratio < 1.0:
        again.update(whole)
    elif ratio > 1.0:
        again.update(dict.fromkeys(groups.missing, 0))
    if with_unready:
        again.update(dict.fromkeys(groups.unready, 0))
    return again


def _replicas(ask: Ask, groups: Groups, ratio: float, second: float, again: Mapping[str, int] | None) -> int:
    if again is None:
        return ask.current if ask.tolerances.covers(ratio) else _ceil(ratio * groups.ready)
    if ask.tolerances.covers(second) or (ratio < 1.0 < second) or (second < 1.0 < ratio):
        # The change would be small, or go the other way.
        return ask.current
    wanted = _ceil(second * len(again))
    if (second < 1.0 and wanted > ask.current) or (second > 1.0 and wanted < ask.current):
        return ask.current
    return wanted


def _ceil(replicas: float) -> int:
    return min(math.ceil(replicas), _MAX_INT32)


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
