"""Commands of exec that a killed kubelet has left: their sessions ended with it, and they end when it is back.

A file for each session is there as long as the session is (decision 157): engines do not tell the kubelet's
commands from others'.
"""

import json
import os
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from kubelet.runtime.interface import RuntimeFailure

log = structlog.stdlib.get_logger(__name__)


class LeftCommands:
    """The files of one kubelet's sessions."""

    def __init__(self, folder: Path) -> None:
        """Make it, before there are sessions: what is there now is of the kubelet before."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder, self._left = folder, sorted(folder.iterdir())

    @contextmanager
    def noted(self, container_id: str, argv: Sequence[str]) -> Iterator[None]:
        """Have a file for a session while the block lasts."""
        descriptor, path = tempfile.mkstemp(dir=self._folder)
        with os.fdopen(descriptor, "w") as file:
            json.dump([container_id, *argv], file)
        try:
            yield
        finally:
            os.unlink(path)

    async def end_all(self, end: Callable[[str, Sequence[str]], Awaitable[None]]) -> None:
        """End what was left. `end` ends a command of a container, and may raise RuntimeFailure."""
        for path in self._left:
            # A kubelet that was killed while it wrote the file had begun no command yet.
            with suppress(ValueError, RuntimeFailure):
                container_id, *argv = json.loads(path.read_text())
                log.info(
                    "ending the command of a session that ended with the kubelet", container=container_id
                )
                await end(container_id, argv)
            path.unlink()
