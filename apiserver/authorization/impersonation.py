"""PURE: in whose name a request is made that names another user, and whether its sender may do that.

Follows apiserver `pkg/endpoints/filters/impersonation` (`processImpersonationHeaders`, and of `mode.go` the
legacy mode: the verb `impersonate` on users, groups, serviceaccounts, uids and userextras). The feature
ConstrainedImpersonation, verbs such as `impersonate:user-info`, is left out: who has those alone is refused.
"""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote

from apiserver.authorization.attributes import Attributes
from apiserver.authorization.authorizer import Authorizer
from apiserver.authorization.checks import forbidden
from vaina.errors import BadRequest
from vaina.objects import service_accounts
from vaina.quoting import go_quote
from vaina.serving.handlers import ANONYMOUS, AUTHENTICATED, User

#: how the names of the headers begin, in lower case
PREFIX: Final = "impersonate-"
_USER, _UID, _GROUP, _EXTRA = f"{PREFIX}user", f"{PREFIX}uid", f"{PREFIX}group", f"{PREFIX}extra-"
_VERB: Final = "impersonate"
_AUTHENTICATION: Final = "authentication.k8s.io"
_UNAUTHENTICATED: Final = ANONYMOUS.groups[0]
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


def impersonated(wanted: User, sender: User, authorizer: Authorizer) -> User:
    """Return the user in whose name a request is served.

    Args:
        wanted: whom it names (`wanted_user`).
        sender: who sends it, and has to be allowed each thing that is named.
        authorizer: says so.

    Raises:
        Forbidden: the sender may not be that user.
        Unavailable: nobody can know yet.
    """

    def check(resource: str, name: str, group: str = "", namespace: str = "", subresource: str = "") -> None:
        asked = Attributes(sender, _VERB, group, resource, subresource, namespace, name)
        verdict = authorizer.authorize(asked)
        if not verdict.is_allowed:
            raise forbidden(asked, verdict.reason)

    groups = wanted.groups
    account = service_accounts.split_user_name(wanted.name)
    if account is None:
        check("users", wanted.name)
    else:
        check("serviceaccounts", account[1], namespace=account[0])
        groups = groups or service_accounts.groups(account[0])
    if wanted.uid:
        check("uids", wanted.uid, _AUTHENTICATION)
    for group in wanted.groups:
        check("groups", group)
    for key, values in wanted.extra:
        for value in values:
            check("userextras", value, _AUTHENTICATION, subresource=key)
    of_all = _UNAUTHENTICATED if wanted.name == ANONYMOUS.name else AUTHENTICATED
    if of_all not in groups and _UNAUTHENTICATED not in groups:
        groups = (*groups, of_all)
    return User(wanted.name, groups, wanted.uid, wanted.extra)


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
