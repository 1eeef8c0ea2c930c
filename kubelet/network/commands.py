"""Runs iproute2 and nft: the only module of the kubelet's network that starts processes.

Both get batches: a batch of `ip` takes about 3 ms whatever its length, and nft applies a ruleset whole or not
at all.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

#: longer than any batch of ours takes; a hanging netlink call must not hold a Pod's worker for ever
_LIMIT_SECONDS = 10.0


class NetworkCommandError(Exception):
    """iproute2 or nft refused; the message has what it said."""


async def run(argv: Sequence[str], stdin: str = "") -> str:
    """Run a command to its end; return its output. Raises NetworkCommandError: it failed, or took too long."""
    process = await asyncio.create_subprocess_exec(
        *argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(_LIMIT_SECONDS):
            out, err = await process.communicate(stdin.encode())
    except TimeoutError:
        await _end(process)
        raise NetworkCommandError(f"{' '.join(argv)}: no answer in {_LIMIT_SECONDS:.0f} s") from None
    except asyncio.CancelledError:
        await _end(process)
        raise
    if process.returncode:
        raise NetworkCommandError(f"{' '.join(argv)}: {err.decode(errors='replace').strip()}")
    return out.decode(errors="replace")


async def _end(process: asyncio.subprocess.Process) -> None:
    # It may have ended while we were on our way; its last output may still be unread then.
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()
    # A child that holds its outputs must not keep our ends open; asyncio has no other way to close them.
    process._transport.close()  # type: ignore[attr-defined]  # the stubs do not know it


async def ip_batch(lines: Sequence[str], *, pid: int | None = None) -> None:
    """Run lines of `ip` commands, here or in the namespace of process `pid`; the first failure ends it."""
    argv = ["ip", "-batch", "-"] if pid is None else ["nsenter", "-t", str(pid), "-n", "ip", "-batch", "-"]
    await run(argv, "".join(f"{line}\n" for line in lines))
