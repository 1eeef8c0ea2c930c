"""Removes directories of Pods that nobody looks after any more: a kubelet that was killed at the end of a Pod leaves one. Shell.

As upstream's housekeeping (`pkg/kubelet/kubelet_volumes.go`, cleanupOrphanedPodDirs): claims are links and mounts are undone first, so that no data can go with it.
"""

import asyncio
import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

import structlog

from kubelet.runtime.records import Uid
from kubelet.volumes import mounting
from kubelet.volumes.interface import VolumeFailed, Volumes
from vaina.clock import Clock

log = structlog.stdlib.get_logger(__name__)

#: a directory that belongs to nobody in two looks is removed
PERIOD_SECONDS: Final = 30.0


class OrphanedDirectories:
    """Owned by the node's volumes."""

    def __init__(
        self, root: Path, volumes: Volumes, clock: Clock, known: Callable[[], Collection[Uid] | None]
    ) -> None:
        """Make the sweeper.

        Args:
            root: of the kubelet.
            volumes: of the node.
            clock: between looks.
            known: the Pods that have a worker; None while not all are known.
        """
        self._pods, self._volumes, self._clock, self._known = root / "pods", volumes, clock, known
        self._suspected: frozenset[Uid] = frozenset()

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        while True:
            await self._clock.sleep(PERIOD_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Remove what belonged to nobody last time either."""
        known = self._known()
        if known is None:
            return
        found = await asyncio.to_thread(self._list)
        nobodys = frozenset(found.difference(known))
        for uid in sorted(nobodys & self._suspected):
            try:
                await self._volumes.unmount(uid)
                await asyncio.to_thread(mounting.clear, self._pods / uid)
            except (VolumeFailed, OSError) as error:
                log.warning("orphaned pod directory not removed", uid=uid, error=str(error))
            else:
                log.info("orphaned pod directory removed", uid=uid)
        self._suspected = nobodys

    def _list(self) -> frozenset[Uid]:
        try:
            return frozenset(Uid(name) for name in os.listdir(self._pods))
        except FileNotFoundError:
            return frozenset()
