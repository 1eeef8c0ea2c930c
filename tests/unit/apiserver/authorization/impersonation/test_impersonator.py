"""Who may be whom: which way is tried first, and what is counted."""

from typing import Final

import pytest
from prometheus_client import CollectorRegistry

from apiserver.authorization.attributes import Attributes
from apiserver.authorization.authorizer import ALLOWED, NO_OPINION, Verdict
from apiserver.authorization.impersonation.impersonator import Impersonator
from apiserver.authorization.impersonation.metrics import ImpersonationMetrics
from vaina.errors import Forbidden
from vaina.serving.handlers import User
from vaina.testing.clock import FakeClock

LIST: Final = Attributes(User("ben", ()), "list", "", "pods", "", "ours")
BY_INFO: Final = ("impersonate-on:user-info:list", "impersonate:user-info")


class Rights:
    """Allows these verbs; who has `impersonate` alone may be jane and nobody else."""

    def __init__(self, *verbs: str) -> None:
        self.verbs, self.asked = verbs, list[str]()

    def authorize(self, attributes: Attributes) -> Verdict:
        self.asked.append(attributes.verb)
        is_jane = attributes.verb != "impersonate" or attributes.name == "jane"
        return ALLOWED if attributes.verb in self.verbs and is_jane else NO_OPINION


def make(rights: Rights) -> tuple[Impersonator, CollectorRegistry]:
    registry = CollectorRegistry()
    return Impersonator(rights, ImpersonationMetrics(registry), FakeClock()), registry


@pytest.mark.parametrize(
    ("verbs", "constraint"), [(BY_INFO, "impersonate:user-info"), (("impersonate",), ""), ((*BY_INFO, "impersonate"), "impersonate:user-info")]
)  # fmt: skip
def test_who_needs_less_is_asked_for_less(verbs: tuple[str, ...], constraint: str) -> None:
    impersonator, _ = make(Rights(*verbs))
    found = impersonator.impersonated(User("jane", ()), LIST)
    assert (found.user.name, found.constraint) == ("jane", constraint)


def test_the_way_that_was_allowed_the_last_time_is_tried_first() -> None:
    rights = Rights("impersonate")
    impersonator, _ = make(rights)
    with pytest.raises(Forbidden, match="cannot impersonate-on:user-info:list resource"):
        impersonator.impersonated(User("root", ()), LIST)
    impersonator.impersonated(User("jane", ()), LIST)
    rights.asked.clear()
    impersonator.impersonated(User("jane", ()), LIST)
    assert rights.asked == ["impersonate"]
    with pytest.raises(Forbidden, match='users "root" is forbidden: User "ben" cannot impersonate resource'):
        impersonator.impersonated(User("root", ()), LIST)


def test_a_right_that_was_taken_away_is_gone() -> None:
    rights = Rights(*BY_INFO)
    impersonator, _ = make(rights)
    impersonator.impersonated(User("jane", ()), LIST)
    rights.verbs = ()
    with pytest.raises(Forbidden):
        impersonator.impersonated(User("jane", ()), LIST)


def test_attempts_are_counted_by_mode_and_decision() -> None:
    impersonator, registry = make(Rights("impersonate"))
    impersonator.impersonated(User("jane", ()), LIST)
    with pytest.raises(Forbidden):
        impersonator.impersonated(User("root", ()), LIST)

    def count(name: str, mode: str, decision: str) -> float | None:
        return registry.get_sample_value(name, {"mode": mode, "decision": decision})

    attempts, questions = (
        "apiserver_impersonation_attempts_total",
        "apiserver_impersonation_authorization_attempts_total",
    )
    assert (count(attempts, "legacy", "allowed"), count(attempts, "", "denied")) == (1, 1)
    assert (count(questions, "legacy", "allowed"), count(questions, "legacy", "denied")) == (1, 1)
    assert count(questions, "user-info", "denied") == 2
    seconds = "apiserver_impersonation_attempts_duration_seconds_count"
    assert count(seconds, "legacy", "allowed") == 1
