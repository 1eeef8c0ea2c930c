"""TokenRequest and TokenReview: what is answered, and to whom."""

from typing import Any

import pytest

from apiserver.authorization.attributes import Attributes
from apiserver.authorization.authorizer import ALLOWED, NO_OPINION, Verdict
from tests.support.apiserver import Harness, cached_apiserver, make_apiserver
from tests.support.tokens import ISSUER, USER, Signer, account, bound, bound_pod, parts, token_of
from vaina.api.authentication.v1 import authentication_pb2 as pb
from vaina.api.authentication.v1 import authentication_service_pb2
from vaina.api.core.v1 import config_pb2
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport
from vaina.errors import ApiError, BadRequest, Conflict, Forbidden, Invalid, NotFound
from vaina.serving.handlers import User

NODE = User("system:node:node-1", ("system:nodes", "system:authenticated"))


async def world(**more: Any) -> Harness:
    api = make_apiserver(tokens=Signer(more=more))
    await api.client.service_accounts.create(account())
    return api


async def request(
    api: Harness, name: str = "builder", *, uid: str = "", user: User | None = None, **spec: Any
) -> pb.TokenRequest:
    clients = api.client
    if user is not None:
        clients = Clientset(InProcessTransport(api.app.handlers, user=user))
    return await clients.service_accounts.create_token(name, "default", pb.TokenRequestSpec(**spec), uid=uid)


async def test_a_request_comes_back_with_its_token_and_what_was_decided() -> None:
    api = await world()
    made, now = await request(api), int(api.clock.now())
    uid = (await api.client.service_accounts.get("builder", "default")).metadata.uid
    meta, spec, status = made.metadata, made.spec, made.status
    assert (meta.name, meta.namespace, meta.uid) == ("builder", "default", uid)
    assert meta.creation_timestamp.seconds == now
    assert ([*spec.audiences], spec.expiration_seconds) == ([ISSUER], 3600)
    assert status.expiration_timestamp.seconds == now + 3600
    payload = parts(status.token)[1]
    assert (payload["exp"], payload["sub"], payload["iss"]) == (now + 3600, USER, ISSUER)
    assert payload["kubernetes.io"] == {
        "namespace": "default", "serviceaccount": {"name": "builder", "uid": uid},
    }  # fmt: skip


async def test_a_token_of_a_pod_tells_of_its_node() -> None:
    api = await world()
    pod = await bound_pod(api)
    node = await api.client.nodes.get("node-1")
    token = await token_of(api, to=bound("Pod", "web", pod.metadata.uid))
    ours = parts(token)[1]["kubernetes.io"]
    assert ours["pod"] == {"name": "web", "uid": pod.metadata.uid}
    assert ours["node"] == {"name": "node-1", "uid": node.metadata.uid}
    await api.client.nodes.delete("node-1")
    assert parts(await token_of(api, to=bound("Pod", "web")))[1]["kubernetes.io"]["node"] == {
        "name": "node-1"
    }


WRONG = [
    ({"expiration_seconds": 599}, Invalid, 'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: '
     "Invalid value: 599: may not specify a duration less than 10 minutes"),
    ({"expiration_seconds": -1}, Invalid, "less than 10 minutes"),
    ({"expiration_seconds": (1 << 32) + 1}, Invalid, r"may not specify a duration larger than 2\^32 seconds"),
    ({"name": "nobody"}, NotFound, 'serviceaccounts "nobody" not found'),
    ({"name": "a/b"}, BadRequest, "Name parameter invalid"),
    ({"uid": "another"}, Conflict, r'Operation cannot be fulfilled on TokenRequest.authentication.k8s.io "builder": the '
     r"UID in the token request \(another\) does not match the UID of the service account"),
    ({"bound_object_ref": bound("Pod", "web", "another")}, Conflict,
     r'on Pod "web": the UID in the bound object reference \(another\) does not match the UID in record'),
    ({"bound_object_ref": bound("Pod", "none")}, NotFound, 'pods "none" not found'),
    ({"bound_object_ref": bound("Pod", "other")}, BadRequest,
     'cannot bind token for serviceaccount "builder" to pod running with different serviceaccount name.'),
    ({"bound_object_ref": bound("Secret", "none")}, NotFound, 'secrets "none" not found'),
    ({"bound_object_ref": bound("Node", "none")}, NotFound, 'nodes "none" not found'),
    ({"bound_object_ref": bound("ConfigMap", "c")}, BadRequest,
     "cannot bind token to object of type /v1, Kind=ConfigMap"),
    ({"bound_object_ref": bound("Deployment", "c", version="apps/v1")}, BadRequest,
     "cannot bind token to object of type apps/v1, Kind=Deployment"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "error", "words"), WRONG, ids=[words[:60] for _, _, words in WRONG])
