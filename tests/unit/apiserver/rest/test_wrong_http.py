"""What is no HTTP, or comes too slowly: smuggled requests, wrong lengths, heads that never end.

Written to the socket by hand, as no client would. Times are short here; `connections.Times` has the real ones.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

import aiohttp
import pytest

from apiserver.rest.connections import Times
from tests.support.rest import RestServer, rest_server

HOST = "Host: localhost\r\n"
MAPS = "/api/v1/namespaces/default/configmaps"
BODY = '{"metadata":{"name":"smuggled"}}'
#: whoever is late is cut off soon; each of them alone where another would end what is tested on a busy machine
TIMES = Times(handshake=0.2, head=0.2, body=0.2, idle=0.6, linger=0.2)
SHORT_BODY, SHORT_LINGER = Times(body=0.2, linger=0.2), Times(linger=0.2)
#: less than any of the real times that is not short here
_PATIENCE = 30.0


@dataclass(frozen=True)
class Case:
    name: str
    #: as latin-1
    sent: str
    #: how the answer begins; empty: none comes
    begins: str
    #: the connection stays open
    stays: bool = False


def post(*fields: str, body: str = "") -> str:
    return f"POST {MAPS} HTTP/1.1\r\n{HOST}" + "".join(f"{one}\r\n" for one in fields) + f"\r\n{body}"


CHUNKED = "Transfer-Encoding: chunked"
BAD = "HTTP/1.0 400 Bad Request"
SECOND = f"POST {MAPS} HTTP/1.1\r\n{HOST}Content-Length: {len(BODY)}\r\n\r\n{BODY}"

SMUGGLING = (
    Case("a length and chunks", post("Content-Length: 4", CHUNKED, body=f"0\r\n\r\n{SECOND}"), BAD),
    Case("chunks and a length", post(CHUNKED, "Content-Length: 4", body=f"0\r\n\r\n{SECOND}"), BAD),
    Case("two lengths", post("Content-Length: 0", f"Content-Length: {len(SECOND)}", body=SECOND), BAD),
    Case("the same length twice", post("Content-Length: 2", "Content-Length: 2", body="{}"), BAD),
    Case("a list of lengths", post("Content-Length: 2, 2", body="{}"), BAD),
    Case("a negative length", post("Content-Length: -1", body=SECOND), BAD),
    Case("a length with a sign", post("Content-Length: +2", body="{}"), BAD),
    Case("a length in hex", post("Content-Length: 0x2", body="{}"), BAD),
    Case("an endless length", post(f"Content-Length: {'9' * 30}", body="{}"), BAD),
    Case("a length with a space before its colon", post("Content-Length : 2", body="{}"), BAD),
    Case("chunks twice", post(CHUNKED, CHUNKED, body=f"0\r\n\r\n{SECOND}"), BAD),
    Case("chunks in another encoding", post("Transfer-Encoding: gzip, chunked", body="0\r\n\r\n"),
         "HTTP/1.1 400 Bad Request", stays=True),
    Case("chunks and nothing", post("Transfer-Encoding: chunked, identity", body="0\r\n\r\n"), BAD),
    Case("an unknown transfer encoding", post("Transfer-Encoding: xchunked", body="0\r\n\r\n"), BAD),
    Case("chunks with a tab before", post("Transfer-Encoding:\x0bchunked", body=f"0\r\n\r\n{SECOND}"), BAD),
    Case("a chunk without a size", post(CHUNKED, body="zz\r\n\r\n"), BAD),
    Case("a chunk of a negative size", post(CHUNKED, body="-1\r\n\r\n"), BAD),
    Case("a chunk of an endless size", post(CHUNKED, body=f"{'f' * 40}\r\n\r\n"), BAD),
    Case("chunks that end in line feeds", post(CHUNKED, body="1\na\n0\n\n"), BAD),
    Case("a chunk that is longer than it says", post(CHUNKED, body="1\r\nabc\r\n0\r\n\r\n"), BAD),
)  # fmt: skip
NO_HTTP = (
    Case("words", "hello\r\n\r\n", BAD),
    Case("a handshake of TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", BAD),
    Case("HTTP/2 without a word before", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", BAD),
    Case("HTTP/3.0", f"GET /healthz HTTP/3.0\r\n{HOST}\r\n", BAD),
    Case("no host", "GET /healthz HTTP/1.1\r\n\r\n", BAD),
    Case("two hosts", f"GET /healthz HTTP/1.1\r\n{HOST}Host: evil\r\n\r\n", BAD),
    Case("lines that end in line feeds", "GET /healthz HTTP/1.1\nHost: localhost\n\n", BAD),
    Case("a field over two lines", f"GET /healthz HTTP/1.1\r\n{HOST}X-A: b\r\n c\r\n\r\n", BAD),
    Case("a NUL in a field", f"GET /healthz HTTP/1.1\r\n{HOST}X-A: b\0c\r\n\r\n", BAD),
    Case("a carriage return in a field", f"GET /healthz HTTP/1.1\r\n{HOST}X-A: b\rc\r\n\r\n", BAD),
    Case("a space in the target", f"GET /healthz x HTTP/1.1\r\n{HOST}\r\n", BAD),
    Case("bytes in the target", f"GET /api/v1/namespaces/\xff HTTP/1.1\r\n{HOST}\r\n", BAD),
    Case("an unknown method", f"FOO {MAPS} HTTP/1.1\r\n{HOST}\r\n", BAD),
    Case("a method in lower case", f"get {MAPS} HTTP/1.1\r\n{HOST}\r\n", BAD),
    Case("a method that is no token", f"B@D {MAPS} HTTP/1.1\r\n{HOST}\r\n", BAD),
    Case("a target without an end", f"GET /{'a' * 20_000} HTTP/1.1\r\n{HOST}\r\n", "HTTP/1.0 431 "),
    Case("a field without an end", f"GET / HTTP/1.1\r\n{HOST}X-A: {'a' * 20_000}\r\n\r\n", "HTTP/1.0 431 "),
    Case("fields without an end", f"GET / HTTP/1.1\r\n{HOST}" + "X-A: b\r\n" * 200 + "\r\n", BAD),
    Case("a tunnel", f"CONNECT evil:22 HTTP/1.1\r\n{HOST}\r\n", "HTTP/1.1 404 Not Found", stays=True),
    Case("options of the server", f"OPTIONS * HTTP/1.1\r\n{HOST}\r\n", "HTTP/1.1 404 Not Found", stays=True),
    Case("a proxy's target", f"GET http://evil/healthz HTTP/1.1\r\n{HOST}\r\n", "HTTP/1.1 200 OK", stays=True),
    Case("an upgrade to HTTP/2", f"GET /healthz HTTP/1.1\r\n{HOST}Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
         "HTTP/1.1 200 OK", stays=True),
    Case("an upgrade, and garbage after it",
         f"GET /healthz HTTP/1.1\r\n{HOST}Connection: Upgrade\r\nUpgrade: x\r\n\r\n\x01\x02garbage\r\n\r\n",
         "HTTP/1.1 200 OK"),
    Case("a body that is too long by its length", post("Content-Length: 4000000", body="{"),
         "HTTP/1.1 413 Request Entity Too Large"),
)  # fmt: skip
SLOW = (
    Case("nothing at all", "", ""),
    Case("a line without an end", "GET /healthz", ""),
    Case("a head without an end", f"GET /healthz HTTP/1.1\r\n{HOST}X-A: b", ""),
    Case("HTTP/0.9", "GET /healthz\r\n", ""),
    Case("a body that does not come", post("Content-Length: 20", body="{"), "HTTP/1.1 504 Gateway Timeout"),
    Case("a chunk that does not come", post(CHUNKED, body="5\r\n{"), "HTTP/1.1 504 Gateway Timeout"),
    Case("chunks that do not end", post(CHUNKED, body="2\r\n{}\r\n"), "HTTP/1.1 504 Gateway Timeout"),
)


async def exchange(server: RestServer, sent: bytes, *, ends: bool = False, stays: bool = False) -> bytes:
    """Send bytes; return all that comes until the other side closes, or the first of it where it does not."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        writer.write(sent)
        if ends:
            writer.write_eof()
        async with asyncio.timeout(_PATIENCE):
            return await (reader.read(65536) if stays else reader.read(-1))
    finally:
        writer.close()


