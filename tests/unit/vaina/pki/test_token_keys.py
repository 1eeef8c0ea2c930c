"""The keys of tokens: which signs, which are known, and that each is known before it signs."""

from pathlib import Path

import pytest

from apiserver.tokens.keys import read_private_key, read_public_keys
from vaina.pki.authority import public_pem
from vaina.pki.token_keys import KEPT_SECONDS, make_token_keys, next_token_key

NOW, DAY = 1_800_000_000.0, 86_400.0
LIFE = 90 * DAY


def make(folder: Path, now: float = NOW, *, renew: bool = False) -> bool:
    return make_token_keys(folder, now, LIFE, renew=renew)


def signing(folder: Path, name: str = "sa.key") -> bytes:
    return public_pem(read_private_key((folder / name).read_bytes()))  # type: ignore[arg-type]  # ECDSA


def known(folder: Path) -> list[bytes]:
    text = (folder / "sa.pub").read_bytes()
    assert len(list(read_public_keys(text))) == text.count(b"BEGIN")
    return [b"-----BEGIN" + part.partition(b"# ")[0] for part in text.split(b"-----BEGIN")[1:]]


def test_two_keys_are_made_and_left_alone_until_the_first_is_due(tmp_path: Path) -> None:
    assert make(tmp_path)
    assert known(tmp_path) == [signing(tmp_path), signing(tmp_path, "sa.next.key")]
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert not make(tmp_path, NOW + 59 * DAY)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert next_token_key(tmp_path, LIFE) == NOW + 60 * DAY


@pytest.mark.parametrize("renew", [False, True])
def test_the_next_key_signs_in_its_turn_and_the_one_before_is_known_for_a_year(
    tmp_path: Path, renew: bool
) -> None:
    make(tmp_path)
    first, second = known(tmp_path)
    later = NOW + (1 if renew else 60 * DAY)
    assert make(tmp_path, later, renew=renew)
    assert signing(tmp_path) == second
    assert known(tmp_path) == [second, signing(tmp_path, "sa.next.key"), first]
    for turn in range(1, 7):
        make(tmp_path, later + turn * 60 * DAY)
    assert first in known(tmp_path)
    make(tmp_path, later + KEPT_SECONDS + 60 * DAY)
    assert first not in known(tmp_path)


def test_short_certificates_do_not_change_keys_every_minute(tmp_path: Path) -> None:
    make_token_keys(tmp_path, NOW, 60.0)
    assert not make_token_keys(tmp_path, NOW + DAY - 1, 60.0)
    assert make_token_keys(tmp_path, NOW + DAY, 60.0)


@pytest.mark.parametrize("lost", ["sa.key", "sa.next.key", "sa.pub"])
def test_a_lost_file_is_made_and_what_counted_counts(tmp_path: Path, lost: str) -> None:
    make(tmp_path)
    first, _ = known(tmp_path)
    (tmp_path / lost).unlink()
    make(tmp_path, NOW + 1)
    make(tmp_path, NOW + 2)
    assert known(tmp_path)[:2] == [signing(tmp_path), signing(tmp_path, "sa.next.key")]
    assert first in known(tmp_path)


@pytest.mark.parametrize("written", [1, 2])
def test_a_change_that_was_killed_is_ended_by_the_next_run(tmp_path: Path, written: int) -> None:
    """Of sa.pub, sa.key and sa.next.key, the first one or two were written."""
    make(tmp_path)
    first, second = known(tmp_path)
    old = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    make(tmp_path, NOW + 60 * DAY)
    for name in ("sa.key", "sa.next.key")[written - 1 :]:
        (tmp_path / name).write_bytes(old[name])
    make(tmp_path, NOW + 61 * DAY)
    assert signing(tmp_path) == second
    assert known(tmp_path) == [second, signing(tmp_path, "sa.next.key"), first]
    assert signing(tmp_path, "sa.next.key") != second
