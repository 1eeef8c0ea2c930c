"""Images on the node, over CRI. Made by `kubelet.build`, called by the image manager."""

from collections.abc import Sequence
from pathlib import Path

import grpc

from kubelet.runtime.cri import cri_pb2 as cri
from kubelet.runtime.cri.connection import Connection, call, words
from kubelet.runtime.cri.convert import image_state
from kubelet.runtime.interface import ImagePullError, NotFoundInRuntime, RuntimeFailure
from kubelet.runtime.records import ImageState, RegistryAuth
from vaina.quoting import go_quote

#: what a runtime says of a name that it cannot read
_UNREADABLE = ("failed to parse image reference", "invalid reference format", "couldn't parse image")
#: reasons that a runtime's words tell (upstream: k8s.io/cri-api/pkg/errors)
_REASONS = ("RegistryUnavailable", "SignatureValidationFailed")


class CriImages:
    """The runtime's images. Stateless; safe to be used by any task."""

    def __init__(self, connection: Connection) -> None:
        self._cri = connection

    async def image_status(self, reference: str) -> ImageState | None:
        request = cri.ImageStatusRequest(image=cri.ImageSpec(image=reference))
        answer = await call(self._cri.images.ImageStatus, request)
        return image_state(answer.image) if answer.HasField("image") else None

    async def pull_image(self, reference: str, *, auth: RegistryAuth | None = None) -> ImageState:
        request = cri.PullImageRequest(image=cri.ImageSpec(image=reference))
        if auth is not None:
            request.auth.username, request.auth.password = auth.username, auth.password
            request.auth.identity_token = auth.identity_token
        try:
            answer = await self._cri.images.PullImage(request)
        except grpc.aio.AioRpcError as error:
            raise _pull_error(error) from error
        image = await self.image_status(answer.image_ref)
        if image is None:
            raise ImagePullError(
                f"image {go_quote(reference)} was not found: it was removed right after the pull"
            )
        return image

    async def unpack_image(self, image_id: str, directory: Path) -> bool:
        return False

    async def list_images(self) -> Sequence[ImageState]:
        answer = await call(self._cri.images.ListImages, cri.ListImagesRequest())
        return [image_state(item) for item in answer.images]

    async def remove_image(self, image_id: str) -> None:
        # Runtimes remove one that is in use: its containers run on, and cannot be started again.
        used = await call(self._cri.runtime.ListContainers, cri.ListContainersRequest())
        users = [item.id for item in used.containers if image_id in {item.image_ref, item.image.image}]
        if users:
            raise RuntimeFailure(f"image {image_id} is used by container {users[0]}")
        request = cri.RemoveImageRequest(image=cri.ImageSpec(image=image_id))
        try:
            await call(self._cri.images.RemoveImage, request)
        except NotFoundInRuntime:
            return

    async def image_filesystem(self) -> str:
        answer = await call(self._cri.images.ImageFsInfo, cri.ImageFsInfoRequest())
        return next((item.fs_id.mountpoint for item in answer.image_filesystems), "")


def _pull_error(error: grpc.aio.AioRpcError) -> ImagePullError:
    details = error.details() or ""
    if any(text in details for text in _UNREADABLE):
        return ImagePullError(words(error), reason="InvalidImageName")
    reason = next((reason for reason in _REASONS if reason in details), "ErrImagePull")
    return ImagePullError(words(error), reason=reason)
