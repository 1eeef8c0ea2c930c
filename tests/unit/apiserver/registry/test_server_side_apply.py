"""Server-side apply: conflicts, force, removal, sub-resources, and who owns what afterwards."""

from typing import Any

import pytest
import yaml

from tests.support.apiserver import Harness, make_apiserver
from tests.support.calls import call
from vaina.api.autoscaling.v1 import scale_pb2
from vaina.api.meta.v1 import meta_pb2, request_pb2
from vaina.errors import ApiError, BadRequest, Conflict, InternalError, Invalid, NotFound
from vaina.kinds import CONFIG_MAP, DEPLOYMENT, POD, Kind
from vaina.objects.patching import APPLY_PATCH, MERGE_PATCH
from vaina.serving.handlers import RequestContext

pytestmark = pytest.mark.requirement("A1")

_DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: one, image: "i:1"}]
"""
_REPLICAS = (
    '{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": %d}}'
)


async def _apply(api: Harness, kind: Kind[Any], text: str, manager: str = "mine", **options: Any) -> Any:
    return await api.client.kind(kind).apply(
        "web",
        text,
        **{"field_manager": manager, "namespace": "default" if kind.namespaced else "", **options},
    )


def _config(**data: str) -> str:
    return yaml.safe_dump(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web"}, "data": data}
    )


def _owners(obj: Any) -> list[tuple[str, str, str, str]]:
    return [
        (e.manager, e.operation, e.subresource, e.fields_v1.raw.decode()) for e in obj.metadata.managed_fields
    ]


def _times(obj: Any) -> dict[str, int]:
    return {e.manager: e.time.seconds for e in obj.metadata.managed_fields}


async def test_what_is_not_there_is_created_and_owned_as_it_was_applied() -> None:
    api = make_apiserver()
    rpc = RequestContext()
    request = request_pb2.PatchRequest(
        namespace="default", name="web", patch_type=APPLY_PATCH, patch=_config(a="1"),
        options=meta_pb2.PatchOptions(field_manager="mine"),
    )  # fmt: skip
    method = api.app.handlers[CONFIG_MAP.method("Patch")]
    await method.fn(request.SerializeToString(), rpc)
    assert rpc.created
    made = await api.client.config_maps.get("web", "default")
    [entry] = made.metadata.managed_fields
    assert (entry.manager, entry.operation, entry.api_version, entry.fields_type, entry.subresource) == (
        "mine", "Apply", "v1", "FieldsV1", "",
    )  # fmt: skip
    assert entry.fields_v1.raw == b'{"f:data":{"f:a":{}}}'
    assert entry.time.seconds == int(api.clock.now())
    rpc = RequestContext()
    await method.fn(request.SerializeToString(), rpc)
    assert not rpc.created


async def test_of_an_object_that_nobody_applied_to_the_first_apply_finds_what_was_before() -> None:
    api = make_apiserver()
    made = await api.client.config_maps.create(
        CONFIG_MAP.message(metadata={"name": "web"}, data={"a": "1", "b": "2"})
    )
    assert not made.metadata.managed_fields
    made.data["b"] = "3"
    assert not (await api.client.config_maps.update(made)).metadata.managed_fields
    with pytest.raises(Conflict) as caught:
        await _apply(api, CONFIG_MAP, _config(b="9", c="1"))
    assert caught.value.message == (
        'Apply failed with 1 conflict: conflict with "before-first-apply" using v1: .data.b'
    )
    assert [(c.type, c.field, c.detail) for c in caught.value.causes] == [
        ("FieldManagerConflict", ".data.b", 'conflict with "before-first-apply" using v1')
    ]
    forced = await _apply(api, CONFIG_MAP, _config(b="9", c="1"), force=True)
    assert dict(forced.data) == {"a": "1", "b": "9", "c": "1"}
    assert _owners(forced) == [
        ("mine", "Apply", "", '{"f:data":{"f:b":{},"f:c":{}}}'),
        ("before-first-apply", "Update", "", '{"f:data":{".":{},"f:a":{}}}'),
    ]


async def test_updates_and_patches_take_what_they_change_once_an_object_was_applied_to() -> None:
    api = make_apiserver()
    made = await _apply(api, DEPLOYMENT, _DEPLOYMENT)
    made.spec.replicas = 5
    updated = await api.client.deployments.update(made, field_manager="hpa")
    assert _owners(updated)[-1] == ("hpa", "Update", "", '{"f:spec":{"f:replicas":{}}}')
    patched = await api.client.deployments.patch(
        "web", '{"metadata": {"labels": {"tier": "x"}}}', namespace="default", patch_type=MERGE_PATCH,
        field_manager="labels",
    )  # fmt: skip
    assert ("labels", "Update", "", '{"f:metadata":{"f:labels":{"f:tier":{}}}}') in _owners(patched)
    with pytest.raises(Conflict) as caught:
        await _apply(api, DEPLOYMENT, _DEPLOYMENT)
    assert (
        caught.value.message
        == 'Apply failed with 1 conflict: conflict with "hpa" using apps/v1: .spec.replicas'
    )
    # As upstream's guide to handing a field over has it: who does not want it any longer leaves it out.
    given = await _apply(api, DEPLOYMENT, _DEPLOYMENT.replace("replicas: 2", "paused: true"))
    assert (given.spec.replicas, given.spec.paused) == (5, True)


async def test_several_conflicts_are_told_by_manager() -> None:
    api = make_apiserver()
    await _apply(api, CONFIG_MAP, _config(a="1", b="1"), "one")
    await _apply(api, CONFIG_MAP, _config(c="1"), "two")
    with pytest.raises(Conflict) as caught:
        await _apply(api, CONFIG_MAP, _config(a="2", b="2", c="2"), "three")
    assert caught.value.message == (
        "Apply failed with 3 conflicts: "
        'conflicts with "one":\n- .data.a\n- .data.b\nconflicts with "two":\n- .data.c'
    )
    assert [cause.field for cause in caught.value.causes] == [".data.a", ".data.b", ".data.c"]


async def test_fields_that_leave_what_is_applied_leave_the_object_unless_others_apply_them_too() -> None:
    api = make_apiserver()
    await _apply(api, CONFIG_MAP, _config(a="1", b="1"), "one")
    both = await _apply(api, CONFIG_MAP, _config(b="1", c="1"), "two")
    assert [(m, f) for m, _, _, f in _owners(both)] == [
        ("one", '{"f:data":{"f:a":{},"f:b":{}}}'), ("two", '{"f:data":{"f:b":{},"f:c":{}}}'),
    ]  # fmt: skip
    left = await _apply(api, CONFIG_MAP, _config(), "one")
    assert dict(left.data) == {"b": "1", "c": "1"}
    left = await _apply(api, CONFIG_MAP, _config(c="1"), "two")
    assert dict(left.data) == {"c": "1"}


async def test_items_of_lists_are_merged_by_their_keys() -> None:
    api = make_apiserver()
    await _apply(api, DEPLOYMENT, _DEPLOYMENT)
    sidecar = _DEPLOYMENT.replace('{name: one, image: "i:1"}', '{name: two, image: "s:1"}')
    made = await _apply(api, DEPLOYMENT, sidecar, "sidecars")
    assert [c.name for c in made.spec.template.spec.containers] == ["one", "two"]
    without = _DEPLOYMENT.replace('{name: one, image: "i:1"}', "")
    made = await _apply(api, DEPLOYMENT, without, "sidecars")
    assert [c.name for c in made.spec.template.spec.containers] == ["one"]


async def test_an_apply_that_changes_nothing_stores_nothing_and_leaves_the_times() -> None:
    api = make_apiserver()
    first = await _apply(api, DEPLOYMENT, _DEPLOYMENT)
    await api.clock.advance(60)
    again = await _apply(api, DEPLOYMENT, _DEPLOYMENT)
    assert again == first
    # kubectl's own manifests have a creationTimestamp that is null.
    nulls = _DEPLOYMENT.replace("labels: {app: web}}\nspec:\n  replicas", "labels: {app: web}, creationTimestamp: null}\nspec:\n  replicas")  # fmt: skip
    assert nulls != _DEPLOYMENT
    assert (await _apply(api, DEPLOYMENT, nulls)).metadata.resource_version == first.metadata.resource_version
    changed = await _apply(api, DEPLOYMENT, _DEPLOYMENT.replace("i:1", "i:2"))
    assert _times(changed)["mine"] == _times(first)["mine"] + 60


async def test_the_status_is_applied_through_its_sub_resource_and_by_nothing_else() -> None:
    api = make_apiserver()
    status = "\nstatus: {replicas: 7, conditions: [{type: Mine, status: 'True'}]}\n"
    made = await _apply(api, DEPLOYMENT, _DEPLOYMENT + status)
    assert made.status.replicas == 0
    assert "f:status" not in _owners(made)[0][3]
    applied = await _apply(api, DEPLOYMENT, _DEPLOYMENT.replace("replicas: 2", "replicas: 9") + status, "other", subresource="status")  # fmt: skip
    assert (applied.spec.replicas, applied.status.replicas) == (2, 7)
    assert ("other", "Apply", "status", '{"f:status":{"f:conditions":{"k:{\\"type\\":\\"Mine\\"}":{".":{},"f:status":{},"f:type":{}}},"f:replicas":{}}}') in _owners(applied)  # fmt: skip
    applied.status.replicas = 8
    updated = await api.client.deployments.update_status(applied)
    assert ("unknown", "Update", "status", '{"f:status":{"f:replicas":{}}}') in _owners(updated)
    with pytest.raises(
        Conflict, match=r'conflict with "unknown" with subresource "status" using apps/v1: \.status\.replicas'
    ):
        await _apply(api, DEPLOYMENT, _DEPLOYMENT + status, "other", subresource="status")
    with pytest.raises(NotFound):
        await api.client.deployments.apply(
            "none", status, field_manager="x", namespace="default", subresource="status"
        )


async def test_masked_and_batched_writes_of_the_status_are_owned_too() -> None:
    api = make_apiserver()
    pod = "{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {containers: [{name: c, image: i}]}}"
    made = await _apply(api, POD, pod)
    made.status.phase = "Running"
    [result] = await api.client.pods.update_status_batch([(made, ["phase"])])
    assert not isinstance(result, ApiError)
    assert ("unknown", "Update", "status", '{"f:status":{"f:phase":{}}}') in _owners(result)


async def test_replicas_that_are_scaled_belong_to_who_scales() -> None:
    api = make_apiserver()
    await _apply(api, DEPLOYMENT, _DEPLOYMENT)
    scale = await api.client.deployments.get_scale("web", "default")
    scale.spec.replicas = 4
    await api.client.deployments.update_scale(scale)
    made = await api.client.deployments.get("web", "default")
    assert ("unknown", "Update", "scale", '{"f:spec":{"f:replicas":{}}}') in _owners(made)
    with pytest.raises(
        Conflict, match=r'conflict with "unknown" with subresource "scale" using apps/v1: \.spec\.replicas'
    ):
        await _apply(api, DEPLOYMENT, _DEPLOYMENT)


async def test_a_scale_is_applied_and_its_manager_owns_the_replicas() -> None:
    api = make_apiserver()
    await _apply(api, DEPLOYMENT, _DEPLOYMENT)

    async def scale(replicas: int, **options: Any) -> scale_pb2.Scale:
        applied = f"apiVersion: autoscaling/v1\nkind: Scale\nspec: {{replicas: {replicas}}}"
        request = request_pb2.PatchRequest(
            namespace="default", name="web", patch_type=APPLY_PATCH, patch=applied,
            options=meta_pb2.PatchOptions(field_manager="hpa", **options),
        )  # fmt: skip
        return await call(api, "PatchScale", request, scale_pb2.Scale, kind=DEPLOYMENT)

    with pytest.raises(Conflict, match=r'conflict with "mine": \.spec\.replicas'):
        await scale(4)
    assert (await scale(4, force=True)).spec.replicas == 4
    made = await api.client.deployments.get("web", "default")
    assert _owners(made)[0] == ("hpa", "Apply", "scale", '{"f:spec":{"f:replicas":{}}}')
    assert "f:replicas" not in _owners(made)[1][3]
    await scale(4)
    again = await api.client.deployments.get("web", "default")
    assert again.metadata.resource_version == made.metadata.resource_version
    with pytest.raises(Conflict, match=r'conflict with "hpa" with subresource "scale": \.spec\.replicas'):
        await _apply(api, DEPLOYMENT, _DEPLOYMENT)


async def test_managed_fields_are_reset_by_one_empty_entry_and_kept_when_they_cannot_be_read() -> None:
    api = make_apiserver()
    made = await _apply(api, CONFIG_MAP, _config(a="1"))
    made.metadata.managed_fields[0].fields_v1.raw = b'{"a":{}}'
    kept = await api.client.config_maps.update(made)
    assert _owners(kept) == [("mine", "Apply", "", '{"f:data":{"f:a":{}}}')]
    del kept.metadata.managed_fields[:]
    kept.metadata.managed_fields.add()
    reset = await api.client.config_maps.update(kept)
    assert not reset.metadata.managed_fields
    reset.data["a"] = "2"
    assert not (await api.client.config_maps.update(reset)).metadata.managed_fields


@pytest.mark.parametrize("entries", ["[]", "[{}]"])
async def test_a_patch_resets_managed_fields_by_an_empty_list_or_entry(entries: str) -> None:
    api = make_apiserver()
    await _apply(api, CONFIG_MAP, _config(a="1"))
    patch = f'{{"metadata": {{"managedFields": {entries}}}}}'
    reset = await api.client.config_maps.patch("web", patch, patch_type=MERGE_PATCH, namespace="default")
    assert not reset.metadata.managed_fields


async def test_a_new_object_has_no_managed_fields_whatever_it_was_copied_from() -> None:
    api = make_apiserver()
    made = await _apply(api, CONFIG_MAP, _config(a="1"))
    made.metadata.name, made.metadata.resource_version = "copy", ""
    assert not (await api.client.config_maps.create(made)).metadata.managed_fields


async def test_a_dry_run_says_what_would_be_and_stores_nothing() -> None:
    api = make_apiserver()
    made = await _apply(api, CONFIG_MAP, _config(a="1"), dry_run=True)
    assert _owners(made) == [("mine", "Apply", "", '{"f:data":{"f:a":{}}}')]
    with pytest.raises(NotFound):
        await api.client.config_maps.get("web", "default")


async def test_eleven_updaters_are_ten() -> None:
    api = make_apiserver()
    made = await _apply(api, CONFIG_MAP, _config(a="1"))
    for number in range(12):
        await api.clock.advance(1)
        made.data[f"k{number:02}"] = "1"
        made = await api.client.config_maps.update(made, field_manager=f"m{number:02}")
    names = [manager for manager, operation, _, _ in _owners(made) if operation == "Update"]
    assert names == ["ancient-changes", *(f"m{number:02}" for number in range(3, 12))]
    ancient = next(o for o in _owners(made) if o[0] == "ancient-changes")
    assert ancient[3] == '{"f:data":{"f:k00":{},"f:k01":{},"f:k02":{}}}'


_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


async def test_kubectl_takes_over_what_it_applied_on_the_clients_side() -> None:
    api = make_apiserver()
    last = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"annotations":{},"name":"web","namespace":"default"},"data":{"a":"1","b":"1"}}\n'
    made = CONFIG_MAP.message(metadata={"name": "web", "annotations": {_LAST_APPLIED: last}}, data={"a": "1", "b": "1", "c": "1"})  # fmt: skip
    await api.client.config_maps.create(made)
    with pytest.raises(Conflict, match=r'conflict with "before-first-apply" using v1: \.data\.a'):
        await _apply(api, CONFIG_MAP, _config(a="2"), "other")
    with pytest.raises(Conflict, match=r"\.data\.c$"):
        await _apply(api, CONFIG_MAP, _config(a="2", c="2"), "kubectl")
    applied = await _apply(api, CONFIG_MAP, _config(a="2"), "kubectl")
    assert dict(applied.data) == {"a": "2", "b": "1", "c": "1"}
    # Client-side apply goes on from here.
    assert applied.metadata.annotations[_LAST_APPLIED] == (
        '{"apiVersion":"v1","data":{"a":"2"},"kind":"ConfigMap","metadata":{"name":"web"}}\n'
    )


@pytest.mark.parametrize(
    ("text", "options", "error", "words"),
    [
        (_config(a="1"), {"manager": ""}, Invalid,
         'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'),
        (_config(a="1"), {"manager": "a\tb"}, Invalid,
         'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Invalid value: "a\\tb": invalid character U+0009 (at position 1)'),
        (_config(a="1"), {"manager": "a" * 129}, Invalid,
         'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Too long: may not be more than 128 bytes'),
        ("{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}}", {}, BadRequest,
         "invalid object type: apps/v1, Kind=Deployment"),
        ("", {}, BadRequest, "invalid object type: /, Kind="),
        ("[1]", {}, BadRequest,
         "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"),
        (_config(a="1").replace("name: web", "name: other"), {}, BadRequest,
         "the name of the object (other) does not match the name on the URL (web)"),
        (_config(a="1").replace("name: web", "namespace: default"), {}, BadRequest,
         "the name of the object (web based on URL) was undeterminable: name must be provided"),
        (_config(a="1").replace("name: web", "name: web\n  namespace: other"), {}, BadRequest,
         "the namespace of the provided object does not match the namespace sent on the request"),
        (_config(a="1").replace("name: web", "name: web\n  uid: u"), {}, Conflict,
         'Operation cannot be fulfilled on configmaps "web": uid mismatch: the provided object specified uid u, '
         "and no existing object was found"),
        (_config(a="1").replace("name: web", "name: web\n  managedFields: [{manager: x}]"), {}, BadRequest,
         "metadata.managedFields must be nil"),
        (_config(a="1") + "spec: {}\n", {}, InternalError,
         "failed to create typed patch object (/web; /v1, Kind=ConfigMap): .spec: field not declared in schema"),
        (_config(a="1") + "immutable: 5\n", {}, InternalError,
         "failed to create typed patch object (/web; /v1, Kind=ConfigMap): .immutable: expected boolean, got &{5}"),
        (_config(a="1") + "data: {b: '1'}\n", {"field_validation": "Strict"}, BadRequest,
         "error strict decoding patch: error converting YAML to JSON: yaml: unmarshal errors:\n"
         '  line 7: key "data" already set in map'),
    ],
)  # fmt: skip
async def test_what_cannot_be_applied_is_refused_in_upstreams_words(
    text: str, options: dict[str, Any], error: type[ApiError], words: str
) -> None:
    api = make_apiserver()
    with pytest.raises(error) as caught:
        await _apply(api, CONFIG_MAP, text, **options)
    assert caught.value.message == words
    with pytest.raises(NotFound):
        await api.client.config_maps.get("web", "default")


async def test_other_patches_cannot_be_forced() -> None:
    api = make_apiserver()
    request = request_pb2.PatchRequest(namespace="default", name="web", patch_type=MERGE_PATCH, patch="{}")
    request.options.force = False
    with pytest.raises(Invalid, match="force: Forbidden: may not be specified for non-apply patch"):
        await call(api, "Patch", request, POD.message)


async def test_version_and_uid_of_what_is_applied_must_be_the_stored_ones() -> None:
    api = make_apiserver()
    made = await _apply(api, CONFIG_MAP, _config(a="1"))
    stale = _config(a="2").replace("name: web", "name: web\n  resourceVersion: '1'")
    with pytest.raises(Conflict, match="the object has been modified"):
        await _apply(api, CONFIG_MAP, stale)
    fresh = stale.replace("'1'", f"'{made.metadata.resource_version}'")
    assert dict((await _apply(api, CONFIG_MAP, fresh)).data) == {"a": "2"}
    with pytest.raises(Conflict, match="UID in precondition: u, UID in object meta"):
        await _apply(api, CONFIG_MAP, _config(a="3").replace("name: web", "name: web\n  uid: u"))


async def test_fields_that_stand_twice_are_a_warning() -> None:
    api = make_apiserver()
    made = await _apply(api, CONFIG_MAP, _config(a="1") + "data: {b: '1'}\n")
    assert dict(made.data) == {"b": "1"}
    assert api.warnings == [
        'error converting YAML to JSON: yaml: unmarshal errors:\n  line 7: key "data" already set in map'
    ]
