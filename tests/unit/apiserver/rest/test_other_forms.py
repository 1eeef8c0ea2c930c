"""Resources that are no stored kinds as they are: views of Events and autoscalers, metrics, reviews."""

import asyncio
import json
from typing import Any

import pytest

from apiserver.authorization.attributes import Attributes
from apiserver.authorization.authorizer import Decision, Verdict
from apiserver.registry.streams import kubelet_address
from tests.support.apiserver import cached_apiserver, make_apiserver
from tests.support.rest import rest_server
from tests.unit.apiserver.registry.test_resource_metrics import Fleet
from vaina.api.authorization.v1 import authorization_pb2
from vaina.api.metrics.v1beta1 import metrics_pb2
from vaina.api.runtime.v1 import runtime_pb2

EVENTS = "/apis/events.k8s.io/v1/namespaces/default/events"
OLD_EVENTS = "/api/v1/namespaces/default/events"
AUTOSCALERS = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers"
NEW_AUTOSCALERS = AUTOSCALERS.replace("/v1/", "/v2/")
PROTOBUF = "application/vnd.kubernetes.protobuf"
STRATEGIC = "application/strategic-merge-patch+json"
EVENT = {
    "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "a.1", "namespace": "default"},
    "eventTime": "2026-01-01T00:00:00.000000Z", "reportingController": "scheduler/a", "reportingInstance": "b",
    "action": "Binding", "reason": "Scheduled", "type": "Normal", "note": "it fits",
    "regarding": {"kind": "Pod", "namespace": "default", "name": "a"},
}  # fmt: skip
AUTOSCALER = {
    "apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"},
    "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "minReplicas": 2,
        "maxReplicas": 5, "targetCPUUtilizationPercentage": 60,
    },
}  # fmt: skip


def _without_metadata(tree: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in tree.items() if name != "metadata"}


async def test_an_event_is_made_in_one_form_and_read_in_both() -> None:
    async with rest_server() as server:
        made = await server.post(EVENTS, EVENT)
        assert made.code == 201, made.text
        shown = {"deprecatedSource": {}, "deprecatedFirstTimestamp": None, "deprecatedLastTimestamp": None}
        assert _without_metadata(made.json) == {**_without_metadata(EVENT), **shown}
        older = (await server.get(f"{OLD_EVENTS}/a.1")).json
        assert (older["apiVersion"], older["message"]) == ("v1", "it fits")
        assert (older["involvedObject"], older["reportingComponent"]) == (EVENT["regarding"], "scheduler/a")
        listed = (await server.get(EVENTS)).json
        assert (listed["kind"], listed["apiVersion"]) == ("EventList", "events.k8s.io/v1")
        assert listed["items"][0]["note"] == "it fits"


async def test_a_patch_is_written_in_the_form_of_its_path() -> None:
    async with rest_server() as server:
        await server.post(EVENTS, EVENT)
        series = {"count": 2, "lastObservedTime": "2026-01-01T00:01:00.000000Z"}
        patched = await server.patch(f"{EVENTS}/a.1", {"series": series}, content_type=STRATEGIC)
        assert (patched.code, patched.json["series"]) == (200, series), patched.text
        assert (await server.get(f"{OLD_EVENTS}/a.1")).json["series"] == series
        wrong = await server.patch(f"{EVENTS}/a.1?fieldValidation=Strict", {"message": "x"})
        assert (wrong.code, 'unknown field "message"' in wrong.json["message"]) == (400, True), wrong.text
        applied = await server.patch(
            f"{EVENTS}/a.1?fieldManager=me", {"note": "x"}, content_type="application/apply-patch+yaml"
        )
        assert applied.code == 415


def _causes(answer: Any) -> list[tuple[str, str]]:
    return [(cause["field"], cause["message"]) for cause in answer.json["details"]["causes"]]


