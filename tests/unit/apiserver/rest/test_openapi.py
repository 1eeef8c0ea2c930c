"""OpenAPI: schemas and paths as upstream publishes them, and documents as clients fetch and keep them."""

import gzip
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from apiserver.rest import calls, discovery
from apiserver.rest.info import read_info
from apiserver.rest.openapi.document import document, document_names
from apiserver.rest.openapi.documents import Documents
from apiserver.rest.openapi.swagger import swagger
from apiserver.rest.served import make_table
from tests.support.rest import rest_server
from vaina.api.openapi.v2 import openapi_pb2
from vaina.clock import SystemClock

TABLE = make_table()
NAMES = document_names(TABLE)
META = "io.k8s.apimachinery.pkg.apis.meta.v1"


@pytest.fixture(scope="module")
def documents() -> dict[str, Any]:
    return {name: document(TABLE, *place) for name, place in NAMES.items()}


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _without_descriptions(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"allOf", "description"}:
            # Beside a reference nothing may stand: what is described is put in a list of one.
            return value["allOf"][0]
        return {
            key: _without_descriptions(inner)
            for key, inner in value.items()
            if not (key == "description" and isinstance(inner, str))
        }
    return [_without_descriptions(inner) for inner in value] if isinstance(value, list) else value


#: schema and property -> what upstream publishes (kubernetes `api/openapi-spec/v3` of 1.37)
PROPERTIES: list[tuple[str, str, str, dict[str, Any]]] = [
    (
        "api/v1", "io.k8s.api.core.v1.PodSpec", "containers",
        {
            "type": "array", "items": ref("io.k8s.api.core.v1.Container"), "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"], "x-kubernetes-patch-merge-key": "name",
            "x-kubernetes-patch-strategy": "merge",
        },
    ),
    (
        "api/v1", "io.k8s.api.core.v1.PodSpec", "volumes",
        {
            "type": "array", "items": ref("io.k8s.api.core.v1.Volume"), "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"], "x-kubernetes-patch-merge-key": "name",
            "x-kubernetes-patch-strategy": "merge,retainKeys",
        },
    ),
    ("api/v1", "io.k8s.api.core.v1.Container", "name", {"type": "string", "default": ""}),
    ("api/v1", "io.k8s.api.core.v1.ContainerPort", "protocol", {"type": "string", "default": "TCP"}),
    (
        "api/v1", "io.k8s.api.core.v1.ContainerPort", "containerPort",
        {"type": "integer", "format": "int32", "default": 0},
    ),
    ("api/v1", "io.k8s.api.core.v1.Pod", "spec", {"allOf": [ref("io.k8s.api.core.v1.PodSpec")], "default": {}}),
    ("api/v1", "io.k8s.api.core.v1.Container", "lifecycle", ref("io.k8s.api.core.v1.Lifecycle")),
    (
        "api/v1", "io.k8s.api.core.v1.ResourceRequirements", "limits",
        {"type": "object", "additionalProperties": ref("io.k8s.apimachinery.pkg.api.resource.Quantity")},
    ),
    (
        "api/v1", "io.k8s.api.core.v1.Secret", "data",
        {"type": "object", "additionalProperties": {"type": "string", "format": "byte"}},
    ),
    ("api/v1", "io.k8s.api.core.v1.HTTPGetAction", "port", ref("io.k8s.apimachinery.pkg.util.intstr.IntOrString")),
    ("api/v1", f"{META}.ObjectMeta", "creationTimestamp", ref(f"{META}.Time")),
    ("apis/coordination.k8s.io/v1", "io.k8s.api.coordination.v1.LeaseSpec", "renewTime", ref(f"{META}.MicroTime")),
    (
        "apis/apps/v1", "io.k8s.api.apps.v1.DeploymentSpec", "strategy",
        {
            "allOf": [ref("io.k8s.api.apps.v1.DeploymentStrategy")], "default": {},
            "x-kubernetes-patch-strategy": "retainKeys",
        },
    ),
    (
        "apis/certificates.k8s.io/v1", "io.k8s.api.certificates.v1.CertificateSigningRequestSpec", "extra",
        {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}},
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "schema", "field", "want"), PROPERTIES, ids=[f"{it[1]}.{it[2]}" for it in PROPERTIES]
)
def test_a_property_is_upstreams(
    documents: dict[str, Any], name: str, schema: str, field: str, want: dict[str, Any]
) -> None:
    found = documents[name]["components"]["schemas"][schema]["properties"][field]
    assert _without_descriptions(found) == want


