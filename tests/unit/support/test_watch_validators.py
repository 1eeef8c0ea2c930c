"""The checks of recorded watches accept what is right and find each way in which a stream can be wrong."""

from dataclasses import replace

import pytest

from tests.support.watch_validators import End, Recorded, Seen, check, check_client, check_history, project

A1 = Seen("ADDED", "a", 10, "blue")
B1 = Seen("ADDED", "b", 11, "red")
A2 = Seen("MODIFIED", "a", 12, "red")
B2 = Seen("DELETED", "b", 13, "red")
A3 = Seen("MODIFIED", "a", 20, "blue")
HISTORY = [A1, B1, A2, B2, A3]


def mark(version: int, *, ends_initial: bool = False) -> Seen:
    return Seen("BOOKMARK", "", version, ends_initial=ends_initial)


def is_red(_: str, data: object) -> bool:
    return data == "red"


START = mark(12, ends_initial=True)
STATE = [Seen("ADDED", "a", 12, "red"), Seen("ADDED", "b", 11, "red")]


@pytest.mark.parametrize(
    "stream",
    [
        Recorded(0, HISTORY),
        Recorded(0, []),
        Recorded(0, [A1, B1], until=11),
        Recorded(0, [mark(5), A1, mark(10), mark(10), B1, A2, B2, mark(19), A3, mark(25)], until=25),
        Recorded(12, [B2, A3]),
        Recorded(20, [mark(30)], until=30),
        Recorded(12, [B2], End.EXPIRED, until=20, compacted=13),
        Recorded(0, [replace(A1, data=None)]),
        Recorded(11, [*STATE, START, B2, A3], initial=True, until=20),
        Recorded(0, [mark(9, ends_initial=True), *HISTORY], initial=True),
        Recorded(0, STATE, End.CUT, initial=True, until=20),
        Recorded(0, [B1, replace(A2, type="ADDED"), B2, Seen("DELETED", "a", 20, "red")], selects=is_red),
        Recorded(11, [replace(A2, type="ADDED"), mark(19)], selects=lambda k, d: k == "a" and d == "red"),
        Recorded(0, [*STATE, START, B2, Seen("DELETED", "a", 20, "red")], initial=True, selects=is_red),
    ],
)  # fmt: skip
def test_what_is_right_is_accepted(stream: Recorded) -> None:
    assert check(stream, HISTORY) == []