async def test_what_cannot_be_had_is_refused(spec: dict[str, Any], error: type[ApiError], words: str) -> None:
    api = await world()
    await bound_pod(api)
    await api.client.service_accounts.create(account("default"))
    await api.pod("other")
    with pytest.raises(error, match=words):
        await request(api, **spec)


async def test_a_token_holds_no_longer_than_is_allowed() -> None:
    api = await world(service_account_max_token_expiration=7200.0)
    made = await request(api, expiration_seconds=86_400)
    assert made.spec.expiration_seconds == 7200
    assert api.warnings == ["requested expiration of 86400 seconds shortened to 7200 seconds"]
    payload = parts(made.status.token)[1]
    assert payload["exp"] - payload["iat"] == 7200


async def test_without_keys_there_are_no_tokens() -> None:
    api = make_apiserver()
    await api.client.service_accounts.create(account())
    with pytest.raises(NotFound, match="the server could not find the requested resource"):
        await request(api)


class Audiences:
    """Allows nodes to ask for tokens for the audience `cloud`."""

    def authorize(self, attributes: Attributes) -> Verdict:
        if attributes.verb != "request-serviceaccounts-token-audience":
            return ALLOWED
        is_it = (attributes.resource, attributes.namespace, attributes.name) == (
            "cloud",
            "default",
            "builder",
        )
        return ALLOWED if is_it else NO_OPINION


NODES = [
    ("a token of nothing", {}, "node requested token not bound to a pod"),
    ("a Secret's", {"to": bound("Secret", "s", "u")}, "node requested token not bound to a pod"),
    ("a Node's", {"to": bound("Node", "node-1", "u")}, "node requested token not bound to a pod"),
    ("without a uid", {"to": bound("Pod", "web")}, "node requested token with a pod binding without a uid"),
    ("of an earlier Pod", {"to": bound("Pod", "web", "earlier")}, "does not match the UID in record"),
    ("of another node's Pod", {"pod": "far"}, "node requested token bound to a pod scheduled on a different node"),
    ("of a Pod without a node", {"pod": "waits"}, "token bound to a pod scheduled on a different node"),
    ("two audiences", {"pod": "web", "audiences": ["", "vault"]}, "node may only request 0 or 1 audiences"),
    ("an audience of none of its volumes", {"pod": "web", "audiences": ["moon"]}, 'audience "moon" not found in pod spec'),
    ("its Pod's", {"pod": "web"}, ""),
    ("its Pod's, for an audience of its volumes", {"pod": "web", "audiences": ["vault"]}, ""),
]  # fmt: skip


async def cluster_of_two() -> Harness:
    """Pods of the account: web on node-1, far on node-2, waits on none; they mount a token for vault."""
    api = make_apiserver(tokens=Signer(), authorizer=Audiences())
    await api.client.service_accounts.create(account())
    for name, node in (("web", "node-1"), ("far", "node-2")):
        await bound_pod(api, name, node)
    waits = await api.client.pods.get("web", "default")
    waits.spec.node_name, waits.metadata.name = "", "waits"
    waits.metadata.ClearField("uid")
    waits.metadata.resource_version = ""
    await api.client.pods.create(waits)
    return api


