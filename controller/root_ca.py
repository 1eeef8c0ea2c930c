"""Each namespace has the ConfigMap kube-root-ca.crt, by which its Pods know the apiserver.

Follows `pkg/controller/certificates/rootcacertpublisher/publisher.go`. The file is looked at again: upstream's
controller manager has to be started again when the authority changes.
"""

from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, Final

import structlog

from controller.base import Controller, Tools, create_in, is_active
from vaina.api.core.v1 import config_pb2
from vaina.cache.informer import InformerFactory
from vaina.config import ConfigError
from vaina.kinds import CONFIG_MAP, NAMESPACE
from vaina.objects.service_accounts import ROOT_CA, ROOT_CA_KEY

log = structlog.stdlib.get_logger(__name__)

DESCRIPTION_ANNOTATION: Final = "kubernetes.io/description"
DESCRIPTION: Final = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the "
    "internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes "
    "clusters."
)
#: how often the file is looked at
LOOK_SECONDS: Final = 60.0


def published(authority: str, there: config_pb2.ConfigMap | None) -> config_pb2.ConfigMap | None:
    """Return the ConfigMap as it should be; None: it is so. PURE."""
    if there is not None:
        described = there.metadata.annotations.get(DESCRIPTION_ANNOTATION)
        if dict(there.data) == {ROOT_CA_KEY: authority} and described:
            return None
    made = config_pb2.ConfigMap()
    if there is not None:
        made.CopyFrom(there)
    made.metadata.name = ROOT_CA
    made.metadata.annotations[DESCRIPTION_ANNOTATION] = DESCRIPTION
    made.data.clear()
    made.data[ROOT_CA_KEY] = authority
    return made


class RootCaPublisher(Controller):
    """Keys are names of namespaces."""

    name = "root-ca-cert-publisher"

    def __init__(self, tools: Tools, factory: InformerFactory, file: str) -> None:
        """Make it, and read the file. Raises ConfigError."""
        super().__init__(tools)
        self._file = Path(file)
        self._authority = self._read()
        self._client = factory.clientset.config_maps
        ours = factory.informer(CONFIG_MAP, field_selector=f"metadata.name={ROOT_CA}")
        self._published = self.watch(ours, lambda config: config.metadata.namespace)
        self._namespaces = self.watch(factory.informer(NAMESPACE), lambda namespace: namespace.metadata.name)

    def background(self) -> Sequence[Coroutine[Any, Any, None]]:
        return (self._follow(),)

    async def _follow(self) -> None:
        while True:
            await self.clock.sleep(LOOK_SECONDS)
            try:
                known, self._authority = self._authority, self._read()
            except ConfigError as error:
                log.warning("authority not read, the earlier one stays", error=str(error))
                continue
            if self._authority != known:
                for namespace in self._namespaces.list():
                    self.queue.add(namespace.metadata.name)

    def _read(self) -> str:
        try:
            return self._file.read_text("ascii")
        except (OSError, ValueError) as error:
            raise ConfigError(f"root_ca_file: {error}") from error

    async def sync(self, key: str) -> float | None:
        if not is_active(self._namespaces.get(key)):
            return None
        there = self._published.get(f"{key}/{ROOT_CA}")
        wanted = published(self._authority, there)
        if wanted is None:
            return None
        if there is not None:
            await self._client.update(wanted)
            return None
        wanted.metadata.namespace = key
        await create_in(self._client, wanted)
        return None
