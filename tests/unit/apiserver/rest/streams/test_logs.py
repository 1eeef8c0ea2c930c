"""Logs through the REST API: text as it comes, and what is refused before anything was written."""

import asyncio
import base64

import aiohttp
import pytest

from tests.support.rest_streams import Plane, everything, leave, streaming
from vaina.errors import BadRequest, Unavailable
from vaina.serving.draining import Drain


async def test_a_log_is_text() -> None:
    async with streaming() as plane:
        answer = await plane.rest.get(plane.path("log"))
    assert (answer.code, answer.body) == (200, b"one\ntwo\n")
    assert answer.headers["Content-Type"] == "text/plain"
    assert answer.headers["Transfer-Encoding"] == "chunked"


async def test_what_is_asked_for_goes_to_the_kubelet() -> None:
    async with streaming("app", "side") as plane:
        query = (
            "container=side&follow=1&previous=true&tailLines=5&limitBytes=9&sinceSeconds=3&timestamps=true"
        )
        await plane.rest.get(plane.path("log", query + "&insecureSkipTLSVerifyBackend=true"))
        [asked] = plane.kubelet.asked
    options = asked.options
    assert (options.container, options.follow, options.previous, options.timestamps) == (
        "side",
        True,
        True,
        True,
    )
    assert (options.tail_lines, options.limit_bytes, options.since_seconds) == (5, 9, 3)


async def test_a_log_that_is_followed_comes_as_it_is_written() -> None:
    async with streaming() as plane:
        more = asyncio.Event()
        plane.kubelet.log = [b"one\n", more, b"two\n"]
        async with plane.rest.session.get(plane.rest.url + plane.path("log", "follow=true")) as answer:
            assert await answer.content.readany() == b"one\n"
            more.set()
            assert await answer.content.read() == b"two\n"


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        ("log", 400, "a container name must be specified for pod web, choose one of: [app side]"),
        ("log?container=nope", 400, "container nope is not valid for pod web"),
        ("log?tailLines=x&container=app", 400, 'strconv.ParseInt: parsing "x": invalid syntax'),
        (
            "log?tailLines=-1&container=app", 422,
            'PodLogOptions "web" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0',
        ),
    ],
)  # fmt: skip
async def test_what_is_refused_is_a_status(path: str, code: int, message: str) -> None:
    async with streaming("app", "side") as plane:
        answer = await plane.rest.get(plane.path(path))
    assert (answer.code, answer.json["code"], answer.json["message"]) == (code, code, message)


async def test_there_is_no_log_of_no_pod() -> None:
    async with streaming() as plane:
        answer = await plane.rest.get(plane.path("log", pod="gone"))
        assert (answer.code, answer.json["message"]) == (404, 'pods "gone" not found')
        # A Pod without a node has nothing to say, which is no error upstream.
        await plane.api.pod("waits")
        answer = await plane.rest.get(plane.path("log", pod="waits"))
        assert (answer.code, answer.body) == (204, b"")


async def test_what_the_node_refuses_is_a_status() -> None:
    async with streaming() as plane:
        plane.kubelet.refusal = BadRequest(
            'container "app" in pod "web" is waiting to start: ContainerCreating'
        )
        answer = await plane.rest.get(plane.path("log"))
    assert (answer.code, answer.json["message"]) == (400, plane.kubelet.refusal.message)


async def test_a_log_that_breaks_is_not_taken_for_the_whole() -> None:
    async with streaming() as plane:
        plane.kubelet.log = [b"one\n", Unavailable("the node went away")]
        async with plane.rest.session.get(plane.rest.url + plane.path("log")) as answer:
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.read()


async def test_an_empty_log_is_an_empty_answer() -> None:
    async with streaming() as plane:
        plane.kubelet.log = []
        answer = await plane.rest.get(plane.path("log"))
    assert (answer.code, answer.body) == (200, b"")


async def test_a_client_that_leaves_ends_the_log() -> None:
    async with streaming() as plane:
        plane.kubelet.log = [b"one\n", asyncio.Event()]
        answer = await plane.rest.session.get(plane.rest.url + plane.path("log", "follow=true"))
        assert await answer.content.readany() == b"one\n"
        assert plane.kubelet.open == 1
        answer.close()
        await plane.kubelet.idle()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_logs_are_only_read(method: str) -> None:
    async with streaming() as plane:
        assert (await plane.rest.request(method, plane.path("log"))).code == 405


@pytest.mark.parametrize("protocol", ["binary.k8s.io", ""])
async def test_a_log_over_a_websocket(protocol: str) -> None:
    async with streaming() as plane, plane.socket("log", "", *([protocol] if protocol else [])) as socket:
        assert socket.protocol == (protocol or None)
        # The first is empty: the log is there.
        assert await everything(socket) == [b"", b"one\n", b"two\n"]
        assert socket.close_code == 1000


async def test_a_log_over_a_websocket_as_text() -> None:
    async with streaming() as plane, plane.socket("log", "", "base64.binary.k8s.io") as socket:
        assert [base64.b64decode(item) for item in await everything(socket)] == [b"", b"one\n", b"two\n"]


async def test_a_log_that_breaks_over_a_websocket_says_so() -> None:
    async with streaming() as plane:
        plane.kubelet.log = [b"one\n", Unavailable("the node went away")]
        async with plane.socket("log", "", "binary.k8s.io") as socket:
            assert await everything(socket) == [b"", b"one\n"]
            assert socket.close_code == 1011


async def ends(plane: Plane, socket: aiohttp.ClientWebSocketResponse) -> None:
    await socket.close()


async def breaks(plane: Plane, socket: aiohttp.ClientWebSocketResponse) -> None:
    await leave(socket)


@pytest.mark.parametrize("end", [ends, breaks])
async def test_a_websocket_that_leaves_ends_the_log(end: object) -> None:
    async with streaming() as plane:
        plane.kubelet.log = [b"one\n", asyncio.Event()]
        async with plane.socket("log", "follow=true", "binary.k8s.io") as socket:
            assert await socket.receive_bytes() == b""
            assert await socket.receive_bytes() == b"one\n"
            # What clients send means nothing.
            await socket.send_bytes(b"hello")
            await end(plane, socket)  # type: ignore[operator]
            await plane.kubelet.idle()


async def test_a_protocol_that_is_not_known_is_refused() -> None:
    async with streaming() as plane:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with plane.socket("log", "", "channel.k8s.io"):
                pass
    assert refused.value.status == 403


async def test_a_log_that_the_end_of_the_server_cuts_is_not_taken_for_the_whole() -> None:
    more = asyncio.Event()
    async with aiohttp.ClientSession() as session:
        async with streaming(drain=Drain(calls_seconds=60.0)) as plane:
            plane.kubelet.log = [b"one\n", more]
            text = await session.get(plane.rest.url + plane.path("log", "follow=true"))
            assert await text.content.readany() == b"one\n"
            socket = await session.ws_connect(plane.rest.url + plane.path("log", "follow=true"))
            assert [await socket.receive_bytes() for _ in range(2)] == [b"", b"one\n"]
            closed = asyncio.get_running_loop().create_task(socket.receive())
        with pytest.raises(aiohttp.ClientPayloadError):
            await text.read()
        assert (await closed).type is aiohttp.WSMsgType.CLOSED
        assert socket.close_code == aiohttp.WSCloseCode.ABNORMAL_CLOSURE