#: schema -> what is required of it
REQUIRED: list[tuple[str, str, list[str]]] = [
    ("api/v1", "io.k8s.api.core.v1.PodSpec", ["containers"]),
    ("api/v1", "io.k8s.api.core.v1.Container", ["name"]),
    ("api/v1", "io.k8s.api.core.v1.PodCondition", ["status", "type"]),
    ("api/v1", "io.k8s.api.core.v1.Event", ["involvedObject", "metadata"]),
    ("apis/apps/v1", "io.k8s.api.apps.v1.Deployment", ["spec"]),
    ("apis/apps/v1", "io.k8s.api.apps.v1.DeploymentSpec", ["selector", "template"]),
    ("apis/batch/v1", "io.k8s.api.batch.v1.CronJobSpec", ["jobTemplate", "schedule"]),
    ("apis/rbac.authorization.k8s.io/v1", "io.k8s.api.rbac.v1.RoleRef", ["kind", "name"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "schema", "want"), REQUIRED, ids=[it[1] for it in REQUIRED])
def test_what_is_required_is_upstreams(
    documents: dict[str, Any], name: str, schema: str, want: list[str]
) -> None:
    assert documents[name]["components"]["schemas"][schema].get("required", []) == want


def test_a_kind_says_which_it_is(documents: dict[str, Any]) -> None:
    schemas = documents["apis/apps/v1"]["components"]["schemas"]
    for kind in ("Deployment", "DeploymentList"):
        schema = schemas[f"io.k8s.api.apps.v1.{kind}"]
        assert schema["x-kubernetes-group-version-kind"] == [{"group": "apps", "kind": kind, "version": "v1"}]
        assert {"apiVersion", "kind", "metadata"} <= {*schema["properties"]}
    assert "x-kubernetes-group-version-kind" not in schemas["io.k8s.api.core.v1.PodTemplateSpec"]
    atomic = documents["api/v1"]["components"]["schemas"]["io.k8s.api.core.v1.ObjectReference"]
    assert atomic["x-kubernetes-map-type"] == "atomic"


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "$ref":
                yield inner.removeprefix("#/components/schemas/")
            else:
                yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


@pytest.mark.parametrize("name", NAMES)
def test_a_document_has_all_that_it_refers_to_and_no_more(documents: dict[str, Any], name: str) -> None:
    found = {*_references(documents[name])}
    schemas = {*documents[name]["components"]["schemas"]}
    assert found <= schemas
    assert schemas - found == set()


def _operations(found: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in found["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                yield path, method, operation


def test_operations_have_names_of_their_own(documents: dict[str, Any]) -> None:
    names = [it["operationId"] for found in documents.values() for _, _, it in _operations(found)]
    # Only the first letter of a version is a capital (apiserver `endpoints/openapi`, ToValidOperationID).
    assert {"listCoreV1NamespacedPod", "listMetricsV1beta1NamespacedPodMetrics"} <= {*names}
    assert len(names) == len(set(names))
    assert {
        "listCoreV1PodForAllNamespaces", "readCoreV1NamespacedPodLog", "connectCoreV1GetNamespacedPodExec",
        "deleteBatchV1CollectionNamespacedJob", "replaceCoreV1NodeStatus", "patchRbacAuthorizationV1ClusterRole",
        "createCoreV1NamespacedPodEviction", "readAppsV1NamespacedDeploymentScale",
    } <= {*names}  # fmt: skip


#: of an operation -> the verb of the API
_VERBS = {
    "list": "list", "post": "create", "deletecollection": "deletecollection", "get": "get", "put": "update",
    "patch": "patch", "delete": "delete",
}  # fmt: skip


def test_each_operation_is_served(documents: dict[str, Any]) -> None:
    for name in NAMES:
        for path, method, operation in _operations(documents[name]):
            action = operation.get("x-kubernetes-action")
            if action in (None, "connect"):
                continue
            target = path.replace("{namespace}", "a").replace("{name}", "b")
            info = read_info(method.upper(), target)
            assert info.verb == _VERBS[action], path
            calls.route(TABLE, info)


def test_each_verb_that_discovery_tells_of_has_an_operation(documents: dict[str, Any]) -> None:
    for name, (group, version) in NAMES.items():
        actions: dict[str, set[str]] = {}
        for path, method, operation in _operations(documents[name]):
            action = operation.get("x-kubernetes-action")
            if action is not None:
                info = read_info(method.upper(), path.replace("{namespace}", "a").replace("{name}", "b"))
                place = "/".join(filter(None, (info.resource, info.subresource)))
                actions.setdefault(place, set()).add(_VERBS.get(action, info.verb))
        for found in discovery.resources_of(TABLE, group, version):
            told = {*found.verbs.items} - {"watch"}
            assert told <= actions[found.name], found.name


def test_a_patch_says_that_fields_are_checked(documents: dict[str, Any]) -> None:
    """Kubectl looks for this before it asks the server to check what is applied (`fieldValidation`)."""
    patch = documents["apis/apps/v1"]["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"][
        "patch"
    ]
    assert [one["name"] for one in patch["parameters"]] == [
        "dryRun",
        "fieldManager",
        "fieldValidation",
        "force",
    ]
    assert patch["x-kubernetes-group-version-kind"] == {
        "group": "apps",
        "kind": "Deployment",
        "version": "v1",
    }


async def test_documents_are_fetched_by_their_hash_and_kept() -> None:
    async with rest_server() as server:
        index = await server.get("/openapi/v3")
        assert index.headers["Content-Type"] == "application/json"
        assert {*index.json["paths"]} == {*NAMES}
        url = index.json["paths"]["apis/apps/v1"]["serverRelativeURL"]
        found = await server.get(url)
        assert (found.code, found.json["openapi"]) == (200, "3.0.0")
        assert found.headers["Cache-Control"] == "public, immutable"
        assert "Expires" in found.headers
        assert url.endswith(f"?hash={found.headers['Etag'].strip(chr(34))}")
        again = await server.get(url, headers={"If-None-Match": found.headers["Etag"]})
        assert (again.code, again.body) == (304, b"")
        without = await server.get("/openapi/v3/apis/apps/v1")
        assert (without.body, without.headers["Cache-Control"]) == (found.body, "no-cache, private")
        moved = await server.get("/openapi/v3/apis/apps/v1?hash=OLD")
        assert (moved.code, moved.body) == (200, found.body)  # the client has followed


@pytest.mark.parametrize(
    "path", ["/openapi/v3/apis/nope/v1", "/openapi/v3/api", "/openapi/v2/api/v1", "/openapi"]
)
async def test_other_documents_are_not_there(path: str) -> None:
    async with rest_server() as server:
        assert (await server.get(path)).code == 404


async def ask(documents: Documents, path: str, **headers: str) -> discovery.Page:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    page = await documents.answer(read_info("GET", path), sent)
    assert page is not None
    return page


async def test_a_client_that_takes_no_json_is_told_so() -> None:
    documents = Documents(TABLE, SystemClock())
    for accept in ("application/com.github.proto-openapi.spec.v3.v1.0+protobuf", "text/html"):
        assert (await ask(documents, "/openapi/v3/api/v1", accept=accept)).code == 406
    for accept in ("", "*/*", "application/json, */*"):
        assert (await ask(documents, "/openapi/v3/api/v1", accept=accept)).code == 200


V2_PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"


@pytest.mark.parametrize(
    ("accept", "want"),
    [
        ("", "application/json"),
        ("application/json, */*", "application/json"),
        # As kubectl sends it.
        ("application/com.github.proto-openapi.spec.v2@v1.0+protobuf", V2_PROTOBUF),
        (f"{V2_PROTOBUF};q=0.5,application/json;q=0.4", V2_PROTOBUF),
    ],
)
async def test_the_one_document_of_version_2_is_written_as_the_client_asks(accept: str, want: str) -> None:
    page = await ask(Documents(TABLE, SystemClock()), "/openapi/v2", accept=accept)
    assert (page.code, page.content_type) == (200, want)


async def test_version_2_is_not_offered_in_other_forms() -> None:
    assert (await ask(Documents(TABLE, SystemClock()), "/openapi/v2", accept="text/html")).code == 406


def test_version_2_says_what_the_documents_say(documents: dict[str, Any]) -> None:
    made = msgspec.json.decode(swagger(documents.values())[0])
    container = made["definitions"]["io.k8s.api.core.v1.Container"]["properties"]
    assert _without_descriptions(container["name"]) == {"type": "string"}
    assert _without_descriptions(container["resources"]) == {
        "$ref": "#/definitions/io.k8s.api.core.v1.ResourceRequirements"
    }
    quantity = made["definitions"]["io.k8s.apimachinery.pkg.api.resource.Quantity"]
    assert _without_descriptions(quantity) == {"type": "string"}
    create = made["paths"]["/api/v1/namespaces/{namespace}/pods"]["post"]
    assert create["parameters"][0] == {
        "name": "body", "in": "body", "required": True, "schema": {"$ref": "#/definitions/io.k8s.api.core.v1.Pod"},
    }  # fmt: skip
    assert {*made["paths"]} == {path for found in documents.values() for path in found["paths"]}


def test_protobuf_says_what_json_says(documents: dict[str, Any]) -> None:
    text, packed = swagger(documents.values())
    made, found = msgspec.json.decode(text), openapi_pb2.Document.FromString(packed)
    assert [one.name for one in found.definitions.additional_properties] == [*made["definitions"]]
    assert [one.name for one in found.paths.path] == [*made["paths"]]
    schemas = {one.name: one.value for one in found.definitions.additional_properties}
    ports = next(
        one.value
        for one in schemas["io.k8s.api.core.v1.Container"].properties.additional_properties
        if one.name == "ports"
    )
    assert [*ports.type.value] == ["array"]
    assert ports.items.schema[0].ref == "#/definitions/io.k8s.api.core.v1.ContainerPort"
    assert {one.name: one.value.yaml for one in ports.vendor_extension} == {
        "x-kubernetes-list-map-keys": '["containerPort","protocol"]', "x-kubernetes-list-type": '"map"',
        "x-kubernetes-patch-merge-key": '"containerPort"', "x-kubernetes-patch-strategy": '"merge"',
    }  # fmt: skip
    one = next(it.value for it in found.paths.path if it.name == "/api/v1/namespaces/{namespace}/pods/{name}")
    kinds = {it.name: it.value.yaml for it in one.patch.vendor_extension}
    assert kinds["x-kubernetes-action"] == '"patch"'
    names = [it.parameter.non_body_parameter.query_parameter_sub_schema.name for it in one.patch.parameters]
    assert "fieldValidation" in names


def test_a_kind_that_is_part_of_another_stays_one(documents: dict[str, Any]) -> None:
    claim = documents["apis/apps/v1"]["components"]["schemas"]["io.k8s.api.core.v1.PersistentVolumeClaim"]
    assert {"apiVersion", "kind"} <= {*claim["properties"]}


async def test_an_old_hash_leads_to_the_new_one() -> None:
    documents = Documents(TABLE, SystemClock())
    moved = await ask(documents, "/openapi/v3/api/v1?hash=OLD")
    assert moved.code == 301
    found = await ask(documents, moved.headers["Location"])
    assert moved.headers["Location"] == f"/openapi/v3/api/v1?hash={found.headers['ETag'].strip(chr(34))}"


async def test_documents_travel_packed_to_those_who_take_it() -> None:
    documents = Documents(TABLE, SystemClock())
    packed = await ask(documents, "/openapi/v3/api/v1", accept_encoding="gzip, deflate")
    plain = await ask(documents, "/openapi/v3/api/v1")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    made = _without_descriptions(document(TABLE, "", "v1"))
    assert _without_descriptions(msgspec.json.decode(plain.body)) == made


async def test_what_the_comments_of_the_protos_say_is_told() -> None:
    documents = Documents(TABLE, SystemClock())
    found = msgspec.json.decode((await ask(documents, "/openapi/v3/apis/trace.vaina.dev/v1")).body)
    step = found["components"]["schemas"]["dev.vaina.trace.v1.StepRecord"]
    assert any("description" in field for field in step["properties"].values())


async def test_nothing_is_made_before_somebody_asks() -> None:
    documents = Documents(TABLE, SystemClock())
    assert await documents.answer(read_info("GET", "/version"), {}) is None
    assert documents.size == 0
    await ask(documents, "/openapi/v3")
    assert 0 < documents.size < 1 << 20
