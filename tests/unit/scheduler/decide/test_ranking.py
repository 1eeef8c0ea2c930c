"""Which rows are best, beside a list that is sorted again each time."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.decide.cell_ranking import NEAR, CellRanking
from scheduler.decide.ranking import PIECE, Ranking, RowSet

TOTALS = st.integers(-1, 6)


def check(ranking: Ranking, totals: list[int]) -> None:
    highest = max(totals)
    best = [row for row, total in enumerate(totals) if total == highest and total >= 0]
    assert ranking.ties == len(best)
    assert [ranking.pick(number) for number in range(len(best))] == best
    assert ranking.best().tolist() == best


@given(
    totals=st.lists(TOTALS, min_size=1, max_size=12), changes=st.lists(st.tuples(st.integers(0, 11), TOTALS))
)
def test_the_best_are_those_of_the_highest_total(totals: list[int], changes: list[tuple[int, int]]) -> None:
    ranking = Ranking(len(totals))
    ranking.replace(np.array(totals, np.int64))
    check(ranking, totals)
    for row, total in changes:
        if row < len(totals):
            ranking.set(row, total)
            totals[row] = total
            check(ranking, totals)
    assert [ranking.total(row) for row in range(len(totals))] == totals


@given(
    totals=st.lists(TOTALS, min_size=1, max_size=12),
    changes=st.lists(st.tuples(st.integers(0, 11), st.integers(0, 6))),
)
def test_a_best_row_is_taken_out_and_put_back_elsewhere(
    totals: list[int], changes: list[tuple[int, int]]
) -> None:
    ranking, beside = Ranking(len(totals)), Ranking(len(totals))
    for made in (ranking, beside):
        made.replace(np.array(totals, np.int64))
    for number, total in changes:
        if not ranking.ties:
            break
        row = beside.pick(number % beside.ties)
        assert ranking.take(number % ranking.ties) == row
        ranking.put(row, total)
        beside.set(row, total)
        totals[row] = total
        check(ranking, totals)
        assert (ranking.ties, ranking.highest) == (beside.ties, beside.highest)


@pytest.mark.parametrize("first", [0, 1, PIECE, 3 * PIECE + 7])
def test_rows_stay_in_their_order(first: int) -> None:
    rng, size = random.Random(first), 6 * PIECE
    rows = sorted(rng.sample(range(size), first))
    kept, there = RowSet(np.array(rows, np.intp)), {*rows}
    for _ in range(3 * PIECE):
        row = rng.randrange(size)
        if row in there and len(there) > 1:
            there.discard(row)
            kept.discard(row)
        elif row not in there:
            there.add(row)
            kept.add(row)
    assert kept.count == len(there)
    assert kept.array().tolist() == sorted(there)
    assert [kept.pick(number) for number in range(0, kept.count, 97)] == sorted(there)[::97]


def test_many_rows_that_come_to_one_place_stay_in_their_order() -> None:
    kept = RowSet(np.array([0], np.intp))
    for row in range(5 * PIECE, 0, -1):
        kept.add(row)
    assert kept.array().tolist() == [*range(5 * PIECE + 1)]
    for row in range(0, 5 * PIECE, 2):
        kept.discard(row)
    assert kept.array().tolist() == [*range(1, 5 * PIECE, 2), 5 * PIECE]


@given(
    rows=st.lists(st.tuples(st.integers(0, 2), TOTALS), min_size=1, max_size=12),
    gets=st.tuples(*[st.integers(0, 3)] * 3),
    changes=st.lists(st.one_of(st.tuples(st.integers(0, 11), TOTALS), st.tuples(*[st.integers(0, 3)] * 3))),
)
def test_with_cells_the_best_are_those_of_the_highest_sum(
    rows: list[tuple[int, int]], gets: tuple[int, ...], changes: list[tuple[int, ...]]
) -> None:
    cells, own = [cell for cell, _ in rows], [total for _, total in rows]
    ranking = CellRanking(np.array(cells, np.intp), gets)
    ranking.replace(np.array(own, np.int64))
    for change in [gets, *changes]:
        if len(change) == 3:
            gets = change
            ranking.shift(gets)
        elif change[0] < len(own):
            own[change[0]] = change[1]
            ranking.set(*change)
        sums = [total + gets[cell] if total >= 0 else -1 for cell, total in zip(cells, own, strict=True)]
        best = [row for row, total in enumerate(sums) if total == max(sums) and total >= 0]
        assert ranking.ties == len(best)
        assert [ranking.pick(number) for number in range(len(best))] == best
        assert {*best} <= {*ranking.nearly_best().tolist()}


@pytest.mark.parametrize("seed", range(6))
def test_rows_of_equally_good_cells_are_counted_in_their_order_however_they_lie(seed: int) -> None:
    rng, size = random.Random(seed), 20 * NEAR
    # Thick here and thin there, where nobody would look first.
    middle = rng.randrange(size)
    cells = [rng.choice((0, 1, 1)) if row < middle else 2 for row in range(size)]
    own = [7 if rng.random() < (0.9 if row % (size // 3) < NEAR else 0.02) else 3 for row in range(size)]
    ranking = CellRanking(np.array(cells, np.intp), [1, 1, 1])
    ranking.replace(np.array(own, np.int64))
    for _ in range(300):
        row = rng.randrange(size)
        own[row] = rng.choice((3, 7))
        ranking.set(row, own[row])
    assert [ranking.pick(number) for number in range(ranking.ties)] == [
        row for row in range(size) if own[row] == 7
    ]