async def test_an_event_of_the_newer_form_says_all_that_the_older_leaves_open() -> None:
    """As `ValidateEventCreate` asks of everything newer than core/v1, under the stored form's names."""
    async with rest_server() as server:
        old = {
            **EVENT, "type": "Odd", "eventTime": None, "deprecatedCount": 1, "deprecatedSource": {"component": "a"},
            "deprecatedFirstTimestamp": "2026-01-01T00:00:00Z", "deprecatedLastTimestamp": "2026-01-01T00:00:00Z",
            "series": {"count": 1, "lastObservedTime": None},
        }  # fmt: skip
        refused = await server.post(EVENTS, old)
        assert refused.code == 422, refused.text
        unset = 'Invalid value: "": needs to be unset'
        assert _causes(refused) == [
            ("series.count", 'Invalid value: "": should be at least 2'),
            ("series.lastObservedTime", "Required value"),
            ("eventTime", "Required value"),
            ("type", 'Invalid value: "": has invalid value: Odd'),
            ("firstTimestamp", unset),
            ("lastTimestamp", unset),
            ("count", unset),
            ("source", unset),
        ]
        nobody = {**EVENT, "reportingController": ""}
        assert _causes(await server.post(EVENTS, nobody))[0] == ("reportingController", "Required value")
        older = {
            "apiVersion": "v1",
            "metadata": EVENT["metadata"],
            "kind": "Event",
            "type": "Odd",
            "count": 1,
        }
        older["involvedObject"] = EVENT["regarding"]
        made = await server.post(OLD_EVENTS, older)
        assert made.code == 201, made.text


async def test_an_event_of_the_newer_form_keeps_all_but_its_series() -> None:
    async with rest_server() as server:
        await server.post(EVENTS, EVENT)
        changed = {
            "note": "again", "reason": "Other", "type": "Warning", "action": "x", "deprecatedCount": 2,
            "eventTime": "2026-01-01T00:00:01.000000Z", "reportingController": "c", "reportingInstance": "d",
            "regarding": {"name": "b"}, "related": {"name": "c"}, "deprecatedSource": {"component": "c"},
            "deprecatedFirstTimestamp": "2026-01-01T00:00:00Z", "deprecatedLastTimestamp": "2026-01-01T00:00:00Z",
        }  # fmt: skip
        refused = await server.patch(f"{EVENTS}/a.1", changed)
        assert refused.code == 422, refused.text
        assert all(message.endswith("field is immutable") for _, message in _causes(refused))
        assert [field for field, _ in _causes(refused)] == [
            "involvedObject", "reason", "message", "source", "firstTimestamp", "lastTimestamp", "count", "type",
            "eventTime", "action", "related", "reportingController", "reportingInstance",
        ]  # fmt: skip
        series = {"series": {"count": 1, "lastObservedTime": None}}
        wrong = await server.patch(f"{EVENTS}/a.1", series)
        assert [field for field, _ in _causes(wrong)] == ["series.count", "series.lastObservedTime"]
        # The older form changes what it likes.
        patched = await server.patch(f"{OLD_EVENTS}/a.1", {"message": "again", "count": 2})
        assert patched.code == 200, patched.text


async def test_events_are_selected_by_the_fields_of_their_form() -> None:
    async with rest_server() as server:
        await server.post(EVENTS, EVENT)
        for selector, count in (
            ("regarding.name=a,reportingController=scheduler/a", 1), ("regarding.name=b", 0), ("type!=Normal", 0),
        ):  # fmt: skip
            found = await server.get(f"{EVENTS}?fieldSelector={selector}")
            assert len(found.json["items"]) == count, selector
        for selector in ("involvedObject.name=a", "source=a"):
            refused = await server.get(f"{EVENTS}?fieldSelector={selector}")
            assert refused.code == 400
            assert refused.json["message"] == f"field label not supported: {selector.partition('=')[0]}"
        gone = await server.delete(f"{EVENTS}?fieldSelector=regarding.name=a")
        assert gone.code == 200
        assert (await server.get(OLD_EVENTS)).json["items"] == []


async def test_a_table_shows_events_alike_in_both_forms() -> None:
    async with rest_server() as server:
        await server.post(EVENTS, EVENT)
        accept = {"Accept": "application/json;as=Table;g=meta.k8s.io;v=v1"}
        tables = [(await server.get(path, headers=accept)).json for path in (EVENTS, OLD_EVENTS)]
        assert tables[0]["columnDefinitions"] == tables[1]["columnDefinitions"]
        assert (
            tables[0]["rows"][0]["cells"][1:5]
            == tables[1]["rows"][0]["cells"][1:5]
            == [
                "Normal",
                "Scheduled",
                "pod/a",
                "",
            ]
        )


async def test_watches_of_both_forms_see_each_event_in_their_own() -> None:
    async with cached_apiserver() as api, rest_server(api) as server:

        async def first(path: str) -> Any:
            async with server.session.get(f"{server.url}{path}?watch=true") as answer:
                return json.loads(await asyncio.wait_for(answer.content.readuntil(b"\n"), 60))["object"]

        await server.post(EVENTS, EVENT)
        newer, older = await first(EVENTS), await first(OLD_EVENTS)
        assert (newer["apiVersion"], newer["note"]) == ("events.k8s.io/v1", "it fits")
        assert (older["apiVersion"], older["message"]) == ("v1", "it fits")


