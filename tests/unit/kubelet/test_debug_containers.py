"""A debug container in a running Pod: a kubelet over the whole apiserver, with a hollow runtime (row B12)."""

import json

import pytest

from tests.support.hollow import end
from tests.unit.kubelet.harness import Node, node
from vaina.api.core.v1 import pod_pb2
from vaina.testing.builders import make_container, make_pod
from vaina.testing.clock import settle


async def add(made: Node, **fields: object) -> None:
    text = json.dumps({"spec": {"ephemeralContainers": [{"name": "shell", "image": "tools:1", **fields}]}})
    await made.client.pods.patch("web", text, namespace="default", subresource="ephemeralcontainers")
    await settle()


def debugging(pod: pod_pb2.Pod) -> bool:
    return any(item.state.HasField("running") for item in pod.status.ephemeral_container_statuses)


@pytest.mark.requirement("B12")
async def test_it_runs_in_the_sandbox_of_a_pod_that_runs() -> None:
    async with node() as made:
        await made.create(make_pod(containers=[make_container()]))
        await made.until(lambda pod: pod.status.phase == "Running")
        await add(made)
        pod = await made.until(debugging)
        assert pod.status.phase == "Running"
        assert pod.status.observed_generation == pod.metadata.generation
        containers = await made.containers()
        assert {item.name for item in containers} == {"app", "shell"}
        assert len({item.sandbox_id for item in containers}) == 1
        assert "Started container shell" in made.recorder.messages("Started")


@pytest.mark.requirement("B12")
async def test_it_is_run_once() -> None:
    async with node() as made:
        await made.create(make_pod(containers=[make_container()]))
        await made.until(lambda pod: pod.status.phase == "Running")
        await add(made)
        await made.until(debugging)
        (shell,) = [item for item in await made.containers() if item.name == "shell"]
        end(made.runtime, shell.id, 3)
        pod = await made.until(
            lambda pod: pod.status.ephemeral_container_statuses[0].state.HasField("terminated")
        )
        assert pod.status.ephemeral_container_statuses[0].state.terminated.exit_code == 3
        await made.clock.advance(700.0)
        assert len([item for item in await made.containers() if item.name == "shell"]) == 1
        pod = await made.get()
        assert (pod.status.phase, pod.status.container_statuses[0].restart_count) == ("Running", 0)


@pytest.mark.requirement("B12")
async def test_a_target_that_does_not_run_is_said_and_waited_for() -> None:
    async with node() as made:
        crashing = make_pod(containers=[make_container(), make_container("other")])
        crashing.spec.containers[1].command.extend(["exit", "1"])
        await made.create(crashing)
        await made.until(
            lambda pod: pod.status.container_statuses[1].state.waiting.reason == "CrashLoopBackOff"
        )
        await add(made, targetContainerName="other")
        pod = await made.until(
            lambda pod: (
                bool(pod.status.ephemeral_container_statuses)
                and pod.status.ephemeral_container_statuses[0].state.waiting.reason
                == "CreateContainerConfigError"
            )
        )
        waiting = pod.status.ephemeral_container_statuses[0].state.waiting
        assert waiting.message == "unable to find target container other"