@pytest.mark.parametrize(("_name", "asked", "words"), NODES, ids=[name for name, _, _ in NODES])
async def test_a_kubelet_gets_tokens_of_its_own_pods_alone(
    _name: str, asked: dict[str, Any], words: str
) -> None:
    api = await cluster_of_two()
    to = asked.get("to")
    if "pod" in asked:
        to = bound("Pod", asked["pod"], (await api.client.pods.get(asked["pod"], "default")).metadata.uid)
    spec = {"bound_object_ref": to, "audiences": asked.get("audiences", [])}
    if not words:
        made = await request(api, user=NODE, **spec)
        assert parts(made.status.token)[1]["sub"] == USER
        return
    with pytest.raises(Forbidden, match=words) as caught:
        await request(api, user=NODE, **spec)
    assert caught.value.message.startswith('serviceaccounts "builder" is forbidden: ')


async def test_further_audiences_are_allowed_by_roles() -> None:
    api = make_apiserver(tokens=Signer(), authorizer=Audiences())
    await api.client.service_accounts.create(account())
    to = bound("Pod", "web", (await bound_pod(api)).metadata.uid)
    await request(api, user=NODE, bound_object_ref=to, audiences=["cloud"])
    with pytest.raises(Forbidden, match='audience "moon" not found'):
        await request(api, user=NODE, bound_object_ref=to, audiences=["moon"])


# -- TokenReview


async def review(api: Harness, token: str, *audiences: str, user: User | None = None) -> pb.TokenReview:
    transport = api.client.transport if user is None else InProcessTransport(api.app.handlers, user=user)
    asked = authentication_service_pb2.CreateTokenReviewRequest()
    asked.object.spec.token = token
    asked.object.spec.audiences.extend(audiences)
    asked.object.status.authenticated = True
    path = "/vaina.api.authentication.v1.TokenReviewService/Create"
    return pb.TokenReview.FromString(await transport.unary(path, asked.SerializeToString()))


async def test_a_review_says_whose_a_token_is() -> None:
    api = await world()
    token = await token_of(api, audiences=["vault", ISSUER])
    status = (await review(api, token)).status
    assert (status.authenticated, [*status.audiences], status.error) == (True, [ISSUER], "")
    assert status.user.username == USER
    assert next(iter(status.user.groups)) == "system:serviceaccounts"
    assert "authentication.kubernetes.io/credential-id" in status.user.extra
    assert [*(await review(api, token, "vault", "x")).status.audiences] == ["vault"]


async def test_a_review_says_why_a_token_does_not_count() -> None:
    api = await world()
    token = await token_of(api)
    wrong = (await review(api, token, "vault")).status
    assert not wrong.authenticated
    assert not wrong.user.username
    assert wrong.error == f'token audiences ["{ISSUER}"] is invalid for the target audiences ["vault"]'
    assert (await review(api, "nonsense")).status.error == "invalid bearer token"
    with pytest.raises(BadRequest, match="token is required for TokenReview in authentication"):
        await review(api, "")


async def test_who_reviews_tokens_must_be_allowed_that() -> None:
    async with cached_apiserver(roles=True, tokens=Signer()) as api:
        await api.app.bootstrap()
        await api.client.service_accounts.create(account())
        token = await token_of(api)
        with pytest.raises(Forbidden, match='cannot create resource "tokenreviews"'):
            await review(api, token, user=User("jane", ("system:authenticated",)))
        with pytest.raises(Forbidden, match='cannot create resource "serviceaccounts/token" in API group ""'):
            await request(api, user=User("jane", ("system:authenticated",)))
        assert (await review(api, token)).status.authenticated


async def test_secrets_are_no_less_secret_for_their_type() -> None:
    """A Secret of the type of long-lived tokens is not one: nobody writes a token into it."""
    api = await world()
    secret = config_pb2.Secret(type="kubernetes.io/service-account-token")
    secret.metadata.name, secret.metadata.namespace = "old", "default"
    secret.metadata.annotations["kubernetes.io/service-account.name"] = "builder"
    made = await api.client.secrets.create(secret)
    assert not made.data
