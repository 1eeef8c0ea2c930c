"""The file with the keys: its rights, and what happens when it changes."""

import base64
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from apiserver.storage.encryption.file import KeyFile
from apiserver.storage.interface import Key
from apiserver.storage.values import Values
from tests.support.tasks import running
from vaina.config import ConfigError
from vaina.testing.clock import FakeClock

KEY = Key("/registry/secrets/default/a")


def config(*names: str) -> str:
    keys = ", ".join(
        f"{{name: {name}, secret: {base64.b64encode(name.encode() * 8).decode()}}}" for name in names
    )
    return (
        "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n"
        f"- {{resources: [secrets], providers: [{{aesgcm: {{keys: [{keys}]}}}}]}}\n"
    )


def write(path: Path, text: str, mode: int = 0o600) -> None:
    path.write_text(text)
    path.chmod(mode)


async def test_another_key_first_writes_after_a_minute_and_a_broken_file_changes_nothing(
    tmp_path: Path,
) -> None:
    path, values, clock, registry = tmp_path / "keys.yaml", Values(), FakeClock(), CollectorRegistry()
    write(path, config("key1"))
    file = KeyFile(path, values, clock, registry)

    def reloads(status: str) -> float | None:
        name = "apiserver_encryption_config_controller_automatic_reloads_total"
        return registry.get_sample_value(name, {"status": status})

    async with running(file.run()):
        first = values.encode(KEY, b"", ("v1", "Secret"), 0)
        assert first.startswith(b"k8s:enc:aesgcm:v1:key1:")
        await clock.advance(120)
        assert reloads("success") is None
        write(path, config("key2", "key1"))
        await clock.advance(60)
        assert values.encode(KEY, b"", ("v1", "Secret"), 0).startswith(b"k8s:enc:aesgcm:v1:key2:")
        for text, mode in (("resources: []", 0o600), (config("key3"), 0o644)):
            write(path, text, mode)
            await clock.advance(60)
            assert values.encode(KEY, b"", ("v1", "Secret"), 0).startswith(b"k8s:enc:aesgcm:v1:key2:")
        path.unlink()
        await clock.advance(60)
        assert (reloads("success"), reloads("failure")) == (1, 3)


async def test_a_file_that_is_being_written_is_read_when_it_is_whole(tmp_path: Path) -> None:
    path, values, clock = tmp_path / "keys.yaml", Values(), FakeClock()
    write(path, config("key1"))
    file = KeyFile(path, values, clock)

    def first_key() -> bytes:
        return values.encode(KEY, b"", ("v1", "Secret"), 0).split(b":")[4]

    async with running(file.run()):
        await clock.advance(59.5)
        # Half of it, which could be read, and would be without the key of before.
        write(path, config("key2"))
        await clock.advance(0.5)
        assert first_key() == b"key1"
        write(path, config("key2", "key1"))
        await clock.advance(60)
        assert first_key() == b"key2"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    write(tmp_path / "keys.yaml", config("key1"), mode)
    with pytest.raises(ConfigError, match="others may read it: chmod 600"):
        KeyFile(tmp_path / "keys.yaml", Values(), FakeClock())


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        KeyFile(tmp_path / "keys.yaml", Values(), FakeClock())
