"""PURE: is a history of concurrent calls one that a sequential object could have given? (I5)

The search of Wing and Gong ("Testing and verifying concurrent objects", 1993), with Lowe's memory of what was
tried ("Testing for linearizability", 2017), as porcupine and Knossos do it. A call whose outcome is unknown
has no end: it may have happened at any moment after it began, or not at all.

What the object is, a model says: from a state, a request and its answer, the states that may follow (none:
the answer is impossible). Histories of many keys are checked key by key (`by_key`): linearizability is local
(Herlihy and Wing, 1990).
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Generic, TypeVar

S = TypeVar("S", bound=Hashable)

#: states looked at before the search gives up: some seconds
MAX_LOOKED_AT = 500_000


@dataclass(frozen=True, slots=True)
class Operation:
    """One call, by the moments at which it began and ended."""

    called: float
    request: object
    #: nothing is known of it: None, and `returned` is endless
    answer: object = None
    returned: float = inf

    def __str__(self) -> str:
        end = "unknown" if self.returned == inf else f"{self.answer} by {self.returned:g}"
        return f"{self.request} at {self.called:g}: {end}"


#: state, request, answer (None: unknown) -> the states that may follow
Model = Callable[[S, object, object], Iterable[S]]


class TooManyStates(Exception):
    """The history is too entangled to be checked."""


@dataclass(frozen=True, slots=True)
class Verdict(Generic[S]):
    """What was found."""

    #: whether there is an order that explains all answers
    ok: bool
    #: the order; of a bad history the longest that could be explained
    order: Sequence[Operation]
    #: the state that it ends in
    state: S
    #: what could not be explained next
    stuck: Sequence[Operation] = ()

    def __str__(self) -> str:
        if self.ok:
            return "linearizable"
        lines = [
            f"after {len(self.order)} calls, with {self.state}, none of these can be next:",
            *map(str, self.stuck),
            "before them:",
            *map(str, self.order[-6:]),
        ]
        return "\n  ".join(lines)


def check(operations: Sequence[Operation], initial: S, model: Model[S]) -> Verdict[S]:
    """Look for an order of the calls that explains all answers and keeps to real time.

    Args:
        operations: of one object.
        initial: its state before all of them.
        model: what it is.

    Raises:
        TooManyStates: nothing was found in reasonable time.
    """
    ordered = sorted(operations, key=lambda operation: operation.called)
    wanted = sum(1 << number for number, operation in enumerate(ordered) if operation.returned != inf)
    seen: set[tuple[int, S]] = {(0, initial)}
    stack: list[tuple[int, S, Iterator[tuple[int, S]]]] = [(0, initial, _next(ordered, 0, initial, model))]
    path: list[int] = []
    best: tuple[list[int], int, S] = ([], 0, initial)
    while stack:
        mask, state, following = stack[-1]
        if mask & wanted == wanted:
            return Verdict(True, [ordered[number] for number in path], state)
        if len(path) > len(best[0]):
            best = (list(path), mask, state)
        for number, after in following:
            step = (mask | 1 << number, after)
            if step not in seen:
                seen.add(step)
                if len(seen) > MAX_LOOKED_AT:
                    raise TooManyStates(f"{len(operations)} calls")
                path.append(number)
                stack.append((*step, _next(ordered, *step, model)))
                break
        else:
            stack.pop()
            if path:
                path.pop()
    longest, mask, state = best
    stuck = [ordered[number] for number in _candidates(ordered, mask) if ordered[number].returned != inf]
    return Verdict(False, [ordered[number] for number in longest], state, stuck)


def by_key(
    operations: Mapping[str, Sequence[Operation]], initial: S, model: Model[S]
) -> dict[str, Verdict[S]]:
    """Check the calls of each key; return the verdicts on those that are not linearizable."""
    verdicts = {key: check(calls, initial, model) for key, calls in operations.items()}
    return {key: verdict for key, verdict in verdicts.items() if not verdict.ok}


def _next(ordered: Sequence[Operation], mask: int, state: S, model: Model[S]) -> Iterator[tuple[int, S]]:
    for number in _candidates(ordered, mask):
        operation = ordered[number]
        for after in model(state, operation.request, operation.answer):
            yield number, after


def _candidates(ordered: Sequence[Operation], mask: int) -> Iterator[int]:
    """Yield the calls that may be next: no other that is left had ended before they began."""
    first_end = min(
        (operation.returned for number, operation in enumerate(ordered) if not mask >> number & 1),
        default=inf,
    )
    for number, operation in enumerate(ordered):
        if operation.called > first_end:
            return
        if not mask >> number & 1:
            yield number
