"""The roles of scheduler and controllers are as narrow as they can be: each rule is asked for, and no more.

Stories are told with the names of all parts, and unit tests run with controllers that have their own rights
alone. What each asked is held against its role: without a rule of it something would be refused. What no story
comes to for certain has a unit test (`tests/unit/controller/test_seldom.py`).
"""

import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import pytest

from apiserver.authorization.attributes import Attributes
from apiserver.authorization.authorizer import Authorizer, Verdict
from apiserver.authorization.modes import Authorization
from apiserver.authorization.rbac import policy
from apiserver.authorization.rbac.controller_policy import CONTROLLER_ROLES
from apiserver.authorization.rbac.rules import allows
from apiserver.storage.cacher import Cacher
from tests.simulation.journal import AUTHOR
from tests.simulation.simulate import simulate
from tests.simulation.story import draw
from tests.simulation.world import World
from tests.support.own_rights import CONTROLLER, Asked, callers_named, may, read_asked, role_of, rules_named
from vaina.objects.rules import Rule, pieces

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(600)]

_ROOT: Final = Path(__file__).parents[2]
_STORIES: Final = range(1, 21)
#: unit tests whose controllers (and scheduler) have their own rights alone
_UNIT_TESTS: Final = (
    "tests/unit/controller", "tests/unit/scheduler/bind/test_volume_binding.py",
    "tests/unit/scheduler/test_who_may_call.py",
)  # fmt: skip
#: roles with rules for many kinds, of which the same is asked
_OF_EVERY_KIND: Final = ("generic-garbage-collector", "namespace-controller")


class _Recorder:
    """Remembers who asked what, and asks on."""

    def __init__(self, authorizer: Authorizer, asked: Asked) -> None:
        self._authorizer, self._asked = authorizer, asked

    def authorize(self, attributes: Attributes) -> Verdict:
        role = AUTHOR.get().role
        if role in {"scheduler", "controller"}:
            self._asked[CONTROLLER.get() or role].add(attributes)
        return self._authorizer.authorize(attributes)


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    """What scheduler and controllers ask in some stories and unit tests, by the name of the controller."""
    found: Asked = defaultdict(set)

    class Recorded(World):
        def authorization(self, cacher: Cacher) -> Authorization:
            made = super().authorization(cacher)
            return made._replace(authorizer=_Recorder(made.authorizer, found))

    with callers_named():
        for seed in _STORIES:
            assert simulate(draw(seed), world_of=Recorded).violation is None
    path = tmp_path_factory.mktemp("asked") / "asked.json"
    done = subprocess.run(
        [
            sys.executable, "-m", "pytest", *_UNIT_TESTS, "-q", "-p", "tests.support.own_rights", f"--asked={path}",
            "-p", "no:cacheprovider", "--timeout=60", "--ignore-glob=*/test_reconcile.py",
            "--ignore-glob=*/test_graph.py",
        ],
        cwd=_ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    # With its own role alone each does all that its tests want.
    assert done.returncode == 0, done.stdout[-5000:]
    for name, questions in read_asked(path).items():
        found[name] |= questions
    return found


def test_each_controller_asks_only_for_what_its_role_and_the_shared_one_allow(asked: Asked) -> None:
    beyond = {
        (name, question.verb, question.group, question.combined)
        for name, questions in asked.items()
        if name not in {"scheduler", "controller"}
        for question in questions
        if not may(name, question)
    }
    assert len(asked) > 25
    assert beyond == set()


@pytest.mark.parametrize(
    "role", [*CONTROLLER_ROLES, "token-cleaner", policy.SCHEDULER, "system:volume-scheduler"]
)
def test_without_any_rule_of_a_role_something_would_be_refused(role: str, asked: Asked) -> None:
    names = [name for name in asked if role_of(name) == role] or ["scheduler"]
    questions = [question for name in names for question in asked[name]]
    every = [piece for rule in rules_named(role) for piece in pieces(rule)]
    unused = {piece for piece in every if not _is_needed(piece, every, questions)}
    if role in _OF_EVERY_KIND:
        # Of every kind the same is asked.
        unused -= {
            piece for piece in unused if any(question.verb == piece.verbs[0] for question in questions)
        }
    assert unused == set()


def _is_needed(piece: Rule, every: Sequence[Rule], questions: Iterable[Attributes]) -> bool:
    """Say whether something that was asked would be refused without a piece of a role."""
    if piece.verbs == ("list",):
        # A list is what a watch falls back to.
        watch = piece._replace(verbs=("watch",))
        return any(allows(piece, question) or allows(watch, question) for question in questions)
    others = [other for other in every if other != piece]
    return any(
        allows(piece, question) and not any(allows(other, question) for other in others)
        for question in questions
    )
