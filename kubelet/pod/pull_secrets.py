"""The Secrets with which a Pod's images are pulled. Shell."""

from collections.abc import Sequence

from kubelet.images.access import Credential
from kubelet.images.keyring import find_credentials
from kubelet.volumes.interface import ApiObjects
from vaina.api.core.v1 import config_pb2, pod_pb2


async def read_pull_secrets(
    objects: ApiObjects, pod: pod_pb2.Pod
) -> tuple[Sequence[config_pb2.Secret], Sequence[str]]:
    """Return a Pod's imagePullSecrets, and the names of those that are not there. Raises ApiError."""
    found: list[config_pb2.Secret] = []
    missing: list[str] = []
    for reference in pod.spec.image_pull_secrets:
        secret = await objects.secret(pod.metadata.namespace, reference.name)
        if secret is None:
            missing.append(reference.name)
        else:
            found.append(secret)
    return found, missing


async def find_pull_credentials(objects: ApiObjects, pod: pod_pb2.Pod, image: str) -> Sequence[Credential]:
    """Return the credentials that a Pod has for an image. Raises ApiError."""
    found, _ = await read_pull_secrets(objects, pod)
    return find_credentials(image, found)
