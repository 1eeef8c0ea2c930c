"""Asks plugins, and takes no answer that they may not give (type, length, range).

What a plugin gets wrong is an error of the attempt, in which the plugin is named; nothing is guessed, cut or
spread over more rows than were asked about. Scores are held to 0..100 as upstream's are (`RunScorePlugins` in
`pkg/scheduler/framework/runtime/framework.go`), of rows that passed the filters alone: others do not count.
All of these raise WrongAnswer.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.pod_info import PodClass, PodInfo
from scheduler.columns.snapshot import Rows, Snapshot
from scheduler.framework.interface import (
    MAX_SCORE,
    RUN,
    SKIP,
    Codes,
    CycleState,
    FeasibleScore,
    FilterPlugin,
    Groups,
    PostFilterPlugin,
    PostFilterResult,
    PreFilterResult,
    Refusals,
    RoomFilter,
    ScorePlugin,
    Scores,
)

#: kinds of numpy's types: bool and whole numbers
_CODES: Final = "biu"


class WrongAnswer(Exception):
    """A plugin answered what it may not answer."""


def _wrong(name: str, what: str, answered: object, wanted: object) -> WrongAnswer:
    return WrongAnswer(f'plugin "{name}" answers {what} with {answered}, it should be {wanted}')


def _wrong_type(name: str, what: str, answer: object, wanted: str) -> WrongAnswer:
    return _wrong(name, what, type(answer).__name__, wanted)


def invalid_score(name: str, score: float) -> WrongAnswer:
    """Return the error for a score that is none of 0..100, in upstream's words."""
    return WrongAnswer(
        f'plugin "{name}" returns an invalid score {score}, '
        f"it should in the range of [0, {MAX_SCORE}] after normalizing"
    )


def truth(name: str, what: str, answer: object) -> bool:
    """Return a bool that a plugin answered."""
    if not isinstance(answer, (bool, np.bool_)):
        raise _wrong_type(name, what, answer, "a bool")
    return bool(answer)


def text(name: str, what: str, answer: object) -> str:
    """Return a text that a plugin answered."""
    if not isinstance(answer, str):
        raise _wrong_type(name, what, answer, "a text")
    return answer


def whole(name: str, what: str, answer: object) -> int:
    """Return a whole number that a plugin said of one row."""
    if isinstance(answer, (int, np.integer, np.bool_)):
        return int(answer)
    raise _wrong_type(name, what, answer, "a whole number")


def numbers(name: str, what: str, answer: Any) -> tuple[float, ...]:
    """Return numbers that have an order."""
    if not isinstance(answer, tuple):
        raise _wrong_type(name, what, answer, "a tuple of numbers")
    for number in answer:
        if not isinstance(number, (int, float)) or number != number:
            raise _wrong(name, what, repr(number), "numbers")
    return answer


def _check_array(name: str, what: str, answer: object, length: int, dtype: type[np.generic] | None) -> None:
    """Check that an answer is an array with so many elements of a type; None: bool or whole numbers."""
    if not isinstance(answer, np.ndarray):
        raise _wrong_type(name, what, answer, "a numpy array")
    if answer.shape != (length,):
        raise _wrong(name, what, f"the shape {answer.shape}", (length,))
    if dtype is None:
        if answer.dtype.kind not in _CODES:
            raise _wrong(name, what, answer.dtype, "bool or whole numbers")
    elif answer.dtype != dtype:
        raise _wrong(name, what, answer.dtype, np.dtype(dtype))


def ask_pre_filter(
    plugin: FilterPlugin, state: CycleState, pod: PodClass, nodes: Snapshot
) -> PreFilterResult:
    """Return what a plugin found before any node was looked at."""
    answer, name = plugin.pre_filter(state, pod, nodes), plugin.name
    if answer is RUN or answer is SKIP:
        return answer
    if not isinstance(answer, PreFilterResult):
        raise _wrong_type(name, "pre_filter", answer, "a PreFilterResult")
    truth(name, "skip of pre_filter", answer.skip)
    text(name, "rejected of pre_filter", answer.rejected)
    if answer.names is not None:
        if not isinstance(answer.names, frozenset):
            raise _wrong_type(name, "names of pre_filter", answer.names, "a frozenset or None")
        for named in answer.names:
            if not isinstance(named, str):
                raise _wrong_type(name, "names of pre_filter", named, "texts")
    return answer


