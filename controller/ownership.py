"""PURE: which objects a controller owns, may adopt, and must release, by controller reference and uid (I10).

Follows upstream's controller_ref_manager: an orphan that matches is adopted, an owned object that matches no
longer is released, and other owners' objects are left alone. A controller that is being deleted neither
adopts nor releases.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf.message import Message

from controller.plans import copy_of
from vaina.api.meta.v1 import meta_pb2
from vaina.objects.meta import controller_of, metadata

M = TypeVar("M", bound=Message)

#: index of objects by the uid of their controller; orphans stand under "orphan/<namespace>"
BY_CONTROLLER = "controller-uid"


def by_controller(obj: Message) -> Iterable[str]:
    """Index function of objects of any kind, for `BY_CONTROLLER`."""
    meta = metadata(obj)
    reference = controller_of(meta)
    return (reference.uid if reference is not None else f"orphan/{meta.namespace}",)


@dataclass(frozen=True, slots=True)
class Claims(Generic[M]):
    """What belongs to a controller."""

    owned: tuple[M, ...]
    adopt: tuple[M, ...]
    release: tuple[M, ...]


def claim(owner: meta_pb2.ObjectMeta, candidates: Iterable[M], matches: Callable[[M], bool]) -> Claims[M]:
    """Sort candidates by what the owner may do with them; `matches` asks its selector."""
    owned: list[M] = []
    adopt: list[M] = []
    release: list[M] = []
    leaving = owner.HasField("deletion_timestamp")
    for candidate in candidates:
        meta = metadata(candidate)
        reference = controller_of(meta)
        if reference is None:
            if not leaving and not meta.HasField("deletion_timestamp") and matches(candidate):
                adopt.append(candidate)
        elif reference.uid == owner.uid:
            if matches(candidate):
                owned.append(candidate)
            elif not leaving:
                release.append(candidate)
    return Claims(tuple(owned), tuple(adopt), tuple(release))


def with_controller(obj: M, reference: meta_pb2.OwnerReference) -> M:
    """Return a copy of an object that has this controller. Other owners stay."""
    copy = copy_of(obj)
    metadata(copy).owner_references.append(reference)
    return copy


def without_owner(obj: M, uid: str) -> M:
    """Return a copy of an object without an owner."""
    copy = copy_of(obj)
    meta = metadata(copy)
    kept = [reference for reference in meta.owner_references if reference.uid != uid]
    del meta.owner_references[:]
    meta.owner_references.extend(kept)
    return copy
