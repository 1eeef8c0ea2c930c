"""Asks plugins, and takes no answer that they may not give (type, length, range).

What a plugin gets wrong is an error of the attempt, in which the plugin is named; nothing is guessed, cut or
spread over more rows than were asked about. Scores are held to 0..100 as upstream's are (`RunScorePlugins` in
`pkg/scheduler/framework/runtime/framework.go`), of rows that passed the filters alone: of others nobody asks
there.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.domains import CELLS
from scheduler.columns.pod_info import PodClass, PodInfo
from scheduler.columns.snapshot import Rows, Snapshot
from scheduler.framework.interface import (
    MAX_SCORE,
    RUN,
    SKIP,
    Affected,
    CellScore,
    Codes,
    FeasibleScore,
    FilterPlugin,
    PostFilterPlugin,
    PostFilterResult,
    PreFilterResult,
    Refusals,
    RoomFilter,
    RoomScore,
    ScorePlugin,
    Scores,
)
from scheduler.framework.room import Floats, Room
from scheduler.framework.state import CycleState

#: kinds of numpy's types: bool and whole numbers
_CODES: Final = "biu"
#: MAX_SCORE's bits. Those of any other number that is no score, read as unsigned, are more: what is negative
#: has the highest bit, what is no number, or has no end, a high exponent. One look at an array for both ends:
#: 1.5 µs instead of 4.1 for 5,000 rows
_MAX_BITS: Final = int(np.array(float(MAX_SCORE)).view(np.uint64))


class WrongAnswer(Exception):
    """A plugin answered what it may not answer."""


def ask_pre_filter(
    plugin: FilterPlugin, state: CycleState, pod: PodClass, nodes: Snapshot
) -> PreFilterResult:
    """Return what a plugin found before any node was looked at. Raises WrongAnswer."""
    answer = plugin.pre_filter(state, pod, nodes)
    if answer is RUN or answer is SKIP:
        return answer
    if not isinstance(answer, PreFilterResult):
        raise _other_type(plugin.name, "pre_filter", answer, "a PreFilterResult")
    if not isinstance(answer.skip, bool):
        raise _other_type(plugin.name, "skip of pre_filter", answer.skip, "a bool")
    if not isinstance(answer.rejected, str):
        raise _other_type(plugin.name, "rejected of pre_filter", answer.rejected, "a text")
    if answer.names is not None:
        if not isinstance(answer.names, frozenset):
            raise _other_type(plugin.name, "names of pre_filter", answer.names, "a frozenset or None")
        for name in answer.names:
            if not isinstance(name, str):
                raise _other_type(plugin.name, "names of pre_filter", name, "texts")
    return answer


def ask_post_filter(
    plugin: PostFilterPlugin, state: CycleState, pod: PodClass, nodes: Snapshot, refusals: Refusals
) -> PostFilterResult:
    """Return what can be done for a Pod that fits nowhere. Raises WrongAnswer."""
    answer = plugin.post_filter(state, pod, nodes, refusals)
    if not isinstance(answer, PostFilterResult):
        raise _other_type(plugin.name, "post_filter", answer, "a PostFilterResult")
    text(plugin.name, "message of post_filter", answer.message)
    if text(plugin.name, "nominated of post_filter", answer.nominated) and answer.nominated not in nodes.rows:
        words = f'answers nominated of post_filter with "{answer.nominated}", there is no such node'
        raise WrongAnswer(f'plugin "{plugin.name}" {words}')
    if not isinstance(answer.victims, tuple):
        raise _other_type(plugin.name, "victims of post_filter", answer.victims, "a tuple")
    for victim in answer.victims:
        if not isinstance(victim, PodInfo):
            raise _other_type(plugin.name, "victims of post_filter", victim, "Pods")
    truth(plugin.name, "waits of post_filter", answer.waits)
    return answer


def ask_pre_score(plugin: ScorePlugin, state: CycleState, pod: PodClass, nodes: Snapshot) -> bool:
    """Return whether a plugin has something to say about a Pod. Raises WrongAnswer."""
    return truth(plugin.name, "pre_score", plugin.pre_score(state, pod, nodes))


def ask_room(
    name: str, plugin: RoomFilter, state: CycleState, pod: PodClass, nodes: Snapshot
) -> Sequence[tuple[str, int, int]] | None:
    """Return (resource, index, amount) of what a Pod needs; None: the filter must be asked itself.

    Raises WrongAnswer.
    """
    wanted: Sequence[Any] | None = plugin.room(state, pod, nodes)
    if wanted is None:
        return None
    if type(wanted) is not list and not isinstance(wanted, Sequence):
        raise _other_type(name, "room", wanted, "a sequence or None")
    known = len(nodes.allocatable)
    # Asked for every Pod: what is right is told without a call.
    for entry in wanted:
        if type(entry) is not tuple or len(entry) != 3:
            words = f"answers room with {entry!r}, it should be (resource, index, amount)"
            raise WrongAnswer(f'plugin "{name}" {words}')
        _, index, amount = entry
        if type(index) is not int:
            index = whole(name, "the index of room", index)
        if type(amount) is not int:
            whole(name, "the amount of room", amount)
        if not 0 <= index < known:
            words = f"answers room with the index {index}, there are {known} resources"
            raise WrongAnswer(f'plugin "{name}" {words}')
    return wanted


def ask_score_room(
    name: str, plugin: RoomScore, pod: PodClass, room: Room, feasible: NDArray[np.bool_]
) -> Floats | None:
    """Return scores of all rows told from their room; None: the plugin must be asked itself.

    Args:
        name: the plugin's.
        plugin: that can tell.
        pod: who asks.
        room: what the rows have.
        feasible: bool[N]: the rows whose scores count.

    Raises:
        WrongAnswer: they are not float64[N], or one that counts is none of 0..100.
    """
    found = plugin.score_room(pod, room)
    if found is None:
        return None
    _check_shape(name, "score_room", found, len(feasible))
    if found.dtype != np.float64:
        raise WrongAnswer(f'plugin "{name}" answers score_room with {found.dtype}, it should be float64')
    if len(found) and np.maximum.reduce(found.view(np.uint64)) > _MAX_BITS:
        wrong = feasible & ~((found >= 0) & (found <= MAX_SCORE))
        if wrong.any():
            raise invalid_score(name, found[wrong].item(0))
    return found


def ask_feasible_changed(
    name: str, plugin: FeasibleScore, state: CycleState, pod: PodClass, nodes: Snapshot, feasible: NDArray[np.bool_]
) -> bool:  # fmt: skip
    """Tell a plugin which rows are feasible; return whether raw scores have changed by it.

    Raises WrongAnswer.
    """
    return truth(name, "feasible_changed", plugin.feasible_changed(state, pod, nodes, feasible))


def ask_ignored(name: str, plugin: FeasibleScore, state: CycleState, length: int) -> NDArray[np.bool_] | None:
    """Return the rows that do not count (bool[N]); None: there are none. Raises WrongAnswer."""
    found = plugin.ignored(state)
    if found is not None:
        _check_shape(name, "ignored", found, length)
        if found.dtype != np.bool_:
            raise WrongAnswer(f'plugin "{name}" answers ignored with {found.dtype}, it should be bool')
    return found


def check_cells(name: str, cells: NDArray[np.intp], length: int) -> None:
    """Raise WrongAnswer unless there is a cell for each row (intp[N]), none so high that a table of all would
    not be held.
    """
    _check_shape(name, "cells", cells, length)
    if cells.dtype != np.intp:
        raise WrongAnswer(
            f'plugin "{name}" answers cells with {cells.dtype}, it should be {np.dtype(np.intp)}'
        )
    if length and not (cells.min() >= 0 and cells.max() < CELLS):
        raise WrongAnswer(f'plugin "{name}" answers cells that are not all of 0..{CELLS - 1}')


def ask_score_cells(name: str, plugin: CellScore, state: CycleState, least: int) -> Scores:
    """Return the raw score of each cell, of so many at least. Raises WrongAnswer."""
    found = plugin.score_cells(state)
    return checked_scores(name, "score_cells", found, max(least, np.size(found)))


def checked_rows(name: str, what: str, answer: Affected, given: Sequence[int], length: int) -> Affected:
    """Return the rows that were affected if they are rows of the table. Raises WrongAnswer.

    Args:
        name: the plugin's.
        what: it was asked.
        answer: what it said.
        given: the rows that it was asked about: they need no look.
        length: of the table.
    """
    if answer is given or isinstance(answer, slice):
        return answer
    if not isinstance(answer, Sequence):
        raise _other_type(name, what, answer, "a sequence of rows, or all of them")
    for kind in {*map(type, answer)}:
        if not issubclass(kind, (int, np.integer)):
            raise WrongAnswer(
                f'plugin "{name}" answers {what} with rows of {kind.__name__}, they should be whole numbers'
            )
    if answer and not (min(answer) >= 0 and max(answer) < length):
        odd = next(row for row in answer if not 0 <= row < length)
        raise WrongAnswer(f'plugin "{name}" answers {what} with the row {odd}, there are {length} rows')
    return answer


def ask_filter(
    plugin: FilterPlugin, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows
) -> Codes | None:
    """Return what a filter says of rows. Raises WrongAnswer."""
    return checked_codes(plugin.name, plugin.filter(state, pod, nodes, rows), _length(nodes, rows))


def ask_score(plugin: ScorePlugin, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Scores:
    """Return the raw scores of rows; their range is not looked at. Raises WrongAnswer."""
    return checked_scores(plugin.name, "score", plugin.score(state, pod, nodes, rows), _length(nodes, rows))


def ask_scale(plugin: ScorePlugin, raw: Scores, low: int, high: int) -> Scores:
    """Return scaled scores; their range is not looked at. Raises WrongAnswer."""
    return checked_scores(plugin.name, "scale", plugin.scale(raw, low, high), len(raw))


def checked_codes(name: str, answers: Codes | None, length: int) -> Codes | None:
    """Return codes if they are so many. Raises WrongAnswer."""
    if answers is not None:
        _check_shape(name, "filter", answers, length)
        if answers.dtype.kind not in _CODES:
            words = f"answers filter with {answers.dtype}, it should be bool or whole numbers"
            raise WrongAnswer(f'plugin "{name}" {words}')
    return answers


def checked_scores(name: str, what: str, answers: Scores, length: int) -> Scores:
    """Return scores if they are so many. Raises WrongAnswer."""
    _check_shape(name, what, answers, length)
    if answers.dtype != np.int64:
        raise WrongAnswer(f'plugin "{name}" answers {what} with {answers.dtype}, it should be int64')
    return answers


def _length(nodes: Snapshot, rows: Rows) -> int:
    return nodes.size if isinstance(rows, slice) else len(rows)


def _other_type(name: str, what: str, answer: object, wanted: str) -> WrongAnswer:
    return WrongAnswer(f'plugin "{name}" answers {what} with {type(answer).__name__}, it should be {wanted}')


def truth(name: str, what: str, answer: object) -> bool:
    """Return a bool that a plugin answered. Raises WrongAnswer."""
    if not isinstance(answer, (bool, np.bool_)):
        raise _other_type(name, what, answer, "a bool")
    return bool(answer)


def _check_shape(name: str, what: str, answers: object, length: int) -> None:
    if not isinstance(answers, np.ndarray):
        raise _other_type(name, what, answers, "a numpy array")
    if answers.shape != (length,):
        raise WrongAnswer(
            f'plugin "{name}" answers {what} with the shape {answers.shape}, it should be ({length},)'
        )


def out_of_range(scores: Scores) -> NDArray[np.bool_] | None:
    """Return which scores are none of 0..100 (bool[rows]); None: all are."""
    if not len(scores) or (scores.min() >= 0 and scores.max() <= MAX_SCORE):
        return None
    wrong: NDArray[np.bool_] = (scores < 0) | (scores > MAX_SCORE)
    return wrong


def invalid_score(name: str, score: float) -> WrongAnswer:
    """Return the error for a score that is none of 0..100, in upstream's words."""
    return WrongAnswer(
        f'plugin "{name}" returns an invalid score {score}, '
        f"it should in the range of [0, {MAX_SCORE}] after normalizing"
    )


