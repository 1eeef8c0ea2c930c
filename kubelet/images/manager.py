"""The images of a node: pulled for Pods, listed for the Node's status, removed before the disk is full. Shell.

Pulls have a back-off by Pod and image; messages are upstream's (`pkg/kubelet/images/image_manager.go`). An image
that is there is not for everybody (`access`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from kubelet.decide.actions import PullPolicy
from kubelet.decide.observation import ImageObservation, ImageProgress
from kubelet.images.access import (
    Access,
    Checked,
    Credential,
    VerificationPolicy,
    access_by,
    known_access,
    match,
)
from kubelet.images.inventory import ImagePolicy, ImageRecord, bytes_to_free, candidates, detect, node_images
from kubelet.images.keyring import is_valid, with_tag
from kubelet.images.records import PullRecords
from kubelet.machine.machine import FilesystemUse, filesystem_use
from kubelet.metrics import KubeletMetrics
from kubelet.runtime.interface import CreateFailed, ImagePullError, ImageService, Runtime, RuntimeFailure
from kubelet.runtime.records import IMAGES_ANNOTATION, ImageState, Uid
from vaina.api.core.v1 import node_pb2
from vaina.backoff import Backoff
from vaina.clock import Clock
from vaina.durations import go_duration
from vaina.errors import ApiError
from vaina.quoting import go_quote

log = structlog.stdlib.get_logger(__name__)

NEVER = float("inf")
#: how long a failure is called ErrImagePull before it is called ImagePullBackOff
SHOW_ERROR_SECONDS = 2.0

#: gives a Pod's credentials for an image; raises ApiError: nobody knows them now
Credentials = Callable[[], Awaitable[Sequence[Credential]]]


@dataclass(frozen=True, slots=True)
class PullSettings:
    """How pulls are done. Upstream's numbers; tests take shorter ones."""

    backoff: Backoff = field(default_factory=lambda: Backoff(base_seconds=10.0, cap_seconds=300.0))
    #: pulls of the node under way at once; further ones wait
    parallel: int = 5
    #: failures remembered, over all Pods: the oldest are forgotten
    remembered: int = 2000
    #: of which images a Pod has to show that it may have them
    verification: VerificationPolicy = field(default_factory=VerificationPolicy)


