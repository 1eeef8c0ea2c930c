"""In whose name a request is made, and what its sender has to be allowed for it, by each way to be allowed."""

from dataclasses import replace
from typing import Final, NamedTuple

import pytest

from apiserver.authorization.attributes import Attributes
from apiserver.authorization.authorizer import ALLOWED, NO_OPINION, Verdict
from apiserver.authorization.impersonation.headers import wanted_user
from apiserver.authorization.impersonation.modes import MODES, impersonate
from vaina.errors import BadRequest, Forbidden
from vaina.serving.handlers import User

BEN = User("ben", ("system:authenticated",))
KNOWN, UNKNOWN = "system:authenticated", "system:unauthenticated"
BOT = "system:serviceaccount:ours:bot"
ACCOUNTS = ("system:serviceaccounts", "system:serviceaccounts:ours")
Headers = tuple[tuple[str, str], ...]


LIST: Final = Attributes(BEN, "list", "", "pods", "", "ours")
*CONSTRAINED, OLD = MODES
ASSOCIATED, NODE, ACCOUNT, INFO = CONSTRAINED


class Asked:
    """Allows all but what it is told to refuse, and keeps the questions."""

    def __init__(self, *refused: str) -> None:
        self.refused, self.questions = refused, list[tuple[str, ...]]()

    def authorize(self, attributes: Attributes) -> Verdict:
        self.questions.append((
            attributes.verb, attributes.group, attributes.combined, attributes.namespace, attributes.name,
        ))  # fmt: skip
        return (
            NO_OPINION
            if {attributes.resource, attributes.name, attributes.verb} & {*self.refused}
            else ALLOWED
        )


class Case(NamedTuple):
    name: str
    headers: Headers
    user: User
    questions: tuple[tuple[str, ...], ...]


CASES = (
    Case("a user is known besides", (("Impersonate-User", "jane"),), User("jane", (KNOWN,)), (("", "users", "", "jane"),)),
    Case("groups are asked for one by one, in any letters",
         (("impersonate-user", "jane"), ("IMPERSONATE-GROUP", "dev"), ("Impersonate-Group", "ops")),
         User("jane", ("dev", "ops", KNOWN)),
         (("", "users", "", "jane"), ("", "groups", "", "dev"), ("", "groups", "", "ops"))),
    Case("who names a group of all adds none",
         (("Impersonate-User", "jane"), ("Impersonate-Group", UNKNOWN)), User("jane", (UNKNOWN,)),
         (("", "users", "", "jane"), ("", "groups", "", UNKNOWN))),
    Case("a known user is known once",
         (("Impersonate-User", "jane"), ("Impersonate-Group", KNOWN)), User("jane", (KNOWN,)),
         (("", "users", "", "jane"), ("", "groups", "", KNOWN))),
    Case("nobody is nobody", (("Impersonate-User", "system:anonymous"),), User("system:anonymous", (UNKNOWN,)),
         (("", "users", "", "system:anonymous"),)),
    Case("an account is asked for in its namespace, and has its groups",
         (("Impersonate-User", BOT),), User(BOT, (*ACCOUNTS, KNOWN)), (("", "serviceaccounts", "ours", "bot"),)),
    Case("an account has the groups that are named in place of its own",
         (("Impersonate-User", BOT), ("Impersonate-Group", "dev")), User(BOT, ("dev", KNOWN)),
         (("", "serviceaccounts", "ours", "bot"), ("", "groups", "", "dev"))),
    Case("what is no account's name is a user's", (("Impersonate-User", "system:serviceaccount:ours"),),
         User("system:serviceaccount:ours", (KNOWN,)), (("", "users", "", "system:serviceaccount:ours"),)),
    Case("a uid, and what else is known, is of authentication's own group",
         (("Impersonate-User", "jane"), ("Impersonate-Uid", "u-1"), ("Impersonate-Extra-Scopes", "view"),
          ("Impersonate-Extra-Scopes", "edit"), ("Impersonate-Extra-acme.com%2FProject", "x")),
         User("jane", (KNOWN,), "u-1", (("acme.com/project", ("x",)), ("scopes", ("view", "edit")))),
         (("", "users", "", "jane"), ("authentication.k8s.io", "uids", "", "u-1"),
          ("authentication.k8s.io", "userextras/acme.com/project", "", "x"),
          ("authentication.k8s.io", "userextras/scopes", "", "view"),
          ("authentication.k8s.io", "userextras/scopes", "", "edit"))),
    Case("a name that is encoded wrong stays as it is", (("Impersonate-User", "jane"), ("Impersonate-Extra-a%2", "x")),
         User("jane", (KNOWN,), "", (("a%2", ("x",)),)),
         (("", "users", "", "jane"), ("authentication.k8s.io", "userextras/a%2", "", "x"))),
    Case("the first of two users counts", (("Impersonate-User", "jane"), ("Impersonate-User", "root")),
         User("jane", (KNOWN,)), (("", "users", "", "jane"),)),
    Case("bytes that are no text are shown as such", (("Impersonate-User", "j\udcff"),), User("j\ufffd", (KNOWN,)),
         (("", "users", "", "j\ufffd"),)),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_whoever_may_is_served_as_somebody_else(case: Case) -> None:
    rights = Asked()
    wanted = wanted_user(case.headers)
    assert wanted is not None
    assert impersonate(OLD, wanted, LIST, rights) == (case.user, "")
    assert tuple(rights.questions) == tuple(("impersonate", *question) for question in case.questions)


@pytest.mark.parametrize(
    ("refused", "words"),
    [
        ("users", 'users "jane" is forbidden: User "ben" cannot impersonate resource "users" in API group "" at the cluster scope'),
        ("groups", 'groups "dev" is forbidden: User "ben" cannot impersonate resource "groups" in API group "" at the cluster scope'),
        ("uids", 'uids.authentication.k8s.io "u-1" is forbidden: User "ben" cannot impersonate resource "uids" in API group "authentication.k8s.io" at the cluster scope'),
        ("userextras", 'userextras.authentication.k8s.io "view" is forbidden: User "ben" cannot impersonate resource "userextras/scopes" in API group "authentication.k8s.io" at the cluster scope'),
    ],
)  # fmt: skip
def test_each_thing_that_is_named_has_to_be_allowed(refused: str, words: str) -> None:
    wanted = User("jane", ("dev",), "u-1", (("scopes", ("view",)),))
    with pytest.raises(Forbidden) as caught:
        impersonate(OLD, wanted, LIST, Asked(refused))
    assert caught.value.message == words


def test_an_account_of_another_namespace_has_to_be_allowed_there() -> None:
    with pytest.raises(Forbidden) as caught:
        impersonate(OLD, User(BOT, ()), LIST, Asked("serviceaccounts"))
    assert caught.value.message == (
        'serviceaccounts "bot" is forbidden: User "ben" cannot impersonate resource "serviceaccounts" in API group "" '
        'in the namespace "ours"'
    )


@pytest.mark.parametrize(
    "headers", [(), (("Authorization", "Bearer x"), ("X-Impersonate-User", "root")), (("Impersonate-User", ""),)]
)  # fmt: skip
def test_most_requests_are_in_the_name_of_their_sender(headers: Headers) -> None:
    assert wanted_user(headers) is None


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ((("Impersonate-Uid", "u"),), 'Name:"", UID:"u", Groups:[]string(nil), Extra:map[string][]string(nil)'),
        ((("Impersonate-Group", "a"), ("Impersonate-Group", "b")),
         'Name:"", UID:"", Groups:[]string{"a", "b"}, Extra:map[string][]string(nil)'),
        ((("Impersonate-User", ""), ("Impersonate-Extra-A", "x")),
         'Name:"", UID:"", Groups:[]string(nil), Extra:map[string][]string{"a":[]string{"x"}}'),
    ],
)  # fmt: skip
def test_who_names_a_part_of_a_user_names_the_user(headers: Headers, named: str) -> None:
    with pytest.raises(BadRequest) as caught:
        wanted_user(headers)
    assert caught.value.message == f"requested &user.DefaultInfo{{{named}}} without impersonating a user name"


