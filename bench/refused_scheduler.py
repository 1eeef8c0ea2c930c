"""The scheduler as a process some of whose bindings are refused once it gets SIGUSR1: for `bench.faults`.

    python -m bench.refused_scheduler [flags of the scheduler]

Its code is the scheduler's own; between it and the apiserver stands a transport that refuses one binding in a
hundred.
"""

import os
import random
import signal
import socket
import sys
from typing import Any

from scheduler import build
from scheduler.config import load_configuration
from tests.support.refusals import RefusingTransport
from vaina.client.connecting import open_transport
from vaina.serving.main import run_service

SHARE = 0.01


def main() -> None:
    """Run until ended."""
    made: list[RefusingTransport] = []

    def transport(*way: Any, user_agent: str) -> tuple[RefusingTransport, str]:
        inner, host = open_transport(*way, user_agent=user_agent)
        made.append(RefusingTransport(inner, random.Random(1), share=0.0))
        return made[-1], host

    def refuse(*_: object) -> None:
        for one in made:
            one.share = SHARE

    build.open_transport = transport  # type: ignore[assignment, attr-defined]  # the one place where it meets the wire
    signal.signal(signal.SIGUSR1, refuse)
    run_service(
        lambda stop: build.run(
            *load_configuration(sys.argv[1:], os.environ), stop, instance=socket.gethostname()
        )
    )


if __name__ == "__main__":
    main()
