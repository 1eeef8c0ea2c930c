"""Access reviews answer as upstream's do, and are stored nowhere."""

from collections.abc import AsyncIterator

import pytest

from tests.support.apiserver import Harness, cached_apiserver, make_apiserver
from tests.support.rbac import make_binding, make_role, rule
from vaina.api.authorization.v1 import authorization_pb2 as pb
from vaina.client.clientset import Clientset
from vaina.client.reviews import Reviews
from vaina.client.transport import InProcessTransport
from vaina.errors import ApiError, BadRequest, Forbidden, Invalid
from vaina.kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ROLE_BINDING
from vaina.serving.handlers import User


@pytest.fixture
async def api() -> AsyncIterator[Harness]:
    async with cached_apiserver(roles=True) as harness:
        await harness.app.bootstrap()
        roles, bindings = harness.client.kind(CLUSTER_ROLE), harness.client.kind(ROLE_BINDING)
        await roles.create(make_role("reader", rule("get", "pods"), rule("list", "secrets", names="s")))
        await bindings.create(make_binding("reader", "jane", namespace="default", kind="ClusterRole"))
        await bindings.create(make_binding("gone", "joe", namespace="default", kind="ClusterRole"))
        await bindings.list()
        yield harness


def reviews(api: Harness, user: str, *groups: str) -> Reviews:
    return api.client_of(user, *groups).reviews


def resource(verb: str, plural: str, **of: str) -> pb.ResourceAttributes:
    return pb.ResourceAttributes(verb=verb, resource=plural, **of)  # type: ignore[arg-type]  # texts all


async def test_one_may_ask_what_one_may(api: Harness) -> None:
    jane = reviews(api, "jane")
    allowed = await jane.may_i(resource("get", "pods", namespace="default"))
    assert (allowed.allowed, allowed.denied) == (True, False)
    assert (
        allowed.reason
        == 'RBAC: allowed by RoleBinding "reader/default" of ClusterRole "reader" to User "jane"'
    )
    for asked in (
        resource("get", "pods"),
        resource("get", "pods", namespace="x"),
        resource("delete", "pods", namespace="default"),
        resource("list", "secrets", namespace="default"),
    ):
        assert not (await jane.may_i(asked)).allowed
    assert (await jane.may_i(resource("list", "secrets", namespace="default", name="s"))).allowed
    assert (await jane.may_i(pb.NonResourceAttributes(verb="get", path="/version"))).allowed
    assert not (await jane.may_i(pb.NonResourceAttributes(verb="get", path="/metrics"))).allowed
    broken = await reviews(api, "joe").may_i(resource("get", "pods", namespace="default"))
    assert broken.reason == 'RBAC: clusterrole.rbac.authorization.k8s.io "gone" not found'


async def test_the_rules_that_one_has_in_a_namespace(api: Harness) -> None:
    status = await reviews(api, "jane").my_rules("default")
    assert ["pods"] in [[*one.resources] for one in status.resource_rules]
    assert any("/version" in one.non_resource_urls for one in status.non_resource_rules)
    assert (status.incomplete, status.evaluation_error) == (False, "")
    node = await reviews(api, "system:node:a", "system:nodes").my_rules("default")
    assert (node.incomplete, node.evaluation_error) == (
        True, "node authorizer does not support user rule resolution",
    )  # fmt: skip
    with pytest.raises(BadRequest, match="no namespace on request"):
        await reviews(api, "jane").my_rules("")


async def test_who_one_is(api: Harness) -> None:
    found = (await reviews(api, "jane", "dev").who_am_i()).status.user_info
    assert (found.username, [*found.groups]) == ("jane", ["dev", "system:authenticated"])


async def test_a_service_account_reads_its_uid_and_what_else_is_known_of_it(api: Harness) -> None:
    extra = (("authentication.kubernetes.io/pod-name", ("web",)),)
    user = User("system:serviceaccount:default:web", ("system:authenticated",), "u-1", extra)
    client = Clientset(InProcessTransport(api.app.handlers, user=user))
    found = (await client.reviews.who_am_i()).status.user_info
    assert found.uid == "u-1"
    assert [(name, [*values.items]) for name, values in found.extra.items()] == [(extra[0][0], ["web"])]


async def test_who_asks_about_others_must_be_allowed_that(api: Harness) -> None:
    asked = pb.SubjectAccessReviewSpec(
        user="jane", resource_attributes=resource("get", "pods", namespace="default")
    )
    with pytest.raises(Forbidden, match='cannot create resource "subjectaccessreviews"'):
        await reviews(api, "jane").may_they(asked)
    root = reviews(api, "root", "system:masters")
    assert (await root.may_they(asked)).allowed
    assert (await root.may_they(asked, namespace="default")).allowed
    asked.user, asked.groups[:] = "", ["system:masters"]
    assert (await root.may_they(asked)).allowed


ASKED = [
    ("", "spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes"),
    ("both", "spec.nonResourceAttributes: Invalid value: {\"path\":\"/\"}: cannot be specified in combination with"),
    ("nobody", 'spec.user: Invalid value: "": at least one of user or group must be specified'),
    ("named", "metadata: Invalid value: "),
    ("elsewhere", 'spec.resourceAttributes.namespace: Invalid value: "x": must match metadata.namespace'),
    ("path", "spec.nonResourceAttributes: Invalid value: {\"path\":\"/\"}: disallowed on this kind of request"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "words"), ASKED)
async def test_what_is_no_question_is_refused(api: Harness, what: str, words: str) -> None:
    spec = pb.SubjectAccessReviewSpec(user="jane")
    namespace = "default" if what in {"elsewhere", "path"} else ""
    if what not in {"", "path"}:
        spec.resource_attributes.namespace = "x"
    if what in {"both", "path"}:
        spec.non_resource_attributes.path = "/"
    if what == "nobody":
        spec.user = ""
    root = reviews(api, "root", "system:masters")
    with pytest.raises(Invalid) as error:
        await root.may_they(spec, namespace=namespace, name="n" if what == "named" else "")
    assert words in error.value.message


async def test_without_roles_everything_is_allowed() -> None:
    client = make_apiserver().client.reviews
    assert (await client.may_i(resource("delete", "nodes"))).allowed
    status = await client.my_rules("default")
    assert [[*one.verbs] for one in status.resource_rules] == [["*"]]
    assert (await client.who_am_i()).status.user_info.username == "system:anonymous"


async def test_nothing_is_stored(api: Harness) -> None:
    before = await api.storage.current_version()
    await reviews(api, "jane").may_i(resource("get", "pods"))
    assert await api.storage.current_version() == before


async def test_one_who_is_not_known_may_not_even_ask(api: Harness) -> None:
    stranger = api.client_of("stranger").reviews
    await stranger.may_i(resource("get", "pods"))
    await api.client.kind(CLUSTER_ROLE_BINDING).delete("system:basic-user")
    await api.client.kind(CLUSTER_ROLE_BINDING).list()
    for ask in (stranger.who_am_i(), stranger.my_rules("default"), stranger.may_i(resource("get", "pods"))):
        with pytest.raises(ApiError, match="cannot create resource"):
            await ask
