"""Authorities and certificates for tests: those that a cluster has, and those that an attacker would like."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vaina.clock import SystemClock
from vaina.pki.authority import Authority, Profile, certificate_pem, key_pem, make_authority, make_key
from vaina.pki.folder import Folder, write_folder

LOOPBACK: Final = ("127.0.0.1", "localhost")
_HOUR: Final = 3600.0

ADMIN: Final = Profile("kubernetes-admin", ("system:masters",))
SCHEDULER: Final = Profile("system:kube-scheduler")
CONTROLLER_MANAGER: Final = Profile("system:kube-controller-manager")
APISERVER: Final = Profile("kube-apiserver", hosts=LOOPBACK, is_server=True)
ETCD: Final = Profile("etcd", hosts=LOOPBACK, is_server=True)
ETCD_CLIENT: Final = Profile("kube-apiserver-etcd-client")
KUBELET_CLIENT: Final = Profile("kube-apiserver-kubelet-client")

#: administers namespace `ours`, and nothing else
ANA: Final = Profile("ana", ("team-ours",))
#: reads namespace `ours`
BEN: Final = Profile("ben")
#: has a certificate of the cluster, and no right
NOBODY: Final = Profile("nobody")


def node_profile(name: str) -> Profile:
    """Return what the certificate of a node says; it serves and calls."""
    return Profile(f"system:node:{name}", ("system:nodes",), hosts=(*LOOPBACK, name), is_server=True)


@dataclass(frozen=True, slots=True)
class Identities:
    """The authorities of a cluster, one that is none of its, and folders with certificates of them."""

    root: Path
    cluster: Authority
    etcd: Authority
    kubelet_client: Authority
    #: has the name of the cluster's authority, and another key
    foreign: Authority

    @classmethod
    def make(cls, root: Path) -> "Identities":
        now = SystemClock().now()
        names = ("kubernetes-ca", "etcd-ca", "kubernetes-kubelet-client-ca", "kubernetes-ca")
        return cls(root, *(make_authority(name, now) for name in names))

    def authority(self, name: str) -> Authority:
        found = getattr(self, name)
        assert isinstance(found, Authority)
        return found

    def authority_pem(self, name: str) -> bytes:
        return certificate_pem(self.authority(name).certificate)

    def folder(
        self,
        profile: Profile,
        *,
        signer: str = "cluster",
        trusts: str = "cluster",
        seconds: float = _HOUR,
        from_now: float = 0.0,
    ) -> Path:
        """Return a folder with a certificate of a profile, made once.

        `signer` is the authority that it is of, `trusts` the one that the other side's has to be of. It holds
        for `seconds` from the moment that is `from_now` away.
        """
        use = f"{int(profile.is_server)}{int(profile.is_client)}"
        words = (profile.name, *profile.groups, *profile.hosts, use, signer, trusts, seconds, from_now)
        path = self.root / "-".join(str(word).replace("/", "_") for word in words)
        if not path.exists():
            self.renew(path, profile, signer=signer, trusts=trusts, seconds=seconds, from_now=from_now)
        return path

    def renew(
        self,
        path: Path,
        profile: Profile,
        *,
        signer: str = "cluster",
        trusts: str = "cluster",
        seconds: float = _HOUR,
        from_now: float = 0.0,
    ) -> None:
        """Write a certificate anew into a folder."""
        key, now = make_key(), SystemClock().now() + from_now
        certificate = self.authority(signer).sign(profile, key.public_key(), now, seconds)
        write_folder(path, certificate_pem(certificate), key_pem(key), self.authority_pem(trusts))

    def credentials(self, profile: Profile, **of: str | float) -> Folder:
        """Return what `folder` makes, for a client."""
        return Folder(self.folder(profile, **of))  # type: ignore[arg-type]  # its keywords
