"""Wrong requests to the REST API: each gets upstream's code and Status, stores nothing, and harms nobody else.

What is wrong with objects themselves is told by `tests/unit/apiserver/bad_input`; what is no HTTP by
`test_wrong_http.py`.
"""

from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.rest import RestServer, rest_server

PODS = "/api/v1/namespaces/default/pods"
MAPS = "/api/v1/namespaces/default/configmaps"
MAP = f"{MAPS}/there"
NOWHERE = "the server could not find the requested resource"
NOT_ALLOWED = "the server does not allow this method on the requested resource"
BODIES = (
    "the body of the request was in an unknown format - accepted media types include: application/json, "
    "application/yaml, application/vnd.kubernetes.protobuf"
)
PATCHES = (
    "the body of the request was in an unknown format - accepted media types include: "
    "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, "
    "application/apply-patch+yaml"
)
ACCEPTED = (
    "only the following media types are accepted: application/json, application/yaml, "
    "application/vnd.kubernetes.protobuf"
)
OTHER_NAMESPACE = "the namespace of the provided object does not match the namespace sent on the request"
NO_POD = "the object provided is unrecognized (must be of type Pod): "
MERGE, JSON_PATCH = "application/merge-patch+json", "application/json-patch+json"
PROTOBUF = "application/vnd.kubernetes.protobuf"
POD = {
    "metadata": {"name": "web"},
    "spec": {"containers": [{"name": "c", "image": "i"}]},
}


@dataclass(frozen=True)
class Case:
    method: str
    path: str
    code: int
    #: of the Status; of its message the beginning
    reason: str
    message: str = ""
    body: Any = None
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def named(self) -> str:
        body = "" if self.body is None else f" {self.body!r:.70}"
        headers = "".join(f" {name}: {value}" for name, value in self.headers.items())
        words = f"{self.method} {self.path[:90]}{body} {self.content_type}{headers}"
        return words.encode("ascii", "replace").decode()


def nowhere(path: str, method: str = "GET") -> Case:
    return Case(method, path, 404, "NotFound", NOWHERE)


def not_allowed(method: str, path: str, body: Any = None) -> Case:
    return Case(method, path, 405, "MethodNotAllowed", NOT_ALLOWED, body)


def bad(method: str, path: str, message: str, body: Any = None, **more: Any) -> Case:
    return Case(method, path, 400, "BadRequest", message, body, **more)


def invalid(method: str, path: str, message: str, body: Any = None, **more: Any) -> Case:
    return Case(method, path, 422, "Invalid", message, body, **more)


CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
PATHS = (
    *(nowhere(path) for path in (f"{CRDS}/a.b.c", f"{CRDS}?watch=1", CRDS.replace("/v1/", "/v1beta1/"))),
    nowhere(CRDS, "POST"),
    nowhere(CRDS, "DELETE"),
    nowhere(f"{PODS}/b%2fb"),
    nowhere(f"{PODS}/%2e%2e/secrets"),
    nowhere(f"{PODS}/../secrets"),
    nowhere("/api/v1//pods"),
    nowhere("//api/v1/pods"),
    nowhere("/api/v1/pods/web"),
    nowhere("/api/v1/namespaces/default/nodes"),
    nowhere("/api/v1/namespaces/default/nodes/n"),
    nowhere("/api/v2/pods"),
    nowhere("/api/v1/podz"),
    nowhere("/api/v1/Pods"),
    nowhere("/API/v1/pods"),
    nowhere("/apis/v1/pods/web"),
    nowhere("/apis/apps/v1beta1/deployments"),
    nowhere("/apis/apps/v1/deployments/web"),
    nowhere("/apis/apps/v1/namespaces/default/deployments/a/b"),
    nowhere(f"{PODS}/web/status/more"),
    nowhere(f"{PODS}/web/nothing"),
    nowhere(f"{MAP}/status"),
    nowhere("/api/v1/proxy/namespaces/default/pods/web"),
    nowhere("/api/v1/namespaces/default/pods;a=b/web"),
    nowhere("/nothing"),
    nowhere("/healthz/nothing"),
    nowhere("/metrics/nothing"),
    nowhere("/etc/passwd"),
    nowhere("/..%2f..%2fetc%2fpasswd"),
    bad("GET", "/api/v1/watch", "unable to determine kind and namespace from url, /api/v1/watch"),
    bad("GET", f"{PODS}/%zz", 'invalid URL escape "%zz"'),
    bad("GET", f"{PODS}/..", "Name parameter invalid: \"..\": may not be '..'"),
    Case("GET", f"{PODS}/%00", 404, "NotFound", 'pods "\\x00" not found'),
    Case("GET", f"{PODS}/a%0d%0aSet-Cookie:b", 404, "NotFound", 'pods "a\\r\\nSet-Cookie:b" not found'),
    Case("GET", f"{PODS}/%ff", 404, "NotFound", 'pods "\ufffd" not found'),
    Case("GET", f"{PODS}/{'a' * 300}", 404, "NotFound", 'pods "aaa'),
    Case("GET", "/api/v1/namespaces/default%2fpods/web", 404, "NotFound", 'pods "web" not found'),
)
METHODS = (
    not_allowed("POST", "/api/v1/pods", POD),
    not_allowed("PUT", "/api/v1/pods", POD),
    not_allowed("DELETE", "/api/v1/pods"),
    not_allowed("POST", f"{PODS}/web", POD),
    not_allowed("PUT", PODS, POD),
    not_allowed("PATCH", PODS, {}),
    not_allowed("DELETE", "/api/v1/namespaces"),
    not_allowed("OPTIONS", PODS),
    not_allowed("TRACE", PODS),
    not_allowed("POST", "/version", {}),
    not_allowed("DELETE", "/healthz"),
    not_allowed("POST", f"{PODS}/web/status", POD),
    not_allowed("DELETE", f"{PODS}/web/status"),
    not_allowed("GET", f"{PODS}/web/binding"),
    not_allowed("PUT", f"{PODS}/web/eviction", {}),
    not_allowed("GET", "/api/v1/namespaces/default/finalize"),
)
QUERIES = (
    bad("GET", f"{MAP}?timeout=x", 'invalid timeout specified in the request URL - time: invalid duration "x"'),
    invalid("POST", f"{MAPS}?dryRun=Some", 'CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported', {}),
    invalid("POST", f"{MAPS}?dryRun=All&dryRun=x", 'CreateOptions.meta.k8s.io "" is invalid: dryRun', {}),
    invalid("POST", f"{MAPS}?fieldValidation=Loose", 'CreateOptions.meta.k8s.io "" is invalid: fieldVal', {}),
    invalid("PUT", f"{MAP}?dryRun=Some", 'UpdateOptions.meta.k8s.io "" is invalid: dryRun', {"metadata": {"name": "there"}}),
    invalid("PATCH", f"{MAP}?dryRun=Some", 'PatchOptions.meta.k8s.io "" is invalid: dryRun', {}, content_type=MERGE),
    invalid("DELETE", f"{MAP}?dryRun=None", 'DeleteOptions.meta.k8s.io "" is invalid: dryRun'),
    bad("DELETE", f"{MAP}?gracePeriodSeconds=x", 'strconv.ParseInt: parsing "x": invalid syntax'),
    bad("DELETE", f"{MAP}?gracePeriodSeconds={'9' * 30}", f'strconv.ParseInt: parsing "{"9" * 30}": value out of'),
    invalid("DELETE", f"{MAP}?propagationPolicy=Maybe", 'DeleteOptions.meta.k8s.io "" is invalid: propagation'),
    invalid("DELETE", f"{MAP}?orphanDependents=true&propagationPolicy=Orphan", 'DeleteOptions.meta.k8s.io "" is'),
    bad("GET", "/api/v1/watch/namespaces/default/pods/a?fieldSelector=metadata.name%3Db", "fieldSelector metadata.name"),
    Case("GET", f"{PODS}?labelSelector={'a' * 20_000}", 431, "", "431 Request Header Fields Too Large"),
)  # fmt: skip
OBJECTS = (
    bad("POST", PODS, NO_POD, b""),
    bad("POST", PODS, NO_POD, b"{"),
    bad("POST", PODS, NO_POD, b"[]"),
    bad("POST", PODS, NO_POD, b"3"),
    bad("POST", PODS, NO_POD, b'"x"'),
    bad("POST", PODS, NO_POD, b"\xff\xfe{}"),
    bad("POST", PODS, NO_POD, b"[" * 5000),
    bad("POST", PODS, NO_POD, b'{"a":' * 5000),
    bad("POST", PODS, NO_POD, b"x: 1"),
    bad("POST", PODS, NO_POD, b"k8s\0"),
    bad("POST", PODS, NO_POD, b"{}", content_type=PROTOBUF),
    bad("POST", PODS, "", b"k8s\0\xff\xff\xff", content_type=PROTOBUF),
    bad("POST", PODS, "", b"k8s\0" + b"\x12\xff\xff\xff\xff\x0f", content_type=PROTOBUF),
    bad("POST", PODS, "", {"kind": "Node"}),
    bad("POST", PODS, "", {"apiVersion": "v2", "kind": "Pod"}),
    bad("POST", PODS, "", {"kind": 3}),
    bad("POST", PODS, 'Pod in version "v1" cannot be handled as a Pod: ', {"metadata": []}),
    bad("POST", PODS, 'Pod in version "v1" cannot be handled as a Pod: ', {"metadata": {"name": 3}}),
    bad("POST", PODS, 'Pod in version "v1" cannot be handled as a Pod: ', {"spec": {"containers": {}}}),
    bad("POST", f"{PODS}?fieldValidation=Strict", 'Pod in version "v1" cannot be handled as a Pod: strict', {**POD, "a": 1}),
    bad("POST", PODS, OTHER_NAMESPACE, {**POD, "metadata": {"name": "web", "namespace": "other"}}),
    bad("POST", PODS, "resourceVersion should not be set on objects to be created",
        {**POD, "metadata": {"name": "web", "resourceVersion": "5"}}),
    invalid("POST", PODS, 'Pod "" is invalid: [metadata.name: Required value: name or generateName is required', {}),
    invalid("POST", PODS, 'Pod "a/b" is invalid: metadata.name: Invalid value: "a/b"', {**POD, "metadata": {"name": "a/b"}}),
    invalid("POST", PODS, 'Pod "a\ufffd" is invalid: metadata.name', b'{"metadata":{"name":"a\\ud800"},"spec":{"containers":[{"name":"c","image":"i"}]}}'),
    Case("POST", MAPS, 409, "AlreadyExists", 'configmaps "there" already exists', {"metadata": {"name": "there"}}),
    Case("POST", "/api/v1/namespaces/none/configmaps", 404, "NotFound", 'namespaces "none" not found', {"metadata": {"name": "a"}}),
    Case("POST", PODS, 413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728", b" " * (3 * 1024 * 1024 + 1)),
    bad("PUT", MAP, "the name of the object (other) does not match the name on the URL (there)", {"metadata": {"name": "other"}}),
    bad("PUT", MAP, "the name of the object (there based on URL) was undeterminable: name must be provided", {}),
    bad("PUT", MAP, OTHER_NAMESPACE, {"metadata": {"name": "there", "namespace": "other"}}),
    Case("PUT", MAP, 409, "Conflict", 'Operation cannot be fulfilled on configmaps "there": the object has been modified',
         {"metadata": {"name": "there", "resourceVersion": "1"}}),
    Case("PUT", MAP, 409, "Conflict", 'Operation cannot be fulfilled on configmaps "there": Precondition failed: UID',
         {"metadata": {"name": "there", "uid": "x"}}),
    invalid("PUT", MAP, 'ConfigMap "there" is invalid: metadata.resourceVersion', {"metadata": {"name": "there", "resourceVersion": "x"}}),
    Case("PUT", f"{MAPS}/none", 404, "NotFound", 'configmaps "none" not found', {"metadata": {"name": "none"}}),
    bad("POST", f"{PODS}/web/binding", "name in URL does not match name in Binding object", {"metadata": {"name": "other"}}),
    bad("POST", f"{PODS}/web/binding", "", {"kind": "Pod"}),
    Case("POST", f"{PODS}/web/binding", 404, "NotFound", 'nodes "n" not found', {"target": {"name": "n"}}),
    bad("POST", f"{PODS}/web/eviction", "name in URL does not match name in Eviction object", {"metadata": {"name": "other"}}),
    Case("POST", f"{PODS}/web/eviction", 404, "NotFound", 'pods "web" not found', {}),
    Case("GET", "/apis/apps/v1/namespaces/default/deployments/web/scale", 404, "NotFound", 'deployments.apps "web" not found'),
    bad("PUT", "/apis/apps/v1/namespaces/default/deployments/web/scale", "", {"kind": "Deployment"}),
)  # fmt: skip
DELETIONS = (
    bad("DELETE", MAP, "", {"kind": "Pod"}),
    bad("DELETE", MAP, "", b"{"),
    bad("DELETE", MAP, 'DeleteOptions in version "v1" cannot be handled as a DeleteOptions', {"gracePeriodSeconds": "x"}),
    invalid("DELETE", MAP, 'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy', {"propagationPolicy": "x"}),
    invalid("DELETE", MAP, 'DeleteOptions.meta.k8s.io "" is invalid: dryRun', {"dryRun": ["x"]}),
    Case("DELETE", MAP, 409, "Conflict", 'Operation cannot be fulfilled on ConfigMap "there": the UID', {"preconditions": {"uid": "x"}}),
    Case("DELETE", MAP, 409, "Conflict", 'Operation cannot be fulfilled on ConfigMap "there": the ResourceVersion',
         {"preconditions": {"resourceVersion": "1"}}),
    Case("DELETE", MAP, 415, "UnsupportedMediaType", BODIES, b"{}", "text/plain"),
)  # fmt: skip
PATCHING = (
    *(Case("PATCH", MAP, 415, "UnsupportedMediaType", PATCHES, b"{}", name)
      for name in ("application/json", "application/yaml", "text/plain", "", "application/json-patch")),
    bad("PATCH", MAP, "error decoding patch: ", b"{}", content_type=JSON_PATCH),
    bad("PATCH", MAP, "error decoding patch: ", b"[", content_type=JSON_PATCH),
    *(invalid("PATCH", MAP, "the server rejected our request due to an error in our request", f"[{{{operation}}}]".encode(),
              content_type=JSON_PATCH)
      for operation in ('"op":"test","path":"/a","value":1', '"op":"fly","path":"/a"', '"op":"remove","path":"/data/x"', '"op":"add"')),
    Case("PATCH", f"{MAPS}/gone", 404, "NotFound", 'configmaps "gone" not found', b'[{"op":"fly"}]', JSON_PATCH),
    bad("PATCH", MAP, "error decoding patch: ", b"[]", content_type=MERGE),
    bad("PATCH", MAP, "error decoding patch: ", b"", content_type=MERGE),
    bad("PATCH", MAP, "error decoding patch: ", b"\xff", content_type=MERGE),
    bad("PATCH", MAP, "the name of the object (other) does not match", b'{"metadata":{"name":"other"}}', content_type=MERGE),
    bad("PATCH", MAP, "the namespace of the provided object does not match", b'{"metadata":{"namespace":"other"}}', content_type=MERGE),
    bad("PATCH", MAP, "", b'{"metadata":3}', content_type="application/strategic-merge-patch+json"),
    Case("PATCH", f"{MAPS}/none", 404, "NotFound", 'configmaps "none" not found', b"{}", MERGE),
)  # fmt: skip
HEADERS = (
    *(Case("POST", PODS, 415, "UnsupportedMediaType", BODIES, b"{}", name)
      for name in ("text/plain", "application/xml", "application/x-www-form-urlencoded", "application/cbor",
                   "multipart/form-data; boundary=x", "json", "*/*", JSON_PATCH)),
    *(Case("GET", MAP, 406, "NotAcceptable", ACCEPTED, headers={"Accept": name})
      for name in ("text/html", "application/xml", "image/*", ",,,", "application/json;as=Nothing;v=v1;g=meta.k8s.io",
                   "application/json;as=Table;v=v9;g=meta.k8s.io", f"{PROTOBUF};as=Table;v=v1;g=meta.k8s.io")),
    Case("GET", MAP, 403, "Forbidden", "forbidden: requests of other origins", headers={"Origin": "http://evil.example"}),
    Case("GET", MAP, 403, "Forbidden", "forbidden: requests of other origins", headers={"Origin": "null"}),
    Case("POST", PODS, 403, "Forbidden", "forbidden: requests of other origins", POD, headers={"Origin": "http://127.0.0.1"}),
    Case("POST", PODS, 403, "Forbidden", "forbidden: in the clear", POD, headers={"Host": "evil.example"}),
    Case("OPTIONS", PODS, 403, "Forbidden", "forbidden: requests of other origins",
         headers={"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}),
    *(bad("POST", PODS, "requested &user.DefaultInfo{", POD, headers={name: "ana"})
      for name in ("impersonate-group", "Impersonate-Uid", "Impersonate-Extra-Scopes")),
    bad("POST", PODS, "the body of the request has an encoding, which is not read", POD, headers={"Content-Encoding": "gzip"}),
    bad("POST", PODS, "the body of the request has an encoding, which is not read", POD, headers={"Content-Encoding": "br"}),
    Case("POST", PODS, 417, "BadRequest", "Expectation Failed", POD, headers={"Expect": "a-miracle"}),
)  # fmt: skip
CASES = (*PATHS, *METHODS, *QUERIES, *OBJECTS, *DELETIONS, *PATCHING, *HEADERS)


async def check(server: RestServer, case: Case) -> None:
    answer = await server.request(
        case.method, case.path, case.body, headers=case.headers, content_type=case.content_type
    )
    if not case.reason:
        assert (answer.code, answer.text) == (case.code, case.message)
        return
    status = answer.json
    shown = (answer.code, status["kind"], status["status"], status["code"], status["reason"])
    assert shown == (case.code, "Status", "Failure", case.code, case.reason), answer.text
    assert status["message"].startswith(case.message), answer.text


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.named)
async def test_a_wrong_request_is_refused_and_stores_nothing(case: Case) -> None:
    async with rest_server() as server:
        await server.post(MAPS, {"metadata": {"name": "there"}, "data": {"a": "b"}})
        before = (await server.get(MAP)).json
        version = await server.api.storage.current_version()
        await check(server, case)
        assert await server.api.storage.current_version() == version
        assert (await server.get(MAP)).json == before


async def test_wrong_requests_leave_their_connection_to_others() -> None:
    async with rest_server() as server:
        await server.post(MAPS, {"metadata": {"name": "there"}})
        for case in CASES:
            await check(server, case)
            assert (await server.get(MAP)).code == 200
        assert server.serving.calls.current == 0
        assert not server.serving.calls.streams


def test_there_are_enough_of_them() -> None:
    assert len(CASES) == len({case.named for case in CASES}) >= 120
