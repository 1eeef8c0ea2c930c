"""What the services refuse before the registry sees it, and that nothing a client sends ends anything."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.process import listed_prefixes
from apiserver.services.generic import MAX_BATCH
from tests.support.apiserver import make_apiserver
from vaina.api.core.v1 import pod_pb2, pod_service_pb2
from vaina.api.meta.v1 import raw_pb2, request_pb2
from vaina.client.verbs import binding
from vaina.errors import ApiError, BadRequest, InternalError, Invalid, TooLarge
from vaina.kinds import CONFIG_MAP, KINDS, POD
from vaina.serving.handlers import UNARY, RequestContext
from vaina.testing.builders import make_pod


def test_every_method_of_every_service_is_served_and_no_other() -> None:
    from google.protobuf import descriptor_pool

    handlers = make_apiserver().app.handlers
    others = [
        "vaina.api.core.v1.ManifestService", "vaina.api.version.v1.VersionService", "vaina.api.machinery.v1.MachineryService",
        "vaina.api.metrics.v1beta1.NodeMetricsService", "vaina.api.metrics.v1beta1.PodMetricsService",
        "vaina.api.authorization.v1.LocalSubjectAccessReviewService",
        "vaina.api.authorization.v1.SelfSubjectAccessReviewService",
        "vaina.api.authorization.v1.SelfSubjectRulesReviewService",
        "vaina.api.authorization.v1.SubjectAccessReviewService",
        "vaina.api.authentication.v1.SelfSubjectReviewService",
        "vaina.api.authentication.v1.TokenReviewService",
    ]  # fmt: skip
    services = [kind.service for kind in KINDS] + others
    want = {
        f"/{name}/{method.name}"
        for name in services
        for method in descriptor_pool.Default().FindServiceByName(name).methods
    }
    assert set(handlers) == want


async def test_what_is_no_protobuf_is_refused() -> None:
    api = make_apiserver()
    transport = api.client.transport
    for verb in ("Get", "List", "Create", "Update", "Delete", "Patch", "Bind", "CreateBatch"):
        with pytest.raises(BadRequest, match="not valid protobuf"):
            await transport.unary(POD.method(verb), b"\xff\xff\xff")
    broken = raw_pb2.RawCreateRequest(object=b"\xff\xff").SerializeToString()
    with pytest.raises(BadRequest, match="not a valid Pod"):
        await transport.unary(POD.method("Create"), broken)


async def test_text_that_is_not_utf8_is_refused() -> None:
    api = make_apiserver()
    # metadata { name: "\xff" }
    broken = raw_pb2.RawCreateRequest(object=b"\x0a\x03\x0a\x01\xff").SerializeToString()
    with pytest.raises(BadRequest):
        await api.client.transport.unary(POD.method("Create"), broken)


async def test_fields_that_the_api_does_not_have_are_dropped() -> None:
    api = make_apiserver()
    unknown = b"\xfa\x3e\x03abc"  # field 1007
    sent = raw_pb2.RawCreateRequest(object=make_pod().SerializeToString() + unknown).SerializeToString()
    answer = await api.client.transport.unary(POD.method("Create"), sent)
    assert unknown not in answer
    assert pod_pb2.Pod.FromString(answer).metadata.name == "web"


async def test_a_batch_has_a_bound() -> None:
    api = make_apiserver()
    with pytest.raises(TooLarge, match=f"a batch may have at most {MAX_BATCH} items"):
        await api.client.pods.create_batch([make_pod()] * (MAX_BATCH + 1))
    with pytest.raises(TooLarge):
        await api.client.pods.bind_batch([binding("default", "web", "", "n")] * (MAX_BATCH + 1))


async def test_dry_run_is_all_or_nothing() -> None:
    api = make_apiserver()
    request = request_pb2.DeleteRequest(name="web", namespace="default", dry_run=["Some"])
    with pytest.raises(Invalid, match='dryRun: Unsupported value: "Some": supported values: "All"'):
        await api.client.transport.unary(POD.method("Delete"), request.SerializeToString())


async def test_each_item_of_a_batch_has_options_of_its_own() -> None:
    api = make_apiserver()
    request = raw_pb2.RawCreateBatchRequest()
    request.requests.add(object=make_pod("tried").SerializeToString()).options.dry_run.append("All")
    request.requests.add(object=make_pod("made").SerializeToString())
    await api.client.transport.unary(POD.method("CreateBatch"), request.SerializeToString())
    assert [pod.metadata.name for pod in (await api.client.pods.list()).items] == ["made"]


async def test_an_empty_request_to_create_names_what_is_missing() -> None:
    api = make_apiserver()
    with pytest.raises(Invalid, match=r"metadata.name: Required value") as caught:
        await api.client.transport.unary(POD.method("Create"), b"")
    assert "spec.containers" in {cause.field for cause in caught.value.causes}


async def test_a_list_as_bytes_is_a_list_of_the_kind() -> None:
    api = make_apiserver()
    await api.pod("a")
    answer = await api.client.transport.unary(POD.method("List"), b"")
    pods = pod_pb2.PodList.FromString(answer)
    assert [(p.metadata.name, p.metadata.resource_version != "") for p in pods.items] == [("a", True)]
    assert int(pods.metadata.resource_version) >= int(pods.items[0].metadata.resource_version)


async def test_a_request_larger_than_the_limit_is_refused() -> None:
    api = make_apiserver()
    request = raw_pb2.RawCreateRequest(object=b"x" * (3 * 1024 * 1024 + 1)).SerializeToString()
    with pytest.raises(TooLarge, match=r"^Request entity too large: limit is 3145728$"):
        await api.client.transport.unary(CONFIG_MAP.method("Create"), request)


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=60))
async def test_no_bytes_break_anything(data: bytes) -> None:
    api = make_apiserver()
    broken: list[ApiError] = []
    for method in api.app.handlers.values():
        if method.kind is UNARY:
            try:
                await method.fn(data, RequestContext())
            except ApiError as error:
                broken += [error] if isinstance(error, InternalError) else []
    assert broken == []


async def test_a_bound_pod_is_answered_with_success() -> None:
    api = make_apiserver()
    pod = await api.pod()
    await api.node()
    request = pod_service_pb2.BindPodRequest(binding=binding("default", "web", pod.metadata.uid, "node-1"))
    from vaina.api.meta.v1 import meta_pb2

    answer = await api.client.transport.unary(POD.method("Bind"), request.SerializeToString())
    assert meta_pb2.Status.FromString(answer).status == "Success"


def test_the_cost_of_every_list_is_known() -> None:
    handlers = make_apiserver().app.handlers
    listing = {path.split("/")[1] for path in handlers if path.endswith("/List")}
    assert listing <= set(listed_prefixes())
