"""Bootstrap tokens: which Secret knows one, and what its user is in."""

from typing import Any

import pytest

from apiserver.tokens.bootstrap import BootstrapTokens, groups_of, token_secret
from tests.support.apiserver import cached_apiserver
from vaina.api.core.v1 import config_pb2
from vaina.clock import timestamp
from vaina.errors import Unauthorized
from vaina.serving.handlers import RequestContext, User

ID, SECRET = "abcdef", "0123456789abcdef"
NOW = 1_800_000_000.0  # 2027-01-15T08:00:00Z


def secret(**data: str) -> config_pb2.Secret:
    made = token_secret(f"{ID}.{SECRET}")
    for key, value in data.items():
        made.data[key.replace("_", "-")] = value.encode()
    return made


def without(key: str) -> config_pb2.Secret:
    made = secret()
    del made.data[key]
    return made


def changed(**fields: Any) -> config_pb2.Secret:
    made = secret()
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def ending() -> config_pb2.Secret:
    made = secret()
    made.metadata.deletion_timestamp.CopyFrom(timestamp(NOW))
    return made


@pytest.mark.parametrize(
    ("found", "groups"),
    [
        (secret(), ("system:bootstrappers",)),
        (secret(expiration="2027-01-15T08:00:01Z"), ("system:bootstrappers",)),
        (
            secret(auth_extra_groups="system:bootstrappers:b:c,system:bootstrappers:a"),
            ("system:bootstrappers", "system:bootstrappers:a", "system:bootstrappers:b:c"),
        ),
    ],
)
def test_a_token_that_counts(found: config_pb2.Secret, groups: tuple[str, ...]) -> None:
    assert groups_of(found, ID, SECRET, NOW) == groups


@pytest.mark.parametrize(
    "found",
    [
        config_pb2.Secret(),
        secret(token_secret="0123456789abcdeg"),
        secret(token_id="bcdefg"),
        secret(expiration="2027-01-15T08:00:00Z"),
        secret(expiration="tomorrow"),
        secret(usage_bootstrap_authentication="True"),
        without("usage-bootstrap-authentication"),
        without("token-secret"),
        without("token-id"),
        secret(auth_extra_groups="system:masters"),
        secret(auth_extra_groups="system:bootstrappers:a,system:masters"),
        secret(auth_extra_groups="system:bootstrappers:-A"),
        changed(type="Opaque"),
        ending(),
    ],
    ids=str,
)
def test_a_token_that_does_not(found: config_pb2.Secret) -> None:
    assert groups_of(found, ID, SECRET, NOW) is None


@pytest.mark.parametrize(
    "token", ["", "abcdef", "abcdef.0123", "ABCDEF.0123456789abcdef", "abcdef.0123456789abcdef0"]
)
def test_only_tokens_are_made_secrets_of(token: str) -> None:
    with pytest.raises(ValueError, match="six and sixteen characters"):
        token_secret(token)


async def test_a_caller_is_known_by_the_secret_as_the_cache_has_it() -> None:
    async with cached_apiserver() as api:
        tokens = BootstrapTokens(api.app.stores["Secret"].storage, api.clock)
        await api.app.bootstrap()
        await api.client.secrets.create(token_secret(f"{ID}.{SECRET}"))
        await api.client.secrets.list("kube-system")
        header = ("authorization", f"Bearer {ID}.{SECRET}")
        assert tokens.identify(RequestContext(metadata=[header])) == User(
            "system:bootstrap:abcdef", ("system:bootstrappers", "system:authenticated")
        )
        for metadata in (
            [],
            [("authorization", f"Basic {ID}.{SECRET}")],
            [("authorization", f"Bearer zzzzzz.{SECRET}")],
        ):
            with pytest.raises(Unauthorized, match=r"^Unauthorized$"):
                tokens.identify(RequestContext(metadata=metadata))
