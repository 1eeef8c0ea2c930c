"""The default roles are stored when the apiserver starts, and completed at the next start."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from apiserver.authorization.attributes import Attributes
from apiserver.authorization.rbac import policy
from apiserver.authorization.rbac.reconciling import reconciled_binding, reconciled_role
from apiserver.authorization.rbac.roles import Roles
from apiserver.registry.default_roles import reconcile_default_roles
from tests.support.apiserver import Harness, cached_apiserver
from tests.support.rbac import empty_roles, make_binding, make_role, rule
from vaina.errors import Unavailable
from vaina.kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, KINDS, NAMESPACE, ROLE, ROLE_BINDING
from vaina.serving.handlers import User
from vaina.testing.builders import make_pod


@pytest.fixture
async def api() -> AsyncIterator[Harness]:
    async with cached_apiserver(roles=True) as harness:
        yield harness


def defaults() -> Roles:
    """Return the default roles with the aggregation done, as an apiserver has them."""
    made = empty_roles()
    known = {role.metadata.name: role for role in policy.cluster_roles()}
    for name in ("view", "edit", "admin"):
        for other in known.values():
            label = f"rbac.authorization.k8s.io/aggregate-to-{name}"
            if other.metadata.labels.get(label) == "true" and other is not known[name]:
                known[name].rules.extend(other.rules)
    for role in (*known.values(), *policy.roles()):
        made.put_role(role)
    for binding in (*policy.cluster_role_bindings(), *policy.role_bindings()):
        made.put_binding(binding)
    return made


async def test_they_are_stored_at_the_start_and_no_start_after_it_writes_anything(api: Harness) -> None:
    with pytest.raises(Unavailable):
        await api.client_of("jane").pods.list()
    await api.app.bootstrap()
    roles = {role.metadata.name for role in (await api.client.kind(CLUSTER_ROLE).list()).items}
    assert {"cluster-admin", "admin", "edit", "view", "system:node", "system:kube-scheduler"} <= roles
    assert len((await api.client.kind(ROLE).list()).items) == len(policy.roles())
    assert len((await api.client.kind(ROLE_BINDING).list()).items) == len(policy.role_bindings())
    bindings = (await api.client.kind(CLUSTER_ROLE_BINDING).list()).items
    assert len(bindings) == len(policy.cluster_role_bindings())
    before = await api.storage.current_version()
    await api.app.bootstrap()
    assert await api.storage.current_version() == before


async def test_what_is_missing_is_added_and_what_was_added_stays(api: Harness) -> None:
    await api.app.bootstrap()
    roles, bindings = api.client.kind(CLUSTER_ROLE), api.client.kind(CLUSTER_ROLE_BINDING)
    view = await roles.get("system:aggregate-to-view")
    whole = list(view.rules)
    del view.rules[3]
    view.rules.append(rule("get", "widgets", "example.com"))
    view.metadata.labels["mine"] = "yes"
    await roles.update(view)
    kept = await roles.get("system:basic-user")
    del kept.rules[:]
    kept.metadata.annotations[policy.AUTO_UPDATE] = "false"
    await roles.update(kept)
    await bindings.delete("system:discovery")
    await bindings.delete("system:basic-user")
    await bindings.create(make_binding("system:basic-user", "jane"))
    wrong = make_binding("system:volume-scheduler", "jane")
    wrong.role_ref.name = "cluster-admin"
    await bindings.delete("system:volume-scheduler")
    await bindings.create(wrong)
    await reconcile_default_roles(api.app.stores)
    view = await roles.get("system:aggregate-to-view")
    assert view.metadata.labels["mine"] == "yes"
    assert rule("get", "widgets", "example.com") in view.rules
    found = empty_roles()
    found.put_role(view)
    found.put_binding(make_binding("system:aggregate-to-view", "jane"))
    for one in whole:
        asked = Attributes(
            User("jane"), one.verbs[0], one.api_groups[0], *one.resources[0].partition("/")[::2]
        )
        assert found.authorize(asked).is_allowed
    assert not (await roles.get("system:basic-user")).rules
    assert [s.name for s in (await bindings.get("system:basic-user")).subjects] == [
        "jane",
        "system:authenticated",
    ]
    assert (await bindings.get("system:discovery")).subjects
    # For another role it is made anew, or whoever wrote it would keep that role.
    remade = await bindings.get("system:volume-scheduler")
    assert (remade.role_ref.name, [s.name for s in remade.subjects]) == (
        "system:volume-scheduler", ["system:kube-scheduler"],
    )  # fmt: skip


def test_a_complete_object_is_left_as_it_is() -> None:
    for role in (*policy.cluster_roles(), *policy.roles()):
        assert reconciled_role(role, role) is role
    for binding in (*policy.cluster_role_bindings(), *policy.role_bindings()):
        assert reconciled_binding(binding, binding) is binding
    aggregating = next(role for role in policy.cluster_roles() if role.metadata.name == "view")
    plain = make_role("view")
    made: Any = reconciled_role(plain, aggregating)
    assert made.aggregation_rule == aggregating.aggregation_rule


MAY = [
    # who, groups, what
    ("jane", "", "get /version"),
    ("jane", "", "create authorization.k8s.io/selfsubjectaccessreviews"),
    ("system:kube-scheduler", "", "create /pods/binding x"),
    ("system:kube-scheduler", "", "get coordination.k8s.io/leases kube-system kube-scheduler"),
    ("system:kube-controller-manager", "", "list /secrets"),
    ("root", "system:masters", "delete /nodes"),
    ("prometheus", "system:monitoring", "get /metrics"),
    ("prometheus", "system:monitoring", "get /readyz/etcd"),
    ("system:vaina-dashboard", "", "watch /pods"),
    ("system:vaina-dashboard", "", "get /pods/log x a"),
    ("system:vaina-dashboard", "", "watch trace.vaina.dev/podtraces x"),
    ("system:vaina-dashboard", "", "list coordination.k8s.io/leases kube-system"),
    ("system:vaina-dashboard", "", "get /machinery"),
]
MAY_NOT = [
    ("system:anonymous", "system:unauthenticated", "get /api"),
    ("jane", "", "get /machinery"),
    ("jane", "", "list /pods x"),
    ("jane", "", "get /metrics"),
    ("system:kube-scheduler", "", "get /secrets x a"),
    ("system:kube-scheduler", "", "create /pods x"),
    ("system:kube-scheduler", "", "update coordination.k8s.io/leases kube-system kube-controller-manager"),
    ("system:kube-scheduler", "", "update /nodes"),
    ("system:kube-controller-manager", "", "create /pods/exec x a"),
    ("system:kube-controller-manager", "", "create rbac.authorization.k8s.io/clusterrolebindings"),
    ("system:kube-controller-manager", "", "create /secrets x"),
    ("system:kube-controller-manager", "", "update coordination.k8s.io/leases/status kube-system kube-scheduler"),
    ("system:bootstrap:abcdef", "system:bootstrappers", "create certificates.k8s.io/certificatesigningrequests"),
    ("system:vaina-dashboard", "", "get /secrets x a"),
    ("system:vaina-dashboard", "", "list /configmaps x"),
    ("system:vaina-dashboard", "", "delete /pods x a"),
    ("system:vaina-dashboard", "", "create /pods/exec x a"),
    ("system:vaina-dashboard", "", "get /nodes/proxy a"),
    ("system:vaina-dashboard", "", "list /persistentvolumeclaims x"),
    ("system:vaina-dashboard", "", "list coordination.k8s.io/leases kube-node-lease"),
    # The Node authorizer answers for nodes; the role has nobody.
    ("system:node:a", "system:nodes", "get /secrets x a"),
]  # fmt: skip


def question(user: str, groups: str, words: str) -> Attributes:
    verb, what, *rest = words.split()
    who = User(user, (*groups.split(), *([] if "anonymous" in user else ["system:authenticated"])))
    if what in ("/version", "/api", "/metrics", "/readyz/etcd", "/machinery"):
        return Attributes(who, verb, path=what)
    group, resource, *sub = what.split("/")
    namespace, name = [*rest, "", ""][:2]
    return Attributes(who, verb, group, resource, "".join(sub), namespace, name)


@pytest.mark.parametrize(("user", "groups", "words"), MAY)
def test_they_give_what_is_needed(user: str, groups: str, words: str) -> None:
    assert defaults().authorize(question(user, groups, words)).is_allowed


@pytest.mark.parametrize(("user", "groups", "words"), MAY_NOT)
def test_they_give_no_more(user: str, groups: str, words: str) -> None:
    assert not defaults().authorize(question(user, groups, words)).is_allowed


def test_the_page_only_reads() -> None:
    [role] = [role for role in policy.cluster_roles() if role.metadata.name == policy.DASHBOARD]
    assert {verb for one in role.rules for verb in one.verbs if one.resources} == {"get", "list", "watch"}
    assert not {"*", "secrets", "configmaps"} & {name for one in role.rules for name in one.resources}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_each_kind_of_namespaces_can_be_seen_by_who_may_view_and_escalates_nothing(kind: Any) -> None:
    roles = defaults()
    for name in ("view", "edit", "admin"):
        roles.put_binding(make_binding(name, name, namespace="x", kind="ClusterRole"))

    def may(user: str, verb: str) -> bool:
        return roles.authorize(Attributes(User(user), verb, kind.group, kind.plural, "", "x")).is_allowed

    if not kind.namespaced:
        assert not any(may("edit", verb) for verb in ("create", "update", "delete"))
        assert may("admin", "get") == (kind is NAMESPACE)
        return
    left_out = {"PodTemplate", "CSIStorageCapacity"}
    admins = {"Role", "RoleBinding"}
    assert may("view", "get") == (kind.kind not in {"Secret", "Lease", *left_out, *admins})
    assert may("edit", "get") == (kind.kind not in {*left_out, *admins})
    assert may("admin", "get") == (kind.kind not in left_out)
    assert not may("view", "create")
    # Who may write addresses of others may send a Service's traffic anywhere (CVE-2021-25740).
    system = {"ResourceQuota", "LimitRange", "ControllerRevision", "PodTrace", "Endpoints", "EndpointSlice"}
    assert may("edit", "create") == (kind.kind not in {*left_out, *admins, *system})


@pytest.mark.parametrize("resource", ["pods", "services"])
def test_an_editor_speaks_with_pods_and_services_through_the_proxy_and_a_viewer_does_not(
    resource: str,
) -> None:
    roles = defaults()
    for name in ("view", "edit"):
        roles.put_binding(make_binding(name, name, namespace="x", kind="ClusterRole"))
    for verb in ("get", "create", "update", "patch", "delete"):
        for who in ("view", "edit"):
            asked = Attributes(User(who), verb, "", resource, "proxy", "x", "a")
            assert roles.authorize(asked).is_allowed == (who == "edit")


async def test_an_editor_of_a_namespace_works_in_it(api: Harness) -> None:
    await api.app.bootstrap()
    edit = await api.client.kind(CLUSTER_ROLE).get("system:aggregate-to-edit")
    await api.client.kind(CLUSTER_ROLE).create(make_role("editor", *edit.rules))
    await api.client.kind(ROLE_BINDING).create(
        make_binding("editor", "jane", namespace="default", kind="ClusterRole")
    )
    await api.client.kind(ROLE_BINDING).list()
    await api.client_of("jane").pods.create(make_pod())
