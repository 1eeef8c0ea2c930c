"""All authorities and certificates of a cluster, as folders of one folder: made, renewed, shown.

Called by `vaina certs`. Whatever is there and holds is left as it is, so making them again changes nothing.

    ca/                        the cluster's authority: users, servers, kubelets (tls.crt, tls.key)
    etcd-ca/                   the authority of etcd and its clients
    kubelet-client-ca/         the authority of apiservers towards kubelets
    apiserver/, scheduler/ …   a folder for each holder (`HOLDERS`, vaina.pki.folder)

An authority's folder may have two more files, which go to the holders: `ca.crt`, when others are trusted beside
it (while it is replaced), and `denied`, the serial numbers that count no more.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from vaina.pki.authority import (
    CERTIFICATE_SECONDS,
    Authority,
    Profile,
    certificate_pem,
    key_pem,
    load_authority,
    make_authority,
    make_key,
    renewal_at,
    subject_of,
)
from vaina.pki.folder import (
    AUTHORITIES,
    CERTIFICATE,
    DENIED,
    KEY,
    format_serials,
    make_folder,
    read_serials,
    write_file,
    write_folder,
)

CA, ETCD_CA, KUBELET_CLIENT_CA = "ca", "etcd-ca", "kubelet-client-ca"
#: folder of an authority, and its name
AUTHORITY_NAMES: Final = {CA: "vaina", ETCD_CA: "vaina-etcd", KUBELET_CLIENT_CA: "vaina-kubelet-client"}
_LOCAL: Final = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Holder:
    """A folder, what its certificate says, who signs it, and of whom the other side's certificate has to be."""

    folder: str
    profile: Profile
    signer: str = CA
    trusts: str = CA


def _server(*names: str) -> tuple[str, ...]:
    return (*names, *_LOCAL)


HOLDERS: Final = (
    Holder("apiserver", Profile("kube-apiserver", (), _server("apiserver"), is_server=True, is_client=False)),
    Holder("apiserver-etcd-client", Profile("kube-apiserver-etcd-client"), ETCD_CA, ETCD_CA),
    Holder("apiserver-kubelet-client", Profile("kube-apiserver-kubelet-client"), KUBELET_CLIENT_CA, CA),
    Holder("scheduler", Profile("system:kube-scheduler", (), _server("scheduler"), is_server=True)),
    Holder(
        "controller", Profile("system:kube-controller-manager", (), _server("controller"), is_server=True)
    ),
    Holder("admin", Profile("kubernetes-admin", ("system:masters",))),
    # Members of etcd are each other's clients.
    Holder("etcd", Profile("etcd", (), _server("etcd"), is_server=True), ETCD_CA, ETCD_CA),
    Holder(
        "registry",
        Profile("registry", (), _server("registry", "private-registry"), is_server=True, is_client=False),
    ),
)


@dataclass(frozen=True, slots=True)
class Shown:
    """A certificate of the folder."""

    folder: str
    certificate: x509.Certificate


def make_all(
    root: Path,
    now: float,
    *,
    hosts: Iterable[str] = (),
    seconds: float = CERTIFICATE_SECONDS,
    renew: bool = False,
) -> list[str]:
    """Make what is missing, due, or says something else than it should; return the folders that were written.

    Args:
        root: the folder of folders.
        now: Unix time.
        hosts: further names and addresses of servers.
        seconds: how long certificates hold.
        renew: make all certificates anew; authorities stay.
    """
    written: list[str] = []
    authorities: dict[str, Authority] = {}
    for name, common_name in AUTHORITY_NAMES.items():
        made = _authority(root / name, common_name, now)
        written += [name] if made.is_new else []
        authorities[name] = made.authority
    for holder in HOLDERS:
        profile = holder.profile
        if profile.is_server:
            profile = replace(profile, hosts=tuple(dict.fromkeys((*profile.hosts, *hosts))))
        folder, signer = root / holder.folder, authorities[holder.signer]
        trusted = _trusted(root / holder.trusts)
        if renew or not _holds(folder, profile, signer, now):
            key = make_key()
            certificate = signer.sign(profile, key.public_key(), now, seconds)
            write_folder(folder, certificate_pem(certificate), key_pem(key), trusted)
            written.append(holder.folder)
        else:
            write_file(folder / AUTHORITIES, trusted)
        _hand_on_denied(root, holder)
    return written


def next_renewal(root: Path) -> float:
    """Return when the first certificate of a holder is due (Unix time)."""
    return min(renewal_at(_load(root / holder.folder)) for holder in HOLDERS)


def show_all(root: Path) -> Iterator[Shown]:
    """Yield the certificates that are there. Raises ValueError: one cannot be read."""
    for path in sorted(root.glob(f"**/{CERTIFICATE}")):
        yield Shown(str(path.parent.relative_to(root)), _load(path.parent))


def deny(root: Path, serial: int) -> list[str]:
    """Let a certificate count no more, whichever authority it is of; return the holders that were told.

    Raises ValueError: the list cannot be read.
    """
    for name in AUTHORITY_NAMES:
        path = root / name / DENIED
        write_file(path, format_serials(read_serials(path) | {serial}))
    return [holder.folder for holder in HOLDERS if _hand_on_denied(root, holder)]


@dataclass(frozen=True, slots=True)
class _Made:
    authority: Authority
    is_new: bool


def _authority(folder: Path, common_name: str, now: float) -> _Made:
    certificate, key = folder / CERTIFICATE, folder / KEY
    if certificate.exists():
        return _Made(load_authority(certificate.read_bytes(), key.read_bytes()), is_new=False)
    made = make_authority(common_name, now)
    make_folder(folder)
    # The certificate last: with it the authority is there.
    write_file(key, key_pem(made.key))
    write_file(certificate, certificate_pem(made.certificate))
    return _Made(made, is_new=True)


def _hand_on_denied(root: Path, holder: Holder) -> bool:
    """Give a holder the list of its authority; say whether there was a list, and a folder for it."""
    denied, folder = root / holder.trusts / DENIED, root / holder.folder
    if not denied.exists() or not folder.exists():
        return False
    write_file(folder / DENIED, denied.read_bytes())
    return True


def _trusted(folder: Path) -> bytes:
    bundle = folder / AUTHORITIES
    return (bundle if bundle.exists() else folder / CERTIFICATE).read_bytes()


def _load(folder: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / CERTIFICATE).read_bytes())


def _holds(folder: Path, profile: Profile, signer: Authority, now: float) -> bool:
    """Say whether a folder's certificate says what it should, and is not due."""
    try:
        certificate = _load(folder)
        certificate.verify_directly_issued_by(signer.certificate)
        is_complete = (folder / KEY).exists()
    except (OSError, ValueError, TypeError, InvalidSignature):
        return False
    return (
        is_complete
        and now < renewal_at(certificate)
        and certificate.subject == subject_of(profile)
        and hosts_of(certificate) == {_plain(host) for host in profile.hosts}
    )


def hosts_of(certificate: x509.Certificate) -> set[str]:
    """Return the names and addresses that a certificate is for."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return {str(name.value) for name in names}


def _plain(host: str) -> str:
    try:
        return str(ip_address(host))
    except ValueError:
        return host
