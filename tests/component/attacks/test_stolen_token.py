"""Threat: somebody who has a token of a ServiceAccount, or makes one. A real apiserver at its REST port.

A token counts for what its account may, as long as what it is bound to lives, and for nobody else.
"""

import json
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import aiohttp
import pytest

from apiserver.registry.token_requests import ISSUED
from apiserver.tokens.claims import Bound, Claims, Ref
from apiserver.tokens.keys import Keys, keys_of, read_private_key
from apiserver.tokens.signing import sign
from bench.etcd import find_etcd, free_port
from tests.support.fresh import fresh
from tests.support.identities import ADMIN, node_profile
from tests.support.secured import Plane, refused
from tests.support.tokens import ISSUER, bound, encoded, parts
from vaina.api.authentication.v1 import authentication_pb2 as pb
from vaina.client.clientset import Clientset
from vaina.clock import SystemClock
from vaina.objects.service_accounts import CREDENTIAL_ID
from vaina.pki.authority import make_key
from vaina.pki.token_keys import make_token_keys

pytestmark = [pytest.mark.component, pytest.mark.timeout(170)]

BOT: Final = "system:serviceaccount:ours:bot"
#: until an apiserver has heard of a deletion
SECONDS: Final = 60.0
OBJECTS: Final = """
apiVersion: v1
kind: Namespace
metadata: {name: ours}
---
apiVersion: v1
kind: Namespace
metadata: {name: theirs}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: bot, namespace: ours}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: bot, namespace: theirs}
---
apiVersion: v1
kind: Node
metadata: {name: node-1}
---
apiVersion: v1
kind: Node
metadata: {name: node-2}
---
apiVersion: v1
kind: Secret
metadata: {name: password, namespace: theirs}
stringData: {password: hunter2}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: bot, namespace: ours}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: 'system:aggregate-to-edit'}
subjects: [{kind: ServiceAccount, name: bot, namespace: ours}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: view, namespace: ours}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: 'system:aggregate-to-view'}
subjects: [{kind: ServiceAccount, name: bot, namespace: ours}]
"""


class Rest(NamedTuple):
    """The REST port, as somebody outside sees it."""

    plane: Plane
    url: str
    keys: Path
    session: aiohttp.ClientSession
    tls: ssl.SSLContext

    async def ask(
        self, path: str, token: str = "", *, body: object = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        sent = {**({"Authorization": f"Bearer {token}"} if token else {}), **(headers or {})}
        method = "GET" if body is None else "POST"
        async with self.session.request(
            method, self.url + path, json=body, headers=sent, ssl=self.tls
        ) as answer:
            return answer.status, await answer.json(content_type=None)

    @property
    def signing(self) -> Keys:
        """The keys of the cluster, which an attacker does not have."""
        return keys_of(read_private_key((self.keys / "sa.key").read_bytes()))


@pytest.fixture(scope="module")
def token_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Plane, str, Path]]:
    if find_etcd() is None:
        pytest.skip("no etcd: run `make test-component`, which fetches it")
    root = tmp_path_factory.mktemp("tokens")
    keys, listen = root / "keys", f"127.0.0.1:{free_port()}"
    make_token_keys(keys, SystemClock().now(), 1e7)
    plane = Plane(
        root, f"--rest-listen={listen}", f"--service-account-issuer={ISSUER}",
        f"--service-account-signing-key-file={keys / 'sa.key'}", f"--service-account-key-file={keys / 'sa.pub'}",
    )  # fmt: skip
    try:
        plane.start(OBJECTS)
        yield plane, f"https://{listen}", keys
    finally:
        plane.close()


@pytest.fixture
async def rest(token_plane: tuple[Plane, str, Path]) -> AsyncIterator[Rest]:
    plane, url, keys = token_plane
    authority = Path(plane.apiserver.cert_dir) / "ca.crt"
    tls = ssl.create_default_context(cafile=str(authority))
    async with aiohttp.ClientSession() as session:
        yield Rest(plane, url, keys, session, tls)


