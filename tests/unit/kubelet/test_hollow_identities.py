"""Hollow nodes' certificates: each says its node, and an authority that cannot be read is told of."""

from pathlib import Path

import pytest

from kubelet.hollow_identities import hollow_identities
from vaina.objects.identities import is_node, node_name
from vaina.pki.authority import certificate_pem, key_pem, make_authority
from vaina.pki.folder import Folder, FolderError, write_folder
from vaina.pki.identity import read_identity
from vaina.testing.clock import FakeClock


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    authority = make_authority("vaina", FakeClock().now())
    pem = certificate_pem(authority.certificate)
    write_folder(tmp_path, pem, key_pem(authority.key), pem)
    return tmp_path


def test_each_node_has_its_own(folder: Path) -> None:
    make = hollow_identities(folder, Folder(folder), FakeClock())
    folders = [make(name) for name in ("a", "b")]
    for name, made in zip("ab", folders, strict=True):
        identity = read_identity(made.current().certificate)
        assert is_node(identity.name, identity.groups)
        assert node_name(identity.name) == name
        assert made.current() is made.current()
        assert made.current().authorities == (folder / "tls.crt").read_bytes()
    assert folders[0].current().key != folders[1].current().key


def test_an_authority_without_a_key_is_told_of(folder: Path) -> None:
    shown = Folder(folder)
    shown.current()
    with pytest.raises(FolderError, match=r"tls\.crt"):
        hollow_identities(folder / "none", shown, FakeClock())