class _Asked:
    """Allows all, and remembers what was asked."""

    def __init__(self) -> None:
        self.groups: list[str] = []

    def authorize(self, asked: Attributes) -> Verdict:
        self.groups.append(asked.group)
        return Verdict(Decision.ALLOW)


async def test_authorization_is_asked_about_the_group_of_the_path() -> None:
    asked = _Asked()
    async with rest_server(make_apiserver(authorizer=asked)) as server:
        await server.post(EVENTS, EVENT)
        await server.get(f"{EVENTS}/a.1")
        await server.patch(f"{EVENTS}/a.1", {"note": "x"})
        assert set(asked.groups) == {"events.k8s.io"}
        asked.groups.clear()
        await server.get(f"{OLD_EVENTS}/a.1")
        assert asked.groups == [""]


async def test_an_autoscaler_of_the_older_form_is_stored_in_the_newer() -> None:
    async with rest_server() as server:
        made = await server.post(AUTOSCALERS, AUTOSCALER)
        assert (made.code, made.json["spec"]) == (201, AUTOSCALER["spec"]), made.text
        newer = (await server.get(f"{NEW_AUTOSCALERS}/web")).json
        target = {"type": "Utilization", "averageUtilization": 60}
        assert newer["spec"]["metrics"] == [
            {"type": "Resource", "resource": {"name": "cpu", "target": target}}
        ]
        patched = await server.patch(f"{AUTOSCALERS}/web", {"spec": {"targetCPUUtilizationPercentage": 70}})
        assert patched.json["spec"]["targetCPUUtilizationPercentage"] == 70, patched.text
        newer = (await server.get(f"{NEW_AUTOSCALERS}/web")).json
        assert newer["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 70
        assert (newer["metadata"]["generation"], "annotations" in newer["metadata"]) == (2, False)


async def test_other_metrics_and_the_status_go_through_the_older_form() -> None:
    async with rest_server() as server:
        metric = {
            "type": "Pods",
            "pods": {"metric": {"name": "rps"}, "target": {"type": "AverageValue", "averageValue": "5"}},
        }
        spec = {name: value for name, value in AUTOSCALER["spec"].items() if not name.startswith("target")}  # type: ignore[attr-defined]
        newer = {**AUTOSCALER, "apiVersion": "autoscaling/v2", "spec": {**spec, "metrics": [metric]}}
        await server.post(NEW_AUTOSCALERS, newer)
        older = (await server.get(f"{AUTOSCALERS}/web")).json
        assert "targetCPUUtilizationPercentage" not in older["spec"]
        older["spec"]["maxReplicas"] = 9
        changed = await server.put(f"{AUTOSCALERS}/web", older)
        assert changed.code == 200, changed.text
        status = {**changed.json, "status": {"currentReplicas": 3, "desiredReplicas": 4}}
        reported = await server.put(f"{AUTOSCALERS}/web/status", status)
        assert (reported.code, reported.json["status"]) == (200, status["status"]), reported.text
        stored = (await server.get(f"{NEW_AUTOSCALERS}/web")).json
        assert (stored["spec"]["metrics"], stored["spec"]["maxReplicas"]) == ([metric], 9)
        assert stored["status"]["desiredReplicas"] == 4


async def test_metrics_are_got_and_listed_and_nothing_else() -> None:
    fleet = Fleet()
    api = make_apiserver(connect_kubelet=fleet.connect)
    node = await api.node("n1")
    node.status.daemon_endpoints.kubelet_endpoint.port = 10250
    node = await api.client.nodes.update_status(node)
    fleet.pods = {kubelet_address(node): ["web"]}
    await api.pod("web", node="n1")
    async with rest_server(api) as server:
        base = "/apis/metrics.k8s.io/v1beta1"
        listed = (await server.get(f"{base}/nodes")).json
        assert (listed["kind"], listed["items"][0]["metadata"]["name"]) == ("NodeMetricsList", "n1")
        assert listed["items"][0] == {
            "metadata": listed["items"][0]["metadata"], "timestamp": None, "window": "0s", "usage": {"cpu": "5n"},
        }  # fmt: skip
        one = (await server.get(f"{base}/namespaces/default/pods/web")).json
        assert (one["kind"], one.get("containers")) == (
            "PodMetrics",
            [{"name": "app", "usage": {"cpu": "7n"}}],
        )
        none = (await server.get(f"{base}/pods?labelSelector=app%3Dother")).json
        assert none["items"] == []
        raw = await server.get(f"{base}/nodes/n1", headers={"Accept": PROTOBUF})
        unknown = runtime_pb2.Unknown.FromString(raw.body[4:])
        assert metrics_pb2.NodeMetrics.FromString(unknown.raw).usage["cpu"].string == "5n"
        assert unknown.type_meta.api_version == "metrics.k8s.io/v1beta1"
        assert (await server.delete(f"{base}/nodes/n1")).code == 405
        assert (await server.get(f"{base}/nodes?watch=true")).code == 405
        assert (await server.get(f"{base}/nodes/n2")).code == 404


REVIEWS = [
    ("authorization.k8s.io", "selfsubjectaccessreviews", "SelfSubjectAccessReview", {"resourceAttributes": {"verb": "get", "resource": "pods"}}),
    ("authorization.k8s.io", "subjectaccessreviews", "SubjectAccessReview", {"user": "jane", "resourceAttributes": {"verb": "get", "resource": "pods"}}),
    ("authorization.k8s.io", "namespaces/default/localsubjectaccessreviews", "LocalSubjectAccessReview",
     {"user": "jane", "resourceAttributes": {"namespace": "default", "verb": "get", "resource": "pods"}}),
]  # fmt: skip


@pytest.mark.parametrize(("group", "path", "kind", "spec"), REVIEWS, ids=[kind for _, _, kind, _ in REVIEWS])
async def test_reviews_are_answered_and_never_kept(
    group: str, path: str, kind: str, spec: dict[str, Any]
) -> None:
    url = f"/apis/{group}/v1/{path}"
    async with rest_server() as server:
        answer = await server.post(url, {"apiVersion": f"{group}/v1", "kind": kind, "spec": spec})
        assert (answer.code, answer.json["status"]["allowed"]) == (201, True), answer.text
        assert answer.json["spec"] == spec
        assert (await server.get(url)).code == 405
        table = {"Accept": "application/json;as=Table;g=meta.k8s.io;v=v1"}
        assert (await server.post(url, {"spec": spec}, headers=table)).code == 406


async def test_a_review_comes_and_goes_in_protobuf_as_kubectls_does() -> None:
    review = authorization_pb2.SelfSubjectAccessReview()
    review.spec.resource_attributes.verb, review.spec.resource_attributes.resource = "list", "pods"
    # Go writes a time that is not set as an empty message.
    review.metadata.creation_timestamp.SetInParent()
    unknown = runtime_pb2.Unknown(raw=review.SerializeToString())
    unknown.type_meta.api_version, unknown.type_meta.kind = (
        "authorization.k8s.io/v1",
        "SelfSubjectAccessReview",
    )
    async with rest_server() as server:
        answer = await server.post(
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", b"k8s\0" + unknown.SerializeToString(),
            content_type=PROTOBUF, headers={"Accept": f"{PROTOBUF},application/json"},
        )  # fmt: skip
        assert answer.code == 201, answer.body
        found = runtime_pb2.Unknown.FromString(answer.body[4:])
        assert authorization_pb2.SelfSubjectAccessReview.FromString(found.raw).status.allowed


async def test_who_is_asking_is_answered() -> None:
    async with rest_server() as server:
        answer = await server.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", {})
        assert (answer.code, "userInfo" in answer.json["status"]) == (201, True), answer.text


async def test_discovery_names_them() -> None:
    async with rest_server() as server:

        async def names(path: str) -> dict[str, list[str]]:
            return {one["name"]: one["verbs"] for one in (await server.get(path)).json["resources"]}

        assert await names("/apis/metrics.k8s.io/v1beta1") == {
            "nodes": ["get", "list"],
            "pods": ["get", "list"],
        }
        assert (await names("/apis/authentication.k8s.io/v1"))["tokenreviews"] == ["create"]
        assert set(await names("/apis/autoscaling/v1")) == {
            "horizontalpodautoscalers",
            "horizontalpodautoscalers/status",
        }
        assert set(await names("/apis/events.k8s.io/v1")) == {"events"}
        groups = (await server.get("/apis")).json["groups"]
        [autoscaling] = [one for one in groups if one["name"] == "autoscaling"]
        assert [one["version"] for one in autoscaling["versions"]] == ["v2", "v1"]