@pytest.fixture
async def admin(token_plane: tuple[Plane, str, Path]) -> AsyncIterator[Clientset]:
    async with token_plane[0].client(ADMIN) as client:
        yield client


async def token_of(admin: Clientset, to: pb.BoundObjectReference | None = None, **spec: Any) -> str:
    asked = pb.TokenRequestSpec(bound_object_ref=to, **spec)
    return (await admin.service_accounts.create_token("bot", "ours", asked)).status.token


async def test_a_token_counts_for_what_its_account_may_and_for_no_more(rest: Rest, admin: Clientset) -> None:
    token = await token_of(admin)
    code, found = await rest.ask("/api/v1/namespaces/ours/pods", token)
    assert (code, found["kind"]) == (200, "PodList")
    for path in ("/api/v1/namespaces/theirs/secrets/password", "/api/v1/nodes", "/api/v1/secrets"):
        code, found = await rest.ask(path, token)
        assert (code, found["reason"]) == (403, "Forbidden")
        assert f'User "{BOT}" cannot' in found["message"]
    review = {"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1"}
    code, found = await rest.ask("/apis/authentication.k8s.io/v1/selfsubjectreviews", token, body=review)
    if code == 201:
        assert found["status"]["userInfo"]["username"] == BOT


def claims(now: float, **fields: Any) -> Claims:
    said: dict[str, Any] = {
        "issuer": ISSUER, "namespace": "ours", "account": Ref("bot", fields.pop("uid")), "audiences": (ISSUER,),
        "issued_at": int(now), "not_before": int(now), "expires_at": int(now) + 3600, "bound": Bound(), **fields,
    }  # fmt: skip
    return Claims(**said)


async def forged(rest: Rest, admin: Clientset) -> dict[str, str]:
    """Return tokens that must not count, each with what is wrong with it."""
    token, now = await token_of(admin), SystemClock().now()
    [header, payload] = parts(token)
    uid, ours = payload["kubernetes.io"]["serviceaccount"]["uid"], rest.signing
    rest_of = token.partition(".")[2]
    theirs = keys_of(make_key())
    public = (rest.keys / "sa.pub").read_bytes()
    return {
        "of another cluster": sign(claims(now, uid=uid), theirs),
        "of another cluster, under our key's id": f"{encoded(header)}.{sign(claims(now, uid=uid), theirs).partition('.')[2]}",
        "alg none": f"{encoded({**header, 'alg': 'none'}, payload)}.",
        "HS256 with the public key": _hmac({**header, "alg": "HS256"}, payload, public),
        "for another account": f"{encoded(header, {**payload, 'sub': 'system:serviceaccount:theirs:bot'})}.{token.rpartition('.')[2]}",
        "changed in one letter": f"{token[:-1]}{'A' if token[-1] != 'A' else 'B'}",
        "cut": rest_of,
        "expired": sign(claims(now, uid=uid, expires_at=int(now) - 61), ours),
        "not valid yet": sign(claims(now, uid=uid, not_before=int(now) + 120), ours),
        "of another issuer": sign(claims(now, uid=uid, issuer="https://elsewhere"), ours),
        "for another audience": await token_of(admin, audiences=["vault"]),
        "of an earlier account": sign(claims(now, uid="00000000-0000-0000-0000-000000000000"), ours),
        "of an account that is not there": sign(claims(now, uid="u", account=Ref("nobody", "u")), ours),
        "of a Pod that never was": sign(claims(now, uid=uid, bound=Bound(pod=Ref("web", "u"))), ours),
        "a name": "system:masters",
    }  # fmt: skip


