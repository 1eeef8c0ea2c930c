"""Processes with their streams connected: exec and attach over the runtime's streaming server.

The remote command protocol v4.channel.k8s.io (`k8s.io/apimachinery/pkg/util/remotecommand`): a stream each
for errors, input, output, error output and the terminal's size, told apart by the header streamType; the
stream of errors ends with a Status that has the exit code.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable

from kubelet.runtime.cri.spdy import SpdyConnection, connect
from kubelet.runtime.interface import RuntimeFailure, RuntimeUnavailable
from kubelet.runtime.records import Output, OutputStream
from kubelet.runtime.upgrading import StreamRefused

PROTOCOL = "v4.channel.k8s.io"
#: of the Status at the end
_MAX_STATUS = 64 * 1024
#: of a command that was killed with its container, or whose connection broke
_KILLED = 137


def exit_code_of(status: bytes) -> int:
    """Return the exit code of a Status. PURE. Raises RuntimeFailure: the command could not be started."""
    if not status:
        return _KILLED
    try:
        told = json.loads(status)
        if told.get("status") == "Success":
            return 0
        causes = (told.get("details") or {}).get("causes") or ()
        for cause in causes:
            if cause.get("reason") == "ExitCode":
                return int(cause["message"])
        message = str(told.get("message", ""))
    except (ValueError, AttributeError, KeyError, TypeError):
        message = status.decode(errors="replace")
    raise RuntimeFailure(message or "the command failed")


class CriSession:
    """Owned by the task that made it. `output` reads everything that comes, the exit code included."""

    def __init__(
        self,
        connection: SpdyConnection,
        streams: dict[str, int],
        exit_code: Callable[[], Awaitable[int]] | None,
        ended: Callable[[bool], Awaitable[None]] | None,
    ) -> None:
        self._connection, self._streams, self._exit_code = connection, streams, exit_code
        self._ended = ended
        #: its output has ended
        self._over = False
        self._status = bytearray()

    @classmethod
    async def connect(
        cls,
        url: str,
        *,
        stdin: bool,
        tty: bool,
        exit_code: Callable[[], Awaitable[int]] | None = None,
        ended: Callable[[bool], Awaitable[None]] | None = None,
    ) -> "CriSession":
        """Connect to the URL that the runtime gave for this session. Raises RuntimeFailure.

        With a terminal all output is one stream. `exit_code` asks for the code where the session does not
        tell it (attach). `ended` is called when the session is closed, with True before its output has ended
        (exec).
        """
        try:
            connection = await connect(url, protocol=PROTOCOL)
        except StreamRefused as error:
            raise RuntimeFailure(str(error)) from error
        except OSError as error:
            raise RuntimeUnavailable(f"the runtime's streaming server does not answer: {error}") from error
        kinds = ["error", *(["stdin"] if stdin else []), "stdout", "resize" if tty else "stderr"]
        try:
            streams = {kind: await connection.open_stream({"streamType": kind}) for kind in kinds}
        except BaseException as error:
            connection.close()
            if isinstance(error, OSError):
                raise RuntimeUnavailable(f"the runtime's streaming server went away: {error}") from error
            raise
        return cls(connection, streams, exit_code, ended)

    async def write(self, data: bytes) -> None:
        # Without a stream for it: the caller did not ask to send any.
        if "stdin" in self._streams:
            await self._connection.write(self._streams["stdin"], data)

    async def close_stdin(self) -> None:
        if "stdin" in self._streams:
            self._connection.end(self._streams["stdin"])

    async def resize(self, width: int, height: int) -> None:
        if "resize" in self._streams:
            size = json.dumps({"Width": width, "Height": height}).encode()
            await self._connection.write(self._streams["resize"], size)

    async def output(self) -> AsyncIterator[Output]:
        names = {number: kind for kind, number in self._streams.items()}
        open_streams = {
            self._streams[kind] for kind in ("error", "stdout", "stderr") if kind in self._streams
        }
        async for frame in self._connection.frames():
            kind = names.get(frame.stream, "")
            if kind == "error":
                self._status += frame.data[: _MAX_STATUS - len(self._status)]
            elif frame.data and kind in {"stdout", "stderr"}:
                yield Output(OutputStream(kind), frame.data)
            if frame.last:
                open_streams.discard(frame.stream)
                if not open_streams:
                    break
        self._over = True

    async def exit_code(self) -> int:
        if self._exit_code is not None:
            return await self._exit_code()
        return exit_code_of(bytes(self._status))

    async def close(self) -> None:
        self._connection.close()
        ended, self._ended = self._ended, None
        if ended is not None:
            await ended(not self._over)
