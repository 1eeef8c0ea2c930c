"""The secret of the page's login link, and the link itself, in files (docs/page.md)."""

import secrets
from pathlib import Path
from typing import Final

from vaina.pki.folder import make_folder, write_file

#: in the page's folder: the secret
LOGIN_TOKEN: Final = "login-token"  # noqa: S105 - a file's name
#: in the administrator's folder: the link
LOGIN_LINK: Final = "dashboard-link"
_BYTES: Final = 32


def make_login_token(folder: Path) -> bool:
    """Write a fresh secret, its owner's alone, unless there is one. Return whether it was written.

    Who deletes the file gets another, with which all sessions end when the page is started again.
    """
    path = folder / LOGIN_TOKEN
    if path.exists():
        return False
    make_folder(folder)
    write_file(path, secrets.token_urlsafe(_BYTES).encode())
    return True


def login_link(server: str, secret: str) -> str:
    """Return the link that opens the page, at a URL such as http://127.0.0.1:8090."""
    return f"{server.rstrip('/')}/login?token={secret}"
