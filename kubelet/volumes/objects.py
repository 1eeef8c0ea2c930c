"""Objects from the apiserver, as volumes and environments need them.

They are always read anew: a Pod that is retried because a ConfigMap was missing must see it as soon as it is
there. Mounted volumes are refreshed through here too, once a minute per Pod, and at once where the watch says
so (`following`).
"""

from collections.abc import Awaitable
from typing import TypeVar

from vaina.api.core.v1 import config_pb2, node_pb2, persistent_volume_pb2
from vaina.api.node.v1 import runtime_class_pb2
from vaina.client.clientset import Clientset
from vaina.errors import NotFound
from vaina.objects.local_path import MADE_ANNOTATION

T = TypeVar("T")


async def _or_none(found: Awaitable[T]) -> T | None:
    try:
        return await found
    except NotFound:
        return None


class ApiObjects:
    """Where objects come from. None: there is no such object. Raises ApiError: that is not known."""

    def __init__(self, client: Clientset) -> None:
        self._client = client

    async def config_map(self, namespace: str, name: str) -> config_pb2.ConfigMap | None:
        return await _or_none(self._client.config_maps.get(name, namespace))

    async def secret(self, namespace: str, name: str) -> config_pb2.Secret | None:
        return await _or_none(self._client.secrets.get(name, namespace))

    async def runtime_class(self, name: str) -> runtime_class_pb2.RuntimeClass | None:
        return await _or_none(self._client.runtime_classes.get(name))

    async def claim(self, namespace: str, name: str) -> persistent_volume_pb2.PersistentVolumeClaim | None:
        return await _or_none(self._client.persistent_volume_claims.get(name, namespace))

    async def volume(self, name: str) -> persistent_volume_pb2.PersistentVolume | None:
        return await _or_none(self._client.persistent_volumes.get(name))

    async def node(self, name: str) -> node_pb2.Node | None:
        return await _or_none(self._client.nodes.get(name))

    async def mark_made(self, volume: persistent_volume_pb2.PersistentVolume) -> None:
        """Write down that a volume's directory was made. Raises ApiError: it was changed meanwhile, say."""
        made = persistent_volume_pb2.PersistentVolume()
        made.CopyFrom(volume)
        made.metadata.annotations[MADE_ANNOTATION] = "true"
        await self._client.persistent_volumes.update(made)
