"""Logs of containers, dead or alive. Called by the docker runtime."""

import re
from collections.abc import AsyncIterator

from docker import APIClient

from kubelet.runtime.docker.engine import ClosableIterator, Engine
from kubelet.runtime.docker.failures import translated
from kubelet.runtime.records import LogOptions, OutputStream

_STAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z ")


async def container_logs(engine: Engine, container_id: str, options: LogOptions) -> AsyncIterator[bytes]:
    """Yield what the engine kept, and with `follow` what comes, until the container ends.

    Raises:
        NotFoundInRuntime: there is no such container.
    """

    def open_logs(client: APIClient) -> ClosableIterator:
        opened: ClosableIterator = client.logs(
            container_id, stream=True, follow=options.follow, timestamps=options.timestamps,
            stdout=options.stream is not OutputStream.STDERR, stderr=options.stream is not OutputStream.STDOUT,
            tail="all" if options.tail_lines is None else options.tail_lines, since=options.since,
        )  # fmt: skip
        return opened

    #: the stamp of a line that goes on: the engine keeps long lines in pieces of 16 KiB, and puts the same
    #: before each
    begun = b""
    with translated():
        async for data in engine.stream(open_logs):
            if begun and data.startswith(begun):
                piece = data.removeprefix(begun)
                begun = b"" if data.endswith(b"\n") else begun
                yield piece
                continue
            if options.timestamps and not data.endswith(b"\n"):
                stamp = _STAMP.match(data)
                begun = stamp[0] if stamp else b""
            yield data
