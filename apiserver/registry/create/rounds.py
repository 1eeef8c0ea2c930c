"""Which creates of a batch are stored together, and which wait until those before them are answered. Pure.

A batch does what as many calls do, one after the other. Two of its objects affect each other when the first
decides what the second is answered, or what it leaves of a quota for those behind it: then the second belongs
to a later round. Most batches have one round.
"""

from collections.abc import Iterable
from typing import NamedTuple

from apiserver.storage.interface import Key


class Item(NamedTuple):
    """A create of a batch that was not refused yet."""

    #: its place in the batch
    place: int
    key: Key
    dry_run: bool
    #: a quota counts it
    counted: bool
    #: the cache has an object of its name
    taken: bool


def rounds_of(items: Iterable[Item]) -> list[list[int]]:
    """Return the places of a batch in rounds: one is over before the next begins."""
    rounds: list[list[int]] = [[]]
    tried: dict[Key, bool] = {}
    known = set[Key]()
    for item in items:
        before = tried.get(item.key)
        if before is not None and (item.counted or item.dry_run or before):
            rounds.append([])
            tried = {}
        rounds[-1].append(item.place)
        tried[item.key] = tried.get(item.key, False) or item.dry_run
        if item.counted and (item.taken or item.key in known):
            # It is refused after it was charged: what it gives back must be there for the next.
            rounds.append([])
            tried = {}
        if not item.dry_run:
            known.add(item.key)
    return [places for places in rounds if places]
