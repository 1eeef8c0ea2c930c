"""What the load lab asks of kube-apiserver.

Paths, options and envelopes, and the answers and watches that come back.
"""

import json
from dataclasses import dataclass, field

import pytest
from google.protobuf.message import Message

from bench.reference.rest import (
    MAX_FRAME_BYTES,
    Frames,
    Request,
    answer_of,
    error_of,
    requests_of,
    unwrap,
    watch_request,
    wrap,
)
from tests.unit.reference.wire import create, frame, pod, status
from vaina.api.apps.v1 import apps_pb2
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.api.meta.v1 import meta_pb2, raw_pb2, request_pb2
from vaina.api.runtime.v1 import runtime_pb2
from vaina.errors import AlreadyExists, Expired, InternalError, MethodNotSupported, TooManyRequests
from vaina.kinds import LEASE, NODE, POD, REPLICA_SET


def deletion(**options: object) -> bytes:
    made = meta_pb2.DeleteOptions(**options)  # type: ignore[arg-type]
    unknown = runtime_pb2.Unknown(raw=made.SerializeToString())
    unknown.type_meta.api_version, unknown.type_meta.kind = "meta.k8s.io/v1", "DeleteOptions"
    return b"k8s\0" + unknown.SerializeToString()


NODE_A = node_pb2.Node()
NODE_A.metadata.name = "a"
REPLICA_SET_A = apps_pb2.ReplicaSet()
REPLICA_SET_A.metadata.name, REPLICA_SET_A.metadata.namespace = "a", "ns"
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
         [Request("GET", "/api/v1/pods", {"labelSelector": "a=b", "fieldSelector": "spec.nodeName=", "limit": "2", "continue": "c"})]),
    Case("an object is created in its namespace", REPLICA_SET.method("Create"), create(REPLICA_SET_A),
         [Request("POST", "/apis/apps/v1/namespaces/ns/replicasets", {}, wrap(REPLICA_SET, REPLICA_SET_A.SerializeToString()))]),
    Case("a batch is a request for each", NODE.method("CreateBatch"), raw_pb2.RawCreateBatchRequest(requests=[create(NODE_A)] * 2),
         [Request("POST", "/api/v1/nodes", {}, wrap(NODE, NODE_A.SerializeToString()))] * 2),
    Case("a deletion at once says so", POD.method("DeleteBatch"),
         request_pb2.DeleteBatchRequest(requests=[request_pb2.DeleteRequest(namespace="ns", name="a", grace_period_seconds=0)]),
         [Request("DELETE", "/api/v1/namespaces/ns/pods/a", {}, deletion(grace_period_seconds=0))]),
    Case("a deletion of one object and of none that came after it says so", POD.method("Delete"),
         request_pb2.DeleteRequest(namespace="ns", name="a", preconditions={"uid": "u", "resource_version": "7"}),
         [Request("DELETE", "/api/v1/namespaces/ns/pods/a", {}, deletion(preconditions={"uid": "u", "resource_version": "7"}))]),
    Case("a deletion that is only tried says so", NODE.method("Delete"),
         request_pb2.DeleteRequest(name="a", dry_run=["All"], propagation_policy="Orphan"),
         [Request("DELETE", "/api/v1/nodes/a", {}, deletion(dry_run=["All"], propagation_policy="Orphan"))]),
    Case("a deletion without a time leaves it to the object", POD.method("Delete"), request_pb2.DeleteRequest(namespace="ns", name="a"),
         [Request("DELETE", "/api/v1/namespaces/ns/pods/a")]),
    Case("all that match are deleted", POD.method("DeleteCollection"),
         request_pb2.DeleteCollectionRequest(namespace="ns", label_selector="a=b", grace_period_seconds=0),
         [Request("DELETE", "/api/v1/namespaces/ns/pods", {"labelSelector": "a=b"}, deletion(grace_period_seconds=0))]),
    Case("a patch is sent as it is", NODE.method("Patch"),
         request_pb2.PatchRequest(name="a", patch="{}", patch_type="application/merge-patch+json"),
         [Request("PATCH", "/api/v1/nodes/a", {}, b"{}", "application/merge-patch+json")]),
    Case("an object is put where it is", POD.method("Update"), STATUS_OF,
         [Request("PUT", "/api/v1/namespaces/ns/pods/a", {}, wrap(POD, pod().SerializeToString()))]),
    Case("a status has a path of its own", POD.method("UpdateStatus"), STATUS_OF,
         [Request("PUT", "/api/v1/namespaces/ns/pods/a/status", {}, wrap(POD, pod().SerializeToString()))]),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_a_call_asks_for(case: Case) -> None:
    assert list(requests_of(case.method, case.request.SerializeToString())) == case.want  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "method", [POD.method("Bind"), POD.method("Exec"), "/vaina.api.core.v1.ManifestService/Apply"]
)
def test_what_a_load_does_not_need_is_refused(method: str) -> None:
    with pytest.raises(MethodNotSupported, match="kube-apiserver"):
        requests_of(method, b"")


