"""What is tried in a copy of the judge's world changes nothing in the world itself."""

from collections.abc import Callable

import pytest

from bench.judge.reference import World
from bench.judge.reference.world import Placed
from tests.unit.scheduler.objects import node
from tests.unit.support.test_scheduling_history import ZONE, apart, app, together


def world() -> World:
    made = World()
    made.set_node(node("n1", labels={ZONE: "a"}))
    made.place(app("there"), "n1")
    return made


@pytest.mark.parametrize(
    "copied",
    [
        lambda made: made.with_more([]),
        lambda made: made.without({"nobody"}),
        lambda made: made.with_only("n1", made.on("n1")),
    ],
    ids=["with more", "without some", "with one node's only"],
)
def test_pods_that_come_and_go_in_a_copy_leave_the_world_as_it_was(copied: Callable[[World], World]) -> None:
    made = world()
    other = copied(made)
    for one in (together(app("friend"), ZONE, "db"), apart(app("hermit"), ZONE, "db")):
        other.place(one, "n1")
    other.remove(app("there").metadata.uid)
    assert [placed.pod.metadata.name for placed in made.on("n1")] == ["there"]
    assert (len(made.pods), made.sociable, made.hermits) == (1, set(), set())


def test_a_copy_knows_only_its_own_pods_as_sociable() -> None:
    made = world()
    friend = together(app("friend"), ZONE, "db")
    made.place(friend, "n1")
    assert made.without({friend.metadata.uid}).sociable == set()
    assert made.with_only("n1", []).sociable == set()
    assert made.without({friend.metadata.uid}).with_more([Placed(friend, "n1")]).sociable == {
        friend.metadata.uid
    }
