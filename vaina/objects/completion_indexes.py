"""Sets of completion indexes of a Job, kept as intervals: `1,3-5,7`. PURE.

Follows upstream's `pkg/controller/job/indexed_job_utils.go` (orderedIntervals) and, for `parse_strict`, the
words of `pkg/apis/batch/validation`: validateIndexesFormat.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from vaina.objects.integers import parse_uint
from vaina.quoting import go_quote

_NUMBER: Final = re.compile("[+-]?[0-9]{1,18}", re.ASCII).fullmatch


class IndexesError(ValueError):
    """A text is no list of intervals; the text says why, as upstream."""


@dataclass(frozen=True, slots=True)
class Indexes:
    """A set of indexes: intervals, both ends inclusive, in order, never adjacent."""

    intervals: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, indexes: Iterable[int]) -> "Indexes":
        """Make a set of numbers."""
        return cls(tuple(_joined((index, index) for index in sorted(set(indexes)))))

    def __contains__(self, index: object) -> bool:
        if not isinstance(index, int):
            return False
        at = bisect_left(self.intervals, index, key=lambda interval: interval[1])
        return at < len(self.intervals) and self.intervals[at][0] <= index

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in self.intervals)

    def __iter__(self) -> Iterator[int]:
        for first, last in self.intervals:
            yield from range(first, last + 1)

    def __or__(self, other: "Indexes") -> "Indexes":
        return Indexes(tuple(_joined(sorted((*self.intervals, *other.intervals)))))

    def common(self, other: "Indexes") -> int:
        """Return how many indexes are in both."""
        total, position = 0, 0
        for first, last in self.intervals:
            while position < len(other.intervals) and other.intervals[position][1] < first:
                position += 1
            at = position
            while at < len(other.intervals) and other.intervals[at][0] <= last:
                total += min(last, other.intervals[at][1]) - max(first, other.intervals[at][0]) + 1
                at += 1
        return total

    def missing(self, count: int, below: int) -> list[int]:
        """Return the `count` smallest indexes under `below` that are not in the set."""
        found: list[int] = []
        candidate = 0
        for first, last in (*self.intervals, (below, below)):
            end = min(first, below)
            found.extend(range(candidate, min(end, candidate + count - len(found))))
            if len(found) >= count:
                break
            candidate = max(candidate, last + 1)
        return found

    def __str__(self) -> str:
        return ",".join(
            str(first) if first == last else f"{first}{',' if last == first + 1 else '-'}{last}"
            for first, last in self.intervals
        )


def _joined(intervals: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for first, last in intervals:
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return found


def parse(text: str, completions: int) -> Indexes:
    """Read what a status says; what cannot be read is left out, what is beyond `completions` too."""
    intervals: list[tuple[int, int]] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        begin, end = parse_uint(first), parse_uint(last or first)
        if begin is None or end is None:
            continue
        low, high = begin, min(end, completions - 1)
        if low <= high:
            intervals.append((low, high))
    return Indexes(tuple(_joined(sorted(intervals))))


def parse_strict(text: str, completions: int) -> Indexes:
    """Read what somebody wrote. Raises IndexesError."""
    if not text:
        return Indexes()
    intervals: list[tuple[int, int]] = []
    for part in text.split(","):
        low, high = _interval(part, completions)
        if intervals and intervals[-1][1] >= low:
            raise IndexesError(f"non-increasing order, previous: {intervals[-1][1]}, current: {low}")
        intervals.append((low, high))
    return Indexes(tuple(_joined(intervals)))


def _interval(part: str, completions: int) -> tuple[int, int]:
    ends = part.split("-")
    if len(ends) > 2:
        detail = "violates the requirement that an index interval can have at most two parts separated by '-'"
        raise IndexesError(f"the fragment {go_quote(part)} {detail}")
    low = _bound(ends[0], completions)
    if len(ends) == 1:
        return low, low
    high = _bound(ends[1], completions)
    if low >= high:
        raise IndexesError(f"non-increasing order, previous: {low}, current: {high}")
    return low, high


def _bound(text: str, completions: int) -> int:
    if not _NUMBER(text):
        raise IndexesError(f"cannot convert string to integer for index: {go_quote(text)}")
    if int(text) >= completions:
        raise IndexesError(f"too large index: {go_quote(text)}")
    return int(text)


def first_overlap(one: Indexes, other: Indexes) -> int | None:
    """Return the smallest index that is in both sets; None when there is none."""
    for first, last in one.intervals:
        at = bisect_right(other.intervals, first, key=lambda interval: interval[1]) - 1
        for low, high in other.intervals[max(at, 0) :]:
            if low > last:
                break
            if high >= first:
                return max(first, low)
    return None
