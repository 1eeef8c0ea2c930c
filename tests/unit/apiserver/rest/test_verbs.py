"""Every verb and sub-resource of the REST API from end to end: codes, answers, options."""

from typing import Any

import pytest

from tests.support.certificate_requests import node_csr
from tests.support.rest import RestServer, rest_server
from vaina.api.meta.v1 import meta_pb2
from vaina.client.rest.envelope import wrap
from vaina.testing.builders import make_node

PODS = "/api/v1/namespaces/default/pods"
MAPS = "/api/v1/namespaces/default/configmaps"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
SETS = "/apis/apps/v1/namespaces/default/replicasets"
PROTOBUF = "application/vnd.kubernetes.protobuf"
CONTAINERS = [{"name": "c", "image": "i"}]
POD: dict[str, Any] = {"metadata": {"name": "web"}, "spec": {"containers": CONTAINERS}}
SET = {
    "metadata": {"name": "web"},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": CONTAINERS}},
    },
}


async def made(server: RestServer, path: str, body: Any) -> Any:
    answer = await server.post(path, body)
    assert answer.code == 201, answer.text
    return answer.json


async def test_an_update_may_create() -> None:
    async with rest_server() as server:
        lease = {"metadata": {"name": "a"}, "spec": {"holderIdentity": "me"}}
        first = await server.put(f"{LEASES}/a", lease)
        second = await server.put(f"{LEASES}/a", first.json)
        assert (first.code, second.code) == (201, 200)
        # Of most kinds it does not.
        assert (await server.put(f"{MAPS}/a", {"metadata": {"name": "a"}})).code == 404


async def test_names_are_generated() -> None:
    async with rest_server() as server:
        names = {
            (await made(server, MAPS, {"metadata": {"generateName": "a-"}}))["metadata"]["name"]
            for _ in range(3)
        }
        assert len(names) == 3
        assert all(name.startswith("a-") and len(name) == 7 for name in names)


async def test_a_dry_run_answers_and_stores_nothing() -> None:
    async with rest_server() as server:
        there = await made(server, MAPS, {"metadata": {"name": "there"}})
        version = await server.api.storage.current_version()
        tried = await server.post(f"{MAPS}?dryRun=All", {"metadata": {"name": "a"}})
        assert (tried.code, tried.json["metadata"]["name"]) == (201, "a")
        there["data"] = {"a": "b"}
        assert (await server.put(f"{MAPS}/there?dryRun=All", there)).json["data"] == {"a": "b"}
        assert (await server.patch(f"{MAPS}/there?dryRun=All", {"data": {"a": "c"}})).json["data"] == {
            "a": "c"
        }
        assert (await server.delete(f"{MAPS}/there?dryRun=All")).code == 200
        assert (await server.delete(f"{MAPS}/there", {"dryRun": ["All"]})).code == 200
        assert (await server.delete(f"{MAPS}?dryRun=All")).code == 200
        assert await server.api.storage.current_version() == version


async def test_the_status_is_read_and_written_apart() -> None:
    async with rest_server() as server:
        pod = await made(server, PODS, POD)
        assert (await server.get(f"{PODS}/web/status")).json == pod
        pod["status"], pod["spec"]["priority"] = {"phase": "Running"}, 7
        written = await server.put(f"{PODS}/web/status", pod)
        assert (written.code, written.json["status"]["phase"]) == (200, "Running"), written.text
        assert written.json["spec"].get("priority", 0) == 0
        patched = await server.patch(
            f"{PODS}/web/status", {"status": {"phase": "Failed"}, "spec": {"nodeName": "n"}}
        )
        assert (patched.code, patched.json["status"]["phase"]) == (200, "Failed")
        assert "nodeName" not in patched.json["spec"]
        # And not with the rest.
        patched = await server.patch(f"{PODS}/web", {"status": {"phase": "Running"}})
        assert patched.json["status"]["phase"] == "Failed"


