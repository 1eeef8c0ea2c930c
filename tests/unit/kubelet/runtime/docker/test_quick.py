"""Calls of the engine over a socket.

What is answered, refused, cut off, and an engine that began anew between two calls.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from kubelet.runtime.docker.engine import Engine, translated
from kubelet.runtime.interface import NotFoundInRuntime, RuntimeFailure, RuntimeUnavailable

#: request line and body -> the bytes of the answer; None: the connection is cut
Answer = Callable[[str, bytes], Awaitable[bytes | None]]


def answered(status: str, content: object) -> bytes:
    body = json.dumps(content).encode()
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
    )


class Socket:
    """An engine's socket that answers as it is told; `connections` counts who came."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.connections = 0
        self.asked: list[tuple[str, bytes]] = []
        self.writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode().splitlines()
                length = next(
                    (int(one[15:]) for one in lines if one.lower().startswith("content-length:")), 0
                )
                body = await reader.readexactly(length)
                self.asked.append((lines[0].removesuffix(" HTTP/1.1"), body))
                answer = await self._answer(*self.asked[-1])
                if answer is None:
                    break
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def engine(folder: Path, answer: Answer) -> AsyncIterator[tuple[Engine, Socket]]:
    """Serve on a socket, and yield an engine of one thread that calls there."""
    path = str(folder / "e.sock")
    socket = Socket(answer)
    server = await asyncio.start_unix_server(socket.serve, path)
    calls = Engine(path, threads=1)
    try:
        yield calls, socket
    finally:
        calls.close()
        for writer in socket.writers:
            writer.close()
        server.close()


async def test_calls_are_sent_as_the_sdk_means_them_over_one_connection(tmp_path: Path) -> None:
    async def answer(line: str, body: bytes) -> bytes:
        return answered("200 OK", [{"Id": "one"}] if line.startswith("GET") else {"Id": "made"})

    async with engine(tmp_path, answer) as (calls, socket):
        listed = await calls.call(lambda client: client.containers(all=True, filters={"label": ["a=ü b"]}))
        made = await calls.call(lambda client: client.create_container_from_config({"Image": "i"}, "n"))  # type: ignore[no-untyped-call]
        await calls.call(lambda client: client.remove_container("x", v=True, force=True))
    assert (listed, made) == ([{"Id": "one"}], {"Id": "made"})
    assert socket.connections == 1
    (first, _), (second, body), (third, _) = socket.asked
    assert first.startswith("GET /v1.41/containers/json?")
    assert "filters=%7B%22label%22%3A+%5B%22a%3D" in first
    assert second == "POST /v1.41/containers/create?name=n"
    assert json.loads(body) == {"Image": "i"}
    assert third.startswith("DELETE /v1.41/containers/x?")
    assert "force=True" in third
    assert "v=True" in third


@pytest.mark.parametrize(
    ("status", "words", "raised"),
    [
        ("404 Not Found", "No such container: x", NotFoundInRuntime),
        ("409 Conflict", "the name is in use", RuntimeFailure),
        ("503 Service Unavailable", "not yet", RuntimeUnavailable),
    ],
)
async def test_a_refusal_has_the_engines_words(
    tmp_path: Path, status: str, words: str, raised: type[RuntimeFailure]
) -> None:
    async def answer(line: str, body: bytes) -> bytes:
        return answered(status, {"message": words})

    async with engine(tmp_path, answer) as (calls, _):
        with pytest.raises(raised, match=words) as caught, translated():
            await calls.call(lambda client: client.inspect_container("x"))
    assert type(caught.value) is raised


async def test_an_engine_that_began_anew_between_two_calls_is_called_anew(tmp_path: Path) -> None:
    async def answer(line: str, body: bytes) -> bytes:
        return answered("200 OK", {"Version": "1"})

    async with engine(tmp_path, answer) as (calls, socket):
        await calls.call(lambda client: client.version())
        socket.writers[0].close()
        await socket.writers[0].wait_closed()
        assert (await calls.call(lambda client: client.version()))["Version"] == "1"
        assert socket.connections == 2


async def test_a_call_that_is_cut_off_is_not_sent_again(tmp_path: Path) -> None:
    async def answer(line: str, body: bytes) -> None:
        return None

    async with engine(tmp_path, answer) as (calls, socket):
        with pytest.raises(RuntimeUnavailable, match="does not answer"), translated():
            await calls.call(lambda client: client.start("x"))
        assert [line for line, _ in socket.asked] == ["POST /v1.41/containers/x/start"]


async def test_where_nobody_listens_the_runtime_is_away(tmp_path: Path) -> None:
    calls = Engine(str(tmp_path / "none.sock"), threads=1)
    with pytest.raises(RuntimeUnavailable, match="does not answer"), translated():
        await calls.call(lambda client: client.ping())
    calls.close()


async def test_an_answer_that_does_not_come_is_no_answer_and_the_next_one_is_its_own(tmp_path: Path) -> None:
    never = asyncio.Event()

    async def answer(line: str, body: bytes) -> bytes:
        if "slow" in line:
            await never.wait()
        return answered("200 OK", {"Id": line})

    async with engine(tmp_path, answer) as (calls, _):
        with pytest.raises(RuntimeUnavailable, match="no answer within"), translated():
            await calls.call(lambda client: client.get(f"{client.base_url}/slow", timeout=0.05))
        found = await calls.call(lambda client: client.inspect_container("quick"))
        assert "quick" in found["Id"]
        never.set()


async def test_an_engine_that_knows_no_version_so_old_is_spoken_to_in_the_oldest_that_it_knows(
    tmp_path: Path,
) -> None:
    """Docker 29. Everybody else is asked nothing more than what is wanted."""
    least = "1.24"

    async def answer(asked: str, _: bytes) -> bytes:
        if asked == "GET /version":
            return answered("200 OK", {"MinAPIVersion": least, "ApiVersion": "1.54"})
        version = asked.split("/")[1].removeprefix("v")
        if version < least:
            words = f"client version {version} is too old. Minimum supported API version is {least}, please upgrade"
            return answered("400 Bad Request", {"message": words})
        return answered("200 OK", [{"Id": version}])

    async with engine(tmp_path, answer) as (calls, socket):
        assert await calls.call(lambda client: client.containers()) == [{"Id": "1.41"}]
        least = "1.44"  # the engine is replaced
        for _ in range(2):
            assert await calls.call(lambda client: client.containers()) == [{"Id": "1.44"}]
        assert [asked for asked, _ in socket.asked].count("GET /version") == 1


async def test_another_bad_request_is_the_callers(tmp_path: Path) -> None:
    async def answer(_asked: str, _: bytes) -> bytes:
        return answered("400 Bad Request", {"message": "invalid filter"})

    async with engine(tmp_path, answer) as (calls, socket):
        with pytest.raises(RuntimeFailure, match="invalid filter"), translated():
            await calls.call(lambda client: client.containers())
        assert len(socket.asked) == 1
