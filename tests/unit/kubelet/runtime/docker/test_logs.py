"""Logs as the engine gives them: long lines in pieces, each in a message of its own."""

from pathlib import Path

import pytest

from kubelet.runtime.docker.runtime import DockerRuntime
from kubelet.runtime.records import DnsConfig, LogOptions, OutputStream
from tests.unit.kubelet.runtime.docker.test_quick import answered, engine
from tests.unit.kubelet.runtime.docker.test_streams import frame
from vaina.testing.clock import FakeClock

FIRST, SECOND = b"2026-11-23T13:04:55.948711160Z ", b"2026-11-23T13:04:55.948847643Z "
#: of one line
PIECE = b"x" * 16 * 1024


@pytest.mark.parametrize("stream", [OutputStream.STDOUT, None])
async def test_a_line_of_several_pieces_has_its_time_before_it_and_nowhere_else(
    tmp_path: Path, stream: OutputStream | None
) -> None:
    messages = [FIRST + PIECE, FIRST + PIECE, FIRST + b"end\n", SECOND + b"two\n", SECOND + b"three\n"]

    async def answer(line: str, _: bytes) -> bytes:
        if line.endswith("/json"):
            return answered("200 OK", {"Config": {"Tty": False}})
        body = b"".join(frame(1, message) for message in messages)
        return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

    async with engine(tmp_path, answer) as (calls, _):
        runtime = DockerRuntime(calls, None, FakeClock(), node_dns=DnsConfig(), least_oom_score_adj=0)
        options = LogOptions(timestamps=True, stream=stream)
        log = b"".join([data async for data in runtime.container_logs("c", options)])
    assert log == FIRST + PIECE + PIECE + b"end\n" + SECOND + b"two\n" + SECOND + b"three\n"
