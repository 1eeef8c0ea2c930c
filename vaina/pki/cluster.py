"""All authorities and certificates of a cluster, as folders of one folder: made, renewed, shown.

Called by `vaina certs`. Whatever is there and holds is left as it is, so making them again changes nothing.

    ca/                        the cluster's authority: users, servers, kubelets (tls.crt, tls.key)
    etcd-ca/                   the authority of etcd and its clients
    kubelet-client-ca/         the authority of apiservers towards kubelets
    registry-ca/               the authority of those who pull images from the cluster's registry
    apiserver/, scheduler/ …   a folder for each holder (`HOLDERS`, vaina.pki.folder)
    apiserver/encryption.yaml  the key for Secrets at rest (vaina.pki.encryption)
    apiserver/sa.key, sa.pub   the keys of tokens (vaina.pki.token_keys)
    admin/kubeconfig           what kubectl reads, where a server is named for it (vaina.pki.kubeconfig)
    dashboard/login-token      the secret of the page's login link (vaina.pki.login)
    admin/dashboard-link       the link, where the page's URL is named
    node/                      what nodes have before they ask for certificates: the authorities of the apiserver
                               (ca.crt) and of those who call a kubelet (kubelet-client-ca.crt), a bootstrap
                               token (token), which the apiserver's folder has too, what their engines show to
                               the registry (registry/), and what they deny (denied)
    etcd/denied.crl            the list of etcd's authority that says what etcd denies
    nodes/NAME/                certificates (client/, serving/) of a node that cannot ask for them, for it runs
                               the control plane

An authority's folder may have two more files, which go to the holders: `ca.crt`, when others are trusted beside
it (while it is replaced), and `denied`, the serial numbers that count no more.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from random import SystemRandom
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from vaina.objects.identities import NODE_USER_PREFIX, NODES_GROUP
from vaina.pki.authority import (
    CERTIFICATE_SECONDS,
    Authority,
    Profile,
    certificate_pem,
    key_pem,
    load_authority,
    load_key,
    make_authority,
    make_key,
    renewal_at,
    revoked_of,
    subject_of,
)
from vaina.pki.encryption import make_encryption_config
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
from vaina.pki.kubeconfig import KUBECONFIG, with_files
from vaina.pki.login import LOGIN_LINK, LOGIN_TOKEN, login_link, make_login_token
from vaina.pki.token import KUBELET_CLIENT_AUTHORITIES, TOKEN, make_token
from vaina.pki.token_keys import SIGNING, make_token_keys, next_token_key

#: whom components let read their metrics (ClusterRole system:monitoring)
MONITORING_GROUP: Final = "system:monitoring"
ADMIN, NODE, REGISTRY = "admin", "node", "registry"
CA, ETCD_CA, KUBELET_CLIENT_CA, REGISTRY_CA = "ca", "etcd-ca", "kubelet-client-ca", "registry-ca"
#: never made anew: what its key has encrypted would be lost
ENCRYPTION: Final = "apiserver/encryption.yaml"
APISERVER: Final = "apiserver"
DASHBOARD: Final = "dashboard"
TOKEN_KEYS: Final = f"{APISERVER}/{SIGNING}"
#: etcd reads it at each handshake, and refuses everybody while it is missing (`--client-crl-file`)
REVOKED: Final = "etcd/denied.crl"
#: folder of an authority, and its name
AUTHORITY_NAMES: Final = {
    CA: "vaina",
    ETCD_CA: "vaina-etcd",
    KUBELET_CLIENT_CA: "vaina-kubelet-client",
    REGISTRY_CA: "vaina-registry",
}
_LOCAL: Final = ("localhost", "127.0.0.1", "::1")
#: how Pods reach the apiserver (kubeadm, `cmd/kubeadm/app/util/pkiutil/pki_helpers.go::GetAPIServerAltNames`)
_SERVICE: Final = (
    "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
    "10.96.0.1",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Holder:
    """A folder, what its certificate says, who signs it, and of whom the other side's certificate has to be."""

    folder: str
    profile: Profile
    signer: str = CA
    trusts: str = CA
    #: it looks at serial numbers that count no more: a server of ours
    reads_denied: bool = False


def _server(*names: str) -> tuple[str, ...]:
    return (*names, *_LOCAL)


