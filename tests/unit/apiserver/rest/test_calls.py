"""From a request to a gRPC method and its request."""

from dataclasses import dataclass
from typing import Any

import pytest
from google.protobuf.message import Message

from apiserver.rest import calls, selecting
from apiserver.rest.info import read_info, read_query
from apiserver.rest.served import make_table
from vaina.api.core.v1 import config_pb2, namespace_pb2, pod_pb2, pod_service_pb2
from vaina.api.meta.v1 import meta_pb2, raw_pb2, request_pb2
from vaina.errors import ApiError, BadRequest, Invalid, MethodNotSupported, NotFound, UnsupportedMediaType

TABLE = make_table()
PODS = "/api/v1/namespaces/a/pods"


def routed(method: str, target: str) -> tuple[Any, calls.Route]:
    info = read_info(method, target)
    return info, calls.route(TABLE, info)


@dataclass(frozen=True)
class Case:
    method: str
    target: str
    #: method of the gRPC service; empty: a stream; or what is raised
    want: str | type[ApiError]


ROUTES = (
    Case("GET", PODS, "List"),
    Case("GET", "/api/v1/pods", "List"),
    Case("GET", f"{PODS}?watch=1", "Watch"),
    Case("GET", "/api/v1/watch/namespaces/a/pods/b", "Watch"),
    Case("POST", "/api/v1/watch/namespaces/a/pods", MethodNotSupported),
    Case("DELETE", "/api/v1/watch/namespaces/a/pods/b", MethodNotSupported),
    Case("POST", PODS, "Create"),
    Case("DELETE", PODS, "DeleteCollection"),
    Case("GET", f"{PODS}/b", "Get"),
    Case("PUT", f"{PODS}/b", "Update"),
    Case("PATCH", f"{PODS}/b", "Patch"),
    Case("DELETE", f"{PODS}/b", "Delete"),
    Case("GET", f"{PODS}/b/status", "Get"),
    Case("PUT", f"{PODS}/b/status", "UpdateStatus"),
    Case("PATCH", f"{PODS}/b/status", "Patch"),
    Case("PUT", f"{PODS}/b/ephemeralcontainers", "UpdateEphemeralContainers"),
    Case("PATCH", f"{PODS}/b/resize", "Patch"),
    Case("POST", f"{PODS}/b/binding", "Bind"),
    Case("POST", f"{PODS}/b/eviction", "Evict"),
    Case("GET", f"{PODS}/b/log", ""),
    Case("GET", f"{PODS}/b/exec", ""),
    Case("POST", f"{PODS}/b/exec", ""),
    Case("GET", f"{PODS}/b/proxy/c/d", ""),
    Case("GET", "/apis/apps/v1/namespaces/a/deployments/b/scale", "GetScale"),
    Case("PUT", "/apis/apps/v1/namespaces/a/deployments/b/scale", "UpdateScale"),
    Case("PATCH", "/apis/apps/v1/namespaces/a/deployments/b/scale", "PatchScale"),
    Case("PUT", "/api/v1/namespaces/a/finalize", "Finalize"),
    Case("PUT", "/api/v1/namespaces/a/status", "UpdateStatus"),
    Case("GET", "/api/v1/namespaces/a", "Get"),
    Case("GET", "/api/v1/nodes/a", "Get"),
    Case("PUT", "/apis/certificates.k8s.io/v1/certificatesigningrequests/a/approval", "UpdateApproval"),
    Case("GET", "/api/v1/nope", NotFound),
    Case("GET", "/api/v2/pods", NotFound),
    Case("GET", "/api/v1/pods/b", NotFound),
    Case("GET", "/api/v1/namespaces/a/nodes", NotFound),
    Case("GET", f"{PODS}/b/nope", NotFound),
    Case("GET", f"{PODS}/b/status/c", NotFound),
    Case("GET", f"{PODS}/b/log/c", NotFound),
    Case("GET", "/api/v1/proxy/namespaces/a/pods/b", NotFound),
    Case("GET", "//api/v1/pods", NotFound),
    Case("POST", "/api/v1/pods", MethodNotSupported),
    Case("DELETE", "/api/v1/pods", MethodNotSupported),
    Case("POST", f"{PODS}/b", MethodNotSupported),
    Case("PUT", PODS, MethodNotSupported),
    Case("PATCH", PODS, MethodNotSupported),
    Case("DELETE", "/api/v1/namespaces", MethodNotSupported),
    Case("HEAD", PODS, MethodNotSupported),
    Case("OPTIONS", PODS, MethodNotSupported),
    Case("GET", f"{PODS}/b/binding", MethodNotSupported),
    Case("DELETE", f"{PODS}/b/status", MethodNotSupported),
    Case("POST", f"{PODS}/b/status", MethodNotSupported),
    Case("GET", "/api/v1/namespaces/a/finalize", MethodNotSupported),
)


