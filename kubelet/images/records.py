"""Writes down which images the kubelet has pulled, and with whose credentials. Shell.

<root_dir>/image_manager/pulling has a file for each pull that was begun, .../pulled one for each image that was
pulled (`pkg/kubelet/images/pullmanager/fs_pullrecords.go`). A kubelet that is killed at any moment leaves one of
them: an image that it pulls is never taken for one that was there before it.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import msgspec
import structlog

from kubelet.images.access import Access, PulledRecord, PullIntent, merged
from kubelet.images.keyring import full_name
from kubelet.metrics import KubeletMetrics
from kubelet.runtime.records import ImageState
from vaina.clock import Clock

log = structlog.stdlib.get_logger(__name__)

T = TypeVar("T", PulledRecord, PullIntent)


class PullRecords:
    """All of one node, also in memory: as many as it has images, and pulls under way.

    Owned by one event loop.
    """

    def __init__(self, folder: Path, clock: Clock, metrics: KubeletMetrics) -> None:
        """Make it; `load` reads what is there."""
        self._pulling, self._pulled = folder / "pulling", folder / "pulled"
        self._clock, self._metrics = clock, metrics
        self._records: dict[str, PulledRecord] = {}
        self._intents: dict[str, PullIntent] = {}
        #: image -> pulls of it under way
        self._under_way = Counter[str]()
        #: files that cannot be read: of an image that was pulled, nobody knows by whom
        self._unreadable: frozenset[str] = frozenset()
        #: files are written one after the other
        self._turn = asyncio.Lock()

    @property
    def has_intents(self) -> bool:
        return bool(self._intents)

    def load(self) -> None:
        """Read what is there. Blocking. Raises OSError."""
        for folder in (self._pulling, self._pulled):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        intents, _ = _read(self._pulling, PullIntent)
        records, self._unreadable = _read(self._pulled, PulledRecord)
        self._intents = {intent.image: intent for intent in intents}
        self._records = {record.image_ref: record for record in records}
        self._measure()

    async def adopt(self, images: Sequence[ImageState]) -> None:
        """Take pulls that a killed kubelet has begun for done where the image is there.

        Nobody knows by whom they were: the next Pod has to pull it again.
        """
        for state in images:
            names = {*map(full_name, (*state.tags, *state.digests))}
            for image in [image for image in self._intents if full_name(image) in names]:
                if await self.note(image, state.id, Access()):
                    await self._forget(image)

    def record_of(self, image_id: str) -> PulledRecord | None:
        return self._records.get(image_id)

    def is_pulled(self, image: str, image_id: str) -> bool:
        """Say whether an image was pulled by this kubelet, or is: under the name that a Pod has for it."""
        return image_id in self._records or image in self._intents or _file_name(image_id) in self._unreadable

    async def begin(self, image: str) -> None:
        """Write down that a pull begins. Raises OSError: then it must not."""
        self._under_way[image] += 1
        try:
            async with self._turn:
                if image not in self._intents:
                    intent = PullIntent(image)
                    await asyncio.to_thread(_write, self._pulling / _file_name(image), intent)
                    self._intents[image] = intent
        except BaseException:
            self._ended(image)
            raise
        self._measure()

    async def finish(self, image: str, image_id: str, access: Access) -> None:
        """Write down that a pull has ended well.

        Where that fails it stays begun, and the image has to be pulled again by whoever wants it.
        """
        try:
            is_noted = await self.note(image, image_id, access)
        finally:
            self._ended(image)
        if is_noted:
            await self._forget(image)

    async def give_up(self, image: str) -> None:
        """Forget a pull that has come to nothing."""
        self._ended(image)
        await self._forget(image)

    def _ended(self, image: str) -> None:
        self._under_way[image] -= 1
        if not self._under_way[image]:
            del self._under_way[image]

    async def _forget(self, image: str) -> None:
        """Forget that pulls of an image were begun, unless one is under way."""
        async with self._turn:
            if image in self._under_way or image not in self._intents:
                return
            try:
                await asyncio.to_thread(_remove, self._pulling / _file_name(image))
            except OSError as error:
                log.warning("a pull that has ended is still written down", image=image, error=str(error))
                return
            del self._intents[image]
        self._measure()

    async def note(self, image: str, image_id: str, access: Access) -> bool:
        """Write down who may use an image besides; False: that did not work."""
        async with self._turn:
            now = datetime.fromtimestamp(self._clock.now(), UTC)
            before = self._records.get(image_id)
            after = merged(before or PulledRecord(now, image_id), image, access, now)
            if after is before:
                return True
            name = _file_name(image_id)
            try:
                await asyncio.to_thread(_write, self._pulled / name, after)
            except OSError as error:
                log.warning("who pulled an image is not written down", image=image, error=str(error))
                return False
            self._records[image_id] = after
            self._unreadable -= {name}
        self._measure()
        return True

    async def prune(self, image_ids: Collection[str], since: float) -> None:
        """Forget images that are gone; what was written `since` then may be of one that has come meanwhile."""
        async with self._turn:
            limit = datetime.fromtimestamp(since, UTC)
            for image_id, record in [*self._records.items()]:
                if image_id in image_ids or record.last_updated_time >= limit:
                    continue
                try:
                    await asyncio.to_thread(_remove, self._pulled / _file_name(image_id))
                except OSError as error:
                    log.warning(
                        "an image that is gone is still written down", image=image_id, error=str(error)
                    )
                    continue
                del self._records[image_id]
        self._measure()

    def _measure(self) -> None:
        self._metrics.pull_intents.set(len(self._intents))
        self._metrics.pulled_records.set(len(self._records))


def _file_name(name: str) -> str:
    return f"sha256-{sha256(name.encode()).hexdigest()}"


def _read(folder: Path, kind: type[T]) -> tuple[list[T], frozenset[str]]:
    """Return what a folder has, and which files cannot be read."""
    found: list[T] = []
    unreadable: set[str] = set()
    for path in folder.iterdir():
        if path.suffix:
            # Of a write that a killed kubelet left.
            path.unlink(missing_ok=True)
            continue
        try:
            found.append(msgspec.json.decode(path.read_bytes(), type=kind))
        except (OSError, msgspec.DecodeError) as error:
            log.warning("cannot be read: its image has to be verified", file=path.name, error=str(error))
            unreadable.add(path.name)
    return found, frozenset(unreadable)


def _write(path: Path, content: msgspec.Struct) -> None:
    """Replace a file whole. Raises OSError."""
    begun = path.with_suffix(".tmp")
    with open(begun, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(msgspec.json.encode(content))
        file.flush()
        os.fsync(file.fileno())
    begun.rename(path)


def _remove(path: Path) -> None:
    with suppress(FileNotFoundError):
        path.unlink()
