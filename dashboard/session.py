"""PURE: who has followed the login link, by a cookie that nobody else can make and that ends.

The secret of the link stands in a file that the cluster's administrator has. A cookie is the time at which the
session ends, and an HMAC of it under a key made of the secret: the server keeps nothing of its sessions, and
another secret ends all of them.
"""

import hashlib
import hmac
from typing import Final

#: a shorter secret could be guessed
MIN_SECRET_LETTERS: Final = 32
_COOKIE: Final = "vaina-page"


class Sessions:
    """Makes cookies and reads them."""

    def __init__(self, secret: str, seconds: float) -> None:
        """Make it of the link's secret; a session lasts `seconds`. Raises ValueError: it is too short."""
        if len(secret) < MIN_SECRET_LETTERS:
            raise ValueError(f"the secret of the login link has fewer than {MIN_SECRET_LETTERS} letters")
        self._secret, self._seconds = secret.encode(), seconds
        self._key = hmac.digest(self._secret, b"vaina: sessions of the page", "sha256")
        # A browser sends cookies to all ports of a host: pages of several clusters have names of their own.
        mark = hmac.digest(self._secret, b"vaina: name of the cookie", "sha256").hex()[:8]
        self.cookie = f"{_COOKIE}-{mark}"

    def is_secret(self, given: str) -> bool:
        """Say whether somebody has the link. In constant time."""
        return hmac.compare_digest(given.encode(errors="replace"), self._secret)

    def issue(self, now: float) -> str:
        """Return the cookie of a session that begins now (Unix time)."""
        end = str(int(now + self._seconds))
        return f"{end}.{self._sign(end)}"

    def seconds_left(self, cookie: str, now: float) -> float:
        """Return for how long a cookie holds; 0: it does not."""
        end, _, signature = cookie.partition(".")
        right = self._sign(end)
        if not hmac.compare_digest(signature.encode(errors="replace"), right.encode()):
            return 0.0
        return max(0.0, int(end) - now)

    def _sign(self, end: str) -> str:
        return hmac.new(self._key, end.encode(errors="replace"), hashlib.sha256).hexdigest()


def own_path(wanted: str) -> str:
    """Return where to go after the login: a path of this page, or its beginning."""
    is_own = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and wanted.isprintable()
    return wanted if is_own else "/"
