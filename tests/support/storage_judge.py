"""PURE: compares every answer, error and watch event of a story with a sequential storage (I4, I5, I6).

Versions say in which order the writes happened: the truth is that order, and the state after each of its
events. Every call has a window in it: it happened after all that was answered before it began, and before all
that began after it was answered. What it was told must be true at a moment in its window. Beside that each
key's history is checked without versions, for linearizability alone.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from math import inf

from apiserver.storage import versions
from apiserver.storage.interface import (
    EventType,
    Key,
    KeyConflict,
    KeyExists,
    KeyMissing,
    StorageEvent,
    Stored,
)
from tests.support.linearizability import Operation, by_key
from tests.support.storage_story import LAST, Call, Story, Way, parent_of, token_of
from tests.support.storage_watchers import seen
from tests.support.watch_validators import check_client, check_history
from vaina.errors import ApiError, Expired

_WRITES = {Way.CREATE, Way.UPDATE, Way.DELETE, Way.CHANGE}


def judge(story: Story, *, strict_expiry: bool = True) -> list[str]:
    """Return everything that no sequential storage would have answered.

    Args:
        story: what was done and told.
        strict_expiry: what is compacted must be refused (a cache may know it still).
    """
    history = [seen(event) for event in story.truth]
    found = check_history(history)
    if found:
        return found
    court = _Court(story, strict_expiry=strict_expiry)
    for call in story.calls:
        found += [f"{_words(call)}: {text}" for text in court.judge(call)]
    found += court.unexplained()
    for number, streams in enumerate(story.streams):
        if all(event.key != LAST for event in streams[-1].events):
            found.append(f"watcher {number} never saw the end")
        found += [f"watcher {number}: {text}" for text in check_client(streams, history)]
    found += [f"{key}: {verdict}" for key, verdict in by_key(operations(story), None, model).items()]
    return found


class _Court:
    """The truth, and where each call stands in it."""

    def __init__(self, story: Story, *, strict_expiry: bool) -> None:
        self._strict = strict_expiry
        self._events: Sequence[StorageEvent] = story.truth
        self._versions = [event.version for event in story.truth]
        #: the state after so many events
        self._states: list[dict[Key, Stored]] = [{}]
        for event in story.truth:
            state = dict(self._states[-1])
            if event.type is EventType.DELETED:
                del state[event.key]
            else:
                assert event.object is not None
                state[event.key] = event.object
            self._states.append(state)
        self._puts = {
            token_of(event.object): index
            for index, event in enumerate(story.truth)
            if event.object is not None and event.type is not EventType.DELETED
        }
        self._explained: set[int] = set()
        self._place(story.calls)

    def _place(self, calls: Sequence[Call]) -> None:
        """Note for every moment how far the truth was at least, and which events had not begun."""
        ends: list[tuple[int, int]] = []
        begins: list[tuple[int, int]] = []
        for call in calls:
            index = self._index(call)
            if index is not None:
                begins.append((call.called, index))
            if call.returned is not None and not isinstance(call.answer, Exception):
                ends.append((call.returned, self._shown(call, index)))
        #: by the moment of an answer: so many events had happened
        self._ends: list[tuple[int, int]] = []
        for moment, bound in sorted(ends):
            self._ends.append((moment, max(bound, self._ends[-1][1] if self._ends else 0)))
        #: by the moment of a call, from the last: the earliest event of those that began then or later
        self._begins: list[tuple[int, int]] = []
        for moment, bound in sorted(begins, reverse=True):
            self._begins.append(
                (moment, min(bound, self._begins[-1][1] if self._begins else len(self._events)))
            )
        self._begins.reverse()

    def _index(self, call: Call) -> int | None:
        """Return the event that a call wrote."""
        if call.way not in _WRITES:
            return None
        if isinstance(call.answer, Stored) and (call.way is Way.DELETE or call.deletes):
            index = bisect_right(self._versions, call.answer.version) - 1
            return index if index >= 0 and self._versions[index] == call.answer.version else None
        return self._puts.get(call.token)

    def _shown(self, call: Call, index: int | None) -> int:
        """Return how many events had happened at least for an answer to be what it is."""
        if index is not None:
            return index + 1
        if call.way is Way.LIST:
            return bisect_right(self._versions, call.version)
        return bisect_right(self._versions, call.answer.version) if isinstance(call.answer, Stored) else 0

    def _window(self, call: Call) -> range:
        """Return after how many events a call may have happened."""
        at = bisect_right(self._ends, (call.called, len(self._events) + 1)) - 1
        low = self._ends[at][1] if at >= 0 else 0
        returned = inf if call.returned is None else call.returned
        at = bisect_right(self._begins, (returned, len(self._events) + 1))
        high = self._begins[at][1] if at < len(self._begins) else len(self._events)
        return range(low, high + 1)

    def judge(self, call: Call) -> Iterator[str]:
        """Yield what is wrong with one call."""
        index = self._index(call)
        if index is not None:
            if index in self._explained:
                yield f"event {index} is another call's already"
            self._explained.add(index)
        if call.way in _WRITES:
            yield from self._write(call, index)
        elif isinstance(call.answer, ApiError):
            yield from self._read_error(call, call.answer)
        elif call.way is Way.GET:
            yield from self._get(call)
        else:
            yield from self._list(call)

    def _write(self, call: Call, index: int | None) -> Iterator[str]:
        answer, window = call.answer, self._window(call)
        if isinstance(answer, Stored):
            if index is not None:
                yield from self._done(call, answer, index, window)
            elif call.way is not Way.CHANGE or not self._was(window, call.key, lambda now: now == answer):
                yield "acknowledged, but it never happened"
            return
        if index is not None and not call.is_unknown:
            yield f"refused, but it happened at {self._versions[index]}"
        if index is not None and index not in window:
            yield f"happened as event {index}, outside of {window}"
        reasons: dict[type, Callable[[Stored | None], bool]] = {
            KeyExists: lambda now: now is not None,
            KeyMissing: lambda now: now is None,
            # A change gives up when others won every time.
            KeyConflict: lambda now: now is not None and now.version != call.expected,
        }
        reason = reasons.get(type(answer))
        if reason is not None:
            if not self._was(window, call.key, reason):
                yield f"there was no reason for it in {window}"
        elif not isinstance(answer, ApiError) and not self._was(
            window, call.key, lambda now: now == call.saw
        ):
            yield f"decided on {call.saw}, which was not there in {window}"

    def _done(self, call: Call, answer: Stored, index: int, window: range) -> Iterator[str]:
        """A write that was acknowledged happened as it was said, on the state that it expected, in its time."""
        event, before = self._events[index], self._states[index].get(call.key)
        if event.object != answer or event.key != call.key:
            yield f"the event is {event}"
        if index not in window:
            yield f"happened as event {index}, outside of {window}"
        if call.way is Way.CREATE and before is not None:
            yield f"there was {before}"
        if call.way in (Way.UPDATE, Way.DELETE) and (
            before is None or call.expected not in (None, before.version)
        ):
            yield f"there was {before}"
        if call.way is Way.CHANGE and before != call.saw:
            yield f"was decided on {call.saw}, there was {before}"

    def _was(self, window: range, key: Key, holds: "Callable[[Stored | None], bool]") -> bool:
        return any(holds(self._states[at].get(key)) for at in window)

    def _get(self, call: Call) -> Iterator[str]:
        answer = call.answer
        if call.read.exact is not None:
            revision = versions.whole(versions.revision_of(call.read.exact))
            wanted = self._states[bisect_right(self._versions, revision)].get(call.key)
            if answer != wanted:
                yield f"there was {wanted}"
            yield from self._had_to_expire(call)
            return
        window = self._window(call)
        if call.read.at_least is not None:
            window = range(bisect_right(self._versions, call.read.at_least), window.stop)
        if not self._was(window, call.key, lambda now: now == answer):
            yield f"not what was there in {window}"

    def _list(self, call: Call) -> Iterator[str]:
        at = bisect_right(self._versions, call.version)
        wanted = [self._states[at][key] for key in sorted(self._states[at])]
        if call.answer != wanted:
            yield f"at {call.version} there was {wanted}"
        if call.read.exact is not None:
            if call.version != versions.whole(versions.revision_of(call.read.exact)):
                yield f"is of {call.version}"
            yield from self._had_to_expire(call)
        elif call.read.at_least is not None:
            if call.version < call.read.at_least:
                yield f"is of {call.version}, which is older"
        elif at not in self._window(call):
            yield f"is of the state after event {at}, outside of {self._window(call)}"

    def _had_to_expire(self, call: Call) -> Iterator[str]:
        assert call.read.exact is not None
        if self._strict and versions.revision_of(call.read.exact) < call.compacted[0]:
            yield f"answered, though {call.compacted[0]} was compacted"

    def _read_error(self, call: Call, error: ApiError) -> Iterator[str]:
        """Only the past expires, and only when it is compacted. The rest is the line's fault."""
        if not isinstance(error, Expired):
            return
        if call.read.exact is None:
            yield "expired, though nothing of the past was asked for"
        elif versions.revision_of(call.read.exact) >= max(call.compacted[1], 1):
            yield f"expired, though only {call.compacted[1]} was compacted"

    def unexplained(self) -> Iterator[str]:
        """Yield the events that nobody wrote, but deletions.

        Whose outcome was unknown cannot be told from the event.
        """
        for index, event in enumerate(self._events[:-1]):
            if index not in self._explained and event.type is not EventType.DELETED:
                yield f"{seen(event)} was written by nobody"