@pytest.mark.parametrize("case", ROUTES, ids=lambda case: f"{case.method} {case.target}")
def test_a_path_leads_to_a_method(case: Case) -> None:
    if isinstance(case.want, str):
        _, found = routed(case.method, case.target)
        assert found.path.rpartition("/")[2] == case.want
    else:
        with pytest.raises(case.want):
            routed(case.method, case.target)


def encoded(message: Message) -> bytes:
    return message.SerializeToString()


def config_map(name: str = "b", namespace: str = "") -> bytes:
    made = config_pb2.ConfigMap(data={"k": "v"})
    made.metadata.name, made.metadata.namespace = name, namespace
    return encoded(made)


CONFIG_MAPS = "/api/v1/namespaces/a/configmaps"


def test_a_watch_of_one_name_selects_it() -> None:
    def selected(target: str) -> str:
        info, found = routed("GET", target)
        return selecting.watch_request(info, found.served).field_selector

    assert selected("/api/v1/watch/namespaces/a/pods/b") == "metadata.name=b"
    assert selected(f"{PODS}?watch=1") == ""
    with pytest.raises(BadRequest, match=r"fieldSelector metadata\.name doesn't match"):
        selected("/api/v1/watch/namespaces/a/pods/b?fieldSelector=metadata.name%3Dc")


def test_a_get_names_what_it_reads() -> None:
    call = calls.read(*routed("GET", f"{PODS}/b/status?resourceVersion=5"))
    want = request_pb2.GetRequest(namespace="a", name="b", resource_version="5", subresource="status")
    assert request_pb2.GetRequest.FromString(call.request) == want


def test_a_get_of_what_has_no_namespace_names_none() -> None:
    call = calls.read(*routed("GET", "/api/v1/namespaces/a"))
    assert request_pb2.GetRequest.FromString(call.request) == request_pb2.GetRequest(name="a")


def test_a_get_of_a_scale_names_no_sub_resource() -> None:
    call = calls.read(*routed("GET", "/apis/apps/v1/namespaces/a/deployments/b/scale"))
    assert request_pb2.GetRequest.FromString(call.request) == request_pb2.GetRequest(namespace="a", name="b")


def test_a_create_gets_the_namespace_and_the_options_of_its_url() -> None:
    target = f"{CONFIG_MAPS}?dryRun=All&fieldManager=me&fieldValidation=Strict"
    call = calls.create(*routed("POST", target), config_map())
    request = raw_pb2.RawCreateRequest.FromString(call.request)
    assert config_pb2.ConfigMap.FromString(request.object) == config_pb2.ConfigMap.FromString(
        config_map("b", "a")
    )
    assert request.options == meta_pb2.CreateOptions(
        dry_run=["All"], field_manager="me", field_validation="Strict"
    )


def test_a_create_in_another_namespace_than_its_url_is_refused() -> None:
    with pytest.raises(BadRequest, match="the namespace of the provided object does not match"):
        calls.create(*routed("POST", CONFIG_MAPS), config_map("b", "c"))


def test_what_has_no_namespace_gets_none() -> None:
    made = namespace_pb2.Namespace()
    made.metadata.name = "b"
    call = calls.create(*routed("POST", "/api/v1/namespaces"), encoded(made))
    assert raw_pb2.RawCreateRequest.FromString(call.request).object == encoded(made)


def test_a_binding_gets_name_and_namespace_of_its_url() -> None:
    binding = pod_pb2.Binding()
    binding.target.name = "n"
    call = calls.create(*routed("POST", f"{PODS}/b/binding"), encoded(binding))
    binding.metadata.name, binding.metadata.namespace = "b", "a"
    assert pod_service_pb2.BindPodRequest.FromString(call.request).binding == binding


