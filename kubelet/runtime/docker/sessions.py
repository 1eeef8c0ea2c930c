"""Processes with their streams connected: exec and attach over the engine's raw streams.

A call with `Upgrade: tcp` turns its connection into a byte stream in both directions. Without a terminal the
output comes in frames: a byte for the stream (1 output, 2 error), three zeros, four bytes of length (big-endian;
https://docs.docker.com/reference/api/engine/, ContainerAttach).
"""

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from docker import APIClient

from kubelet.runtime.docker.engine import API_VERSION, Engine
from kubelet.runtime.interface import NotFoundInRuntime, RuntimeFailure, RuntimeUnavailable
from kubelet.runtime.records import ExecConfig, Output, OutputStream
from kubelet.runtime.sessions import LOOKS, StreamRefused, end_command
from kubelet.runtime.sessions import upgrade as take_over
from vaina.clock import Clock
from vaina.tasks import carry_through

_CHUNK = 32 * 1024
_HEADER = 8
#: until the engine has begun a command, which takes seconds on a loaded node (as `engine.CALL_SECONDS`)
UPGRADE_SECONDS = 120.0
#: seconds before each further look for the process of a command that the engine has begun to start
_FURTHER_LOOKS = (6.4, 12.8, 25.6, 51.2)
STDOUT, STDERR = 1, 2


@dataclass(frozen=True, slots=True)
class RawStream:
    """A connection after the upgrade."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def end_input(self) -> None:
        """Say that standard input has ended; output goes on."""
        if self.writer.can_write_eof() and not self.writer.is_closing():
            self.writer.write_eof()

    def close(self) -> None:
        self.writer.close()

    async def frames(self, *, tty: bool) -> AsyncIterator[tuple[int, bytes]]:
        """Yield (STDOUT or STDERR, bytes) until the other side ends; a terminal's bytes are all STDOUT."""
        while True:
            if tty:
                data = await self.reader.read(_CHUNK)
                if not data:
                    return
                yield STDOUT, data
                continue
            try:
                header = await self.reader.readexactly(_HEADER)
            except asyncio.IncompleteReadError:
                return
            stream, left = header[0], int.from_bytes(header[4:], "big")
            while left:
                data = await self.reader.read(min(left, _CHUNK))
                if not data:
                    return
                left -= len(data)
                yield (STDERR if stream == STDERR else STDOUT), data


async def upgrade(
    socket_path: str, path: str, body: dict[str, Any], *, timeout_seconds: float = UPGRADE_SECONDS
) -> RawStream:
    """Post `body` to the engine's `path` and take over the connection.

    Raises StreamRefused: the engine answered with an error, or with no HTTP; OSError: not in time.
    """
    text = json.dumps(body).encode()
    request = (
        f"POST {path} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n"
        "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
    )
    streams = await take_over(
        asyncio.open_unix_connection(socket_path), request.encode() + text,
        server="the Docker engine", accepted=("101", "200"), timeout_seconds=timeout_seconds,
    )  # fmt: skip
    return RawStream(*streams)


async def _connect(engine: Engine, path: str, body: dict[str, Any]) -> RawStream:
    try:
        return await upgrade(engine.socket_path, f"/v{API_VERSION}{path}", body)
    except StreamRefused as error:
        raise RuntimeFailure(str(error)) from error
    except OSError as error:
        raise RuntimeUnavailable(f"the Docker engine does not answer: {error}") from error


class _Session(ABC):
    """What exec and attach share. Owned by the task that made it."""

    def __init__(self, engine: Engine, stream: RawStream, id: str, *, tty: bool) -> None:
        self._engine, self._stream, self._id, self._tty = engine, stream, id, tty

    @abstractmethod
    def _set_size(self, client: APIClient, width: int, height: int) -> None: ...

    async def resize(self, width: int, height: int) -> None:
        if self._tty:
            # The process ends whenever it likes; its terminal needs no size then.
            with suppress(RuntimeFailure):
                await self._engine.ask(lambda client: self._set_size(client, width, height))

    async def write(self, data: bytes) -> None:
        await self._stream.write(data)

    async def close_stdin(self) -> None:
        self._stream.end_input()

    async def output(self) -> AsyncIterator[Output]:
        async for stream, data in self._stream.frames(tty=self._tty):
            yield Output(OutputStream.STDERR if stream == STDERR else OutputStream.STDOUT, data)

    async def close(self) -> None:
        self._stream.close()


