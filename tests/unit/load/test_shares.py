"""Shares: read exactly, held exactly, dealt in a turn that depends on the dice alone."""

import random
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.load.shares import apportion, deal, share, weights

COUNTS = st.integers(0, 500)
WEIGHTS = st.lists(
    st.fractions(min_value=Fraction(1, 1000), max_value=1, max_denominator=1000), min_size=1, max_size=20
)


@pytest.mark.parametrize(("text", "value"), [("1/6", Fraction(1, 6)), ("5/10", Fraction(1, 2)), ("1", 1)])
def test_a_share_is_a_fraction(text: str, value: Fraction) -> None:
    assert share(text) == value


@pytest.mark.parametrize("text", ["", "0", "0/3", "1/0", "7/6", "2", "0.5", "-1/2", "1/-2", "1/", "/2", "1/2/3", "a/b", " 1", "²"])  # fmt: skip
def test_what_is_no_share(text: str) -> None:
    with pytest.raises(ValueError, match="is no share like 1/6"):
        share(text)


@pytest.mark.parametrize(
    ("count", "by", "found"),
    [
        (300, [Fraction(1, 6)] * 6, [50] * 6),
        (10, [Fraction(5, 10), Fraction(3, 10), Fraction(1, 10), Fraction(1, 10)], [5, 3, 1, 1]),
        # What is left goes to the largest rest, and of equal ones to the first.
        (5, [Fraction(1, 2), Fraction(1, 2)], [3, 2]),
        (10, [Fraction(2, 3), Fraction(1, 3)], [7, 3]),
        (0, [1, 1], [0, 0]),
        (11, weights("zipf", 3), [6, 3, 2]),
        (7, weights("equal", 3), [3, 2, 2]),
    ],
)
def test_things_are_apportioned(count: int, by: list[Fraction], found: list[int]) -> None:
    assert apportion(count, by) == found


@given(COUNTS, WEIGHTS)
def test_a_share_is_held_but_for_less_than_one_thing(count: int, by: list[Fraction]) -> None:
    found = apportion(count, by)
    assert sum(found) == count
    assert all(abs(number - count * weight / sum(by)) < 1 for number, weight in zip(found, by, strict=True))


@given(COUNTS, WEIGHTS, st.integers())
def test_dealing_keeps_the_numbers_and_follows_the_dice(count: int, by: list[Fraction], seed: int) -> None:
    dealt = deal(count, by, random.Random(seed))
    assert [dealt.count(one) for one in range(len(by))] == apportion(count, by)
    assert deal(count, by, random.Random(seed)) == dealt


def test_turns_are_random() -> None:
    dealt = deal(1000, [1, 1], random.Random(1))
    assert 400 < sum(one != other for one, other in pairwise(dealt)) < 600
    assert deal(1000, [1, 1], random.Random(2)) != dealt


@given(st.integers(1, 300))
def test_zipf_gives_the_app_of_rank_n_the_nth_part_of_the_first(count: int) -> None:
    found = weights("zipf", count)
    assert all(found[0] // rank == weight for rank, weight in enumerate(found, 1))
