"""Tokens in Pods' volumes: asked for once, renewed in time, kept while the apiserver is away."""

import random

import pytest

from kubelet.runtime.records import Uid
from kubelet.volumes.payload import PayloadError
from kubelet.volumes.tokens import MAX_AGE_SECONDS, Tokens, owner_of
from vaina.api.authentication.v1 import authentication_pb2
from vaina.api.core.v1 import pod_pb2, volume_pb2
from vaina.clock import timestamp
from vaina.errors import NotFound, Unavailable
from vaina.testing.builders import make_pod
from vaina.testing.clock import FakeClock

TokenRequest = authentication_pb2.TokenRequest
HOUR = 3600


class Apiserver:
    """Signs a token a call, with its number."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock, self.asked, self.away = (
            clock,
            list[tuple[str, str, authentication_pb2.TokenRequestSpec]](),
            False,
        )

    async def ask(
        self, account: str, namespace: str, spec: authentication_pb2.TokenRequestSpec
    ) -> TokenRequest:
        if self.away:
            raise Unavailable("away")
        if account == "nobody":
            raise NotFound('serviceaccounts "nobody" not found')
        self.asked.append((namespace, account, spec))
        made = TokenRequest(spec=spec)
        made.status.token = f"token-{len(self.asked)}"
        end = self.clock.now() + spec.expiration_seconds
        made.status.expiration_timestamp.CopyFrom(timestamp(end))
        return made


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def apiserver(clock: FakeClock) -> Apiserver:
    return Apiserver(clock)


@pytest.fixture
def tokens(apiserver: Apiserver, clock: FakeClock) -> Tokens:
    return Tokens(apiserver.ask, clock, random.Random(1))


def pod(account: str = "robot") -> pod_pb2.Pod:
    made = make_pod("web")
    made.metadata.uid, made.spec.service_account_name = "u", account
    return made


def wanted(seconds: int = HOUR, audience: str = "") -> volume_pb2.ServiceAccountTokenProjection:
    return volume_pb2.ServiceAccountTokenProjection(
        path="token", expiration_seconds=seconds, audience=audience
    )


async def test_a_token_is_the_accounts_and_bound_to_the_pod(tokens: Tokens, apiserver: Apiserver) -> None:
    assert await tokens.token(pod(), wanted(audience="vault")) == b"token-1"
    [(namespace, account, spec)] = apiserver.asked
    assert (namespace, account) == ("default", "robot")
    assert [*spec.audiences] == ["vault"]
    bound = spec.bound_object_ref
    assert (bound.api_version, bound.kind, bound.name, bound.uid) == ("v1", "Pod", "web", "u")


async def test_a_projection_that_says_no_time_asks_for_an_hour(tokens: Tokens, apiserver: Apiserver) -> None:
    await tokens.token(pod(), volume_pb2.ServiceAccountTokenProjection(path="token"))
    assert apiserver.asked[0][2].expiration_seconds == HOUR


@pytest.mark.parametrize(
    ("seconds", "kept", "renewed"),
    [(HOUR, HOUR * 0.8 - 11, HOUR * 0.8 + 1), (10 * 24 * HOUR, MAX_AGE_SECONDS - 11, MAX_AGE_SECONDS + 1)],
)
async def test_it_is_renewed_before_it_expires_and_once_a_day(
    tokens: Tokens, clock: FakeClock, seconds: int, kept: float, renewed: float
) -> None:
    await tokens.token(pod(), wanted(seconds))
    await clock.advance(kept)
    assert await tokens.token(pod(), wanted(seconds)) == b"token-1"
    await clock.advance(renewed - kept)
    assert await tokens.token(pod(), wanted(seconds)) == b"token-2"


async def test_while_the_apiserver_is_away_the_earlier_token_stays_until_it_expires(
    tokens: Tokens, apiserver: Apiserver, clock: FakeClock
) -> None:
    await tokens.token(pod(), wanted())
    apiserver.away = True
    await clock.advance(HOUR - 1)
    assert await tokens.token(pod(), wanted()) == b"token-1"
    await clock.advance(2)
    with pytest.raises(PayloadError, match="token of robot expired and refresh failed: away"):
        await tokens.token(pod(), wanted())


async def test_an_account_that_is_not_there_is_named(tokens: Tokens) -> None:
    with pytest.raises(PayloadError, match='failed to fetch token: serviceaccounts "nobody" not found'):
        await tokens.token(pod("nobody"), wanted())


async def test_of_a_pod_that_is_gone_nothing_is_kept(tokens: Tokens) -> None:
    await tokens.token(pod(), wanted())
    tokens.forget(Uid("u"))
    assert await tokens.token(pod(), wanted()) == b"token-2"


@pytest.mark.parametrize(
    ("whole", "users", "want"),
    [
        (None, (None,), None),
        (1000, (None, None), 1000),
        (None, (1000, 1000), 1000),
        (1000, (None, 2000), None),
        (None, (1000, None), None),
        (0, (None,), 0),
    ],
)
def test_the_user_of_all_containers_owns_the_token(
    whole: int | None, users: tuple[int | None, ...], want: int | None
) -> None:
    made = pod_pb2.Pod()
    if whole is not None:
        made.spec.security_context.run_as_user = whole
    for user in users:
        container = made.spec.containers.add()
        if user is not None:
            container.security_context.run_as_user = user
    assert owner_of(made) == want
