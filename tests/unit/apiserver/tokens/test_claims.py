"""What tokens say, to the letter, and what is read back; whatever else they say counts for nothing."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.tokens.claims import EXTENDED_SECONDS, LEEWAY_SECONDS, UNBOUND, Bound, Claims, Ref, read_claims
from apiserver.tokens.issuer import TokenIssuer
from vaina.errors import Unauthorized
from vaina.serving.handlers import User

NOW = 1_800_000_000
POD, NODE, SECRET = Ref("web", "u-pod"), Ref("node-1", "u-node"), Ref("s", "u-secret")


def claims(
    bound: Bound = UNBOUND, *, seconds: int = 3600, audiences: tuple[str, ...] = ("a",), **how: Any
) -> Claims:
    issuer = TokenIssuer("https://me", ("a", "b"), lambda _: "", lambda: "id-1", **how)
    return issuer.claims("team", Ref("builder", "u-1"), bound, audiences, seconds, NOW + 0.9)


def test_a_token_says_what_upstreams_does() -> None:
    assert json.dumps(claims(Bound(pod=POD, node=NODE)).to_json()) == json.dumps({
        "aud": ["a"], "exp": NOW + 3600, "iat": NOW, "iss": "https://me", "jti": "id-1",
        "kubernetes.io": {
            "namespace": "team", "node": {"name": "node-1", "uid": "u-node"}, "pod": {"name": "web", "uid": "u-pod"},
            "serviceaccount": {"name": "builder", "uid": "u-1"},
        },
        "nbf": NOW, "sub": "system:serviceaccount:team:builder",
    })  # fmt: skip


def test_a_node_that_is_not_there_is_told_of_by_its_name() -> None:
    found = claims(Bound(pod=POD, node=Ref("gone", "")))
    assert found.to_json()["kubernetes.io"]["node"] == {"name": "gone"}
    assert read_claims(found.to_json()) == found


@pytest.mark.parametrize(
    ("bound", "extra"),
    [
        (Bound(), {"credential-id": "JTI=id-1"}),
        (Bound(secret=SECRET), {"credential-id": "JTI=id-1"}),
        (Bound(node=NODE), {"credential-id": "JTI=id-1", "node-name": "node-1", "node-uid": "u-node"}),
        (Bound(pod=POD, node=NODE), {
            "credential-id": "JTI=id-1", "node-name": "node-1", "node-uid": "u-node", "pod-name": "web", "pod-uid": "u-pod",
        }),
    ],
)  # fmt: skip
def test_the_bearer_is_the_account_with_what_it_is_bound_to(bound: Bound, extra: dict[str, str]) -> None:
    assert claims(bound).user() == User(
        "system:serviceaccount:team:builder",
        ("system:serviceaccounts", "system:serviceaccounts:team", "system:authenticated"),
        "u-1",
        tuple((f"authentication.kubernetes.io/{name}", (value,)) for name, value in extra.items()),
    )


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (NOW + 3600 + LEEWAY_SECONDS, ""), (NOW + 3601 + LEEWAY_SECONDS, "service account token has expired"),
        (NOW - LEEWAY_SECONDS, ""), (NOW - LEEWAY_SECONDS - 1, "service account token is not valid yet"),
    ],
)  # fmt: skip
def test_clocks_may_differ_by_a_minute(now: float, words: str) -> None:
    if not words:
        claims().check_time(now)
        return
    with pytest.raises(Unauthorized, match=words):
        claims().check_time(now)


@pytest.mark.parametrize(
    ("bound", "seconds", "audiences", "how", "holds", "warns"),
    [
        (Bound(pod=POD), 3607, ("a",), {}, 3607, 0),
        (Bound(pod=POD), 3607, ("a",), {"extends": True}, EXTENDED_SECONDS, 3607),
        (Bound(pod=POD), 3607, ("a",), {"extends": True, "max_seconds": 7200}, 7200, 3607),
        (Bound(pod=POD), 3600, ("a",), {"extends": True}, 3600, 0),
        (Bound(pod=POD), 3607, ("a", "vault"), {"extends": True}, 3607, 0),
        (Bound(secret=SECRET), 3607, ("a",), {"extends": True}, 3607, 0),
    ],
)  # fmt: skip
def test_a_mounted_token_holds_a_year_where_that_is_switched_on(
    bound: Bound, seconds: int, audiences: tuple[str, ...], how: dict[str, Any], holds: int, warns: int
) -> None:
    found = claims(bound, seconds=seconds, audiences=audiences, **how)
    assert (found.expires_at - NOW, found.warn_after and found.warn_after - NOW) == (holds, warns)


def changed(**fields: Any) -> dict[str, Any]:
    """A payload with other fields; None: without it. `of_ours`: those of kubernetes.io."""
    payload = claims(Bound(pod=POD, node=NODE)).to_json()
    ours = payload["kubernetes.io"] | fields.pop("of_ours", {})
    payload |= {"kubernetes.io": ours} | fields
    return {name: value for name, value in payload.items() if value is not None}


WRONG = [
    *({name: None} for name in ("aud", "exp", "iat", "nbf", "iss", "sub", "kubernetes.io")),
    {"aud": []}, {"aud": ""}, {"aud": [1]}, {"aud": {"a": 1}}, {"exp": "never"}, {"exp": True}, {"exp": 1e300},
    {"exp": float("nan")}, {"iss": 1}, {"jti": 7}, {"kubernetes.io": []},
    {"sub": "system:serviceaccount:team:other"}, {"sub": "system:admin"},
    {"of_ours": {"namespace": "kube-system"}}, {"of_ours": {"namespace": ""}}, {"of_ours": {"serviceaccount": None}},
    {"of_ours": {"serviceaccount": {"name": "builder"}}}, {"of_ours": {"serviceaccount": {"name": "builder", "uid": 1}}},
    {"of_ours": {"pod": {"name": "web"}}}, {"of_ours": {"pod": "web"}}, {"of_ours": {"secret": {"uid": "u"}}},
    {"of_ours": {"pod": None, "node": {"name": "n", "uid": ""}}}, {"of_ours": {"warnafter": "soon"}},
]  # fmt: skip


@pytest.mark.parametrize("fields", WRONG, ids=str)
def test_what_says_too_little_or_something_odd_counts_for_nothing(fields: dict[str, Any]) -> None:
    assert read_claims(changed())
    with pytest.raises(Unauthorized):
        read_claims(changed(**fields))


names = st.text(st.characters(codec="utf-8", exclude_characters=":"), min_size=1, max_size=40)
refs = st.builds(Ref, names, names)


@given(
    namespace=names, account=refs, bound=st.sampled_from(["none", "pod", "node", "secret"]), other=refs, node=refs,
    audiences=st.lists(names, min_size=1, max_size=4), seconds=st.integers(600, 1 << 32), now=st.integers(0, 1 << 33),
)  # fmt: skip
def test_what_was_said_is_read_back(
    namespace: str,
    account: Ref,
    bound: str,
    other: Ref,
    node: Ref,
    audiences: list[str],
    seconds: int,
    now: int,
) -> None:
    what = {
        "none": Bound(),
        "pod": Bound(pod=other, node=node),
        "node": Bound(node=node),
        "secret": Bound(secret=other),
    }
    issuer = TokenIssuer("i", ("a",), lambda _: "", lambda: "id")
    made = issuer.claims(namespace, account, what[bound], audiences, seconds, now)
    assert read_claims(json.loads(json.dumps(made.to_json(), ensure_ascii=False))) == made


anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(
    field=st.sampled_from(["aud", "exp", "iat", "nbf", "iss", "sub", "jti", "kubernetes.io"]), value=anything,
    inner=st.sampled_from(["", "namespace", "serviceaccount", "pod", "node", "secret", "warnafter"]),
)  # fmt: skip
def test_no_payload_makes_another_account_of_a_bearer(field: str, value: Any, inner: str) -> None:
    payload = changed(of_ours={inner: value}) if inner else changed(**{field: value})
    try:
        found = read_claims(payload)
    except Unauthorized:
        return
    assert found.user().name == payload["sub"]
