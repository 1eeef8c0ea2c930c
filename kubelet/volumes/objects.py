"""ConfigMaps and Secrets from the apiserver, as volumes and environments need them.

Always read anew: a Pod that is retried because a ConfigMap was missing must see it as soon as it is there. Refreshing mounted volumes goes through here too,
once a minute per Pod.
"""

from vaina.api.core.v1 import config_pb2
from vaina.client.clientset import Clientset
from vaina.errors import NotFound


class ApiObjects:
    """An `ObjectSource` over the clientset."""

    def __init__(self, client: Clientset) -> None:
        self._client = client

    async def config_map(self, namespace: str, name: str) -> config_pb2.ConfigMap | None:
        try:
            return await self._client.config_maps.get(name, namespace)
        except NotFound:
            return None

    async def secret(self, namespace: str, name: str) -> config_pb2.Secret | None:
        try:
            return await self._client.secrets.get(name, namespace)
        except NotFound:
            return None
