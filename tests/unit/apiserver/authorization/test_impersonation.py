"""In whose name a request is made, and what its sender has to be allowed for it."""

from typing import NamedTuple

import pytest

from apiserver.authorization.attributes import Attributes
from apiserver.authorization.authorizer import ALLOWED, NO_OPINION, Verdict
from apiserver.authorization.impersonation import impersonated, wanted_user
from vaina.errors import BadRequest, Forbidden
from vaina.serving.handlers import User

BEN = User("ben", ("system:authenticated",))
KNOWN, UNKNOWN = "system:authenticated", "system:unauthenticated"
BOT = "system:serviceaccount:ours:bot"
ACCOUNTS = ("system:serviceaccounts", "system:serviceaccounts:ours")
Headers = tuple[tuple[str, str], ...]


class Asked:
    """Allows what it is told to, and keeps the questions."""

    def __init__(self, *refused: str) -> None:
        self.refused, self.questions = refused, list[tuple[str, ...]]()

    def authorize(self, attributes: Attributes) -> Verdict:
        assert (attributes.user, attributes.verb) == (BEN, "impersonate")
        self.questions.append((
            attributes.group, attributes.combined, attributes.namespace, attributes.name,
        ))  # fmt: skip
        return NO_OPINION if attributes.resource in self.refused else ALLOWED


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
    assert impersonated(wanted, BEN, rights) == case.user
    assert tuple(rights.questions) == case.questions


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
        impersonated(wanted, BEN, Asked(refused))
    assert caught.value.message == words


def test_an_account_of_another_namespace_has_to_be_allowed_there() -> None:
    with pytest.raises(Forbidden) as caught:
        impersonated(User(BOT, ()), BEN, Asked("serviceaccounts"))
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
