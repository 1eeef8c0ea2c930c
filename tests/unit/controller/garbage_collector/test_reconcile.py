from dataclasses import dataclass
from typing import Any

import pytest

from controller.garbage_collector.reconcile import (
    DeleteDependents,
    DeleteObject,
    DropOwners,
    OrphanDependents,
    OwnerState,
    RemoveFinalizer,
    reconcile,
)
from vaina.testing.builders import make_meta, owner_ref
from vaina.testing.clock import EPOCH

SOLID, ABSENT, WAITING = OwnerState.SOLID, OwnerState.ABSENT, OwnerState.WAITING


@dataclass(frozen=True)
class Case:
    name: str
    owners: tuple[OwnerState, ...] = ()
    want: tuple[Any, ...] = ()
    deleted: float | None = None
    finalizers: tuple[str, ...] = ()
    has_dependents: bool = False
    is_blocked: bool = False


CASES = [
    Case("without owners nothing happens"),
    Case("the owner is there: nothing happens", (SOLID,)),
    Case("the only owner is gone: it is deleted", (ABSENT,), (DeleteObject("Background"),)),
    Case("all owners are gone: it is deleted", (ABSENT, ABSENT), (DeleteObject("Background"),)),
    Case("one of two owners is gone: only the reference goes", (SOLID, ABSENT), (DropOwners(("uid-1",)),)),
    Case("an owner waits: it is deleted", (WAITING,), (DeleteObject("Background"),)),
    Case(
        "an owner waits and it has dependents itself: in the foreground",
        (WAITING,),
        (DeleteObject("Foreground"),),
        has_dependents=True,
    ),
    Case(
        "an owner waits, another stays: only the reference goes", (WAITING, SOLID), (DropOwners(("uid-0",)),)
    ),
    Case("what is ending is left alone", (ABSENT,), deleted=EPOCH),
    Case(
        "its own wish to orphan is kept",
        (ABSENT,),
        (DeleteObject("Orphan"),),
        finalizers=("orphan",),
    ),
    Case(
        "ending in the foreground: what blocks is looked at",
        want=(DeleteDependents(),),
        deleted=EPOCH,
        finalizers=("foregroundDeletion",),
        has_dependents=True,
        is_blocked=True,
    ),
    Case(
        "ending in the foreground and nothing blocks any more: it may go",
        want=(RemoveFinalizer("foregroundDeletion"),),
        deleted=EPOCH,
        finalizers=("foregroundDeletion",),
        has_dependents=True,
    ),
    Case(
        "ending as orphan: first what it owns is let go",
        want=(OrphanDependents(),),
        deleted=EPOCH,
        finalizers=("orphan",),
        has_dependents=True,
    ),
    Case(
        "ending as orphan with nothing: it may go",
        want=(OrphanDependents(),),
        deleted=EPOCH,
        finalizers=("orphan",),
    ),
    Case("somebody else's finalizer is none of ours", deleted=EPOCH, finalizers=("example.com/x",)),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_actions(case):
    meta = make_meta("a", deleted=case.deleted, finalizers=case.finalizers)
    for number, _ in enumerate(case.owners):
        meta.owner_references.append(owner_ref("ReplicaSet", f"o{number}", f"uid-{number}"))
    got = reconcile(meta, case.owners, has_dependents=case.has_dependents, is_blocked=case.is_blocked)
    assert got == case.want
