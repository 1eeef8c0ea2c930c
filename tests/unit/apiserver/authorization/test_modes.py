"""Which authorizers decide, by the configuration."""

import random

import pytest

from apiserver.authorization.attributes import Attributes
from apiserver.authorization.authorizer import NO_OPINION, Decision, Union, Verdict
from apiserver.authorization.modes import authorization
from apiserver.config import ApiserverConfig
from apiserver.storage.cacher import Cacher
from apiserver.storage.memory import MemoryStorage
from apiserver.storage.resources import resource_of
from vaina.clock import SystemClock
from vaina.config import ConfigError
from vaina.errors import Unavailable
from vaina.kinds import KINDS
from vaina.serving.handlers import User

ASKED = Attributes(User("jane"), "get", resource="pods")
MASTER = Attributes(User("root", ("system:masters",)), "delete", resource="nodes")


def cacher() -> Cacher:
    resources = [resource_of(kind) for kind in KINDS]
    return Cacher(MemoryStorage(), resources, clock=SystemClock(), rng=random.Random(1))


def test_without_certificates_everything_is_allowed() -> None:
    made = authorization(ApiserverConfig(), cacher())
    assert made.roles is None
    assert made.authorizer.authorize(ASKED).is_allowed


@pytest.mark.parametrize(
    "config", [ApiserverConfig(cert_dir="x"), ApiserverConfig(authorization_mode=("RBAC", "Node"))]
)
def test_with_certificates_nodes_and_roles_decide_and_masters_pass(config: ApiserverConfig) -> None:
    made = authorization(config, cacher())
    assert made.roles is not None
    assert made.authorizer.authorize(MASTER).is_allowed
    with pytest.raises(Unavailable):
        made.authorizer.authorize(ASKED)


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown authorization mode Webhook"):
        authorization(ApiserverConfig(authorization_mode=("Node", "Webhook")), cacher())


class Says:
    """Has one answer."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict

    def authorize(self, attributes: Attributes) -> Verdict:
        return self.verdict


def test_the_first_opinion_counts_and_without_any_the_reasons_are_told() -> None:
    no, yes = Says(Verdict(Decision.DENY, "no")), Says(Verdict(Decision.ALLOW, "yes"))
    silent = [
        Says(NO_OPINION),
        Says(Verdict(Decision.NO_OPINION, "a")),
        Says(Verdict(Decision.NO_OPINION, "b")),
    ]
    assert Union([*silent, no, yes]).authorize(ASKED).reason == "no"
    assert Union([*silent, yes, no]).authorize(ASKED).is_allowed
    verdict = Union(silent).authorize(ASKED)
    assert (verdict.is_allowed, verdict.reason) == (False, "a\nb")
    assert Union([]).authorize(ASKED) == NO_OPINION
