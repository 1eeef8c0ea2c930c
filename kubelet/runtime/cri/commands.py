"""Commands in containers over CRI, and the end of those that are cut off (decision 157).

Owned by the CRI runtime.

CRI tells no process of a command: it is looked for by its words.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence

import structlog

from kubelet.runtime.cri.connection import Connection
from kubelet.runtime.cri.stopping import first_process
from kubelet.runtime.cut_off import end_command, find_command
from kubelet.runtime.interface import RuntimeFailure
from vaina.clock import Clock

log = structlog.stdlib.get_logger(__name__)

#: seconds before each look for a command: it may have been cut off while containerd was still starting it,
#: and until the starter (`runc exec`) is gone it is not the container's first process's sibling
LOOKS = (0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)


class Commands:
    """Those that are open. Each that begins must end."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._cri, self._clock = connection, clock
        self._open: Counter[tuple[str, tuple[str, ...]]] = Counter()

    def begin(self, container_id: str, argv: Sequence[str]) -> None:
        """Count one that is about to be started."""
        self._open[container_id, tuple(argv)] += 1

    async def end(self, container_id: str, argv: Sequence[str], cut_off: bool) -> None:
        """Count one less; where it was cut off, end its process first.

        One that cannot be told from another is left alone.
        """
        key = container_id, tuple(argv)
        try:
            if cut_off and not await self._hang_up(key):
                log.info("a command that was cut off has ended, or is left alone", container=container_id)
        finally:
            self._open[key] -= 1
            if not self._open[key]:
                del self._open[key]

    async def _hang_up(self, key: tuple[str, tuple[str, ...]]) -> bool:
        container_id, argv = key
        for seconds in LOOKS:
            await self._clock.sleep(seconds)
            try:
                pid = await first_process(self._cri, container_id)
            except RuntimeFailure:
                return False
            command = await asyncio.to_thread(find_command, pid, argv) if pid else 0
            # With the same words from somebody else under way, what was found may be theirs.
            if not pid or self._open[key] > 1:
                return False
            if command:
                end_command(command)
                return True
        return False
