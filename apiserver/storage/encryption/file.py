"""The file with the keys: read at the start, and again when it changes.

As upstream does with `--encryption-provider-config-automatic-reload`: the file is looked at once a minute, and
one that cannot be used changes nothing (apiserver `pkg/server/options/encryptionconfig/controller`). A file
that changes while it is looked at may be half of one that somebody is writing: it waits for the next time.
"""

import stat
from pathlib import Path
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter

from apiserver.storage.encryption.config import transformers_of
from apiserver.storage.values import Values
from vaina.clock import Clock
from vaina.config import ConfigError

log = structlog.stdlib.get_logger(__name__)

_SECONDS: Final = 60.0
#: before it is taken, a file has been the same for so long
_STILL_SECONDS: Final = 1.0


class KeyFile:
    """Owned by the task that runs `run`."""

    def __init__(
        self, path: Path, values: Values, clock: Clock, registry: CollectorRegistry | None = None
    ) -> None:
        """Read the file. Raises ConfigError: it cannot be used, or others than its owner may read it."""
        self._path, self._values, self._clock = path, values, clock
        self._reloads = Counter(
            "apiserver_encryption_config_controller_automatic_reloads",
            "Total number of reload successes and failures of encryption configuration.",
            ("status",), registry=registry,
        )  # fmt: skip
        self._loaded = b""
        self._load()

    async def run(self) -> None:
        while True:
            await self._clock.sleep(_SECONDS - _STILL_SECONDS)
            seen = self._look()
            await self._clock.sleep(_STILL_SECONDS)
            try:
                if seen == self._look() and self._load():
                    self._reloads.labels("success").inc()
                    log.info("encryption configuration read again", file=str(self._path))
            except ConfigError as error:
                self._reloads.labels("failure").inc()
                log.warning("encryption configuration not taken, the one before holds", error=str(error))

    def _look(self) -> bytes | None:
        try:
            return self._path.read_bytes()
        except OSError:
            return None

    def _load(self) -> bool:
        """Take what the file says; return whether it is new. Raises ConfigError."""
        try:
            mode = self._path.stat().st_mode
            data = self._path.read_bytes()
        except OSError as error:
            raise ConfigError(f"encryption_provider_config: {error}") from error
        if stat.S_IMODE(mode) & 0o077:
            raise ConfigError(
                f"encryption_provider_config: {self._path} has keys, and others may read it: chmod 600 {self._path}"
            )
        if data == self._loaded:
            return False
        self._values.use(transformers_of(self._path, data))
        self._loaded = data
        return True
