from controller.expectations import MAX_KEYS, TTL_SECONDS, AtRest, Expectations
from vaina.testing.builders import make_pod, make_replica_set


def fulfilled(expectations, *, version=0, there=(), now=0.0):
    return expectations.fulfilled("k", version=version, is_ending=lambda uid: uid not in there, now=now)


def test_nothing_expected_is_fulfilled():
    assert fulfilled(Expectations())


def test_a_creation_is_awaited_until_the_cache_has_its_version():
    expectations = Expectations()
    expectations.created("k", "a", 7, now=0)
    expectations.created("k", "b", 5, now=0)
    assert not fulfilled(expectations, version=6)
    assert fulfilled(expectations, version=7)
    assert fulfilled(expectations, version=0), "what was fulfilled is forgotten"


def test_a_deletion_is_awaited_until_the_cache_shows_the_end():
    expectations = Expectations()
    expectations.deleted("k", "u1", now=0)
    assert not fulfilled(expectations, there=("u1",))
    assert fulfilled(expectations)


def test_an_unknown_creation_holds_everything_up_until_it_is_settled():
    expectations = Expectations()
    expectations.create_unknown("k", "a", now=0)
    assert not fulfilled(expectations, version=10**9)
    assert list(expectations.unknown("k")) == ["a"]
    expectations.settled("k", "a")
    assert fulfilled(expectations)


def test_an_answer_after_all_makes_a_creation_known():
    expectations = Expectations()
    expectations.create_unknown("k", "a", now=0)
    expectations.created("k", "a", 7, now=1)
    assert list(expectations.unknown("k")) == []
    assert not fulfilled(expectations, version=6)


def test_what_never_comes_is_given_up_in_the_end():
    expectations = Expectations()
    expectations.created("k", "a", 7, now=0)
    assert not fulfilled(expectations, now=TTL_SECONDS)
    assert fulfilled(expectations, now=TTL_SECONDS + 1)


def test_keys_do_not_meet():
    expectations = Expectations()
    expectations.created("other", "a", 7, now=0)
    assert fulfilled(expectations)
    expectations.forget("other")
    assert expectations.fulfilled("other", version=0, is_ending=lambda uid: True, now=0)


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
