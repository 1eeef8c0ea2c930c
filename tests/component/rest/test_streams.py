"""Sessions of the REST API over sockets, with commands that are processes: what they leave, and kubectl's part.

Client, apiserver and kubelet are apart as in a cluster; only the container engine is hollow.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from tests.component.test_session_ends import Plane, made_plane
from tests.support.kubectl import PROGRAM as KUBECTL
from tests.support.rest import RestServer, rest_server
from tests.support.rest_streams import TunnelClient, grown, leave
from vaina.serving.draining import Drain
from vaina.tasks import beside
from vaina.testing.clock import settle

pytestmark = [pytest.mark.component, pytest.mark.timeout(180)]

V5, TUNNEL = "v5.channel.k8s.io", "SPDY/3.1+portforward.k8s.io"
POD = "/api/v1/namespaces/default/pods/web"
needs_kubectl = pytest.mark.skipif(
    KUBECTL is None, reason="kubectl is not installed (deploy/trixie.sh kubectl)"
)


@pytest.fixture
async def served(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Plane, RestServer]]:
    # kubectl must not find the one of whoever runs the tests.
    monkeypatch.setenv("KUBECONFIG", os.devnull)
    async with made_plane() as plane:
        pod = await plane.client.pods.get("web", "default")
        pod.status.phase = "Running"
        pod.status.pod_ip = "127.0.0.1"
        pod.status.pod_ips.add(ip="127.0.0.1")
        container = pod.status.container_statuses.add(name="app", ready=True, started=True)
        container.state.running.started_at.GetCurrentTime()
        await plane.client.pods.update_status(pod)
        async with rest_server(plane.api, drain=Drain(calls_seconds=0.3)) as rest:
            # The connection to the kubelet, and what serves the API, are there before and after.
            assert (await rest.get(f"{POD}/log")).code == 200
            # The call's own tasks wait for nothing more.
            await settle()
            plane.tasks = len(asyncio.all_tasks())
            yield plane, rest


def socket_to(rest: RestServer, subresource: str, query: str, protocol: str) -> Any:
    url = aiohttp.client.URL(f"{rest.url}{POD}/{subresource}?{query}", encoded=True)
    return rest.session.ws_connect(url, protocols=(protocol,))


def command(*words: str) -> str:
    return "stdin=1&stdout=1&" + "&".join(f"command={quote(word)}" for word in words)


async def closes(socket: aiohttp.ClientWebSocketResponse) -> None:
    await socket.close()


@pytest.mark.parametrize("end", [closes, leave])
@pytest.mark.parametrize(
    "words", [("sh", "-c", "echo on; sleep 480"), ("yes",), ("sh", "-c", "echo on; cat")], ids=str
)
async def test_a_command_that_is_cut_off_leaves_nothing(
    served: tuple[Plane, RestServer], words: tuple[str, ...], end: Any
) -> None:
    plane, rest = served
    async with socket_to(rest, "exec", command(*words), V5) as socket:
        assert await socket.receive_bytes() == b"\x01"
        assert (await socket.receive_bytes())[:1] == b"\x01"
        assert len(plane.runtime.open) == 1
        await end(socket)
    await plane.nothing_left()


async def test_a_command_that_reads_nothing_is_ended_all_the_same(served: tuple[Plane, RestServer]) -> None:
    plane, rest = served
    async with socket_to(rest, "exec", command("sh", "-c", "echo on; sleep 480"), V5) as socket:
        assert await socket.receive_bytes() == b"\x01"
        assert await socket.receive_bytes() == b"\x01on\n"
        sent = 0

        async def send() -> None:
            nonlocal sent
            while True:
                await socket.send_bytes(b"\x00" + bytes(32 * 1024))
                sent += 1

        async with beside(send()):
            assert await grown(lambda: sent) > 0
        await leave(socket)
        # Nobody reads the connection any more: what ends it is that a ping finds it closed.
        plane.to_kubelet.break_connections()
    await plane.nothing_left()


@pytest.mark.parametrize("end", [closes, leave])
async def test_a_log_that_is_followed_ends_with_its_reader(
    served: tuple[Plane, RestServer], end: Any
) -> None:
    plane, rest = served
    async with socket_to(rest, "log", "follow=true", "binary.k8s.io") as socket:
        await socket.receive_bytes()
        await end(socket)
    await plane.nothing_left()


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[int, asyncio.Event]]:
    """Listen on a port that says nothing; the event is set when a connection has ended."""
    closed = asyncio.Event()

    async def port(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        with suppress(ConnectionError):
            await reader.read()
        closed.set()
        writer.close()

    async with await asyncio.start_server(port, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], closed


@pytest.mark.parametrize("end", [closes, leave])
async def test_forwarded_connections_end_with_their_session(
    served: tuple[Plane, RestServer], end: Any
) -> None:
    plane, rest = served
    async with listening() as (port, closed), socket_to(rest, "portforward", "", TUNNEL) as socket:
        client = TunnelClient(socket)
        data, _ = await client.connect(port)
        await client.until(lambda: client.data.get(data) == b"hello")
        await end(socket)
        async with asyncio.timeout(20):
            await closed.wait()
    await plane.nothing_left()


async def test_a_proxied_connection_ends_with_its_request(served: tuple[Plane, RestServer]) -> None:
    plane, rest = served
    async with listening() as (port, closed):
        # What says hello first speaks no HTTP.
        assert (await rest.get(f"{POD}:{port}/proxy/")).code == 503
        async with asyncio.timeout(20):
            await closed.wait()
    await plane.nothing_left()


async def run_kubectl(
    rest: RestServer, folder: Path, *words: str, stdin: bytes | None = None
) -> tuple[int, bytes, bytes]:
    assert KUBECTL is not None
    process = await asyncio.create_subprocess_exec(
        KUBECTL, f"--server={rest.url}", f"--cache-dir={folder}", *words,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(100):
        out, err = await process.communicate(stdin)
    return process.returncode or 0, out, err


@needs_kubectl
async def test_kubectl_runs_commands_and_copies_files(
    served: tuple[Plane, RestServer], tmp_path: Path
) -> None:
    plane, rest = served
    cache = tmp_path / "cache"
    assert await run_kubectl(rest, cache, "exec", "web", "--", "sh", "-c", "echo out; exit 7") == (
        7, b"out\n", b"command terminated with exit code 7\n"
    )  # fmt: skip
    assert await run_kubectl(rest, cache, "exec", "-i", "web", "--", "cat", stdin=b"x" * 300_000) == (
        0, b"x" * 300_000, b""
    )  # fmt: skip
    source, there, back = tmp_path / "source", tmp_path / "there", tmp_path / "back"
    source.write_bytes(os.urandom(2_000_000))
    assert (await run_kubectl(rest, cache, "cp", str(source), f"web:{there}"))[0] == 0
    assert (await run_kubectl(rest, cache, "cp", f"web:{there}", str(back)))[0] == 0
    assert back.read_bytes() == source.read_bytes()
    await plane.nothing_left()


@needs_kubectl
async def test_kubectl_says_why_it_may_not(served: tuple[Plane, RestServer], tmp_path: Path) -> None:
    _, rest = served
    code, _, err = await run_kubectl(rest, tmp_path, "exec", "gone", "--", "true")
    assert (code, err) == (1, b'Error from server (NotFound): pods "gone" not found\n')
    code, _, err = await run_kubectl(rest, tmp_path, "exec", "web", "-c", "nope", "--", "true")
    assert (code, err) == (1, b"Error from server (BadRequest): container nope is not valid for pod web\n")


@needs_kubectl
async def test_kubectl_without_websockets_hears_what_it_lacks(
    served: tuple[Plane, RestServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, rest = served
    monkeypatch.setenv("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", "false")
    code, _, err = await run_kubectl(rest, tmp_path, "exec", "web", "--", "true")
    assert code == 1
    assert err.startswith(
        b"Error from server (BadRequest): unable to upgrade: this server streams over WebSocket"
    )


@needs_kubectl
async def test_kubectl_forwards_ports(served: tuple[Plane, RestServer], tmp_path: Path) -> None:
    plane, rest = served
    assert KUBECTL is not None

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read()).upper())
        writer.close()

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        process = await asyncio.create_subprocess_exec(
            KUBECTL, f"--server={rest.url}", f"--cache-dir={tmp_path}", "port-forward", "--address=127.0.0.1", "pod/web",
            f":{port}", stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        line = (await process.stdout.readline()).decode()
        local = int(line.removeprefix("Forwarding from 127.0.0.1:").partition(" ")[0])

        async def talk(number: int) -> bytes:
            reader, writer = await asyncio.open_connection("127.0.0.1", local)
            writer.write(b"hola %d " % number * 1_000)
            writer.write_eof()
            said = await reader.read()
            writer.close()
            return said

        said = await asyncio.gather(*(talk(number) for number in range(8)))
        assert said == [b"HOLA %d " % number * 1_000 for number in range(8)]
        process.terminate()
        await process.wait()
    await plane.nothing_left()
