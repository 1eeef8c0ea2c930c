"""Exec and attach through the REST API, as kubectl, the Python client and dashboards speak it."""

import asyncio
import base64
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import aiohttp
import pytest

from apiserver.authorization.attributes import Attributes
from apiserver.authorization.authorizer import ALLOWED, NO_OPINION, Verdict
from tests.support.rest_streams import (
    ExecRequest,
    ExecResponse,
    everything,
    grown,
    leave,
    streaming,
    waits,
)
from vaina.errors import BadRequest, Unavailable
from vaina.serving.handlers import RequestContext

V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
ALL = "stdin=true&stdout=true&stderr=true&command=sh"
SUCCESS = {"metadata": {}, "status": "Success"}


async def shell(start: Any, inputs: AsyncIterator[ExecRequest]) -> AsyncGenerator[ExecResponse, None]:
    """Say who asks, and end with what was typed."""
    yield ExecResponse(stdout=b"out\n")
    yield ExecResponse(stderr=b"err\n")
    code = 0
    async for item in inputs:
        match item.WhichOneof("input"):
            case "stdin":
                code = int(item.stdin)
            case "resize":
                yield ExecResponse(stdout=b"%dx%d\n" % (item.resize.width, item.resize.height))
            case _:
                break
    yield ExecResponse(exit_code=code)


def outcome(message: bytes) -> Any:
    assert message[0] == 3
    return json.loads(message[1:])


def code_of(status: dict[str, Any]) -> int:
    if status == SUCCESS:
        return 0
    [cause] = status["details"]["causes"]
    assert (status["reason"], cause["reason"]) == ("NonZeroExitCode", "ExitCode")
    return int(cause["message"])


async def test_a_command_over_v5_with_the_end_of_its_input_and_its_code() -> None:
    async with streaming() as plane:
        plane.kubelet.command = shell
        async with plane.socket("exec", ALL, V5) as socket:
            assert socket.protocol == V5
            await socket.send_bytes(b"\x04" + b'{"Width":80,"Height":24}\n')
            await socket.send_bytes(b"\x003")
            await socket.send_bytes(b"\xff\x00")
            first, *output, last = await everything(socket)
            assert socket.close_code == 1000
        # The first is empty: the session is there.
        assert first == b"\x01"
        assert output == [b"\x01out\n", b"\x02err\n", b"\x0180x24\n"]
        assert code_of(outcome(last)) == 3
        [start] = plane.kubelet.asked
        assert (list(start.options.command), start.options.container) == (["sh"], "app")


async def test_a_command_that_ends_well_is_a_success() -> None:
    async with streaming() as plane, plane.socket("exec", ALL, V5) as socket:
        await socket.send_bytes(b"\x00hola")
        await socket.send_bytes(b"\xff\x00")
        *_, said, last = await everything(socket)
    assert (said, outcome(last)) == (b"\x01hola", SUCCESS)


async def test_a_command_over_v4_as_the_python_client_speaks_it() -> None:
    async with streaming() as plane:
        plane.kubelet.command = shell
        async with plane.socket("exec", "stdout=true&stderr=true&stdin=true&command=x", V4) as socket:
            assert socket.protocol == V4
            await socket.send_bytes(b"\x007")
            for want in (b"\x01", b"\x01out\n", b"\x02err\n"):
                assert await socket.receive_bytes() == want
            # It cannot say that input has ended: it leaves.
            await socket.close()
        await plane.kubelet.idle()


@pytest.mark.parametrize(
    ("protocol", "failure"),
    [("v4.base64.channel.k8s.io", True), ("base64.channel.k8s.io", False)],
)
async def test_a_command_in_base64(protocol: str, failure: bool) -> None:
    async def three(start: Any, inputs: Any) -> AsyncGenerator[ExecResponse, None]:
        async for item in inputs:
            yield ExecResponse(stdout=item.stdin)
            break
        yield ExecResponse(exit_code=3)

    async with streaming() as plane:
        plane.kubelet.command = three
        async with plane.socket("exec", ALL, protocol) as socket:
            await socket.send_str("0" + base64.b64encode(b"hola").decode())
            first, said, last = await everything(socket)
    assert (first, said) == ("1", "1" + base64.b64encode(b"hola").decode())
    text = base64.b64decode(last[1:])
    assert last[0] == "3"
    if failure:
        assert code_of(json.loads(text)) == 3
    else:
        assert text.startswith(b"command terminated with non-zero exit code")


