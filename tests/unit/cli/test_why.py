"""`vaina why` as a command: it finds what is known, and does without what cannot be had."""

import pytest

from tests.support.command import CommandLine
from tests.support.node_streams import FakeNode
from tests.support.shown_objects import make_trace
from vaina.api.core.v1 import event_pb2, pod_pb2
from vaina.api.trace.v1 import trace_service_pb2
from vaina.client.clientset import Clientset
from vaina.errors import Unavailable
from vaina.testing.builders import make_node, make_pod


async def crash(clients: Clientset) -> pod_pb2.Pod:
    """Make a Pod on a node, of which a container ends again and again."""
    node = make_node()
    node.status.conditions.add(type="Ready", status="True")
    await clients.nodes.create(node)
    pod = await clients.pods.create(make_pod("web", node="node-1"))
    pod.status.phase = "Running"
    status = pod.status.container_statuses.add(name=pod.spec.containers[0].name, restart_count=3)
    status.state.waiting.reason = "CrashLoopBackOff"
    status.last_state.terminated.exit_code = 1
    return await clients.pods.update_status(pod, mask=["phase", "container_statuses"])


@pytest.mark.requirement("B15")
def test_the_end_of_the_log_is_asked_for() -> None:
    node, plain = FakeNode(), CommandLine()
    vaina = CommandLine(node.over(plain.handlers), plain.clock)
    vaina.do(crash)
    result = vaina.run("why", "pod/web")
    assert result.code == 0, result.err
    assert "ends again and again: exit code 1." in result.out
    assert "    app one\n    app two" in result.out
    (asked,) = node.log_options
    assert (asked.tail_lines, asked.previous, asked.follow) == (10, False, False)


@pytest.mark.requirement("B15")
def test_a_node_that_does_not_answer_takes_only_the_log_away() -> None:
    node, plain = FakeNode(), CommandLine()
    node.log_refusal = Unavailable("connection refused")
    vaina = CommandLine(node.over(plain.handlers), plain.clock)
    vaina.do(crash)
    result = vaina.run("why", "web")
    assert "ends again and again: exit code 1." in result.out
    assert "last lines" not in result.out


@pytest.mark.requirement("B15")
def test_a_pod_that_is_gone_is_told_from_what_outlives_it() -> None:
    vaina = CommandLine()

    async def story(clients: Clientset) -> None:
        pod = await clients.pods.create(make_pod("web"))
        meta = pod.metadata
        await clients.pod_traces.report([
            trace_service_pb2.StepReport(namespace="default", pod_name="web", pod_uid=meta.uid, record=record)
            for record in make_trace().status.steps
        ])  # fmt: skip
        event = event_pb2.Event(
            reason="BackOff", message="Back-off restarting failed container", type="Warning"
        )
        event.metadata.namespace, event.metadata.name = "default", "web.1"
        event.involved_object.kind, event.involved_object.namespace = "Pod", "default"
        event.involved_object.name, event.involved_object.uid = "web", meta.uid
        await clients.events.create(event)
        await clients.pods.delete("web", "default", grace_period_seconds=0)

    vaina.do(story)
    result = vaina.run("why", "web")
    assert result.code == 0, result.err
    assert result.out.startswith("Pod default/web.\nIt is gone")
    assert "It came as far as step 7 of 7, REPORTED" in result.out
    assert "Warning BackOff: Back-off restarting failed container" in result.out
    assert "vaina events --for pod/web" in result.out


def test_what_never_was_is_not_found() -> None:
    result = CommandLine().run("why", "web")
    assert (result.code, result.err) == (1, 'Error from server (NotFound): pods "web" not found\n')
