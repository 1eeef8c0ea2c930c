"""A folder of a certificate: what is read, when it is read again, what is refused."""

from pathlib import Path

import pytest

from tests.support.certificates import ADMIN, Certificates
from vaina.config import ConfigError
from vaina.pki.folder import (
    Folder,
    FolderError,
    client_folder,
    format_serials,
    is_loopback,
    metrics_folder,
    server_folder,
    write_file,
)


@pytest.fixture
def made(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


def test_what_was_read_is_kept_until_a_file_changes(made: Certificates) -> None:
    folder = made.issue(ADMIN)
    first = folder.current()
    assert folder.current() is first
    made.issue(ADMIN)
    second = folder.current()
    assert second is not first
    assert second.certificate != first.certificate
    assert second.authorities == first.authorities
    assert folder.current() is second


def test_a_list_of_denied_serials_is_read_with_the_rest(made: Certificates) -> None:
    folder = made.issue(ADMIN)
    assert folder.current().denied == frozenset()
    write_file(
        folder.path / "denied", b"# stolen on Monday\n0A:ff\n\n 1 # and this\n" + format_serials([0xBEEF])
    )
    assert folder.current().denied == {0x0AFF, 1, 0xBEEF}
    (folder.path / "denied").write_text("no number\n")
    with pytest.raises(FolderError, match="no number"):
        folder.current()


@pytest.mark.parametrize("name", ["tls.crt", "tls.key", "ca.crt"])
@pytest.mark.parametrize("data", [None, b"", b"no PEM"])
def test_a_folder_with_a_file_missing_or_wrong_is_refused_by_name(
    made: Certificates, name: str, data: bytes | None
) -> None:
    folder = made.issue(ADMIN)
    (folder.path / name).unlink()
    if data is not None:
        (folder.path / name).write_bytes(data)
    with pytest.raises(FolderError, match="kubernetes-admin"):
        folder.current()


def test_a_key_of_another_certificate_is_refused(made: Certificates) -> None:
    folder, other = made.issue(ADMIN), made.issue(ADMIN, into="other")
    write_file(folder.path / "tls.key", (other.path / "tls.key").read_bytes())
    with pytest.raises(FolderError, match=r"(?i)key values mismatch"):
        folder.current()


def test_files_are_their_owners_alone_and_the_same_bytes_leave_them_alone(made: Certificates) -> None:
    folder = made.issue(ADMIN)
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.path.iterdir()} == {0o600}
    path = folder.path / "ca.crt"
    before = path.stat().st_ino
    write_file(path, path.read_bytes())
    assert path.stat().st_ino == before


@pytest.mark.parametrize(
    ("listen", "want"),
    [
        ("127.0.0.1:6443", True), ("127.9.9.9:1", True), ("[::1]:6443", True), ("localhost:1", True),
        ("unix:/run/vaina.sock", True), ("0.0.0.0:6443", False), ("[::]:6443", False), (":6443", False),
        ("10.0.0.1:6443", False), ("apiserver:6443", False), ("localhost.example:1", False),
    ],
)  # fmt: skip
def test_loopback_is_told_from_addresses_that_others_reach(listen: str, want: bool) -> None:
    assert is_loopback(listen) is want


def test_nothing_is_served_in_the_clear_beyond_loopback(made: Certificates) -> None:
    assert server_folder("", "127.0.0.1:6443") is None
    with pytest.raises(ConfigError, match=r"0\.0\.0\.0:6443 .*cert_dir"):
        server_folder("", "0.0.0.0:6443")
    folder = made.issue(ADMIN)
    assert server_folder(str(folder.path), "0.0.0.0:6443") is not None


def test_health_alone_is_served_in_the_clear_on_loopback_and_nowhere_else(made: Certificates) -> None:
    folder = str(made.issue(ADMIN).path)
    assert metrics_folder(folder, "0.0.0.0:8080", "127.0.0.1:8081") is not None
    assert metrics_folder("", "127.0.0.1:8080", "[::1]:8081") is None
    with pytest.raises(ConfigError, match=r"0\.0\.0\.0:8081 .*health_listen"):
        metrics_folder(folder, "0.0.0.0:8080", "0.0.0.0:8081")


def test_a_client_without_a_folder_calls_in_the_clear_and_one_with_a_wrong_one_does_not_start(
    tmp_path: Path,
) -> None:
    assert client_folder("") is None
    with pytest.raises(FolderError, match="nothing-here"):
        client_folder(str(tmp_path / "nothing-here"))
    assert isinstance(FolderError("x"), ConfigError)
    assert Folder(tmp_path).path == tmp_path