def _hmac(header: Any, payload: Any, secret: bytes) -> str:
    import base64
    import hashlib
    import hmac

    text = encoded(header, payload)
    signature = hmac.new(secret, text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


async def test_what_is_forged_is_refused_in_one_word(rest: Rest, admin: Clientset) -> None:
    wrong = await forged(rest, admin)
    pod = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "forged"}}
    async with rest.plane.nothing_changed():
        for what, token in wrong.items():
            for path, body in (
                ("/api/v1/namespaces/ours/pods", None),
                ("/api/v1/namespaces/ours/configmaps", pod),
            ):
                code, found = await rest.ask(path, token, body=body)
                assert code == 401, what
                assert (found["reason"], found["message"]) == ("Unauthorized", "Unauthorized"), what


async def test_a_token_counts_in_its_header_alone(rest: Rest, admin: Clientset) -> None:
    token = await token_of(admin)
    for path, headers in (
        (f"/api/v1/namespaces/ours/pods?access_token={token}", {}),
        (f"/api/v1/namespaces/ours/pods?token={token}", {}),
        ("/api/v1/namespaces/ours/pods", {"Cookie": f"token={token}"}),
        ("/api/v1/namespaces/ours/pods", {"Authorization": f"Basic {token}"}),
        ("/api/v1/namespaces/ours/pods", {"X-Remote-User": BOT}),
        ("/api/v1/namespaces/ours/pods", {"Impersonate-User": BOT}),
    ):
        code, _ = await rest.ask(path, headers=headers)
        assert code in (401, 403), (path, headers)


async def test_a_token_opens_no_grpc_port(rest: Rest, admin: Clientset) -> None:
    from vaina.client.transport import GrpcTransport
    from vaina.errors import ApiError

    token = await token_of(admin)
    assert token
    async with Clientset(GrpcTransport(rest.plane.apiserver.target)) as nobody:
        with pytest.raises(ApiError):
            await nobody.pods.list("ours")


@pytest.mark.parametrize("what", ["Pod", "Secret", "Node", "account"])
async def test_a_token_ends_with_what_it_is_bound_to(rest: Rest, admin: Clientset, what: str) -> None:
    name = fresh(f"bound-{what.lower()}")
    if what == "Pod":
        await _make(rest, admin, "pods", name, {"spec": {
            "serviceAccountName": "bot", "nodeName": "node-1", "containers": [{"name": "c", "image": "busybox"}]}})  # fmt: skip
    elif what == "Secret":
        await _make(rest, admin, "secrets", name, {})
    elif what == "Node":
        from vaina.testing.builders import make_node

        await admin.nodes.create(make_node(name))
    token = await token_of(admin, None if what == "account" else bound(what, name))
    assert (await rest.ask("/api/v1/namespaces/ours/pods", token))[0] == 200
    if what == "Pod":
        await admin.pods.delete(name, "ours", grace_period_seconds=0)
    elif what == "Secret":
        await admin.secrets.delete(name, "ours")
    elif what == "Node":
        await admin.nodes.delete(name)
    else:
        account = await admin.service_accounts.get("bot", "ours")
        await admin.service_accounts.delete("bot", "ours")
        account.metadata.ClearField("uid")
        account.metadata.resource_version = ""
        await admin.service_accounts.create(account)
    clock = SystemClock()
    end = clock.monotonic() + SECONDS
    while (await rest.ask("/api/v1/namespaces/ours/pods", token))[0] != 401:
        assert clock.monotonic() < end, "the token still counts"
        await clock.sleep(0.05)


async def _make(rest: Rest, admin: Clientset, plural: str, name: str, fields: dict[str, Any]) -> None:
    """Make an object of the account's namespace, as the account."""
    body = {"apiVersion": "v1", "metadata": {"name": name}, **fields}
    code, found = await rest.ask(f"/api/v1/namespaces/ours/{plural}", await token_of(admin), body=body)
    assert code == 201, found