async def unharmed(server: RestServer) -> None:
    """Nothing was stored, and others are served."""
    for path, code in (("/healthz", 200), (f"{MAPS}/smuggled", 404)):
        assert await code_of(server, path) == code


async def code_of(server: RestServer, path: str) -> int:
    """Return how a request is answered; who was too late for a short time, on a busy machine, comes again."""
    async with asyncio.timeout(_PATIENCE):
        while True:
            with suppress(aiohttp.ClientConnectionError):
                return (await server.get(path)).code


@pytest.mark.parametrize("case", [*SMUGGLING, *NO_HTTP], ids=lambda case: case.name)
async def test_what_is_no_request_is_refused(case: Case) -> None:
    # Nothing is said to garbage after an upgrade: its connection ends with its idle time.
    times = TIMES if case.name.endswith("after it") else SHORT_LINGER
    async with rest_server(times=times) as server:
        answer = await exchange(server, case.sent.encode("latin-1"), stays=case.stays)
        while times is TIMES and not answer:
            # On a busy machine that was over before anything was sent.
            answer = await exchange(server, case.sent.encode("latin-1"))
        assert answer.startswith(case.begins.encode()), answer
        # One answer, and not one to what was hidden in it.
        assert answer.count(b"HTTP/1.") == 1 or case.name.endswith("after it")
        await unharmed(server)


