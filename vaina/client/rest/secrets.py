"""What a client shows to an apiserver, and whom it believes: read again when the files have changed."""

import asyncio
import ssl
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import structlog

from vaina.client.channels import LOOK_SECONDS
from vaina.client.rest.kubeconfig import Connection, Source
from vaina.config import ConfigError

log = structlog.stdlib.get_logger(__name__)

#: characters of a token
_MAX_TOKEN: Final = 64 * 1024


class Shown(NamedTuple):
    """What a request is made with."""

    #: False: the server is asked in the clear, or not checked
    context: ssl.SSLContext | bool
    token: str


class Secrets:
    """Looks every `LOOK_SECONDS` whether a file has changed: tokens live an hour, certificates some days.

    Owned by one event loop.
    """

    def __init__(self, connection: Connection) -> None:
        """Make it. Raises ConfigError: a file cannot be read."""
        self._connection, self._look_at = connection, 0.0
        self._seen = self._look()
        self._shown = self._read()

    def current(self) -> Shown:
        """Return what to show now: the earlier ones when changed files cannot be read."""
        now = asyncio.get_running_loop().time()
        if now >= self._look_at:
            self._look_at = now + LOOK_SECONDS
            seen = self._look()
            if seen != self._seen:
                try:
                    self._shown, self._seen = self._read(), seen
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

    def _read(self) -> Shown:
        token = _text(self._connection.token)
        if len(token) > _MAX_TOKEN or not token.isascii() or any(sign.isspace() for sign in token):
            raise ConfigError("the token is none: it has spaces, or is too long")
        if not self._connection.server.startswith("https://"):
            # As client-go does: whoever listens would read it.
            return Shown(context=False, token="")
        return Shown(self._context(), token)

    def _context(self) -> ssl.SSLContext:
        asked = self._connection
        try:
            context = ssl.create_default_context()
            if asked.authority is not None:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.load_verify_locations(cadata=_bytes(asked.authority).decode("ascii"))
            if asked.insecure:
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            if asked.certificate is not None and asked.key is not None:
                _load(context, asked.certificate, asked.key)
        except (OSError, ValueError) as error:
            raise ConfigError(f"{asked.server}: certificates cannot be read: {error}") from error
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context


def _load(context: ssl.SSLContext, certificate: Source, key: Source) -> None:
    """Load a certificate and its key; `ssl` takes files alone."""
    # The folder is its owner's alone (0700).
    with TemporaryDirectory(prefix="vaina-client-") as folder:
        paths = Path(folder) / "tls.crt", Path(folder) / "tls.key"
        for path, source in zip(paths, (certificate, key), strict=True):
            path.write_bytes(_bytes(source))
        # A key that is encrypted would be asked for on the terminal.
        context.load_cert_chain(*paths, password="")


def _bytes(source: Source) -> bytes:
    try:
        return source if isinstance(source, bytes) else source.read_bytes()
    except OSError as error:
        raise ConfigError(str(error)) from error


def _text(source: Source | None) -> str:
    return "" if source is None else _bytes(source).decode("utf-8", errors="replace").strip()
