"""The client of streaming servers, against a server that speaks SPDY/3.1 as far as a test needs."""

import asyncio
import json
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from kubelet.runtime.cri.sessions import CriSession, connect, exit_code_of
from kubelet.runtime.interface import RuntimeFailure, RuntimeUnavailable
from kubelet.runtime.records import OutputStream
from vaina.spdy import control_frame, data_frame

UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n"
Handler = Callable[["Server"], Awaitable[None]]


class Server:
    """The server's side of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.inflate = zlib.decompressobj()
        self.streams: dict[str, int] = {}

    async def frame(self) -> tuple[bool, int, int, bytes]:
        """Return (control, kind or stream, flags, payload) of the next frame."""
        first, second = struct.unpack(">II", await self.reader.readexactly(8))
        payload = await self.reader.readexactly(second & 0xFFFFFF)
        return bool(first >> 31), first & (0xFFFF if first >> 31 else 0x7FFFFFFF), second >> 24, payload

    async def accept(self, count: int) -> None:
        """Take in the streams that the client opens."""
        for _ in range(count):
            control, kind, _, payload = await self.frame()
            assert (control, kind) == (True, 1)
            block = self.inflate.decompress(payload[10:])
            [pairs] = struct.unpack(">I", block[:4])
            texts, at = [], 4
            for _ in range(2 * pairs):
                [size] = struct.unpack(">I", block[at : at + 4])
                texts.append(block[at + 4 : at + 4 + size].decode())
                at += 4 + size
            self.streams[dict(zip(texts[::2], texts[1::2], strict=True))["streamtype"]] = int(
                struct.unpack(">I", payload[:4])[0]
            )

    def send(self, kind: str, data: bytes, *, last: bool = False) -> None:
        self.writer.write(data_frame(self.streams[kind], data, last=last))


@asynccontextmanager
async def serving(handle: Handler, answer: bytes = UPGRADED) -> AsyncIterator[str]:
    """Serve one connection; yields the address of its stream."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"POST /exec/token HTTP/1.1\r\n")
        assert b"\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n" in head
        writer.write(answer)
        try:
            await handle(Server(reader, writer))
            await writer.drain()
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/exec/token"
    finally:
        server.close()


async def finished(session: CriSession) -> dict[OutputStream, bytes]:
    """Return everything that a session writes."""
    written = {OutputStream.STDOUT: b"", OutputStream.STDERR: b""}
    async for item in session.output():
        written[item.stream] += item.data
    return written


async def test_output_of_both_streams_and_the_code_come_through() -> None:
    async def handle(server: Server) -> None:
        await server.accept(3)
        server.writer.write(control_frame(2, 0, struct.pack(">I", 1)))
        server.send("stdout", b"o" * 100_000)
        server.send("stderr", b"e")
        status = {"status": "Failure", "details": {"causes": [{"reason": "ExitCode", "message": "5"}]}}
        server.send("error", json.dumps(status).encode(), last=True)
        server.send("stdout", b"", last=True)
        server.send("stderr", b"", last=True)

    async with serving(handle) as url:
        session = await CriSession.connect(url, stdin=False, tty=False)
        # Input that was not announced has no stream, and does no harm.
        await session.write(b"unasked")
        written = await finished(session)
        await session.close()
    assert (written[OutputStream.STDOUT], written[OutputStream.STDERR]) == (b"o" * 100_000, b"e")
    assert await session.exit_code() == 5


async def test_input_ends_and_output_goes_on() -> None:
    async def handle(server: Server) -> None:
        await server.accept(4)
        given, ended = b"", False
        while not ended:
            _, stream, flags, payload = await server.frame()
            assert stream == server.streams["stdin"]
            given, ended = given + payload, bool(flags & 1)
        server.send("stdout", given.upper())
        server.send("error", b'{"status":"Success"}', last=True)

    async with serving(handle) as url:
        session = await CriSession.connect(url, stdin=True, tty=False)
        await session.write(b"x" * 70_000)
        await session.close_stdin()
        written = await finished(session)
        await session.close()
    assert written[OutputStream.STDOUT] == b"X" * 70_000
    assert await session.exit_code() == 0


