"""Which creates of a batch wait for those before them."""

import pytest

from apiserver.registry.create.storing import RoundItem, rounds_of
from apiserver.storage.interface import Key


def _items(words: str) -> list[RoundItem]:
    """Read a batch: a name, then `?` of what is only tried, `$` of what a quota counts, `!` of what was there
    before.
    """
    return [
        RoundItem(place, Key(word.rstrip("?$!")), "?" in word, "$" in word, "!" in word)
        for place, word in enumerate(words.split())
    ]


@pytest.mark.parametrize(
    ("batch", "rounds"),
    [
        ("", []),
        ("a b c", [[0, 1, 2]]),
        ("a a", [[0, 1]]),
        ("a? b? c", [[0, 1, 2]]),
        ("a a?", [[0], [1]]),
        ("a? a", [[0], [1]]),
        ("a? b a", [[0, 1], [2]]),
        ("a? a?", [[0], [1]]),
        ("a$ b$ c$", [[0, 1, 2]]),
        ("a$ a$ b$ c$", [[0], [1], [2, 3]]),
        ("a$! b$", [[0], [1]]),
        ("a! b", [[0, 1]]),
        ("b$ a$!", [[0, 1]]),
    ],
)
def test_rounds(batch: str, rounds: list[list[int]]) -> None:
    assert rounds_of(_items(batch)) == rounds
