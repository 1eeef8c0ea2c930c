"""The arithmetic of resourceVersions: `version = revision * 1000 + position` (decision 195). Pure.

All writes of one transaction share one etcd revision. The position distinguishes them, so that a watch can
resume after any single event. Other programs write transactions of several keys without positions: their
events share a version, and a watch cannot resume after it, because it does not say which were seen (decision
196).
"""

from apiserver.storage.interface import Version

#: positions per revision: three digits, so that people can read both numbers in a version
SPAN = 1000
#: the position that lists and bookmarks carry: everything of the revision has been seen
WHOLE = SPAN - 1
#: the largest position that an event has
LAST = SPAN - 2


def version_of(revision: int, position: int) -> Version:
    """Return the version of the event at `position` (0 to 998) of a revision."""
    return Version(revision * SPAN + position)


def whole(revision: int) -> Version:
    """Return the version after all events of a revision."""
    return Version(revision * SPAN + WHOLE)


def revision_of(version: Version) -> int:
    """Return the revision that a version belongs to."""
    return version // SPAN


def position_of(version: Version) -> int:
    """Return the position within its revision; 999 for lists and bookmarks."""
    return version % SPAN


def deletion_position(previous: int | None) -> int:
    """Return the position of a deletion, which carries no value and so cannot store its own.

    It is the position of the event before it in the same revision plus 1; the first one has 0. A transaction
    of another program, or the end of a lease, to which Kubernetes attaches up to 1,000 keys (apiserver
    `storage/etcd3/lease_manager.go`), may delete more keys than there are positions. Its later events repeat
    the last position, and share a version (decision 196).
    """
    return 0 if previous is None else min(previous + 1, LAST)


def start_revision(after: Version) -> int:
    """Return the revision from which a watch must begin to see everything after a version.

    After a whole revision it is the next one. After a single event it is the event's own, of which the reader
    drops the events up to the position.
    """
    revision, position = divmod(after, SPAN)
    return revision + 1 if position == WHOLE else revision


def is_expired(after: Version, compacted_revision: int) -> bool:
    """Tell whether a watch after this version can no longer be served without a gap.

    That is so within a revision that is not newer than the compacted one. It includes the compacted revision
    itself, of which some releases of etcd 3.5 drop deletions.
    """
    revision, position = divmod(after, SPAN)
    if position == WHOLE:
        return revision < compacted_revision
    return revision <= compacted_revision
