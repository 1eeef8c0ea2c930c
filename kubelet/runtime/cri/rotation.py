"""Keeps containers' logs small: CRI runtimes write files and leave their size to the kubelet.

As `pkg/kubelet/logs/container_log_manager.go`: a log that has reached its limit is moved aside under the time
and begun anew, older ones are compressed, the oldest removed.
"""

import asyncio
import gzip
import os
import shutil
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import structlog

from kubelet.runtime.cri.runtime import CriRuntime
from kubelet.runtime.interface import RuntimeFailure
from kubelet.runtime.records import LogLimits
from vaina.clock import Clock

log = structlog.stdlib.get_logger(__name__)

#: upstream's containerLogMonitorInterval
LOOK_SECONDS = 10.0
_STAMP = "%Y%m%d-%H%M%S"


def plan_tidying(name: str, rotated: list[str], max_files: int) -> tuple[list[str], list[str]]:
    """Return which of a log's rotated files to remove, and which to compress, before the next rotation. PURE.

    `max_files` counts the newest; half-compressed files go.
    """
    half = [item for item in rotated if item.endswith(".tmp")]
    whole = sorted({item.removesuffix(".gz") for item in rotated if item not in half and item != name})
    keep = max(max_files - 2, 0)
    old, kept = (whole[:-keep], whole[-keep:]) if keep else (whole, [])
    there = set(rotated)
    gone = [item for stem in old for item in (stem, f"{stem}.gz") if item in there]
    # One that is there twice was compressed to its end, and not removed any more.
    gone += [stem for stem in kept if stem in there and f"{stem}.gz" in there]
    return half + gone, [stem for stem in kept if stem in there and f"{stem}.gz" not in there]


def _tidy(path: Path, max_files: int) -> None:
    remove, compress = plan_tidying(
        path.name, [item.name for item in path.parent.glob(f"{path.name}.*")], max_files
    )
    for name in remove:
        path.with_name(name).unlink(missing_ok=True)
    for name in compress:
        whole, made = path.with_name(name), path.with_name(f"{name}.tmp")
        with whole.open("rb") as source, gzip.open(made, "wb") as target:
            shutil.copyfileobj(source, target)
        made.replace(path.with_name(f"{name}.gz"))
        whole.unlink()


def _put_back(aside: Path, path: Path) -> None:
    """Undo the move, unless the runtime has begun a new file and only its answer was lost."""
    with suppress(FileExistsError):
        os.link(aside, path)
        aside.unlink()


class LogRotation:
    """Owned by the kubelet's build; one task runs it."""

    def __init__(self, runtime: CriRuntime, clock: Clock, limits: LogLimits) -> None:
        self._runtime, self._clock, self._limits = runtime, clock, limits
        self._paths: dict[str, Path] = {}

    async def run(self) -> None:
        while self._limits.max_bytes > 0:
            await self._clock.sleep(LOOK_SECONDS)
            try:
                await self.look()
            except RuntimeFailure as error:
                log.warning("logs not looked at", error=str(error))

    async def look(self) -> None:
        """Rotate every log that is too large. Raises RuntimeFailure: the runtime does not list them."""
        self._paths = await self._runtime.log_paths(self._paths)
        for container_id, path in self._paths.items():
            try:
                await self._keep_small(container_id, path)
            except (RuntimeFailure, OSError) as error:
                # One that is refused must not keep the others from it.
                log.warning("log not rotated", container=container_id, error=str(error))

    async def _keep_small(self, container_id: str, path: Path) -> None:
        try:
            size = (await asyncio.to_thread(path.stat)).st_size
        except FileNotFoundError:
            # A kubelet that died in the middle had moved it away: the runtime still writes to the old one.
            await self._runtime.reopen_log(container_id)
            return
        if size >= self._limits.max_bytes:
            await self._rotate(container_id, path)

    async def _rotate(self, container_id: str, path: Path) -> None:
        await asyncio.to_thread(_tidy, path, self._limits.max_files)
        stamp = datetime.fromtimestamp(self._clock.now(), UTC).strftime(_STAMP)
        aside = path.with_name(f"{path.name}.{stamp}")
        await asyncio.to_thread(path.rename, aside)
        try:
            await self._runtime.reopen_log(container_id)
        except RuntimeFailure:
            await asyncio.to_thread(_put_back, aside, path)
            raise
        log.info("log rotated", container=container_id, file=str(aside))