HOLDERS: Final = (
    Holder(
        "apiserver",
        Profile("kube-apiserver", (), _server("apiserver", *_SERVICE), is_server=True, is_client=False),
        reads_denied=True,
    ),
    Holder("apiserver-etcd-client", Profile("kube-apiserver-etcd-client"), ETCD_CA, ETCD_CA),
    Holder("apiserver-kubelet-client", Profile("kube-apiserver-kubelet-client"), KUBELET_CLIENT_CA, CA),
    Holder(
        "scheduler",
        Profile("system:kube-scheduler", (), _server("scheduler"), is_server=True),
        reads_denied=True,
    ),
    Holder(
        "controller",
        Profile("system:kube-controller-manager", (), _server("controller"), is_server=True),
        reads_denied=True,
    ),
    Holder(
        DASHBOARD,
        Profile("system:vaina-dashboard", (), _server("dashboard"), is_server=True),
        reads_denied=True,
    ),
    # Who reads metrics, and nothing else: Prometheus.
    Holder("monitoring", Profile("system:vaina-monitoring", (MONITORING_GROUP,))),
    Holder(ADMIN, Profile("kubernetes-admin", ("system:masters",))),
    # Members of etcd are each other's clients.
    Holder("etcd", Profile("etcd", (), _server("etcd"), is_server=True), ETCD_CA, ETCD_CA),
    Holder(
        REGISTRY,
        Profile("registry", (), _server("registry", "private-registry"), is_server=True, is_client=False),
        trusts=REGISTRY_CA,
    ),
    # Engines of nodes pull with it before the kubelet has a certificate of its own.
    Holder(f"{NODE}/{REGISTRY}", Profile("registry-client"), REGISTRY_CA),
)


@dataclass(frozen=True, slots=True)
class Shown:
    """A certificate of the folder."""

    folder: str
    certificate: x509.Certificate


