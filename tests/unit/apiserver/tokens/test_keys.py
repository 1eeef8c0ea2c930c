"""The files of keys: what may stand in them, and that they are followed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from apiserver.tokens.keys import LOOK_SECONDS, KeyFiles, public_key_of, read_public_keys
from tests.support.tasks import running
from vaina.config import ConfigError
from vaina.pki.authority import key_pem, make_authority, make_key, public_pem
from vaina.testing.clock import FakeClock, settle


def pem_of(key: Any) -> bytes:
    return bytes(
        key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def files(tmp_path: Path, clock: FakeClock, signing: bytes, *trusted: bytes) -> KeyFiles:
    key = tmp_path / "sa.key"
    key.touch(0o600)
    key.write_bytes(signing)
    names = []
    for index, text in enumerate(trusted):
        path = tmp_path / f"{index}.pub"
        path.write_bytes(text)
        names.append(str(path))
    return KeyFiles(str(key), names, clock)


def test_a_key_id_is_upstreams() -> None:
    """The SHA-256 of the DER of the public key in base64url (`jwt_test.go`: ecdsaKeyID)."""
    found = b"""-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEH6cuzP8XuD5wal6wf9M6xDljTOPL
X2i8uIp/C/ASqiIGUeeKQtX0/IR3qCXyThP/dbCiHrF3v1cuhBOHY8CLVg==
-----END PUBLIC KEY-----
"""
    [key] = read_public_keys(found)
    made = public_key_of(key)
    assert (made.id, made.algorithm) == ("SoABiieYuNx4UdqYvZRVeuC6SihxgLrhLy9peHMHpTc", "ES256")


@pytest.mark.parametrize(
    ("make", "algorithm"),
    [
        (lambda: ec.generate_private_key(ec.SECP256R1()), "ES256"),
        (lambda: ec.generate_private_key(ec.SECP384R1()), "ES384"),
        (lambda: ec.generate_private_key(ec.SECP521R1()), "ES512"),
        (lambda: rsa.generate_private_key(65537, 2048), "RS256"),
    ],
)
def test_a_key_says_its_algorithm(make: Callable[[], Any], algorithm: str) -> None:
    assert public_key_of(make().public_key()).algorithm == algorithm


def test_files_hold_keys_of_several_forms(tmp_path: Path) -> None:
    one, two, three = make_key(), make_key(), make_authority("a", 1_800_000_000)
    text = b"# any text\n" + public_pem(one) + b"\n# more\n" + key_pem(two)
    text += three.certificate.public_bytes(serialization.Encoding.PEM)
    found = files(tmp_path, FakeClock(), key_pem(make_key()), text).current
    want = {public_key_of(key.public_key()).id for key in (one, two, three.key)} | {found.signing.id}
    assert set(found.trusted) == want


@pytest.mark.parametrize(
    ("signing", "trusted", "words"),
    [
        (b"", [], "does not contain a valid RSA or ECDSA private key"),
        (public_pem(make_key()), [], "does not contain a valid RSA or ECDSA private key"),
        (key_pem(make_key()), [b"nothing"], "0.pub: no keys found"),
        (key_pem(make_key()), [pem_of(ed25519.Ed25519PrivateKey.generate().public_key())], "an RSA or an ECDSA key"),
        (key_pem(ec.generate_private_key(ec.SECP256K1())), [], "must be 256, 384, or 521"),
        (key_pem(make_key()), [b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"], "0.pub: "),
    ],
)  # fmt: skip
def test_files_that_cannot_be_used_are_named(
    tmp_path: Path, signing: bytes, trusted: list[bytes], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        files(tmp_path, FakeClock(), signing, *trusted)


def test_a_private_key_that_others_may_read_is_not_taken(tmp_path: Path) -> None:
    files(tmp_path, FakeClock(), key_pem(make_key()))
    (tmp_path / "sa.key").chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        KeyFiles(str(tmp_path / "sa.key"), (), FakeClock())
    with pytest.raises(ConfigError, match="No such file"):
        KeyFiles(str(tmp_path / "none"), (), FakeClock())


async def test_the_files_are_followed_and_one_that_is_broken_changes_nothing(tmp_path: Path) -> None:
    clock, first, second = FakeClock(), make_key(), make_key()
    found = files(tmp_path, clock, key_pem(first), public_pem(first))
    before = found.current
    async with running(found.run()):
        await settle()

        async def look() -> Any:
            await clock.advance(LOOK_SECONDS)
            await settle()
            return found.current

        assert await look() is before
        (tmp_path / "sa.key").write_bytes(b"broken")
        assert await look() is before
        (tmp_path / "sa.key").write_bytes(key_pem(second))
        now = await look()
        assert now.signing.id == public_key_of(second.public_key()).id
        assert before.signing.id in now.trusted
