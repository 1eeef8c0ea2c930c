"""How large each ReplicaSet becomes: rolling, recreating, scaling in proportion."""

from dataclasses import dataclass
from typing import Any

import pytest

from controller.deployment.rollout import is_scaling, may_recreate, new_size, roll, scale, size_of
from tests.unit.controller.deployment.cases import NEW, deployment, replica_set
from vaina.api.meta.v1 import meta_pb2
from vaina.objects.rollouts import amount_of, fenceposts
from vaina.testing.builders import make_deployment


@dataclass(frozen=True)
class Fence:
    name: str
    replicas: int
    surge: int | str
    unavailable: int | str
    want: tuple[int, int]


FENCES = [
    Fence("numbers are numbers", 10, 3, 2, (3, 2)),
    Fence("a share of surge is rounded up, of unavailability down", 10, "25%", "25%", (3, 2)),
    Fence("of one replica a quarter is one more and none away", 1, "25%", "25%", (1, 0)),
    Fence("where both are nothing one may be away", 3, 0, "10%", (0, 1)),
    Fence("a hundredth of a hundred is one", 100, "1%", "1%", (1, 1)),
    Fence("all of them", 4, "100%", "100%", (4, 4)),
    Fence("more than all on top", 4, "200%", 0, (8, 0)),
    Fence("no more may be away than there are", 2, 0, 5, (0, 2)),
    Fence("of no replicas none is away", 0, "25%", "25%", (0, 0)),
    Fence("a third of seven", 7, "33%", "33%", (3, 2)),
]


@pytest.mark.parametrize("case", FENCES, ids=lambda case: case.name)
def test_how_many_may_be_too_many_or_away(case):
    made = make_deployment(replicas=case.replicas, max_surge=case.surge, max_unavailable=case.unavailable)
    assert fenceposts(made) == case.want


def test_a_text_that_is_no_share_is_nothing_and_recreate_has_no_fences():
    made = make_deployment(max_surge="many")
    assert amount_of(made.spec.strategy.rolling_update.max_surge, 10, round_up=True) == 0
    assert fenceposts(make_deployment(replicas=5, recreate=True)) == (0, 0)


def test_a_share_of_more_digits_than_a_number_has_is_nothing():
    # The apiserver takes any share as maxSurge, as upstream's does.
    amount = meta_pb2.IntOrString(type=1, str_val="9" * 5000 + "%")
    assert amount_of(amount, 10, round_up=True) == 0


@dataclass(frozen=True)
class Roll:
    name: str
    #: (replicas, available) of the new one, and of the old ones, the oldest first
    new: tuple[int, int]
    old: tuple[tuple[int, int], ...]
    want: dict[str, int]
    replicas: int = 10
    surge: int | str = 3
    unavailable: int | str = 2


ROLLS = [
    Roll("nothing is there: all at once", (0, 0), (), {"new": 10}),
    Roll("all is done", (10, 10), (), {}),
    Roll("the new one grows by the surge", (0, 0), ((10, 10),), {"new": 3}),
    Roll("the old one shrinks by what may be away", (3, 0), ((10, 10),), {"old0": 8}),
    Roll("the new one takes the room", (3, 0), ((8, 8),), {"new": 5}),
    Roll("no further while none of the new ones is available", (5, 0), ((8, 8),), {}),
    Roll("each that becomes available lets an old one go", (5, 3), ((8, 8),), {"old0": 5}),
    Roll("the last old one goes", (10, 9), ((1, 1),), {"old0": 0}),
    Roll("no more new ones than wished for", (9, 9), ((1, 1),), {"new": 10}),
    Roll("a new one that is too large shrinks", (12, 12), (), {"new": 10}),
    Roll("unavailable old ones go first", (3, 0), ((5, 5), (5, 3)), {"old1": 3}),
    Roll("and the oldest of those first", (3, 0), ((5, 4), (5, 4)), {"old0": 4, "old1": 4}),
    Roll("of available ones the oldest goes first", (3, 0), ((5, 5), (5, 5)), {"old0": 3}),
    Roll("several in one step", (6, 6), ((2, 2), (5, 5)), {"old0": 0, "old1": 2}),
    Roll("a dead old template goes though the new one is not ready", (3, 0), ((10, 8),), {"old0": 8}),
    Roll(
        "an old template of which nothing lives goes as far as the new one lets it",
        (3, 0),
        ((10, 0),),
        {"old0": 8},
    ),
    Roll("nothing is taken from too few", (3, 0), ((10, 7),), {"old0": 8}),
    Roll("but where nothing may be away", (1, 0), ((10, 10),), {}, surge=1, unavailable=0),
    Roll("one by one", (1, 1), ((10, 10),), {"old0": 9}, surge=1, unavailable=0),
    Roll("without surge an old one goes first", (0, 0), ((10, 10),), {"old0": 9}, surge=0, unavailable=1),
    Roll("then a new one comes", (0, 0), ((9, 9),), {"new": 1}, surge=0, unavailable=1),
    Roll("and is waited for", (1, 0), ((9, 9),), {}, surge=0, unavailable=1),
    Roll("everything at once", (0, 0), ((10, 10),), {"new": 10}, surge="100%", unavailable="100%"),
    Roll("and all old ones with it", (10, 0), ((10, 10),), {"old0": 0}, surge="100%", unavailable="100%"),
    Roll(
        "one replica is there twice for a while",
        (0, 0),
        ((1, 1),),
        {"new": 1},
        replicas=1,
        surge="25%",
        unavailable="25%",
    ),
    Roll("until the new one is available", (1, 0), ((1, 1),), {}, replicas=1, surge="25%", unavailable="25%"),
    Roll("then the old one goes", (1, 1), ((1, 1),), {"old0": 0}, replicas=1, surge="25%", unavailable="25%"),
    Roll("no replicas: the new one goes", (3, 3), (), {"new": 0}, replicas=0),
    Roll("no replicas: old ones go", (0, 0), ((3, 3),), {"old0": 0}, replicas=0),
    Roll("too many of all: the new one waits", (0, 0), ((15, 15),), {"old0": 8}),
    Roll("a roll-over: both old ones give way", (0, 0), ((8, 8), (5, 0)), {"old1": 0}),
]


