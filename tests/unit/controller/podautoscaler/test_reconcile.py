"""What an autoscaler does, and what its status says: upstream's reasons and messages."""

from typing import Any

import pytest

from controller.podautoscaler.behavior import History
from controller.podautoscaler.reconcile import (
    Plan,
    Rules,
    Seen,
    no_scale,
    not_rescaled,
    reconcile,
    rescaled,
    tolerances_of,
    wants_metrics,
)
from vaina.api.autoscaling.v1 import scale_pb2
from vaina.api.autoscaling.v2 import horizontal_pod_autoscaler_pb2 as v2
from vaina.api.core.v1 import pod_pb2
from vaina.api.metrics.v1beta1 import metrics_pb2
from vaina.clock import timestamp
from vaina.objects.conditions import get_condition
from vaina.objects.manifest import decode_documents
from vaina.testing.builders import make_pod
from vaina.testing.clock import EPOCH

NOW = EPOCH + 3600
CPU = "{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}"
MEMORY = "{type: Resource, resource: {name: memory, target: {type: AverageValue, averageValue: 100Mi}}}"
PART = "{type: ContainerResource, containerResource: {name: cpu, container: app, target: {type: AverageValue, averageValue: 100m}}}"
CALLS = "{type: Pods, pods: {metric: {name: calls}, target: {type: AverageValue, averageValue: '10'}}}"
HITS = (
    "{type: Object, object: {describedObject: {apiVersion: v1, kind: Service, name: shop}, metric: {name: hits}, "
    "target: {type: Value, value: '10'}}}"
)
QUEUE = "{type: External, external: {metric: {name: queue}, target: {type: Value, value: '10'}}}"
NO_CUSTOM = "unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered"
NO_EXTERNAL = "unable to fetch metrics from external metrics API: no external metrics API (external.metrics.k8s.io) registered"


def make(*metrics: str, least: int = 1, most: int = 10, more: str = "") -> v2.HorizontalPodAutoscaler:
    [read] = decode_documents(
        "{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: web, namespace: default}, spec: {"
        f"minReplicas: {least}, maxReplicas: {most}, metrics: [{', '.join(metrics)}]{more}}}}}"
    )
    assert isinstance(read.message, v2.HorizontalPodAutoscaler)
    return read.message


def scale(replicas: int, selector: str = "app=web") -> scale_pb2.Scale:
    made = scale_pb2.Scale()
    made.spec.replicas, made.status.selector = replicas, selector
    return made


def seen(millis: int, replicas: int = 2, memory: str = "100Mi", **rest: Any) -> Seen:
    """As many Pods as there should be, each of which uses so much of the core that it asks for."""
    pods, metrics = list[pod_pb2.Pod](), list[metrics_pb2.PodMetrics]()
    for number in range(replicas):
        one = make_pod(f"p{number}", phase="Running", ready=True, requests={"cpu": "1"})
        one.status.start_time.CopyFrom(timestamp(EPOCH))
        pods.append(one)
        item = metrics_pb2.PodMetrics(timestamp=timestamp(NOW))
        item.metadata.name, item.metadata.namespace = f"p{number}", "default"
        usage = item.containers.add(name="app").usage
        usage["cpu"].string, usage["memory"].string = f"{millis}m", memory
        metrics.append(item)
    return Seen(**{"scale": scale(replicas), "pods": pods, "metrics": metrics, **rest})


def plan(autoscaler: v2.HorizontalPodAutoscaler, what: Seen) -> Plan:
    return reconcile(autoscaler, what, History(), Rules(), NOW)


def told(done: Plan, kind: str) -> tuple[str, str, str] | None:
    found = get_condition(done.status, kind)
    return None if found is None else (found.status, found.reason, found.message)


def test_more() -> None:
    done = plan(make(CPU), seen(900))
    assert (done.replicas, done.reason) == (
        4,
        "cpu resource utilization (percentage of request) above target",
    )
    assert told(done, "ScalingActive") == (
        "True", "ValidMetricFound",
        "the HPA was able to successfully calculate a replica count from cpu resource utilization (percentage of request)",
    )  # fmt: skip
    assert told(done, "ScalingLimited") == (
        "False",
        "DesiredWithinRange",
        "the desired count is within the acceptable range",
    )
    current = done.status.current_metrics[0].resource
    assert (current.name, current.current.average_utilization, current.current.average_value.string) == (
        "cpu",
        90,
        "900m",
    )
    assert done.notes == ()


def test_after_it_was_set() -> None:
    autoscaler = make(CPU)
    done = rescaled(autoscaler, plan(autoscaler, seen(900)), 2, NOW)
    message = "the HPA controller was able to update the target scale to 4"
    assert told(done, "AbleToScale") == ("True", "SucceededRescale", message)
    assert (done.status.current_replicas, done.status.desired_replicas) == (2, 4)
    assert done.status.last_scale_time == timestamp(NOW)
    [note] = done.notes
    assert (note.type, note.reason) == ("Normal", "SuccessfulRescale")
    assert (
        note.message == "New size: 4; reason: cpu resource utilization (percentage of request) above target"
    )


def test_after_it_could_not_be_set() -> None:
    autoscaler = make(CPU)
    done = not_rescaled(autoscaler, plan(autoscaler, seen(900)), "somebody was faster", NOW)
    message = "the HPA controller was unable to update the target scale: somebody was faster"
    assert told(done, "AbleToScale") == ("False", "FailedUpdateScale", message)
    assert not done.status.HasField("last_scale_time")
    assert [note.reason for note in done.notes] == ["FailedRescale"]


