"""PURE: whether the sender of a request may make it in another user's name.

There are five ways to be allowed (`mode.go`). Four are constrained: their holder may make some requests, and
those as some users. Of each, authorization is asked two things: the verb `impersonate-on:MODE:VERB` on what the
request is about, and `impersonate:MODE` on each thing of the user that is named. The fifth is that of old: who
has the verb `impersonate` on all of the user may make any request.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from apiserver.authorization.attributes import Attributes
from apiserver.authorization.authorizer import Authorizer, Verdict
from apiserver.authorization.checks import forbidden
from vaina.objects import names, service_accounts
from vaina.objects.identities import NODE_USER_PREFIX, NODES_GROUP
from vaina.quoting import go_quote
from vaina.serving.handlers import ANONYMOUS, AUTHENTICATED, User

_VERB: Final = "impersonate"
_AUTHENTICATION: Final = "authentication.k8s.io"
_UNAUTHENTICATED: Final = ANONYMOUS.groups[0]
_MASTERS: Final = "system:masters"
_ALL: Final = "*"
#: of so many groups or extra values it is asked first whether all may be taken (manyAuthorizationChecksInLoop)
_MANY: Final = 4


class Mode(NamedTuple):
    """One way to be allowed."""

    #: empty: that of old
    name: str
    #: whether it is meant for a user who is named by a sender
    fits: Callable[[User, User], bool]

    @property
    def verb(self) -> str:
        """What is asked about each thing of the user."""
        return f"{_VERB}:{self.name}" if self.name else _VERB

    @property
    def constraint(self) -> str:
        """The verb for the audit log; empty for the mode of old."""
        return self.verb if self.name else ""


class Impersonated(NamedTuple):
    """In whose name a request is made, and by what right."""

    user: User
    #: the verb of a constrained mode; empty: that of old
    constraint: str


def impersonate(mode: Mode, wanted: User, asked: Attributes, authorizer: Authorizer) -> Impersonated | None:
    """Return the user in whose name a request is served; None: the mode is not meant for them.

    Args:
        mode: one way to be allowed.
        wanted: whom the request names.
        asked: what it asks for, of its sender.
        authorizer: says what the sender may.

    Raises:
        Forbidden: the sender may not, by this mode.
        Unavailable: nobody can know yet.
    """
    sender = asked.user
    if not mode.fits(wanted, sender):
        return None
    if mode.name:
        _check(authorizer, asked._replace(verb=f"{_VERB}-on:{mode.name}:{asked.verb}"))
    groups = _OnUser(mode, sender, authorizer).check(wanted)
    of_all = _UNAUTHENTICATED if wanted.name == ANONYMOUS.name else AUTHENTICATED
    if of_all not in groups and _UNAUTHENTICATED not in groups:
        groups = (*groups, of_all)
    return Impersonated(User(wanted.name, groups, wanted.uid, wanted.extra), mode.constraint)


class _OnUser:
    """Asks about each thing of a user. Lives for one request."""

    def __init__(self, mode: Mode, sender: User, authorizer: Authorizer) -> None:
        self._mode, self._sender, self._authorizer = mode, sender, authorizer

    def check(self, wanted: User) -> tuple[str, ...]:
        """Return the groups of the user. Raises Forbidden."""
        groups = self._check_name(wanted)
        if wanted.uid:
            self._check("uids", wanted.uid)
        self._check_groups(wanted.groups)
        self._check_extra(wanted.extra)
        return groups

    def _check_name(self, wanted: User) -> tuple[str, ...]:
        account = service_accounts.split_user_name(wanted.name)
        if account is not None:
            namespace, name = account
            self._check("serviceaccounts", name, self._group, namespace)
            return wanted.groups or service_accounts.groups(namespace)
        node = _node_of(wanted) if self._mode.name else ""
        if node:
            # Who may be the node it runs on may be so on any node.
            self._check("nodes", _ALL if self._mode is ASSOCIATED_NODE else node, self._group)
            return (NODES_GROUP,)
        self._check("users", wanted.name, self._group)
        return wanted.groups

    def _check_groups(self, groups: Sequence[str]) -> None:
        if self._mode.name and "" in groups:
            raise self._refused("groups", "", "impersonating the empty string group is not allowed")
        if self._mode.name and _MASTERS in groups:
            raise self._refused("groups", _MASTERS, f"impersonating the {_MASTERS} group is not allowed")
        if self._mode.name and len(groups) >= _MANY and self._may("groups", _ALL, self._group):
            return
        for group in groups:
            self._check("groups", group, self._group)

    def _check_extra(self, extra: Sequence[tuple[str, Sequence[str]]]) -> None:
        if self._mode.name and (wrong := _wrong_extra(extra)):
            raise self._refused("userextras", "", wrong, _AUTHENTICATION)
        is_many = len(extra) >= _MANY or sum(len(values) for _, values in extra) >= _MANY
        if self._mode.name and is_many and self._may("userextras", _ALL, _AUTHENTICATION, subresource=_ALL):
            return
        for key, values in extra:
            for value in values:
                self._check("userextras", value, subresource=key)

    @property
    def _group(self) -> str:
        """The API group of names and groups."""
        return _AUTHENTICATION if self._mode.name else ""

    def _asked(
        self, resource: str, name: str, group: str, namespace: str = "", subresource: str = ""
    ) -> Attributes:
        return Attributes(self._sender, self._mode.verb, group, resource, subresource, namespace, name)

    def _check(
        self,
        resource: str,
        name: str,
        group: str = _AUTHENTICATION,
        namespace: str = "",
        subresource: str = "",
    ) -> None:
        _check(self._authorizer, self._asked(resource, name, group, namespace, subresource))

    def _may(self, resource: str, name: str, group: str, subresource: str = "") -> bool:
        asked = self._asked(resource, name, group, subresource=subresource)
        return self._authorizer.authorize(asked).is_allowed

    def _refused(self, resource: str, name: str, why: str, group: str = "") -> Exception:
        return forbidden(self._asked(resource, name, group or self._group), why)


def _check(authorizer: Authorizer, asked: Attributes) -> None:
    verdict: Verdict = authorizer.authorize(asked)
    if not verdict.is_allowed:
        raise forbidden(asked, verdict.reason)


def _wrong_extra(extra: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Return what is wrong with what is known besides of a user; empty: nothing (validateExtra)."""
    for key, values in extra:
        if not key:
            return "impersonating the empty string key in extra is not allowed"
        if wrong := _wrong_key(key):
            return f"impersonating an invalid key in extra is not allowed: {wrong}"
        if key != key.lower():
            return f"impersonating a non-lowercase key in extra is not allowed: {go_quote(key)}"
        if "" in values:
            return "impersonating the empty string value in extra is not allowed"
    return ""


