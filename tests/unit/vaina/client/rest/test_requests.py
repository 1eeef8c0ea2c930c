"""What our clients' calls are on Kubernetes' REST API: paths, options and envelopes, answers and watches."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.unit.vaina.client.rest.wire import create, frame, pod, status
from vaina.api.apps.v1 import apps_pb2
from vaina.api.authorization.v1 import authorization_service_pb2
from vaina.api.autoscaling.v1 import scale_pb2, scale_request_pb2
from vaina.api.core.v1 import node_pb2, pod_pb2, pod_service_pb2, pod_stream_pb2
from vaina.api.meta.v1 import meta_pb2, raw_pb2, request_pb2
from vaina.api.policy.v1 import eviction_pb2
from vaina.api.runtime.v1 import runtime_pb2
from vaina.api.version.v1 import version_service_pb2
from vaina.client.rest.answers import answer_of
from vaina.client.rest.envelope import MAX_FRAME_BYTES, MAX_RETRY_SECONDS, Frames, error_of, unwrap
from vaina.client.rest.envelope import wrap as wrap_as
from vaina.client.rest.requests import Request, requests_of, stream_of
from vaina.client.verbs import binding
from vaina.errors import (
    AlreadyExists,
    BadRequest,
    Expired,
    InternalError,
    MethodNotSupported,
    TooManyRequests,
)
from vaina.kinds import CLUSTER_ROLE, DEPLOYMENT, LEASE, NODE, POD, POD_TRACE, REPLICA_SET, Kind


def deletion(**options: object) -> bytes:
    made = meta_pb2.DeleteOptions(**options)  # type: ignore[arg-type]
    unknown = runtime_pb2.Unknown(raw=made.SerializeToString())
    unknown.type_meta.api_version, unknown.type_meta.kind = "meta.k8s.io/v1", "DeleteOptions"
    return b"k8s\0" + unknown.SerializeToString()


def wrap(kind: Kind[Any], content: bytes) -> bytes:
    return wrap_as(kind.api_version, kind.kind, content)


NODE_A = node_pb2.Node()
NODE_A.metadata.name = "a"
REPLICA_SET_A = apps_pb2.ReplicaSet()
REPLICA_SET_A.metadata.name, REPLICA_SET_A.metadata.namespace = "a", "ns"
BINDING = binding("ns", "a", "u", "n1")
EVICTION = eviction_pb2.Eviction(metadata={"namespace": "ns", "name": "a"})
SCALE = scale_pb2.Scale(metadata={"namespace": "ns", "name": "a"}, spec={"replicas": 3})
STATUS_OF = raw_pb2.RawUpdateRequest(object=pod().SerializeToString())


@dataclass(frozen=True)
class Case:
    name: str
    method: str
    request: object
    want: list[Request] = field(default_factory=list)


CASES = (
    Case("an object of a namespace is read there", POD.method("Get"), request_pb2.GetRequest(namespace="ns", name="a"),
         [Request("GET", "/api/v1/namespaces/ns/pods/a")]),
    Case("one that is in none is not", NODE.method("Get"), request_pb2.GetRequest(name="a"), [Request("GET", "/api/v1/nodes/a")]),
    Case("a kind of a group is under apis", LEASE.method("Get"), request_pb2.GetRequest(namespace="ns", name="a"),
         [Request("GET", "/apis/coordination.k8s.io/v1/namespaces/ns/leases/a")]),
    Case("a list of all namespaces, with its selectors", POD.method("List"),
         request_pb2.ListRequest(label_selector="a=b", field_selector="spec.nodeName=", limit=2, continue_token="c"),
         [Request("GET", "/api/v1/pods", [("labelSelector", "a=b"), ("fieldSelector", "spec.nodeName="), ("limit", "2"), ("continue", "c")])]),
    Case("an object is created in its namespace", REPLICA_SET.method("Create"), create(REPLICA_SET_A),
         [Request("POST", "/apis/apps/v1/namespaces/ns/replicasets", [], wrap(REPLICA_SET, REPLICA_SET_A.SerializeToString()))]),
    Case("a batch is a request for each", NODE.method("CreateBatch"), raw_pb2.RawCreateBatchRequest(requests=[create(NODE_A)] * 2),
         [Request("POST", "/api/v1/nodes", [], wrap(NODE, NODE_A.SerializeToString()))] * 2),
    Case("a deletion at once says so", POD.method("DeleteBatch"),
         request_pb2.DeleteBatchRequest(requests=[request_pb2.DeleteRequest(namespace="ns", name="a", grace_period_seconds=0)]),
         [Request("DELETE", "/api/v1/namespaces/ns/pods/a", [], deletion(grace_period_seconds=0))]),
    Case("a deletion of one object and of none that came after it says so", POD.method("Delete"),
         request_pb2.DeleteRequest(namespace="ns", name="a", preconditions={"uid": "u", "resource_version": "7"}),
         [Request("DELETE", "/api/v1/namespaces/ns/pods/a", [], deletion(preconditions={"uid": "u", "resource_version": "7"}))]),
    Case("a deletion that is only tried says so", NODE.method("Delete"),
         request_pb2.DeleteRequest(name="a", dry_run=["All"], propagation_policy="Orphan"),
         [Request("DELETE", "/api/v1/nodes/a", [], deletion(dry_run=["All"], propagation_policy="Orphan"))]),
    Case("a deletion without a time leaves it to the object", POD.method("Delete"), request_pb2.DeleteRequest(namespace="ns", name="a"),
         [Request("DELETE", "/api/v1/namespaces/ns/pods/a")]),
    Case("all that match are deleted", POD.method("DeleteCollection"),
         request_pb2.DeleteCollectionRequest(namespace="ns", label_selector="a=b", grace_period_seconds=0),
         [Request("DELETE", "/api/v1/namespaces/ns/pods", [("labelSelector", "a=b")], deletion(grace_period_seconds=0))]),
    Case("a patch is sent as it is", NODE.method("Patch"),
         request_pb2.PatchRequest(name="a", patch="{}", patch_type="application/merge-patch+json"),
         [Request("PATCH", "/api/v1/nodes/a", [], b"{}", "application/merge-patch+json")]),
    Case("an object is put where it is", POD.method("Update"), STATUS_OF,
         [Request("PUT", "/api/v1/namespaces/ns/pods/a", [], wrap(POD, pod().SerializeToString()))]),
    Case("a Pod is bound at its sub-resource", POD.method("Bind"), pod_service_pb2.BindPodRequest(binding=BINDING),
         [Request("POST", "/api/v1/namespaces/ns/pods/a/binding", [], wrap_as("v1", "Binding", BINDING.SerializeToString()))]),
    Case("so are several", POD.method("BindBatch"), pod_service_pb2.BindPodBatchRequest(bindings=[BINDING] * 2),
         [Request("POST", "/api/v1/namespaces/ns/pods/a/binding", [], wrap_as("v1", "Binding", BINDING.SerializeToString()))] * 2),
    Case("an eviction is of the group policy", POD.method("Evict"), pod_service_pb2.EvictPodRequest(eviction=EVICTION),
         [Request("POST", "/api/v1/namespaces/ns/pods/a/eviction", [], wrap_as("policy/v1", "Eviction", EVICTION.SerializeToString()))]),
    Case("a number of replicas is a Scale", DEPLOYMENT.method("UpdateScale"), scale_request_pb2.UpdateScaleRequest(object=SCALE),
         [Request("PUT", "/apis/apps/v1/namespaces/ns/deployments/a/scale", [], wrap_as("autoscaling/v1", "Scale", SCALE.SerializeToString()))]),
    Case("options stand in the query", NODE.method("Patch"),
         request_pb2.PatchRequest(name="a", patch="{}", patch_type="application/apply-patch+yaml",
                                  options={"dry_run": ["All"], "force": True, "field_manager": "me", "field_validation": "Strict"}),
         [Request("PATCH", "/api/v1/nodes/a",
                  [("dryRun", "All"), ("fieldManager", "me"), ("fieldValidation", "Strict"), ("force", "true")],
                  b"{}", "application/apply-patch+yaml")]),
    Case("a status has a path of its own", POD.method("UpdateStatus"), STATUS_OF,
         [Request("PUT", "/api/v1/namespaces/ns/pods/a/status", [], wrap(POD, pod().SerializeToString()))]),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_a_call_asks_for(case: Case) -> None:
    assert list(requests_of(case.method, case.request.SerializeToString())) == case.want  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "method", [POD.method("Exec"), POD_TRACE.method("Report"), "/vaina.api.core.v1.ManifestService/Apply"]
)
def test_what_kubernetes_does_not_have_is_refused(method: str) -> None:
    with pytest.raises(MethodNotSupported, match="Kubernetes' REST API has no"):
        requests_of(method, b"")


@pytest.mark.parametrize(
    ("namespace", "name", "words"),
    [
        ("ns", "", "resource name may not be empty"),
        ("ns", "..", r"invalid resource name \"\.\.\": \[may not be '\.\.'\]"),
        ("ns", "../../kube-system", r"invalid resource name .*may not contain '/'"),
        ("ns", "%2e%2e", "invalid resource name .*may not contain '%'"),
        ("../x", "a", r"invalid namespace \"\.\./x\": \[may not contain '/'\]"),
    ],
)
def test_a_name_never_leads_to_another_object_or_to_all_of_them(
    namespace: str, name: str, words: str
) -> None:
    calls = [
        (POD.method("Get"), request_pb2.GetRequest(namespace=namespace, name=name)),
        (POD.method("Delete"), request_pb2.DeleteRequest(namespace=namespace, name=name)),
        (POD.method("Patch"), request_pb2.PatchRequest(namespace=namespace, name=name, patch="{}")),
        (
            POD.method("Bind"),
            pod_service_pb2.BindPodRequest(binding=binding(namespace, name, "u", "n1")),
        ),
        (
            "/vaina.api.metrics.v1beta1.PodMetricsService/Get",
            request_pb2.GetRequest(namespace=namespace, name=name),
        ),
    ]
    for method, request in calls:
        with pytest.raises(BadRequest, match=words):
            requests_of(method, request.SerializeToString())
    log = pod_stream_pb2.PodLogRequest(namespace=namespace, name=name)
    with pytest.raises(BadRequest, match=words):
        stream_of(POD.method("Logs"), log.SerializeToString())


def test_signs_of_a_name_that_mean_something_in_a_url_are_quoted() -> None:
    asked = request_pb2.GetRequest(name="system:a b?x#y")
    assert requests_of(CLUSTER_ROLE.method("Get"), asked.SerializeToString()) == [
        Request("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:a%20b%3Fx%23y")
    ]


def test_fields_of_a_status_are_a_patch_of_it() -> None:
    sent = node_pb2.Node()
    sent.metadata.name, sent.metadata.uid = "a", "u"
    sent.status.capacity["cpu"].string = "4"
    sent.status.capacity["gone"].string = ""
    sent.status.addresses.add(type="InternalIP", address="10.0.0.1")
    sent.status.conditions.add(type="Ready", status="True")
    sent.status.conditions.add(type="Old")
    sent.status.node_info.machine_id = "m"
    request = raw_pb2.RawUpdateRequest(object=sent.SerializeToString())
    request.status_mask.paths.extend(("capacity", "addresses", "conditions", "node_info", "phase"))
    [asked] = requests_of(NODE.method("UpdateStatus"), request.SerializeToString())
    assert (asked.verb, asked.path) == ("PATCH", "/api/v1/nodes/a/status")
    assert asked.content_type == "application/strategic-merge-patch+json"
    patch = json.loads(asked.body or b"")
    assert patch["metadata"] == {"uid": "u"}
    wanted = patch["status"]
    assert (wanted["capacity"], wanted["phase"]) == ({"cpu": "4", "gone": None}, None)
    assert wanted["addresses"] == [{"type": "InternalIP", "address": "10.0.0.1"}, {"$patch": "replace"}]
    assert [(one["type"], one.get("$patch")) for one in wanted["conditions"]] == [
        ("Ready", None),
        ("Old", "delete"),
    ]
    assert (wanted["nodeInfo"]["machineID"], wanted["nodeInfo"]["$patch"]) == ("m", "replace")


def test_a_watch_ends_when_it_was_asked_to() -> None:
    request = request_pb2.WatchRequest(timeout_seconds=5, resource_version="7")
    asked, kind = stream_of(NODE.method("Watch"), request.SerializeToString())
    assert kind is NODE
    assert asked == Request(
        "GET", "/api/v1/nodes", [("watch", "1"), ("resourceVersion", "7"), ("timeoutSeconds", "5")]
    )


def test_a_watch_asks_for_what_is_there_first() -> None:
    request = request_pb2.WatchRequest(
        field_selector="spec.nodeName!=", send_initial_events=True, allow_watch_bookmarks=True
    )
    asked, _ = stream_of(POD.method("Watch"), request.SerializeToString())
    assert asked == Request(
        "GET", "/api/v1/pods",
        [("watch", "1"), ("fieldSelector", "spec.nodeName!="), ("allowWatchBookmarks", "true"),
         ("sendInitialEvents", "true"), ("resourceVersionMatch", "NotOlderThan")],
    )  # fmt: skip


def test_a_log_is_asked_for_with_its_options() -> None:
    request = pod_stream_pb2.PodLogRequest(
        namespace="ns", name="a", options={"follow": True, "tail_lines": 0}
    )
    asked, kind = stream_of(POD.method("Logs"), request.SerializeToString())
    assert kind is None
    assert (asked.path, dict(asked.query)) == (
        "/api/v1/namespaces/ns/pods/a/log", {"follow": "true", "tailLines": "0"},
    )  # fmt: skip


def test_reviews_metrics_and_the_version_have_paths_of_their_own() -> None:
    review = authorization_service_pb2.CreateLocalSubjectAccessReviewRequest()
    review.object.metadata.namespace = "ns"
    [asked] = requests_of(
        "/vaina.api.authorization.v1.LocalSubjectAccessReviewService/Create", review.SerializeToString()
    )
    assert (asked.verb, asked.path) == (
        "POST", "/apis/authorization.k8s.io/v1/namespaces/ns/localsubjectaccessreviews",
    )  # fmt: skip
    [asked] = requests_of(
        "/vaina.api.metrics.v1beta1.PodMetricsService/List",
        request_pb2.ListRequest(namespace="ns").SerializeToString(),
    )
    assert asked == Request("GET", "/apis/metrics.k8s.io/v1beta1/namespaces/ns/pods", [])
    method = "/vaina.api.version.v1.VersionService/Get"
    assert requests_of(method, b"") == [Request("GET", "/version")]
    told = answer_of(
        method, [b'{"major": "1", "minor": "32+", "gitVersion": "v1.32.3", "goVersion": "go1.24"}']
    )
    assert version_service_pb2.VersionInfo.FromString(told).git_version == "v1.32.3"


def test_an_object_comes_out_of_its_envelope() -> None:
    stored = pod(version="7").SerializeToString()
    assert answer_of(POD.method("Create"), [wrap(POD, stored)]) == stored
    assert unwrap(wrap(POD, stored)).raw == stored


def test_of_a_batch_each_has_its_own_answer() -> None:
    stored = pod(version="7").SerializeToString()
    answer = answer_of(POD.method("CreateBatch"), [wrap(POD, stored), AlreadyExists("there is one")])
    first, second = raw_pb2.RawBatchResponse.FromString(answer).results
    assert (first.object, first.HasField("error")) == (stored, False)
    assert (second.error.reason, second.error.message) == ("AlreadyExists", "there is one")


def test_a_refusal_of_a_call_is_raised() -> None:
    with pytest.raises(AlreadyExists):
        answer_of(POD.method("Create"), [AlreadyExists("there is one")])


def test_a_deletion_that_is_done_at_once_has_a_name_and_a_uid() -> None:
    made = meta_pb2.Status(status="Success", details={"name": "a", "uid": "u", "kind": "pods"})
    told = answer_of(POD.method("Delete"), [wrap_as("v1", "Status", made.SerializeToString())])
    assert pod_pb2.Pod.FromString(told).metadata == meta_pb2.ObjectMeta(name="a", uid="u")


def test_objects_that_were_deleted_are_counted() -> None:
    items = raw_pb2.RawList(items=[pod().SerializeToString()] * 3).SerializeToString()
    told = answer_of(POD.method("DeleteCollection"), [wrap_as("v1", "PodList", items)])
    assert request_pb2.DeleteCollectionResponse.FromString(told).deleted == 3


def test_of_several_bindings_each_has_its_own_answer() -> None:
    told = answer_of(POD.method("BindBatch"), [status("", 201), AlreadyExists("bound")])
    results = pod_service_pb2.BindPodBatchResponse.FromString(told).results
    assert [(one.status, one.reason) for one in results] == [("Success", ""), ("Failure", "AlreadyExists")]


def test_an_error_is_what_its_status_says() -> None:
    found = error_of(429, status("TooManyRequests", 429, "later"))
    assert (type(found), found.message) == (TooManyRequests, "later")
    told = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "reason": "TooManyRequests",
        "message": "later",
        "code": 429,
    }
    found = error_of(429, json.dumps(told).encode(), "7")
    assert (type(found), found.message, found.retry_seconds) == (TooManyRequests, "later", 7.0)


@pytest.mark.parametrize("body", [b"", b"<html>bad gateway</html>", b"[]", b"k8s\0\xff\xff"])
def test_an_answer_that_is_no_status_is_an_error_with_its_words(body: bytes) -> None:
    found = error_of(502, body)
    assert isinstance(found, InternalError)
    assert "HTTP 502" in found.message


@pytest.mark.parametrize(
    "body",
    [b"k8s\0\xff\xff", wrap_as("v1", "Status", b"\xff\xff"), b"<html>"],
    ids=["envelope", "status", "page"],
)
def test_an_answer_that_is_broken_is_an_internal_error(body: bytes) -> None:
    with pytest.raises(InternalError, match="no protobuf"):
        answer_of(POD.method("Delete"), [body])


@pytest.mark.parametrize("content", [b"\xff\xff", wrap(POD, b"\xff\xff")], ids=["envelope", "object"])
def test_an_event_that_is_broken_is_an_internal_error(content: bytes) -> None:
    with pytest.raises(InternalError, match="no protobuf"):
        Frames(POD).take(frame("ADDED", content))


def test_a_server_cannot_send_a_client_away_for_ever() -> None:
    assert error_of(429, status("TooManyRequests", 429), "9" * 400).retry_seconds == MAX_RETRY_SECONDS


def events(messages: list[bytes]) -> list[tuple[str, str]]:
    batches = [raw_pb2.RawWatchResponse.FromString(one) for one in messages]
    return [
        (one.type, pod_pb2.Pod.FromString(one.object).metadata.name)
        for batch in batches
        for one in batch.events
    ]


def test_events_come_whole_however_the_bytes_are_cut() -> None:
    data = b"".join(frame("ADDED", wrap(POD, pod(name, "8").SerializeToString())) for name in "abc")
    for size in (1, 3, 50, len(data)):
        frames = Frames(POD)
        parts = [frames.take(data[at : at + size]) for at in range(0, len(data), size)]
        assert events([one for one in parts if one]) == [("ADDED", "a"), ("ADDED", "b"), ("ADDED", "c")]


def test_a_message_says_the_version_to_resume_after() -> None:
    data = b"".join(
        frame("ADDED", wrap(POD, pod("a", version).SerializeToString())) for version in ("7", "8")
    )
    message = Frames(POD).take(data)
    assert raw_pb2.RawWatchResponse.FromString(message or b"").resource_version == "8"


def test_a_watch_that_fell_behind_says_so() -> None:
    frames = Frames(POD)
    before = frame("ADDED", wrap(POD, pod().SerializeToString()))
    assert frames.take(before + frame("ERROR", status("Expired", 410))) is not None
    with pytest.raises(Expired):
        frames.check()


def test_what_is_no_frame_is_not_waited_for() -> None:
    with pytest.raises(InternalError, match="bytes"):
        Frames(POD).take((MAX_FRAME_BYTES + 1).to_bytes(4, "big"))
