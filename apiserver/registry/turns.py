"""Which creates of a batch are charged and stored together, and which wait until those before them are answered. Pure.

A batch does what as many calls do, one after the other. Most objects have nothing to do with each other; two of one name have when the
first decides what the second is told, or what is left of a quota for those behind it (decision 185).
"""

from collections.abc import Iterable
from typing import NamedTuple

from apiserver.storage.interface import Key


class Item(NamedTuple):
    """A create of a batch that was not refused yet."""

    #: its place in the batch
    place: int
    key: Key
    #: only tried
    dry_run: bool
    #: a quota counts it
    counted: bool
    #: there was an object of its name before the batch, as far as is known
    taken: bool


def turns_of(items: Iterable[Item]) -> list[list[int]]:
    """Return the places of a batch in turns: one is over before the next begins."""
    turns: list[list[int]] = [[]]
    tried: dict[Key, bool] = {}
    known = set[Key]()
    for item in items:
        before = tried.get(item.key)
        if before is not None and (item.counted or item.dry_run or before):
            turns.append([])
            tried = {}
        turns[-1].append(item.place)
        tried[item.key] = tried.get(item.key, False) or item.dry_run
        if item.counted and (item.taken or item.key in known):
            # It will be refused when it has been charged: what it gives back is there for the next.
            turns.append([])
            tried = {}
        if not item.dry_run:
            known.add(item.key)
    return [turn for turn in turns if turn]