JANE: Final = User("jane", ())
N1: Final = User("system:node:n1", ())
AUTHN: Final = "authentication.k8s.io"
HERE: Final = "authentication.kubernetes.io/node-name"
#: an agent of a node: its Pod runs on n1
AGENT: Final = User("system:serviceaccount:kube-system:agent", (), "", ((HERE, ("n1",)),))


class Way(NamedTuple):
    name: str
    sender: User
    wanted: User
    #: of the modes that are meant for it, but for the one of old
    modes: tuple[str, ...]
    #: in whose name it is, by the first of these
    user: User
    #: what authorization is asked by it, after the verb on the request
    questions: tuple[tuple[str, ...], ...]


IN_GROUPS: Final = User(
    "jane", ("a", "b", "c", "d"), "u-1", (("acme.com/x", ("1", "2")), ("acme.com/y", ("3", "4")))
)
WAYS = (
    Way("a user", BEN, JANE, ("user-info",), User("jane", (KNOWN,)), ((AUTHN, "users", "", "jane"),)),
    Way("a user with groups", BEN, User("jane", ("dev",)), ("user-info",), User("jane", ("dev", KNOWN)),
        ((AUTHN, "users", "", "jane"), (AUTHN, "groups", "", "dev"))),
    Way("many groups and values are asked for at once", BEN, IN_GROUPS, ("user-info",), replace(IN_GROUPS, groups=("a", "b", "c", "d", KNOWN)),
        ((AUTHN, "users", "", "jane"), (AUTHN, "uids", "", "u-1"), (AUTHN, "groups", "", "*"), (AUTHN, "userextras/*", "", "*"))),
    Way("an account", BEN, User(BOT, ()), ("serviceaccount",), User(BOT, (*ACCOUNTS, KNOWN)), ((AUTHN, "serviceaccounts", "ours", "bot"),)),
    Way("an account with other groups", BEN, User(BOT, ("dev",)), (), BEN, ()),
    Way("a node", BEN, N1, ("arbitrary-node",), User(N1.name, ("system:nodes", KNOWN)), ((AUTHN, "nodes", "", "n1"),)),
    Way("a node with groups", BEN, User(N1.name, ("dev",)), (), BEN, ()),
    Way("what is no node's name", BEN, User("system:node:N_1", ()), ("user-info",), User("system:node:N_1", (KNOWN,)),
        ((AUTHN, "users", "", "system:node:N_1"),)),
    Way("the node that one runs on", AGENT, N1, ("associated-node", "arbitrary-node"), User(N1.name, ("system:nodes", KNOWN)),
        ((AUTHN, "nodes", "", "*"),)),
    Way("another node than that", AGENT, User("system:node:n2", ()), ("arbitrary-node",), User("system:node:n2", ("system:nodes", KNOWN)),
        ((AUTHN, "nodes", "", "n2"),)),
    Way("a user who says to run there, and is no account", replace(AGENT, name="ben"), N1, ("arbitrary-node",),
        User(N1.name, ("system:nodes", KNOWN)), ((AUTHN, "nodes", "", "n1"),)),
    Way("nobody", BEN, User("system:anonymous", ()), ("user-info",), User("system:anonymous", (UNKNOWN,)),
        ((AUTHN, "users", "", "system:anonymous"),)),
)  # fmt: skip


