"""Server-side apply as REST clients send it: the type of the patch, options in the query, codes and causes."""

from typing import Any

from apiserver.authorization.attributes import Attributes
from apiserver.authorization.authorizer import ALLOWED, NO_OPINION, Verdict
from tests.support.rest import Answer, RestServer, rest_server

PATH = "/api/v1/namespaces/default/configmaps/web"
APPLY = "application/apply-patch+yaml"


def _config(**data: str) -> bytes:
    lines = "".join(f"  {name}: '{value}'\n" for name, value in data.items())
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: web\ndata:\n{lines}".encode()


async def _apply(
    server: RestServer, body: object, query: str = "fieldManager=mine", path: str = PATH
) -> Answer:
    return await server.patch(f"{path}?{query}", body, content_type=APPLY)


def _owners(answer: Answer) -> list[tuple[str, str]]:
    return [(e["manager"], e["operation"]) for e in answer.json["metadata"]["managedFields"]]


async def test_what_is_made_is_201_and_what_is_changed_200() -> None:
    async with rest_server() as server:
        made = await _apply(server, _config(a="1"))
        assert (made.code, made.json["data"]) == (201, {"a": "1"})
        again = await _apply(server, _config(a="2"))
        assert (again.code, again.json["data"]) == (200, {"a": "2"})


async def test_what_is_applied_may_be_json_and_the_type_have_a_charset() -> None:
    tree: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web"}}
    async with rest_server() as server:
        made = await server.patch(f"{PATH}?fieldManager=mine", tree, content_type=f"{APPLY}; charset=utf-8")
        assert made.code == 201


async def test_a_conflict_names_each_field_with_who_owns_it() -> None:
    async with rest_server() as server:
        await _apply(server, _config(a="1", b="1"), "fieldManager=other")
        refused = await _apply(server, _config(a="2", b="2"))
        assert refused.code == 409
        assert refused.json["reason"] == "Conflict"
        assert refused.json["message"] == (
            'Apply failed with 2 conflicts: conflicts with "other":\n- .data.a\n- .data.b'
        )
        assert refused.json["details"]["causes"] == [
            {"reason": "FieldManagerConflict", "message": 'conflict with "other"', "field": f".data.{name}"}
            for name in "ab"
        ]
        forced = await _apply(server, _config(a="2", b="2"), "fieldManager=mine&force=true")
        assert (forced.code, _owners(forced)) == (200, [("mine", "Apply")])


async def test_other_writes_belong_to_the_first_part_of_the_user_agent() -> None:
    async with rest_server() as server:
        await _apply(server, _config(a="1"))
        agent = {"User-Agent": "kubectl/v1.32.0 (linux/amd64) kubernetes/70d3cc9"}
        changed = await server.patch(PATH, {"data": {"b": "1"}}, headers=agent)
        assert _owners(changed) == [("mine", "Apply"), ("kubectl", "Update")]


async def test_options_of_an_apply_are_checked() -> None:
    async with rest_server() as server:
        nameless = await _apply(server, _config(a="1"), "")
        assert (nameless.code, nameless.json["details"]["causes"]) == (
            422,
            [{"reason": "FieldValueRequired", "message": "Required value: is required for apply patch", "field": "fieldManager"}],
        )  # fmt: skip
        forced = await server.patch(f"{PATH}?force=true", {})
        assert forced.code == 422
        assert forced.json["details"]["causes"][0]["field"] == "force"
        dry = await _apply(server, _config(a="1"), "fieldManager=mine&dryRun=All")
        assert (dry.code, (await server.get(PATH)).code) == (201, 404)


class _NoCreates:
    def authorize(self, attributes: Attributes) -> Verdict:
        return NO_OPINION if attributes.verb == "create" else ALLOWED


async def test_who_may_not_create_applies_to_what_is_there_alone() -> None:
    async with rest_server(authorizer=_NoCreates()) as server:
        refused = await _apply(server, _config(a="1"))
        assert (refused.code, refused.json["reason"]) == (403, "Forbidden")
        assert 'cannot create resource "configmaps"' in refused.json["message"]


async def test_a_scale_is_applied() -> None:
    deployment = "/apis/apps/v1/namespaces/default/deployments/web"
    body = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {a: b}}
  template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}
"""
    scale = b"apiVersion: autoscaling/v1\nkind: Scale\nmetadata: {name: web}\nspec: {replicas: 4}\n"
    async with rest_server() as server:
        assert (await _apply(server, body.encode(), path=deployment)).code == 201
        # The number that is there by default is nobody's, which a Scale of nobody tells as upstream's does.
        refused = await _apply(server, scale, "fieldManager=hpa", f"{deployment}/scale")
        assert refused.json["message"] == (
            'Apply failed with 1 conflict: conflict with "before-first-apply" with subresource "scale" '
            "using autoscaling/v1: .spec.replicas"
        )
        applied = await _apply(server, scale, "fieldManager=hpa&force=true", f"{deployment}/scale")
        assert (applied.code, applied.json["spec"]) == (200, {"replicas": 4})
        assert _owners(await server.get(deployment)) == [("hpa", "Apply"), ("mine", "Apply")]