class ImageManager:
    """Owned by the kubelet's build; any task may call it."""

    def __init__(
        self,
        service: ImageService,
        clock: Clock,
        settings: PullSettings,
        metrics: KubeletMetrics,
        records: PullRecords | None,
    ) -> None:
        """Make it. `records` says who has pulled what; None: nobody asks, every Pod may use every image."""
        self._service, self._clock, self._settings, self._metrics = service, clock, settings, metrics
        self._records = records
        self._slots = asyncio.Semaphore(settings.parallel)
        self._failures: dict[tuple[Uid, str], int] = {}

    async def look(self, image: str, policy: PullPolicy, credentials: Credentials) -> ImageObservation:
        """Return whether a container could start with what is here; MISSING: it has to be pulled.

        Raises ApiError: the Pod's credentials would decide, and nobody knows them now.
        """
        if not is_valid(image):
            quoted = go_quote(image)
            message = f"Failed to apply default image tag {quoted}: couldn't parse image name {quoted}: invalid reference format"
            return self._refused("InvalidImageName", message)
        if policy is PullPolicy.ALWAYS:
            return ImageObservation()
        try:
            state = await self._service.image_status(with_tag(image))
        except RuntimeFailure as error:
            return self._refused("ImageInspectError", f"Failed to inspect image {go_quote(image)}: {error}")
        if state is not None and await self._may_use(image, state.id, credentials):
            return ImageObservation(ImageProgress.READY, image_id=state.id)
        if policy is PullPolicy.NEVER:
            # Also of one that is there, and is not for this Pod: who may not have it does not hear of it.
            message = f"Container image {go_quote(image)} is not present with pull policy of Never"
            return self._refused("ErrImageNeverPull", message)
        return ImageObservation()

    async def _may_use(self, image: str, image_id: str, credentials: Credentials) -> bool:
        """Say whether a Pod may use an image that is there without a pull. Raises ApiError."""
        records = self._records
        if records is None:
            return True
        is_pulled = records.is_pulled(image, image_id)
        if not self._settings.verification.asks_for(image, is_pulled=is_pulled):
            return self._checked(Checked.BY_POLICY)
        access = known_access(records.record_of(image_id), image)
        if access.node_pods_accessible:
            return self._checked(Checked.BY_RECORD)
        if not access.kubernetes_secrets:
            return self._checked(Checked.MUST_PULL)
        try:
            own = await credentials()
        except ApiError:
            self._checked(Checked.ERROR)
            raise
        is_known, secret = match(access, own)
        if secret is not None:
            await records.note(image, image_id, Access(kubernetes_secrets=(secret,)))
        return self._checked(Checked.BY_RECORD if is_known else Checked.MUST_PULL)

    def _checked(self, result: Checked) -> bool:
        self._metrics.pull_checks.labels(result.value).inc()
        return result in (Checked.BY_POLICY, Checked.BY_RECORD)

    def _refused(self, reason: str, message: str) -> ImageObservation:
        return ImageObservation(
            ImageProgress.FAILED, reason=reason, message=message, backoff_from=NEVER, retry_at=NEVER
        )

    async def unpack(self, image_id: str, directory: Path) -> bool:
        try:
            return await self._service.unpack_image(image_id, directory)
        except (RuntimeFailure, OSError) as error:
            # The words before it are the interface's (k8s.io/cri-api/pkg/errors).
            raise CreateFailed(f"ImageVolumeMountFailed: {error}") from error

    async def user_of(self, image_id: str) -> str:
        state = await self._service.image_status(image_id)
        return state.user if state is not None else ""

    @property
    def is_full(self) -> bool:
        """Whether a pull that is asked for now has to wait for the end of another."""
        return self._slots.locked()

    async def pull(
        self, uid: Uid, image: str, credentials: Sequence[Credential], begun: Callable[[], None]
    ) -> tuple[ImageState, str]:
        """Pull an image with each of the credentials in turn; (): anonymously. Raises ImagePullError.

        Returns the image, and the text of the event. `begun` is called once it has a place among the pulls.
        """
        asked = self._clock.monotonic()
        async with self._slots:
            begun()
            turn = self._clock.monotonic()
            with self._metrics.operation("pull_image"):
                state = await self._pull_recorded(image, credentials or (None,))
        self._failures.pop((uid, image), None)
        now = self._clock.monotonic()
        took, whole = go_duration(round(now - turn, 3)), go_duration(round(now - asked, 3))
        words = f"Successfully pulled image {go_quote(image)} in {took} ({whole} including waiting). "
        return state, f"{words}Image size: {state.size_bytes} bytes."

    async def _pull_recorded(self, image: str, credentials: Sequence[Credential | None]) -> ImageState:
        """Pull an image, and write down with what, so that it is for those alone who have that."""
        records, reference = self._records, with_tag(image)
        if records is None:
            state, _ = await self._pull(reference, credentials)
            return state
        try:
            await records.begin(image)
        except OSError as error:
            raise ImagePullError(f"failed to record image pull intent: {error}") from error
        try:
            state, credential = await self._pull(reference, credentials)
        except BaseException:
            await records.give_up(image)
            raise
        await records.finish(image, state.id, access_by(credential))
        return state

    async def _pull(
        self, image: str, credentials: Sequence[Credential | None]
    ) -> tuple[ImageState, Credential | None]:
        """Return the image, and with what it was pulled."""
        refused: list[ImagePullError] = []
        for credential in credentials:
            try:
                auth = None if credential is None else credential.auth
                return await self._service.pull_image(image, auth=auth), credential
            except ImagePullError as error:
                refused.append(error)
        if len(refused) == 1:
            raise refused[0]
        # As upstream's aggregate of errors: what was said several times once.
        words = list(dict.fromkeys(str(error) for error in refused))
        message = words[0] if len(words) == 1 else f"[{', '.join(words)}]"
        raise ImagePullError(message, reason=refused[-1].reason)

    def failed(self, uid: Uid, image: str, error: ImagePullError) -> ImageObservation:
        """Remember a failure; return until when the image is not tried again."""
        count = self._failures.pop((uid, image), 0)
        while len(self._failures) >= self._settings.remembered:
            del self._failures[next(iter(self._failures))]
        self._failures[uid, image] = count + 1
        delay, now = self._settings.backoff.delay(count), self._clock.now()
        return ImageObservation(
            ImageProgress.FAILED, reason=error.reason, message=str(error),
            backoff_from=now + min(SHOW_ERROR_SECONDS, delay / 2), retry_at=now + delay,
        )  # fmt: skip


#: how often the list is made anew, and how often the disk is looked at (as upstream)
LIST_SECONDS = 30.0
COLLECT_SECONDS = 300.0


class ImageCollector:
    """Lists images, and removes unused ones before the disk is full. Owned by the kubelet's build.

    Only since when an image is unused is remembered: a restarted kubelet takes all of them for old.
    """

    def __init__(  # noqa: PLR0913 - what it looks at, and whom it tells
        self,
        service: ImageService,
        runtime: Runtime,
        clock: Clock,
        policy: ImagePolicy,
        *,
        tell: Callable[[str, str], None],
        count: Callable[[], None],
        records: PullRecords | None,
        measure: Callable[[str], FilesystemUse] = filesystem_use,
    ) -> None:
        self._service, self._runtime, self._clock = service, runtime, clock
        self._policy, self._tell, self._count, self._measure = policy, tell, count, measure
        self._pulls = records
        self._records: dict[str, ImageRecord] = {}
        self._images: Sequence[ImageState] = ()
        self._looked = False
        #: when that list was asked for
        self._listed_at = 0.0

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
        asked = self._clock.now()
        images = await self._service.list_images()
        containers = await self._runtime.list_containers()
        shown = (state.annotations.get(IMAGES_ANNOTATION, "").split() for state in containers)
        used = frozenset({state.image_id for state in containers}.union(*shown))
        now = self._clock.now()
        self._records = detect(self._records, images, used, now=now, first_look=not self._looked)
        self._images, self._looked, self._listed_at = images, True, asked

    async def filesystem(self) -> FilesystemUse | None:
        """Return how full the images' file system is; None: there is none. Raises RuntimeFailure, OSError."""
        path = await self._service.image_filesystem()
        return await asyncio.to_thread(self._measure, path) if path else None

    async def collect(self) -> None:
        """Remove unused images when the disk is above the high threshold. Raises RuntimeFailure, OSError."""
        if self._pulls is not None:
            # What comes in the place of an image that is gone is not for who pulled that.
            await self._pulls.prune({image.id for image in self._images}, self._listed_at)
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
