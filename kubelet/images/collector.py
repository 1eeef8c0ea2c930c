"""The node's images: lists them, and removes unused ones before the disk is full. Shell.

Only since when an image is unused is remembered: a restarted kubelet takes all of them for old, as upstream
does.
"""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from kubelet.images.inventory import ImagePolicy, ImageRecord, bytes_to_free, candidates, detect, node_images
from kubelet.machine.machine import FilesystemUse, filesystem_use
from kubelet.runtime.interface import ImageService, Runtime, RuntimeFailure
from kubelet.runtime.records import IMAGES_ANNOTATION, ImageState
from vaina.api.core.v1 import node_pb2
from vaina.clock import Clock

log = structlog.stdlib.get_logger(__name__)

#: how often the list is made anew, and how often the disk is looked at (as upstream)
LIST_SECONDS = 30.0
COLLECT_SECONDS = 300.0


class ImageCollector:
    """The images of one node. Owned by the kubelet's build."""

    def __init__(
        self,
        service: ImageService,
        runtime: Runtime,
        clock: Clock,
        policy: ImagePolicy,
        *,
        tell: Callable[[str, str], None],
        count: Callable[[], None],
        measure: Callable[[str], FilesystemUse] = filesystem_use,
    ) -> None:
        self._service, self._runtime, self._clock = service, runtime, clock
        self._policy, self._tell, self._count, self._measure = policy, tell, count, measure
        self._records: dict[str, ImageRecord] = {}
        self._images: Sequence[ImageState] = ()
        self._looked = False

    @property
    def images(self) -> list[node_pb2.ContainerImage]:
        return node_images(self._images)

    async def run(self) -> None:
        collected = self._clock.monotonic()
        while True:
            try:
                await self.look()
                if self._clock.monotonic() - collected >= COLLECT_SECONDS:
                    collected = self._clock.monotonic()
                    await self.collect()
            except (RuntimeFailure, OSError) as error:
                log.warning("images not looked at", error=str(error))
            await self._clock.sleep(LIST_SECONDS)

    async def look(self) -> None:
        # Images first: a container that begins in between uses a listed image, or one too young to go.
        images = await self._service.list_images()
        containers = await self._runtime.list_containers()
        shown = (state.annotations.get(IMAGES_ANNOTATION, "").split() for state in containers)
        used = frozenset({state.image_id for state in containers}.union(*shown))
        now = self._clock.now()
        self._records = detect(self._records, images, used, now=now, first_look=not self._looked)
        self._images, self._looked = images, True

    async def filesystem(self) -> FilesystemUse | None:
        """Return how full the images' file system is; None: there is none. Raises RuntimeFailure, OSError."""
        path = await self._service.image_filesystem()
        return await asyncio.to_thread(self._measure, path) if path else None

    async def collect(self) -> None:
        """Remove unused images when the disk is above the high threshold. Raises RuntimeFailure, OSError."""
        use = await self.filesystem()
        if use is None:
            return
        if use.capacity <= 0:
            self._tell("InvalidDiskCapacity", "invalid capacity 0 on image filesystem")
            return
        wanted = bytes_to_free(use.capacity, use.available, self._policy)
        if not wanted:
            return
        log.info("disk usage is over the high threshold", bytes_to_free=wanted)
        freed = await self.free(wanted)
        if freed < wanted:
            self._tell(
                "FreeDiskSpaceFailed",
                f"Failed to garbage collect required amount of images. Attempted to free {wanted} bytes, "
                f"but only found {freed} bytes eligible to free.",
            )

    async def free(self, wanted: int | None = None) -> int:
        """Remove unused images until `wanted` bytes (None: all) are free; return the bytes. Raises as `look`."""
        await self.look()
        freed = 0
        for image in candidates(self._images, self._records, self._policy, now=self._clock.now()):
            if wanted is not None and freed >= wanted:
                break
            try:
                await self._service.remove_image(image.id)
            except RuntimeFailure as error:
                log.warning("image not removed", image=image.id, error=str(error))
                continue
            log.info("image removed", image=image.id, bytes=image.size_bytes)
            self._records.pop(image.id, None)
            self._count()
            freed += image.size_bytes
        return freed