@pytest.mark.parametrize("protocols", [["channel.k8s.io"], []])
async def test_the_first_protocol_says_nothing_of_a_success(protocols: list[str]) -> None:
    async def true(start: Any, inputs: Any) -> AsyncGenerator[ExecResponse, None]:
        yield ExecResponse(stdout=b"x")
        yield ExecResponse(exit_code=0)

    async with streaming() as plane:
        plane.kubelet.command = true
        async with plane.socket("exec", ALL, *protocols) as socket:
            assert await everything(socket) == [b"\x01", b"\x01x"]


async def test_only_streams_that_were_asked_for_carry_anything() -> None:
    async with streaming() as plane:
        plane.kubelet.command = shell
        async with plane.socket("exec", "stderr=1&command=sh", V5) as socket:
            await socket.send_bytes(b"\x009")
            await socket.send_bytes(b"\xff\x00")
            assert await socket.receive_bytes() == b"\x02"
            assert await socket.receive_bytes() == b"\x02err\n"
            # Nothing was typed: nobody reads it.
            await socket.close()
        await plane.kubelet.idle()


async def test_a_container_is_attached_to() -> None:
    async with streaming() as plane:
        async with plane.socket("attach", "stdin=1&stdout=1&tty=1&stderr=1", V5) as socket:
            await socket.send_bytes(b"\x00hola")
            await socket.send_bytes(b"\xff\x00")
            assert [*await everything(socket)][:2] == [b"\x01", b"\x01hola"]
        [start] = plane.kubelet.asked
        assert (start.options.tty, start.options.stderr) == (True, False)


async def test_an_attach_that_ends_without_a_word_is_no_success() -> None:
    async def breaks_off(start: Any, inputs: Any) -> AsyncGenerator[ExecResponse, None]:
        yield ExecResponse(stdout=b"x")

    async with streaming() as plane:
        plane.kubelet.command = breaks_off
        for subresource in ("attach", "exec"):
            async with plane.socket(subresource, ALL, V5) as socket:
                *_, last = await everything(socket)
            assert (outcome(last)["status"], outcome(last)["code"]) == ("Failure", 503)


@pytest.mark.parametrize(
    ("query", "pod", "code", "message"),
    [
        ("stdout=1", "web", 400, "you must specify at least 1 command for the container"),
        ("command=ls", "web", 400, "you must specify at least 1 of stdin, stdout, stderr"),
        ("command=ls&stdout=1", "gone", 404, 'pods "gone" not found'),
        (
            "command=ls&stdout=1",
            "web",
            400,
            "a container name must be specified for pod web, choose one of: [app side]",
        ),
        ("command=ls&stdout=1&container=x", "web", 400, "container x is not valid for pod web"),
    ],
)
@pytest.mark.parametrize("upgrade", ["websocket", "SPDY/3.1"])
async def test_what_is_refused_is_a_status_whatever_is_tried(
    query: str, pod: str, code: int, message: str, upgrade: str
) -> None:
    # kubectl tries SPDY where a WebSocket is refused, and shows what it hears last.
    async with streaming("app", "side") as plane:
        headers = {
            "Connection": "Upgrade", "Upgrade": upgrade, "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Protocol": V5,
            "X-Stream-Protocol-Version": V5,
        }  # fmt: skip
        answer = await plane.rest.post(plane.path("exec", query, pod), None, headers=headers)
        assert plane.kubelet.asked == []
    assert (answer.code, answer.json["message"], answer.json["kind"]) == (code, message, "Status")


async def test_spdy_is_refused_in_plain_words() -> None:
    async with streaming() as plane:
        headers = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1", "X-Stream-Protocol-Version": V4}
        for subresource, query in (("exec", ALL), ("attach", ALL), ("portforward", "")):
            answer = await plane.rest.post(plane.path(subresource, query), None, headers=headers)
            assert (answer.code, answer.json["reason"]) == (400, "BadRequest")
            assert answer.json["message"].startswith(
                "unable to upgrade: this server streams over WebSocket and not over SPDY: use kubectl 1.31 or newer"
            )
        assert plane.kubelet.asked == []