def test_an_eviction_of_another_name_is_refused() -> None:
    other = meta_pb2.PartialObjectMetadata()
    other.metadata.name = "c"
    with pytest.raises(BadRequest, match="name in URL does not match name in Eviction object"):
        calls.create(*routed("POST", f"{PODS}/b/eviction"), encoded(other))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (config_map("c"), r"the name of the object \(c\) does not match the name on the URL \(b\)"),
        (config_map(""), r"the name of the object \(b based on URL\) was undeterminable: name must be provided"),
        (config_map("b", "c"), "the namespace of the provided object does not match"),
    ],
)  # fmt: skip
def test_an_update_that_names_something_else_is_refused(body: bytes, words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        calls.update(*routed("PUT", f"{CONFIG_MAPS}/b"), body)


def test_a_patch_is_handed_on_as_it_is() -> None:
    found = routed("PATCH", f"{PODS}/b/resize?force=true&fieldManager=me&dryRun=All&fieldValidation=Warn")
    call = calls.patch(*found, "application/apply-patch+yaml; charset=utf-8", b"{}")
    want = request_pb2.PatchRequest(
        namespace="a", name="b", patch_type="application/apply-patch+yaml", patch="{}", subresource="resize"
    )
    want.options.force, want.options.field_manager, want.options.field_validation = True, "me", "Warn"
    want.options.dry_run.append("All")
    assert request_pb2.PatchRequest.FromString(call.request) == want


@pytest.mark.parametrize(
    "content_type", ["", "application/json", "text/plain", "application/merge-patch+json;,"]
)
def test_a_patch_of_no_kind_is_refused(content_type: str) -> None:
    if content_type.startswith("application/merge"):
        assert calls.check_patch_type(content_type) == "application/merge-patch+json"
        return
    with pytest.raises(UnsupportedMediaType, match="accepted media types include: application/json-patch"):
        calls.patch(*routed("PATCH", f"{PODS}/b"), content_type, b"{}")


def test_a_deletion_carries_its_options() -> None:
    options = meta_pb2.DeleteOptions(
        grace_period_seconds=0, propagation_policy="Orphan", dry_run=["All"],
        preconditions=meta_pb2.Preconditions(uid="u"), ignore_store_read_error_with_cluster_breaking_potential=True,
    )  # fmt: skip
    call = calls.delete(*routed("DELETE", f"{PODS}/b"), options)
    want = request_pb2.DeleteRequest(
        namespace="a", name="b", grace_period_seconds=0, propagation_policy="Orphan", dry_run=["All"],
        preconditions=meta_pb2.Preconditions(uid="u"), ignore_store_read_error_with_cluster_breaking_potential=True,
    )  # fmt: skip
    assert request_pb2.DeleteRequest.FromString(call.request) == want


def test_a_deletion_of_many_selects_by_its_query() -> None:
    found = routed("DELETE", f"{PODS}?labelSelector=a%3Db&fieldSelector=c%3Dd")
    call = calls.delete(*found, meta_pb2.DeleteOptions(grace_period_seconds=3))
    want = request_pb2.DeleteCollectionRequest(
        namespace="a", label_selector="a=b", field_selector="c=d", grace_period_seconds=3
    )
    assert request_pb2.DeleteCollectionRequest.FromString(call.request) == want


@pytest.mark.parametrize(("orphans", "policy"), [(True, "Orphan"), (False, "Background")])
def test_the_older_word_for_a_policy_is_understood(orphans: bool, policy: str) -> None:
    call = calls.delete(*routed("DELETE", f"{PODS}/b"), meta_pb2.DeleteOptions(orphan_dependents=orphans))
    assert request_pb2.DeleteRequest.FromString(call.request).propagation_policy == policy


def test_both_words_for_a_policy_are_refused() -> None:
    options = meta_pb2.DeleteOptions(orphan_dependents=True, propagation_policy="Orphan")
    with pytest.raises(Invalid, match="orphanDependents and deletionPropagation cannot be both set"):
        calls.delete(*routed("DELETE", f"{PODS}/b"), options)


def test_options_of_a_deletion_may_stand_in_its_query() -> None:
    query = read_query(
        "gracePeriodSeconds=5&propagationPolicy=Foreground&dryRun=All&orphanDependents=false"
        "&ignoreStoreReadErrorWithClusterBreakingPotential=true"
    )
    assert calls.query_options(query) == meta_pb2.DeleteOptions(
        grace_period_seconds=5, propagation_policy="Foreground", dry_run=["All"], orphan_dependents=False,
        ignore_store_read_error_with_cluster_breaking_potential=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x", "invalid syntax"), ("1_0", "invalid syntax"), ("٣", "invalid syntax"), (" 1", "invalid syntax"),
        ("9223372036854775808", "value out of range"), ("9" * 5000, "value out of range"),
    ],
)  # fmt: skip
def test_integers_are_read_as_gos(text: str, words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        calls.integer(text)


def test_deletions_are_answered_as_upstream_answers_them() -> None:
    info, found = routed("DELETE", f"{CONFIG_MAPS}/b")
    gone = calls.deleted(info, found, config_map())
    assert gone == meta_pb2.Status(
        status="Success", details=meta_pb2.StatusDetails(name="b", kind="configmaps")
    )
    ending = meta_pb2.PartialObjectMetadata()
    ending.metadata.deletion_timestamp.SetInParent()
    ending.metadata.finalizers.append("a/b")
    assert calls.deleted(info, found, encoded(ending)) is None
    # Pods are always shown.
    assert calls.deleted(*routed("DELETE", f"{PODS}/b"), config_map()) is None
    many = calls.deleted(*routed("DELETE", CONFIG_MAPS), b"")
    assert many == meta_pb2.Status(status="Success", details=meta_pb2.StatusDetails(kind="configmaps"))
