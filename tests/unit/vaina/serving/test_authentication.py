"""Callers are known by their certificate: who gets in, who does not, and who does no more."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509
from prometheus_client import CollectorRegistry

from tests.support.certificates import ADMIN, APISERVER, Certificates, node
from tests.unit.vaina.serving.conftest import Serve
from vaina.api.core.v1 import pod_service_pb2
from vaina.client import channels
from vaina.client.transport import GrpcTransport
from vaina.clock import SystemClock
from vaina.errors import ApiError, Unauthorized, Unavailable
from vaina.kinds import POD
from vaina.pki.authority import Profile, make_authority
from vaina.pki.folder import Folder, format_serials, write_file
from vaina.serving import authentication
from vaina.serving.handlers import BIDI, IN_THE_CLEAR, STREAM, UNARY, Handlers, Method, RequestContext
from vaina.testing.clock import FakeClock

assert pod_service_pb2.DESCRIPTOR  # reflection needs the descriptors
WHO, WATCH, TALK = POD.method("Get"), POD.method("Watch"), POD.method("Exec")


async def say_who(request: bytes, ctx: RequestContext) -> bytes:
    return "|".join((ctx.user.name, *ctx.user.groups)).encode()


async def watch(request: bytes, ctx: RequestContext) -> AsyncIterator[bytes]:
    yield b"begun"
    await asyncio.Event().wait()


async def talk(requests: AsyncIterator[bytes], ctx: RequestContext) -> AsyncIterator[bytes]:
    async for request in requests:
        yield request


HANDLERS: Handlers = {WHO: Method(UNARY, say_who), WATCH: Method(STREAM, watch), TALK: Method(BIDI, talk)}


async def two_words() -> AsyncIterator[bytes]:
    yield b"hello"
    await asyncio.Event().wait()


@pytest.fixture
def made(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


def serial_of(folder: Folder) -> int:
    return x509.load_pem_x509_certificate(folder.current().certificate).serial_number


@asynccontextmanager
async def goes_on(stream: AsyncGenerator[bytes, None]) -> AsyncIterator[None]:
    """Hold that a stream does not end within the block. It is over afterwards."""
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(anext(stream))  # type: ignore[arg-type]  # an awaitable, and a coroutine
        yield
        assert not waiting.done()
        waiting.cancel()


async def asked(port: int, folder: Folder | None) -> str:
    client = GrpcTransport(f"127.0.0.1:{port}", folder)
    try:
        return (await client.unary(WHO, b"", timeout=60)).decode()
    finally:
        await client.close()


async def test_a_caller_is_whom_the_certificate_names(serve: Serve, made: Certificates) -> None:
    server = made.issue(APISERVER)
    async with serve(HANDLERS, listen="127.0.0.1:0", clock=SystemClock(), credentials=server) as one:
        assert (
            await asked(one.port, made.issue(ADMIN)) == "kubernetes-admin|system:masters|system:authenticated"
        )
        assert (
            await asked(one.port, made.issue(node("n1")))
            == "system:node:n1|system:nodes|system:authenticated"
        )
        known = made.issue(Profile("a", ("system:authenticated", "b")))
        assert await asked(one.port, known) == "a|system:authenticated|b"


async def test_in_the_clear_a_caller_is_that_of_the_insecure_port(serve: Serve) -> None:
    async with serve(HANDLERS, listen="127.0.0.1:0", clock=SystemClock()) as one:
        assert await asked(one.port, None) == "|".join((IN_THE_CLEAR.name, *IN_THE_CLEAR.groups))


#: what somebody shows who does not belong
STRANGERS: dict[str, Callable[[Certificates, float], Folder | None]] = {
    "nothing, in the clear": lambda made, now: None,
    "a certificate of another authority": lambda made, now: made.issue(
        ADMIN, signed_by=make_authority("vaina-ca", now)
    ),
    "one that has expired": lambda made, now: made.issue(ADMIN, start=now - 7200),
    "one that does not hold yet": lambda made, now: made.issue(ADMIN, start=now + 7200),
    "one that is good for servers alone": lambda made, now: made.issue(
        Profile("kubernetes-admin", ("system:masters",), is_server=True, is_client=False)
    ),
}


@pytest.mark.parametrize("who", STRANGERS)
async def test_who_does_not_belong_is_refused_before_any_call(
    who: str, serve: Serve, made: Certificates
) -> None:
    server, stranger = made.issue(APISERVER), STRANGERS[who](made, SystemClock().now())
    registry = CollectorRegistry()
    async with serve(
        HANDLERS, listen="127.0.0.1:0", clock=SystemClock(), credentials=server, registry=registry
    ) as one:
        with pytest.raises(Unavailable, match=r"certificate refused\?$"):
            await asked(one.port, stranger)
        started = {"grpc_type": "unary", "grpc_service": POD.service, "grpc_method": "Get"}
        assert registry.get_sample_value("grpc_server_started_total", started) == 0
        # ... and who belongs is served as before.
        assert await asked(one.port, made.issue(ADMIN, into="good"))


async def test_a_client_calls_no_server_that_does_not_belong(serve: Serve, made: Certificates) -> None:
    """Somebody in the middle has a certificate of another authority, or one of ours that is not the server's."""
    other = make_authority("vaina-ca", SystemClock().now())
    elsewhere = Profile("kube-apiserver", hosts=("elsewhere",), is_server=True, is_client=False)
    for server in (
        made.issue(APISERVER, into="fake", signed_by=other),
        made.issue(elsewhere, into="elsewhere"),
        made.issue(Profile("system:node:n1", hosts=("127.0.0.1",)), into="client"),
    ):
        async with serve(HANDLERS, listen="127.0.0.1:0", clock=SystemClock(), credentials=server) as one:
            with pytest.raises(Unavailable, match=r"certificate refused\?$"):
                await asked(one.port, made.issue(ADMIN))


