"""Port-forward through the REST API: SPDY in a WebSocket, as kubectl, and channels, as the Python client."""

import asyncio
import gc
import struct
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import aiohttp
import pytest

from apiserver.rest.streams.port_forward import _Inbox
from tests.support.rest_streams import TunnelClient, everything, grown, leave, streaming, upper
from vaina.errors import Unavailable
from vaina.spdy import CANCEL, GOAWAY, SYN_REPLY, control_frame, reset_frame
from vaina.testing.clock import settle

TUNNEL, V4 = "SPDY/3.1+portforward.k8s.io", "v4.channel.k8s.io"


async def test_a_connection_is_carried_both_ways_and_ends_by_halves() -> None:
    async with streaming() as plane, plane.socket("portforward", "", TUNNEL) as socket:
        assert socket.protocol == TUNNEL
        plane.kubelet.ports[8080] = upper
        client = TunnelClient(socket)
        data, error = await client.connect(8080)
        await client.send(data, b"hola")
        await client.until(lambda: client.data.get(data) == b"HOLA")
        # We have said everything; the port has not.
        await client.send(data, b"", last=True)
        await client.until(lambda: {data, error} <= client.ended)
        assert (client.data[data], client.data[error]) == (b"HOLA<4>", b"")
        assert client.controls == [(SYN_REPLY, error), (SYN_REPLY, data)]
        assert [asked.port for asked in plane.kubelet.asked] == [8080]


async def test_connections_are_side_by_side_and_one_after_the_other() -> None:
    async with streaming() as plane, plane.socket("portforward", "", TUNNEL) as socket:
        plane.kubelet.ports |= {80: upper, 81: upper}
        client = TunnelClient(socket)
        streams = [await client.connect(80 + number % 2, str(number)) for number in range(50)]
        for number, (data, _) in enumerate(streams):
            await client.send(data, b"n%d" % number, last=True)
        await client.until(lambda: all(error in client.ended for _, error in streams))
        for number, (data, _) in enumerate(streams):
            text = b"N%d" % number
            assert client.data[data] == text + b"<%d>" % len(text)
        again, _ = await client.connect(80, "again")
        await client.send(again, b"x", last=True)
        await client.until(lambda: again in client.ended)
        assert client.data[again] == b"X<1>"


async def test_a_port_where_nobody_listens_is_told_on_the_error_stream_and_others_go_on() -> None:
    async with streaming() as plane, plane.socket("portforward", "", TUNNEL) as socket:
        plane.kubelet.ports[80] = upper
        client = TunnelClient(socket)
        good, _ = await client.connect(80, "good")
        bad, error = await client.connect(9, "bad")
        await client.until(lambda: error in client.ended)
        assert bad in client.ended
        assert client.data[error] == b"error forwarding port 9 to pod web: connection refused"
        await client.send(good, b"x", last=True)
        await client.until(lambda: good in client.ended)
        assert client.data[good] == b"X<1>"


async def test_a_node_that_is_away_is_told_on_the_error_stream() -> None:
    async with streaming() as plane, plane.socket("portforward", "", TUNNEL) as socket:
        plane.kubelet.refusal = Unavailable("nobody there")
        client = TunnelClient(socket)
        _, error = await client.connect(80)
        await client.until(lambda: error in client.ended)
        assert client.data[error].startswith(
            b"error forwarding port 80 to pod web, uid : error dialing backend"
        )


