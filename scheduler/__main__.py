"""python -m scheduler: configuration, build, run."""

import os
import socket
import sys

from scheduler.build import run
from scheduler.config import load_configuration
from vaina.serving.main import run_service

if __name__ == "__main__":
    run_service(
        lambda stop: run(*load_configuration(sys.argv[1:], os.environ), stop, instance=socket.gethostname())
    )
