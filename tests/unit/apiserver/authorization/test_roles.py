"""Stored roles and bindings say who may do what, as soon as the cache has them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from apiserver.authorization.attributes import Attributes
from apiserver.authorization.authorizer import AlwaysAllow
from apiserver.authorization.checks import Checks
from apiserver.authorization.rbac.roles import DEFAULTS, MAX_KEPT, MAX_QUESTION, Roles
from tests.support.apiserver import Harness, cached_apiserver, make_apiserver
from tests.support.rbac import empty_roles, make_binding, make_role, rule
from vaina.api.core.v1 import limit_range_pb2, manifest_service_pb2
from vaina.api.trace.v1 import trace_service_pb2
from vaina.errors import Forbidden, Invalid, NotFound, TooLarge, Unavailable
from vaina.kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, KINDS, NAMESPACE, ROLE, ROLE_BINDING, Kind
from vaina.serving.handlers import RequestContext, User
from vaina.testing.builders import make_config_map, make_namespace, make_node, make_pod

_ROWS: dict[str, Kind[Any]] = {kind.kind: kind for kind in KINDS}


@pytest.fixture
async def api() -> AsyncIterator[Harness]:
    async with cached_apiserver(roles=True) as harness:
        await harness.app.bootstrap()
        yield harness


async def store(api: Harness, *objects: Any) -> None:
    """Create, and wait until the cache has it."""
    for obj in objects:
        client = api.client.kind(_ROWS[obj.DESCRIPTOR.name])
        await client.create(obj)
        await client.list()


async def gave(api: Harness, user: str, *rules: Any, namespace: str = "") -> None:
    await store(
        api, make_role(user, *rules, namespace=namespace), make_binding(user, user, namespace=namespace)
    )


async def refused(call: Awaitable[object]) -> str:
    with pytest.raises(Forbidden) as error:
        await call
    return error.value.message


async def test_nobody_may_anything_until_a_role_is_bound_and_no_longer_than_it_is(api: Harness) -> None:
    jane = api.client_of("jane")
    assert await refused(jane.pods.list(namespace="x")) == (
        'pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "x"'
    )
    await store(api, make_namespace("x"))
    await gave(api, "jane", rule("list", "pods"), namespace="x")
    await jane.pods.list(namespace="x")
    for call in (jane.pods.list(namespace="y"), jane.pods.list(), jane.secrets.list(namespace="x")):
        await refused(call)
    await api.client.kind(ROLE_BINDING).delete("jane", "x")
    await api.client.kind(ROLE_BINDING).list()
    await refused(jane.pods.list(namespace="x"))


async def test_a_changed_role_counts_at_once(api: Harness) -> None:
    jane = api.client_of("jane")
    await gave(api, "jane", rule("list", "pods"))
    await jane.pods.list()
    role = await api.client.kind(CLUSTER_ROLE).get("jane")
    role.rules[0].resources[:] = ["nodes"]
    await api.client.kind(CLUSTER_ROLE).update(role)
    await api.client.kind(CLUSTER_ROLE).list()
    await refused(jane.pods.list())
    await jane.nodes.list()


async def test_a_role_of_a_namespace_gives_nothing_of_the_cluster(api: Harness) -> None:
    jane = api.client_of("jane")
    await store(api, make_namespace("x"), make_node("n"))
    await gave(api, "jane", rule("*", "*"), namespace="x")
    # Whatever namespace a request names.
    for call in (jane.nodes.get("n", "x"), jane.nodes.list(namespace="x"), jane.nodes.delete("n", "x")):
        assert "at the cluster scope" in await refused(call)
    await refused(jane.namespaces.get("default"))
    # But the namespace itself is in it, as /api/v1/namespaces/x is upstream.
    assert (await jane.namespaces.get("x")).metadata.name == "x"
    # Of lists and watches there is one path for all namespaces.
    for selector in ("", "metadata.name=x"):
        await refused(jane.namespaces.list(field_selector=selector))


def test_in_a_batch_of_namespaces_each_is_asked_for() -> None:
    roles = empty_roles()
    roles.put_role(make_role("own", rule("*", "*"), namespace="x"))
    roles.put_binding(make_binding("own", "jane", namespace="x"))
    check = Checks(roles).of(NAMESPACE.method("UpdateStatus")).batch(RequestContext(user=User("jane")))
    check("", "x")
    with pytest.raises(Forbidden):
        check("", "kube-system")


async def test_names_of_rules_hold_for_one_object_and_for_lists_of_it(api: Harness) -> None:
    jane = api.client_of("jane")
    await gave(api, "jane", rule("get list watch delete deletecollection create", "configmaps", names="a"))
    await store(api, make_config_map("a"), make_config_map("b"))
    await jane.config_maps.get("a", "default")
    await refused(jane.config_maps.get("b", "default"))
    await refused(jane.config_maps.list(namespace="default"))
    found = await jane.config_maps.list(namespace="default", field_selector="metadata.name=a")
    assert [one.metadata.name for one in found.items] == ["a"]
    await refused(jane.config_maps.list(namespace="default", field_selector="metadata.name!=b"))
    # A create names nothing that is there, and a deletion of many is none of one.
    await refused(jane.config_maps.create(make_config_map("a")))
    await refused(jane.config_maps.delete_collection("default", field_selector="metadata.name=a"))


async def test_a_batch_whose_rights_hang_on_names_is_asked_for_each(api: Harness) -> None:
    await gave(api, "jane", rule("delete", "pods", names="a"))
    await store(api, make_pod("a"), make_pod("b"))
    results = await api.client_of("jane").pods.delete_batch([("default", "b", ""), ("default", "a", "")])
    assert [isinstance(one, Forbidden) for one in results] == [True, False]


async def test_each_item_of_a_batch_is_for_its_namespace(api: Harness) -> None:
    jane = api.client_of("jane")
    await store(api, make_namespace("x"))
    await gave(api, "jane", rule("create", "pods"), namespace="x")
    pods = [make_pod("a", namespace="x"), make_pod("b"), make_pod("c", namespace="x"), make_pod("d")]
    results = await jane.pods.create_batch(pods)
    assert [isinstance(one, Forbidden) for one in results] == [False, True, False, True]
    assert {pod.metadata.name for pod in (await api.client.pods.list()).items} == {"a", "c"}


async def test_a_batch_asks_once_for_each_namespace() -> None:
    class Counting:
        def __init__(self) -> None:
            self.asked: list[Attributes] = []

        def authorize(self, attributes: Attributes) -> Any:
            self.asked.append(attributes)
            return AlwaysAllow().authorize(attributes)

    counting = Counting()
    api = make_apiserver(authorizer=counting)
    for name in ("x", "y"):
        await api.client.namespaces.create(make_namespace(name))
    del counting.asked[:]
    await api.client.pods.create_batch([make_pod(f"p{n}", namespace="xy"[n % 2]) for n in range(20)])
    assert [asked.namespace for asked in counting.asked] == ["x", "y"]


async def test_what_cannot_be_read_is_deleted_by_who_may_that(api: Harness) -> None:
    await gave(api, "jane", rule("delete", "configmaps"))
    for delete in (
        api.client_of("jane").config_maps.delete_unreadable("a", "default"),
        api.client_of("jane").config_maps.delete_unreadable("a", "default", dry_run=True),
    ):
        assert await refused(delete) == (
            'configmaps "a" is forbidden: not permitted to do "unsafe-delete-ignore-read-errors", reason: '
        )
    await gave(api, "joe", rule("delete unsafe-delete-ignore-read-errors", "configmaps"))
    with pytest.raises(NotFound):
        await api.client_of("joe").config_maps.delete_unreadable("a", "default")


async def test_an_update_that_creates_needs_the_right_to_create(api: Harness) -> None:
    jane = api.client_of("jane")
    await gave(api, "jane", rule("update", "limitranges"))
    made = limit_range_pb2.LimitRange()
    made.metadata.name, made.metadata.namespace = "l", "default"
    message = await refused(jane.limit_ranges.update(made))
    assert 'cannot create resource "limitranges"' in message
    await store(api, made)
    await jane.limit_ranges.update(made)


MANIFEST = """
{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: x}, data: {k: v}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: z}, data: {k: v}}
---
{apiVersion: v1, kind: Secret, metadata: {name: a, namespace: x}}
"""


async def test_a_manifest_is_authorized_document_by_document(api: Harness) -> None:
    await store(api, make_namespace("x"), make_namespace("z"))
    await gave(api, "jane", rule("get create", "configmaps"), namespace="x")
    manifests = api.client_of("jane").manifests
    request = manifest_service_pb2.ApplyRequest(manifest=MANIFEST)
    first = (await manifests.apply(request)).results
    assert [(one.action, one.error.reason) for one in first] == [
        ("created", ""), ("", "Forbidden"), ("", "Forbidden"),
    ]  # fmt: skip
    # Now it is there, and a change is a patch.
    request.manifest = MANIFEST.replace("k: v", "k: w")
    changed = (await manifests.apply(request)).results[0]
    assert 'cannot patch resource "configmaps"' in changed.error.message
    get = manifest_service_pb2.GetManifestRequest(resource="configmap", name="a", namespace="x")
    assert '"k": "v"' in (await manifests.get(get)).manifest
    for field, value in (("name", ""), ("resource", "secret")):
        other = manifest_service_pb2.GetManifestRequest(resource="configmap", name="a", namespace="x")
        setattr(other, field, value)
        await refused(manifests.get(other))


async def test_reports_of_steps_that_are_not_allowed_are_left_out(api: Harness) -> None:
    await store(api, make_namespace("x"))
    await gave(api, "jane", rule("create", "podtraces/report", "trace.vaina.dev"), namespace="x")
    jane = api.client_of("jane").pod_traces
    allowed, other = (
        trace_service_pb2.StepReport(namespace=namespace, pod_uid="u", pod_name="p")
        for namespace in ("x", "y")
    )
    for report in (allowed, other):
        report.record.step = "OBSERVED"
    await refused(jane.report([other]))
    assert await jane.report([other, allowed]) == 1


async def test_before_the_roles_are_read_nothing_is_allowed() -> None:
    roles = Roles()
    jane = User("jane", ("dev",))
    for what in (ROLE.kind, CLUSTER_ROLE.kind, ROLE_BINDING.kind, CLUSTER_ROLE_BINDING.kind, DEFAULTS):
        with pytest.raises(Unavailable):
            roles.authorize(Attributes(jane, "get", resource="pods"))
        roles.filled(what)
    assert not roles.authorize(Attributes(jane, "get", resource="pods")).is_allowed


def test_answers_are_kept_but_not_those_of_long_questions_and_not_too_many() -> None:
    roles = empty_roles()
    asked = Attributes(User("jane"), "get", "", "pods", "", "x")
    roles.authorize(asked)
    roles.authorize(asked._replace(name="a"))
    kept = roles._kept
    assert list(map(len, roles._answers.values())) == [1]
    for long in (
        asked._replace(resource="p" * MAX_QUESTION),
        asked._replace(user=User("j" * MAX_QUESTION)),
        asked._replace(user=User("jane", ("g" * MAX_QUESTION,))),
        asked._replace(namespace="\N{GRINNING FACE}"),
    ):
        assert not roles.authorize(long).is_allowed
    assert roles._kept == kept
    for number in range(MAX_KEPT // 1000):
        roles.authorize(asked._replace(namespace=f"{number:0900}"))
    assert 0 < sum(map(len, roles._answers.values())) < MAX_KEPT / 1000


def test_a_verdict_says_why() -> None:
    roles = empty_roles()
    asked = Attributes(User("jane"), "get", "", "pods", "", "x", "a")
    roles.put_binding(make_binding("ops", "jane", namespace="x"))
    assert roles.authorize(asked).reason == 'RBAC: role.rbac.authorization.k8s.io "ops" not found'
    roles.put_role(make_role("ops", rule("get", "pods"), namespace="x"))
    words = 'RBAC: allowed by RoleBinding "ops/x" of Role "ops" to User "jane"'
    assert roles.authorize(asked).reason == words


# -- nobody grants what they do not have

Given = Callable[[Harness], Awaitable[None]]
EDIT = rule(
    "get create update", "roles clusterroles rolebindings clusterrolebindings", "rbac.authorization.k8s.io"
)


async def test_the_author_of_a_role_has_what_it_gives(api: Harness) -> None:
    jane = api.client_of("jane", "dev")
    await gave(api, "jane", EDIT, rule("get list", "pods"))
    await jane.kind(CLUSTER_ROLE).create(make_role("reader", rule("get", "pods")))
    wanted = make_role("writer", rule("get delete", "pods"), rule("get", "secrets", names="s"))
    assert await refused(jane.kind(CLUSTER_ROLE).create(wanted)) == (
        'clusterroles.rbac.authorization.k8s.io "writer" is forbidden: user "jane" (groups=["dev" "system:authenticated"]) '
        "is attempting to grant RBAC permissions not currently held:\n"
        '{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}\n'
        '{APIGroups:[""], Resources:["secrets"], ResourceNames:["s"], Verbs:["get"]}'
    )
    wanted.metadata.name = "reader"
    await refused(jane.kind(CLUSTER_ROLE).update(wanted))
    # An owner is nobody's right: the garbage collector may take it out.
    await store(api, make_role("strong", rule("*", "*")))
    strong = await jane.kind(CLUSTER_ROLE).get("strong")
    strong.metadata.finalizers.append("example.com/held")
    await jane.kind(CLUSTER_ROLE).update(strong)
    await gave(api, "joe", EDIT, rule("escalate", "clusterroles", "rbac.authorization.k8s.io"))
    await api.client_of("joe").kind(CLUSTER_ROLE).create(make_role("new", rule("*", "*")))


async def test_a_role_of_a_namespace_is_given_by_who_has_it_there(api: Harness) -> None:
    await store(api, make_namespace("x"), make_namespace("y"))
    for namespace in ("x", "y"):
        await gave(api, "jane", EDIT, rule("get", "pods"), namespace=namespace)
    jane = api.client_of("jane").kind(ROLE)
    await jane.create(make_role("reader", rule("get", "pods"), namespace="x"))
    await refused(jane.create(make_role("writer", rule("delete", "pods"), namespace="x")))


@pytest.mark.timeout(20)
@pytest.mark.parametrize("words", [lambda _: "get", str], ids=["the same", "others"])
async def test_a_role_is_not_compared_with_its_authors_rights_for_long(
    api: Harness, words: Callable[[int], str]
) -> None:
    """A thousand verbs, groups and resources are a rule of ten kilobytes, and a milliard of pieces."""
    await gave(api, "jane", EDIT, rule("get", "pods"))
    many = [words(number) for number in range(1000)]
    role = make_role("large")
    role.rules.add(verbs=many, api_groups=many, resources=many)
    role.rules.add(verbs=["get"] * 1000, api_groups=[""] * 1000, resources=["pods"] * 1000)
    jane = api.client_of("jane").kind(CLUSTER_ROLE)
    with pytest.raises((Forbidden, TooLarge)):
        await jane.create(role)
    del role.rules[0]
    await jane.create(role)


async def test_a_namespace_in_the_request_gives_nothing_to_the_author_of_a_clusters_role(
    api: Harness,
) -> None:
    """Whoever has everything in a namespace of their own must not name it to give that for all namespaces."""
    await store(api, make_namespace("x"), make_role("reader", rule("get", "pods")))
    await gave(api, "jane", rule("patch", "clusterroles", "rbac.authorization.k8s.io"))
    await store(
        api, make_role("own", rule("*", "*"), namespace="x"), make_binding("own", "jane", namespace="x")
    )
    more = '{"rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"]}]}'
    jane = api.client_of("jane")
    for namespace in ("", "x"):
        message = await refused(jane.kind(CLUSTER_ROLE).patch("reader", more, namespace=namespace))
        assert "is attempting to grant RBAC permissions not currently held" in message


async def test_the_author_of_a_role_in_the_default_namespace_may_leave_it_out(api: Harness) -> None:
    own = (rule("get", "pods"), rule("patch", "roles", "rbac.authorization.k8s.io"))
    await store(api, make_role("reader", rule("get", "pods", names="a"), namespace="default"))
    await gave(api, "jane", *own, namespace="default")
    patch = '{"rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]}'
    changed = await api.client_of("jane").kind(ROLE).patch("reader", patch)
    assert not changed.rules[0].resource_names


async def test_an_aggregation_rule_needs_everything(api: Harness) -> None:
    await gave(api, "jane", EDIT)
    role = make_role("all")
    role.aggregation_rule.cluster_role_selectors.add().match_labels["a"] = "b"
    message = await refused(api.client_of("jane").kind(CLUSTER_ROLE).create(role))
    assert message.endswith("must have cluster-admin privileges to use the aggregationRule")


async def test_who_gathers_what_a_role_selects_grants_nothing(api: Harness) -> None:
    """The aggregation controller needs no right to escalate, which would make its key an administrator's."""
    await gave(api, "gatherer", EDIT)
    gatherer = api.client_of("gatherer").kind(CLUSTER_ROLE)
    aggregating = make_role("all")
    aggregating.aggregation_rule.cluster_role_selectors.add().match_labels["a"] = "b"
    part = make_role("part", rule("get", "pods"), rule("get", "secrets", names="s"))
    part.metadata.labels["a"] = "b"
    await store(api, aggregating, part, make_role("other", rule("delete", "nodes")))
    role = await gatherer.get("all")
    role.rules.extend(part.rules)
    role = await gatherer.update(role)
    assert len(role.rules) == 2
    # Less than is selected is no more than that.
    del role.rules[1:]
    role = await gatherer.update(role)

    role.rules.add(verbs=["delete"], api_groups=[""], resources=["nodes"])
    assert "is attempting to grant RBAC permissions not currently held" in await refused(
        gatherer.update(role)
    )
    role.rules.pop()
    role.aggregation_rule.cluster_role_selectors[0].match_labels["a"] = "c"
    await refused(gatherer.update(role))
    role.aggregation_rule.cluster_role_selectors[0].match_labels["a"] = "b"
    # With this label another role would gather it.
    role.metadata.labels["c"] = "d"
    await refused(gatherer.update(role))
    other = await gatherer.get("other")
    other.metadata.labels["a"] = "b"
    await refused(gatherer.update(other))
    other.aggregation_rule.CopyFrom(role.aggregation_rule)
    await refused(gatherer.update(other))


