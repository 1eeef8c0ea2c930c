"""The file with the key for Secrets at rest: what the apiserver reads, and never written over."""

from pathlib import Path

from apiserver.storage.encryption.file import KeyFile
from apiserver.storage.interface import Key
from apiserver.storage.values import Values
from vaina.pki.encryption import make_encryption_config
from vaina.testing.clock import FakeClock


def test_the_apiserver_encrypts_secrets_by_it_and_a_second_time_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "encryption.yaml"
    assert make_encryption_config(path)
    first = path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    assert not make_encryption_config(path)
    assert path.read_bytes() == first
    values = Values()
    KeyFile(path, values, FakeClock())
    stored = values.encode(Key("/registry/secrets/default/a"), b"", ("v1", "Secret"), 0)
    assert stored.startswith(b"k8s:enc:aesgcm:v1:key1:")


def test_no_two_files_have_one_key(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in "ab"]
    assert all(make_encryption_config(path) for path in paths)
    assert paths[0].read_bytes() != paths[1].read_bytes()
