"""Certificates of hollow nodes, each its own: signed in their process, with the authority of a lab's cluster."""

from collections.abc import Callable
from pathlib import Path

from vaina.clock import Clock
from vaina.objects.identities import NODE_USER_PREFIX, NODES_GROUP
from vaina.pki.authority import (
    CERTIFICATE_SECONDS,
    Profile,
    certificate_pem,
    key_pem,
    load_authority,
    make_key,
)
from vaina.pki.folder import CERTIFICATE, KEY, Folder, FolderError, Material


class HeldFolder(Folder):
    """What a folder would hold, in memory; it does not change."""

    def __init__(self, material: Material) -> None:
        super().__init__("memory")
        self._held = material

    def current(self) -> Material:
        return self._held


def hollow_identities(signing: Path, shown: Folder, clock: Clock) -> Callable[[str], Folder]:
    """Return what makes the folder of a node, by name. `shown`: knows the authorities of the apiserver.

    Raises FolderError: a folder cannot be read.
    """
    authorities = shown.current().authorities
    try:
        authority = load_authority((signing / CERTIFICATE).read_bytes(), (signing / KEY).read_bytes())
    except (OSError, ValueError) as error:
        raise FolderError(f"{signing}: {error}") from error

    def make(name: str) -> Folder:
        key, profile = make_key(), Profile(f"{NODE_USER_PREFIX}{name}", (NODES_GROUP,))
        certificate = authority.sign(profile, key.public_key(), clock.now(), CERTIFICATE_SECONDS)
        return HeldFolder(Material(certificate_pem(certificate), key_pem(key), authorities))

    return make