async def test_a_kubelet_gets_no_token_of_another_nodes_pod(rest: Rest, admin: Clientset) -> None:
    far = fresh("far")
    await _make(rest, admin, "pods", far, {"spec": {
        "serviceAccountName": "bot", "nodeName": "node-1", "containers": [{"name": "c", "image": "busybox"}]}})  # fmt: skip
    uid = (await admin.pods.get(far, "ours")).metadata.uid
    spec = pb.TokenRequestSpec(bound_object_ref=bound("Pod", far, uid))
    async with rest.plane.client(node_profile("node-2")) as node:
        with refused(403, "no relationship found between node 'node-2' and this object"):
            await node.service_accounts.create_token("bot", "ours", spec)
    async with rest.plane.client(node_profile("node-1")) as node:
        made = await node.service_accounts.create_token("bot", "ours", spec)
        assert (await rest.ask("/api/v1/namespaces/ours/pods", made.status.token))[0] == 200
        for wrong in (pb.TokenRequestSpec(), pb.TokenRequestSpec(bound_object_ref=bound("Node", "node-1"))):
            with refused(403, "node requested token not bound to a pod"):
                await node.service_accounts.create_token("bot", "ours", wrong)
        with refused(403, "no relationship found"):
            await node.service_accounts.create_token("bot", "theirs", spec)
        with refused(403):
            await node.service_accounts.get("bot", "ours")


async def test_an_account_makes_no_tokens_of_others(rest: Rest, admin: Clientset) -> None:
    token, body = (
        await token_of(admin),
        {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": {}},
    )
    path = "/api/v1/namespaces/{}/serviceaccounts/bot/token"
    code, found = await rest.ask(path.format("ours"), token, body=body)
    assert (code, found["kind"]) == (201, "TokenRequest")
    async with rest.plane.nothing_changed():
        code, found = await rest.ask(path.format("theirs"), token, body=body)
        assert (code, found["reason"]) == (403, "Forbidden")


async def test_tokens_are_in_no_log(rest: Rest, admin: Clientset) -> None:
    token = await token_of(admin)
    await rest.ask("/api/v1/namespaces/ours/pods", token)
    await rest.ask("/api/v1/namespaces/ours/pods", f"{token}x")
    await rest.ask("/api/v1/namespaces/ours/serviceaccounts/bot/token", token, body={
        "kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": {}})  # fmt: skip
    jti, signature = parts(token)[1]["jti"], token.rpartition(".")[2]
    # Which token it was can be told.
    clock = SystemClock()
    end = clock.monotonic() + SECONDS
    while len(_told_of(rest.plane.audit_log, f"JTI={jti}")) < 2:
        assert clock.monotonic() < end, "nothing tells of it"
        await clock.sleep(0.05)
    said = rest.plane.audit_log.read_text() + rest.plane.apiserver.log()
    assert signature not in said
    assert token.split(".")[1] not in said


def _told_of(log: Path, credential: str) -> set[str]:
    """Return in which places the lines that are whole name a token: as the caller's, as one that was made."""
    places: set[str] = set()
    for line in log.read_text().splitlines(keepends=True):
        event = json.loads(line) if line.endswith("\n") else {"user": {}}
        if event["user"].get("extra", {}).get(CREDENTIAL_ID) == [credential]:
            places.add("caller")
        if event.get("annotations", {}).get(ISSUED) == credential:
            places.add("made")
    return places


async def test_whoever_may_read_the_keys_checks_tokens_by_them(rest: Rest, admin: Clientset) -> None:
    token = await token_of(admin)
    code, keys = await rest.ask("/openid/v1/jwks", token)
    assert (code, {key["kid"] for key in keys["keys"]} >= {parts(token)[0]["kid"]}) == (200, True)
    assert all("d" not in key for key in keys["keys"])
    code, found = await rest.ask("/.well-known/openid-configuration", token)
    assert (code, found["issuer"], found["jwks_uri"]) == (200, ISSUER, f"{ISSUER}/openid/v1/jwks")
    assert (await rest.ask("/openid/v1/jwks"))[0] == 403
