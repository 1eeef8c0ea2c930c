"""A client that always has 1,000 calls in flight, in a process of its own, until it is ended.

python -m tests.support.noisy HOST:PORT [CALLS]
"""

import asyncio
import contextlib
import sys
from itertools import count

from vaina.client.clientset import Clientset
from vaina.client.transport import GrpcTransport
from vaina.clock import SystemClock
from vaina.errors import ApiError
from vaina.testing.builders import make_config_map


async def main(target: str, calls: int) -> None:
    """Create objects and delete them, `calls` at a time."""
    clock, numbers = SystemClock(), count()

    async def work() -> None:
        while True:
            name = f"noisy-{next(numbers)}"
            try:
                await client.config_maps.create(make_config_map(name))
                await client.config_maps.delete(name, "default")
            except ApiError as error:
                await clock.sleep(error.retry_seconds or 0.1)

    async with Clientset(GrpcTransport(target)) as client, asyncio.TaskGroup() as group:
        for _ in range(calls):
            group.create_task(work())


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1000))
