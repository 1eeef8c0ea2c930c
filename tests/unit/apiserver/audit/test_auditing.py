"""What is written of which call: through the whole apiserver, in process."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from apiserver.admission.pod_security.levels import Level, LevelVersion, Policy
from apiserver.audit.auditing import Auditing
from apiserver.audit.log import AuditLog, LogFile
from apiserver.authorization.attributes import Attributes
from apiserver.authorization.authorizer import ALLOWED, NO_OPINION, Verdict
from tests.support.apiserver import Harness, make_apiserver
from tests.support.audit import EVERYTHING, Collected, make_auditing, policy_of
from vaina.api.core.v1 import config_pb2, manifest_service_pb2
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport
from vaina.errors import AlreadyExists, ApiError, Forbidden, NotFound, Unauthorized
from vaina.kinds import POD
from vaina.serving.handlers import RequestContext, User
from vaina.testing.builders import make_config_map, make_namespace, make_pod
from vaina.testing.clock import FakeClock

JANE = User("jane", ("dev", "system:authenticated"))


class Allows:
    """An authorizer that allows what a function does."""

    def __init__(self, allows: Callable[[Attributes], bool]) -> None:
        self._allows = allows

    def authorize(self, attributes: Attributes) -> Verdict:
        return ALLOWED._replace(reason="RBAC: allowed") if self._allows(attributes) else NO_OPINION


class Audited:
    """An apiserver, a client of it as jane, and the events of her calls."""

    def __init__(
        self,
        folder: Path,
        text: str = EVERYTHING,
        allows: Callable[[Attributes], bool] = lambda _: True,
        **more: Any,
    ) -> None:
        clock = FakeClock(1_780_000_000)
        auditing, self._collected = make_auditing(policy_of(folder, text), clock)
        self.api: Harness = make_apiserver(clock=clock, auditing=auditing, authorizer=Allows(allows), **more)
        self.client = Clientset(InProcessTransport(self.api.app.handlers, clock=clock, user=JANE))

    def events(self) -> list[dict[str, Any]]:
        return self._collected.take()

    async def apply(self, text: str) -> None:
        await self.client.manifests.apply(manifest_service_pb2.ApplyRequest(manifest=text))

    def event(self) -> dict[str, Any]:
        [event] = self.events()
        return event


def secret(name: str = "s") -> config_pb2.Secret:
    made = config_pb2.Secret(type="Opaque", data={"password": b"canary-in-a-secret"})
    made.metadata.name, made.metadata.namespace = name, "default"
    return made


async def test_a_users_uid_and_what_else_is_known_of_it_are_written(tmp_path: Path) -> None:
    audited = Audited(tmp_path, "rules: [{level: Metadata}]")
    builder = User(
        "system:serviceaccount:default:builder", ("system:serviceaccounts",), "u-1", (("a", ("b", "c")),)
    )
    client = Clientset(InProcessTransport(audited.api.app.handlers, clock=FakeClock(0), user=builder))
    await client.config_maps.create(make_config_map("a"))
    assert audited.event()["user"] == {
        "username": builder.name, "uid": "u-1", "groups": ["system:serviceaccounts"], "extra": {"a": ["b", "c"]},
    }  # fmt: skip


async def test_a_create_is_written_with_who_and_what_and_what_came_of_it(tmp_path: Path) -> None:
    audited = Audited(tmp_path, "rules: [{level: Metadata}]")
    made = await audited.client.config_maps.create(make_config_map("a"))
    assert audited.event() == {
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": "audit-1",
        "stage": "ResponseComplete", "requestURI": "/vaina.api.core.v1.ConfigMapService/Create", "verb": "create",
        "user": {"username": "jane", "groups": ["dev", "system:authenticated"]}, "sourceIPs": [],
        "objectRef": {
            "resource": "configmaps", "namespace": "default", "name": "a", "uid": made.metadata.uid, "apiVersion": "v1",
            "resourceVersion": made.metadata.resource_version,
        },
        "responseStatus": {"metadata": {}, "code": 201},
        "requestReceivedTimestamp": "2026-05-28T20:26:40.000000Z", "stageTimestamp": "2026-05-28T20:26:40.000000Z",
        "annotations": {"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": "RBAC: allowed"},
    }  # fmt: skip


async def test_bodies_are_written_where_the_policy_says_so(tmp_path: Path) -> None:
    audited = Audited(tmp_path, "omitManagedFields: true\n" + EVERYTHING)
    made = make_config_map("a")
    made.data["key"] = "value"
    await audited.client.config_maps.create(made)
    event = audited.event()
    assert (event["requestObject"]["data"], event["responseObject"]["data"]) == ({"key": "value"},) * 2
    assert (event["requestObject"]["kind"], "managedFields" in event["responseObject"]["metadata"]) == ("ConfigMap", False)  # fmt: skip
    await audited.client.config_maps.patch("a", '{"data": {"key": "other"}}', namespace="default")
    event = audited.event()
    assert (event["requestObject"], event["responseObject"]["data"]) == (
        {"data": {"key": "other"}},
        {"key": "other"},
    )
    await audited.client.config_maps.get("a", "default")
    event = audited.event()
    assert ("requestObject" in event, event["responseObject"]["data"]) == (False, {"key": "other"})
    await audited.client.pods.create_batch([make_pod("a"), make_pod("b")])
    event = audited.event()
    assert [item["metadata"]["name"] for item in event["requestObject"]["items"]] == ["a", "b"]


async def test_what_is_applied_is_written_as_json(tmp_path: Path) -> None:
    audited = Audited(tmp_path, EVERYTHING)
    applied = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {key: value}"
    await audited.client.config_maps.apply("a", applied, namespace="default", field_manager="me")
    patch, _create = audited.events()
    assert patch["requestObject"] == {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"key": "value"},
    }  # fmt: skip


async def test_no_policy_writes_what_is_in_a_secret(tmp_path: Path) -> None:
    audited = Audited(tmp_path)
    secrets = audited.client.secrets
    await secrets.create(secret())
    found = await secrets.get("s", "default")
    await secrets.update(found)
    await secrets.patch("s", '{"stringData": {"password": "canary-in-a-patch"}}', namespace="default")
    with pytest.raises(ApiError):
        await secrets.patch("s", '{"data": {"password": "canary of no base64"}}', namespace="default")
    await audited.apply(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: t}\nstringData: {a: canary-in-a-manifest}\n"
    )
    await secrets.list("default")
    await secrets.delete("s", "default")
    events = audited.events()
    assert {event["level"] for event in events} == {"Metadata"}
    assert "canary" not in str(events)
    assert [event["verb"] for event in events] == [
        "create", "get", "update", "patch", "patch", "get", "create", "list", "delete",
    ]  # fmt: skip


async def test_what_is_refused_is_written_with_the_decision(tmp_path: Path) -> None:
    audited = Audited(tmp_path, "rules: [{level: Metadata}]", lambda asked: asked.verb != "delete")
    with pytest.raises(Forbidden):
        await audited.client.pods.delete("a", "default")
    event = audited.event()
    assert event["responseStatus"] == {
        "metadata": {}, "status": "Failure", "reason": "Forbidden", "code": 403,
        "details": {"name": "a", "kind": "pods"},
        "message": 'pods "a" is forbidden: User "jane" cannot delete resource "pods" in API group "" in the namespace "default"',
    }  # fmt: skip
    assert event["annotations"]["authorization.k8s.io/decision"] == "forbid"
    assert event["objectRef"]["name"] == "a"
    with pytest.raises(NotFound):
        await audited.client.pods.get("a", "default")
    event = audited.event()
    assert (event["responseStatus"]["code"], event["responseStatus"]["reason"]) == (404, "NotFound")


async def test_a_batch_is_written_for_each_namespace_with_the_names_of_what_it_did(tmp_path: Path) -> None:
    audited = Audited(tmp_path, "rules: [{level: Metadata}]", lambda asked: asked.namespace != "closed")
    for name in ("team", "closed"):
        await audited.client.namespaces.create(make_namespace(name))
    await audited.client.pods.create(make_pod("b"))
    audited.events()
    pods = [make_pod("a"), make_pod("b"), make_pod("c", namespace="team"), make_pod("d", namespace="closed")]
    results = await audited.client.pods.create_batch(pods)
    assert [type(result) for result in results if isinstance(result, ApiError)] == [AlreadyExists, Forbidden]
    found = [
        (
            event["objectRef"]["namespace"], event["responseStatus"]["code"],
            event["annotations"].get("vaina.dev/objects"), event["annotations"]["vaina.dev/failed"],
        )
        for event in audited.events()
    ]  # fmt: skip
    assert found == [("default", 201, "a", "2"), ("team", 201, "c", "2"), ("closed", 403, None, "2")]


async def test_each_document_of_a_manifest_is_written_with_what_came_of_it(tmp_path: Path) -> None:
    audited = Audited(tmp_path, "rules: [{level: Metadata, verbs: [create, patch]}]")
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\n"
    broken = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b, labels: {'?': x}}\n---\n"
    other = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n"
    await audited.apply(text + broken + other)

    def found() -> list[tuple[str, str, int]]:
        return [
            (event["verb"], event["objectRef"]["name"], event["responseStatus"]["code"])
            for event in audited.events()
        ]

    assert found() == [("create", "a", 200), ("create", "b", 422), ("create", "c", 200)]
    await audited.apply(text.replace("name: a", "name: a, annotations: {a: b}"))
    assert found() == [("patch", "a", 200)]


async def test_a_document_that_comes_to_no_authorization_hides_none_before_it(tmp_path: Path) -> None:
    audited = Audited(tmp_path, "rules: [{level: Metadata, verbs: [create, patch]}]")
    unnamed = "apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: b}\n"
    await audited.apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\n" + unnamed)
    found = [(event["objectRef"]["name"], event["responseStatus"]["code"]) for event in audited.events()]
    assert found == [("a", 200)]


async def test_a_watch_is_written_when_it_begins_and_when_it_ends(tmp_path: Path) -> None:
    audited = Audited(tmp_path, "rules: [{level: Metadata}]")
    async with asyncio.timeout(60):
        stream = audited.client.pods.watch("default", resource_version="0")
        async for _ in stream:
            break
        await stream.aclose()
    began, ended = audited.events()
    assert [event["stage"] for event in (began, ended)] == ["ResponseStarted", "ResponseComplete"]
    assert began["auditID"] == ended["auditID"]
    assert [event["responseStatus"]["code"] for event in (began, ended)] == [200, 200]
    assert began["objectRef"] == {"resource": "pods", "namespace": "default", "apiVersion": "v1"}


async def test_a_call_that_cannot_be_read_is_known_by_its_method(tmp_path: Path) -> None:
    audited = Audited(tmp_path, "rules: [{level: Metadata}]")
    with pytest.raises(ApiError):
        await audited.client.transport.unary(POD.method("Delete"), b"\xff")
    event = audited.event()
    assert (event["verb"], event["objectRef"], event["responseStatus"]["code"]) == (
        "delete", {"resource": "pods", "apiVersion": "v1"}, 400,
    )  # fmt: skip
    assert "authorization.k8s.io/decision" not in event["annotations"]


async def test_a_caller_who_counts_no_more_is_written(tmp_path: Path) -> None:
    audited = Audited(tmp_path, "rules: [{level: Metadata}]")
    tell = audited.api.app.on_unauthorized
    assert tell is not None
    why = Unauthorized("Unauthorized: the certificate of jane is denied")
    tell(POD.method("Delete"), RequestContext(peer="ipv4:10.0.0.1:4567", user=JANE), why)
    event = audited.event()
    assert (event["user"]["username"], event["verb"], event["sourceIPs"]) == ("jane", "delete", ["10.0.0.1"])
    assert event["responseStatus"] == {
        "metadata": {}, "status": "Failure", "reason": "Unauthorized", "code": 401,
        "message": "Unauthorized: the certificate of jane is denied",
    }  # fmt: skip


async def test_those_who_are_not_known_do_not_fill_the_log(tmp_path: Path) -> None:
    """Each other call waits until there is room; these are answered at once."""
    clock = FakeClock(1_780_000_000)
    log = AuditLog(LogFile(str(tmp_path / "audit.log"), clock), clock, max_bytes=1000)
    auditing = Auditing(policy_of(tmp_path), log, clock, lambda: "audit-1")
    for _ in range(100):
        auditing.unauthorized(POD.method("Delete"), RequestContext(), Unauthorized("Unauthorized"))
    assert 1000 <= log._bytes < 2000


async def test_a_bug_is_written_as_a_panic_without_its_words(tmp_path: Path) -> None:
    audited = Audited(tmp_path, EVERYTHING, _fails)
    with pytest.raises(ApiError):
        await audited.client.pods.get("a", "default")
    event = audited.event()
    assert (event["stage"], event["responseStatus"]) == (
        "Panic", {"metadata": {}, "code": 500, "status": "Failure", "message": "APIServer panic'd: ZeroDivisionError"},
    )  # fmt: skip


def _fails(_: Attributes) -> bool:
    raise ZeroDivisionError("canary")


async def test_pod_security_is_noted(tmp_path: Path) -> None:
    audited = Audited(
        tmp_path,
        "rules: [{level: Metadata}]",
        pod_security=Policy(*(LevelVersion(Level.BASELINE),) * 3),
        exempt=("kube-system",),
    )
    await audited.client.namespaces.create(make_namespace("kube-system"))
    audited.events()
    await audited.client.pods.create(make_pod("a"))
    prefix = "pod-security.kubernetes.io/"
    assert audited.event()["annotations"][f"{prefix}enforce-policy"] == "baseline:latest"
    privileged = make_pod("b")
    privileged.spec.host_pid = True
    with pytest.raises(Forbidden):
        await audited.client.pods.create(privileged)
    event = audited.event()
    assert event["annotations"][f"{prefix}audit-violations"] == (
        'would violate PodSecurity "baseline:latest": host namespaces (hostPID=true)'
    )
    assert (event["responseStatus"]["code"], event["annotations"]["authorization.k8s.io/decision"]) == (
        403,
        "allow",
    )
    privileged.metadata.namespace = "kube-system"
    await audited.client.pods.create(privileged)
    assert audited.event()["annotations"][f"{prefix}exempt"] == "namespace"


async def test_what_no_rule_concerns_is_not_written(tmp_path: Path) -> None:
    audited = Audited(tmp_path, "rules: [{level: None, users: [jane]}, {level: Metadata}]")
    await audited.client.pods.create(make_pod("a"))
    assert audited.events() == []
    collected = Collected()
    assert collected.take() == []


async def test_what_a_client_makes_long_is_cut(tmp_path: Path) -> None:
    audited = Audited(tmp_path, EVERYTHING)
    with pytest.raises(ApiError):
        await audited.client.pods.get("x" * 1_000_000, "y" * 1_000_000)
    event = audited.event()
    assert event["objectRef"]["name"] == "x" * 1024 + "...TRUNCATED"
    assert len(str(event)) < 10_000
    large = make_config_map("large")
    large.data["a"] = "b" * 500_000
    await audited.client.config_maps.create(large)
    event = audited.event()
    assert (event["annotations"]["audit.k8s.io/truncated"], "requestObject" in event) == ("true", False)
    await audited.client.pods.create_batch([make_pod(f"{'n' * 200}-{index}") for index in range(1000)])
    assert len(str(audited.event())) < 120_000
