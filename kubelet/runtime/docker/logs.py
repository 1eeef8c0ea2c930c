"""Logs of containers, dead or alive. Called by the docker runtime."""

from collections.abc import AsyncIterator

from docker import APIClient

from kubelet.runtime.docker.engine import ClosableIterator, Engine
from kubelet.runtime.docker.failures import translated
from kubelet.runtime.records import LogOptions, OutputStream


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

    with translated():
        async for data in engine.stream(open_logs):
            yield data
