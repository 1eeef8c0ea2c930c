"""Patches of the three types, of objects and of their status."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from apiserver.large import LARGE_BYTES
from apiserver.storage.interface import Change, Key, Stored
from tests.support.apiserver import Harness, make_apiserver
from vaina.api.core.v1 import config_pb2, pod_pb2
from vaina.api.meta.v1 import meta_pb2, request_pb2
from vaina.errors import ApiError, BadRequest, Conflict, Invalid, NotFound, TooLarge
from vaina.kinds import POD
from vaina.objects.patching import JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH
from vaina.testing.builders import make_container


async def _patch(api: Harness, patch_type: str, patch: Any, **kwargs: Any) -> pod_pb2.Pod:
    text = patch if isinstance(patch, str) else json.dumps(patch)
    return await api.client.pods.patch("web", text, namespace="default", patch_type=patch_type, **kwargs)


async def test_a_merge_patch_sets_and_removes() -> None:
    api = make_apiserver()
    await api.pod(labels={"a": "1", "b": "2"})
    patched = await _patch(api, MERGE_PATCH, {"metadata": {"labels": {"a": None, "c": "3"}}})
    assert dict(patched.metadata.labels) == {"b": "2", "c": "3"}


REJECTED = "the server rejected our request due to an error in our request"


async def test_a_json_patch_is_a_list_of_operations() -> None:
    api = make_apiserver()
    await api.pod(labels={"a": "1"})
    operations = [
        {"op": "test", "path": "/metadata/labels/a", "value": "1"},
        {"op": "replace", "path": "/metadata/labels/a", "value": "2"},
    ]
    assert (await _patch(api, JSON_PATCH, operations)).metadata.labels["a"] == "2"
    with pytest.raises(Invalid, match=REJECTED):
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


async def test_a_patch_of_the_status_changes_no_spec() -> None:
    api = make_apiserver()
    await api.pod()
    patch = {"spec": {"nodeName": "other"}, "status": {"phase": "Running"}}
    patched = await _patch(api, MERGE_PATCH, patch, subresource="status")
    assert (patched.status.phase, patched.spec.node_name) == ("Running", "")
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
        (JSON_PATCH, [{"op": "fly", "path": "/x"}], Invalid, REJECTED),
        (JSON_PATCH, [{"op": "remove", "path": "/spec/nope"}], Invalid, REJECTED),
        (JSON_PATCH, [{"op": "add", "path": "/x", "value": 1}] * 10_001, TooLarge, "Request entity too large: The allowed maximum operations in a JSON patch is 10000"),
        (JSON_PATCH, [{"op": "replace", "path": "", "value": 1}], BadRequest, "no object"),
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
    with pytest.raises(NotFound, match=r"^the server could not find the requested resource$"):
        await _patch(api, MERGE_PATCH, {}, subresource="color")


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        ({"op": "test", "path": "/data/a", "value": "x"}, "testing value /data/a failed: test failed"),
        ({"op": "fly", "path": "/data/a"}, "[0].op: Unexpected kind: fly"),
        ({"op": "add", "path": "/data/a"}, "[0]: add operation needs a value"),
        ({"op": "remove", "path": "/data/b"}, "error in remove for path: '/data/b': Unable to remove nonexistent key: b: missing value"),
        ({"op": "replace", "path": "/data/b", "value": "x"}, "replace operation does not apply: doc is missing key: /data/b: missing value"),
        ({"op": "add", "path": "/spec/x", "value": "x"}, 'add operation does not apply: doc is missing path: "/spec/x": missing value'),
        ({"op": "copy", "from": "/data/b", "path": "/data/c"}, "error in copy for from: '/data/b': unable to get nonexistent key: b: missing value"),
        ({"op": "move", "from": "/data/b", "path": "/data/c"}, "error in move for path: 'b': unable to get nonexistent key: b: missing value"),
    ],
)  # fmt: skip
async def test_an_operation_that_does_not_fit_is_named_and_nothing_of_the_object_is_told(
    operation: dict[str, str], words: str
) -> None:
    api = make_apiserver()
    secret = config_pb2.Secret(data={"a": b"swordfish"})
    secret.metadata.name, secret.metadata.namespace = "web", "default"
    await api.client.secrets.create(secret)
    with pytest.raises(Invalid) as caught:
        await api.client.secrets.patch(
            "web", json.dumps([operation]), namespace="default", patch_type=JSON_PATCH
        )
    # What kube-apiserver says of all of these, and no more; why it is so is a warning.
    assert (caught.value.message, caught.value.causes) == (REJECTED, ())
    assert api.warnings == [words]


async def test_copies_cannot_make_a_small_patch_a_large_object() -> None:
    api = make_apiserver()
    await api.pod(annotations={"a": "x" * 1000})
    double = [{"op": "copy", "from": "/metadata", "path": f"/metadata/x{n}"} for n in range(60)]
    with pytest.raises(Invalid, match=REJECTED):
        await _patch(api, JSON_PATCH, double)
    assert api.warnings[-1].startswith(
        "Unable to complete the copy, the accumulated size increase of copy is"
    )


async def test_unknown_fields_are_errors_or_warnings_as_asked() -> None:
    api = make_apiserver()
    await api.pod()

    async def patch(validation: str) -> list[str]:
        api.warnings.clear()
        request = request_pb2.PatchRequest(
            namespace="default", name="web", patch_type=MERGE_PATCH, patch='{"foo": 1}',
            options=meta_pb2.PatchOptions(field_validation=validation),
        )  # fmt: skip
        await api.client.transport.unary(POD.method("Patch"), request.SerializeToString())
        return list(api.warnings)

    for warned in ("", "Warn"):
        assert await patch(warned) == ['unknown field "foo"']
    assert await patch("Ignore") == []
    with pytest.raises(BadRequest, match='unknown field "foo"'):
        await patch("Strict")
    with pytest.raises(Invalid) as caught:
        await patch("Sometimes")
    assert caught.value.message == (
        'PatchOptions.meta.k8s.io "" is invalid: fieldValidation: Unsupported value: "Sometimes": '
        'supported values: "", "Ignore", "Strict", "Warn"'
    )


async def test_a_json_patch_that_others_overtake_means_the_same_when_it_runs_again() -> None:
    """A list that the patch adds and then fills must not be filled twice."""
    api = make_apiserver()
    await api.pod()
    await _patch(api, MERGE_PATCH, {"metadata": {"finalizers": None}})
    store, overtaken = api.app.stores["Pod"], []
    wanted = store.storage.guaranteed_update

    async def overtake(key: Key, change: Callable[[Stored], Change]) -> Stored:
        def again(current: Stored) -> Change:
            overtaken.append(change(current))
            return change(current)

        return await wanted(key, again)

    store.storage.guaranteed_update = overtake
    patched = await _patch(
        api, JSON_PATCH,
        [{"op": "add", "path": "/metadata/finalizers", "value": []},
         {"op": "add", "path": "/metadata/finalizers/-", "value": "example.com/a"}],
    )  # fmt: skip
    assert list(patched.metadata.finalizers) == ["example.com/a"]
    assert overtaken


async def test_changes_of_a_large_object_that_overtake_one_another_are_all_made() -> None:
    """Each is made beside the loop, of what was stored when it began."""
    api = make_apiserver()
    await api.client.config_maps.create(
        config_pb2.ConfigMap(
            metadata=meta_pb2.ObjectMeta(name="web", namespace="default"), data={"x": "y" * 2 * LARGE_BYTES}
        )
    )
    async with asyncio.TaskGroup() as group:
        for name in "abc":
            text = json.dumps({"data": {name: "1"}})
            group.create_task(
                api.client.config_maps.patch("web", text, namespace="default", patch_type=MERGE_PATCH)
            )
    assert set((await api.client.config_maps.get("web", "default")).data) == {"a", "b", "c", "x"}


@pytest.mark.parametrize("patch_type", [JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH])
async def test_a_member_that_stands_twice_is_an_error_or_a_warning_as_asked(patch_type: str) -> None:
    api = make_apiserver()
    await api.pod()
    text = '{"metadata": {"labels": {"a": "1", "a": "2"}}}'
    words = 'duplicate field "metadata.labels.a"'
    if patch_type == JSON_PATCH:
        text = '[{"op": "add", "path": "/metadata/labels", "value": {"a": "1", "a": "2"}}]'
        words = 'json patch duplicate field "[0].value.a"'

    async def patch(validation: str) -> list[str]:
        api.warnings.clear()
        request = request_pb2.PatchRequest(
            namespace="default", name="web", patch_type=patch_type, patch=text,
            options=meta_pb2.PatchOptions(field_validation=validation),
        )  # fmt: skip
        await api.client.transport.unary(POD.method("Patch"), request.SerializeToString())
        return list(api.warnings)

    with pytest.raises(BadRequest) as caught:
        await patch("Strict")
    assert caught.value.message == f"error decoding patch: strict decoding error: {words}"
    for warned in ("", "Warn"):
        assert await patch(warned) == [words]
    assert await patch("Ignore") == []
    assert (await api.client.pods.get("web", "default")).metadata.labels["a"] == "2"


@pytest.mark.parametrize("patch_type", [JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH])
async def test_a_patch_that_is_nested_too_deeply_is_refused_before_anything_recurses(patch_type: str) -> None:
    api = make_apiserver()
    await api.pod()
    deep = "[" * 5000 + "]" * 5000
    text = '[{"op":"add","path":"/spec","value":%s}]' if patch_type == JSON_PATCH else '{"spec":%s}'
    with pytest.raises(BadRequest, match=r"^error decoding patch: exceeded max depth$"):
        await _patch(api, patch_type, text % deep)
