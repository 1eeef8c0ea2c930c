"""Which rows are best, beside a list that is sorted again each time."""

import random
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.decide.ranking import NEAR, PIECE, Ranking, RowSet, pick

TOTALS = st.integers(-1, 6)


class Kept:
    """A ranking, and the totals that it follows."""

    def __init__(self, totals: Sequence[int], cells: Sequence[int] | None = None) -> None:
        self.total = np.array(totals, np.int64)
        self.count = 1 if cells is None else max(cells) + 1
        self.cells = [0] * len(totals) if cells is None else cells
        self.ranking = Ranking(self.total, None if cells is None else np.array(cells, np.intp), self.count)

    def set(self, row: int, total: int) -> None:
        before, self.total[row] = self.total.item(row), total
        if before != total:
            self.ranking.changed(row, before, total)

    def check(self, own: Sequence[int] = ()) -> None:
        """Each cell has its best, without the rows that are in groups of their own."""
        for cell, ranking in enumerate(self.ranking.rankings):
            members = [row for row in range(len(self.cells)) if self.cells[row] == cell]
            left = [self.total.item(row) for row in members if row not in own]
            highest = max(left, default=-1)
            found = ranking.best(Counter(self.total.item(row) for row in members if row in own))
            assert ranking.count == sum(self.total.item(row) >= 0 for row in members)
            if highest < 0:
                assert found is None
            else:
                assert found is not None
                level, rows = found
                assert level == highest
                assert rows.array().tolist() == [row for row in members if self.total[row] == highest]


@given(
    rows=st.lists(st.tuples(st.integers(0, 2), TOTALS), min_size=1, max_size=12),
    changes=st.lists(st.tuples(st.integers(0, 11), TOTALS)),
    own=st.lists(st.integers(0, 11), max_size=6, unique=True),
    one=st.booleans(),
)
def test_the_best_of_each_cell_are_those_of_its_highest_total(
    rows: list[tuple[int, int]], changes: list[tuple[int, int]], own: list[int], one: bool
) -> None:
    kept = Kept([total for _, total in rows], None if one else [cell for cell, _ in rows])
    kept.check(own)
    for row, total in changes:
        if row < len(rows):
            kept.set(row, total)
            kept.check(own)
    kept.ranking.forget()
    kept.check()


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
    assert kept.array().tolist() == [*kept] == sorted(there)
    assert [kept.pick(number) for number in range(0, kept.count, 97)] == sorted(there)[::97]
    assert [kept.below(row) for row in sorted(there)[::97]] == [*range(0, kept.count, 97)]


def test_many_rows_that_come_to_one_place_stay_in_their_order() -> None:
    kept = RowSet(np.array([0], np.intp))
    for row in range(5 * PIECE, 0, -1):
        kept.add(row)
    assert kept.array().tolist() == [*range(5 * PIECE + 1)]
    for row in range(0, 5 * PIECE, 2):
        kept.discard(row)
    assert kept.array().tolist() == [*range(1, 5 * PIECE, 2), 5 * PIECE]


@given(
    rows=st.lists(st.integers(-1, 2), min_size=1, max_size=30),
    without=st.sets(st.integers(0, 29), max_size=8),
    also=st.sets(st.integers(0, 29), max_size=8),
)
def test_a_row_is_picked_from_several_sets_in_the_order_of_rows(
    rows: list[int], without: set[int], also: set[int]
) -> None:
    sets = [
        RowSet(np.array([row for row, cell in enumerate(rows) if cell == wanted], np.intp))
        for wanted in range(3)
        if wanted in rows
    ]
    there = {row for row, cell in enumerate(rows) if cell >= 0}
    gone, more = sorted(without & there), sorted(also - there)
    expected = sorted((there - without) | {*more})
    assert [pick(number, sets, gone, more, 30) for number in range(len(expected))] == expected


@pytest.mark.parametrize("seed", range(6))
def test_rows_of_equally_good_cells_are_counted_in_their_order_however_they_lie(seed: int) -> None:
    rng, size = random.Random(seed), 20 * NEAR
    # Thick here and thin there, where nobody would look first.
    middle = rng.randrange(size)
    cells = [rng.choice((0, 1, 1)) if row < middle else 2 for row in range(size)]
    own = [7 if rng.random() < (0.9 if row % (size // 3) < NEAR else 0.02) else 3 for row in range(size)]
    kept = Kept(own, cells)
    for _ in range(300):
        kept.set(rng.randrange(size), rng.choice((3, 7)))
    sets = [found[1] for ranking in kept.ranking.rankings if (found := ranking.best()) is not None]
    assert [pick(number, sets, (), (), size) for number in range(sum(rows.count for rows in sets))] == [
        row for row in range(size) if kept.total[row] == 7
    ]
