"""PURE: what becomes of an object, by what has become of its owners, which are known by uid.

Follows upstream's attemptToDeleteItem, attemptToOrphan and processDeletingDependentsItem.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from vaina.api.meta.v1 import meta_pb2

#: finalizers by which a deletion asks the collector for something
ORPHAN, FOREGROUND = "orphan", "foregroundDeletion"


class OwnerState(Enum):
    """What has become of an owner."""

    #: it is there, or may be: nothing that it owns is touched
    SOLID = "solid"
    #: there is no object of this uid
    ABSENT = "absent"
    #: it is being deleted in the foreground, and waits for what it owns
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class DeleteObject:
    """Delete the object, with this policy."""

    policy: str


@dataclass(frozen=True, slots=True)
class DropOwners:
    """Take owners out of the object's references, by uid; the object stays."""

    uids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RemoveFinalizer:
    """The deletion of the object may go on."""

    finalizer: str


@dataclass(frozen=True, slots=True)
class DeleteDependents:
    """Look at everything that the object owns: it waits for them."""


@dataclass(frozen=True, slots=True)
class OrphanDependents:
    """Take the object out of the references of all that it owns; only then its finalizer."""


Action: TypeAlias = DeleteObject | DropOwners | RemoveFinalizer | DeleteDependents | OrphanDependents


def reconcile(
    meta: meta_pb2.ObjectMeta, owners: Sequence[OwnerState], *, has_dependents: bool, is_blocked: bool
) -> tuple[Action, ...]:
    """Decide what to do with an object; nothing is the usual answer.

    `owners` has the state of each owner in the order of the references; `is_blocked` says whether anything
    that the object owns blocks its deletion in the foreground.
    """
    deleting = meta.HasField("deletion_timestamp")
    if deleting and ORPHAN in meta.finalizers:
        # Even when the cache knows no dependents: the executor asks the apiserver.
        return (OrphanDependents(),)
    if deleting and FOREGROUND in meta.finalizers:
        return (DeleteDependents(),) if is_blocked else (RemoveFinalizer(FOREGROUND),)
    if deleting or not owners:
        return ()
    gone = tuple(
        reference.uid
        for reference, state in zip(meta.owner_references, owners, strict=True)
        if state is not OwnerState.SOLID
    )
    if not gone:
        return ()
    if len(gone) < len(owners):
        return (DropOwners(gone),)
    if OwnerState.WAITING in owners and has_dependents:
        return (DeleteObject("Foreground"),)
    return (DeleteObject(_policy(meta)),)


def _policy(meta: meta_pb2.ObjectMeta) -> str:
    if ORPHAN in meta.finalizers:
        return "Orphan"
    if FOREGROUND in meta.finalizers:
        return "Foreground"
    return "Background"
