"""`python -m controller`: configuration, build, run."""

import os
import sys

from controller import build
from controller.config import ControllerConfig
from vaina.config import load
from vaina.serving.main import run_service

if __name__ == "__main__":
    run_service(lambda stop: build.run(load(ControllerConfig, argv=sys.argv[1:], environ=os.environ), stop))
