"""python -m apiserver: configuration, build, run."""

import os
import socket
import sys

from apiserver.config import ApiserverConfig
from apiserver.process import run
from vaina.config import load
from vaina.serving.main import run_service

if __name__ == "__main__":
    run_service(
        lambda stop: run(
            load(ApiserverConfig, argv=sys.argv[1:], environ=os.environ), stop, instance=socket.gethostname()
        )
    )
