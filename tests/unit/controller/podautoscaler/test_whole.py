"""Autoscalers over the real apiserver in process, under a fake clock: what users see of them.

What Pods use is handed in.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from controller.config import ControllerConfig
from tests.support.apiserver import make_apiserver
from tests.support.controlplane import ControlPlane, control_plane, controllers
from vaina.api.autoscaling.v2 import horizontal_pod_autoscaler_pb2 as v2
from vaina.api.metrics.v1beta1 import metrics_pb2
from vaina.clock import timestamp
from vaina.errors import Unavailable
from vaina.objects.conditions import get_condition
from vaina.objects.selectors import parse_label_selector
from vaina.testing.builders import make_deployment, make_meta

CONFIG = ControllerConfig(
    controllers=("deployment", "replicaset", "horizontalpodautoscaling"),
    horizontal_pod_autoscaler_cpu_initialization_period_seconds=0,
    horizontal_pod_autoscaler_downscale_stabilization_seconds=45,
)


@dataclass
class Meter:
    """Says of every running Pod that it uses as much; the whole load is shared between them."""

    #: thousandths of a core, of all Pods together
    load: int = 0
    plane: ControlPlane | None = None
    fails: bool = False
    asked: list[str] = field(default_factory=list)

    async def pods(self, namespace: str, *, label_selector: str) -> Sequence[metrics_pb2.PodMetrics]:
        self.asked.append(label_selector)
        if self.fails or self.plane is None:
            raise Unavailable("the kubelets do not answer")
        selector = parse_label_selector(label_selector)
        running = [
            pod
            for pod in await self.plane.pods(namespace)
            if selector.matches(pod.metadata.labels) and pod.status.phase == "Running"
        ]
        found = []
        for pod in running:
            one = metrics_pb2.PodMetrics(timestamp=timestamp(self.plane.clock.now()))
            one.metadata.name, one.metadata.namespace = pod.metadata.name, namespace
            one.containers.add(name=pod.spec.containers[0].name).usage[
                "cpu"
            ].string = f"{self.load // len(running)}m"
            found.append(one)
        return found


def autoscaler(*, least: int = 1, most: int = 10, percent: int = 50) -> v2.HorizontalPodAutoscaler:
    made = v2.HorizontalPodAutoscaler(metadata=make_meta("scaler", "default"))
    reference = made.spec.scale_target_ref
    reference.api_version, reference.kind, reference.name = "apps/v1", "Deployment", "web"
    made.spec.min_replicas, made.spec.max_replicas = least, most
    metric = made.spec.metrics.add(type="Resource")
    metric.resource.name, metric.resource.target.type = "cpu", "Utilization"
    metric.resource.target.average_utilization = percent
    return made


async def deploy(plane: ControlPlane, replicas: int) -> None:
    made = make_deployment("web", replicas=replicas)
    made.spec.template.spec.containers[0].resources.requests["cpu"].string = "100m"
    await plane.add_node("n1")
    await plane.client.deployments.create(made)
    await running(plane, replicas)


async def running(plane: ControlPlane, count: int, *, seconds: float = 60) -> None:
    """Wait until so many Pods are there, and run; those that end are gone."""

    async def holds() -> bool:
        await plane.start_all("n1")
        for pod in await plane.pods():
            if pod.metadata.HasField("deletion_timestamp"):
                await plane.end(pod)
            elif pod.status.phase == "Running" and not pod.status.HasField("start_time"):
                pod.status.start_time.CopyFrom(timestamp(plane.clock.now()))
                await plane.client.pods.update_status(pod, mask=("start_time",))
        pods = await plane.pods()
        return len(pods) == count and all(pod.status.phase == "Running" for pod in pods)

    await plane.until(holds, seconds=seconds)


async def status_of(plane: ControlPlane) -> v2.HorizontalPodAutoscalerStatus:
    return (await plane.client.horizontal_pod_autoscalers.get("scaler", "default")).status


def until_condition(plane: ControlPlane, kind: str, reason: str) -> Callable[[], Awaitable[str]]:
    async def holds() -> str:
        condition = get_condition(await status_of(plane), kind)
        return condition.message if condition is not None and condition.reason == reason else ""

    return holds


async def until_events(plane: ControlPlane, *messages: str) -> None:
    async def there() -> bool:
        return {*messages} <= {event.message for event in await plane.events()}

    await plane.until(there)


async def test_more_replicas_under_load_and_fewer_when_it_has_been_gone_for_a_while():
    meter = Meter(load=400)
    async with control_plane(CONFIG, metrics=meter) as plane:
        meter.plane = plane
        await deploy(plane, 2)
        await plane.client.horizontal_pod_autoscalers.create(autoscaler())
        # 200 of 100 percent where 50 are wished for: eight, but no more than twice as many, or four, at a time.
        await running(plane, 4)
        await running(plane, 8)
        await plane.until(until_condition(plane, "AbleToScale", "ReadyForNewScale"))
        status = await status_of(plane)
        assert (status.current_replicas, status.desired_replicas) == (8, 8)
        assert status.current_metrics[0].resource.current.average_utilization == 50
        assert status.current_metrics[0].resource.current.average_value.string == "50m"
        await until_events(
            plane, "New size: 4; reason: cpu resource utilization (percentage of request) above target",
            "New size: 8; reason: cpu resource utilization (percentage of request) above target",
        )  # fmt: skip
        meter.load = 40
        await plane.until(until_condition(plane, "AbleToScale", "ScaleDownStabilized"))
        assert (await plane.client.deployments.get("web", "default")).spec.replicas == 8
        await running(plane, 1, seconds=120)
        await until_events(plane, "New size: 1; reason: All metrics below target")


async def test_bounds_hold_without_a_metric():
    meter = Meter(fails=True)
    async with control_plane(CONFIG, metrics=meter) as plane:
        meter.plane = plane
        await deploy(plane, 1)
        await plane.client.horizontal_pod_autoscalers.create(autoscaler(least=3, most=5))
        await running(plane, 3)
        await until_events(plane, "New size: 3; reason: Current number of replicas below Spec.MinReplicas")


async def test_who_cannot_measure_says_so_and_changes_nothing():
    meter = Meter(fails=True)
    async with control_plane(CONFIG, metrics=meter) as plane:
        meter.plane = plane
        await deploy(plane, 3)
        await plane.client.horizontal_pod_autoscalers.create(autoscaler())
        told = await plane.until(until_condition(plane, "ScalingActive", "FailedGetResourceMetric"))
        detail = (
            "failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics from resource "
            "metrics API: the kubelets do not answer"
        )
        assert told == f"the HPA was unable to compute the replica count: {detail}"
        await until_events(
            plane, detail,
            f"invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource metric value: {detail}",
        )  # fmt: skip
        assert (await plane.client.deployments.get("web", "default")).spec.replicas == 3
        meter.fails, meter.load = False, 150
        await plane.until(until_condition(plane, "ScalingActive", "ValidMetricFound"))


async def test_a_target_that_is_not_there_is_told():
    meter = Meter()
    async with control_plane(CONFIG, metrics=meter) as plane:
        await plane.client.horizontal_pod_autoscalers.create(autoscaler())
        told = await plane.until(until_condition(plane, "AbleToScale", "FailedGetScale"))
        assert told.endswith('current scale: deployments.apps "web" not found')
        assert meter.asked == []


async def test_at_rest_nothing_is_written():
    meter = Meter(load=100)
    async with control_plane(CONFIG, metrics=meter) as plane:
        meter.plane = plane
        await deploy(plane, 2)
        await plane.client.horizontal_pod_autoscalers.create(autoscaler())
        await plane.until(until_condition(plane, "AbleToScale", "ReadyForNewScale"))
        before = await plane.client.horizontal_pod_autoscalers.get("scaler", "default")
        asked = len(meter.asked)

        async def looked_again() -> bool:
            return len(meter.asked) >= asked + 3

        await plane.until(looked_again)
        after = await plane.client.horizontal_pod_autoscalers.get("scaler", "default")
        assert after.metadata.resource_version == before.metadata.resource_version


async def test_two_for_the_same_pods_do_nothing():
    meter = Meter(load=900)
    async with control_plane(CONFIG, metrics=meter) as plane:
        meter.plane = plane
        await deploy(plane, 2)
        first, second = autoscaler(), autoscaler()
        second.metadata.name = "scaler-2"
        # Both are known before either may move: the number is wished for by nobody while there is none.
        meter.fails = True
        await plane.client.horizontal_pod_autoscalers.create(first)
        await plane.client.horizontal_pod_autoscalers.create(second)
        told = await plane.until(until_condition(plane, "ScalingActive", "AmbiguousSelector"))
        assert (
            told
            == "pods by selector app=web are controlled by multiple HPAs: [default/scaler default/scaler-2]"
        )
        meter.fails = False
        await plane.clock.advance(40)
        assert (await plane.client.deployments.get("web", "default")).spec.replicas == 2


async def test_one_that_begins_anew_takes_nothing_away_before_a_whole_window():
    meter, server = Meter(load=400), make_apiserver()
    await server.app.bootstrap()
    async with controllers(server, CONFIG, metrics=meter) as plane:
        meter.plane = plane
        await deploy(plane, 8)
        await plane.client.horizontal_pod_autoscalers.create(autoscaler())
        await plane.until(until_condition(plane, "AbleToScale", "ReadyForNewScale"))
    meter.load = 40
    async with controllers(server, CONFIG, metrics=meter) as plane:
        meter.plane, begun = plane, plane.clock.now()
        await plane.until(until_condition(plane, "AbleToScale", "ScaleDownStabilized"))
        await running(plane, 1, seconds=120)
        assert plane.clock.now() - begun >= 45
