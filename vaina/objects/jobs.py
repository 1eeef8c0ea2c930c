"""PURE: what is read from Jobs: labels, annotations and the finalizer, how a Job is meant, sets of indexes.

Called by apiserver, controllers and the command. Follows `k8s.io/api/batch/v1` and `pkg/controller/job/util`;
sets of indexes `pkg/controller/job/indexed_job_utils.go` (orderedIntervals), and what is refused of them
`pkg/apis/batch/validation` (validateIndexesFormat).
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from vaina.api.batch.v1 import job_pb2
from vaina.api.core.v1 import pod_pb2
from vaina.objects.integers import parse_int, parse_uint
from vaina.quoting import go_quote

#: holds a Pod of a Job until it is counted
TRACKING_FINALIZER: Final = "batch.kubernetes.io/job-tracking"
#: annotation and label of a Pod of an indexed Job
COMPLETION_INDEX: Final = "batch.kubernetes.io/job-completion-index"
#: annotations of a Pod: how often its index failed before it, and how often that did not count
INDEX_FAILURE_COUNT: Final = "batch.kubernetes.io/job-index-failure-count"
INDEX_IGNORED_FAILURE_COUNT: Final = "batch.kubernetes.io/job-index-ignored-failure-count"
#: annotation of a CronJob's Job: the time that it was meant for
SCHEDULED_TIMESTAMP: Final = "batch.kubernetes.io/cronjob-scheduled-timestamp"
JOB_NAME_LABELS: Final = ("job-name", "batch.kubernetes.io/job-name")
CONTROLLER_UID_LABEL: Final = "batch.kubernetes.io/controller-uid"
CONTROLLER_UID_LABELS: Final = ("controller-uid", CONTROLLER_UID_LABEL)
#: the value of managedBy that means the cluster's own controller
OUR_CONTROLLER: Final = "kubernetes.io/job-controller"

NON_INDEXED: Final = "NonIndexed"
INDEXED: Final = "Indexed"
FAILED_PODS_ONLY: Final = "Failed"
TERMINATING_OR_FAILED: Final = "TerminatingOrFailed"

COMPLETE: Final = "Complete"
FAILED: Final = "Failed"
FAILURE_TARGET: Final = "FailureTarget"
SUCCESS_CRITERIA_MET: Final = "SuccessCriteriaMet"
SUSPENDED: Final = "Suspended"

_NUMBER: Final = re.compile("[+-]?[0-9]{1,18}", re.ASCII).fullmatch


def is_true(conditions: Iterable[job_pb2.JobCondition], kind: str) -> bool:
    """Say whether the condition of a type is there and true."""
    return any(condition.type == kind and condition.status == "True" for condition in conditions)


def finished_as(job: job_pb2.Job) -> str:
    """Return Complete or Failed for a Job that has ended, and nothing for one that has not."""
    for condition in job.status.conditions:
        if condition.type in (COMPLETE, FAILED) and condition.status == "True":
            return condition.type
    return ""


def is_finished(job: job_pb2.Job) -> bool:
    """Say whether a Job has ended."""
    return bool(finished_as(job))


def is_indexed(spec: job_pb2.JobSpec) -> bool:
    """Say whether each Pod has an index."""
    return spec.completion_mode == INDEXED


def managed_by_other(spec: job_pb2.JobSpec) -> bool:
    """Say whether somebody else than the cluster's own controller sees to a Job."""
    return spec.HasField("managed_by") and spec.managed_by != OUR_CONTROLLER


def replaces_failed_only(spec: job_pb2.JobSpec) -> bool:
    """Say whether a Pod that is ending is replaced only once it has ended."""
    return spec.pod_replacement_policy == FAILED_PODS_ONLY or spec.HasField("pod_failure_policy")


def is_tracked(pod: pod_pb2.Pod) -> bool:
    """Say whether a Pod is held until it is counted."""
    return TRACKING_FINALIZER in pod.metadata.finalizers


def completion_index(pod: pod_pb2.Pod) -> int | None:
    """Return the index of a Pod of an indexed Job; None when it has none that can be read."""
    index = parse_int(pod.metadata.annotations.get(COMPLETION_INDEX, ""))
    return index if index is not None and index >= 0 else None


class IndexesError(ValueError):
    """A text is no list of intervals; the text says why, as upstream."""


@dataclass(frozen=True, slots=True)
class Indexes:
    """A set of indexes: intervals, both ends inclusive, in order, never adjacent."""

    intervals: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, indexes: Iterable[int]) -> "Indexes":
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


def parse_indexes(text: str, completions: int) -> Indexes:
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


def parse_indexes_strictly(text: str, completions: int) -> Indexes:
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
