"""Discovery: both forms say the same, what they say is upstream's, and all of it is served."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from apiserver.rest import calls, discovery
from apiserver.rest.info import read_info
from apiserver.rest.served import SCALE, Served, Table, make_table, of_kind
from apiserver.services.descriptors import service_descriptor
from tests.support.rest import rest_server
from vaina.api.meta.v1 import discovery_pb2
from vaina.api.runtime.v1 import runtime_pb2
from vaina.errors import NotAcceptable
from vaina.kinds import DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER, KINDS, POD, POD_TRACE, Kind

TABLE = make_table()
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList"
#: as kubectl 1.32 sends it
KUBECTL = f"{AGGREGATED.format('v2')},{AGGREGATED.format('v2beta1')},application/json"


def ask(path: str, accept: str = "", *, table: Table = TABLE, seen: str = "") -> discovery.Page:
    sent: Mapping[str, str] = {"accept": accept, "host": "10.0.0.1:6443", "if-none-match": seen}
    page = discovery.answer(table, read_info("GET", path), sent)
    assert page is not None
    return page


def read(path: str, accept: str = "", **kwargs: Any) -> Any:
    return msgspec.json.decode(ask(path, accept, **kwargs).body)


def test_the_versions_of_the_core_group_come_with_the_address_that_the_client_used() -> None:
    assert read("/api") == {
        "kind": "APIVersions", "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "10.0.0.1:6443"}],
    }  # fmt: skip


def test_groups_come_in_upstreams_order() -> None:
    found = read("/apis")
    assert (found["kind"], found["apiVersion"]) == ("APIGroupList", "v1")
    order = [
        "apps", "events.k8s.io", "authentication.k8s.io", "authorization.k8s.io", "autoscaling", "batch",
        "certificates.k8s.io", "networking.k8s.io", "policy", "rbac.authorization.k8s.io", "storage.k8s.io",
        "scheduling.k8s.io", "coordination.k8s.io", "node.k8s.io", "discovery.k8s.io", "resource.k8s.io",
        "trace.vaina.dev", "metrics.k8s.io",
    ]  # fmt: skip
    names = [group["name"] for group in found["groups"]]
    assert names == [name for name in order if name in names]
    assert {kind.group for kind in KINDS} - {""} <= {*names}


def test_a_group_names_its_versions() -> None:
    assert read("/apis/apps") == {
        "kind": "APIGroup", "apiVersion": "v1", "name": "apps",
        "versions": [{"groupVersion": "apps/v1", "version": "v1"}],
        "preferredVersion": {"groupVersion": "apps/v1", "version": "v1"},
    }  # fmt: skip


def test_the_newest_version_of_a_group_is_preferred() -> None:
    older = Kind(
        "HorizontalPodAutoscaler", "horizontalpodautoscalers", HORIZONTAL_POD_AUTOSCALER.message, "", "",
        group="autoscaling", version="v1",
    )  # fmt: skip
    found = read("/apis/autoscaling", table=make_table(Served(older, "", {"get": "Get"})))
    assert [one["version"] for one in found["versions"]] == ["v2", "v1"]
    assert found["preferredVersion"]["version"] == "v2"


#: as a kube-apiserver of 1.37 shows them
RESOURCES = [
    (
        "/apis/apps/v1",
        {
            "name": "deployments", "singularName": "deployment", "namespaced": True, "kind": "Deployment",
            "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
            "shortNames": ["deploy"], "categories": ["all"], "storageVersionHash": "8aSe+NMegvE=",
        },
    ),
    (
        "/apis/apps/v1",
        {
            "name": "deployments/scale", "singularName": "", "namespaced": True, "group": "autoscaling",
            "version": "v1", "kind": "Scale", "verbs": ["get", "patch", "update"],
        },
    ),
    (
        "/api/v1",
        {
            "name": "pods", "singularName": "pod", "namespaced": True, "kind": "Pod",
            "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
            "shortNames": ["po"], "categories": ["all"], "storageVersionHash": "xPOwRZ+Yhw8=",
        },
    ),
    (
        "/api/v1",
        {
            "name": "pods/eviction", "singularName": "", "namespaced": True, "group": "policy", "version": "v1",
            "kind": "Eviction", "verbs": ["create"],
        },
    ),
    ("/api/v1", {"name": "pods/binding", "singularName": "", "namespaced": True, "kind": "Binding", "verbs": ["create"]}),
    ("/api/v1", {"name": "pods/log", "singularName": "", "namespaced": True, "kind": "Pod", "verbs": ["get"]}),
    (
        "/api/v1",
        {"name": "pods/exec", "singularName": "", "namespaced": True, "kind": "PodExecOptions", "verbs": ["create", "get"]},
    ),
    (
        "/api/v1",
        {"name": "nodes/status", "singularName": "", "namespaced": False, "kind": "Node", "verbs": ["get", "patch", "update"]},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("path", "want"), RESOURCES, ids=[str(want["name"]) for _, want in RESOURCES])
def test_a_resource_is_described_as_upstreams(path: str, want: dict[str, Any]) -> None:
    listed = read(path)
    assert want in listed["resources"]
    names = [resource["name"] for resource in listed["resources"]]
    assert names == sorted(names)


def test_only_the_core_group_goes_without_an_api_version() -> None:
    assert {key: value for key, value in read("/api/v1").items() if key != "resources"} == {
        "kind": "APIResourceList", "groupVersion": "v1",
    }  # fmt: skip
    assert {key: value for key, value in read("/apis/batch/v1").items() if key != "resources"} == {
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "batch/v1",
    }  # fmt: skip
    assert b"apiVersion" not in ask("/api?pretty=1").body
    assert b"apiVersion" not in ask("/api", "application/yaml").body


@pytest.mark.parametrize(
    "path", ["/api/v2", "/apis/nope", "/apis/apps/v2", "/apis//v1", "/apis/apps/v1/x/y", "/version", "/"]
)
def test_other_paths_are_not_answered(path: str) -> None:
    assert discovery.answer(TABLE, read_info("GET", path), {}) is None


@pytest.mark.parametrize(
    ("accept", "version"),
    [
        (KUBECTL, "v2"),
        (f"{AGGREGATED.format('v2beta1')},application/json", "v2beta1"),
        (f"{AGGREGATED.format('v3')},{AGGREGATED.format('v2beta1')}", "v2beta1"),
        ("application/json", ""),
        ("", ""),
        ("*/*", ""),
        (f"application/json,{AGGREGATED.format('v2')};q=0.5", ""),
        ("application/vnd.kubernetes.protobuf, */*", ""),
    ],
)
def test_what_the_client_takes_first_is_answered(accept: str, version: str) -> None:
    page = ask("/apis", accept)
    if version:
        assert page.content_type == AGGREGATED.format(version)
        assert msgspec.json.decode(page.body)["apiVersion"] == f"apidiscovery.k8s.io/{version}"
    else:
        assert "APIGroupDiscoveryList" not in page.content_type


@pytest.mark.parametrize(
    "accept", ["text/html", AGGREGATED.format("v3"), "application/json;as=Table;g=meta.k8s.io;v=v1"]
)
def test_what_is_not_offered_is_refused(accept: str) -> None:
    with pytest.raises(NotAcceptable, match="only the following media types are accepted"):
        ask("/apis", accept)


def test_protobuf_is_offered() -> None:
    page = ask("/api/v1", "application/vnd.kubernetes.protobuf")
    unknown = runtime_pb2.Unknown.FromString(page.body.removeprefix(b"k8s\0"))
    listed = discovery_pb2.APIResourceList.FromString(unknown.raw)
    assert listed.resources[0].verbs.items


def test_an_answer_that_the_client_has_is_not_sent_again() -> None:
    first = ask("/apis", KUBECTL)
    assert (first.headers["Vary"], first.headers["Cache-Control"]) == ("Accept", "public")
    again = ask("/apis", KUBECTL, seen=first.headers["ETag"])
    assert (again.code, again.body, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    other = ask("/apis", KUBECTL, seen=ask("/api", KUBECTL).headers["ETag"])
    assert other.code == 200


def _legacy(root: str) -> dict[tuple[str, str, str], tuple[Any, ...]]:
    """Return what the documents for one version each say, by group, version and resource."""
    versions = ["v1"] if root == "/api" else [
        one["groupVersion"] for group in read(root)["groups"] for one in group["versions"]
    ]  # fmt: skip
    return {
        (*(name.rpartition("/")[::2] if root == "/apis" else ("", name)), it["name"]): (
            it["namespaced"], it.get("group", ""), it.get("version", ""), it["kind"], it["verbs"],
            it["singularName"], it.get("shortNames", []), it.get("categories", []),
        )
        for name in versions
        for it in read(f"{root}/{name}")["resources"]
    }  # fmt: skip


def _all_at_once(root: str) -> dict[tuple[str, str, str], tuple[Any, ...]]:
    found: dict[tuple[str, str, str], tuple[Any, ...]] = {}
    for group in read(root, KUBECTL)["items"]:
        for version in group["versions"]:
            assert version["freshness"] == "Current"
            for it in version["resources"]:
                place, kind = (group["metadata"].get("name", ""), version["version"]), it["responseKind"]
                space = it["scope"] == "Namespaced"
                found[*place, it["resource"]] = (
                    space, kind["group"], kind["version"], kind["kind"], it["verbs"],
                    it["singularResource"], it.get("shortNames", []), it.get("categories", []),
                )  # fmt: skip
                for part in it.get("subresources", []):
                    kind = part["responseKind"]
                    found[*place, f"{it['resource']}/{part['subresource']}"] = (
                        space, kind["group"], kind["version"], kind["kind"], part["verbs"], "", [], [],
                    )  # fmt: skip
    return found


@pytest.mark.parametrize("root", ["/api", "/apis"])
def test_both_forms_say_the_same(root: str) -> None:
    assert _all_at_once(root) == _legacy(root)


_METHODS = {
    "get": "GET", "list": "GET", "watch": "GET", "create": "POST", "update": "PUT", "patch": "PATCH",
    "delete": "DELETE", "deletecollection": "DELETE",
}  # fmt: skip


def _path(group: str, version: str, name: str, verb: str, *, namespaced: bool) -> str:
    root = f"/apis/{group}/{version}" if group else f"/api/{version}"
    resource, _, part = name.partition("/")
    space = "/namespaces/a" if namespaced else ""
    path = f"{root}{space}/{resource}"
    if part:
        return f"{path}/x/{part}"
    query = "?watch=1" if verb == "watch" else ""
    return f"{path}/x" if verb in ("get", "update", "patch", "delete") else f"{path}{query}"


def test_each_verb_has_a_handler() -> None:
    for (group, version, name), said in {**_legacy("/api"), **_legacy("/apis")}.items():
        for verb in said[4]:
            info = read_info(_METHODS[verb], _path(group, version, name, verb, namespaced=said[0]))
            route = calls.route(TABLE, info)
            assert info.verb == verb, info
            if route.path:
                service, _, method = route.path.removeprefix("/").partition("/")
                assert method in service_descriptor(service).methods_by_name, route.path


def test_each_handler_of_a_resource_is_told_of() -> None:
    said = {**_legacy("/api"), **_legacy("/apis")}
    for (group, version, plural), row in TABLE.items():
        assert said[group, version, plural][4] == sorted(row.methods)
        for part in row.subresources.values():
            verbs = said[group, version, f"{plural}/{part.name}"][4]
            assert part.is_stream or verbs == sorted(part.methods)


def test_a_sub_resource_of_another_group_says_so() -> None:
    row = of_kind(DEPLOYMENT)
    assert row.subresources["scale"].shape is SCALE
    found = _legacy("/apis")["apps", "v1", "deployments/scale"]
    assert found[1:4] == ("autoscaling", "v1", "Scale")


async def test_the_server_answers_discovery() -> None:
    async with rest_server() as server:
        found = await server.get("/apis", headers={"Accept": KUBECTL})
        assert found.headers["Content-Type"] == AGGREGATED.format("v2")
        assert found.json["items"][0]["metadata"] == {"name": "apps"}
        again = await server.get("/apis", headers={"Accept": KUBECTL, "If-None-Match": found.headers["Etag"]})
        assert (again.code, again.body) == (304, b"")
        assert (await server.get("/apis/nope/v1")).code == 404
        assert (await server.get("/api/v1")).json["resources"]


def test_kinds_of_our_own_are_told_of_too() -> None:
    names = {(key[0], key[2]) for key in {**_legacy("/api"), **_legacy("/apis")}}
    assert {(POD.group, POD.plural), (POD_TRACE.group, POD_TRACE.plural)} <= names
