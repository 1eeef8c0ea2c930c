"""Volumes, claims, classes and drivers as the watches show them, and what was promised since and is not shown yet.

A promise is made in the same step in which a Pod gets its node, so that the next decision does not give the same volume away
again. It ends when the watch shows it done, or when the Pod's binding fails.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeVar

from google.protobuf.message import Message

from scheduler.volumes.objects import (
    ClaimInfo,
    ClassInfo,
    VolumeInfo,
    compile_claim,
    compile_class,
    compile_limits,
    compile_volume,
)
from vaina.api.core.v1 import persistent_volume_pb2
from vaina.api.storage.v1 import csi_node_pb2, storage_class_pb2

M = TypeVar("M", bound=Message)
#: a batch of (before, after)
Changes: TypeAlias = Sequence[tuple[M | None, M | None]]

_NO_LIMITS: Final[Mapping[str, int]] = {}


@dataclass(frozen=True, slots=True)
class Plan:
    """What has to be done for a Pod's claims once it has its node."""

    node_name: str
    #: (claim, volume) that are to be bound to each other; claims as namespace/name
    binds: tuple[tuple[str, str], ...] = ()
    #: claims whose volume is to be made for that node
    provisions: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.binds or self.provisions)


class Catalogue:
    """Storage. Owned by the scheduling task; the informers' handlers run on its loop."""

    def __init__(self) -> None:
        self.claims: dict[str, ClaimInfo] = {}
        self.volumes: dict[str, VolumeInfo] = {}
        self.classes: dict[str, ClassInfo] = {}
        #: node -> driver -> most volumes
        self._limits: dict[str, Mapping[str, int]] = {}
        #: class -> volumes of it, by name
        self._by_class: dict[str, dict[str, VolumeInfo]] = {}
        #: volume -> claim that it was promised to
        self._promised: dict[str, str] = {}
        #: claim -> node for which its volume is to be made
        self._selected: dict[str, str] = {}
        #: Pod -> what was promised for it
        self._plans: dict[str, Plan] = {}
        #: (claim, what was promised to it) -> for how many Pods: several may share a claim
        self._held: Counter[tuple[str, str]] = Counter()
        #: objects that could not be read: name -> why
        self.unreadable: dict[str, str] = {}
        self._listeners: list[Callable[[], None]] = []

    def add_listener(self, listener: Callable[[], None]) -> None:
        """Call `listener` after each batch of changes."""
        self._listeners.append(listener)

    def limits(self, node_name: str) -> Mapping[str, int]:
        """Return how many volumes of each driver a node takes."""
        return self._limits.get(node_name, _NO_LIMITS)

    @property
    def has_limits(self) -> bool:
        """Whether any node says how many volumes it takes."""
        return any(self._limits.values())

    def of_class(self, name: str) -> Mapping[str, VolumeInfo]:
        """Return the volumes of a class, by name."""
        return self._by_class.get(name, {})

    def owner(self, volume: VolumeInfo) -> tuple[str, str] | None:
        """Return whose a volume is, promises included: claim and uid (perhaps empty)."""
        promised = self._promised.get(volume.name)
        return (promised, "") if promised is not None else volume.claim

    def selected_node(self, claim: ClaimInfo) -> str:
        """Return for which node a claim's volume is to be made, promises included."""
        return self._selected.get(claim.key) or claim.selected_node

    def promise(self, uid: str, plan: Plan) -> None:
        """Give away what a plan needs, for a Pod."""
        self.forget(uid)
        self._plans[uid] = plan
        for claim, volume in plan.binds:
            self._promised[volume] = claim
            self._held[claim, volume] += 1
        for claim in plan.provisions:
            self._selected[claim] = plan.node_name
            self._held[claim, plan.node_name] += 1

    def forget(self, uid: str) -> None:
        """Take back what was promised for a Pod, and for no other: its binding failed, or is done and shown."""
        plan = self._plans.pop(uid, None)
        if plan is None:
            return
        for claim, volume in plan.binds:
            if self._release(claim, volume) and self._promised.get(volume) == claim:
                del self._promised[volume]
        for claim in plan.provisions:
            if self._release(claim, plan.node_name) and self._selected.get(claim) == plan.node_name:
                del self._selected[claim]

    def _release(self, claim: str, promised: str) -> bool:
        """Count one Pod less; say whether it was the last."""
        self._held[claim, promised] -= 1
        if self._held[claim, promised]:
            return False
        del self._held[claim, promised]
        return True

    @property
    def plans(self) -> Mapping[str, Plan]:
        """What was promised, by the Pod's uid."""
        return self._plans

    def readout(self) -> Mapping[str, Mapping[str, object]]:
        """Return all that is known by what it means, for `scheduler.volumes.verify`: what -> name -> value."""
        return {
            "PersistentVolumeClaim": self.claims, "PersistentVolume": self.volumes, "StorageClass": self.classes,
            "CSINode": self._limits,
            "volumes of the class": {name: sorted(there) for name, there in self._by_class.items()},
            "promised to": self._promised, "is made for node": self._selected,
            "promises": {" ".join(key): count for key, count in self._held.items()},
        }  # fmt: skip

    def on_claims(self, changes: Changes[persistent_volume_pb2.PersistentVolumeClaim]) -> None:
        """Take in a batch of (before, after)."""
        for old, new in changes:
            shown = new if new is not None else old
            assert shown is not None
            key = f"{shown.metadata.namespace}/{shown.metadata.name}"
            self.claims.pop(key, None)
            info = self._read(f"PersistentVolumeClaim {key}", compile_claim, new)
            if info is not None:
                self.claims[key] = info
        self._tell()

    def on_volumes(self, changes: Changes[persistent_volume_pb2.PersistentVolume]) -> None:
        """Take in a batch of (before, after)."""
        for old, new in changes:
            shown = new if new is not None else old
            assert shown is not None
            name = shown.metadata.name
            before = self.volumes.pop(name, None)
            if before is not None:
                there = self._by_class[before.class_name]
                del there[name]
                if not there:
                    del self._by_class[before.class_name]
            info = self._read(f"PersistentVolume {name}", compile_volume, new)
            if info is not None:
                self.volumes[name] = info
                self._by_class.setdefault(info.class_name, {})[name] = info
        self._tell()

    def on_classes(self, changes: Changes[storage_class_pb2.StorageClass]) -> None:
        """Take in a batch of (before, after)."""
        for old, new in changes:
            if new is not None:
                self.classes[new.metadata.name] = compile_class(new)
            elif old is not None:
                self.classes.pop(old.metadata.name, None)
        self._tell()

    def on_nodes(self, changes: Changes[csi_node_pb2.CSINode]) -> None:
        """Take in a batch of (before, after)."""
        for old, new in changes:
            if new is not None:
                self._limits[new.metadata.name] = compile_limits(new)
            elif old is not None:
                self._limits.pop(old.metadata.name, None)
        self._tell()

    def _read(self, name: str, compiler: Callable[[Any], Any], message: Any) -> Any:
        """Compile an object (None: it is gone); what cannot be read is remembered, and does not stop the others."""
        self.unreadable.pop(name, None)
        if message is None:
            return None
        try:
            return compiler(message)
        except ValueError as error:
            self.unreadable[name] = str(error)
            return None

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()
