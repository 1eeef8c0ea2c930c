"""What becomes of what is said, as client-go's tables have it (tools/record/events_cache_test.go)."""

from dataclasses import dataclass

import pytest

from vaina.client.event_correlator import MAX_REMEMBERED, EventCorrelator, Said


def said(message: str = "words", *, name: str = "web", reason: str = "BackOff", field_path: str = "") -> Said:
    return Said(f"uid-{name}", field_path, "Warning", reason, message)


@dataclass(frozen=True)
class Case:
    name: str
    #: seconds before it, and what is said
    before: list[tuple[float, Said]]
    last: tuple[float, Said]
    #: message, count, whether it is sent
    want: tuple[str, int, bool]


def different(count: int, every: float = 1.0) -> list[tuple[float, Said]]:
    return [(every, said(f"words {number}")) for number in range(count)]


CASES = [
    Case("something new is an event", [], (0, said()), ("words", 1, True)),
    Case("the same again is a count", [(0, said())] * 3, (1, said()), ("words", 4, True)),
    Case("the same after an hour is still a count", [(0, said())], (3600, said()), ("words", 2, True)),
    Case("another reason is another event", [(0, said())], (1, said(reason="Failed")), ("words", 1, True)),
    Case("another object is another event", [(0, said())], (1, said(name="db")), ("words", 1, True)),
    Case("another container is another event", [(0, said(field_path="a"))], (1, said(field_path="b")),
         ("words", 1, True)),
    Case("nine different messages are nine events", different(8), (1, said("words 8")), ("words 8", 1, True)),
    Case("the tenth is combined", different(9), (1, said("words 9")),
         ("(combined from similar events): words 9", 1, True)),
    Case("what follows counts on the combined one, with the latest message", different(14), (1, said("words 14")),
         ("(combined from similar events): words 14", 6, True)),
    Case("messages that come slowly stay apart", different(12, every=601), (601, said("words 12")), ("words 12", 1, True)),
    Case("after ten minutes of silence nothing is combined any more", different(14), (601, said("words 14")),
         ("words 14", 1, True)),
    Case("the twenty-fifth is sent", [(0, said())] * 24, (0, said()), ("words", 25, True)),
    Case("the twenty-sixth is counted only", [(0, said())] * 25, (0, said()), ("words", 26, False)),
    Case("five minutes later there is one more", [(0, said())] * 30, (300, said()), ("words", 31, True)),
    Case("and only one", [*([(0.0, said())] * 30), (300, said())], (0, said()), ("words", 32, False)),
    Case("whatever the reason", [(0, said())] * 25, (0, said(reason="Failed")), ("words", 1, False)),
    Case("another object has its own share", [(0, said())] * 25, (0, said(name="db")), ("words", 1, True)),
    Case("a clock that goes back gives nothing and takes nothing", [(0, said())] * 24, (-1000, said()),
         ("words", 25, True)),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_correlation(case: Case) -> None:
    correlator, now = EventCorrelator(), 1e9
    for seconds, what in case.before:
        now += seconds
        correlator.correlate(what, now=now)
    got = correlator.correlate(case.last[1], now=now + case.last[0])
    assert (got.message, got.times, got.send) == case.want


def test_an_event_keeps_when_it_was_said_first() -> None:
    correlator = EventCorrelator()
    correlator.correlate(said(), now=5.0)
    assert correlator.correlate(said(), now=50.0).first == 5.0


def test_what_was_not_said_for_longest_is_forgotten() -> None:
    correlator = EventCorrelator()
    for number in range(MAX_REMEMBERED):
        correlator.correlate(said(name=f"p{number}"), now=0.0)
    correlator.correlate(said(name="p0"), now=0.0)
    correlator.correlate(said(name="one more"), now=0.0)
    assert correlator.correlate(said(name="p0"), now=0.0).times == 3
    assert correlator.correlate(said(name="p1"), now=0.0).times == 1
