"""What single kinds have of their own: scale, events, traces."""

import json
from typing import Any

import pytest

from apiserver.registry.pod_traces import merge_reports
from apiserver.storage.interface import Key
from tests.support.apiserver import Harness, make_apiserver
from vaina.api.apps.v1 import daemon_set_pb2
from vaina.api.core.v1 import event_pb2, namespace_pb2
from vaina.api.trace.v1 import trace_pb2, trace_service_pb2
from vaina.errors import BadRequest, Conflict, Invalid, NotFound
from vaina.kinds import DAEMON_SET
from vaina.testing.builders import make_pod, make_replica_set, make_replication_controller


@pytest.mark.parametrize("kind", ["replica_sets", "replication_controllers"])
async def test_scale(kind: str) -> None:
    api = make_apiserver()
    client: Any = getattr(api.client, kind)
    make = make_replica_set if kind == "replica_sets" else make_replication_controller
    await client.create(make("web", replicas=2))  # type: ignore[operator]
    scale = await client.get_scale("web", "default")
    assert (scale.metadata.name, scale.spec.replicas, scale.status.selector) == ("web", 2, "app=web")
    scale.spec.replicas = 5
    scaled = await client.update_scale(scale)
    assert (scaled.spec.replicas, (await client.get("web", "default")).metadata.generation) == (5, 2)
    assert await client.update_scale(scaled) == scaled
    scale.spec.replicas = 9
    with pytest.raises(Conflict):
        await client.update_scale(scale)
    scale.metadata.resource_version, scale.spec.replicas = "", -1
    with pytest.raises(
        Invalid, match=r"spec.replicas: Invalid value: -1: must be greater than or equal to 0"
    ):
        await client.update_scale(scale)
    scale.metadata.name = ""
    with pytest.raises(BadRequest, match="name of the object is required"):
        await client.update_scale(scale)
    with pytest.raises(NotFound):
        await client.get_scale("nobody", "default")


async def test_events_are_kept_for_an_hour_after_they_last_happened() -> None:
    api = make_apiserver()
    event = event_pb2.Event(reason="Started", message="m", type="Normal", count=1)
    event.metadata.name, event.metadata.namespace = "web.1", "default"
    event.involved_object.kind, event.involved_object.namespace = "Pod", "default"
    made = await api.client.events.create(event)
    await api.clock.advance(3000)
    made.count = 2
    await api.client.events.update(made)
    await api.clock.advance(3000)
    assert (await api.client.events.get("web.1", "default")).count == 2
    await api.clock.advance(601)
    with pytest.raises(NotFound):
        await api.client.events.get("web.1", "default")


def _report(
    step: str, uid: str = "u", *, message: str = "", node: str = "", name: str = "web"
) -> trace_service_pb2.StepReport:
    report = trace_service_pb2.StepReport(namespace="default", pod_name=name, pod_uid=uid, node_name=node)
    report.record.step, report.record.component, report.record.message = step, "kubelet", message
    return report


def test_a_trace_has_one_record_a_step_in_order_and_the_first_stays() -> None:
    trace = trace_pb2.PodTrace()
    merge_reports(trace, [_report("STARTED"), _report("ADMITTED", message="first")])
    merge_reports(
        trace,
        [_report("ADMITTED", message="second"), _report("SCHEDULED", node="n1"), _report("FLOWN", node="n2")],
    )
    assert [record.step for record in trace.status.steps] == ["ADMITTED", "SCHEDULED", "STARTED"]
    assert (trace.status.steps[0].message, trace.status.node_name) == ("first", "n1")


async def _trace(api: Harness, uid: str) -> trace_pb2.PodTrace:
    return await api.client.pod_traces.get(uid, "default")


@pytest.mark.step(1)
@pytest.mark.requirement("A8")
async def test_the_apiserver_reports_that_a_pod_was_admitted() -> None:
    api = make_apiserver()
    pod = await api.pod()
    await api.write_traces()
    trace = await _trace(api, pod.metadata.uid)
    [record] = trace.status.steps
    assert (record.step, record.component, trace.spec.pod_name) == ("ADMITTED", "apiserver", "web")
    assert not trace.status.HasField("pod_deleted_time")


async def test_reports_come_in_any_order_and_are_merged() -> None:
    api = make_apiserver()
    pod = await api.pod()
    uid = pod.metadata.uid
    assert (
        await api.client.pod_traces.report([_report("STARTED", uid), _report("OBSERVED", uid, node="n")]) == 2
    )
    await api.write_traces()
    assert await api.client.pod_traces.report([_report("SCHEDULED", uid), _report("STARTED", uid)]) == 2
    trace = await _trace(api, uid)
    assert [record.step for record in trace.status.steps] == ["ADMITTED", "SCHEDULED", "OBSERVED", "STARTED"]
    assert trace.status.node_name == "n"


