"""A TCP probe: a connection that opens is success."""

import asyncio

from kubelet.probes.outcome import Outcome


async def probe(address: str, port: int) -> Outcome:
    """Return whether a connection opens. Never raises for what the other side does."""
    try:
        _, writer = await asyncio.open_connection(address, port)
    except ConnectionRefusedError:
        return Outcome(False, f"dial tcp {address}:{port}: connect: connection refused")
    except OSError as error:
        return Outcome(False, f"dial tcp {address}:{port}: {error}")
    writer.close()
    return Outcome(True)
