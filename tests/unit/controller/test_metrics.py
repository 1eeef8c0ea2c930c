"""What the controllers measure, under upstream's names, as whoever scrapes them reads it."""

import pytest
from prometheus_client import CollectorRegistry

from controller.build import build
from controller.config import ControllerConfig
from controller.job.metrics import JobMetrics
from controller.pods import age_ratios
from tests.support.apiserver import make_apiserver
from tests.support.controlplane import ControlPlane, controllers
from tests.unit.controller.cronjob.test_whole import make_cron_job
from tests.unit.controller.job.world import run_all
from tests.unit.controller.podautoscaler.test_whole import Meter, autoscaler, deploy
from vaina.api.batch.v1 import job_pb2
from vaina.api.core.v1 import pod_pb2
from vaina.objects.jobs import TRACKING_FINALIZER
from vaina.testing.builders import make_meta, make_pod, make_replica_set
from vaina.testing.clock import FakeClock

#: what `pkg/controller` of the reference registers for the controllers there are here
NAMES = (
    "cronjob_controller_job_creation_skew_duration_seconds",
    "ephemeral_volume_controller_create_failures_total",
    "ephemeral_volume_controller_create_total",
    "horizontal_pod_autoscaler_controller_metric_computation_duration_seconds",
    "horizontal_pod_autoscaler_controller_metric_computation_total",
    "horizontal_pod_autoscaler_controller_reconciliation_duration_seconds",
    "horizontal_pod_autoscaler_controller_reconciliations_total",
    "job_controller_job_finished_indexes_total",
    "job_controller_job_pods_creation_total",
    "job_controller_job_pods_finished_total",
    "job_controller_job_sync_duration_seconds",
    "job_controller_job_syncs_total",
    "job_controller_jobs_by_external_controller_total",
    "job_controller_jobs_finished_total",
    "job_controller_pod_failures_handled_by_failure_policy_total",
    "job_controller_terminated_pods_tracking_finalizer_total",
    "node_collector_evictions_total",
    "node_collector_unhealthy_nodes_in_zone",
    "node_collector_update_all_nodes_health_duration_seconds",
    "node_collector_zone_health",
    "node_collector_zone_size",
    "pod_gc_collector_force_delete_pod_errors_total",
    "pod_gc_collector_force_delete_pods_total",
    "pv_collector_bound_pv_count",
    "pv_collector_bound_pvc_count",
    "pv_collector_total_pv_count",
    "pv_collector_unbound_pv_count",
    "pv_collector_unbound_pvc_count",
    "replicaset_controller_sorting_deletion_age_ratio",
    "taint_eviction_controller_pod_deletion_duration_seconds",
    "taint_eviction_controller_pod_deletions_total",
    "ttl_after_finished_controller_job_deletion_duration_seconds",
    "workqueue_adds_total",
    "workqueue_depth",
    "workqueue_longest_running_processor_seconds",
    "workqueue_queue_duration_seconds",
    "workqueue_retries_total",
    "workqueue_unfinished_work_seconds",
    "workqueue_work_duration_seconds",
)


def test_every_name_is_there() -> None:
    registry = CollectorRegistry()
    build(make_apiserver().client, FakeClock(), ControllerConfig(), registry=registry)
    found = {
        f"{family.name}_total" if family.type == "counter" else family.name for family in registry.collect()
    }
    assert {*NAMES} - found == set()


def value(plane: ControlPlane, name: str, **labels: str) -> float:
    return plane.registry.get_sample_value(name, labels) or 0.0


def job(**spec: object) -> job_pb2.Job:
    made = job_pb2.Job(metadata=make_meta("work", "default"))
    made.spec.CopyFrom(make_cron_job().spec.job_template.spec)
    for field, wanted in spec.items():
        setattr(made.spec, field, wanted)
    return made


async def test_a_job_from_its_pods_to_its_end() -> None:
    server = make_apiserver()
    await server.app.bootstrap()
    only = ControllerConfig(controllers=("job",))
    async with controllers(server, only) as plane:
        await plane.client.jobs.create(job(completions=2, parallelism=2))
        elsewhere = job(managed_by="example.com/other")
        elsewhere.metadata.name = "other"
        await plane.client.jobs.create(elsewhere)

        async def ended() -> bool:
            await run_all(plane)
            found = await plane.client.jobs.get("work", "default")
            return any(condition.type == "Complete" for condition in found.status.conditions)

        await plane.until(ended)
        assert value(plane, "job_controller_job_pods_creation_total", reason="new", status="succeeded") == 2
        mode = {"completion_mode": "NonIndexed"}
        assert value(plane, "job_controller_job_pods_finished_total", **mode, result="succeeded") == 2
        ends = {**mode, "result": "succeeded", "reason": "CompletionsReached"}
        assert value(plane, "job_controller_jobs_finished_total", **ends) == 1
        made = {**mode, "result": "success", "action": "pods_created"}
        assert value(plane, "job_controller_job_syncs_total", **made) == 1
        held = "job_controller_terminated_pods_tracking_finalizer_total"
        assert (value(plane, held, event="add"), value(plane, held, event="delete")) == (2, 2)
        external = "job_controller_jobs_by_external_controller_total"
        assert value(plane, external, controller_name="example.com/other") == 1


