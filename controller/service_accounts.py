"""Each namespace has the ServiceAccount `default`, and Secrets with tokens end with their account.

Follows `pkg/controller/serviceaccount`: `serviceaccounts_controller.go`, and of `tokens_controller.go` what
takes Secrets away. The tokens that upstream's writes into Secrets of type kubernetes.io/service-account-token
hold for ever; nobody makes such here (docs/security.md).
"""

from collections.abc import Iterable
from typing import Final

import structlog

from controller.base import Controller, Tools, create_in, delete, find, is_active
from vaina.api.core.v1 import service_account_pb2
from vaina.cache.informer import InformerFactory
from vaina.kinds import NAMESPACE, SECRET, SERVICE_ACCOUNT
from vaina.objects.meta import split_key
from vaina.objects.service_accounts import ACCOUNT_NAME, ACCOUNT_UID, DEFAULT_ACCOUNT, TOKEN_SECRET_TYPE

log = structlog.stdlib.get_logger(__name__)

#: of the Secrets that are looked at
_TYPE: Final = f"type={TOKEN_SECRET_TYPE}"


class ServiceAccountController(Controller):
    """Keys are names of namespaces."""

    name = "serviceaccount"

    def __init__(self, tools: Tools, factory: InformerFactory) -> None:
        super().__init__(tools)
        self._client = factory.clientset.service_accounts
        self._accounts = self.watch(factory.informer(SERVICE_ACCOUNT), _namespace_of_default)
        self._namespaces = self.watch(factory.informer(NAMESPACE), lambda namespace: namespace.metadata.name)

    async def sync(self, key: str) -> float | None:
        if not is_active(self._namespaces.get(key)) or self._accounts.get(f"{key}/{DEFAULT_ACCOUNT}"):
            return None
        made = service_account_pb2.ServiceAccount()
        made.metadata.name, made.metadata.namespace = DEFAULT_ACCOUNT, key
        await create_in(self._client, made)
        return None


def _namespace_of_default(account: service_account_pb2.ServiceAccount) -> str | None:
    return account.metadata.namespace if account.metadata.name == DEFAULT_ACCOUNT else None


class TokenSecretController(Controller):
    """Deletes Secrets that were made for tokens of an account that is gone. Keys are those of Secrets."""

    name = "serviceaccount-token"

    def __init__(self, tools: Tools, factory: InformerFactory) -> None:
        super().__init__(tools)
        self._client, self._account_client = factory.clientset.secrets, factory.clientset.service_accounts
        secrets = factory.informer(SECRET, field_selector=_TYPE)
        self._secrets = self.watch(secrets)
        self._accounts = self.watch(factory.informer(SERVICE_ACCOUNT), self._keys_of)

    def _keys_of(self, account: service_account_pb2.ServiceAccount) -> Iterable[str]:
        namespace = account.metadata.namespace
        return [
            f"{namespace}/{secret.metadata.name}"
            for secret in self._secrets.list(namespace=namespace)
            if secret.metadata.annotations.get(ACCOUNT_NAME) == account.metadata.name
        ]

    async def sync(self, key: str) -> float | None:
        secret = self._secrets.get(key)
        if secret is None:
            return None
        namespace, _ = split_key(key)
        name, uid = (secret.metadata.annotations.get(which, "") for which in (ACCOUNT_NAME, ACCOUNT_UID))
        known = self._accounts.get(f"{namespace}/{name}")
        if known is None or (uid and known.metadata.uid != uid):
            # The cache may be late.
            known = await find(self._account_client, name, namespace) if name else None
        if known is not None and (not uid or known.metadata.uid == uid):
            return None
        if await delete(self._client, secret.metadata):
            log.info("secret of a service account that is gone deleted", secret=key, account=name)
        return None