@pytest.mark.parametrize("case", SLOW, ids=lambda case: case.name)
async def test_what_does_not_come_in_time_is_given_up(case: Case) -> None:
    async with rest_server(times=SHORT_BODY if case.begins else TIMES) as server:
        answer = await exchange(server, case.sent.encode("latin-1"))
        assert answer.startswith(case.begins.encode()), answer
        assert bool(answer) is bool(case.begins)
        assert server.serving.calls.current == 0
        await unharmed(server)


async def test_bytes_one_by_one_are_given_up_too() -> None:
    async with rest_server(times=TIMES) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)

        async def drip() -> None:
            for byte in b"GET /healthz HTTP/1.1\r\n" + b"X" * 10_000:
                writer.write(bytes((byte,)))
                await asyncio.sleep(0.01)  # noqa: TID251 - a slow client

        dripping = asyncio.get_running_loop().create_task(drip())
        # Cut off with a byte on its way, it is reset.
        async with asyncio.timeout(_PATIENCE):
            with suppress(ConnectionError):
                assert await reader.read(-1) == b""
        dripping.cancel()
        writer.close()
        await unharmed(server)


@pytest.mark.parametrize(
    "sent",
    [
        post("Content-Length: 20", body="{"), post(CHUNKED, body="5\r\n{"), "GET /healthz HTTP/1.1\r\n",
        post(f"Content-Length: {len(BODY)}", body=BODY[:-1]),
    ],
)  # fmt: skip
async def test_half_a_request_of_a_client_that_is_gone_stores_nothing(sent: str) -> None:
    async with rest_server(times=TIMES) as server:
        await exchange(server, sent.encode(), ends=True)
        await unharmed(server)
        assert server.serving.calls.current == 0


async def test_requests_one_after_the_other_are_answered_in_their_order() -> None:
    async with rest_server(times=TIMES) as server:
        sent = f"GET /healthz HTTP/1.1\r\n{HOST}\r\nGET /nothing HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n"
        answer = await exchange(server, sent.encode())
        first, second = answer.split(b"HTTP/1.1 ")[1:]
        assert (first[:6], second[:13]) == (b"200 OK", b"404 Not Found")


async def test_who_waits_to_be_told_may_send_a_body() -> None:
    async with rest_server() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(
            post("Expect: 100-continue", f"Content-Length: {len(BODY)}", "Connection: close").encode()
        )
        async with asyncio.timeout(_PATIENCE):
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(BODY.encode())
            assert (await reader.read(-1)).startswith(b"HTTP/1.1 201 Created")
        writer.close()


async def closed(reader: asyncio.StreamReader) -> None:
    """Return when the server has ended a connection without a word."""
    with suppress(ConnectionError):
        assert await reader.read(-1) == b""


async def test_an_address_has_half_of_the_connections_at_most() -> None:
    async with rest_server(max_connections=8) as server:
        opened = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(10)]
        waiting = [asyncio.get_running_loop().create_task(closed(reader)) for reader, _ in opened]
        async with asyncio.timeout(_PATIENCE):
            while sum(task.done() for task in waiting) < 6:
                await asyncio.wait(
                    [task for task in waiting if not task.done()], return_when=asyncio.FIRST_COMPLETED
                )
        assert server.serving.listener.count == 4
        assert sum(task.done() for task in waiting) == 6
        for _, writer in opened:
            writer.close()
        await asyncio.gather(*waiting)


async def test_connections_without_a_request_are_closed_and_there_is_room_again() -> None:
    async with rest_server(times=TIMES, max_connections=8) as server:
        opened = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(10)]
        async with asyncio.timeout(_PATIENCE):
            for reader, writer in opened:
                await closed(reader)
                writer.close()
        assert server.serving.listener.count == 0
        await unharmed(server)
