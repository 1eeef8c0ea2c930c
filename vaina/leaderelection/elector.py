"""PURE: may we lead? From what the lock says, when *we* saw it change, and our own monotonic clock.

The times in a record are other machines' and are never compared with ours: a record counts for its whole
duration from the moment at which we saw it. A leader counts its own term from before the write that began it
was sent. So the leader's term (`renew_deadline`) has ended on every clock before a follower's wait
(`lease_duration`) has, as long as no clock runs faster than another by more than lease_duration /
renew_deadline (1.5).

Called by `vaina.leaderelection.runner`. Follows client-go's tools/leaderelection (`tryAcquireOrRenew`,
`isLeaseValid`), with two differences that both make it stricter: a term is counted from the sending of a
renewal, not from its answer; and a lock that somebody deletes stays its holder's for the rest of the time
(decision 050).
"""

from dataclasses import dataclass, replace
from math import ceil
from typing import TypeAlias

#: followers come back after retry_period plus up to this many times as much, so that they do not come together
JITTER_FACTOR = 1.2


@dataclass(frozen=True, slots=True)
class Times:
    """How long things take, in seconds; kube-scheduler's and kube-controller-manager's defaults."""

    #: followers wait so long after the last change that they saw
    lease_duration: float = 15.0
    #: a leader that could not renew for so long has stopped
    renew_deadline: float = 10.0
    #: between two tries
    retry_period: float = 2.0

    def __post_init__(self) -> None:
        """Refuse times with which two could lead. Raises ValueError."""
        if self.lease_duration <= self.renew_deadline:
            raise ValueError("leaseDuration must be greater than renewDeadline")
        if self.renew_deadline <= JITTER_FACTOR * self.retry_period:
            raise ValueError("renewDeadline must be greater than retryPeriod*JitterFactor")
        if self.retry_period <= 0:
            raise ValueError("retryPeriod must be greater than zero")

    @property
    def duration_seconds(self) -> int:
        """lease_duration as a Lease can say it: whole seconds, rounded up."""
        return ceil(self.lease_duration)


@dataclass(frozen=True, slots=True)
class Record:
    """What the lock says. `acquire_time` and `renew_time` are its writer's wall clock: for people only."""

    #: empty: nobody's
    holder: str
    duration_seconds: int
    acquire_time: float
    renew_time: float
    #: how often it went from one holder to another
    transitions: int


@dataclass(frozen=True, slots=True)
class Observation:
    """The lock as it was seen last."""

    #: None: there has never been one, as far as we know
    record: Record | None
    #: monotonic seconds, ours: when the record was first seen as it is
    seen: float
    #: the record is what was there before somebody deleted it
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Take:
    """Nobody leads: write this, compare-and-swap, and lead if that succeeds."""

    record: Record


@dataclass(frozen=True, slots=True)
class Renew:
    """It is ours: write this to keep it."""

    record: Record


@dataclass(frozen=True, slots=True)
class Follow:
    """Somebody else leads, for so many seconds at least unless the record changes."""

    seconds: float


Action: TypeAlias = Take | Renew | Follow


def observe(before: Observation | None, record: Record | None, *, now: float) -> Observation:
    """Return what is known after the lock was read; the answer came at `now` (monotonic seconds)."""
    if before is None:
        return Observation(record, now)
    if record is None:
        return before if before.record is None else replace(before, deleted=True)
    if record == before.record and not before.deleted:
        return before
    return Observation(record, now)


def decide(observed: Observation, identity: str, times: Times, *, now: float, wall: float) -> Action:
    """Return what to do about the lock; `now` is monotonic seconds, `wall` seconds since the epoch.

    `times` are ours: of another's record its own duration counts.
    """
    record = observed.record
    if record is None:
        return Take(_mine(identity, times, wall, acquired=wall, transitions=0))
    if record.holder == identity:
        mine = _mine(identity, times, wall, acquired=record.acquire_time, transitions=record.transitions)
        return Renew(mine)
    left = observed.seen + (record.duration_seconds or times.lease_duration) - now
    if record.holder and left > 0:
        return Follow(left)
    return Take(_mine(identity, times, wall, acquired=wall, transitions=record.transitions + 1))


def released(record: Record, *, wall: float) -> Record:
    """Return the record of a lock that its holder gives back."""
    return Record(
        holder="", duration_seconds=1, acquire_time=wall, renew_time=wall, transitions=record.transitions
    )


def retry_seconds(times: Times, action: Follow | None, dice: float) -> float:
    """Return when a follower looks again: after the jittered period (`dice` is 0 to 1), or when the holder's
    time is up.

    `action` is what was decided; None when the lock could not be read or written.
    """
    period = times.retry_period * (1.0 + JITTER_FACTOR * dice)
    return period if action is None else min(period, action.seconds)


def _mine(identity: str, times: Times, wall: float, *, acquired: float, transitions: int) -> Record:
    return Record(
        holder=identity, duration_seconds=times.duration_seconds, acquire_time=acquired, renew_time=wall,
        transitions=transitions,
    )  # fmt: skip
