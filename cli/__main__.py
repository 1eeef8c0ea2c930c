"""`vaina` and `python -m cli`. It imports next to nothing: Ctrl-C is heard before all else is imported."""

import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType

from cli.surroundings import COMPLETION_VARIABLE, INTERRUPTED


def _leave(_signum: int, _frame: FrameType | None) -> None:
    # Nothing is begun, or all is done and written: there is nobody to tell, and nothing to undo.
    os._exit(INTERRUPTED)


def _on_interrupt(handler: Callable[[int, FrameType | None], object]) -> None:
    # Shells start what a script runs in the background with the signal ignored, which stays so.
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, handler)


def main() -> None:
    """Run the command line of this process; Ctrl-C ends it with 130 and no words, whenever it comes."""
    _on_interrupt(_leave)
    if COMPLETION_VARIABLE in os.environ:
        # A Tab: next to nothing is imported.
        from cli.completion.shells import answer

        # The clock alone: `vaina.clock` brings asyncio and protobuf along.
        sys.stdout.write(answer(dict(os.environ), time.monotonic))
        return
    from cli.process import run_process

    # From here on it is an exception: what goes on is ended in order.
    _on_interrupt(signal.default_int_handler)
    try:
        code = run_process(dict(os.environ))
    except KeyboardInterrupt:
        code = INTERRUPTED
    _on_interrupt(_leave)
    sys.exit(code)


if __name__ == "__main__":
    main()