@pytest.mark.parametrize("reason", ["expired", "denied"])
async def test_a_certificate_that_counts_no_more_ends_calls_and_streams_of_open_connections(
    reason: str, serve: Serve, made: Certificates
) -> None:
    server, admin, other = made.issue(APISERVER), made.issue(ADMIN, seconds=600), made.issue(Profile("other"))
    clock = FakeClock(SystemClock().now())
    async with serve(HANDLERS, listen="127.0.0.1:0", clock=clock, credentials=server) as one:
        client = GrpcTransport(f"127.0.0.1:{one.port}", admin)
        bystander = GrpcTransport(f"127.0.0.1:{one.port}", other)
        async with (
            aclosing(client.stream(WATCH, b"")) as watching,
            aclosing(client.bidi(TALK, two_words())) as talking,
            aclosing(bystander.stream(WATCH, b"")) as theirs,
        ):
            assert [await anext(each) for each in (watching, talking, theirs)] == [
                b"begun",
                b"hello",
                b"begun",
            ]
            assert await client.unary(WHO, b"", timeout=60)
            if reason == "denied":
                write_file(server.path / "denied", format_serials([serial_of(admin)]))
                await clock.advance(authentication.LOOK_SECONDS)
            else:
                await clock.advance(600)
            for stream in (watching, talking):
                with pytest.raises(Unauthorized, match=reason):
                    await anext(stream)
            with pytest.raises(Unauthorized, match=reason):
                await client.unary(WHO, b"", timeout=60)
            async with goes_on(theirs):
                assert await bystander.unary(WHO, b"", timeout=60)
        await client.close()
        await bystander.close()


async def test_a_server_shows_its_new_certificate_and_open_streams_go_on(
    serve: Serve, made: Certificates
) -> None:
    server, admin = made.issue(APISERVER, seconds=1000), made.issue(ADMIN)
    clock, registry = FakeClock(SystemClock().now()), CollectorRegistry()

    def failures() -> float | None:
        return registry.get_sample_value("vaina_certificate_reload_failures_total")

    async with serve(
        HANDLERS, listen="127.0.0.1:0", clock=clock, credentials=server, registry=registry
    ) as one:
        client = GrpcTransport(f"127.0.0.1:{one.port}", admin)
        async with aclosing(client.bidi(TALK, two_words())) as talking:
            assert await anext(talking) == b"hello"
            assert await client.unary(WHO, b"", timeout=60)
            # Unreadable files change nothing, and are counted.
            made.issue(APISERVER)
            good = (server.path / "tls.key").read_bytes()
            write_file(server.path / "tls.key", b"half a ke")
            assert await asked(one.port, admin)
            assert failures() == 1
            write_file(server.path / "tls.key", good)
            # A new authority, whose clients get in from now on, and no others.
            made.authority = make_authority("next", clock.now())
            made.issue(APISERVER)
            assert await asked(one.port, made.issue(ADMIN, into="new"))
            with pytest.raises(Unavailable):
                await asked(one.port, admin)
            assert (
                await client.unary(WHO, b"", timeout=60)
                == b"kubernetes-admin|system:masters|system:authenticated"
            )
        await client.close()


async def test_a_client_renews_under_calls_and_a_watch_without_losing_one(
    serve: Serve, made: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "LOOK_SECONDS", 0.0)
    server, admin = made.issue(APISERVER), made.issue(ADMIN)
    async with serve(HANDLERS, listen="127.0.0.1:0", clock=SystemClock(), credentials=server) as one:
        client = GrpcTransport(f"127.0.0.1:{one.port}", admin)
        async with aclosing(client.bidi(TALK, two_words())) as talking:
            assert await anext(talking) == b"hello"
            failed: list[ApiError] = []

            async def call() -> None:
                for _ in range(50):
                    try:
                        await client.unary(WHO, b"", timeout=60)
                    except ApiError as error:
                        failed.append(error)

            async with asyncio.TaskGroup() as group:
                for _ in range(4):
                    group.create_task(call())
                for _ in range(5):
                    made.issue(ADMIN)
                    await client.unary(WHO, b"", timeout=60)
            assert failed == []
            async with goes_on(talking):
                # One that cannot be read leaves the client with what it has.
                write_file(admin.path / "tls.crt", b"")
                assert await client.unary(WHO, b"", timeout=60)
        await client.close()


async def test_known_certificates_are_bounded(made: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authentication, "MAX_KNOWN", 3)
    found = authentication.Authenticator(made.issue(APISERVER), SystemClock(), CollectorRegistry())
    users = []
    for number in range(6):
        pem = made.issue(Profile(f"u{number}")).current().certificate

        class Context:
            def __init__(self, pem: bytes) -> None:
                self.pem = pem

            def auth_context(self) -> dict[str, list[bytes]]:
                return {"x509_pem_cert": [self.pem]}

        rpc = RequestContext()
        assert found.identify(Context(pem), rpc) is found.identify(Context(pem), rpc)
        users.append(rpc.user.name)
    assert users == [f"u{number}" for number in range(6)]
    assert len(found._known) == 3