async def test_without_an_upgrade_there_is_no_session() -> None:
    async with streaming() as plane:
        for subresource in ("exec", "attach", "portforward"):
            for method in ("GET", "POST"):
                answer = await plane.rest.request(method, plane.path(subresource, ALL))
                assert (answer.code, answer.json["message"]) == (400, "Upgrade request required")
            assert (await plane.rest.put(plane.path(subresource, ALL), None)).code == 405


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Sec-WebSocket-Protocol": "v9.channel.k8s.io"}, 403),
        ({"Sec-WebSocket-Version": "12"}, 400),
        ({"Sec-WebSocket-Version": ""}, 400),
        ({"Sec-WebSocket-Key": "short"}, 400),
        ({"Sec-WebSocket-Key": ""}, 400),
        ({"Origin": "http://evil.example"}, 403),
    ],
)
async def test_a_handshake_that_is_none_is_refused(headers: dict[str, str], code: int) -> None:
    async with streaming() as plane:
        good = {
            "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Protocol": V5,
        }  # fmt: skip
        answer = await plane.rest.get(plane.path("exec", ALL), headers={**good, **headers})
        assert plane.kubelet.asked == []
    assert (answer.code, answer.json["kind"]) == (code, "Status")


class Refuses:
    """Lets nobody open a shell."""

    def authorize(self, asked: Attributes) -> Verdict:
        return NO_OPINION if asked.subresource in ("exec", "attach", "portforward", "log") else ALLOWED


