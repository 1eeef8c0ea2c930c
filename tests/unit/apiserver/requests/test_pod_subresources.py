"""The sub-resources of a running Pod: `ephemeralcontainers` and `resize`, by update and by patch."""

import json
from typing import Any

import pytest

from tests.support.apiserver import make_apiserver
from vaina.api.core.v1 import limit_range_pb2, pod_pb2
from vaina.errors import Conflict, Forbidden, Invalid, NotFound
from vaina.testing.builders import make_container, make_pod

SHELL = {"name": "shell", "image": "busybox", "targetContainerName": "app"}
MISSING = "the server could not find the requested resource"


async def _pod(api: Any, cpu: str = "1") -> pod_pb2.Pod:
    made = make_pod(containers=[make_container()])
    made.spec.containers[0].resources.requests["cpu"].string = cpu
    return await api.client.pods.create(made)


async def _patch(api: Any, spec: dict[str, Any], subresource: str, **more: str) -> pod_pb2.Pod:
    text = json.dumps({"spec": spec})
    return await api.client.pods.patch("web", text, namespace="default", subresource=subresource, **more)


@pytest.mark.requirement("B12")
async def test_a_debug_container_is_added_by_a_patch() -> None:
    api = make_apiserver()
    before = await _pod(api)
    after = await _patch(api, {"ephemeralContainers": [SHELL]}, "ephemeralcontainers")
    (added,) = after.spec.ephemeral_containers
    common = added.ephemeral_container_common
    assert (common.name, common.image, added.target_container_name) == ("shell", "busybox", "app")
    assert (common.image_pull_policy, common.termination_message_path) == ("Always", "/dev/termination-log")
    assert after.metadata.generation == before.metadata.generation + 1
    again = await _patch(
        api, {"ephemeralContainers": [{"name": "other", "image": "busybox:1"}]}, "ephemeralcontainers"
    )
    assert {item.ephemeral_container_common.name for item in again.spec.ephemeral_containers} == {
        "shell",
        "other",
    }


@pytest.mark.requirement("B12")
async def test_nothing_else_changes_through_the_sub_resource_of_debug_containers() -> None:
    api = make_apiserver()
    pod = await _pod(api)
    pod.spec.containers[0].image = "other:2"
    pod.metadata.labels["new"] = "label"
    pod.status.phase = "Failed"
    pod.spec.ephemeral_containers.add().ephemeral_container_common.name = "shell"
    pod.spec.ephemeral_containers[0].ephemeral_container_common.image = "busybox"
    after = await api.client.pods.update_ephemeral_containers(pod)
    assert after.spec.containers[0].image == "registry.local/app:1"
    assert "new" not in after.metadata.labels
    assert after.status.phase == "Pending"
    assert len(after.spec.ephemeral_containers) == 1


async def test_an_old_version_is_refused() -> None:
    api = make_apiserver()
    pod = await _pod(api)
    await _patch(api, {"ephemeralContainers": [SHELL]}, "ephemeralcontainers")
    pod.spec.containers[0].resources.requests["cpu"].string = "2"
    with pytest.raises(Conflict):
        await api.client.pods.update_resize(pod)


async def test_debug_containers_come_through_their_own_sub_resource_only() -> None:
    api = make_apiserver()
    await _pod(api)
    with pytest.raises(Invalid, match="pod updates may not change fields other than"):
        await _patch(api, {"ephemeralContainers": [SHELL]}, "")


@pytest.mark.requirement("B12")
async def test_a_cluster_that_does_not_allow_debug_containers_has_no_such_sub_resource() -> None:
    api = make_apiserver(ephemeral_containers=False)
    pod = await _pod(api)
    with pytest.raises(NotFound) as patched:
        await _patch(api, {"ephemeralContainers": [SHELL]}, "ephemeralcontainers")
    with pytest.raises(NotFound) as updated:
        await api.client.pods.update_ephemeral_containers(pod)
    assert (patched.value.message, updated.value.message) == (MISSING, MISSING)


async def test_a_pod_asks_for_more_while_it_runs() -> None:
    api = make_apiserver()
    before = await _pod(api)
    wanted = [{"name": "app", "image": "left:aside", "resources": {"requests": {"cpu": "2"}}}]
    after = await _patch(api, {"containers": wanted}, "resize")
    assert after.spec.containers[0].resources.requests["cpu"].string == "2"
    assert after.spec.containers[0].image == before.spec.containers[0].image
    assert after.metadata.generation == before.metadata.generation + 1


async def test_a_resize_that_changes_nothing_is_no_new_generation() -> None:
    api = make_apiserver()
    before = await _pod(api)
    after = await api.client.pods.update_resize(before)
    assert after.metadata.generation == before.metadata.generation


async def test_resources_do_not_change_through_the_pod_itself() -> None:
    api = make_apiserver()
    await _pod(api)
    with pytest.raises(Invalid, match="pod updates may not change fields other than"):
        await _patch(api, {"containers": [{"name": "app", "resources": {"requests": {"cpu": "2"}}}]}, "")


async def test_limit_ranges_hold_a_resize() -> None:
    api = make_apiserver()
    await _pod(api)
    bounds = limit_range_pb2.LimitRange()
    bounds.metadata.name, bounds.metadata.namespace = "bounds", "default"
    bounds.spec.limits.add(type="Container").max["cpu"].string = "2"
    await api.client.limit_ranges.create(bounds)
    with pytest.raises(Forbidden, match="maximum cpu usage per Container is 2"):
        await _patch(
            api,
            {
                "containers": [
                    {"name": "app", "resources": {"requests": {"cpu": "3"}, "limits": {"cpu": "3"}}}
                ]
            },
            "resize",
        )


@pytest.mark.parametrize("subresource", ["color", "binding", "Status"])
async def test_other_sub_resources_are_not_there(subresource: str) -> None:
    api = make_apiserver()
    await _pod(api)
    with pytest.raises(NotFound, match=MISSING):
        await _patch(api, {}, subresource)
