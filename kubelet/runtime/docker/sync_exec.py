"""Commands run to their end: exec probes and hooks. Called by the docker runtime."""

import asyncio
from collections.abc import Sequence

from kubelet.runtime.docker.engine import Engine
from kubelet.runtime.docker.sessions import DockerExec
from kubelet.runtime.records import ExecConfig, ExecResult, OutputStream

#: kept of each stream: as much as a probe's message shows
_LIMIT_BYTES = 10 * 1024


async def exec_sync(
    engine: Engine, container_id: str, argv: Sequence[str], *, timeout_seconds: float
) -> ExecResult:
    """Run a command to its end.

    The engine has no call that ends an exec: after a timeout the command goes on by itself, as with the
    reference's Docker runtime.

    Raises:
        TimeoutError: it did not end in time.
        NotFoundInRuntime, RuntimeFailure: it could not be started.
    """
    kept = {OutputStream.STDOUT: bytearray(), OutputStream.STDERR: bytearray()}
    async with asyncio.timeout(timeout_seconds):
        session = await DockerExec.start(engine, container_id, ExecConfig(argv=tuple(argv)))
        try:
            async for output in session.output():
                buffer = kept[output.stream]
                buffer += output.data[: _LIMIT_BYTES - len(buffer)]
            code = await session.exit_code()
        finally:
            await session.close()
    return ExecResult(code, bytes(kept[OutputStream.STDOUT]), bytes(kept[OutputStream.STDERR]))
