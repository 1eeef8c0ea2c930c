"""Writes in detail: generated names, preconditions, collections, batches, field validation, late reports."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.apiserver import Harness, make_apiserver
from tests.support.calls import call
from vaina.api.core.v1 import manifest_service_pb2, pod_pb2
from vaina.api.meta.v1 import meta_pb2, raw_pb2, request_pb2
from vaina.client.verbs import binding
from vaina.errors import AlreadyExists, ApiError, BadRequest, Conflict, Forbidden, Invalid, NotFound, TooLarge
from vaina.objects.conditions import get_condition
from vaina.testing.builders import make_config_map, make_pod
from vaina.testing.clock import settle

# Generated names.


class _Unlucky:
    """Randomness that makes the same suffix until it is told to relent."""

    def __init__(self, *suffixes: str) -> None:
        self._letters = iter("".join(suffixes))

    def choice(self, _alphabet: str) -> str:
        return next(self._letters)


def _generated() -> pod_pb2.Pod:
    pod = make_pod("")
    pod.metadata.name, pod.metadata.generate_name = "", "web-"
    return pod


def _with_suffixes(api: Harness, *suffixes: str) -> None:
    world = api.app.stores["Pod"]._world
    object.__setattr__(world, "rng", _Unlucky(*suffixes))


async def test_a_generated_name_that_is_taken_is_drawn_again_up_to_eight_times() -> None:
    api = make_apiserver()
    await api.pod("web-bbbbb")
    _with_suffixes(api, *["bbbbb"] * 7, "ccccc")
    assert (await api.client.pods.create(_generated())).metadata.name == "web-ccccc"


async def test_eight_names_that_are_taken_are_told_with_a_delay() -> None:
    api = make_apiserver()
    await api.pod("web-bbbbb")
    _with_suffixes(api, *["bbbbb"] * 8)
    with pytest.raises(AlreadyExists) as caught:
        await api.client.pods.create(_generated())
    assert caught.value.message == (
        'pods "web-bbbbb" already exists, the server was not able to generate a unique name for the object'
    )
    status = caught.value.to_status()
    assert (status.code, status.reason, status.details.retry_after_seconds) == (409, "AlreadyExists", 1)


async def test_a_long_base_is_cut_so_that_the_name_stays_a_label() -> None:
    pod = _generated()
    pod.metadata.generate_name = "a" * 100
    name = (await make_apiserver().client.pods.create(pod)).metadata.name
    assert (name[:58], len(name)) == ("a" * 58, 63)


async def test_a_name_that_is_given_is_not_generated() -> None:
    pod = _generated()
    pod.metadata.name = "mine"
    assert (await make_apiserver().client.pods.create(pod)).metadata.name == "mine"


# Preconditions.

UID = "the UID in the precondition (other) does not match the UID in record (uid-2). The object might have been deleted and then recreated"
VERSION = "the ResourceVersion in the precondition (1) does not match the ResourceVersion in record ({version}). The object might have been modified"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"uid": "other"}, UID),
        ({"resource_version": "1"}, VERSION),
        ({"uid": "other", "resource_version": "1"}, UID),
        ({"uid": "uid-2", "resource_version": "1"}, VERSION),
    ],
)
@pytest.mark.parametrize("dry_run", [False, True])
async def test_a_deletion_holds_its_preconditions(given: dict[str, str], words: str, dry_run: bool) -> None:
    api = make_apiserver()
    pod = await api.pod()
    with pytest.raises(Conflict) as caught:
        await _delete(api, dry_run, **given)
    told = words.format(version=pod.metadata.resource_version)
    assert caught.value.message == f'Operation cannot be fulfilled on Pod "web": {told}'
    await _delete(api, dry_run, uid=pod.metadata.uid, resource_version=pod.metadata.resource_version)


async def _delete(api: Harness, dry_run: bool, **preconditions: str) -> None:
    request = request_pb2.DeleteRequest(
        namespace="default", name="web", dry_run=["All"] if dry_run else [],
        preconditions=meta_pb2.Preconditions(**preconditions),
    )  # fmt: skip
    await call(api, "Delete", request, pod_pb2.Pod)


PATCHES: dict[str, Callable[[dict[str, str]], Any]] = {
    "application/merge-patch+json": lambda meta: {"metadata": meta},
    "application/strategic-merge-patch+json": lambda meta: {"metadata": meta},
    "application/json-patch+json": lambda meta: [
        {"op": "add", "path": f"/metadata/{name}", "value": value} for name, value in meta.items()
    ],
}


@pytest.mark.parametrize("patch_type", PATCHES)
@pytest.mark.parametrize("subresource", ["", "status"])
async def test_a_patch_holds_its_preconditions(patch_type: str, subresource: str) -> None:
    api = make_apiserver()
    pod = await api.pod()

    async def patch(**meta: Any) -> pod_pb2.Pod:
        text = json.dumps(PATCHES[patch_type](meta))
        return await api.client.pods.patch(
            "web", text, namespace="default", patch_type=patch_type, subresource=subresource
        )

    with pytest.raises(Conflict, match="UID in precondition: other, UID in object meta: uid-2"):
        await patch(uid="other")
    with pytest.raises(
        Conflict, match="the object has been modified; please apply your changes to the latest version"
    ):
        await patch(resourceVersion="1")
    with pytest.raises(Invalid, match=r'metadata\.resourceVersion: Invalid value: "x"'):
        await patch(resourceVersion="x")
    await patch(uid=pod.metadata.uid, resourceVersion=pod.metadata.resource_version)


# Collections.


async def test_a_collection_is_deleted_by_labels_and_fields_page_by_page() -> None:
    api = make_apiserver()
    await api.node()
    requests = [make_pod(f"p{index:04}", labels={"odd": str(index % 2)}) for index in range(1200)]
    for start in range(0, len(requests), 400):
        await api.client.pods.create_batch(requests[start : start + 400])
    await api.client.pods.bind("p0001", namespace="default", uid="", node="node-1")
    assert (
        await api.client.pods.delete_collection(
            "default", label_selector="odd=1", field_selector="spec.nodeName="
        )
        == 599
    )
    left = (await api.client.pods.list()).items
    assert len(left) == 601
    assert {pod.metadata.labels["odd"] for pod in left} == {"0", "1"}
    assert (
        await api.client.pods.delete_collection(
            "default", label_selector="odd in (0,1)", grace_period_seconds=0
        )
        == 601
    )
    assert (await api.client.pods.list()).items == []


async def test_a_collection_whose_version_is_compacted_meanwhile_is_deleted_to_its_end() -> None:
    api = make_apiserver()
    for start in range(0, 1200, 400):
        await api.client.pods.create_batch([make_pod(f"p{index:04}") for index in range(start, start + 400)])
    store: Any = api.app.stores["Pod"]
    storage = api.storage
    wanted, pages = store.storage.list_selection, []

    async def compacting(*args: Any, **kwargs: Any) -> Any:
        pages.append(kwargs["after"])
        if len(pages) == 2:
            storage.compact(await storage.current_version())
        return await wanted(*args, **kwargs)

    store.storage.list_selection = compacting
    assert await api.client.pods.delete_collection("default") == 1200
    store.storage.list_selection = wanted
    assert (await api.client.pods.list()).items == []
    assert len(pages) > 3


async def test_a_collection_ends_at_the_first_refusal_and_stays_in_its_namespace() -> None:
    api = make_apiserver()
    await api.app.bootstrap()
    await api.pod("a")
    await api.client.pods.create(make_pod("b", "kube-system"))
    assert await api.client.pods.delete_collection() == 1
    assert [pod.metadata.name for pod in (await api.client.pods.list()).items] == ["b"]
    with pytest.raises(BadRequest, match=r"^field label not supported: spec\.color$"):
        await api.client.pods.delete_collection("kube-system", field_selector="spec.color=red")
    with pytest.raises(
        Forbidden, match=r'^namespaces "\S+" is forbidden: this namespace may not be deleted$'
    ):
        await api.client.namespaces.delete_collection()


# Batches.


def _raw(pod: pod_pb2.Pod, **options: Any) -> raw_pb2.RawCreateRequest:
    return raw_pb2.RawCreateRequest(object=pod.SerializeToString(), options=meta_pb2.CreateOptions(**options))


def _reasons(answer: raw_pb2.RawBatchResponse) -> list[str]:
    return [result.error.reason if result.HasField("error") else "" for result in answer.results]


async def test_a_batch_of_creates_answers_for_each_in_its_place() -> None:
    api = make_apiserver()
    await api.pod("there")
    other = make_pod("lost", "nowhere")
    requests = [
        _raw(make_pod("a")), _raw(make_pod("there")), _raw(make_pod("Bad")), _raw(other), raw_pb2.RawCreateRequest(object=b"\xff"),
        _raw(make_pod("d"), dry_run=["All"]), _raw(make_pod("e"), dry_run=["Some"]), _raw(make_pod("b")),
    ]  # fmt: skip
    answer = await call(
        api, "CreateBatch", raw_pb2.RawCreateBatchRequest(requests=requests), raw_pb2.RawBatchResponse
    )
    assert _reasons(answer) == ["", "AlreadyExists", "Invalid", "NotFound", "BadRequest", "", "Invalid", ""]
    assert sorted(pod.metadata.name for pod in (await api.client.pods.list()).items) == ["a", "b", "there"]


async def test_an_empty_name_behind_the_first_one_counts_in_a_batch_too() -> None:
    api = make_apiserver()
    requests = []
    for name in ("a", "b", "c"):
        pod = make_pod(name)
        pod.metadata.generate_name, pod.metadata.uid = "web-", ""
        requests.append(raw_pb2.RawCreateRequest(object=pod.SerializeToString() + b"\x0a\x02\x0a\x00"))
    await call(api, "CreateBatch", raw_pb2.RawCreateBatchRequest(requests=requests), raw_pb2.RawBatchResponse)
    names = [pod.metadata.name for pod in (await api.client.pods.list()).items]
    assert len(names) == 3
    assert all(name.startswith("web-") for name in names)


async def test_a_batch_of_statuses_answers_for_each_in_its_place() -> None:
    api = make_apiserver()
    for name in ("a", "b"):
        await api.pod(name)
    changes = [(make_pod(name), ("phase",)) for name in ("a", "nobody", "b")]
    for pod, _ in changes:
        pod.status.phase, pod.metadata.uid = "Running", ""
    wrong = pod_pb2.Pod(metadata=meta_pb2.ObjectMeta(name="a", namespace="default"))
    results = await api.client.pods.update_status_batch([*changes, (wrong, ("fase",))])
    reasons = [result.reason if isinstance(result, ApiError) else result.status.phase for result in results]
    assert reasons == ["Running", "NotFound", "Running", "BadRequest"]


async def test_a_batch_of_deletions_answers_for_each_in_its_place() -> None:
    api = make_apiserver()
    made = [await api.pod(name) for name in ("a", "b", "c")]
    wanted = [("default", "a", made[0].metadata.uid), ("default", "nobody", ""), ("default", "b", "other")]
    results = await api.client.pods.delete_batch([*wanted, ("default", "c", "")], grace_period_seconds=0)
    reasons = [result.reason if isinstance(result, ApiError) else result.metadata.name for result in results]
    assert reasons == ["a", "NotFound", "Conflict", "c"]
    assert [pod.metadata.name for pod in (await api.client.pods.list("default")).items] == ["b"]


async def test_others_have_their_turn_while_many_are_deleted() -> None:
    api = make_apiserver()
    await api.client.pods.create_batch([make_pod(f"p{number}") for number in range(640)])
    wanted = [("default", f"p{number}", "") for number in range(640)]
    turns = 0
    async with asyncio.TaskGroup() as group:
        deleting = group.create_task(api.client.pods.delete_batch(wanted, grace_period_seconds=0))
        while not deleting.done():
            await settle(1)
            turns += 1
    assert len(deleting.result()) == 640
    assert not (await api.client.pods.list()).items
    # At most 64 at a time.
    assert turns >= 10


@pytest.mark.parametrize(
    ("verb", "request_", "answer"),
    [
        ("CreateBatch", raw_pb2.RawCreateBatchRequest(requests=[raw_pb2.RawCreateRequest()] * 1001), raw_pb2.RawBatchResponse),
        ("DeleteBatch", request_pb2.DeleteBatchRequest(requests=[request_pb2.DeleteRequest()] * 1001), raw_pb2.RawBatchResponse),
        ("UpdateStatusBatch", raw_pb2.RawUpdateBatchRequest(requests=[raw_pb2.RawUpdateRequest()] * 1001), raw_pb2.RawBatchResponse),
    ],
)  # fmt: skip
async def test_a_batch_that_is_too_long_is_refused_as_a_whole(verb: str, request_: Any, answer: Any) -> None:
    with pytest.raises(TooLarge, match=r"^Request entity too large: a batch may have at most 1000 items$"):
        await call(make_apiserver(), verb, request_, answer)


async def test_an_empty_batch_has_an_empty_answer() -> None:
    api = make_apiserver()
    assert await api.client.pods.create_batch([]) == []
    assert await api.client.pods.bind_batch([]) == []
    assert await api.client.pods.update_status_batch([]) == []
    assert await api.client.pods.delete_batch([]) == []


# Field validation of each verb.


@pytest.mark.parametrize("written", ["create", "update", "patch"])
async def test_an_unknown_word_of_field_validation_is_refused(written: str) -> None:
    api = make_apiserver()
    pod = await api.pod()
    raw = pod.SerializeToString()
    requests: dict[str, tuple[str, Any]] = {
        "create": ("Create", _raw(make_pod("new"), field_validation="Loose")),
        "update": ("Update", raw_pb2.RawUpdateRequest(object=raw, options=meta_pb2.UpdateOptions(field_validation="Loose"))),
        "patch": ("Patch", request_pb2.PatchRequest(
            namespace="default", name="web", patch_type="application/merge-patch+json", patch="{}",
            options=meta_pb2.PatchOptions(field_validation="Loose"))),
    }  # fmt: skip
    verb, request = requests[written]
    with pytest.raises(Invalid) as caught:
        await call(api, verb, request, pod_pb2.Pod)
    assert caught.value.message == (
        f'{verb}Options.meta.k8s.io "" is invalid: fieldValidation: Unsupported value: '
        '"Loose": supported values: "", "Ignore", "Strict", "Warn"'
    )


MANIFEST = (
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, colour: red}\ndata: {a: b}\nfoo: 1\ndata: {a: c}"
)
TWICE = 'yaml: unmarshal errors:\n  line 6: key "data" already set in map'


@pytest.mark.parametrize(
    ("validation", "warnings"),
    [
        ("Warn", [TWICE.splitlines()[1].strip(), 'unknown field "foo"', 'unknown field "metadata.colour"']),
        ("Ignore", []),
    ],
)
async def test_an_apply_drops_unknown_fields_as_asked(validation: str, warnings: list[str]) -> None:
    api = make_apiserver()
    request = manifest_service_pb2.ApplyRequest(
        manifest=MANIFEST, namespace="default", field_validation=validation
    )
    [result] = (await api.client.manifests.apply(request)).results
    assert list(result.warnings) == warnings
    assert (await api.client.config_maps.get("c", "default")).data["a"] == "c"


@pytest.mark.parametrize("validation", ["", "Strict"])
async def test_an_apply_refuses_unknown_fields_all_together(validation: str) -> None:
    request = manifest_service_pb2.ApplyRequest(
        manifest=MANIFEST, namespace="default", field_validation=validation
    )
    with pytest.raises(BadRequest) as caught:
        await make_apiserver().client.manifests.apply(request)
    prefix = 'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: '
    assert caught.value.message.startswith(prefix)
    told = caught.value.message.removeprefix(prefix).split(", ")
    assert told == [TWICE, 'unknown field "foo"', 'unknown field "metadata.colour"']


# Late reports: masked updates need no version (decision 003), but what a binding says is final (decision 036).


async def _late(api: Harness, pod: pod_pb2.Pod, mask: list[str]) -> pod_pb2.Pod:
    late = pod_pb2.Pod(metadata=meta_pb2.ObjectMeta(namespace="default", name="web", uid=pod.metadata.uid))
    late.status.conditions.add(
        type="PodScheduled", status="False", reason="Unschedulable", message="0/1 nodes"
    )
    late.status.nominated_node_name = "node-9"
    return await api.client.pods.update_status(late, mask=mask)


async def test_a_late_word_that_a_pod_fits_nowhere_does_not_undo_its_binding() -> None:
    api = make_apiserver()
    pod = await api.pod()
    await _late(api, pod, ["conditions"])
    await api.node()
    [error] = await api.client.pods.bind_batch([binding("default", "web", pod.metadata.uid, "node-1")])
    assert error is None
    bound = await api.client.pods.get("web", "default")
    after = await _late(api, pod, ["conditions"])
    condition = get_condition(after.status, "PodScheduled")
    assert condition is not None
    assert (condition.status, condition.reason, after.status.nominated_node_name) == ("True", "", "")
    assert after == bound, "a report that says nothing new writes nothing"
    with pytest.raises(Invalid, match="may not be set on pods that are already bound to a node"):
        await _late(api, pod, ["conditions", "nominated_node_name"])
    assert await api.client.pods.get("web", "default") == bound


async def test_a_pod_that_waits_may_be_told_to_fit_nowhere() -> None:
    api = make_apiserver()
    pod = await api.pod()
    after = await _late(api, pod, ["conditions", "nominated_node_name"])
    condition = get_condition(after.status, "PodScheduled")
    assert condition is not None
    assert (condition.status, condition.reason, after.status.nominated_node_name) == (
        "False",
        "Unschedulable",
        "node-9",
    )


async def test_a_patch_of_the_status_does_not_undo_a_binding_either() -> None:
    api = make_apiserver()
    await api.pod(node="node-1")
    patch = {
        "status": {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]}
    }
    after = await api.client.pods.patch("web", json.dumps(patch), namespace="default", subresource="status")
    condition = get_condition(after.status, "PodScheduled")
    assert condition is not None
    assert (condition.status, condition.reason) == ("True", "")


# Others.


async def test_an_update_of_what_is_gone() -> None:
    api = make_apiserver()
    with pytest.raises(NotFound, match=r'^configmaps "c" not found$'):
        await api.client.config_maps.update(make_config_map("c"))