async def test_reports_that_name_no_pod_are_not_recorded() -> None:
    api = make_apiserver()
    assert await api.client.pod_traces.report([_report("STARTED", "")]) == 0
    assert (await api.client.pod_traces.list()).items == []


async def test_under_load_whole_pods_are_sampled() -> None:
    api = make_apiserver()
    pods = [await api.pod(f"web-{number}") for number in range(230)]
    await api.write_traces()
    later = [_report("SCHEDULED", pod.metadata.uid, name=pod.metadata.name) for pod in pods]
    recorded = await api.client.pod_traces.report(later)
    traces = (await api.client.pod_traces.list()).items
    assert (recorded, len(traces)) == (200, 200)
    assert {tuple(record.step for record in trace.status.steps) for trace in traces} == {
        ("ADMITTED", "SCHEDULED")
    }


async def test_a_trace_outlives_its_pod_by_an_hour() -> None:
    api = make_apiserver()
    pod = await api.pod()
    await api.write_traces()
    await api.clock.advance(100_000)
    await api.client.pods.delete("web", "default")
    await api.write_traces()
    trace = await _trace(api, pod.metadata.uid)
    assert trace.status.pod_deleted_time.seconds == api.clock.now()
    await api.clock.advance(3000)
    await api.client.pod_traces.report([_report("REPORTED", pod.metadata.uid)])
    await api.clock.advance(3601)
    with pytest.raises(NotFound):
        await _trace(api, pod.metadata.uid)


async def test_a_report_about_a_pod_that_is_gone_is_not_kept_for_ever() -> None:
    api = make_apiserver()
    await api.pod()
    await api.client.pod_traces.report([_report("STARTED", "earlier-uid")])
    assert (await _trace(api, "earlier-uid")).status.HasField("pod_deleted_time")
    await api.clock.advance(3601)
    with pytest.raises(NotFound):
        await _trace(api, "earlier-uid")


async def test_a_pod_that_goes_without_a_trace_leaves_none() -> None:
    api = make_apiserver()
    await api.pod()
    await api.client.pods.delete("web", "default")
    api.app.trace_writer._admitted.clear()
    await api.write_traces()
    assert (await api.client.pod_traces.list()).items == []


async def test_a_trace_that_cannot_be_read_costs_its_own_reports_alone() -> None:
    api = make_apiserver()
    await api.pod()
    key = Key("/registry/vaina.dev/podtraces/default/bad")
    await api.storage.create(key, b"\xff", ("trace.vaina.dev/v1", "PodTrace"))
    reports = [_report("STARTED", "bad"), _report("STARTED", "good")]
    assert await api.client.pod_traces.report(reports) == 1


async def test_under_load_traces_are_sampled() -> None:
    api = make_apiserver()
    for index in range(300):
        await api.client.pods.create(make_pod(f"p{index}"))
    await api.write_traces()
    assert len((await api.client.pod_traces.list()).items) == 200
    await api.clock.advance(1)
    await api.client.pods.create(make_pod("late"))
    await api.write_traces()
    assert len((await api.client.pod_traces.list()).items) == 201


async def test_a_namespace_always_carries_its_name_as_a_label() -> None:
    api = make_apiserver()
    namespaces, label = api.client.namespaces, "kubernetes.io/metadata.name"
    made = await namespaces.create(namespace_pb2.Namespace(metadata={"generate_name": "shop-"}))
    assert made.metadata.labels[label] == made.metadata.name
    made.metadata.ClearField("labels")
    assert dict((await namespaces.update(made)).metadata.labels) == {label: made.metadata.name}
    other = json.dumps({"metadata": {"labels": {label: "other"}}})
    patched = await namespaces.patch(made.metadata.name, other)
    assert dict(patched.metadata.labels) == {label: made.metadata.name}


async def test_a_daemon_set_counts_its_templates_whatever_clients_say() -> None:
    api = make_apiserver()
    daemon_sets, key = api.client.kind(DAEMON_SET), "deprecated.daemonset.template.generation"
    made = daemon_set_pb2.DaemonSet()
    made.metadata.name, made.metadata.namespace = "log", "default"
    made.spec.selector.match_labels["app"] = made.spec.template.metadata.labels["app"] = "log"
    made.spec.template.spec.containers.add(name="app", image="one")
    made = await daemon_sets.create(made)
    assert (made.metadata.annotations[key], made.metadata.generation) == ("1", 1)
    made.metadata.annotations[key], made.spec.min_ready_seconds = "9", 5
    made = await daemon_sets.update(made)
    assert (made.metadata.annotations[key], made.metadata.generation) == ("1", 2)
    made.metadata.ClearField("annotations")
    made.spec.template.spec.containers[0].image = "two"
    made = await daemon_sets.update(made)
    assert (made.metadata.annotations[key], made.metadata.generation) == ("2", 3)
    made.metadata.annotations[key] = "two"
    with pytest.raises(BadRequest, match=rf'metadata.annotations\[{key}\]: "two" is no number'):
        await daemon_sets.update(made)