def ended_pod(*, tracked: bool = True, phase: str = "Failed") -> pod_pb2.Pod:
    made = make_pod("a")
    made.status.phase = phase
    if tracked:
        made.metadata.finalizers.append(TRACKING_FINALIZER)
    return made


@pytest.mark.parametrize(
    ("old", "new", "added", "deleted"),
    [
        (None, ended_pod(), 1, 0),
        (ended_pod(phase="Running"), ended_pod(), 1, 0),
        (ended_pod(), ended_pod(tracked=False), 0, 1),
        (ended_pod(), None, 0, 1),
        (ended_pod(), ended_pod(phase="Succeeded"), 0, 0),
        (None, ended_pod(phase="Running"), 0, 0),
        (ended_pod(tracked=False), None, 0, 0),
    ],
)
def test_pods_that_ended_and_are_held(
    old: pod_pb2.Pod | None, new: pod_pb2.Pod | None, added: int, deleted: int
) -> None:
    registry = CollectorRegistry()
    JobMetrics(registry).seen(old, new)
    name = "job_controller_terminated_pods_tracking_finalizer_total"
    found = [registry.get_sample_value(name, {"event": event}) or 0 for event in ("add", "delete")]
    assert found == [added, deleted]


def aged(*ages: int, ready: bool = True) -> list[pod_pb2.Pod]:
    made = []
    for age in ages:
        pod = make_pod(f"p-{age}")
        pod.metadata.creation_timestamp.seconds = 10_000 - age
        pod.status.conditions.add(type="Ready", status="True" if ready else "False")
        made.append(pod)
    return made


@pytest.mark.parametrize(
    ("pods", "victims", "ratios"),
    [
        (aged(100, 250, 400), 1, [1.0]),
        (aged(250, 100, 400), 1, [2.0]),
        (aged(400, 250, 100), 2, [4.0, 2.0]),
        ([*aged(50, ready=False), *aged(100, 200)], 2, [1.0]),
        (aged(0, 100), 1, []),
        (aged(10, 20, ready=False), 1, []),
    ],
)
def test_how_old_victims_are(pods: list[pod_pb2.Pod], victims: int, ratios: list[float]) -> None:
    assert age_ratios(pods, pods[:victims], 10_000.0) == ratios


async def test_replicas_that_go_are_measured_by_their_age() -> None:
    server = make_apiserver()
    await server.app.bootstrap()
    async with controllers(server, ControllerConfig(controllers=("replicaset",))) as plane:
        await plane.client.replica_sets.create(make_replica_set("web", replicas=3))
        await plane.until(plane.pods)
        await plane.settle()
        await plane.add_node("node-1")
        await plane.start_all("node-1")
        await plane.clock.advance(100)
        scale = await plane.client.replica_sets.get_scale("web", "default")
        scale.spec.replicas = 1
        await plane.client.replica_sets.update_scale(scale)
        await plane.settle()
        assert value(plane, "replicaset_controller_sorting_deletion_age_ratio_count") == 2
        assert value(plane, "replicaset_controller_sorting_deletion_age_ratio_sum") == 2


async def test_pods_that_the_collector_takes_are_counted_by_why() -> None:
    server = make_apiserver()
    await server.app.bootstrap()
    only = ControllerConfig(controllers=("pod-gc",), missing_node_quarantine_seconds=20)
    async with controllers(server, only) as plane:
        await plane.add_node("n1")
        await plane.start(await server.pod("a"), "n1")
        await plane.client.nodes.delete("n1")

        async def gone() -> bool:
            return not await plane.pods()

        await plane.until(gone, seconds=120)
        name = "pod_gc_collector_force_delete_pods_total"
        assert value(plane, name, namespace="default", reason="orphaned") == 1


async def test_metrics_of_an_autoscaler_are_counted_by_what_they_call_for() -> None:
    server, meter = make_apiserver(), Meter(load=400)
    await server.app.bootstrap()
    names = ("deployment", "replicaset", "horizontalpodautoscaling")
    mine = ControllerConfig(controllers=names, horizontal_pod_autoscaler_cpu_initialization_period_seconds=0)
    async with controllers(server, mine, metrics=meter) as plane:
        meter.plane = plane
        await deploy(plane, 2)
        await plane.client.horizontal_pod_autoscalers.create(autoscaler())
        name = "horizontal_pod_autoscaler_controller_metric_computation_total"
        resource = {"metric_type": "Resource"}

        async def counted() -> bool:
            return value(plane, name, action="scale_up", error="none", **resource) == 1

        await plane.until(counted)
        meter.fails = True

        async def failed() -> bool:
            return value(plane, name, action="none", error="internal", **resource) >= 1

        await plane.until(failed)
