"""Probes against servers on loopback, and commands."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing, suppress

import pytest

from kubelet.probes.http import Outcome, PortError, resolve_port
from kubelet.probes.prober import run_probe
from kubelet.runtime.interface import RuntimeUnavailable
from kubelet.runtime.records import ExecResult
from tests.support.ports import closed_port
from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.testing.builders import make_container
from vaina.testing.clock import settle


class Commands:
    """An executor whose commands end as they say."""

    async def exec_sync(
        self, container_id: str, argv: Sequence[str], *, timeout_seconds: float
    ) -> ExecResult:
        if argv[0] == "slow":
            raise TimeoutError
        if argv[0] == "away":
            raise RuntimeUnavailable("no engine")
        return ExecResult(int(argv[1]), b"said ", b"this")


async def probe(handler: pod_pb2.ProbeHandler, timeout: float = 60.0) -> Outcome | None:
    container = make_container()
    return await run_probe(
        Commands(), handler, container, container_id="c", pod_ip="127.0.0.1", timeout_seconds=timeout
    )


@asynccontextmanager
async def server(*answers: str) -> AsyncIterator[tuple[int, list[str]]]:
    """Serve each connection the next answer; yields the port and what was asked."""
    asked: list[str] = []
    left = [*answers]

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError), closing(writer):
            asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
            writer.write(left.pop(0).encode())
            await writer.drain()

    listening = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1], asked
        await settle()


def http(port: int, path: str = "/healthz") -> pod_pb2.ProbeHandler:
    action = pod_pb2.HTTPGetAction(path=path, port=meta_pb2.IntOrString(int_val=port))
    return pod_pb2.ProbeHandler(http_get=action)


@pytest.mark.parametrize(
    ("status", "want"),
    [
        ("200 OK", Outcome(True, "fine")),
        ("399 Odd", Outcome(True, "fine")),
        ("400 Bad Request", Outcome(False, "HTTP probe failed with statuscode: 400")),
        ("500 Oops", Outcome(False, "HTTP probe failed with statuscode: 500")),
    ],
)
async def test_the_status_of_a_get_decides(status: str, want: Outcome) -> None:
    async with server(f"HTTP/1.1 {status}\r\nContent-Length: 4\r\n\r\nfine") as (port, asked):
        assert await probe(http(port)) == want

    assert asked[0].startswith("GET /healthz HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{port}\r\n" in asked[0]
    assert "User-Agent: kube-probe/1.37\r\n" in asked[0]


async def test_headers_of_the_probe_go_before_the_usual_ones() -> None:
    async with server("HTTP/1.1 200 OK\r\n\r\n") as (port, asked):
        handler = http(port)
        handler.http_get.http_headers.add(name="Host", value="example.com")
        await probe(handler)

    assert "Host: example.com\r\n" in asked[0]
    assert asked[0].count("Host:") == 1


async def test_redirects_on_the_same_host_are_followed() -> None:
    moved = "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\n\r\n"
    async with server(moved, "HTTP/1.1 500 Oops\r\n\r\n") as (port, asked):
        assert await probe(http(port)) == Outcome(False, "HTTP probe failed with statuscode: 500")

    assert asked[1].startswith("GET /elsewhere ")


async def test_redirects_to_another_host_are_not() -> None:
    moved = "HTTP/1.1 302 Found\r\nLocation: http://example.com/\r\n\r\n"
    async with server(moved) as (port, _):
        outcome = await probe(http(port))

    assert outcome is not None
    assert outcome.succeeded


async def test_what_is_no_http_fails() -> None:
    async with server("hello\r\n\r\n") as (port, _):
        outcome = await probe(http(port))

    assert outcome is not None
    assert not outcome.succeeded


async def test_a_port_on_which_nobody_listens_fails() -> None:
    with closed_port() as port:
        words = f"dial tcp 127.0.0.1:{port}: connect: connection refused"
        action = pod_pb2.TCPSocketAction(port=meta_pb2.IntOrString(int_val=port))

        assert await probe(http(port)) == Outcome(False, f'Get "http://127.0.0.1:{port}/healthz": {words}')
        assert await probe(pod_pb2.ProbeHandler(tcp_socket=action)) == Outcome(False, words)


async def test_a_connection_that_opens_is_success() -> None:
    async with server() as (port, _):
        action = pod_pb2.TCPSocketAction(port=meta_pb2.IntOrString(int_val=port))
        assert await probe(pod_pb2.ProbeHandler(tcp_socket=action)) == Outcome(True)


async def test_a_server_that_does_not_answer_in_time_fails() -> None:
    never = asyncio.Event()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await never.wait()
        writer.close()

    async with await asyncio.start_server(connected, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        outcome = await probe(http(port), timeout=0.05)
        never.set()

    assert outcome == Outcome(
        False, "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
    )


@pytest.mark.parametrize(
    ("command", "want"),
    [
        (["exit", "0"], Outcome(True, "said this")),
        (["exit", "1"], Outcome(False, "said this")),
        (["slow"], Outcome(False, 'command timed out: "slow" timed out after 5s')),
        (["away"], None),
    ],
)
async def test_the_code_of_a_command_decides(command: list[str], want: Outcome | None) -> None:
    handler = pod_pb2.ProbeHandler(exec=pod_pb2.ExecAction(command=command))
    assert await probe(handler, timeout=5.0) == want


def test_a_port_may_have_a_name() -> None:
    container = make_container()
    container.ports.add(name="web", container_port=8080)

    assert resolve_port(meta_pb2.IntOrString(type=1, str_val="web"), container) == 8080
    assert resolve_port(meta_pb2.IntOrString(int_val=81), container) == 81
    with pytest.raises(PortError, match="couldn't find port: none"):
        resolve_port(meta_pb2.IntOrString(type=1, str_val="none"), container)
    with pytest.raises(PortError, match="invalid port number: 0"):
        resolve_port(meta_pb2.IntOrString(), container)