def test_a_mask_of_a_status_is_refused() -> None:
    request = raw_pb2.RawUpdateRequest(object=pod().SerializeToString())
    request.status_mask.paths.append("phase")
    with pytest.raises(MethodNotSupported, match="mask"):
        requests_of(POD.method("UpdateStatus"), request.SerializeToString())


@pytest.mark.parametrize(
    ("method", "request_", "words"),
    [
        (POD.method("Create"), raw_pb2.RawCreateRequest(options={"dry_run": ["All"]}), "dryRun"),
        (POD.method("Update"), raw_pb2.RawUpdateRequest(options={"field_manager": "a"}), "fieldManager"),
        (POD.method("Patch"), request_pb2.PatchRequest(options={"field_validation": "Strict"}), "fieldValidation"),
        (
            POD.method("Delete"),
            request_pb2.DeleteRequest(ignore_store_read_error_with_cluster_breaking_potential=True),
            "cannot read",
        ),
    ],
)  # fmt: skip
def test_options_that_would_be_dropped_are_refused(method: str, request_: Message, words: str) -> None:
    with pytest.raises(MethodNotSupported, match=words):
        requests_of(method, request_.SerializeToString())


def test_a_watch_ends_when_it_was_asked_to() -> None:
    request = request_pb2.WatchRequest(timeout_seconds=5, resource_version="7")
    assert watch_request(NODE.method("Watch"), request.SerializeToString()) == Request(
        "GET", "/api/v1/nodes", {"watch": "1", "resourceVersion": "7", "timeoutSeconds": "5"}
    )


def test_a_watch_asks_for_what_is_there_first() -> None:
    request = request_pb2.WatchRequest(
        field_selector="spec.nodeName!=", send_initial_events=True, allow_watch_bookmarks=True
    )
    assert watch_request(POD.method("Watch"), request.SerializeToString()) == Request(
        "GET", "/api/v1/pods",
        {"watch": "1", "fieldSelector": "spec.nodeName!=", "allowWatchBookmarks": "true", "sendInitialEvents": "true",
         "resourceVersionMatch": "NotOlderThan"},
    )  # fmt: skip


def test_an_object_comes_out_of_its_envelope() -> None:
    stored = pod(version="7").SerializeToString()
    assert answer_of(POD.method("Create"), [wrap(POD, stored)]) == stored
    assert unwrap(wrap(POD, stored)) == stored


def test_of_a_batch_each_has_its_own_answer() -> None:
    stored = pod(version="7").SerializeToString()
    answer = answer_of(POD.method("CreateBatch"), [wrap(POD, stored), AlreadyExists("there is one")])
    first, second = raw_pb2.RawBatchResponse.FromString(answer).results
    assert (first.object, first.HasField("error")) == (stored, False)
    assert (second.error.reason, second.error.message) == ("AlreadyExists", "there is one")


def test_a_refusal_of_a_call_is_raised() -> None:
    with pytest.raises(AlreadyExists):
        answer_of(POD.method("Create"), [AlreadyExists("there is one")])


def test_a_deletion_that_is_done_at_once_has_no_object() -> None:
    assert answer_of(POD.method("Delete"), [status("", 200)]) == b""


def test_an_error_is_what_its_status_says() -> None:
    found = error_of(429, status("TooManyRequests", 429, "later"))
    assert (type(found), found.message) == (TooManyRequests, "later")


@pytest.mark.parametrize(
    "body", [b"", b"<html>bad gateway</html>", json.dumps({"kind": "Status"}).encode(), b"k8s\0\xff\xff"]
)
def test_an_answer_that_is_no_status_is_an_error_with_its_words(body: bytes) -> None:
    found = error_of(502, body)
    assert isinstance(found, InternalError)
    assert "HTTP 502" in found.message


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
        frames = Frames(POD.method("Watch"))
        parts = [frames.take(data[at : at + size]) for at in range(0, len(data), size)]
        assert events([one for one in parts if one]) == [("ADDED", "a"), ("ADDED", "b"), ("ADDED", "c")]


def test_a_message_says_the_version_to_resume_after() -> None:
    data = b"".join(
        frame("ADDED", wrap(POD, pod("a", version).SerializeToString())) for version in ("7", "8")
    )
    message = Frames(POD.method("Watch")).take(data)
    assert raw_pb2.RawWatchResponse.FromString(message or b"").resource_version == "8"


def test_a_watch_that_fell_behind_says_so() -> None:
    with pytest.raises(Expired):
        Frames(POD.method("Watch")).take(frame("ERROR", status("Expired", 410)))


def test_what_is_no_frame_is_not_waited_for() -> None:
    with pytest.raises(InternalError, match="bytes"):
        Frames(POD.method("Watch")).take((MAX_FRAME_BYTES + 1).to_bytes(4, "big"))
