"""The services of components: masters pass, the apiserver is asked about everybody else."""

import pytest

from vaina.client.transport import InProcessTransport
from vaina.errors import Forbidden, Unavailable
from vaina.serving.delegated import KEPT_SECONDS, MAX_KEPT, Delegated
from vaina.serving.handlers import ANONYMOUS, IN_THE_CLEAR, UNARY, Method, RequestContext, User
from vaina.testing.clock import FakeClock

PATH = "/a.b.Service/Do"
ANA = User("ana", ("team", "system:authenticated"))


class Apiserver:
    """Answers whether a user may call a path, and knows how often it was asked."""

    def __init__(self) -> None:
        self.allowed: set[str] = set()
        self.asked: list[tuple[str, str]] = []
        self.away = False

    async def ask(self, user: User, path: str) -> bool:
        self.asked.append((user.name, path))
        if self.away:
            raise Unavailable("away")
        return user.name in self.allowed


async def call(delegated: Delegated, user: User) -> bytes:
    async def do(data: bytes, rpc: RequestContext) -> bytes:
        return b"done"

    handlers = delegated.wrap({PATH: Method(UNARY, do)})
    return await InProcessTransport(handlers, user=user).unary(PATH, b"")


@pytest.mark.parametrize("user", [IN_THE_CLEAR, User("kubernetes-admin", ("system:masters",))], ids=str)
async def test_masters_pass_and_nobody_is_asked(user: User) -> None:
    apiserver = Apiserver()
    assert await call(Delegated(FakeClock(), apiserver.ask), user) == b"done"
    assert apiserver.asked == []


@pytest.mark.parametrize(
    "user", [ANONYMOUS, ANA, User("system:masters"), User("system:kube-scheduler")], ids=str
)
async def test_whom_the_apiserver_does_not_allow_is_refused(user: User) -> None:
    with pytest.raises(Forbidden) as caught:
        await call(Delegated(FakeClock(), Apiserver().ask), user)
    assert caught.value.message == f'forbidden: User "{user.name}" cannot post path "{PATH}"'


async def test_the_apiserver_decides_and_its_answer_is_kept_for_a_while() -> None:
    clock, apiserver = FakeClock(), Apiserver()
    delegated = Delegated(clock, apiserver.ask)
    for _ in range(3):
        with pytest.raises(Forbidden):
            await call(delegated, ANA)
    apiserver.allowed.add("ana")
    await clock.advance(KEPT_SECONDS)
    assert await call(delegated, ANA) == b"done"
    apiserver.allowed.clear()
    assert await call(delegated, ANA) == b"done"
    await clock.advance(KEPT_SECONDS)
    with pytest.raises(Forbidden):
        await call(delegated, ANA)
    assert apiserver.asked == [("ana", PATH)] * 3
    # Whoever has the name in other groups is somebody else.
    with pytest.raises(Forbidden):
        await call(delegated, User("ana"))
    assert len(apiserver.asked) == 4


async def test_nobody_is_let_in_while_the_apiserver_is_away() -> None:
    apiserver = Apiserver()
    apiserver.away = True
    delegated = Delegated(FakeClock(), apiserver.ask)
    with pytest.raises(Unavailable, match="does not say whether the caller may: away"):
        await call(delegated, ANA)
    apiserver.away, apiserver.allowed = False, {"ana"}
    assert await call(delegated, ANA) == b"done"


async def test_what_is_kept_is_bounded() -> None:
    apiserver = Apiserver()
    delegated = Delegated(FakeClock(), apiserver.ask)
    for number in range(MAX_KEPT + 1):
        with pytest.raises(Forbidden):
            await call(delegated, User(f"user-{number}"))
    assert len(delegated._kept) == 1
