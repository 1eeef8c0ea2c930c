"""The real kubectl in somebody else's name, against stored roles: --as, --as-group, --as-uid."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.support.apiserver import cached_apiserver
from tests.support.certificates import ADMIN, APISERVER, Certificates
from tests.support.kubectl import PROGRAM, Kubectl
from tests.support.rbac import make_binding, make_role, rule
from tests.support.rest import rest_server
from vaina.api.core.v1 import service_account_pb2
from vaina.kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ROLE_BINDING
from vaina.pki.authority import Profile
from vaina.pki.kubeconfig import with_files
from vaina.testing.builders import make_namespace, make_pod

pytestmark = [
    pytest.mark.component,
    pytest.mark.timeout(180),
    pytest.mark.skipif(PROGRAM is None, reason="kubectl is not installed (deploy/trixie.sh kubectl)"),
]
#: a kubectl of a user, by name
Users = Callable[[Profile], Kubectl]
EDITOR, OPERATOR, HELPER = Profile("eva"), Profile("otto"), Profile("hal")


@pytest.fixture
async def users(tmp_path: Path) -> AsyncIterator[Users]:
    certificates = Certificates(tmp_path)
    async with cached_apiserver(roles=True) as api:
        await api.app.bootstrap()
        client = api.client
        await client.namespaces.create(make_namespace("ours"))
        await client.namespaces.create(make_namespace("theirs"))
        account = service_account_pb2.ServiceAccount()
        account.metadata.name, account.metadata.namespace = "bot", "ours"
        await client.service_accounts.create(account)
        await client.pods.create(make_pod("web", namespace="ours"))
        roles, bindings = client.kind(CLUSTER_ROLE), client.kind(CLUSTER_ROLE_BINDING)
        for role in (
            make_role("jane", rule("get list", "pods")),
            make_role("otto", rule("impersonate", "users groups", names="jane readers")),
            make_role(
                "hal",
                rule("impersonate:user-info", "users", "authentication.k8s.io", names="jane"),
                rule("impersonate-on:user-info:list", "pods"),
            ),
        ):
            await roles.create(role)
            await bindings.create(make_binding(role.metadata.name, role.metadata.name))
        readers = make_binding("jane", kind="ClusterRole")
        readers.metadata.name = "readers"
        readers.subjects.add(kind="Group", api_group="rbac.authorization.k8s.io", name="readers")
        await bindings.create(readers)
        # A part of the role `edit`: no controller is here that puts it together.
        edits = make_binding("system:aggregate-to-edit", EDITOR.name, namespace="ours", kind="ClusterRole")
        await client.kind(ROLE_BINDING).create(edits)
        await client.kind(ROLE_BINDING).list()
        given = {"credentials": certificates.issue(APISERVER)}
        async with rest_server(api, authorizer=api.app.authorizer, **given) as server:

            def as_user(profile: Profile) -> Kubectl:
                folder = certificates.issue(profile).path
                file = folder / "kubeconfig"
                file.write_text(with_files("test", server.url, "ca.crt", "tls.crt", "tls.key"))
                return Kubectl(file, "ours", tmp_path, tmp_path)

            yield as_user


async def test_an_administrator_sees_what_others_may(users: Users) -> None:
    await asyncio.to_thread(users(ADMIN).follows, """
