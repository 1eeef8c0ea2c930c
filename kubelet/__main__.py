"""python -m kubelet: configuration, build, run."""

import os
import random
import sys

from kubelet.config import KubeletConfig
from kubelet.process import run
from vaina.config import load
from vaina.serving.main import run_service

if __name__ == "__main__":
    run_service(
        lambda stop: run(
            load(KubeletConfig, argv=sys.argv[1:], environ=os.environ), stop, rng=random.SystemRandom()
        )
    )