def ask_post_filter(
    plugin: PostFilterPlugin, state: CycleState, pod: PodClass, nodes: Snapshot, refusals: Refusals
) -> PostFilterResult:
    """Return what can be done for a Pod that fits nowhere."""
    answer, name = plugin.post_filter(state, pod, nodes, refusals), plugin.name
    if not isinstance(answer, PostFilterResult):
        raise _wrong_type(name, "post_filter", answer, "a PostFilterResult")
    text(name, "message of post_filter", answer.message)
    if text(name, "nominated of post_filter", answer.nominated) and answer.nominated not in nodes.rows:
        words = f'answers nominated of post_filter with "{answer.nominated}", there is no such node'
        raise WrongAnswer(f'plugin "{name}" {words}')
    if not isinstance(answer.victims, tuple):
        raise _wrong_type(name, "victims of post_filter", answer.victims, "a tuple")
    for victim in answer.victims:
        if not isinstance(victim, PodInfo):
            raise _wrong_type(name, "victims of post_filter", victim, "Pods")
    truth(name, "waits of post_filter", answer.waits)
    return answer


def ask_pre_score(plugin: ScorePlugin, state: CycleState, pod: PodClass, nodes: Snapshot) -> bool:
    """Return whether a plugin has something to say about a Pod."""
    return truth(plugin.name, "pre_score", plugin.pre_score(state, pod, nodes))


def ask_room(
    name: str, plugin: RoomFilter, state: CycleState, pod: PodClass, nodes: Snapshot
) -> Sequence[tuple[str, int, int]] | None:
    """Return (resource, index, amount) of what a Pod needs; None: the filter must be asked itself."""
    wanted: Sequence[Any] | None = plugin.room(state, pod, nodes)
    if wanted is None:
        return None
    if type(wanted) is not list and not isinstance(wanted, Sequence):
        raise _wrong_type(name, "room", wanted, "a sequence or None")
    known = len(nodes.allocatable)
    # Asked for every Pod: what is right is told without a call.
    for entry in wanted:
        if type(entry) is not tuple or len(entry) != 3:
            raise _wrong(name, "room", repr(entry), "(resource, index, amount)")
        _, index, amount = entry
        if type(index) is not int:
            index = whole(name, "the index of room", index)
        if type(amount) is not int:
            whole(name, "the amount of room", amount)
        if not 0 <= index < known:
            words = f"answers room with the index {index}, there are {known} resources"
            raise WrongAnswer(f'plugin "{name}" {words}')
    return wanted


def checked_groups(name: str, what: str, answer: Groups | None) -> Groups | None:
    """Return what rows differ in, if it is that."""
    if answer is not None and not isinstance(answer, Groups):
        raise _wrong_type(name, what, answer, "Groups or None")
    return answer


def ask_feasible_changed(
    name: str, plugin: FeasibleScore, state: CycleState, pod: PodClass, nodes: Snapshot, feasible: NDArray[np.bool_]
) -> bool:  # fmt: skip
    """Tell a plugin which rows are feasible; return whether raw scores have changed by it."""
    return truth(name, "feasible_changed", plugin.feasible_changed(state, pod, nodes, feasible))


def ask_ignored(name: str, plugin: FeasibleScore, state: CycleState, length: int) -> NDArray[np.bool_] | None:
    """Return the rows that do not count (bool[N]); None: there are none."""
    found = plugin.ignored(state)
    if found is not None:
        _check_array(name, "ignored", found, length, np.bool_)
    return found


def ask_filter(
    plugin: FilterPlugin, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows
) -> Codes | None:
    """Return what a filter says of rows."""
    return checked_codes(plugin.name, plugin.filter(state, pod, nodes, rows), _length(nodes, rows))


def ask_score(plugin: ScorePlugin, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Scores:
    """Return the raw scores of rows; their range is not looked at."""
    return checked_scores(plugin.name, "score", plugin.score(state, pod, nodes, rows), _length(nodes, rows))


def ask_scale(plugin: ScorePlugin, raw: Scores, low: int, high: int) -> Scores:
    """Return scaled scores; their range is not looked at."""
    return checked_scores(plugin.name, "scale", plugin.scale(raw, low, high), len(raw))


def _length(nodes: Snapshot, rows: Rows) -> int:
    return nodes.size if isinstance(rows, slice) else len(rows)


def checked_codes(name: str, answers: Codes | None, length: int) -> Codes | None:
    """Return codes if they are so many."""
    if answers is not None:
        _check_array(name, "filter", answers, length, None)
    return answers


def checked_scores(name: str, what: str, answers: Scores, length: int) -> Scores:
    """Return scores if they are so many."""
    _check_array(name, what, answers, length, np.int64)
    return answers


def out_of_range(scores: Scores) -> NDArray[np.bool_] | None:
    """Return which scores are none of 0..100 (bool[rows]); None: all are."""
    if not len(scores) or (scores.min() >= 0 and scores.max() <= MAX_SCORE):
        return None
    wrong: NDArray[np.bool_] = (scores < 0) | (scores > MAX_SCORE)
    return wrong