async def silent(data: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Take nothing, say one thing."""
    yield b"hello"
    await asyncio.Event().wait()


async def test_who_leaves_a_connection_ends_it_alone() -> None:
    async with streaming() as plane, plane.socket("portforward", "", TUNNEL) as socket:
        plane.kubelet.ports |= {80: silent, 81: upper}
        client = TunnelClient(socket)
        left, error = await client.connect(80, "left")
        stays, _ = await client.connect(81, "stays")
        await client.until(lambda: client.data.get(left) == b"hello")
        await socket.send_bytes(reset_frame(left, CANCEL))
        await client.until(lambda: error in client.ended)
        await client.send(stays, b"x", last=True)
        await client.until(lambda: stays in client.ended)
        await plane.kubelet.idle()


async def closes(socket: aiohttp.ClientWebSocketResponse) -> None:
    await socket.close()


async def goes_away(socket: aiohttp.ClientWebSocketResponse) -> None:
    await socket.send_bytes(control_frame(GOAWAY, 0, bytes(8)))


async def speaks_nonsense(socket: aiohttp.ClientWebSocketResponse) -> None:
    await socket.send_bytes(b"\x80\x02\x00\x01\x00\x00\x00\x00")


@pytest.mark.parametrize("end", [closes, leave, goes_away, speaks_nonsense])
async def test_the_end_of_a_session_ends_its_connections(end: Any) -> None:
    async with streaming() as plane, plane.socket("portforward", "", TUNNEL) as socket:
        plane.kubelet.ports[80] = silent
        client = TunnelClient(socket)
        streams = [await client.connect(80, str(number)) for number in range(5)]
        await client.until(lambda: all(client.data.get(data) == b"hello" for data, _ in streams))
        assert plane.kubelet.open == 5
        await end(socket)
        await plane.kubelet.idle()


async def test_a_connection_that_nobody_reads_holds_its_session_back() -> None:
    async with streaming() as plane, plane.socket("portforward", "", TUNNEL) as socket:
        plane.kubelet.ports[80] = silent
        client = TunnelClient(socket)
        data, _ = await client.connect(80)
        sent = 0

        async def send() -> None:
            nonlocal sent
            while True:
                await client.send(data, bytes(32 * 1024))
                sent += 32 * 1024

        sending = asyncio.ensure_future(send())  # noqa: TID251 - cancelled below
        assert await grown(lambda: sent) < 32 * 1024 * 1024
        sending.cancel()
        await leave(socket)


async def test_a_port_may_say_much() -> None:
    async def much(data: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        for number in range(500):
            yield bytes([number % 256]) * 8_000

    async with streaming() as plane, plane.socket("portforward", "", TUNNEL) as socket:
        plane.kubelet.ports[80] = much
        client = TunnelClient(socket)
        streams = [await client.connect(80, str(number)) for number in range(3)]
        await client.until(lambda: all(error in client.ended for _, error in streams))
        want = b"".join(bytes([number % 256]) * 8_000 for number in range(500))
        for data, _ in streams:
            assert client.data[data] == want


async def test_the_python_client_forwards_over_channels() -> None:
    async with streaming() as plane:
        plane.kubelet.ports |= {80: upper}
        async with plane.socket("portforward", "ports=80,9", V4, "v5.channel.k8s.io") as socket:
            assert socket.protocol == V4
            first = sorted([await socket.receive_bytes() for _ in range(4)])
            assert first == [
                bytes((channel,)) + struct.pack("<H", port)
                for channel, port in ((0, 80), (1, 80), (2, 9), (3, 9))
            ]
            assert (
                await socket.receive_bytes() == b"\x03error forwarding port 9 to pod web: connection refused"
            )
            await socket.send_bytes(b"\x00hola")
            assert await socket.receive_bytes() == b"\x00HOLA"
            # Nobody reads these.
            for message in (b"\x01x", b"\x02x", b"\x07x", b"", b"\xff\x00"):
                await socket.send_bytes(message)
            await socket.send_bytes(b"\x00mas")
            assert await socket.receive_bytes() == b"\x00MAS"
        await plane.kubelet.idle()


async def test_a_session_of_channels_ends_with_its_last_port() -> None:
    async def says_bye(data: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        yield b"bye"

    async with streaming() as plane:
        plane.kubelet.ports[80] = says_bye
        async with plane.socket("portforward", "ports=80", V4) as socket:
            assert (await everything(socket))[2:] == [b"\x00bye"]
            assert socket.close_code == 1000


@pytest.mark.parametrize(
    ("query", "pod", "code", "message"),
    [
        ("", "web", 400, 'query parameter "port" is required'),
        ("ports=x", "web", 400, 'cannot convert to []int32: strconv.ParseUint: parsing "x": invalid syntax'),
        ("ports=80", "gone", 404, 'pods "gone" not found'),
        ("ports=80", "waits", 400, "pod waits does not have a host assigned"),
    ],
)
async def test_what_is_refused_is_a_status(query: str, pod: str, code: int, message: str) -> None:
    async with streaming() as plane:
        await plane.api.pod("waits")
        headers = {
            "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Protocol": V4,
        }  # fmt: skip
        answer = await plane.rest.get(plane.path("portforward", query, pod), headers=headers)
    assert (answer.code, answer.json["message"]) == (code, message)


def inboxes() -> int:
    """Count the connections that somebody still knows."""
    gc.collect()
    return sum(isinstance(each, _Inbox) for each in gc.get_objects())


async def test_connections_that_end_in_the_moment_they_begin_leave_nothing_behind() -> None:
    async with streaming() as plane, plane.socket("portforward", "", TUNNEL) as socket:
        plane.kubelet.ports[80] = upper
        client = TunnelClient(socket)
        for number in range(4):
            await client.send_at_once(80, str(number), bytes(60_000))
        data, _ = await client.connect(80, "stays")
        await client.send(data, b"x")
        await client.until(lambda: client.data.get(data) == b"X")
        # Their tasks end in turns of their own, and other tests' connections go with the garbage.
        async with asyncio.timeout(60):
            while inboxes() > 1:
                await settle()
        assert inboxes() == 1