@pytest.mark.parametrize("way", WAYS, ids=[way.name for way in WAYS])
def test_a_constrained_mode_asks_about_the_request_and_then_about_the_user(way: Way) -> None:
    asked = LIST._replace(user=way.sender)
    found = {mode.name: impersonate(mode, way.wanted, asked, Asked()) for mode in CONSTRAINED}
    assert tuple(name for name, made in found.items() if made is not None) == way.modes
    for mode in CONSTRAINED:
        if way.modes and mode.name == way.modes[0]:
            rights = Asked()
            assert impersonate(mode, way.wanted, asked, rights) == (way.user, f"impersonate:{mode.name}")
            assert rights.questions == [
                (f"impersonate-on:{mode.name}:list", "", "pods", "ours", ""),
                *((f"impersonate:{mode.name}", *question) for question in way.questions),
            ]


def test_what_may_not_be_taken_at_once_is_asked_for_one_by_one() -> None:
    rights = Asked("*")
    assert impersonate(INFO, IN_GROUPS, LIST, rights) is not None
    asked = [(what, name) for _, _, what, _, name in rights.questions]
    assert asked[3:] == [
        ("groups", "*"), ("groups", "a"), ("groups", "b"), ("groups", "c"), ("groups", "d"), ("userextras/*", "*"),
        ("userextras/acme.com/x", "1"), ("userextras/acme.com/x", "2"), ("userextras/acme.com/y", "3"),
        ("userextras/acme.com/y", "4"),
    ]  # fmt: skip


IN_AUTHN: Final = (
    'cannot impersonate:user-info resource "{}" in API group "authentication.k8s.io" at the cluster scope'
)


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (User("jane", ("",)), f'groups.authentication.k8s.io is forbidden: User "ben" {IN_AUTHN.format("groups")}: '
         "impersonating the empty string group is not allowed"),
        (User("jane", ("system:masters",)), f'groups.authentication.k8s.io "system:masters" is forbidden: User "ben" '
         f"{IN_AUTHN.format('groups')}: impersonating the system:masters group is not allowed"),
        (User("jane", (), "", (("scopes", ("view",)),)), f'userextras.authentication.k8s.io is forbidden: User "ben" '
         f'{IN_AUTHN.format("userextras")}: impersonating an invalid key in extra is not allowed: extra.key: '
         'Invalid value: "scopes": must be a domain-prefixed path (such as "acme.io/foo")'),
        (User("jane", (), "", (("acme.io/X", ("",)),)), f'userextras.authentication.k8s.io is forbidden: User "ben" '
         f'{IN_AUTHN.format("userextras")}: impersonating a non-lowercase key in extra is not allowed: "acme.io/X"'),
        (User("jane", (), "", (("acme.io/x", ("",)),)), f'userextras.authentication.k8s.io is forbidden: User "ben" '
         f'{IN_AUTHN.format("userextras")}: impersonating the empty string value in extra is not allowed'),
    ],
)  # fmt: skip
def test_some_things_nobody_may_take_by_a_constrained_mode(wanted: User, words: str) -> None:
    with pytest.raises(Forbidden) as caught:
        impersonate(INFO, wanted, LIST, Asked())
    assert caught.value.message == words
    assert impersonate(OLD, wanted, LIST, Asked()) is not None


def test_who_may_be_a_user_may_not_make_any_request_as_them() -> None:
    with pytest.raises(Forbidden) as caught:
        impersonate(INFO, JANE, LIST, Asked("impersonate-on:user-info:list"))
    assert caught.value.message == (
        'pods is forbidden: User "ben" cannot impersonate-on:user-info:list resource "pods" in API group "" in the '
        'namespace "ours"'
    )
