"""Whether scheduler and controllers may do what they do, by the roles of each alone.

As a plugin (`-p tests.support.own_rights --asked=FILE`) it holds scheduler and controllers of a run of unit
tests to their own roles: what these do not allow is refused. At the end it writes who asked what.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final

import pytest

from apiserver.authorization.attributes import Attributes
from apiserver.authorization.authorizer import ALLOWED, NO_OPINION, AlwaysAllow, Authorizer, Verdict
from apiserver.authorization.rbac import policy
from apiserver.authorization.rbac.rules import allows
from scheduler.scheduler import Scheduler
from scheduler.service import SERVICE
from tests.support import apiserver
from vaina import controller
from vaina.objects.rules import Rule, rules_of
from vaina.serving.delegated import Delegated
from vaina.serving.handlers import ANONYMOUS, User

#: who asks: empty for what controllers share, informers and Events, and for tests
CONTROLLER: ContextVar[str] = ContextVar("controller", default="")
#: controllers whose roles have other names than they have with `-controller`
_ROLE_OF: Final[Mapping[str, str]] = {
    "csrapproving": "certificate-controller",
    "csrsigning": "certificate-controller",
    "csrcleaner": "certificate-controller",
    "daemonset": "daemon-set-controller",
    "ephemeral-volume": "ephemeral-volume-controller",
    "garbage-collector": "generic-garbage-collector",
    "horizontalpodautoscaling": "horizontal-pod-autoscaler",
    "local-path": "local-path-provisioner",
    "node-ipam": "node-ipam-controller",
    "node-lifecycle": "node-controller",
    "persistentvolume-binder": "persistent-volume-binder",
    "pod-gc": "pod-garbage-collector",
    "replicationcontroller": "replication-controller",
    "root-ca-cert-publisher": "root-ca-cert-publisher",
    "serviceaccount": "service-account-controller",
    "serviceaccount-token": "service-account-token-controller",
    "stale-pod-disruption": "disruption-controller",
    "tokencleaner": "token-cleaner",
    "trace-collector": "trace-collector",
}
#: the scheduler's
_SCHEDULER_ROLES: Final = (
    policy.SCHEDULER, "system:volume-scheduler", f"system::leader-locking-{policy.SCHEDULER.removeprefix('system:')}",
)  # fmt: skip
#: asked by admission of those who write roles; nobody need be granted it
_NOT_GRANTED: Final = frozenset(("escalate", "bind"))

Asked = dict[str, set[Attributes]]


def role_of(name: str) -> str:
    """Return the role of a controller, without what all names of roles begin with."""
    return _ROLE_OF.get(name, f"{name}-controller")


def rules_named(role: str) -> Iterable[Rule]:
    """Yield the rules of all default roles of that name."""
    name = role if role.startswith("system:") else f"system:controller:{role}"
    defaults: list[Any] = [*policy.cluster_roles(), *policy.roles()]
    for made in defaults:
        if made.metadata.name == name:
            yield from rules_of(made.rules)


def may(name: str, question: Attributes) -> bool:
    """Say whether the scheduler's roles allow something, or a controller's own and the one that all share."""
    roles = _SCHEDULER_ROLES if name == "scheduler" else (policy.CONTROLLERS, role_of(name))
    rules = [rule for role in roles for rule in rules_named(role)]
    return question.verb in _NOT_GRANTED or any(allows(rule, question) for rule in rules)


@contextmanager
def callers_named() -> Iterator[None]:
    """Say in `CONTROLLER` which controller makes a call, or that the scheduler does."""
    run, schedule, check = controller.Controller.run, Scheduler.run, Delegated.check

    async def run_by_name(self: controller.Controller) -> None:
        CONTROLLER.set(self.name)
        await run(self)

    async def schedule_by_name(self: Scheduler) -> None:
        CONTROLLER.set("scheduler")
        await schedule(self)

    async def check_by_name(self: Delegated, user: User, path: str) -> None:
        # Its process asks, when somebody else calls its own service.
        token = CONTROLLER.set("scheduler" if path.startswith(f"/{SERVICE}/") else CONTROLLER.get())
        try:
            await check(self, user, path)
        finally:
            CONTROLLER.reset(token)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(controller.Controller, "run", run_by_name)
        patch.setattr(Scheduler, "run", schedule_by_name)
        patch.setattr(Delegated, "check", check_by_name)
        yield


class _OwnRights:
    """Lets controllers do what their roles say, and tests what another authorizer does."""

    def __init__(self, asked: Asked, others: Authorizer) -> None:
        self._asked, self._others = asked, others
        self._known: dict[tuple[str, Attributes], bool] = {}

    def authorize(self, attributes: Attributes) -> Verdict:
        name = CONTROLLER.get()
        # A review asks about somebody else.
        if not name or attributes.user != ANONYMOUS:
            return self._others.authorize(attributes)
        self._asked[name].add(attributes)
        key = name, attributes
        if key not in self._known:
            self._known[key] = may(name, attributes)
        return ALLOWED._replace(any_name=False) if self._known[key] else NO_OPINION


def read_asked(path: Path) -> Asked:
    """Return what a run of tests has written."""
    found: Asked = defaultdict(set)
    for name, *words in json.loads(path.read_text()):
        found[name].add(Attributes(User(""), *words))
    return found


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--asked", help="where what the controllers asked is written")


def pytest_runtestloop(session: pytest.Session) -> None:
    asked: Asked = defaultdict(set)
    build, patch = apiserver.build, pytest.MonkeyPatch()

    def build_with_rights(*arguments: Any, authorizer: Any = None, **others: Any) -> Any:
        return build(*arguments, authorizer=_OwnRights(asked, authorizer or AlwaysAllow()), **others)

    patch.setattr(apiserver, "build", build_with_rights)
    named = callers_named()
    named.__enter__()

    def end() -> None:
        named.__exit__(None, None, None)
        patch.undo()
        lines = sorted(
            {(name, *question[1:7]) for name, questions in asked.items() for question in questions}
        )
        Path(session.config.getoption("--asked")).write_text(json.dumps(lines))

    session.config.add_cleanup(end)
