"""`vaina secrets rewrite`: write all Secrets again, so that etcd holds them with the key that writes now.

As upstream's `kubectl get secrets -A -o json | kubectl replace -f -`, and again where somebody else was faster.
"""

from typing import Final

from cli import flags
from cli.app import cli
from cli.shell import Shell
from vaina.api.core.v1 import config_pb2
from vaina.client.clientset import Clientset
from vaina.errors import Conflict, NotFound

#: Secrets that are read at once
_PAGE: Final = 100
#: how often others may be faster
_TRIES: Final = 10


@cli.group("secrets")
@flags.server
def secrets_command() -> None:
    """Look after how Secrets are stored (docs/secrets-at-rest.md)."""


@flags.verb(secrets_command, "rewrite")
async def rewrite(shell: Shell, clients: Clientset) -> None:
    """Write all Secrets again, with the key that is the first in the apiservers' files now.

    What is stored with it already stays as it is. Wait before until every apiserver has read its file: a minute.
    """
    counts = {True: 0, False: 0}
    with shell.busy("writing all Secrets again"):
        for secret in (await clients.secrets.list(page=_PAGE)).items:
            written = await _write(clients, secret)
            if written is not None:
                counts[written] += 1
    shell.out(f"{counts[True]} secrets rewritten, {counts[False]} stored with the first key already\n")


async def _write(clients: Clientset, secret: config_pb2.Secret) -> bool | None:
    """Write a Secret as it is; return whether it was stored anew, None: it is gone. Raises ApiError."""
    meta = secret.metadata
    for left in reversed(range(_TRIES)):
        try:
            written = await clients.secrets.update(secret)
        except NotFound:
            return None
        except Conflict:
            if not left:
                raise
            try:
                secret = await clients.secrets.get(meta.name, meta.namespace)
            except NotFound:
                return None
        else:
            return written.metadata.resource_version != secret.metadata.resource_version
    return None