class DockerExec(_Session):
    """A command in a container."""

    def __init__(self, engine: Engine, stream: RawStream, exec_id: str, clock: Clock, *, tty: bool) -> None:
        super().__init__(engine, stream, exec_id, tty=tty)
        self._clock, self._over = clock, False

    @classmethod
    async def start(cls, engine: Engine, clock: Clock, container_id: str, config: ExecConfig) -> "DockerExec":
        made = await engine.ask(
            lambda client: client.exec_create(
                container_id, list(config.argv), stdin=config.stdin, tty=config.tty, stdout=True, stderr=True
            )
        )
        exec_id = str(made["Id"])
        try:
            stream = await _connect(engine, f"/exec/{exec_id}/start", {"Tty": config.tty, "Detach": False})
        except (asyncio.CancelledError, RuntimeUnavailable):
            # The engine may have the request already, or find it when its connection is closed.
            await carry_through(_hang_up(engine, clock, exec_id))
            raise
        session = cls(engine, stream, exec_id, clock, tty=config.tty)
        if not config.stdin:
            stream.end_input()
        try:
            if config.tty and all(config.size):
                await session.resize(*config.size)
        except BaseException:
            # The caller goes away while the command runs already.
            await session.close()
            raise
        return session

    def _set_size(self, client: APIClient, width: int, height: int) -> None:
        client.exec_resize(self._id, height=height, width=width)

    async def output(self) -> AsyncIterator[Output]:
        async for output in super().output():
            yield output
        self._over = True

    async def exit_code(self) -> int:
        inspected = await self._engine.ask(
            lambda client: client.exec_inspect(self._id), refusal=NotFoundInRuntime
        )
        code = inspected.get("ExitCode")
        # The engine notes the code a moment after the stream's end; one killed with its container has none.
        return 137 if code is None else int(code)

    async def close(self) -> None:
        await super().close()
        if not self._over:
            self._over = True
            await carry_through(_hang_up(self._engine, self._clock, self._id))


async def _hang_up(engine: Engine, clock: Clock, exec_id: str) -> None:
    """End a command whose caller went away, also one that the engine is just starting.

    The engine upgrades the connection first, then starts the command: it says `Running` from then on, has a
    `Pid` a moment later, and an `ExitCode` once it is over or could not be started (moby, daemon/exec.go,
    ContainerExecStart).
    """
    for number, seconds in enumerate((*LOOKS, *_FURTHER_LOOKS)):
        await clock.sleep(seconds)
        try:
            inspected = await engine.ask(lambda client: client.exec_inspect(exec_id))
        except RuntimeFailure:
            # Gone with its container.
            return
        if inspected.get("Running") and inspected.get("Pid"):
            end_command(int(inspected["Pid"]))
            return
        began = inspected.get("Running") or number + 1 < len(LOOKS)
        if inspected.get("ExitCode") is not None or not began:
            return


class DockerAttach(_Session):
    """The streams of a container's own process."""

    @classmethod
    async def connect(cls, engine: Engine, container_id: str, *, stdin: bool, tty: bool) -> "DockerAttach":
        query = f"stream=1&stdout=1&stderr=1&stdin={int(stdin)}"
        stream = await _connect(engine, f"/containers/{container_id}/attach?{query}", {})
        return cls(engine, stream, container_id, tty=tty)

    def _set_size(self, client: APIClient, width: int, height: int) -> None:
        client.resize(self._id, height=height, width=width)

    async def exit_code(self) -> int:
        inspected = await self._engine.ask(lambda client: client.inspect_container(self._id))
        return int(inspected["State"]["ExitCode"])