$ auth can-i list pods --as=jane
yes
$ auth can-i delete pods --as=jane
no
[1]
$ auth can-i --list --as=jane
Resources …
…
pods …   []                  []               [get list]
…
$ auth can-i --list --as=nobody --as-group=readers
…
pods …   []                  []               [get list]
…
$ get pods --as=jane -o name
pod/web
$ delete pod web --as=jane
Error from server (Forbidden): pods "web" is forbidden: User "jane" cannot delete resource "pods" in API group "" in the namespace "ours"
[1]
$ get pods --as=nobody --as-group=readers -o name
pod/web
$ get pods --as=system:anonymous
Error from server (Forbidden): pods is forbidden: User "system:anonymous" cannot list resource "pods" in API group "" in the namespace "ours"
[1]
$ auth whoami --as=jane --as-group=dev --as-uid=u-1 -o jsonpath={.status.userInfo}
{"groups":["dev","system:authenticated"],"uid":"u-1","username":"jane"}
$ auth whoami --as=system:serviceaccount:ours:bot -o jsonpath={.status.userInfo.groups}
["system:serviceaccounts","system:serviceaccounts:ours","system:authenticated"]
""")  # fmt: skip


async def test_whoever_edits_a_namespace_may_be_its_accounts_and_nobody_else(users: Users) -> None:
    await asyncio.to_thread(users(EDITOR).follows, """
$ auth can-i list pods --as=system:serviceaccount:ours:bot
no
[1]
$ get pods --as=system:serviceaccount:theirs:bot
Error from server (Forbidden): serviceaccounts "bot" is forbidden: User "eva" cannot impersonate resource "serviceaccounts" in API group "" in the namespace "theirs"
[1]
$ get pods --as=kubernetes-admin --as-group=system:masters
Error from server (Forbidden): users "kubernetes-admin" is forbidden: User "eva" cannot impersonate resource "users" in API group "" at the cluster scope
[1]
$ get pods --as=system:serviceaccount:ours:bot --as-group=system:masters
Error from server (Forbidden): groups "system:masters" is forbidden: User "eva" cannot impersonate resource "groups" in API group "" at the cluster scope
[1]
""")  # fmt: skip


async def test_a_role_may_name_whom_its_holder_may_be(users: Users) -> None:
    await asyncio.to_thread(users(OPERATOR).follows, """
$ get pods -o name
Error from server (Forbidden): pods is forbidden: User "otto" cannot list resource "pods" in API group "" in the namespace "ours"
[1]
$ get pods -o name --as=jane
pod/web
$ get pods -o name --as=eva
Error from server (Forbidden): users "eva" is forbidden: User "otto" cannot impersonate resource "users" in API group "" at the cluster scope
[1]
$ get pods -o name --as=jane --as-uid=u-1
Error from server (Forbidden): uids.authentication.k8s.io "u-1" is forbidden: User "otto" cannot impersonate resource "uids" in API group "authentication.k8s.io" at the cluster scope
[1]
$ get pods --as-group=readers
Error in configuration: requesting uid, groups or user-extra for kubernetes-admin without impersonating a user
[1]
""")  # fmt: skip


async def test_a_role_may_name_the_requests_that_its_holder_may_make_as_somebody(users: Users) -> None:
    """Constrained impersonation: jane may read each Pod, her helper may list them for her and do no more."""
    await asyncio.to_thread(users(HELPER).follows, """
$ get pods -o name
Error from server (Forbidden): pods is forbidden: User "hal" cannot list resource "pods" in API group "" in the namespace "ours"
[1]
$ get pods -o name --as=jane
pod/web
$ get pod web -o name --as=jane
Error from server (Forbidden): pods "web" is forbidden: User "hal" cannot impersonate-on:user-info:get resource "pods" in API group "" in the namespace "ours"
[1]
$ get pods -o name --as=eva
Error from server (Forbidden): users.authentication.k8s.io "eva" is forbidden: User "hal" cannot impersonate:user-info resource "users" in API group "authentication.k8s.io" at the cluster scope
[1]
$ get pods -o name --as=jane --as-group=system:masters
Error from server (Forbidden): groups.authentication.k8s.io "system:masters" is forbidden: User "hal" cannot impersonate:user-info resource "groups" in API group "authentication.k8s.io" at the cluster scope: impersonating the system:masters group is not allowed
[1]
$ get pods -o name --as=system:node:n1
Error from server (Forbidden): pods is forbidden: User "hal" cannot impersonate-on:arbitrary-node:list resource "pods" in API group "" in the namespace "ours"
[1]
""")  # fmt: skip
