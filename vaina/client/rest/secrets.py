"""What a client shows to an apiserver, and whom it believes: read again when the files have changed."""

import asyncio
from pathlib import Path

import structlog

from vaina.client.channels import LOOK_SECONDS
from vaina.client.rest.kubeconfig import Connection
from vaina.client.rest.shown import Shown, read_shown
from vaina.config import ConfigError

log = structlog.stdlib.get_logger(__name__)


class Secrets:
    """Looks every `LOOK_SECONDS` whether a file has changed: tokens live an hour, certificates some days.

    Owned by one event loop.
    """

    def __init__(self, connection: Connection) -> None:
        """Make it. Raises ConfigError: a file cannot be read."""
        self._connection, self._look_at = connection, 0.0
        self._seen = self._look()
        self._shown = read_shown(connection)

    def current(self) -> Shown:
        """Return what to show now: the earlier ones when changed files cannot be read."""
        now = asyncio.get_running_loop().time()
        if now >= self._look_at:
            self._look_at = now + LOOK_SECONDS
            seen = self._look()
            if seen != self._seen:
                try:
                    self._shown, self._seen = read_shown(self._connection), seen
                except ConfigError as error:
                    log.warning("credentials not read, the earlier ones stay", error=str(error))
        return self._shown

    def _look(self) -> tuple[object, ...]:
        """Return what tells one version of the files from another."""
        asked = self._connection
        found: list[object] = []
        for source in (asked.authority, asked.certificate, asked.key, asked.token):
            if isinstance(source, Path):
                try:
                    # The kubelet replaces a Pod's files by another link: not the link, what it leads to.
                    stat = source.stat()
                except OSError:
                    found.append(None)
                else:
                    found.append((stat.st_ino, stat.st_mtime_ns, stat.st_size))
        return tuple(found)
