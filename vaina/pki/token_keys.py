"""The keys by which the apiserver signs tokens of ServiceAccounts: made, and changed in time.

    sa.key       the key that signs (`service_account_signing_key_file`)
    sa.next.key  the one that comes after it
    sa.pub       public keys whose tokens count (`service_account_key_file`): of both, and of those before

A line before each public key says when it signed. The next key is in `sa.pub` for as long as the one before
signs, so every apiserver knows a key before any signs with it (decision 266). The names are kubeadm's.
"""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from vaina.clock import rfc3339
from vaina.pki.authority import PrivateKey, key_pem, load_key, make_key, public_pem
from vaina.pki.folder import make_folder, write_file

SIGNING, NEXT, PUBLIC = "sa.key", "sa.next.key", "sa.pub"
_DAY: Final = 86_400.0
#: a key signs for so long at least, however short certificates hold
_MIN_SECONDS: Final = _DAY
#: tokens of a key count for so long after it signed last
KEPT_SECONDS: Final = 366 * _DAY
_ENTRY: Final = re.compile(
    r"# signs (?:next|since (?P<since>\S+?)(?:, until (?P<until>\S+))?)\n"
    r"(?P<pem>-----BEGIN PUBLIC KEY-----\n.*?-----END PUBLIC KEY-----\n)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A public key. Unix times; 0: it has not signed yet, or signs still."""

    pem: str
    since: float = 0.0
    until: float = 0.0

    def text(self) -> str:
        until = f", until {rfc3339(self.until)}" if self.until else ""
        when = f"since {rfc3339(self.since)}{until}" if self.since else "next"
        return f"# signs {when}\n{self.pem}"


def make_token_keys(folder: Path, now: float, seconds: float, *, renew: bool = False) -> bool:
    """Make the keys that are missing, and let the next one sign when the present one is due, or with `renew`.

    Return whether another key signs now. Raises ValueError: a file cannot be read.
    """
    make_folder(folder)
    signing, following = _read_key(folder / SIGNING), _read_key(folder / NEXT)
    entries = _read(folder)
    if signing is None:
        signing, following = make_key(), make_key()
        # A key that was lost signs no more; what it signed counts.
        entries = [replace(entry, until=entry.until or now) for entry in entries]
        _write(folder, signing, following, [_Entry(_pem(signing), now), _Entry(_pem(following)), *entries])
        return True
    if following is not None and _pem(following) == _pem(signing):
        # It was killed before the last one: what was to come next is in no file.
        following = None
    known = next((entry for entry in entries if entry.pem == _pem(signing)), _Entry(_pem(signing), now))
    others = [entry for entry in entries if entry.pem != known.pem and now < entry.until + KEPT_SECONDS]
    # A process that was killed between its renames has said already that the key signed last.
    if not renew and not known.until and now < known.since + _period(seconds):
        if following is None or known not in entries:
            following = following or make_key()
            _write(folder, signing, following, [known, _Entry(_pem(following)), *others])
        return False
    new, after = following or make_key(), make_key()
    others.insert(0, replace(known, until=known.until or now))
    _write(folder, new, after, [_Entry(_pem(new), now), _Entry(_pem(after)), *others])
    return True


def next_token_key(folder: Path, seconds: float) -> float:
    """Return when the next key is to sign (Unix time). Raises ValueError."""
    signing = _read_key(folder / SIGNING)
    for entry in _read(folder):
        if signing is not None and entry.pem == _pem(signing):
            return entry.since + _period(seconds)
    return 0.0


def _period(seconds: float) -> float:
    return max(seconds * 2 / 3, _MIN_SECONDS)


def _write(folder: Path, signing: PrivateKey, following: PrivateKey, entries: list[_Entry]) -> None:
    # What counts comes before what signs: a token that nobody knows would be refused.
    write_file(folder / PUBLIC, "".join(entry.text() for entry in entries).encode())
    write_file(folder / SIGNING, key_pem(signing))
    write_file(folder / NEXT, key_pem(following))


def _read(folder: Path) -> list[_Entry]:
    try:
        text = (folder / PUBLIC).read_text("ascii")
    except FileNotFoundError:
        return []
    # Keys that have not signed are those of `sa.next.key`, or nobody's.
    return [
        _Entry(found["pem"], _time(found["since"]), _time(found["until"]) if found["until"] else 0.0)
        for found in _ENTRY.finditer(text)
        if found["since"]
    ]


def _read_key(path: Path) -> PrivateKey | None:
    try:
        return load_key(path.read_bytes())
    except FileNotFoundError:
        return None


def _pem(key: PrivateKey) -> str:
    return public_pem(key).decode()


def _time(text: str) -> float:
    return datetime.fromisoformat(text).astimezone(UTC).timestamp()
