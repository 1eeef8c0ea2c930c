"""`python -m dashboard`: configuration, build, run."""

import asyncio
import os
import sys

from dashboard import build
from dashboard.config import DashboardConfig
from vaina.config import load
from vaina.serving.main import run_service


async def main(stop: asyncio.Event) -> None:
    """Serve the page until `stop` is set."""
    await build.run(load(DashboardConfig, argv=sys.argv[1:], environ=os.environ), stop)


if __name__ == "__main__":
    run_service(main)