def check_range(name: str, scores: Scores, counted: Callable[[], NDArray[np.bool_]]) -> None:
    """Raise WrongAnswer where a row that counts (bool[rows], asked when needed) has a score out of range."""
    wrong = out_of_range(scores)
    if wrong is not None and (wrong & counted()).any():
        raise invalid_score(name, int(scores[wrong & counted()][0]))


def row_score(name: str, score: object) -> int:
    """Return the score of one row, 0..100. Raises WrongAnswer."""
    found = whole(name, "score_row", score)
    if not 0 <= found <= MAX_SCORE:
        raise invalid_score(name, found)
    return found


def text(name: str, what: str, answer: object) -> str:
    """Return a text that a plugin answered. Raises WrongAnswer."""
    if not isinstance(answer, str):
        raise _other_type(name, what, answer, "a text")
    return answer


def numbers(name: str, what: str, answer: Any) -> tuple[float, ...]:
    """Return numbers that have an order. Raises WrongAnswer."""
    if not isinstance(answer, tuple):
        raise _other_type(name, what, answer, "a tuple of numbers")
    for number in answer:
        if not isinstance(number, (int, float)) or number != number:
            raise WrongAnswer(f'plugin "{name}" answers {what} with {number!r}, it should be numbers')
    return answer


def whole(name: str, what: str, answer: object) -> int:
    """Return a whole number that a plugin said of one row. Raises WrongAnswer."""
    if isinstance(answer, (int, np.integer, np.bool_)):
        return int(answer)
    raise _other_type(name, what, answer, "a whole number")