async def test_who_may_not_is_told_so_before_anything_is_upgraded() -> None:
    async with streaming(authorizer=Refuses()) as plane:
        for subresource in ("exec", "attach", "portforward", "log"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                async with plane.socket(subresource, ALL + "&ports=80"):
                    pass
            assert refused.value.status == 403
        headers = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1"}
        answer = await plane.rest.post(plane.path("exec", ALL), None, headers=headers)
        assert (answer.code, answer.json["reason"]) == (403, "Forbidden")
        assert 'cannot create resource "pods/exec"' in answer.json["message"]


@pytest.mark.parametrize("refusal", [BadRequest('container not found ("app")'), Unavailable("no node")])
async def test_what_the_node_refuses_comes_over_the_error_channel(refusal: Any) -> None:
    async with streaming() as plane:
        plane.kubelet.refusal = refusal
        async with plane.socket("exec", ALL, V5) as socket:
            first, last = await everything(socket)
            assert socket.close_code == 1000
    assert first == b"\x01"
    assert (outcome(last)["status"], outcome(last)["code"]) == ("Failure", refusal.code)
    assert refusal.message in outcome(last)["message"]


async def closes(socket: aiohttp.ClientWebSocketResponse) -> None:
    await socket.close()


@pytest.mark.parametrize("end", [closes, leave])
@pytest.mark.parametrize("subresource", ["exec", "attach"])
async def test_a_client_that_leaves_ends_its_command(subresource: str, end: Any) -> None:
    async with streaming() as plane:
        plane.kubelet.command = waits
        async with plane.socket(subresource, ALL, V5) as socket:
            assert await socket.receive_bytes() == b"\x01"
            assert await socket.receive_bytes() == b"\x01on\n"
            assert plane.kubelet.open == 1
            await end(socket)
            await plane.kubelet.idle()


async def test_a_client_that_breaks_the_protocol_is_closed() -> None:
    async with streaming() as plane:
        plane.kubelet.command = waits
        async with plane.socket("exec", ALL, V5) as socket:
            await socket.send_bytes(b"\xff")
            await everything(socket)
            assert socket.close_code == 1002
        await plane.kubelet.idle()


async def test_a_message_that_is_too_large_ends_the_session() -> None:
    async with streaming() as plane:
        plane.kubelet.command = waits
        async with plane.socket("exec", ALL, V5) as socket:
            await socket.send_bytes(bytes(1024 * 1024 + 1))
            await everything(socket)
            assert socket.close_code == 1009
        await plane.kubelet.idle()


async def test_input_reaches_the_command_in_small_pieces_and_waits_while_it_does_not_read() -> None:
    reads, sizes = asyncio.Event(), list[int]()

    async def slow(start: Any, inputs: AsyncIterator[ExecRequest]) -> AsyncGenerator[ExecResponse, None]:
        yield ExecResponse(stdout=b"on")
        await reads.wait()
        async for item in inputs:
            if item.close_stdin:
                break
            sizes.append(len(item.stdin))
        yield ExecResponse(exit_code=0)

    async with streaming() as plane:
        plane.kubelet.command = slow
        async with plane.socket("exec", ALL, V5) as socket:
            sent = 0

            async def send() -> None:
                nonlocal sent
                for _ in range(400):
                    await socket.send_bytes(b"\x00" + bytes(32 * 1024))
                    sent += 32 * 1024
                await socket.send_bytes(b"\xff\x00")

            sending = asyncio.ensure_future(send())  # noqa: TID251 - awaited below
            # Kernel's buffers, and a bounded number of messages: not all 13 MB.
            assert 0 < await grown(lambda: sent) < 400 * 32 * 1024
            reads.set()
            await sending
            assert outcome((await everything(socket))[-1]) == SUCCESS
    assert sum(sizes) == 400 * 32 * 1024
    assert max(sizes) <= 8_000


async def test_a_client_that_does_not_read_holds_the_command_back() -> None:
    said = 0

    async def yes(start: Any, inputs: Any) -> AsyncGenerator[ExecResponse, None]:
        nonlocal said
        for _ in range(4_000):
            yield ExecResponse(stdout=bytes(8_000))
            said += 1
        yield ExecResponse(exit_code=0)

    async with streaming() as plane:
        plane.kubelet.command = yes
        async with plane.socket("exec", ALL, V5) as socket:
            assert 0 < await grown(lambda: said) < 4_000
            messages = await everything(socket)
    assert sum(len(message) - 1 for message in messages[:-1]) == 4_000 * 8_000
    assert outcome(messages[-1]) == SUCCESS


async def test_pings_are_answered() -> None:
    async with streaming() as plane:
        plane.kubelet.command = waits
        async with plane.socket("exec", ALL, V5, autoping=False) as socket:
            await socket.ping(b"are you there")
            found = [await socket.receive() for _ in range(3)]
        assert (aiohttp.WSMsgType.PONG, b"are you there") in [(item.type, bytes(item.data)) for item in found]


async def test_a_client_that_answers_no_ping_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apiserver.rest.streams.sockets.PING_SECONDS", 0.02)
    async with streaming() as plane:
        plane.kubelet.command = waits
        async with plane.socket("exec", ALL, V5, autoping=False):
            await plane.kubelet.idle()


async def test_a_session_in_which_nothing_is_said_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    # On a busy machine an answer to a ping takes its time, and who does not answer is cut off.
    monkeypatch.setattr("apiserver.rest.streams.sockets.PING_SECONDS", 0.5)
    monkeypatch.setattr("apiserver.rest.streams.sockets.IDLE_SECONDS", 0.1)
    async with streaming() as plane:
        plane.kubelet.command = waits
        said: list[Any] = []
        # Where the machine stands still nobody answers, and the end comes without a word: then once more.
        while not said or said[-1][:1] != b"\x03":
            async with plane.socket("exec", ALL, V5) as socket:
                said = await everything(socket)
    assert outcome(said[-1])["status"] == "Failure"


async def test_sessions_are_side_by_side() -> None:
    async with streaming() as plane:

        async def one(number: int) -> bytes:
            async with plane.socket("exec", ALL, V5) as socket:
                await socket.send_bytes(b"\x00%d" % number)
                await socket.send_bytes(b"\xff\x00")
                messages = await everything(socket)
            return bytes(messages[1])

        said = await asyncio.gather(*(one(number) for number in range(20)))
    assert said == [b"\x01%d" % number for number in range(20)]


async def test_the_context_of_a_call_is_awaited_once_it_may_begin() -> None:
    order: list[str] = []

    async def checked() -> None:
        order.append("checked")

    async with streaming() as plane:
        handler = plane.api.app.handlers["/vaina.api.core.v1.PodService/Exec"]

        async def requests() -> AsyncIterator[bytes]:
            request = ExecRequest()
            request.start.name = "web"
            request.start.options.command.append("ls")
            yield request.SerializeToString()
            yield ExecRequest(close_stdin=True).SerializeToString()

        order += ["answer" async for _ in handler.fn(requests(), RequestContext(checked=checked))]
    assert order == ["checked", "answer"]


async def test_a_client_that_never_closes_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apiserver.rest.streams.sockets.CLOSE_SECONDS", 0.2)
    async with streaming() as plane:
        plane.kubelet.refusal = BadRequest("no")
        async with plane.socket("exec", ALL, V5, autoclose=False) as socket:
            assert await socket.receive_bytes() == b"\x01"
            assert (await socket.receive_bytes())[:1] == b"\x03"
            assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
            # The server has ended the connection by now, or does.
            async with asyncio.timeout(60):
                while plane.rest.serving.calls.current:  # noqa: ASYNC110 - sockets have a clock of their own
                    await asyncio.sleep(0.02)  # noqa: TID251