@pytest.mark.parametrize("case", ROLLS, ids=lambda case: case.name)
def test_a_step_of_a_rolling_update(case):
    made = deployment(case.replicas, max_surge=case.surge, max_unavailable=case.unavailable)
    new = size_of(replica_set(made, NEW, *case.new))
    old = [size_of(replica_set(made, f"old{index}", *sizes)) for index, sizes in enumerate(case.old)]
    assert roll(made, new, old) == case.want


def test_a_status_that_lags_behind_is_no_reason_to_take_more():
    made = deployment(10, max_surge=3, max_unavailable=2)
    old = replica_set(made, "old", 8, available=10)
    assert size_of(old).available == 8
    assert roll(made, size_of(replica_set(made, NEW, 5, 3)), [size_of(old)]) == {"old": 5}


def test_recreating_waits_for_what_is_left_of_older_ones():
    made = deployment(3, recreate=True)
    assert new_size(made, 0, 0) == 3
    assert may_recreate([])
    assert may_recreate([replica_set(made, "a", 0)])
    for left in (
        replica_set(made, "a", 1),
        replica_set(made, "a", 0, current=1),
        replica_set(made, "a", 0, terminating=1),
    ):
        assert not may_recreate([replica_set(made, "b", 0), left])
    unseen = replica_set(made, "a", 0)
    unseen.metadata.generation = 2
    assert not may_recreate([unseen])


@dataclass(frozen=True)
class Scale:
    name: str
    replicas: int
    before: int
    #: name -> sizes; the one called "new" has the template
    sets: dict[str, int]
    want: dict[str, int]
    options: Any = ()


SCALES = [
    Scale("one alone gets all", 10, 5, {"new": 5}, {"new": 10}),
    Scale("also one of an older template", 10, 5, {"new": 0, "a": 5}, {"a": 10}),
    Scale("where none has Pods the new one does", 10, 5, {"new": 0, "a": 0}, {"new": 10}),
    Scale("without a new one the latest does", 4, 4, {"a": 0, "b": 0}, {"b": 4}),
    Scale("up in proportion", 15, 10, {"new": 5, "a": 8}, {"new": 7, "a": 12}),
    Scale("down in proportion", 5, 10, {"new": 5, "a": 8}, {"new": 3, "a": 4}),
    Scale(
        "the larger ones first: no more is added than there is room for",
        20,
        10,
        {"new": 3, "a": 5, "b": 5},
        {"new": 5, "a": 10, "b": 10},
    ),
    Scale("to none", 0, 10, {"new": 5, "a": 8}, {"new": 0, "a": 0}),
    Scale("equal ones: the newer grows", 11, 10, {"new": 6, "a": 6}, {"new": 8, "a": 6}),
    Scale("nothing to share", 10, 10, {"new": 5, "a": 8}, {"new": 5, "a": 8}),
    Scale("recreating shares nothing", 12, 10, {"new": 5, "a": 5}, {"new": 5, "a": 5}, (("recreate", True),)),
]


@pytest.mark.parametrize("case", SCALES, ids=lambda case: case.name)
def test_scaling_without_rolling_on(case):
    made = deployment(case.replicas, max_surge="25%", **dict(case.options))
    made.status.replicas = sum(case.sets.values())
    every = {
        name: replica_set(
            made, name, size, available=0 if name == NEW else size, age=100 - index, scaled_for=case.before
        )
        for index, (name, size) in enumerate(reversed(case.sets.items()))
    }
    new = every.pop(NEW, None)
    found = scale(made, new, sorted(every.values(), key=lambda rs: rs.metadata.name))
    assert {name: size for name, size in found.items() if name in case.want} == case.want


def test_a_new_one_that_has_all_lets_the_others_go():
    made = deployment(5)
    new, old = replica_set(made, NEW, 5), replica_set(made, "old", 2, age=10)
    assert scale(made, new, [old]) == {"old": 0}
    assert scale(made, replica_set(made, NEW, 5, 4), [old]) != {"old": 0}


def test_scaling_is_known_by_what_was_noted_on_sets_with_pods():
    made = deployment(5)
    assert not is_scaling(made, [replica_set(made, NEW, 5), replica_set(made, "a", 0, scaled_for=9)])
    assert is_scaling(made, [replica_set(made, NEW, 5), replica_set(made, "a", 2, scaled_for=9)])
    bare = replica_set(made, NEW, 4)
    bare.metadata.annotations.clear()
    assert not is_scaling(made, [bare])
