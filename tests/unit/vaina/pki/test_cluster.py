"""All certificates of a cluster: what is made, what is left alone, what is renewed."""

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from vaina.pki import cluster
from vaina.pki.authority import (
    CERTIFICATE_SECONDS,
    certificate_pem,
    key_pem,
    make_authority,
    make_key,
    revoked_of,
)
from vaina.pki.folder import Folder, read_serials
from vaina.pki.identity import read_identity

NOW = 1_800_000_000.0
DAY = 86_400.0
HOLDERS = [holder.folder for holder in cluster.HOLDERS]


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.glob("**/*") if path.is_file()}


def certificate(root: Path, folder: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((root / folder / "tls.crt").read_bytes())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    assert cluster.Folders(tmp_path).make(NOW) == [
        *cluster.AUTHORITY_NAMES,
        *HOLDERS,
        cluster.ENCRYPTION,
        cluster.TOKEN_KEYS,
        "dashboard/login-token",
    ]
    return tmp_path


def test_each_holder_has_a_folder_that_reads_and_its_keys_are_its_own(root: Path) -> None:
    for name in HOLDERS:
        assert Folder(root / name).current().denied == frozenset()
    keys = [path.read_bytes() for path in root.glob("**/tls.key")]
    assert len(set(keys)) == len(keys) == len(HOLDERS) + len(cluster.AUTHORITY_NAMES)
    assert {path.stat().st_mode & 0o777 for path in root.glob("**/*") if path.is_file()} == {0o600}


@pytest.mark.parametrize(
    ("folder", "signer", "trusts"),
    [
        ("apiserver", "ca", "ca"), ("scheduler", "ca", "ca"), ("controller", "ca", "ca"), ("admin", "ca", "ca"),
        ("registry", "ca", "registry-ca"), ("node/registry", "registry-ca", "ca"), ("etcd", "etcd-ca", "etcd-ca"),
        ("apiserver-etcd-client", "etcd-ca", "etcd-ca"), ("apiserver-kubelet-client", "kubelet-client-ca", "ca"),
    ],
)  # fmt: skip
def test_authorities_are_kept_apart(root: Path, folder: str, signer: str, trusts: str) -> None:
    certificate(root, folder).verify_directly_issued_by(certificate(root, signer))
    assert (root / folder / "ca.crt").read_bytes() == (root / trusts / "tls.crt").read_bytes()


def test_a_second_time_makes_nothing(root: Path) -> None:
    before = contents(root)
    assert cluster.Folders(root).make(NOW + 59 * DAY) == []
    assert contents(root) == before


def test_what_is_due_is_renewed_with_a_new_key_and_the_authorities_stay(root: Path) -> None:
    before = contents(root)
    due = cluster.Folders(root).next_renewal()
    assert due == pytest.approx(NOW + CERTIFICATE_SECONDS * 2 / 3, abs=300)
    assert cluster.Folders(root).make(due - 1) == []
    assert cluster.Folders(root).make(due + 1) == HOLDERS
    after = contents(root)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {f"{folder}/{name}" for folder in HOLDERS for name in ("tls.crt", "tls.key")}


def test_renew_renews_what_holds(root: Path) -> None:
    assert cluster.Folders(root).make(NOW, renew=True) == [*HOLDERS, cluster.TOKEN_KEYS]


@pytest.mark.parametrize("name", ["tls.crt", "tls.key"])
def test_a_holder_that_lost_a_file_gets_a_new_certificate(root: Path, name: str) -> None:
    (root / "scheduler" / name).unlink()
    assert cluster.Folders(root).make(NOW) == ["scheduler"]


@pytest.mark.parametrize("key", [key_pem(make_key()), b"no key"])
def test_a_holder_whose_key_is_of_another_certificate_gets_a_new_one(root: Path, key: bytes) -> None:
    """So `vaina certs renew` leaves it, when it is killed between the key and the certificate."""
    (root / "scheduler" / "tls.key").write_bytes(key)
    assert cluster.Folders(root).make(NOW) == ["scheduler"]
    assert Folder(root / "scheduler").current().denied == frozenset()


def test_another_authority_or_another_host_makes_new_certificates(root: Path) -> None:
    assert cluster.Folders(root, hosts=("10.0.0.7", "vaina.example")).make(NOW) == [
        "apiserver", "scheduler", "controller", "dashboard", "etcd",
    ]  # fmt: skip
    assert {"10.0.0.7", "vaina.example"} <= cluster.hosts_of(certificate(root, "apiserver"))
    assert "10.0.0.7" not in cluster.hosts_of(certificate(root, "registry"))
    (root / "etcd-ca" / "tls.crt").unlink()
    assert cluster.Folders(root, hosts=("10.0.0.7", "vaina.example")).make(NOW) == [
        "etcd-ca", "apiserver-etcd-client", "etcd",
    ]  # fmt: skip


def test_while_an_authority_is_replaced_both_are_trusted(root: Path) -> None:
    both = (root / "ca" / "tls.crt").read_bytes() + certificate_pem(make_authority("next", NOW).certificate)
    (root / "ca" / "ca.crt").write_bytes(both)
    assert cluster.Folders(root).make(NOW) == []
    assert Folder(root / "apiserver").current().authorities == both
    assert Folder(root / "etcd").current().authorities != both


def test_a_denied_serial_number_reaches_all_servers_that_look_also_new_ones(root: Path) -> None:
    servers = ["apiserver", "scheduler", "controller", "dashboard"]
    assert not (root / "node" / "denied").exists()
    assert cluster.Folders(root).deny(0xABC, NOW) == [*servers, "node", "etcd"]
    cluster.Folders(root).deny(0xDEF, NOW)
    for path in (root / "scheduler").iterdir():
        path.unlink()
    cluster.Folders(root).make(NOW)
    assert {Folder(root / name).current().denied for name in servers} == {frozenset((0xABC, 0xDEF))}
    # Nodes, which ask for their certificates elsewhere, find it where they found whom to trust.
    assert read_serials(root / "node" / "denied") == {0xABC, 0xDEF}


def test_etcd_has_a_list_of_its_authority_from_the_start_which_changes_when_something_is_denied(
    root: Path,
) -> None:
    path = root / cluster.REVOKED
    first = path.read_bytes()
    assert revoked_of(first) == set()
    cluster.Folders(root).make(NOW + 1)
    assert path.read_bytes() == first
    cluster.Folders(root).deny(0xABC, NOW)
    assert revoked_of(path.read_bytes()) == {0xABC}
    # Without it, or with half of it, etcd would let nobody in.
    path.write_bytes(path.read_bytes()[:100])
    cluster.Folders(root).make(NOW)
    assert revoked_of(path.read_bytes()) == {0xABC}
    listed = x509.load_pem_x509_crl(path.read_bytes())
    authority = certificate(root, "etcd-ca").public_key()
    assert isinstance(authority, EllipticCurvePublicKey)
    assert listed.is_signature_valid(authority)


def test_nodes_know_whom_to_trust_before_they_have_a_certificate(root: Path) -> None:
    for name, authority in (("ca.crt", "ca"), ("kubelet-client-ca.crt", "kubelet-client-ca")):
        assert (root / "node" / name).read_bytes() == (root / authority / "tls.crt").read_bytes()


def test_a_node_that_runs_the_control_plane_gets_its_certificates_here(tmp_path: Path) -> None:
    folders = cluster.Folders(tmp_path, nodes=(("n1", "10.0.0.7"),))
    assert {"nodes/n1/client", "nodes/n1/serving"} <= {*folders.make(NOW)}
    assert folders.make(NOW) == []
    client, serving = certificate(tmp_path, "nodes/n1/client"), certificate(tmp_path, "nodes/n1/serving")
    named = read_identity(certificate_pem(client))
    assert (named.name, named.groups) == ("system:node:n1", ("system:nodes",))
    assert cluster.hosts_of(serving) == {"n1", "10.0.0.7"}
    trusted = (tmp_path / "nodes" / "n1" / "serving" / "ca.crt").read_bytes()
    assert trusted == (tmp_path / "kubelet-client-ca" / "tls.crt").read_bytes()
    # With another address it gets another one.
    moved = cluster.Folders(tmp_path, nodes=(("n1", "10.0.0.8"),))
    assert moved.make(NOW) == ["nodes/n1/serving"]


def test_a_token_for_nodes_is_made_once_and_the_apiserver_has_it_too(root: Path) -> None:
    token = (root / "node" / "token").read_bytes()
    cluster.Folders(root).make(NOW, renew=True)
    assert (root / "node" / "token").read_bytes() == (root / "apiserver" / "token").read_bytes() == token


def test_the_administrators_folder_may_have_another_name(tmp_path: Path) -> None:
    folders = cluster.Folders(tmp_path, admin="admins/vaina")
    assert "admins/vaina" in folders.make(NOW)
    assert folders.make(NOW) == []
    assert not (tmp_path / "admin").exists()
    assert folders.next_renewal() > NOW


def test_shown_is_what_is_there(root: Path) -> None:
    assert {one.folder for one in cluster.show_all(root)} == {*HOLDERS, *cluster.AUTHORITY_NAMES}


def test_the_administrator_has_the_link_of_the_page_which_stays_until_its_secret_is_deleted(
    root: Path,
) -> None:
    def link() -> str:
        cluster.Folders(root, page_server="http://127.0.0.1:8090/").make(NOW)
        return (root / "admin" / "dashboard-link").read_text()

    secret = root / "dashboard" / "login-token"
    first = link()
    assert first == f"http://127.0.0.1:8090/login?token={secret.read_text()}" == link()
    assert len(secret.read_text()) >= 40
    secret.unlink()
    assert link() != first


def test_without_a_page_there_is_no_link(root: Path) -> None:
    assert not (root / "admin" / "dashboard-link").exists()
