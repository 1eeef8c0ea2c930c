"""python -m scheduler: configuration, build, run."""

import os
import socket
import sys

from scheduler.build import run
from scheduler.config import SchedulerConfig
from vaina.config import load
from vaina.serving.main import run_service

if __name__ == "__main__":
    run_service(
        lambda stop: run(
            load(SchedulerConfig, argv=sys.argv[1:], environ=os.environ), stop, instance=socket.gethostname()
        )
    )
