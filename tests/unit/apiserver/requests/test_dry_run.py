"""Dry run of every verb: all is checked, the answer is that of the real request, and nothing is stored."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from google.protobuf.message import Message

from apiserver.services.descriptors import service_descriptor
from apiserver.storage.interface import Key
from tests.support.apiserver import Harness, make_apiserver
from tests.support.calls import call
from tests.support.certificate_requests import node_csr
from vaina.api.autoscaling.v1 import scale_pb2, scale_request_pb2
from vaina.api.certificates.v1 import certificate_signing_request_pb2
from vaina.api.core.v1 import manifest_service_pb2, namespace_pb2, pod_pb2, pod_service_pb2
from vaina.api.meta.v1 import meta_pb2, raw_pb2, request_pb2
from vaina.client.verbs import binding
from vaina.errors import ApiError, Conflict, Invalid, NotFound, from_status
from vaina.kinds import CERTIFICATE_SIGNING_REQUEST, KINDS, NAMESPACE, REPLICA_SET
from vaina.testing.builders import make_namespace, make_pod, make_replica_set

ALL = ("All",)
MANIFEST = "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec: {{containers: [{{name: app, image: {image}}}]}}"


@dataclass(frozen=True)
class Verb:
    """A way to write: how to send it with a dry run, and a mistake that it must find although nothing would
    be stored.
    """

    name: str
    send: Callable[[Harness, tuple[str, ...]], Awaitable[Any]]
    wrong: Callable[[Harness], Awaitable[Any]]
    error: type[ApiError]


def _raw(obj: Message, dry: tuple[str, ...]) -> raw_pb2.RawCreateRequest:
    return raw_pb2.RawCreateRequest(
        object=obj.SerializeToString(), options=meta_pb2.CreateOptions(dry_run=dry)
    )


def _create(name: str) -> Callable[..., Awaitable[Any]]:
    return lambda api, dry=ALL: call(api, "Create", _raw(make_pod(name), dry), pod_pb2.Pod)


def _create_batch(*names: str) -> Callable[..., Awaitable[Any]]:
    async def send(api: Harness, dry: tuple[str, ...] = ALL) -> Any:
        requests = [_raw(make_pod(name), dry) for name in names]
        answer = await call(
            api, "CreateBatch", raw_pb2.RawCreateBatchRequest(requests=requests), raw_pb2.RawBatchResponse
        )
        return _first_error(result.error for result in answer.results if result.HasField("error"))

    return send


def _first_error(errors: Any) -> None:
    for error in errors:
        raise from_status(error)


def _update(**changes: Any) -> Callable[..., Awaitable[Any]]:
    async def send(api: Harness, dry: tuple[str, ...] = ALL) -> Any:
        pod = await api.client.pods.get("web", "default")
        pod.metadata.labels["new"] = "label"
        pod.metadata.resource_version = changes.get("version", pod.metadata.resource_version)
        request = raw_pb2.RawUpdateRequest(
            object=pod.SerializeToString(), options=meta_pb2.UpdateOptions(dry_run=dry)
        )
        return await call(api, "Update", request, pod_pb2.Pod)

    return send


def _status_request(uid: str, dry: tuple[str, ...]) -> raw_pb2.RawUpdateRequest:
    pod = pod_pb2.Pod(status=pod_pb2.PodStatus(phase="Running"))
    pod.metadata.name, pod.metadata.namespace, pod.metadata.uid = "web", "default", uid
    request = raw_pb2.RawUpdateRequest(
        object=pod.SerializeToString(), options=meta_pb2.UpdateOptions(dry_run=dry)
    )
    request.status_mask.paths.append("phase")
    return request


def _status(uid: str) -> Callable[..., Awaitable[Any]]:
    return lambda api, dry=ALL: call(api, "UpdateStatus", _status_request(uid, dry), pod_pb2.Pod)


def _status_batch(uid: str) -> Callable[..., Awaitable[Any]]:
    async def send(api: Harness, dry: tuple[str, ...] = ALL) -> Any:
        request = raw_pb2.RawUpdateBatchRequest(requests=[_status_request(uid, dry)])
        answer = await call(api, "UpdateStatusBatch", request, raw_pb2.RawBatchResponse)
        return _first_error(result.error for result in answer.results if result.HasField("error"))

    return send


def _patch(patch: str, subresource: str = "") -> Callable[..., Awaitable[Any]]:
    def send(api: Harness, dry: tuple[str, ...] = ALL) -> Awaitable[Any]:
        request = request_pb2.PatchRequest(
            namespace="default", name="web", patch_type="application/merge-patch+json", patch=patch,
            subresource=subresource, options=meta_pb2.PatchOptions(dry_run=dry),
        )  # fmt: skip
        return call(api, "Patch", request, pod_pb2.Pod)

    return send


def _part(verb: str, value: str) -> Callable[..., Awaitable[Any]]:
    """A debug container of that name, or that policy of CPU."""

    async def send(api: Harness, dry: tuple[str, ...] = ALL) -> Any:
        pod = await api.client.pods.get("web", "default")
        if verb == "UpdateResize":
            pod.spec.containers[0].resize_policy.add(resource_name="cpu", restart_policy=value)
        else:
            pod.spec.ephemeral_containers.add().ephemeral_container_common.name = value
            pod.spec.ephemeral_containers[0].ephemeral_container_common.image = "busybox"
        request = raw_pb2.RawUpdateRequest(
            object=pod.SerializeToString(), options=meta_pb2.UpdateOptions(dry_run=dry)
        )
        return await call(api, verb, request, pod_pb2.Pod)

    return send


def _delete(name: str) -> Callable[..., Awaitable[Any]]:
    request = request_pb2.DeleteRequest(namespace="default", name=name, grace_period_seconds=0)

    def send(api: Harness, dry: tuple[str, ...] = ALL) -> Awaitable[Any]:
        request.dry_run[:] = dry
        return call(api, "Delete", request, pod_pb2.Pod)

    return send


def _delete_batch(name: str) -> Callable[..., Awaitable[Any]]:
    async def send(api: Harness, dry: tuple[str, ...] = ALL) -> Any:
        one = request_pb2.DeleteRequest(namespace="default", name=name, grace_period_seconds=0, dry_run=dry)
        request = request_pb2.DeleteBatchRequest(requests=[one])
        answer = await call(api, "DeleteBatch", request, raw_pb2.RawBatchResponse)
        return _first_error(result.error for result in answer.results if result.HasField("error"))

    return send


def _delete_collection(policy: str) -> Callable[..., Awaitable[Any]]:
    def send(api: Harness, dry: tuple[str, ...] = ALL) -> Awaitable[Any]:
        request = request_pb2.DeleteCollectionRequest(
            namespace="default", propagation_policy=policy, dry_run=dry
        )
        return call(api, "DeleteCollection", request, request_pb2.DeleteCollectionResponse)

    return send


def _bind(node: str) -> Callable[..., Awaitable[Any]]:
    def send(api: Harness, dry: tuple[str, ...] = ALL) -> Awaitable[Any]:
        request = pod_service_pb2.BindPodRequest(
            binding=binding("default", "web", "", node), options=meta_pb2.CreateOptions(dry_run=dry)
        )
        return call(api, "Bind", request, meta_pb2.Status)

    return send


def _bind_batch(node: str) -> Callable[..., Awaitable[Any]]:
    async def send(api: Harness, dry: tuple[str, ...] = ALL) -> Any:
        request = pod_service_pb2.BindPodBatchRequest(
            bindings=[binding("default", "web", "", node)], options=meta_pb2.CreateOptions(dry_run=dry)
        )
        answer = await call(api, "BindBatch", request, pod_service_pb2.BindPodBatchResponse)
        return _first_error(status for status in answer.results if status.status == "Failure")

    return send


def _evict(name: str) -> Callable[..., Awaitable[Any]]:
    def send(api: Harness, dry: tuple[str, ...] = ALL) -> Awaitable[Any]:
        request = pod_service_pb2.EvictPodRequest(options=meta_pb2.CreateOptions(dry_run=dry))
        request.eviction.metadata.name, request.eviction.metadata.namespace = name, "default"
        return call(api, "Evict", request, meta_pb2.Status)

    return send


def _scale(replicas: int) -> Callable[..., Awaitable[Any]]:
    def send(api: Harness, dry: tuple[str, ...] = ALL) -> Awaitable[Any]:
        scale = scale_pb2.Scale()
        scale.metadata.name, scale.metadata.namespace, scale.spec.replicas = "web", "default", replicas
        request = scale_request_pb2.UpdateScaleRequest(
            object=scale, options=meta_pb2.UpdateOptions(dry_run=dry)
        )
        return call(api, "UpdateScale", request, scale_pb2.Scale, kind=REPLICA_SET)

    return send


def _apply(name: str, image: str) -> Callable[..., Awaitable[Any]]:
    def send(api: Harness, dry: tuple[str, ...] = ALL) -> Awaitable[Any]:
        request = manifest_service_pb2.ApplyRequest(
            manifest=MANIFEST.format(name=name, image=image), namespace="default", dry_run=dry
        )
        return api.client.manifests.apply(request)

    return send


def _patch_scale(replicas: int) -> Callable[..., Awaitable[Any]]:
    def send(api: Harness, dry: tuple[str, ...] = ALL) -> Awaitable[Any]:
        request = request_pb2.PatchRequest(
            namespace="default", name="web", patch_type="application/merge-patch+json",
            patch=f'{{"spec": {{"replicas": {replicas}}}}}', options=meta_pb2.PatchOptions(dry_run=dry),
        )  # fmt: skip
        return call(api, "PatchScale", request, scale_pb2.Scale, kind=REPLICA_SET)

    return send


def _finalize(finalizer: str) -> Callable[..., Awaitable[Any]]:
    async def send(api: Harness, dry: tuple[str, ...] = ALL) -> Any:
        namespace = await api.client.namespaces.get("team")
        namespace.spec.finalizers.append(finalizer)
        request = raw_pb2.RawUpdateRequest(
            object=namespace.SerializeToString(), options=meta_pb2.UpdateOptions(dry_run=dry)
        )
        return await call(api, "Finalize", request, namespace_pb2.Namespace, kind=NAMESPACE)

    return send


def _approval(condition: str, status: str) -> Callable[..., Awaitable[Any]]:
    async def send(api: Harness, dry: tuple[str, ...] = ALL) -> Any:
        csr = await api.client.certificate_signing_requests.get("csr")
        csr.status.conditions.add(type=condition, status=status)
        request = raw_pb2.RawUpdateRequest(
            object=csr.SerializeToString(), options=meta_pb2.UpdateOptions(dry_run=dry)
        )
        message = certificate_signing_request_pb2.CertificateSigningRequest
        return await call(api, "UpdateApproval", request, message, kind=CERTIFICATE_SIGNING_REQUEST)

    return send


VERBS = [
    Verb("create", _create("new"), _create("web"), ApiError),
    Verb("create batch", _create_batch("new", "newer"), _create_batch("new", "Bad_Name"), Invalid),
    Verb("update", _update(), _update(version="1"), Conflict),
    Verb("status", _status(""), _status("gone"), Conflict),
    Verb("status batch", _status_batch(""), _status_batch("gone"), Conflict),
    Verb("patch", _patch('{"metadata": {"labels": {"a": "b"}}}'), _patch('{"metadata": {"labels": {"a": "-"}}}'), Invalid),
    Verb("patch of the status", _patch('{"status": {"phase": "Running"}}', "status"),
         _patch('{"metadata": {"resourceVersion": "1"}}', "status"), Conflict),
    Verb("ephemeral containers", _part("UpdateEphemeralContainers", "shell"), _part("UpdateEphemeralContainers", "-"), Invalid),
    Verb("resize", _part("UpdateResize", "NotRequired"), _part("UpdateResize", "Never"), Invalid),
    Verb("finalize", _finalize("example.com/hold"), _finalize("mine"), Invalid),
    Verb("approval", _approval("Approved", "True"), _approval("Approved", "False"), Invalid),
    Verb("patch of ephemeral containers", _patch('{"spec": {"ephemeralContainers": [{"name": "d", "image": "b"}]}}', "ephemeralcontainers"),
         _patch('{"spec": {"ephemeralContainers": [{"name": "d"}]}}', "ephemeralcontainers"), Invalid),
    Verb("delete", _delete("web"), _delete("nobody"), NotFound),
    Verb("delete batch", _delete_batch("web"), _delete_batch("nobody"), NotFound),
    Verb("delete collection", _delete_collection(""), _delete_collection("Sideways"), Invalid),
    Verb("bind", _bind("node-1"), _bind("node-2"), NotFound),
    Verb("bind batch", _bind_batch("node-1"), _bind_batch("node-2"), NotFound),
    Verb("evict", _evict("web"), _evict("nobody"), NotFound),
    Verb("scale", _scale(5), _scale(-1), Invalid),
    Verb("patch of the scale", _patch_scale(5), _patch_scale(-1), Invalid),
    Verb("apply of a new object", _apply("new", "x"), _apply("Bad_Name", "x"), Invalid),
    Verb("apply of a change", _apply("web", "other:2"), _apply("web", "''"), Invalid),
]  # fmt: skip


async def _world() -> Harness:
    api = make_apiserver()
    await api.client.certificate_signing_requests.create(node_csr("csr", "node-1"))
    await api.node()
    await api.pod()
    await api.client.replica_sets.create(make_replica_set("web"))
    await api.client.namespaces.create(make_namespace("team"))
    return api


async def _state(api: Harness) -> list[object]:
    pages = [await api.storage.list(Key(f"/registry/{kind.etcd_prefix}/")) for kind in KINDS]
    return [(item.key, item.data, item.version) for page in pages for item in page.items]


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
async def test_nothing_is_stored(verb: Verb) -> None:
    api = await _world()
    before = await _state(api)
    await verb.send(api, ALL)
    assert await _state(api) == before
    await verb.send(api, ())
    assert await _state(api) != before


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
async def test_what_is_wrong_is_found_all_the_same(verb: Verb) -> None:
    api = await _world()
    with pytest.raises(verb.error):
        await verb.wrong(api)


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
async def test_any_other_word_than_all_is_refused(verb: Verb) -> None:
    api = await _world()
    before = await _state(api)
    with pytest.raises(Invalid, match=r'dryRun: Unsupported value: "Some": supported values: "All"$'):
        await verb.send(api, ("Some",))
    assert await _state(api) == before


def test_every_verb_that_writes_is_among_them() -> None:
    """A new verb fails here until it is tried here."""
    known = {"Create", "CreateBatch", "Update", "UpdateStatus", "UpdateStatusBatch", "Patch", "Delete", "DeleteBatch",
             "DeleteCollection", "Bind", "BindBatch", "Evict", "UpdateScale", "UpdateEphemeralContainers", "UpdateResize",
             "Finalize", "UpdateApproval", "PatchScale"}  # fmt: skip
    reads = {"Get", "List", "Watch", "Logs", "Exec", "Attach", "PortForward", "Proxy", "GetScale"}
    # PodTraces: best effort, told not written. Tokens: made and not stored, with a dry run too, as upstream's.
    own = {"Report", "CreateToken"}
    verbs = {name for kind in KINDS for name in service_descriptor(kind.service).methods_by_name}
    assert verbs - reads - own == known


async def test_a_dry_run_answers_what_would_be_stored() -> None:
    api = await _world()
    made = await _create("new")(api)
    assert (made.metadata.name, made.spec.restart_policy, made.metadata.resource_version) == (
        "new",
        "Always",
        "",
    )
    patched = await _patch('{"metadata": {"labels": {"a": "b"}}}')(api)
    assert patched.metadata.labels["a"] == "b"
    deleted = await _delete("web")(api)
    assert deleted.metadata.name == "web"
    removed = await _delete_collection("")(api)
    assert removed.deleted == 1
