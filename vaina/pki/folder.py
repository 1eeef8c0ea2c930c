"""A folder with a certificate, its key, and the authorities of the other side; read again when it has changed.

    tls.crt   the certificate, and what lies between it and its authority
    tls.key   its private key
    ca.crt    authorities: who is on the other side of a connection shows a certificate of one of them
    denied    serial numbers of certificates that count no more, in hex, one a line (may be missing)

The names are those of a Secret of type kubernetes.io/tls. Each file is replaced by a rename. Key and certificate
are two renames, so a reader that sees one without the other keeps what it had.
"""

import os
import ssl
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from threading import Lock
from typing import Final

import grpc

from vaina.config import ConfigError

CERTIFICATE: Final = "tls.crt"
KEY: Final = "tls.key"
AUTHORITIES: Final = "ca.crt"
DENIED: Final = "denied"
_FILES: Final = (CERTIFICATE, KEY, AUTHORITIES, DENIED)


class FolderError(ConfigError):
    """A folder that cannot be used; the text names it and says why."""


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What a folder holds, PEM."""

    certificate: bytes
    key: bytes
    authorities: bytes
    denied: frozenset[int] = frozenset()

    def channel_credentials(self) -> grpc.ChannelCredentials:
        """Return what a client shows to a server, and asks of it."""
        return grpc.ssl_channel_credentials(self.authorities, self.key, self.certificate)

    def server_configuration(self) -> grpc.ServerCertificateConfiguration:
        """Return what a server shows to its clients, and asks of them."""
        return grpc.ssl_server_certificate_configuration([(self.key, self.certificate)], self.authorities)


class Folder:
    """A folder and what was last read from it. Any thread may ask."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock = Lock()
        self._seen: object = None
        self._material: Material | None = None

    def current(self) -> Material:
        """Return what the folder holds: the same object as long as no file changes. Raises FolderError."""
        with self._lock:
            seen = self._look()
            if self._material is None or seen != self._seen:
                material = self._read()
                if self._look() != seen:
                    raise FolderError(f"{self.path}: the files changed while they were read")
                self._seen, self._material = seen, material
            return self._material

    def _look(self) -> tuple[object, ...]:
        """Return what tells one version of the files from another: a rename brings another inode."""
        found: list[object] = []
        for name in _FILES:
            try:
                stat = (self.path / name).stat()
                found.append((stat.st_ino, stat.st_mtime_ns, stat.st_size))
            except OSError:
                found.append(None)
        return tuple(found)

    def _read(self) -> Material:
        certificate, key = self.path / CERTIFICATE, self.path / KEY
        try:
            material = Material(
                certificate.read_bytes(),
                key.read_bytes(),
                (self.path / AUTHORITIES).read_bytes(),
                read_serials(self.path / DENIED),
            )
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            # A key that is encrypted would be asked for on the terminal.
            context.load_cert_chain(certificate, key, password="")
            context.load_verify_locations(cadata=material.authorities.decode("ascii"))
        except (OSError, ValueError) as error:
            raise FolderError(f"{self.path}: {error}") from error
        return material


def client_folder(cert_dir: str) -> Folder | None:
    """Return what a client shows to servers; None without a folder: it calls in the clear.

    Raises FolderError: it cannot be read.
    """
    if not cert_dir:
        return None
    folder = Folder(cert_dir)
    folder.current()
    return folder


def server_folder(cert_dir: str, listen: str) -> Folder | None:
    """Return what a server shows to its clients; None without a folder: it serves in the clear, on loopback.

    Raises FolderError: it cannot be read. Raises ConfigError: it would serve in the clear beyond loopback.
    """
    if cert_dir or is_loopback(listen):
        return client_folder(cert_dir)
    raise ConfigError(
        f"{listen} is reached from other machines, and is not served in the clear: "
        "name a folder with a certificate (cert_dir), or listen on 127.0.0.1"
    )


def metrics_folder(cert_dir: str, listen: str, health_listen: str = "") -> Folder | None:
    """Return what a server of metrics shows to its clients: nothing on loopback, where it serves in the clear.

    `health_listen` is always in the clear, and so on loopback. Raises as `server_folder` does.
    """
    if health_listen and not is_loopback(health_listen):
        raise ConfigError(
            f"{health_listen} is reached from other machines, and health_listen is in the clear: listen on "
            "127.0.0.1; beside the metrics health is told over TLS"
        )
    return None if is_loopback(listen) else server_folder(cert_dir, listen)


def is_loopback(listen: str) -> bool:
    """Say whether host:port is reached from this machine alone."""
    host = listen.rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return listen.startswith("unix:")


def write_folder(path: Path, certificate: bytes, key: bytes, authorities: bytes) -> None:
    """Write a folder, or renew it. All files belong to the folder's owner, and are read by nobody else."""
    make_folder(path)
    for name, data in ((AUTHORITIES, authorities), (KEY, key), (CERTIFICATE, certificate)):
        write_file(path / name, data)


def make_folder(path: Path) -> None:
    """Make a folder for its owner alone, unless it is there. It belongs to whom the one above it belongs to."""
    if not path.exists():
        make_folder(path.parent)
        path.mkdir(mode=0o700)
        _give(path)


def write_file(path: Path, data: bytes) -> None:
    """Replace a file by a rename, unless it holds just this. It belongs to its folder's owner alone (0600)."""
    if path.exists() and path.read_bytes() == data:
        return
    descriptor, new = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        _give(Path(new))
        Path(new).replace(path)
    except BaseException:
        Path(new).unlink(missing_ok=True)
        raise


def _give(path: Path) -> None:
    """Give a file to the owner of its folder, where this process may: in a container it is root."""
    owner = path.parent.stat()
    if os.geteuid() == 0 and (owner.st_uid, owner.st_gid) != (0, 0):
        os.chown(path, owner.st_uid, owner.st_gid)


def format_serials(serials: Iterable[int]) -> bytes:
    """Write serial numbers as a file `denied` has them."""
    return "".join(f"{serial:x}\n" for serial in sorted(serials)).encode()


def read_serials(path: Path) -> frozenset[int]:
    """Read a file of serial numbers, which may be missing.

    Raises ValueError: a line is none, so the whole file does not count.
    """
    try:
        text = path.read_text("ascii")
    except FileNotFoundError:
        return frozenset()
    words = (line.partition("#")[0].replace(":", "").strip() for line in text.splitlines())
    return frozenset(int(word, 16) for word in words if word)
