"""Called as `vaina`: has a process that is ready run it (ready_vaina.py). Imports next to nothing."""

import json
import os
import signal
import socket
import sys
from types import FrameType


def main() -> int:
    """Hand arguments, environment, folder and the three files over; return the exit code."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as ready:
        ready.connect(sys.argv[1])

        def tell(signum: int, _frame: FrameType | None) -> None:
            ready.send(bytes([signum]))

        deaf = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        said = {
            "arguments": sys.argv[2:],
            "environment": dict(os.environ),  # noqa: TID251 (it stands in the command's place)
            "folder": os.getcwd(),
            "deaf": deaf,
        }
        socket.send_fds(ready, [json.dumps(said).encode()], [0, 1, 2])
        for signum in (
            (signal.SIGTERM, signal.SIGHUP) if deaf else (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
        ):
            signal.signal(signum, tell)
        code = ready.recv(1)
    return code[0] if code else 1


if __name__ == "__main__":
    sys.exit(main())