async def test_a_terminal_has_one_output_and_a_size() -> None:
    async def handle(server: Server) -> None:
        await server.accept(3)
        assert set(server.streams) == {"error", "stdout", "resize"}
        _, stream, _, payload = await server.frame()
        assert stream == server.streams["resize"]
        server.send("stdout", payload)
        server.send("error", b'{"status":"Success"}', last=True)

    async with serving(handle) as url:
        session = await CriSession.connect(url, stdin=False, tty=True)
        await session.resize(80, 24)
        written = await finished(session)
        await session.close()
    assert json.loads(written[OutputStream.STDOUT]) == {"Width": 80, "Height": 24}


async def test_a_ping_is_answered() -> None:
    async def handle(server: Server) -> None:
        await server.accept(3)
        ping = control_frame(6, 0, struct.pack(">I", 2))
        server.writer.write(ping)
        assert await server.frame() == (True, 6, 0, struct.pack(">I", 2))
        server.send("error", b'{"status":"Success"}', last=True)

    async with serving(handle) as url:
        session = await CriSession.connect(url, stdin=False, tty=False)
        await finished(session)
        await session.close()
    assert await session.exit_code() == 0


async def test_a_connection_that_breaks_ends_the_output_as_a_kill_does() -> None:
    async def handle(server: Server) -> None:
        await server.accept(3)
        # Half a frame.
        server.writer.write(data_frame(server.streams["stdout"], b"whole") + b"\x00\x00\x00\x03\x00\x00\x10")

    async with serving(handle) as url:
        session = await CriSession.connect(url, stdin=False, tty=False)
        written = await finished(session)
        await session.close()
    assert written[OutputStream.STDOUT] == b"whole"
    assert await session.exit_code() == 137


async def test_a_server_that_refuses_says_why() -> None:
    async def handle(server: Server) -> None:
        return

    refusal = b"HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\nexec request not found"
    async with serving(handle, refusal) as url:
        with pytest.raises(RuntimeFailure, match="exec request not found"):
            await CriSession.connect(url, stdin=False, tty=False)


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    async def handle(server: Server) -> None:
        return

    async with serving(handle) as url:
        pass
    with pytest.raises(RuntimeUnavailable):
        await CriSession.connect(url, stdin=False, tty=False)
    with pytest.raises(RuntimeFailure, match="cannot stream over file"):
        await CriSession.connect("file:///etc/passwd", stdin=False, tty=False)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", "answer is too long"),
        (b"garbage\r\n\r\n", "garbage"),
        (b"", "closed the connection"),
    ],
)
async def test_what_is_no_answer_is_a_refusal(answer: bytes, words: str) -> None:
    async def handle(server: Server) -> None:
        return

    async with serving(handle, answer) as url:
        with pytest.raises(RuntimeFailure, match=words):
            await CriSession.connect(url, stdin=False, tty=False)


async def test_a_server_that_never_answers_is_given_up() -> None:
    left = asyncio.Event()

    # Not `serving`, which waits for a whole request: on a busy machine the client may leave before it is sent.
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        left.set()

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/exec/x"
        with pytest.raises(TimeoutError, match="no answer within"):
            await connect(url, protocol="v4.channel.k8s.io", timeout_seconds=0.05)
        await left.wait()


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (b'{"status":"Failure","message":"no such program"}', "no such program"),
        (b'{"status":"Failure","details":{"causes":[{"reason":"ExitCode"}]}}', "the command failed|ExitCode"),
        (b"not json", "not json"),
        (b"[]", r"\[\]"),
        (b'{"status":"Failure"}', "the command failed"),
    ],
)
def test_what_tells_no_code_is_an_error_in_its_own_words(status: bytes, words: str) -> None:
    with pytest.raises(RuntimeFailure, match=words):
        exit_code_of(status)
