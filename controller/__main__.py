"""`python -m controller`: configuration, build, run."""

import asyncio
import os
import sys

from controller import build
from controller.config import ControllerConfig
from vaina.client.connecting import connection_of
from vaina.config import load
from vaina.serving.main import run_service


async def main(stop: asyncio.Event) -> None:
    """Run the controllers until `stop` is set."""
    config = load(ControllerConfig, argv=sys.argv[1:], environ=os.environ)
    await build.run(config, stop, connection=connection_of(config.kubeconfig, os.environ))


if __name__ == "__main__":
    run_service(main)
