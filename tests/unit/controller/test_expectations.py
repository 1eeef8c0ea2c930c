from controller.expectations import TTL_SECONDS, Expectations


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
