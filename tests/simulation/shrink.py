"""PURE but for what it is handed: the shortest story that still goes wrong in the same way.

Delta debugging over the steps (A. Zeller and R. Hildebrandt, "Simplifying and isolating failure-inducing
input", 2002), then over what happens by chance, then over the order of turns. The seed stays, so every try is
a run like any other.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from tests.simulation.story import Story, keep

T = TypeVar("T")
#: runs that shrinking may take
MAX_TRIES = 150


def ddmin(items: Sequence[T], fails: Callable[[Sequence[T]], bool]) -> Sequence[T]:
    """Return a part of `items` that still fails, and does not without any one of them (unless tries ran out).

    Args:
        items: fails as a whole.
        fails: says whether a part still fails.
    """
    parts = 2
    while len(items) >= 2:
        size = -(-len(items) // parts)
        chunks = [items[start : start + size] for start in range(0, len(items), size)]
        for index in range(len(chunks)):
            rest = [item for other, chunk in enumerate(chunks) if other != index for item in chunk]
            if fails(rest):
                items, parts = rest, max(parts - 1, 2)
                break
        else:
            if parts >= len(items):
                break
            parts = min(parts * 2, len(items))
    if len(items) == 1 and fails([]):
        return []
    return items


def shrink(story: Story, fails: Callable[[Story], bool], *, max_tries: int = MAX_TRIES) -> Story:
    """Return a story that is as short as can be found and fails as this one does.

    Args:
        story: fails.
        fails: tells a story and says whether it fails in the same way.
        max_tries: of `fails`.
    """
    tries = 0

    def still(candidate: Story) -> bool:
        nonlocal tries
        tries += 1
        return tries <= max_tries and fails(candidate)

    best = story
    for name in story.faults.active():
        quieter = replace(best, faults=best.faults.without(name))
        if still(quieter):
            best = quieter
    whole = best
    kept = ddmin(range(len(whole.steps)), lambda part: still(keep(whole, part)))
    best = keep(whole, kept)
    for name in best.faults.active():
        quieter = replace(best, faults=best.faults.without(name))
        if still(quieter):
            best = quieter
    ladders: tuple[Sequence[dict[str, float]], ...] = (
        [{"disorder": 0.0}],
        [{"servers": 1}],
        [{"candidates": 1}],
        [{"nodes": count} for count in range(1, best.nodes)],
    )
    for ladder in ladders:
        for change in ladder:
            simpler = replace(best, **change)  # type: ignore[arg-type]  # by name
            if simpler != best and still(simpler):
                best = simpler
                break
    return best
