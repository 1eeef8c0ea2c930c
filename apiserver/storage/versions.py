"""The arithmetic of resourceVersions: `version = revision * 1000 + position` (decision 195). Pure.

All writes of one transaction share one etcd revision; the position tells them apart, so that a watch can be
resumed after any single event. What others write in transactions of several keys has no position: such events
share a version, and a watch cannot be resumed after it, because it does not say which were seen (decision
196).
"""

from apiserver.storage.interface import Version

#: positions per revision: three digits, so that a person reads both numbers out of a version
SPAN = 1000
#: the position that lists and bookmarks carry: everything of the revision has been seen
WHOLE = SPAN - 1
#: the largest position that an event has
LAST = SPAN - 2


def version_of(revision: int, position: int) -> Version:
    """Return the version of the event at `position` (0 to 998) of a revision."""
    return Version(revision * SPAN + position)


def whole(revision: int) -> Version:
    """Return the version that says: everything up to and with this revision has been seen."""
    return Version(revision * SPAN + WHOLE)


def revision_of(version: Version) -> int:
    """Return the revision that a version belongs to."""
    return version // SPAN


def position_of(version: Version) -> int:
    """Return the position within its revision; 999 for lists and bookmarks."""
    return version % SPAN


def deletion_position(previous: int | None) -> int:
    """Return the position of a deletion, which carries no value and so cannot store its own.

    It is that of the event before it in the same revision + 1; the first has 0. A foreign transaction (or the
    end of a lease, to which Kubernetes attaches up to 1,000 keys: apiserver `storage/etcd3/lease_manager.go`)
    may delete more keys than there are positions: it repeats the last one, and these events share a version
    (decision 196).
    """
    return 0 if previous is None else min(previous + 1, LAST)


def start_revision(after: Version) -> int:
    """Return the revision from which a watch must begin to see everything after a version.

    After a whole revision that is the next one; after a single event its own, from which the events up to the
    position are dropped.
    """
    revision, position = divmod(after, SPAN)
    return revision + 1 if position == WHOLE else revision


def is_expired(after: Version, compacted_revision: int) -> bool:
    """Tell whether a watch after this version can no longer be served without a gap.

    Within a revision that is not newer than the compacted one: yes, even at the very revision of the
    compaction, where some releases of etcd 3.5 drop deletions.
    """
    revision, position = divmod(after, SPAN)
    if position == WHOLE:
        return revision < compacted_revision
    return revision <= compacted_revision