async def test_a_scale_is_read_replaced_and_patched() -> None:
    async with rest_server() as server:
        await made(server, SETS, SET)
        scale = (await server.get(f"{SETS}/web/scale")).json
        assert (scale["kind"], scale["apiVersion"], scale["spec"]) == (
            "Scale",
            "autoscaling/v1",
            {"replicas": 2},
        )
        assert scale["status"]["selector"] == "a=b"
        scale["spec"]["replicas"] = 3
        replaced = await server.put(f"{SETS}/web/scale", scale)
        assert (replaced.code, replaced.json["spec"]) == (200, {"replicas": 3}), replaced.text
        patched = await server.patch(f"{SETS}/web/scale", {"spec": {"replicas": 4}})
        assert (patched.code, patched.json["kind"], patched.json["spec"]) == (200, "Scale", {"replicas": 4})
        assert (await server.get(f"{SETS}/web")).json["spec"]["replicas"] == 4


async def test_a_pod_is_bound_and_evicted() -> None:
    async with rest_server() as server:
        await server.api.client.nodes.create(make_node("n1"))
        await made(server, PODS, POD)
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": "web"},
            "target": {"name": "n1"},
        }
        bound = await server.post(f"{PODS}/web/binding", binding)
        assert (bound.code, bound.json["status"], bound.json["code"]) == (201, "Success", 201), bound.text
        assert (await server.get(f"{PODS}/web")).json["spec"]["nodeName"] == "n1"
        assert (await server.post(f"{PODS}/web/binding", binding)).code == 409
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web"}}
        evicted = await server.post(f"{PODS}/web/eviction", eviction)
        assert (evicted.code, evicted.json["status"]) == (201, "Success")
        assert "deletionTimestamp" in (await server.get(f"{PODS}/web")).json["metadata"]


async def test_an_eviction_that_a_budget_does_not_allow_says_when_to_come_back() -> None:
    async with rest_server() as server:
        pod = await made(server, PODS, {**POD, "metadata": {"name": "web", "labels": {"a": "b"}}})
        pod["status"] = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        assert (await server.put(f"{PODS}/web/status", pod)).code == 200
        budget = {
            "metadata": {"name": "a"},
            "spec": {"minAvailable": 1, "selector": {"matchLabels": {"a": "b"}}},
        }
        await made(server, "/apis/policy/v1/namespaces/default/poddisruptionbudgets", budget)
        refused = await server.post(f"{PODS}/web/eviction", {"metadata": {"name": "web"}})
        assert (refused.code, refused.json["reason"]) == (429, "TooManyRequests"), refused.text
        assert int(refused.headers["Retry-After"]) >= 1


async def test_other_sub_resources_are_patched_and_replaced() -> None:
    async with rest_server() as server:
        await made(server, PODS, POD)
        strategic = "application/strategic-merge-patch+json"
        shell = {"spec": {"ephemeralContainers": [{"name": "shell", "image": "s"}]}}
        patched = await server.patch(f"{PODS}/web/ephemeralcontainers", shell, content_type=strategic)
        assert (patched.code, patched.json["spec"]["ephemeralContainers"][0]["name"]) == (200, "shell"), (
            patched.text
        )
        assert (await server.get(f"{PODS}/web/resize")).code == 200
        namespace = await made(server, "/api/v1/namespaces", {"metadata": {"name": "a"}})
        namespace["spec"] = {}
        finalized = await server.put("/api/v1/namespaces/a/finalize", namespace)
        assert (finalized.code, finalized.json.get("spec", {})) == (200, {}), finalized.text


async def test_a_request_for_a_certificate_is_approved() -> None:
    async with rest_server() as server:
        asked = await server.api.client.certificate_signing_requests.create(node_csr("a", "n1"))
        path = f"/apis/certificates.k8s.io/v1/certificatesigningrequests/{asked.metadata.name}"
        found = (await server.get(path)).json
        found["status"] = {
            "conditions": [{"type": "Approved", "status": "True", "reason": "a", "message": "b"}]
        }
        approved = await server.put(f"{path}/approval", found)
        assert (approved.code, approved.json["status"]["conditions"][0]["type"]) == (200, "Approved"), (
            approved.text
        )


