"""Certificates for tests: an authority, and folders with what it signs (a whole cluster's: `identities`)."""

from pathlib import Path

from vaina.clock import SystemClock
from vaina.pki.authority import Authority, Profile, certificate_pem, key_pem, make_authority, make_key
from vaina.pki.folder import Folder, write_folder

#: what processes of tests are reached under
HERE = ("127.0.0.1", "localhost")
APISERVER = Profile("kube-apiserver", hosts=HERE, is_server=True, is_client=False)
ADMIN = Profile("kubernetes-admin", ("system:masters",))


def node(name: str) -> Profile:
    """Return the profile of a node's kubelet."""
    return Profile(f"system:node:{name}", ("system:nodes",))


class Certificates:
    """An authority for tests, and a place for the folders of its certificates."""

    def __init__(self, path: Path, name: str = "vaina-ca") -> None:
        self.path = path
        self.authority = make_authority(name, SystemClock().now())

    def issue(
        self,
        profile: Profile,
        *,
        into: str = "",
        seconds: float = 3600.0,
        start: float | None = None,
        signed_by: Authority | None = None,
        trusting: Authority | None = None,
    ) -> Folder:
        """Write a folder with a certificate; again into the same one: renew it.

        Args:
            profile: whom it names.
            into: name of the folder; by default the user's.
            seconds: how long it holds.
            start: from when (Unix time); by default from now.
            signed_by: another authority.
            trusting: the authority that the other side has to have, where it is not this one.
        """
        folder = self.path / (into or profile.name.replace(":", "-"))
        now = SystemClock().now() if start is None else start
        trusted = certificate_pem((trusting or self.authority).certificate)
        write_certificate(folder, profile, signed_by or self.authority, trusted, now, seconds)
        return Folder(folder)


def write_certificate(
    folder: Path, profile: Profile, signer: Authority, trusted: bytes, now: float, seconds: float
) -> None:
    """Write a folder with a new key and a certificate that holds from `now`; `trusted` are authorities, PEM."""
    key = make_key()
    certificate = signer.sign(profile, key.public_key(), now, seconds)
    write_folder(folder, certificate_pem(certificate), key_pem(key), trusted)