async def test_the_author_of_a_binding_has_what_the_role_gives_or_may_bind_it(api: Harness) -> None:
    await store(api, make_role("reader", rule("get", "pods")), make_role("strong", rule("*", "*")))
    await gave(api, "jane", EDIT, rule("get", "pods"))
    jane = api.client_of("jane").kind(CLUSTER_ROLE_BINDING)
    await jane.create(make_binding("reader", "mallory"))
    message = await refused(jane.create(make_binding("strong", "jane")))
    assert message.startswith(
        'clusterrolebindings.rbac.authorization.k8s.io "strong" is forbidden: user "jane"'
    )
    with pytest.raises(NotFound, match='"none" not found'):
        await jane.create(make_binding("none", "jane"))
    await gave(api, "joe", EDIT, rule("bind", "clusterroles", "rbac.authorization.k8s.io", names="strong"))
    await api.client_of("joe").kind(CLUSTER_ROLE_BINDING).create(make_binding("strong", "jane"))


async def test_a_binding_keeps_its_role(api: Harness) -> None:
    await store(api, make_role("a"), make_role("b"), make_binding("a", "jane"))
    bindings = api.client.kind(CLUSTER_ROLE_BINDING)
    found = await bindings.get("a")
    found.role_ref.name = "b"
    with pytest.raises(Invalid) as error:
        await bindings.update(found)
    assert error.value.message == (
        'ClusterRoleBinding.rbac.authorization.k8s.io "a" is invalid: roleRef: Invalid value: '
        '{"APIGroup":"rbac.authorization.k8s.io","Kind":"ClusterRole","Name":"b"}: cannot change roleRef'
    )


async def test_a_master_passes(api: Harness) -> None:
    root = api.client_of("root", "system:masters")
    await root.kind(CLUSTER_ROLE).create(make_role("all", rule("*", "*")))
