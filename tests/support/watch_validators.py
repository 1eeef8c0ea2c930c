"""PURE: what I6 asks of watches, as checks of recorded streams.

Ordered, unique, without gaps, resumable, bookmarked, Expired at a gap.

Knows no storage and no gRPC: whoever records writes down versions as numbers, keys as text and data as any
values that can be compared. Each check returns the violations in words, none when all is well.

    history  everything that was written, in the order of versions, as a watch without selection sees it
    stream   what one call of watch delivered, and how it ended (`Recorded`)
    client   the streams of one client, one after the other (`check_client`)

A version that a batch carries says the same as a bookmark (everything up to it has been delivered): write it
down as one, after the batch's events.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

ADDED, MODIFIED, DELETED, BOOKMARK = "ADDED", "MODIFIED", "DELETED", "BOOKMARK"

#: whether a stream is about an object, by its key and data
Selects = Callable[[str, object], bool]


@dataclass(frozen=True, slots=True)
class Seen:
    """One event, of the history or of a stream."""

    type: str
    key: str
    version: int
    #: the new state, of DELETED the last one; None in a stream: it was not written down and is not compared
    data: object = None
    #: a BOOKMARK that ends the current state at the start of a stream
    ends_initial: bool = False

    def __str__(self) -> str:
        return f"{self.type} {self.key}@{self.version}" if self.key else f"{self.type}@{self.version}"


class End(StrEnum):
    """How a stream ended."""

    #: the recorder stopped listening
    LEFT = "left"
    #: the server ended it, or the line broke: the client resumes
    CUT = "cut"
    #: the version is no longer kept: the client lists anew
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Recorded:
    """What one watch delivered, in the order in which it came."""

    #: the version to go on from; with `initial` how fresh the current state had to be at least
    after: int
    events: Sequence[Seen]
    end: End = End.LEFT
    #: it began with the current state as ADDED, which a BOOKMARK with `ends_initial` ended
    initial: bool = False
    #: everything up to this version had to arrive before the recorder left; 0: nothing is known
    until: int = 0
    selects: Selects = field(default=lambda key, data: True)
    #: the newest version that could no longer be resumed from when the stream ended; None: nobody knows, any
    #: Expired is believed
    compacted: int | None = None

    @property
    def reached(self) -> int:
        """The version after which a client would resume.

        The last one it got, or where it began (0: it has nothing to resume from).
        """
        if self.initial:
            ends = [number for number, event in enumerate(self.events) if event.ends_initial]
            return self.events[-1].version if ends else 0
        return self.events[-1].version if self.events else self.after


def check_history(history: Sequence[Seen]) -> list[str]:
    """Return what is wrong with a history by itself.

    Each write has a version of its own and follows from the state before.
    """
    found = [
        f"{after} does not come after {before}"
        for before, after in pairwise(history)
        if after.version <= before.version
    ]
    there: set[str] = set()
    for event in history:
        wanted = {ADDED} if event.key not in there else {MODIFIED, DELETED}
        if event.type not in wanted:
            found.append(f"{event}: the key was {'there' if event.key in there else 'not there'}")
        (there.discard if event.type == DELETED else there.add)(event.key)
    return found


def project(history: Sequence[Seen], selects: Selects) -> list[Seen]:
    """Return a history as those see it who watch a selection.

    Entering it is ADDED, leaving it DELETED with the last selected state.
    """
    found: list[Seen] = []
    last: dict[str, object] = {}
    for event in history:
        before = event.key in last
        now = event.type != DELETED and selects(event.key, event.data)
        if now:
            last[event.key] = event.data
            found.append(Seen(MODIFIED if before else ADDED, event.key, event.version, event.data))
        elif before:
            found.append(Seen(DELETED, event.key, event.version, last.pop(event.key)))
    return found


def state_at(history: Sequence[Seen], version: int) -> dict[str, Seen]:
    """Return the last event of each key that was there after a version."""
    state: dict[str, Seen] = {}
    for event in history:
        if event.version <= version:
            state[event.key] = event
    return {key: event for key, event in state.items() if event.type != DELETED}


def check(recorded: Recorded, history: Sequence[Seen]) -> list[str]:
    """Return what is wrong with one stream.

    Args:
        recorded: the stream.
        history: everything that was written, at least from the stream's beginning to its end, and what was
        there before.
    """
    projected = project(history, recorded.selects)
    found = [*_order(recorded), *_bookmarks(recorded)]
    live, after = recorded.events, recorded.after
    if recorded.initial:
        end = next((n for n, event in enumerate(recorded.events) if event.ends_initial), None)
        if end is None:
            return [*found, *_unended(recorded)]
        after = recorded.events[end].version
        found += _initial(recorded, recorded.events[:end], projected, after)
        live = recorded.events[end + 1 :]
    found += _live(live, [event for event in projected if event.version > after])
    reached = max([after, *(event.version for event in live)])
    if reached < recorded.until and recorded.end is not End.EXPIRED:
        delivered = {(event.key, event.version) for event in live}
        found += [
            f"gap: {event} was never delivered, up to {recorded.until} everything had to be"
            for event in projected
            if after < event.version <= recorded.until and (event.key, event.version) not in delivered
        ]
    if recorded.end is End.EXPIRED and recorded.compacted is not None and reached > recorded.compacted:
        found.append(f"Expired at {reached}, though only versions up to {recorded.compacted} are compacted")
    return found


def check_client(streams: Sequence[Recorded], history: Sequence[Seen]) -> list[str]:
    """Return what is wrong with the streams of one client that resumes where the stream before left it.

    Each stream is checked by itself; between two of them nothing may be missing, unless the former said
    Expired or ended before the current state was whole, and the next one begins with the current state.
    Within one client versions never go back (I7).
    """
    found = [
        f"stream {number}: {text}" for number, stream in enumerate(streams) for text in check(stream, history)
    ]
    reached = 0
    for number, (before, stream) in enumerate(pairwise(streams), 1):
        reached = max(reached, before.reached)
        if stream.initial:
            if stream.reached and stream.reached < reached:
                found.append(f"stream {number}: time ran back from {reached} to {stream.reached}")
        elif before.initial and not before.reached:
            found.append(
                f"stream {number}: goes on after {stream.after}, though the current state was never whole"
            )
        elif before.end is End.EXPIRED:
            found.append(
                f"stream {number}: goes on after {stream.after}, though the stream before said Expired"
            )
        elif stream.after != reached:
            found.append(
                f"stream {number}: opened after {stream.after}, the stream before had reached {reached}"
            )
    return found


def _order(recorded: Recorded) -> Iterator[str]:
    """What came live is in order, later than the beginning, and nothing came twice."""
    live = list(recorded.events)
    last = recorded.after
    if recorded.initial:
        end = next((n for n, event in enumerate(live) if event.ends_initial), len(live))
        last, live = (live[end].version if end < len(live) else 0), live[end + 1 :]
    seen: set[tuple[str, int]] = set()
    for event in live:
        if event.type == BOOKMARK:
            continue
        if (event.key, event.version) in seen:
            yield f"{event} came twice"
        elif event.version <= recorded.after and not recorded.initial:
            yield f"{event} came though the stream began after {recorded.after}"
        elif event.version < last:
            yield f"{event} came after version {last}"
        seen.add((event.key, event.version))
        last = max(last, event.version)


def _bookmarks(recorded: Recorded) -> Iterator[str]:
    """No event that comes after a bookmark is covered by it, and bookmarks do not go back."""
    bookmark: Seen | None = None
    for event in recorded.events:
        # A bookmark may repeat the one before; an event at its version was covered by it already.
        earliest = 0 if bookmark is None else bookmark.version + (event.type != BOOKMARK)
        if event.version < earliest:
            yield f"{event} came after {bookmark}, which was ahead of what was delivered"
        if event.type == BOOKMARK:
            bookmark = event
    if recorded.events and not recorded.initial and recorded.events[0].type == BOOKMARK:
        first = recorded.events[0]
        if first.version < recorded.after:
            yield f"{first} is older than the beginning at {recorded.after}"


def _initial(
    recorded: Recorded, initial: Sequence[Seen], projected: Sequence[Seen], version: int
) -> Iterator[str]:
    """The current state is that of the version that ends it, and not older than was asked for."""
    if version < recorded.after:
        yield f"the current state is of {version}, older than the {recorded.after} that was asked for"
    wanted = state_at(projected, version)
    seen: set[str] = set()
    for event in initial:
        if event.type != ADDED:
            yield f"{event} is in the current state, where everything is ADDED"
            continue
        if event.key in seen:
            yield f"{event} is twice in the current state"
        seen.add(event.key)
        truth = wanted.get(event.key)
        if truth is None:
            yield f"{event} is in the current state at {version}, but was not there"
        elif event.version != truth.version or not _same(event, truth):
            yield f"{event} is in the current state at {version}, there was {truth}"
    for key, truth in wanted.items():
        if key not in seen:
            yield f"gap: {truth} is not in the current state at {version}"


def _unended(recorded: Recorded) -> Iterator[str]:
    """A current state that was not ended says nothing, but that it was cut."""
    for event in recorded.events:
        if event.type != ADDED:
            yield f"{event} came before the current state was ended"
    if recorded.end is End.LEFT and recorded.until:
        yield "the current state was never ended"


def _live(live: Sequence[Seen], wanted: Sequence[Seen]) -> Iterator[str]:
    """What came is what was written, from the beginning to the last thing that was said, without a gap."""
    truth = {(event.key, event.version): event for event in wanted}
    delivered = {(event.key, event.version) for event in live if event.type != BOOKMARK}
    said = max((event.version for event in live), default=0)
    for event in live:
        if event.type == BOOKMARK:
            continue
        written = truth.get((event.key, event.version))
        if written is None:
            yield f"{event} was never written"
        elif written.type != event.type:
            yield f"{event} should be {written.type}"
        elif not _same(event, written):
            yield f"{event} carries other data than was written"
    for event in wanted:
        if event.version <= said and (event.key, event.version) not in delivered:
            yield f"gap: {event} was never delivered, though the stream reached {said}"


def _same(event: Seen, truth: Seen) -> bool:
    return event.data is None or event.data == truth.data