@pytest.mark.parametrize(
    ("stream", "violation"),
    [
        (Recorded(0, [A1, A2, B1]), "ADDED b@11 came after version 12"),
        (Recorded(0, [A1, A1]), "ADDED a@10 came twice"),
        (Recorded(10, [A1, B1]), "ADDED a@10 came though the stream began after 10"),
        (Recorded(0, [A1, A2]), "gap: ADDED b@11 was never delivered, though the stream reached 12"),
        (Recorded(11, [B2]), "gap: MODIFIED a@12 was never delivered, though the stream reached 13"),
        (Recorded(0, [A1, mark(11)]), "gap: ADDED b@11 was never delivered, though the stream reached 11"),
        (Recorded(0, [A1, mark(11), B1]), "ADDED b@11 came after BOOKMARK@11, which was ahead"),
        (Recorded(0, [A1, B1, mark(13), mark(11)]), "BOOKMARK@11 came after BOOKMARK@13, which was ahead"),
        (Recorded(15, [mark(12)]), "BOOKMARK@12 is older than the beginning at 15"),
        (Recorded(0, [A1], until=11), "gap: ADDED b@11 was never delivered, up to 11 everything had to be"),
        (Recorded(0, [Seen("ADDED", "c", 10)]), "ADDED c@10 was never written"),
        (Recorded(0, [replace(A1, version=9)]), "ADDED a@9 was never written"),
        (Recorded(0, [replace(A1, type="MODIFIED")]), "MODIFIED a@10 should be ADDED"),
        (Recorded(0, [replace(A1, data="red")]), "ADDED a@10 carries other data than was written"),
        (Recorded(0, [A1], End.EXPIRED, compacted=9), "Expired at 10, though only versions up to 9 are"),
        (Recorded(0, [B1, A2], selects=is_red), "MODIFIED a@12 should be ADDED"),
        (Recorded(11, [mark(20)], selects=lambda k, d: k == "a" and d == "red"), "gap: ADDED a@12 was never"),
        (Recorded(12, [B2, mark(20)], selects=is_red), "gap: DELETED a@20 was never delivered"),
        (Recorded(0, [A3], selects=is_red), "MODIFIED a@20 should be DELETED"),
        (Recorded(0, [STATE[0], START], initial=True), "gap: ADDED b@11 is not in the current state at 12"),
        (Recorded(0, [A1, STATE[1], START], initial=True), "ADDED a@10 is in the current state at 12, there was"),
        (Recorded(0, [*STATE, *STATE, START], initial=True), "ADDED a@12 is twice in the current state"),
        (Recorded(0, [*STATE, mark(13, ends_initial=True)], initial=True), "ADDED b@11 is in the current state at 13, but"),
        (Recorded(15, [*STATE, START], initial=True), "the current state is of 12, older than the 15"),
        (Recorded(0, [A2, STATE[1], START], initial=True), "MODIFIED a@12 is in the current state, where"),
        (Recorded(0, STATE, initial=True, until=20), "the current state was never ended"),
        (Recorded(0, [STATE[0], A2], End.CUT, initial=True), "MODIFIED a@12 came before the current state was"),
        (Recorded(0, [*STATE, START, A3], initial=True), "gap: DELETED b@13 was never delivered"),
        (Recorded(0, [*STATE, START, A2], initial=True), "MODIFIED a@12 was never written"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(stream: Recorded, violation: str) -> None:
    assert violation in "\n".join(check(stream, HISTORY))


@pytest.mark.parametrize(
    "streams",
    [
        [Recorded(0, [A1], End.CUT), Recorded(10, [B1, A2], End.CUT), Recorded(12, [B2, A3], until=20)],
        [Recorded(0, [A1, mark(10)], End.CUT), Recorded(10, [], End.CUT), Recorded(10, [B1])],
        [Recorded(0, [A1], End.EXPIRED), Recorded(0, [*STATE, START, B2], initial=True)],
        [Recorded(0, STATE, End.CUT, initial=True), Recorded(0, [*STATE, START], initial=True)],
    ],
)
def test_a_client_that_misses_nothing_is_accepted(streams: list[Recorded]) -> None:
    assert check_client(streams, HISTORY) == []


@pytest.mark.parametrize(
    ("streams", "violation"),
    [
        ([Recorded(0, [A1], End.CUT), Recorded(11, [A2])], "stream 1: opened after 11, the stream before had reached 10"),
        ([Recorded(0, [A1], End.EXPIRED), Recorded(10, [B1])], "stream 1: goes on after 10, though the stream before said Expired"),
        ([Recorded(0, STATE, End.CUT, initial=True), Recorded(12, [B2])], "stream 1: goes on after 12, though the current"),
        ([Recorded(12, [B2, A3], End.EXPIRED), Recorded(0, [*STATE, START], initial=True)], "stream 1: time ran back from 20 to 12"),
        ([Recorded(0, [A1], End.CUT), Recorded(10, [A2])], "stream 1: gap: ADDED b@11 was never delivered"),
    ],
)  # fmt: skip
def test_what_a_client_misses_between_streams_is_named(streams: list[Recorded], violation: str) -> None:
    assert violation in "\n".join(check_client(streams, HISTORY))


def test_histories_are_checked_by_themselves() -> None:
    assert check_history(HISTORY) == []
    assert check_history([A1, replace(B1, version=10)]) == ["ADDED b@10 does not come after ADDED a@10"]
    assert check_history([A2]) == ["MODIFIED a@12: the key was not there"]
    assert check_history([A1, replace(A2, type="ADDED")]) == ["ADDED a@12: the key was there"]
    assert check_history([A1, B1, B2, replace(B2, version=14)]) == ["DELETED b@14: the key was not there"]


def test_a_selection_sees_objects_enter_and_leave() -> None:
    assert project(HISTORY, is_red) == [
        B1, Seen("ADDED", "a", 12, "red"), B2, Seen("DELETED", "a", 20, "red"),
    ]  # fmt: skip
