"""Shares that add up to one, and things dealt out by them in random turn. PURE: randomness is handed in."""

import random
from collections.abc import Sequence
from fractions import Fraction

#: weights like 1, 1/2, 1/3, ... are kept as whole numbers, so that nothing depends on how floats round
_ZIPF_UNIT = 10**12


def share(text: str) -> Fraction:
    """Read a share: 1/6, or 1.

    Raises:
        ValueError: it is none, or not above 0, or above 1.
    """
    above, slash, below = text.partition("/")
    is_number = above.isdecimal() and (below.isdecimal() or not slash) and (not slash or int(below))
    found = Fraction(int(above), int(below or 1)) if is_number else Fraction(0)
    if not 0 < found <= 1:
        raise ValueError(f'"{text}" is no share like 1/6')
    return found


def weights(kind: str, count: int) -> list[int]:
    """Return the weights of `count` things: all equal, or (zipf) 1, 1/2, 1/3, ... of the first."""
    if kind == "equal":
        return [1] * count
    return [_ZIPF_UNIT // rank for rank in range(1, count + 1)]


def apportion(count: int, by: Sequence[Fraction | int]) -> list[int]:
    """Return how many of `count` things each weight gets: its exact part, rounded up or down.

    What is left goes to the largest remainders, and of equal ones to the first.
    """
    total = sum(by)
    parts = [divmod(count * weight, total) for weight in by]
    found = [int(whole) for whole, _ in parts]
    by_rest = sorted(range(len(by)), key=lambda one: -parts[one][1])
    for one in by_rest[: count - sum(found)]:
        found[one] += 1
    return found


def deal(count: int, by: Sequence[Fraction | int], rng: random.Random) -> list[int]:
    """Return for each of `count` things the weight it belongs to.

    As many as `apportion` says, in random turn.
    """
    dealt = [one for one, number in enumerate(apportion(count, by)) for _ in range(number)]
    rng.shuffle(dealt)
    return dealt
