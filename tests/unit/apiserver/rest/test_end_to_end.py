"""The REST API from end to end: objects by HTTP over storage in memory."""

from tests.support.rest import rest_server

PODS = "/api/v1/namespaces/default/pods"
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web"},
    "spec": {"containers": [{"name": "main", "image": "busybox"}]},
}


async def test_an_object_is_made_read_changed_and_deleted() -> None:
    async with rest_server() as server:
        made = await server.post(PODS, POD)
        assert (made.code, made.json["metadata"]["namespace"]) == (201, "default"), made.text
        assert made.headers["Content-Type"] == "application/json"
        found = await server.get(f"{PODS}/web")
        assert found.json == made.json
        changed = await server.put(
            f"{PODS}/web", {**found.json, "metadata": {**found.json["metadata"], "labels": {"a": "b"}}}
        )
        assert (changed.code, changed.json["metadata"]["labels"]) == (200, {"a": "b"}), changed.text
        patched = await server.patch(f"{PODS}/web", {"metadata": {"labels": {"a": None, "c": "d"}}})
        assert (patched.code, patched.json["metadata"]["labels"]) == (200, {"c": "d"})
        gone = await server.delete(f"{PODS}/web")
        assert (gone.code, gone.json["kind"]) == (200, "Pod")
        missing = await server.get(f"{PODS}/web")
        assert missing.code == 404
        assert missing.json == {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "NotFound",
            "message": 'pods "web" not found', "details": {"name": "web", "kind": "pods"}, "code": 404,
        }  # fmt: skip


async def test_health_and_version() -> None:
    async with rest_server() as server:
        for path in ("/healthz", "/livez", "/readyz"):
            answer = await server.get(path)
            assert (answer.code, answer.text) == (200, "ok")
        verbose = await server.get("/readyz?verbose")
        assert verbose.text == "[+]ping ok\n[+]shutdown ok\nreadyz check passed\n"
        version = await server.get("/version")
        assert version.json["gitVersion"].startswith("v1.37.")
        # As the Python client asks for it.
        assert (await server.get("/version/")).json == version.json


async def test_a_large_body_is_read_beside_others() -> None:
    async with rest_server() as server:
        path = "/api/v1/namespaces/default/configmaps"
        data = {"metadata": {"name": "large"}, "data": {"a": "x" * 900_000}}
        made = await server.post(path, data)
        assert (made.code, len(made.json["data"]["a"])) == (201, 900_000)
        wrong = await server.post(path, {**data, "data": {"a": ["x" * 900_000]}})
        assert (wrong.code, wrong.json["reason"]) == (400, "BadRequest")