def operations(story: Story) -> dict[str, list[Operation]]:
    """Return the calls of each key as the linearizability checker takes them; tokens for states."""
    tokens = {
        event.version: token_of(event.object)
        for event in story.truth
        if event.object is not None and event.type is not EventType.DELETED
    }
    found: dict[str, list[Operation]] = {}
    for call in story.calls:
        if call.way is Way.LIST or call.read.exact is not None or call.read.at_least is not None:
            continue
        expected = None if call.expected is None else tokens.get(call.expected, "never")
        request = (call.way.value, call.token, expected, call.deletes)
        answer = _answer(call)
        if answer is None and call.way is Way.GET:
            continue
        if answer is None and not call.is_unknown:
            continue  # refused before it was tried
        end = inf if answer is None or call.returned is None else call.returned
        found.setdefault(call.key, []).append(Operation(call.called, request, answer, end))
    return found


def _answer(call: Call) -> tuple[str, str | None] | None:
    answer = call.answer
    if isinstance(answer, ApiError):
        return None
    if isinstance(answer, Exception):
        saw = None if call.saw is None else token_of(call.saw)
        return (type(answer).__name__, saw)
    if answer is None:
        return ("is", None)
    assert isinstance(answer, Stored)
    if call.way is Way.CHANGE and not call.deletes:
        changed = token_of(answer) == call.token
        return ("changed", parent_of(answer)) if changed else ("is", token_of(answer))
    return ("is" if call.way is Way.GET else "done", token_of(answer))


