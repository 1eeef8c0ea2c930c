"""Which tokens count: those that are signed by our keys, for us, now, and for what is still there."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, OctKey

from apiserver.tokens.bootstrap import token_secret
from apiserver.tokens.keys import keys_of
from apiserver.tokens.signing import MAX_TOKEN
from tests.support.apiserver import Harness, cached_apiserver, make_apiserver
from tests.support.tokens import ISSUER, USER, Signer, account, bound, bound_pod, encoded, parts, token_of
from vaina.api.core.v1 import config_pb2
from vaina.errors import Unauthorized
from vaina.pki.authority import key_pem, make_key
from vaina.serving.handlers import User


async def world(**more: Any) -> tuple[Harness, Signer]:
    signer = Signer(more=more)
    api = make_apiserver(tokens=signer)
    await api.client.service_accounts.create(account())
    return api, signer


async def refusal(api: Harness, token: str, *audiences: str) -> str:
    with pytest.raises(Unauthorized) as caught:
        await api.app.bearers.authenticate(token, audiences)
    return caught.value.message


async def test_a_token_makes_its_bearer_the_account() -> None:
    api, _ = await world()
    token = await token_of(api)
    [header, payload] = parts(token)
    assert set(header) == {"alg", "kid"}
    user = await api.app.bearers.authenticate(token)
    assert user == User(
        USER,
        ("system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"),
        (await api.client.service_accounts.get("builder", "default")).metadata.uid,
        (("authentication.kubernetes.io/credential-id", (f"JTI={payload['jti']}",)),),
    )
    assert await api.app.bearers.authenticate(token) == user


async def test_times_count_at_each_call_though_the_signature_is_known() -> None:
    api, _ = await world()
    token = await token_of(api, expiration_seconds=600)
    await api.app.bearers.authenticate(token)
    await api.clock.advance(659)
    await api.app.bearers.authenticate(token)
    await api.clock.advance(2)
    assert await refusal(api, token) == "service account token has expired"


async def test_a_token_is_for_whom_it_names() -> None:
    api, _ = await world(api_audiences=("api", "other"))
    own, vault = await token_of(api), await token_of(api, audiences=["vault", "api2"])
    assert parts(own)[1]["aud"] == ["api", "other"]
    assert (await api.app.bearers.review(own, ("x", "other"))).audiences == ("other",)
    assert await refusal(api, vault) == (
        'token audiences ["vault" "api2"] is invalid for the target audiences ["api" "other"]'
    )
    assert (await api.app.bearers.review(vault, ("vault",))).audiences == ("vault",)
    assert "is invalid for the target audiences" in await refusal(api, own, "vault")


async def test_a_key_that_is_trusted_no_more_takes_its_tokens_with_it() -> None:
    api, signer = await world()
    token, first = await token_of(api), signer.keys
    await api.app.bearers.authenticate(token)
    second = make_key()
    signer.keys = keys_of(second)
    assert await refusal(api, token) == "invalid bearer token: invalid signature, no keys found"
    # Of two keys each counts for its tokens.
    both = keys_of(second)
    signer.keys = type(both)(both.signing, {**both.trusted, **first.trusted})
    await api.app.bearers.authenticate(token)
    new = await token_of(api)
    assert parts(new)[0]["kid"] != parts(token)[0]["kid"]
    await api.app.bearers.authenticate(new)


def _signed(token: str, key: ECKey, **header: Any) -> str:
    [was, payload] = parts(token)
    return jws.serialize_compact({**was, **header}, json.dumps(payload).encode(), key, algorithms=["ES256"])


def _with_header(token: str, **fields: Any) -> str:
    header = {name: value for name, value in {**parts(token)[0], **fields}.items() if value is not None}
    return f"{encoded(header)}.{token.partition('.')[2]}"


def _with_payload(token: str, **fields: Any) -> str:
    [header, payload] = parts(token)
    return f"{encoded(header, {**payload, **fields})}.{token.rpartition('.')[2]}"


def _hmac(token: str, signer: Signer) -> str:
    """Sign with the public key as a password, in each of its forms that an attacker has."""
    [header, payload] = parts(token)
    key = signer.keys.trusted[signer.keys.signing.id].jwk
    secret = key.as_pem(private=False)
    text = encoded({**header, "alg": "HS256"}, payload)
    signature = hmac.new(secret, text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def _own_key(token: str) -> str:
    key = OctKey.import_key(b"x" * 32)
    [header, payload] = parts(token)
    fields = {**header, "alg": "HS256", "jwk": key.as_dict()}
    return jws.serialize_compact(fields, json.dumps(payload).encode(), key, algorithms=["HS256"])


FORGED: dict[str, Callable[[str, Signer], str]] = {
    "of another cluster": lambda token, _: _signed(token, ECKey.import_key(key_pem(make_key()))),
    "of another cluster, with our key's id": lambda token, signer: _signed(
        token, ECKey.import_key(key_pem(make_key())), kid=signer.keys.signing.id
    ),
    "alg none": lambda token, _: f"{encoded({**parts(token)[0], 'alg': 'none'}, parts(token)[1])}.",
    "alg None with its signature": lambda token, _: _with_header(token, alg="None"),
    "another algorithm of the same key": lambda token, _: _with_header(token, alg="ES384"),
    "HS256 with the public key": _hmac,
    "without a key id": lambda token, _: _with_header(token, kid=None),
    "with a key of its own": lambda token, _: _own_key(token),
    "with a critical header": lambda token, _: _with_header(token, crit=["b64"], b64=False),
    "header that is no object": lambda token, _: f"{encoded(b'[]')}.{token.partition('.')[2]}",
    "header that is no JSON": lambda token, _: f"e30x.{token.partition('.')[2]}",
    "another account": lambda token, _: _with_payload(token, sub="system:serviceaccount:kube-system:admin"),
    "a later end": lambda token, _: _with_payload(token, exp=1 << 40),
    "another signature": lambda token, _: f"{token[:-4]}AAAA",
    "a signature in DER": lambda token, _: f"{token.rpartition('.')[0]}.MEUCIQCs",
    "no signature": lambda token, _: f"{token.rpartition('.')[0]}.",
    "two parts": lambda token, _: token.rpartition(".")[0],
    "four parts": lambda token, _: f"{token}.x",
    "five parts (encrypted)": lambda token, _: f"{token}.x.y",
    "empty": lambda token, _: "",
    "dots": lambda token, _: "..",
    "letters that are no base64": lambda token, _: token.replace(".", ".%", 1),
    "letters that are none": lambda token, _: f"{token}é",
    "half a letter": lambda token, _: f"{token}\ud800",
    "JSON serialization": lambda token, _: json.dumps({"payload": token.split(".")[1], "signatures": []}),
    "longer than any": lambda token, _: f"{'A' * MAX_TOKEN}{token}",
    "deep": lambda token, _: f"{encoded(b'[' * 5000)}.{token.partition('.')[2]}",
}  # fmt: skip


@pytest.mark.parametrize("name", FORGED)
async def test_what_is_forged_counts_for_nothing(name: str) -> None:
    api, signer = await world()
    token = await token_of(api)
    assert (await refusal(api, FORGED[name](token, signer))).startswith("invalid bearer token")
    # And what it was made of still counts.
    await api.app.bearers.authenticate(token)


async def test_a_token_of_another_issuer_counts_for_nothing_and_of_an_earlier_one_it_does() -> None:
    api, signer = await world(service_account_issuer=("https://new", ISSUER))
    elsewhere = make_apiserver(tokens=Signer(signer.keys, {"service_account_issuer": ("https://else",)}))
    await elsewhere.client.service_accounts.create(account())
    assert parts(await token_of(api))[1]["iss"] == "https://new"
    assert await refusal(api, await token_of(elsewhere)) == "invalid bearer token"


async def _account_gone(api: Harness) -> Any:
    token = await token_of(api)
    return token, lambda: api.client.service_accounts.delete("builder", "default")


async def _account_made_again(api: Harness) -> Any:
    async def again() -> None:
        await api.client.service_accounts.delete("builder", "default")
        await api.client.service_accounts.create(account())

    return await token_of(api), again


async def _pod_gone(api: Harness) -> Any:
    await bound_pod(api)
    token = await token_of(api, to=bound("Pod", "web"))
    return token, lambda: api.client.pods.delete("web", "default", grace_period_seconds=0)


async def _pod_made_again(api: Harness) -> Any:
    token, gone = await _pod_gone(api)

    async def again() -> None:
        await gone()
        await bound_pod(api)

    return token, again


async def _secret_gone(api: Harness) -> Any:
    secret = config_pb2.Secret()
    secret.metadata.name, secret.metadata.namespace = "s", "default"
    await api.client.secrets.create(secret)
    return await token_of(api, to=bound("Secret", "s")), lambda: api.client.secrets.delete("s", "default")


async def _node_gone(api: Harness) -> Any:
    await api.node("node-1")
    return await token_of(api, to=bound("Node", "node-1")), lambda: api.client.nodes.delete("node-1")


GONE = {
    "account": (_account_gone, 'serviceaccounts "builder" not found'),
    "account made again": (_account_made_again, ") does not match claim ("),
    "Pod": (_pod_gone, "service account token has been invalidated"),
    "Pod made again": (_pod_made_again, "does not match service account pod ref claim"),
    "Secret": (_secret_gone, "service account token has been invalidated"),
    "Node": (_node_gone, "service account token has been invalidated"),
}


@pytest.mark.parametrize("what", GONE)
@pytest.mark.parametrize("cached", [False, True])
async def test_a_token_ends_with_what_it_is_bound_to(what: str, cached: bool) -> None:
    arrange, words = GONE[what]

    async def check(api: Harness) -> None:
        await api.client.service_accounts.create(account())
        token, go = await arrange(api)
        await api.app.bearers.authenticate(token)
        await go()
        # What the cache has not heard of yet may count for a moment.
        await api.client.service_accounts.list()
        await api.client.pods.list()
        await api.client.secrets.list()
        await api.client.nodes.list()
        assert words in (await refusal(api, token))
        await refusal(api, token)

    if cached:
        async with cached_apiserver(tokens=Signer()) as api:
            await check(api)
    else:
        await check(make_apiserver(tokens=Signer()))


async def test_a_pod_that_ends_keeps_its_tokens_while_it_does() -> None:
    api, _ = await world()
    await bound_pod(api)
    token = await token_of(api, to=bound("Pod", "web"))
    await api.client.pods.delete("web", "default", grace_period_seconds=30)
    await api.clock.advance(30 + 59)
    user = await api.app.bearers.authenticate(token)
    assert ("authentication.kubernetes.io/pod-name", ("web",)) in user.extra
    assert ("authentication.kubernetes.io/node-name", ("node-1",)) in user.extra
    await api.clock.advance(2)
    assert await refusal(api, token) == "service account token has been invalidated"


async def test_the_node_of_a_pod_is_told_of_and_may_go() -> None:
    api, _ = await world()
    await bound_pod(api)
    token = await token_of(api, to=bound("Pod", "web"))
    await api.client.nodes.delete("node-1")
    await api.app.bearers.authenticate(token)


async def test_bootstrap_tokens_are_bearers_too() -> None:
    api, _ = await world()
    await api.client.secrets.create(token_secret("abcdef.0123456789abcdef"))
    async with cached_apiserver(tokens=Signer(), storage=api.storage) as cached:
        user = await cached.app.bearers.authenticate("abcdef.0123456789abcdef")
        assert user.name == "system:bootstrap:abcdef"
        assert (await cached.app.bearers.review("abcdef.0123456789abcdef")).audiences == (ISSUER,)
        assert await refusal(cached, "abcdef.0123456789abcdee") == "Unauthorized"
        assert await refusal(cached, "abcdef.0123456789abcdef", "vault") == "invalid bearer token"


async def test_without_an_issuer_no_token_is_known() -> None:
    api, _ = await world()
    token = await token_of(api)
    assert await refusal(make_apiserver(), token) == "invalid bearer token"
