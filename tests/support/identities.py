"""Authorities and certificates for tests: those that a cluster has, and those that an attacker would like."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.support.certificates import HERE, write_certificate
from vaina.clock import SystemClock
from vaina.pki.authority import Authority, Profile, certificate_pem, make_authority
from vaina.pki.folder import Folder

LOOPBACK: Final = HERE
_HOUR: Final = 3600.0
NAMES: Final = {
    "cluster": "kubernetes-ca",
    "etcd": "etcd-ca",
    "kubelet_client": "kubernetes-kubelet-client-ca",
    "foreign": "kubernetes-ca",
}

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


@dataclass(slots=True)
class Identities:
    """The authorities of a cluster, one that is none of its, and folders with certificates of them."""

    root: Path
    cluster: Authority
    etcd: Authority
    kubelet_client: Authority
    #: has the name of the cluster's authority, and another key
    foreign: Authority
    #: how long certificates hold
    seconds: float = _HOUR
    #: what lies between files of authorities and who is trusted: those that are trusted besides
    besides: dict[str, list[Authority]] = field(default_factory=dict)
    _made: dict[Path, tuple[Profile, dict[str, Any]]] = field(default_factory=dict)

    @classmethod
    def make(cls, root: Path, *, seconds: float = _HOUR) -> "Identities":
        now = SystemClock().now()
        made = [make_authority(NAMES[name], now) for name in ("cluster", "etcd", "kubelet_client", "foreign")]
        return cls(root, *made, seconds=seconds)

    def authority(self, name: str) -> Authority:
        found = getattr(self, name)
        assert isinstance(found, Authority)
        return found

    def authority_pem(self, name: str) -> bytes:
        """Return what a file `ca.crt` has: the authority, and those that are trusted besides."""
        trusted = (self.authority(name), *self.besides.get(name, ()))
        return b"".join(certificate_pem(each.certificate) for each in trusted)

    def folder(
        self,
        profile: Profile,
        *,
        signer: str = "cluster",
        trusts: str = "cluster",
        seconds: float | None = None,
        from_now: float = 0.0,
    ) -> Path:
        """Return a folder with a certificate of a profile, made once.

        `signer` is the authority that it is of, `trusts` the one that the other side's has to be of. It holds
        for `seconds` from the moment that is `from_now` away.
        """
        of = {"signer": signer, "trusts": trusts, "seconds": seconds, "from_now": from_now}
        use = f"{int(profile.is_server)}{int(profile.is_client)}"
        words = (profile.name, *profile.groups, *profile.hosts, use, *of.values())
        path = self.root / "-".join(str(word).replace("/", "_") for word in words)
        if path not in self._made:
            self._made[path] = profile, of
            self._write(path)
        return path

    def renew(self) -> None:
        """Write all folders anew: a new certificate each, and the authorities that are trusted now."""
        for path in self._made:
            self._write(path)

    def _write(self, path: Path) -> None:
        profile, of = self._made[path]
        now = SystemClock().now() + of["from_now"]
        seconds = self.seconds if of["seconds"] is None else of["seconds"]
        trusted = self.authority_pem(of["trusts"])
        write_certificate(path, profile, self.authority(of["signer"]), trusted, now, seconds)

    def credentials(self, profile: Profile, **of: str | float) -> Folder:
        """Return what `folder` makes, for a client."""
        return Folder(self.folder(profile, **of))  # type: ignore[arg-type]  # its keywords
