"""Sessions end when their caller counts no more: by a certificate that has expired, or a token."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.certificates import ADMIN, APISERVER, Certificates
from tests.support.rest_streams import Plane, TunnelClient, everything, streaming, waits
from tests.support.tasks import running
from vaina.clock import SystemClock
from vaina.errors import Unauthorized
from vaina.pki.folder import Folder
from vaina.serving.handlers import AUTHENTICATED, User
from vaina.testing.clock import FakeClock

V5, ALL = "v5.channel.k8s.io", "stdin=true&stdout=true&stderr=true&command=sh"
TUNNEL = "SPDY/3.1+portforward.k8s.io"


class Tokens:
    """Knows one token, as long as it holds."""

    holds = True

    async def authenticate(self, token: str, audiences: Sequence[str] = ()) -> User:
        if token != "good" or not self.holds:
            raise Unauthorized("invalid bearer token")
        return User("system:serviceaccount:default:app", (AUTHENTICATED,))


def context_of(folder: Folder | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if folder is not None:
        context.load_cert_chain(folder.path / "tls.crt", folder.path / "tls.key")
    return context


@asynccontextmanager
async def secured(tmp_path: Path, **options: Any) -> AsyncIterator[tuple[Plane, Certificates]]:
    certificates = Certificates(tmp_path)
    options = {"clock": SystemClock(), **options}
    async with streaming(credentials=certificates.issue(APISERVER), **options) as plane:
        plane.rest.host = "https://127.0.0.1"
        plane.kubelet.command = waits
        yield plane, certificates


async def test_an_exec_ends_with_its_callers_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apiserver.rest.exchange.TOKEN_SECONDS", 0.05)
    tokens = Tokens()
    async with secured(tmp_path, tokens=tokens) as (plane, _):
        who: dict[str, Any] = {"headers": {"Authorization": "Bearer good"}, "ssl": context_of(None)}
        async with plane.socket("exec", ALL, V5, **who) as socket:
            assert await socket.receive_bytes() == b"\x01"
            assert await socket.receive_bytes() == b"\x01on\n"
            tokens.holds = False
            [last] = await everything(socket)
            told = json.loads(last[1:])
            assert (last[0], told["reason"], told["code"]) == (3, "Unauthorized", 401)
        await plane.kubelet.idle()
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with plane.socket("exec", ALL, V5, **who):
                pass
        assert refused.value.status == 401


async def test_a_watch_for_days_ends_with_its_callers_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client may ask for any time: one whose token was taken back would see what happens for as long."""
    monkeypatch.setattr("apiserver.rest.exchange.TOKEN_SECONDS", 0.05)
    tokens = Tokens()
    async with secured(tmp_path, tokens=tokens) as (plane, _), aiohttp.ClientSession() as session:
        url = f"{plane.rest.url}/api/v1/namespaces/default/pods?watch=1&timeoutSeconds=864000"
        who: dict[str, Any] = {"headers": {"Authorization": "Bearer good"}, "ssl": context_of(None)}
        async with session.get(url, **who) as answer:
            assert answer.status == 200
            tokens.holds = False
            async with asyncio.timeout(60):
                last = json.loads((await answer.content.read()).splitlines()[-1])
    assert (last["type"], last["object"]["code"]) == ("ERROR", 401)


async def test_a_port_forward_ends_with_its_callers_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apiserver.rest.exchange.TOKEN_SECONDS", 0.05)
    tokens = Tokens()

    async def silent(data: Any) -> Any:
        yield b"hello"
        await asyncio.Event().wait()

    async with secured(tmp_path, tokens=tokens) as (plane, _):
        plane.kubelet.ports[80] = silent
        who: dict[str, Any] = {"headers": {"Authorization": "Bearer good"}, "ssl": context_of(None)}
        async with plane.socket("portforward", "", TUNNEL, **who) as socket:
            client = TunnelClient(socket)
            data, _ = await client.connect(80)
            await client.until(lambda: client.data.get(data) == b"hello")
            tokens.holds = False
            await client.until(lambda: False)
            assert socket.closed
            assert socket.close_code == 1008
        await plane.kubelet.idle()


async def test_a_session_ends_with_its_callers_certificate(tmp_path: Path) -> None:
    clock, over = FakeClock(SystemClock().now()), asyncio.Event()

    async def passes() -> None:
        """Let time pass, the certificate's first, and then for as long as it takes to end all."""
        await over.wait()
        await clock.advance(600)
        while True:
            await clock.advance(1)
            await asyncio.sleep(0.01)  # noqa: TID251 - others have their turn

    async with running(passes()), secured(tmp_path, clock=clock) as (plane, certificates):
        admin = certificates.issue(ADMIN, seconds=600.0)
        async with plane.socket("exec", ALL, V5, ssl=context_of(admin)) as socket:
            assert await socket.receive_bytes() == b"\x01"
            assert await socket.receive_bytes() == b"\x01on\n"
            over.set()
            [last] = await everything(socket)
        assert (
            json.loads(last[1:])["message"] == "Unauthorized: the certificate of kubernetes-admin has expired"
        )
        await plane.kubelet.idle()
