"""What needed nothing when it was looked at last: known again while it is the very same, and not otherwise."""

from controller.expectations import MAX_KEYS, AtRest
from vaina.testing.builders import make_pod, make_replica_set


def test_the_very_same_objects_are_known_again() -> None:
    rest, owner, pods = AtRest(), make_replica_set("web"), [make_pod("a"), make_pod("b")]
    assert not rest.is_same("web", owner, pods)
    rest.note("web", owner, pods)
    assert rest.is_same("web", owner, [*pods])
    assert not rest.is_same("other", owner, pods)


def test_another_owner_another_pod_or_one_less_is_not_the_same() -> None:
    rest, owner, pods = AtRest(), make_replica_set("web"), [make_pod("a"), make_pod("b")]
    rest.note("web", owner, pods)
    # Equal, and yet another state of it: the cache has put it there since.
    assert not rest.is_same("web", make_replica_set("web"), pods)
    assert not rest.is_same("web", owner, [pods[0], make_pod("b")])
    assert not rest.is_same("web", owner, pods[:1])
    assert not rest.is_same("web", owner, [*pods, make_pod("c")])


def test_what_needed_something_is_forgotten() -> None:
    rest, owner = AtRest(), make_replica_set("web")
    rest.note("web", owner, [])
    rest.forget("web")
    rest.forget("web")
    assert not rest.is_same("web", owner, [])


def test_as_many_are_remembered_as_stated() -> None:
    rest, owner = AtRest(), make_replica_set("web")
    for number in range(MAX_KEYS + 1):
        rest.note(str(number), owner, [])
    assert not rest.is_same("0", owner, [])
    assert rest.is_same("1", owner, [])
    assert rest.is_same(str(MAX_KEYS), owner, [])