@dataclass(frozen=True, slots=True)
class Folders:
    """The folder of folders, and what is wanted of it."""

    root: Path
    #: name of the administrator's folder
    admin: str = ADMIN
    #: further names and addresses of the control plane's servers
    hosts: tuple[str, ...] = ()
    #: how long certificates hold
    seconds: float = CERTIFICATE_SECONDS
    #: name and address of nodes that get certificates here
    nodes: tuple[tuple[str, str], ...] = ()
    #: URL of the REST port in the administrator's kubeconfig; empty: no such file is written
    kubeconfig_server: str = ""
    #: URL of the page in the administrator's login link; empty: no such file is written
    page_server: str = ""

    def make(self, now: float, *, renew: bool = False) -> list[str]:
        """Make what is missing, due (at Unix time `now`), or says something else than it should.

        With `renew` all certificates are made anew; authorities stay. Return the folders that were written.
        Raises ValueError: an authority cannot be read.
        """
        written: list[str] = []
        authorities: dict[str, Authority] = {}
        for name, common_name in AUTHORITY_NAMES.items():
            made = _authority(self.root / name, common_name, now)
            written += [name] if made.is_new else []
            authorities[name] = made.authority
        for holder in self.holders():
            if self._make(holder, authorities[holder.signer], now, renew=renew):
                written.append(holder.folder)
            self._hand_on_denied(holder)
        if make_encryption_config(self.root / ENCRYPTION):
            written.append(ENCRYPTION)
        if make_token_keys(self.root / APISERVER, now, self.seconds, renew=renew):
            written.append(TOKEN_KEYS)
        if make_login_token(self.root / DASHBOARD):
            written.append(f"{DASHBOARD}/{LOGIN_TOKEN}")
        self._make_node_folder()
        self._tell_nodes()
        self._tell_etcd(now)
        if self.kubeconfig_server:
            cluster = Path(self.admin).name if self.admin != ADMIN else AUTHORITY_NAMES[CA]
            text = with_files(cluster, self.kubeconfig_server, AUTHORITIES, CERTIFICATE, KEY)
            write_file(self.root / self.admin / KUBECONFIG, text.encode())
        if self.page_server:
            secret = (self.root / DASHBOARD / LOGIN_TOKEN).read_text("ascii")
            write_file(self.root / self.admin / LOGIN_LINK, login_link(self.page_server, secret).encode())
        return written

    def next_renewal(self) -> float:
        """Return when the first certificate of a holder, or the key of tokens, is due (Unix time)."""
        first = min(renewal_at(_load(self.root / holder.folder)) for holder in self.holders())
        return min(first, next_token_key(self.root / APISERVER, self.seconds))

    def deny(self, serial: int, now: float) -> list[str]:
        """Let a certificate count no more, whichever authority it is of; return the folders that were told.

        Raises ValueError: the list or etcd's authority cannot be read.
        """
        for name in AUTHORITY_NAMES:
            path = self.root / name / DENIED
            write_file(path, format_serials(read_serials(path) | {serial}))
        told = [holder.folder for holder in self.holders() if self._hand_on_denied(holder)]
        if (self.root / NODE).exists():
            self._tell_nodes()
            told.append(NODE)
        if (self.root / REVOKED).exists():
            self._tell_etcd(now)
            told.append("etcd")
        return told

    def holders(self) -> Iterator[Holder]:
        """Yield who has a folder, as it is wanted."""
        for holder in HOLDERS:
            if holder.folder == ADMIN:
                yield replace(holder, folder=self.admin)
            elif holder.profile.is_server and holder.folder != REGISTRY:
                # Not the registry: its key would do for the apiserver's where that is reached by such a name.
                hosts = tuple(dict.fromkeys((*holder.profile.hosts, *self.hosts)))
                yield replace(holder, profile=replace(holder.profile, hosts=hosts))
            else:
                yield holder
        for name, address in self.nodes:
            client = Profile(f"{NODE_USER_PREFIX}{name}", (NODES_GROUP,))
            yield Holder(f"nodes/{name}/client", client)
            serving = replace(client, hosts=(name, address), is_server=True, is_client=False)
            yield Holder(f"nodes/{name}/serving", serving, CA, KUBELET_CLIENT_CA, reads_denied=True)

    def _make_node_folder(self) -> None:
        node = self.root / NODE
        make_folder(node)
        write_file(node / AUTHORITIES, self._trusted(CA))
        write_file(node / KUBELET_CLIENT_AUTHORITIES, self._trusted(KUBELET_CLIENT_CA))
        token = node / TOKEN
        if not token.exists():
            write_file(token, make_token(SystemRandom()).encode())
        write_file(self.root / "apiserver" / TOKEN, token.read_bytes())

    def _make(self, holder: Holder, signer: Authority, now: float, *, renew: bool) -> bool:
        folder, trusted = self.root / holder.folder, self._trusted(holder.trusts)
        if not renew and _holds(folder, holder.profile, signer, now):
            write_file(folder / AUTHORITIES, trusted)
            return False
        key = make_key()
        certificate = signer.sign(holder.profile, key.public_key(), now, self.seconds)
        write_folder(folder, certificate_pem(certificate), key_pem(key), trusted)
        return True

    def _tell_nodes(self) -> None:
        """Write what kubelets deny: of those who call them, and of those who read their metrics."""
        path = self.root / NODE / DENIED
        lists = [read_serials(self.root / authority / DENIED) for authority in (CA, KUBELET_CLIENT_CA)]
        if any(lists) or path.exists():
            write_file(path, format_serials(frozenset().union(*lists)))

    def _tell_etcd(self, now: float) -> None:
        """Write what etcd denies, unless it is there. Raises ValueError: no authority is read."""
        path, denied = self.root / REVOKED, read_serials(self.root / ETCD_CA / DENIED)
        try:
            is_told = revoked_of(path.read_bytes()) == denied
        except (OSError, ValueError):
            is_told = False
        if not is_told:
            folder = self.root / ETCD_CA
            authority = load_authority((folder / CERTIFICATE).read_bytes(), (folder / KEY).read_bytes())
            write_file(path, authority.revoke(denied, now))

    def _hand_on_denied(self, holder: Holder) -> bool:
        """Give a server the list of its clients' authority; say whether there was one, and a folder for it."""
        denied, folder = self.root / holder.trusts / DENIED, self.root / holder.folder
        if not holder.reads_denied or not denied.exists() or not folder.exists():
            return False
        write_file(folder / DENIED, denied.read_bytes())
        return True

    def _trusted(self, authority: str) -> bytes:
        bundle = self.root / authority / AUTHORITIES
        return (bundle if bundle.exists() else self.root / authority / CERTIFICATE).read_bytes()


def show_all(root: Path) -> Iterator[Shown]:
    """Yield the certificates that are there. Raises ValueError: one cannot be read."""
    for path in sorted(root.glob(f"**/{CERTIFICATE}")):
        yield Shown(str(path.parent.relative_to(root)), _load(path.parent))


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


def _load(folder: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / CERTIFICATE).read_bytes())


def _holds(folder: Path, profile: Profile, signer: Authority, now: float) -> bool:
    """Say whether a folder's certificate says what it should, and is not due."""
    try:
        certificate = _load(folder)
        certificate.verify_directly_issued_by(signer.certificate)
        # A process that was killed between its two renames leaves a key that is another's.
        is_pair = load_key((folder / KEY).read_bytes()).public_key() == certificate.public_key()
    except (OSError, ValueError, TypeError, InvalidSignature):
        return False
    return (
        is_pair
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
