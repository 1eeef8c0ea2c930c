"""Removes bootstrap tokens that have ended (`pkg/controller/bootstrap/tokencleaner.go`). A shell."""

import structlog

from controller.base import Controller, Tools, delete
from vaina.cache.informer import InformerFactory
from vaina.kinds import SECRET
from vaina.objects.bootstrap_tokens import NAMESPACE, SECRET_TYPE, token_seconds_left

log = structlog.stdlib.get_logger(__name__)


class TokenCleaner(Controller):
    """Secrets of bootstrap tokens; no others are read."""

    name = "tokencleaner"

    def __init__(self, tools: Tools, factory: InformerFactory) -> None:
        super().__init__(Tools(tools.clock, tools.metrics, workers=1))
        self._client = factory.clientset.secrets
        selection = f"type={SECRET_TYPE}"
        self._secrets = self.watch(factory.informer(SECRET, namespace=NAMESPACE, field_selector=selection))

    async def sync(self, key: str) -> float | None:
        secret = self._secrets.get(key)
        left = None if secret is None else token_seconds_left(secret, self.clock.now())
        if secret is None or left is None or left > 0:
            return left
        version = secret.metadata.resource_version
        if await delete(self._client, secret.metadata, resource_version=version):
            log.info("ended bootstrap token removed", secret=key)
        return None
