"""What a client shows to an apiserver, and whom it believes, as a connection's sources have it now.

Read by `secrets` for what lives long, and by the command's completion for one Tab: it imports little.
"""

import ssl
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from vaina.client.rest.kubeconfig import Connection, Source
from vaina.config import ConfigError

#: characters of a token
_MAX_TOKEN: Final = 64 * 1024


class Shown(NamedTuple):
    """What a request is made with."""

    #: False: the server is asked in the clear, or not checked
    context: ssl.SSLContext | bool
    token: str


def read_shown(connection: Connection) -> Shown:
    """Read what a connection names. Raises ConfigError: a file cannot be read, or is not what it should be."""
    token = _text(connection.token)
    if len(token) > _MAX_TOKEN or not token.isascii() or any(sign.isspace() for sign in token):
        raise ConfigError("the token is none: it has spaces, or is too long")
    if not connection.server.startswith("https://"):
        # As client-go does: whoever listens would read it.
        return Shown(context=False, token="")
    return Shown(_context(connection), token)


def _context(asked: Connection) -> ssl.SSLContext:
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
