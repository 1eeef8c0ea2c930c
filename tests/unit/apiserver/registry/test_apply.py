"""Apply and Get of manifests: what kubectl apply does."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from apiserver.storage.interface import Change, Key, KeyConflict, Stored
from tests.support.apiserver import Harness, make_apiserver
from vaina.api.core.v1 import manifest_service_pb2 as pb
from vaina.errors import BadRequest, Conflict, Invalid, NotFound, TooLarge
from vaina.testing.builders import make_config_map

LAST = "kubectl.kubernetes.io/last-applied-configuration"
POD = """
apiVersion: v1
kind: Pod
metadata:
  name: web
  labels: {app: web}
spec:
  containers:
  - name: app
    image: registry.local/app:1
    resources: {requests: {cpu: 0.5}}
"""
RS = """
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: app, image: "registry.local/app:1", env: [{name: A, value: "1"}, {name: B, value: "2"}]}]}
"""


async def _apply(api: Harness, text: str, **kwargs: object) -> list[pb.ApplyResult]:
    request = pb.ApplyRequest(manifest=text, **kwargs)  # type: ignore[arg-type]
    return list((await api.client.manifests.apply(request)).results)


@pytest.mark.requirement("A1")
@pytest.mark.requirement("B18")
async def test_what_is_new_is_created_with_what_was_applied() -> None:
    api = make_apiserver()
    [result] = await _apply(api, POD)
    assert (result.action, result.kind, result.namespace, result.name) == ("created", "Pod", "default", "web")
    assert any("nothing will replace it" in text for text in result.warnings)
    assert api.warnings == []
    stored = json.loads(result.manifest)
    assert stored["status"]["phase"] == "Pending"
    assert json.loads(stored["metadata"]["annotations"][LAST]) == {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"annotations": {}, "labels": {"app": "web"}, "name": "web", "namespace": "default"},
        "spec": {"containers": [{"name": "app", "image": "registry.local/app:1", "resources": {"requests": {"cpu": 0.5}}}]},
    }  # fmt: skip


async def test_the_same_again_is_unchanged() -> None:
    api = make_apiserver()
    [first] = await _apply(api, POD)
    [again] = await _apply(api, POD)
    assert (again.action, again.manifest) == ("unchanged", first.manifest)


async def test_a_field_that_left_the_manifest_leaves_the_object_and_others_stay() -> None:
    api = make_apiserver()
    await _apply(api, RS)
    scaled = await api.client.replica_sets.get("web", "default")
    scaled.metadata.annotations["theirs"] = "stays"
    scaled.spec.template.spec.termination_grace_period_seconds = 7
    await api.client.replica_sets.update(scaled)
    [result] = await _apply(
        api, RS.replace('{name: A, value: "1"}, ', "").replace("replicas: 2", "replicas: 3")
    )
    assert result.action == "configured"
    now = await api.client.replica_sets.get("web", "default")
    assert [item.name for item in now.spec.template.spec.containers[0].env] == ["B"]
    assert (now.spec.replicas, now.spec.template.spec.termination_grace_period_seconds) == (3, 7)
    assert now.metadata.annotations["theirs"] == "stays"
    assert json.loads(now.metadata.annotations[LAST])["spec"]["replicas"] == 3


async def test_an_object_that_was_made_otherwise_can_be_applied_to() -> None:
    api = make_apiserver()
    await api.pod(labels={"app": "other", "keep": "me"})
    [result] = await _apply(api, POD.replace("cpu: 0.5", ""))
    assert result.action == "configured"
    assert any("missing the " + LAST in text for text in result.warnings)
    pod = await api.client.pods.get("web", "default")
    assert dict(pod.metadata.labels) == {"app": "web", "keep": "me"}


async def test_a_manifest_that_names_an_old_version_is_in_conflict() -> None:
    api = make_apiserver()
    await _apply(api, POD)
    with pytest.raises(Conflict):
        await _apply(
            api,
            POD.replace("name: web\n", 'name: web\n  resourceVersion: "128"\n  labels2: {}\n').replace(
                "  labels2: {}\n", ""
            ),
        )


async def test_a_dry_run_applies_nothing() -> None:
    api = make_apiserver()
    [result] = await _apply(api, POD, dry_run=["All"])
    assert (result.action, (await api.client.pods.list()).items) == ("created", [])
    await _apply(api, POD)
    [result] = await _apply(api, POD.replace("app: web", "app: new"), dry_run=["All"])
    assert (result.action, json.loads(result.manifest)["metadata"]["labels"]) == (
        "configured",
        {"app": "new"},
    )
    assert (await api.client.pods.get("web", "default")).metadata.labels["app"] == "web"


async def test_documents_are_applied_in_order_and_each_has_its_outcome() -> None:
    api = make_apiserver()
    space = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"
    bad = POD.replace("image: registry.local/app:1", "imagen: x")
    in_shop = POD.replace("name: web\n", "name: web\n  namespace: shop\n")
    results = await _apply(
        api, "---\n".join([space, in_shop, bad, POD.replace("name: web\n", "name: Bad\n")])
    )
    assert [(item.action, item.error.reason) for item in results] == [
        ("created", ""), ("created", ""), ("", "BadRequest"), ("", "Invalid"),
    ]  # fmt: skip
    assert 'unknown field "spec.containers[0].imagen"' in results[2].error.message
    assert (results[3].kind, results[3].name) == ("Pod", "Bad")


async def test_the_namespace_of_the_request_is_for_those_that_name_none() -> None:
    api = make_apiserver()
    await api.app.bootstrap()
    [result] = await _apply(api, POD, namespace="kube-system")
    assert result.namespace == "kube-system"


@pytest.mark.requirement("A1")
@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        (POD.replace("containers:", "contianers:"), BadRequest, 'strict decoding error: unknown field "spec.contianers"'),
        (POD.replace("name: web\n", "name: Web\n"), Invalid, 'metadata.name: Invalid value: "Web"'),
        (POD.replace("  name: web\n", ""), Invalid, "metadata.name: Required value"),
        (POD.replace("name: web\n", "generateName: web-\n"), BadRequest, "from web-: cannot use generate name with apply"),
        ("", BadRequest, "no objects passed to apply"),
        ("kind: Pod", BadRequest, "apiVersion"),
        ("apiVersion: v9\nkind: Ship", BadRequest, "no matches for kind"),
        ("{", BadRequest, "line 1, column 2"),
    ],
)  # fmt: skip
async def test_a_single_document_that_is_wrong_fails_the_call(
    text: str, error: type[Exception], words: str
) -> None:
    api = make_apiserver()
    with pytest.raises(error, match=words):
        await _apply(api, text)
    assert (await api.client.pods.list()).items == []


async def test_field_validation_can_warn_or_be_silent() -> None:
    api = make_apiserver()
    wrong = POD.replace("spec:", "spec:\n  colour: red")
    [warned] = await _apply(api, wrong, field_validation="Warn")
    assert 'unknown field "spec.colour"' in list(warned.warnings)
    [silent] = await _apply(api, wrong.replace("name: web\n", "name: web2\n"), field_validation="Ignore")
    assert not any("colour" in text for text in silent.warnings)
    with pytest.raises(Invalid, match='Unsupported value: "Maybe"'):
        await _apply(api, wrong, field_validation="Maybe")


async def test_manifests_can_be_read_as_json_and_yaml() -> None:
    api = make_apiserver()
    await _apply(api, POD)
    get = api.client.manifests.get
    one = json.loads((await get(pb.GetManifestRequest(resource="po", name="web"))).manifest)
    assert (one["kind"], one["metadata"]["name"]) == ("Pod", "web")
    assert one["metadata"]["resourceVersion"]
    many = json.loads((await get(pb.GetManifestRequest(resource="pods"))).manifest)
    assert (many["kind"], len(many["items"])) == ("PodList", 1)
    text = (await get(pb.GetManifestRequest(resource="Pod", name="web", output="yaml"))).manifest
    assert "\nkind: Pod\n" in text
    with pytest.raises(NotFound, match='the server doesn\'t have a resource type "ships"'):
        await get(pb.GetManifestRequest(resource="ships"))
    with pytest.raises(NotFound, match='pods "nobody" not found'):
        await get(pb.GetManifestRequest(resource="pods", name="nobody"))
    with pytest.raises(BadRequest, match='output: Unsupported value: "xml"'):
        await get(pb.GetManifestRequest(resource="pods", output="xml"))


async def test_a_list_as_text_is_whole_however_many_pages_it_takes() -> None:
    api = make_apiserver()
    for index in range(1203):
        await api.client.config_maps.create(make_config_map(f"c{index:04}"))
    answer = await api.client.manifests.get(pb.GetManifestRequest(resource="cm", namespace="default"))
    tree = json.loads(answer.manifest)
    assert [item["metadata"]["name"] for item in tree["items"]] == [f"c{index:04}" for index in range(1203)]
    assert "continue" not in tree["metadata"]


async def test_a_list_as_text_that_no_client_would_take_is_refused() -> None:
    api = make_apiserver()
    for index in range(7):
        await api.client.config_maps.create(make_config_map(f"c{index}", data={"x": "y" * 1_000_000}))
    with pytest.raises(TooLarge, match=r"^the list of configmaps is too large for one answer"):
        await api.client.manifests.get(pb.GetManifestRequest(resource="cm"))


async def test_a_manifest_that_can_never_be_stored_is_refused_at_once() -> None:
    api = make_apiserver()
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: big}\ndata:\n  x: " + "y" * 1_600_000
    with pytest.raises(Invalid) as caught:
        await _apply(api, text)
    assert caught.value.message == (
        'ConfigMap "big" is invalid: metadata.annotations: Too long: may not be more than 262144 bytes'
    )


async def test_a_manifest_is_merged_into_what_others_write_meanwhile() -> None:
    """Whoever writes a status is quicker ten times: no conflict, and nothing of either is lost."""
    api = make_apiserver()
    await _apply(api, RS)
    storage: Any = api.app.stores["ReplicaSet"].storage
    wanted, written = storage.guaranteed_update, 0

    async def overtaken(key: Key, change: Callable[[Stored], Change]) -> Stored:
        nonlocal written
        if written == 10:
            return await wanted(key, change)
        written += 1
        storage.guaranteed_update = wanted
        mine = await api.client.replica_sets.get("web", "default")
        mine.status.replicas, mine.metadata.annotations["theirs"] = written, str(written)
        await api.client.replica_sets.update_status(mine)
        storage.guaranteed_update = overtaken
        change(await storage.get(key))
        raise KeyConflict(key)

    storage.guaranteed_update = overtaken
    [result] = await _apply(api, RS.replace("replicas: 2", "replicas: 3"))
    now = await api.client.replica_sets.get("web", "default")
    assert (result.action, written, now.spec.replicas) == ("configured", 10, 3)
    assert (now.status.replicas, now.metadata.annotations["theirs"]) == (10, "10")