@pytest.mark.parametrize("how", ["query", "json", "kindless", "protobuf"])
async def test_options_of_a_deletion_come_in_each_form(how: str) -> None:
    async with rest_server() as server:
        await made(server, PODS, POD)
        options = meta_pb2.DeleteOptions(grace_period_seconds=7, propagation_policy="Foreground")
        plain = {"gracePeriodSeconds": 7, "propagationPolicy": "Foreground"}
        match how:
            case "query":
                ended = await server.delete(f"{PODS}/web?gracePeriodSeconds=7&propagationPolicy=Foreground")
            case "json":
                ended = await server.delete(
                    f"{PODS}/web", {"kind": "DeleteOptions", "apiVersion": "v1", **plain}
                )
            case "kindless":
                ended = await server.delete(f"{PODS}/web?gracePeriodSeconds=9", plain)
            case _:
                body = wrap("v1", "DeleteOptions", options.SerializeToString())
                ended = await server.delete(f"{PODS}/web", body, content_type=PROTOBUF)
        assert ended.code == 200, ended.text
        meta = ended.json["metadata"]
        assert meta["finalizers"] == ["foregroundDeletion"]
        assert meta.get("deletionGracePeriodSeconds", 0) in (0, 7)


async def test_deletions_are_answered_with_the_object_or_a_status() -> None:
    async with rest_server() as server:
        one = await made(server, MAPS, {"metadata": {"name": "a"}})
        gone = await server.delete(f"{MAPS}/a", {"preconditions": {"uid": one["metadata"]["uid"]}})
        assert gone.json == {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
            "details": {"name": "a", "kind": "configmaps", "uid": one["metadata"]["uid"]},
        }  # fmt: skip
        await made(server, MAPS, {"metadata": {"name": "a", "finalizers": ["a.b/c"]}})
        held = await server.delete(f"{MAPS}/a")
        assert (held.code, held.json["kind"]) == (200, "ConfigMap")
        assert "deletionTimestamp" in held.json["metadata"]


async def test_many_are_deleted_by_their_labels() -> None:
    async with rest_server() as server:
        for name, label in (("a", "x"), ("b", "x"), ("c", "y")):
            await made(server, MAPS, {"metadata": {"name": name, "labels": {"l": label}}})
        deleted = await server.delete(f"{MAPS}?labelSelector=l%3Dx", {"propagationPolicy": "Background"})
        assert (deleted.code, deleted.json["status"], deleted.json["details"]) == (
            200,
            "Success",
            {"kind": "configmaps"},
        )
        assert [(await server.get(f"{MAPS}/{name}")).code for name in "abc"] == [404, 404, 200]


async def test_warnings_and_validation_of_fields() -> None:
    async with rest_server() as server:
        told = await server.post(MAPS, {"metadata": {"name": "a"}, "nothing": 1})
        assert (told.code, told.warnings) == (201, ('299 - "unknown field \\"nothing\\""',))
        silent = await server.post(
            f"{MAPS}?fieldValidation=Ignore", {"metadata": {"name": "b"}, "nothing": 1}
        )
        assert (silent.code, silent.warnings) == (201, ())
        strict = await server.post(
            f"{MAPS}?fieldValidation=Strict", {"metadata": {"name": "c"}, "nothing": 1}
        )
        assert strict.code == 400
        assert 'strict decoding error: unknown field "nothing"' in strict.json["message"]
        patched = await server.patch(f"{MAPS}/a?fieldValidation=Strict", {"nothing": 1})
        assert (patched.code, patched.json["reason"]) == (400, "BadRequest")


async def test_a_review_is_answered() -> None:
    async with rest_server() as server:
        asked = {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        assert (await made(server, path, asked))["status"] == {"allowed": True}
        assert (await server.get(path)).code == 405
