"""PURE: in whose name a request is made that names another user (`processImpersonationHeaders`)."""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote

from vaina.errors import BadRequest
from vaina.quoting import go_quote
from vaina.serving.handlers import User

#: how the names of the headers begin, in lower case
PREFIX: Final = "impersonate-"
_USER, _UID, _GROUP, _EXTRA = f"{PREFIX}user", f"{PREFIX}uid", f"{PREFIX}group", f"{PREFIX}extra-"
#: a percent sign that encodes nothing
_STRAY: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


def wanted_user(headers: Iterable[tuple[str, str]]) -> User | None:
    """Return the user whom the headers of a request name; None: they name none.

    Raises BadRequest: they name something of a user, and no user.
    """
    names, uids, groups, extra = list[str](), list[str](), list[str](), dict[str, tuple[str, ...]]()
    for header, sent in headers:
        name = header.lower()
        if not name.startswith(PREFIX):
            continue
        # Bytes that are no UTF-8 came as surrogates, which nothing that tells of a user can write.
        value = sent.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        if name == _USER:
            names.append(value)
        elif name == _UID:
            uids.append(value)
        elif name == _GROUP:
            groups.append(value)
        elif name.startswith(_EXTRA):
            key = _unescaped(name.removeprefix(_EXTRA))
            extra[key] = (*extra.get(key, ()), value)
    user = User(
        names[0] if names else "", tuple(groups), uids[0] if uids else "", tuple(sorted(extra.items()))
    )
    if user.name:
        return user
    if user.uid or user.groups or user.extra:
        raise BadRequest(f"requested {_go_syntax(user)} without impersonating a user name")
    return None


def _unescaped(key: str) -> str:
    """Return the name of something extra; as it is where its encoding is broken (`unescapeExtraKey`)."""
    return key if _STRAY.search(key) else unquote(key)


def _go_syntax(user: User) -> str:
    """Write what was named as upstream does, which is how Go writes a user.DefaultInfo."""
    extra = ", ".join(f"{go_quote(key)}:{_strings(values)}" for key, values in user.extra)
    told = f"{{{extra}}}" if user.extra else "(nil)"
    return (
        f"&user.DefaultInfo{{Name:{go_quote(user.name)}, UID:{go_quote(user.uid)}, "
        f"Groups:{_strings(user.groups)}, Extra:map[string][]string{told}}}"
    )


def _strings(values: tuple[str, ...]) -> str:
    return f"[]string{{{', '.join(map(go_quote, values))}}}" if values else "[]string(nil)"
