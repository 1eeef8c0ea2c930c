"""Values by code, counted and used again."""

from scheduler.columns.labels import ABSENT, Interner
from scheduler.columns.pod_counts import Journal


def test_equal_values_share_a_code_until_the_last_holder_lets_go() -> None:
    interner: Interner[str] = Interner()
    one = interner.acquire("a")
    assert (interner.acquire("a"), interner.acquire("b")) == (one, 2)
    interner.release(one)
    assert interner.find("a") == one
    interner.release(one)
    assert interner.find("a") == ABSENT
    assert interner.acquire("c") == one
    assert (len(interner), interner.size) == (2, 3)


def test_letting_go_of_nothing_is_no_error() -> None:
    interner: Interner[str] = Interner()
    interner.release(ABSENT)
    assert len(interner) == 0


def test_a_journal_gives_what_came_after_a_position_or_says_that_it_cannot() -> None:
    journal = Journal(limit=4)
    start = journal.position
    journal.pods_changed(3)
    journal.node_changed(5)
    assert journal.since(start) == [3, ~5]
    middle = journal.position
    for row in range(3):
        journal.pods_changed(row)
    assert journal.since(start) is None
    assert journal.since(middle) == [0, 1, 2]
    assert journal.position == start + 5