def test_a_second_look_at_an_unchanged_world_changes_nothing() -> None:
    autoscaler = make(CPU)
    first = plan(autoscaler, seen(500))
    assert first.replicas is None
    autoscaler.status.CopyFrom(first.status)
    again = reconcile(autoscaler, seen(500), first.history, Rules(), NOW + 15)
    assert (again.replicas, again.notes, again.status) == (None, (), first.status)


def test_the_metric_that_calls_for_most_holds() -> None:
    done = plan(make(CPU, MEMORY), seen(500, memory="200Mi"))
    assert (done.replicas, done.reason) == (4, "memory resource above target")
    assert [metric.resource.name for metric in done.status.current_metrics] == ["cpu", "memory"]


def test_one_container_alone() -> None:
    done = plan(make(PART), seen(200))
    assert (done.replicas, done.reason) == (4, "cpu container resource above target")
    current = done.status.current_metrics[0]
    assert (current.type, current.container_resource.container) == ("ContainerResource", "app")


OUTSIDE = (
    (1, 3, 5, 3, "Current number of replicas below Spec.MinReplicas"),
    (9, 3, 5, 5, "Current number of replicas above Spec.MaxReplicas"),
)


@pytest.mark.parametrize(("there", "least", "most", "want", "reason"), OUTSIDE)
def test_bounds_come_first(there: int, least: int, most: int, want: int, reason: str) -> None:
    autoscaler = make(CPU, least=least, most=most)
    assert not wants_metrics(autoscaler, scale(there))
    done = plan(autoscaler, Seen(scale(there), metrics="nobody knows"))
    assert (done.replicas, done.reason, done.notes) == (want, reason, ())


def test_none_is_left_at_none() -> None:
    autoscaler = make(CPU)
    assert not wants_metrics(autoscaler, scale(0))
    done = plan(autoscaler, Seen(scale(0)))
    message = "scaling is disabled since the replica count of the target is zero"
    assert (done.replicas, told(done, "ScalingActive")) == (None, ("False", "ScalingDisabled", message))


UNSERVED = (
    (CALLS, "FailedGetPodsMetric", f"unable to get metric calls: {NO_CUSTOM}"),
    (HITS, "FailedGetObjectMetric", f"unable to get metric hits: Service on default shop/{NO_CUSTOM}"),
    (QUEUE, "FailedGetExternalMetric", f"unable to get external metric default/queue: {NO_EXTERNAL}"),
)


@pytest.mark.parametrize(("metric", "reason", "detail"), UNSERVED)
def test_what_nobody_measures_says_so(metric: str, reason: str, detail: str) -> None:
    autoscaler = make(metric)
    assert not wants_metrics(autoscaler, scale(2))
    done = plan(autoscaler, Seen(scale(2), seen(0).pods))
    message = f"the HPA was unable to compute the replica count: {detail}"
    assert told(done, "ScalingActive") == ("False", reason, message)
    assert [note.reason for note in done.notes] == [reason, "FailedComputeMetricsReplicas"]
    assert done.notes[0].message == detail
    assert done.notes[1].message.startswith(
        "invalid metrics (1 invalid out of 1), first error is: failed to get "
    )
    assert done.replicas is None


def test_a_metric_that_fails_keeps_others_from_less_but_not_from_more() -> None:
    less = plan(make(CPU, CALLS), seen(10))
    assert (less.replicas, told(less, "ScalingActive")[1]) == (None, "FailedGetPodsMetric")  # type: ignore[index]  # it is there
    more = plan(make(CPU, CALLS), seen(900))
    assert (more.replicas, told(more, "ScalingActive")[1]) == (4, "ValidMetricFound")  # type: ignore[index]  # it is there
    assert [note.reason for note in more.notes] == ["FailedGetPodsMetric"]


def test_a_target_without_a_selector() -> None:
    done = plan(make(CPU), Seen(scale(2, "")))
    message = "the HPA target's scale is missing a selector"
    assert told(done, "ScalingActive") == ("False", "InvalidSelector", message)
    assert [note.reason for note in done.notes] == ["SelectorRequired", "FailedComputeMetricsReplicas"]


def test_pods_of_two_autoscalers() -> None:
    done = plan(make(CPU), seen(900, autoscalers=("default/web", "default/also")))
    message = "pods by selector app=web are controlled by multiple HPAs: [default/also default/web]"
    assert (done.replicas, told(done, "ScalingActive")) == (None, ("False", "AmbiguousSelector", message))


def test_a_target_that_is_not_there() -> None:
    done = no_scale(make(CPU), History(), 'deployments.apps "web" not found', NOW)
    message = (
        'the HPA controller was unable to get the target\'s current scale: deployments.apps "web" not found'
    )
    assert told(done, "AbleToScale") == ("False", "FailedGetScale", message)


def test_tolerances_of_its_own() -> None:
    asked = make(CPU, more=", behavior: {scaleUp: {tolerance: 50m}}")
    found = tolerances_of(asked.spec, Rules())
    assert (found.up, found.down) == (0.05, 0.1)
    assert plan(make(CPU), seen(540)).replicas is None
    asked.spec.behavior.scale_up.policies.add(type="Pods", value=4, period_seconds=15)
    assert plan(asked, seen(540)).replicas == 3
