"""python -m scheduler: configuration, build, run."""

import asyncio
import os
import socket
import sys

from scheduler.build import run
from scheduler.config import load_configuration
from vaina.client.connecting import connection_of
from vaina.serving.main import run_service


async def main(stop: asyncio.Event) -> None:
    """Be the scheduler until `stop` is set."""
    config, scheduling = load_configuration(sys.argv[1:], os.environ)
    connection = connection_of(config.kubeconfig, os.environ)
    await run(config, scheduling, stop, instance=socket.gethostname(), connection=connection)


if __name__ == "__main__":
    run_service(main)