def _wrong_key(key: str) -> str:
    """Return what is wrong with a name, as the errors of a field are told together; empty: nothing."""
    host, _, path = key.partition("/")
    of_host = names.dns_1123_subdomain(host) if host and path else ()
    rest = path if host and path else key
    told = [
        f"extra.key: Invalid value: {go_quote(host if problem in of_host else rest)}: {problem}"
        for problem in names.domain_prefixed_path(key)
    ]
    return told[0] if len(told) == 1 else f"[{', '.join(told)}]" if told else ""


def _node_of(user: User) -> str:
    """Return the node whose name a user has; empty: it is none's (isNodeUsername)."""
    name = user.name.removeprefix(NODE_USER_PREFIX)
    return "" if name == user.name or names.dns_1123_subdomain(name) else name


def _is_account(user: User) -> bool:
    return service_accounts.split_user_name(user.name) is not None


def _is_name_alone(user: User) -> bool:
    return not (user.uid or user.groups or user.extra)


def _runs_on(sender: User, wanted: User) -> bool:
    """Whether a ServiceAccount's token is of a Pod on the node that is named."""
    node = _node_of(wanted)
    here = dict(sender.extra).get(service_accounts.NODE_NAME, ())
    return bool(node) and _is_account(sender) and tuple(here) == (node,)


ASSOCIATED_NODE: Final = Mode(
    "associated-node", lambda wanted, sender: _is_name_alone(wanted) and _runs_on(sender, wanted)
)
#: in the order in which they are tried (allImpersonationModes): who needs less is asked for less
MODES: Final = (
    ASSOCIATED_NODE,
    Mode("arbitrary-node", lambda wanted, _: _is_name_alone(wanted) and bool(_node_of(wanted))),
    Mode("serviceaccount", lambda wanted, _: _is_name_alone(wanted) and _is_account(wanted)),
    Mode("user-info", lambda wanted, _: not _node_of(wanted) and not _is_account(wanted)),
    Mode("", lambda *_: True),
)
