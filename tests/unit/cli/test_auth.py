"""`vaina auth`: kubectl's words and exit codes."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from apiserver.authorization.authorizer import Union
from apiserver.authorization.rbac.roles import Roles
from apiserver.build import build
from apiserver.storage.memory import MemoryStorage
from tests.support.command import CommandLine
from tests.support.direct import Direct
from tests.support.rbac import empty_roles, make_binding, make_role, rule
from vaina.serving.handlers import Method, RequestContext, User
from vaina.testing.clock import FakeClock

JANE = User("jane", ("dev", "system:authenticated"))


def as_user(method: Method, user: User) -> Method:
    def call(request: Any, rpc: RequestContext) -> Any:
        rpc.user = user
        return method.fn(request, rpc)

    return Method(method.kind, call)


def command_line(roles: Roles, user: User = JANE) -> CommandLine:
    clock = FakeClock()
    app = build(Direct(MemoryStorage(clock)), clock, authorizer=Union((roles,)), roles=roles)
    return CommandLine({path: as_user(method, user) for path, method in app.handlers.items()}, clock)


@pytest.fixture
def roles() -> Iterator[Roles]:
    made = empty_roles()
    made.put_role(
        make_role(
            "basic",
            rule("create", "selfsubjectaccessreviews selfsubjectrulesreviews", "authorization.k8s.io"),
        )
    )
    made.put_role(make_role("who", rule("create", "selfsubjectreviews", "authentication.k8s.io")))
    made.put_role(
        make_role(
            "work", rule("get list", "pods pods/log"), rule("get", "secrets", names="a"), rule("*", "deployments", "apps"),
            namespace="default",
        )
    )  # fmt: skip
    for name in ("basic", "who"):
        made.put_binding(make_binding(name, "jane"))
    made.put_binding(make_binding("work", "jane", namespace="default"))
    yield made
    asyncio.set_event_loop(None)


ASKED: Sequence[tuple[str, str, int]] = [
    ("get pods", "yes\n", 0),
    ("get po", "yes\n", 0),
    ("get pods --subresource=log", "yes\n", 0),
    ("get pods --subresource=exec", "no\n", 1),
    ("get pods -n other", "no\n", 1),
    ("get pods --all-namespaces", "no\n", 1),
    ("get secrets/a", "yes\n", 0),
    ("get secrets/b", "no\n", 1),
    ("patch deploy.apps", "yes\n", 0),
    ("patch deployments.apps", "yes\n", 0),
    ("get /version", "no\n", 1),
    ("* *", "no\n", 1),
    ("get pods -q", "", 0),
    ("delete pods --quiet", "", 1),
]


@pytest.mark.parametrize(("line", "out", "code"), ASKED)
def test_can_i(roles: Roles, line: str, out: str, code: int) -> None:
    done = command_line(roles).run("auth", "can-i", *line.split())
    assert (done.out, done.code) == (out, code)


WARNED = [
    ("fly pods", "Warning: verb 'fly' is not a known verb\n\n"),
    ("post /x", ""),
    ("fly /x", "Warning: verb 'fly' is not a known verb\n\n"),
    ("get nodes", "Warning: resource 'nodes' is not namespace scoped\n\n"),
    ("get csinodes", "Warning: resource 'csinodes' is not namespace scoped in group 'storage.k8s.io'\n\n"),
    ("get nodes -A", ""),
    ("get bogus", "Warning: the server doesn't have a resource type 'bogus'\n\n"),
    ("get a.b.c", "Warning: the server doesn't have a resource type 'a' in group 'b.c'\n\n"),
    ("impersonate users", ""),
]


@pytest.mark.parametrize(("line", "err"), WARNED)
def test_can_i_warns_of_words_that_nobody_knows(roles: Roles, line: str, err: str) -> None:
    assert command_line(roles).run("auth", "can-i", *line.split()).err == err


def test_a_no_says_what_went_wrong(roles: Roles) -> None:
    roles.put_binding(make_binding("gone", "jane"))
    done = command_line(roles).run("auth", "can-i", "delete", "pods")
    assert done.out == 'no - RBAC: clusterrole.rbac.authorization.k8s.io "gone" not found\n'


def test_can_i_list(roles: Roles) -> None:
    vaina = command_line(roles)
    assert vaina.run("auth", "can-i", "--list").out == (
        "Resources                                       Non-Resource URLs   Resource Names   Verbs\n"
        "deployments.apps                                []                  []               [*]\n"
        "selfsubjectreviews.authentication.k8s.io        []                  []               [create]\n"
        "selfsubjectaccessreviews.authorization.k8s.io   []                  []               [create]\n"
        "selfsubjectrulesreviews.authorization.k8s.io    []                  []               [create]\n"
        "pods/log                                        []                  []               [get list]\n"
        "pods                                            []                  []               [get list]\n"
        "secrets                                         []                  [a]              [get]\n"
    )
    assert vaina.run("auth", "can-i", "--list", "--no-headers", "-n", "x").out.count("\n") == 3
    node = command_line(roles, User("system:node:a", ("system:nodes",)))
    assert node.run("auth", "can-i", "--list").code == 1


WRONG = [
    (
        "get",
        "error: you must specify two arguments: verb resource or verb resource/resourceName.\n"
        "See 'vaina auth can-i -h' for help and examples.\n",
    ),
    ("get pods --list", "error: list option must be specified with no arguments\n"),
    (
        "--list -A",
        "error: list option can't be specified with neither quiet, all-namespaces nor subresource options\n",
    ),
    ("get pods --no-headers", "error: --no-headers cannot be set without --list specified\n"),
    ("get /x --subresource=a", "error: --subresource can not be used with NonResourceURL\n"),
]


@pytest.mark.parametrize(("line", "err"), WRONG)
def test_wrong_words_are_told(roles: Roles, line: str, err: str) -> None:
    done = command_line(roles).run("auth", "can-i", *line.split())
    assert (done.code, done.err) == (1, err)


def test_whoami(roles: Roles) -> None:
    vaina = command_line(roles)
    assert vaina.run("auth", "whoami").out == (
        "ATTRIBUTE   VALUE\nUsername    jane\nGroups      [dev system:authenticated]\n"
    )
    shown = vaina.run("auth", "whoami", "-o", "yaml").out
    assert shown.startswith("apiVersion: authentication.k8s.io/v1\nkind: SelfSubjectReview\n")
    assert "  userInfo:\n    groups:\n    - dev\n    - system:authenticated\n    username: jane\n" in shown
    assert '"username": "jane"' in vaina.run("auth", "whoami", "-o", "json").out
    refused = command_line(roles, User("joe")).run("auth", "whoami")
    assert (refused.code, refused.err) == (
        1, "error: the selfsubjectreviews API is not enabled in the cluster or you do not have permission to call it\n",
    )  # fmt: skip
