"""Removes directories of Pods that no worker looks after: a kubelet that was killed leaves some. Shell.

As upstream's cleanupOrphanedPodDirs (`pkg/kubelet/kubelet_volumes.go`): claims are links and mounts are
undone first, so that no data can go with them. A static Pod may come back under its uid at any moment, so a
directory is moved aside in one step, right after it was seen that no worker has it.
"""

import asyncio
import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

import structlog

from kubelet.runtime.records import Uid
from kubelet.volumes import mounting
from vaina.clock import Clock

log = structlog.stdlib.get_logger(__name__)

#: a directory that belonged to no Pod in two looks is removed
PERIOD_SECONDS: Final = 30.0
#: below the kubelet's root, where what is to be removed waits for it
ASIDE: Final = "orphans"


class OrphanedDirectories:
    """Owned by the node's volumes."""

    def __init__(self, root: Path, clock: Clock, known: Callable[[], Collection[Uid] | None]) -> None:
        """Make the sweeper. `known` gives the Pods that have a worker; None while not all are known."""
        self._pods, self._aside, self._clock, self._known = root / "pods", root / ASIDE, clock, known
        self._suspected: frozenset[Uid] = frozenset()

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await self._clock.sleep(PERIOD_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Remove what belonged to no Pod at the last look either, and what was moved aside before."""
        known = self._known()
        if known is None:
            return
        found = await asyncio.to_thread(_names, self._pods)
        nobodys = frozenset(Uid(name) for name in found).difference(known)
        for uid in sorted(nobodys & self._suspected):
            self._move_aside(uid)
        self._suspected = nobodys
        for name in sorted(await asyncio.to_thread(_names, self._aside)):
            try:
                await asyncio.to_thread(mounting.clear, self._aside / name)
            except OSError as error:
                log.warning("orphaned pod directory not removed", uid=name, error=str(error))
            else:
                log.info("orphaned pod directory removed", uid=name)

    def _move_aside(self, uid: Uid) -> None:
        """Move a directory, unless its Pod has come; nothing is awaited, so no worker can begin meanwhile."""
        known = self._known()
        if known is None or uid in known:
            return
        try:
            self._aside.mkdir(exist_ok=True)
            (self._pods / uid).rename(self._aside / uid)
        except OSError as error:
            log.warning("orphaned pod directory not removed", uid=uid, error=str(error))


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []
