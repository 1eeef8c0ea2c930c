"""Patches of the three types, of objects and of their status."""

import json
from typing import Any

import pytest

from apiserver.registry.patching import JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH
from tests.support.apiserver import Harness, make_apiserver
from vaina.api.core.v1 import pod_pb2
from vaina.errors import ApiError, BadRequest, Conflict, Invalid, NotFound
from vaina.testing.builders import make_container


async def _patch(api: Harness, patch_type: str, patch: Any, **kwargs: Any) -> pod_pb2.Pod:
    text = patch if isinstance(patch, str) else json.dumps(patch)
    return await api.client.pods.patch("web", text, namespace="default", patch_type=patch_type, **kwargs)


async def test_a_merge_patch_sets_and_removes() -> None:
    api = make_apiserver()
    await api.pod(labels={"a": "1", "b": "2"})
    patched = await _patch(api, MERGE_PATCH, {"metadata": {"labels": {"a": None, "c": "3"}}})
    assert dict(patched.metadata.labels) == {"b": "2", "c": "3"}


async def test_a_json_patch_is_a_list_of_operations() -> None:
    api = make_apiserver()
    await api.pod(labels={"a": "1"})
    operations = [
        {"op": "test", "path": "/metadata/labels/a", "value": "1"},
        {"op": "replace", "path": "/metadata/labels/a", "value": "2"},
    ]
    assert (await _patch(api, JSON_PATCH, operations)).metadata.labels["a"] == "2"
    with pytest.raises(Invalid, match="the patch cannot be applied"):
        await _patch(api, JSON_PATCH, operations)


async def test_a_strategic_merge_patch_knows_containers_by_name() -> None:
    api = make_apiserver()
    await api.pod(containers=[make_container("a"), make_container("b")])
    patch = {"spec": {"containers": [{"name": "b", "image": "registry.local/b:2"}]}}
    patched = await _patch(api, STRATEGIC_MERGE_PATCH, patch)
    assert [(c.name, c.image) for c in patched.spec.containers] == [
        ("a", "registry.local/app:1"),
        ("b", "registry.local/b:2"),
    ]
    assert patched.metadata.generation == 2


async def test_a_patch_that_changes_nothing_writes_nothing() -> None:
    api = make_apiserver()
    pod = await api.pod(labels={"a": "1"})
    assert await _patch(api, MERGE_PATCH, {"metadata": {"labels": {"a": "1"}}}) == pod


async def test_a_patch_of_the_status_changes_nothing_else() -> None:
    api = make_apiserver()
    await api.pod()
    patch = {"metadata": {"labels": {"a": "1"}}, "status": {"phase": "Running"}}
    patched = await _patch(api, MERGE_PATCH, patch, subresource="status")
    assert (patched.status.phase, dict(patched.metadata.labels)) == ("Running", {})
    patched = await _patch(api, MERGE_PATCH, {"status": {"phase": "Failed"}})
    assert patched.status.phase == "Running"


async def test_a_strategic_patch_of_the_status_merges_conditions_by_type() -> None:
    api = make_apiserver()
    await api.pod(node="node-1")
    patch = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    patched = await _patch(api, STRATEGIC_MERGE_PATCH, patch, subresource="status")
    assert {c.type for c in patched.status.conditions} == {"PodScheduled", "Ready"}


async def test_a_dry_run_patches_nothing() -> None:
    api = make_apiserver()
    pod = await api.pod()
    patched = await _patch(api, MERGE_PATCH, {"metadata": {"labels": {"a": "1"}}}, dry_run=True)
    assert dict(patched.metadata.labels) == {"a": "1"}
    assert await api.client.pods.get("web", "default") == pod


@pytest.mark.parametrize(
    ("patch_type", "patch", "error", "words"),
    [
        ("text/plain", {}, BadRequest, "accepted media types include: application/json-patch"),
        (MERGE_PATCH, "{", BadRequest, "error decoding patch"),
        (MERGE_PATCH, [], BadRequest, "an object is expected"),
        (JSON_PATCH, {}, BadRequest, "a list of operations is expected"),
        (JSON_PATCH, [{"op": "fly", "path": "/x"}], ApiError, "patch"),
        (JSON_PATCH, [{"op": "remove", "path": "/spec/nope"}], Invalid, "the patch cannot be applied"),
        (JSON_PATCH, [{"op": "add", "path": "/x", "value": 1}] * 10_001, BadRequest, "maximum operations in a JSON patch is 10000"),
        (JSON_PATCH, [{"op": "replace", "path": "", "value": 1}], BadRequest, "no object"),
        (MERGE_PATCH, {"spec": {"contianers": []}}, BadRequest, 'unknown field "spec.contianers"'),
        (MERGE_PATCH, {"spec": {"containers": {}}}, BadRequest, "containers"),
        (MERGE_PATCH, {"kind": "Node"}, BadRequest, "does not match the expected API version"),
        (MERGE_PATCH, {"metadata": {"name": "other"}}, BadRequest, r"the name of the object \(other\) does not match the name on the URL \(web\)"),
        (MERGE_PATCH, {"metadata": {"namespace": "other"}}, BadRequest, "the namespace of the provided object does not match"),
        (MERGE_PATCH, {"metadata": {"resourceVersion": "1"}}, Conflict, "the object has been modified"),
        (MERGE_PATCH, {"metadata": {"uid": "x"}}, Conflict, "UID in precondition: x"),
        (MERGE_PATCH, {"spec": {"restartPolicy": "Never"}}, Invalid, "spec: Forbidden: pod updates may not change fields"),
        (STRATEGIC_MERGE_PATCH, {"$patch": "explode"}, BadRequest, "Unknown patch type found: explode"),
    ],
)  # fmt: skip
async def test_patches_that_are_refused(
    patch_type: str, patch: Any, error: type[ApiError], words: str
) -> None:
    api = make_apiserver()
    pod = await api.pod()
    with pytest.raises(error, match=words):
        await _patch(api, patch_type, patch)
    assert await api.client.pods.get("web", "default") == pod


async def test_what_cannot_be_patched() -> None:
    api = make_apiserver()
    with pytest.raises(NotFound, match=r'^pods "web" not found$'):
        await _patch(api, MERGE_PATCH, {})
    with pytest.raises(NotFound, match='no sub-resource "color"'):
        await _patch(api, MERGE_PATCH, {}, subresource="color")