def model(state: str | None, request: object, answer: object) -> Iterator[str | None]:
    """One key as a sequential storage has it: the token of what is there, or None."""
    assert isinstance(request, tuple)
    way, token, expected, deletes = request
    what, told = answer if isinstance(answer, tuple) else (None, None)
    if what in ("KeyExists", "KeyMissing", "KeyConflict", "_Refused", "is"):
        if _is_refused(state, str(what), told, expected):
            yield state
        return
    may = {
        Way.CREATE: state is None,
        Way.UPDATE: state is not None and state == expected,
        Way.DELETE: state is not None and expected in (None, state) and told in (None, state),
        Way.CHANGE: state is not None and told in (None, state),
    }[Way(way)]
    if may:
        yield None if way == Way.DELETE or deletes else token


def _is_refused(state: str | None, what: str, told: str | None, expected: str | None) -> bool:
    """Whether a call that wrote nothing could be told this in a state."""
    if what == "KeyConflict":
        return state is not None and state != expected
    return {"KeyExists": state is not None, "KeyMissing": state is None}.get(what, state == told)


def _words(call: Call) -> str:
    reading = f" {call.read}" if call.way in (Way.GET, Way.LIST) else f" {call.token} on {call.expected}"
    return f"{call.way.value} {call.key.rpartition('/')[2]}{reading} [{call.called}-{call.returned}] -> {call.answer}"
