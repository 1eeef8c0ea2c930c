"""Storage as the watches show it, and what was promised since and is not shown yet.

A promise is made in the same step in which a Pod gets its node, so that the next decision does not give the
same volume away again. It ends when the watch shows it done, or when the Pod's binding fails.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from google.protobuf.message import Message

from scheduler.volumes import objects
from vaina.api.core.v1 import persistent_volume_pb2
from vaina.api.storage.v1 import (
    csi_driver_pb2,
    csi_node_pb2,
    csi_storage_capacity_pb2,
    storage_class_pb2,
    volume_attachment_pb2,
)
from vaina.objects.meta import object_key

M = TypeVar("M", bound=Message)
T = TypeVar("T")
#: a batch of (before, after)
Changes: TypeAlias = Sequence[tuple[M | None, M | None]]


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
        #: by namespace/name, or name
        self.claims: dict[str, objects.ClaimInfo] = {}
        self.volumes: dict[str, objects.VolumeInfo] = {}
        self.classes: dict[str, objects.ClassInfo] = {}
        #: node -> driver -> most volumes
        self._limits: dict[str, Mapping[str, int]] = {}
        #: node -> in-tree plugins that it has given up
        self._migrated: dict[str, frozenset[str]] = {}
        #: node -> drivers that its CSINode names, and the other way round
        self._drivers_on: dict[str, frozenset[str]] = {}
        self._nodes_with: dict[str, set[str]] = {}
        #: drivers that say how much they have left
        self._counting: set[str] = set()
        #: drivers whose volumes go only to nodes that they are on
        self._exclusive: set[str] = set()
        #: what drivers have left, by the object's name, and by class and name
        self._capacities: dict[str, objects.CapacityInfo] = {}
        self._capacities_of: dict[str, dict[str, objects.CapacityInfo]] = {}
        #: by the object's name, and by node and name
        self._attachments: dict[str, objects.AttachmentInfo] = {}
        self._attached: dict[str, dict[str, objects.AttachmentInfo]] = {}
        #: what `bounds` returns; None: a node or an attachment has changed since
        self._bounds: tuple[int, int] | None = None
        #: class -> volumes of it, by name
        self._by_class: dict[str, dict[str, objects.VolumeInfo]] = {}
        #: volume -> claim that it was promised to
        self._promised: dict[str, str] = {}
        #: claim -> node for which its volume is to be made
        self._selected: dict[str, str] = {}
        #: Pod (uid) -> what was promised for it
        self.plans: dict[str, Plan] = {}
        #: (claim, what was promised to it) -> for how many Pods: several may share a claim
        self._held: Counter[tuple[str, str]] = Counter()
        #: objects that could not be read: name -> why
        self.unreadable: dict[str, str] = {}
        self._listeners: list[Callable[[], None]] = []

    def add_listener(self, listener: Callable[[], None]) -> None:
        """Call `listener` after each batch of changes."""
        self._listeners.append(listener)

    def limits(self, node_name: str) -> Mapping[str, int]:
        return self._limits.get(node_name, {})

    def is_on(self, driver: str, node_name: str) -> bool:
        """Say whether a node's CSINode names a driver."""
        return driver in self._drivers_on.get(node_name, ())

    def nodes_with(self, driver: str) -> Collection[str]:
        """Return the nodes whose CSINodes name a driver."""
        return self._nodes_with.get(driver, ())

    def must_be_there(self, driver: str) -> bool:
        """Say whether a driver's volumes go only to nodes that it is on (preventPodSchedulingIfMissing)."""
        return driver in self._exclusive

    def has_migrated(self, node_name: str, plugin: str) -> bool:
        return plugin in self._migrated.get(node_name, ())

    def attached(self, node_name: str, driver: str) -> set[str]:
        """Return the handles of a driver's volumes (those that name it) that are attached to a node."""
        found: set[str] = set()
        for attachment in self._attached.get(node_name, {}).values():
            volume = self.volumes.get(attachment.volume_name)
            if attachment.attacher == driver and volume is not None and volume.handle:
                found.add(volume.handle)
        return found

    def attachments(self, node_name: str) -> int:
        """Return how many volumes of all drivers are attached to a node: no fewer than `attached` returns."""
        return len(self._attached.get(node_name, ()))

    def bounds(self) -> tuple[int, int]:
        """Return the fewest volumes of a driver that any node takes, and the most that are attached to one."""
        if self._bounds is None:
            limits = [limit for limits in self._limits.values() for limit in limits.values()]
            self._bounds = min(limits, default=0), max(map(len, self._attached.values()), default=0)
        return self._bounds

    def says_capacity(self, driver: str) -> bool:
        """Say whether a driver says how much it has left (CSIDriver, spec.storageCapacity)."""
        return driver in self._counting

    def capacities(self, class_name: str) -> Iterable[objects.CapacityInfo]:
        return self._capacities_of.get(class_name, {}).values()

    @property
    def has_limits(self) -> bool:
        return any(self._limits.values())

    @property
    def has_exclusive(self) -> bool:
        """Whether the volumes of some driver go only to nodes that it is on."""
        return bool(self._exclusive)

    def of_class(self, name: str) -> Mapping[str, objects.VolumeInfo]:
        return self._by_class.get(name, {})

    def owner(self, volume: objects.VolumeInfo) -> tuple[str, str] | None:
        """Return whose a volume is, promises included: claim and uid (perhaps empty)."""
        promised = self._promised.get(volume.name)
        return (promised, "") if promised is not None else volume.claim

    def selected_node(self, claim: objects.ClaimInfo) -> str:
        """Return for which node a claim's volume is to be made, promises included."""
        return self._selected.get(claim.key) or claim.selected_node

    def promise(self, uid: str, plan: Plan) -> None:
        self.forget(uid)
        self.plans[uid] = plan
        for claim, volume in plan.binds:
            self._promised[volume] = claim
            self._held[claim, volume] += 1
        for claim in plan.provisions:
            self._selected[claim] = plan.node_name
            self._held[claim, plan.node_name] += 1

    def forget(self, uid: str) -> None:
        """Take back what was promised for a Pod, and for no other: its binding failed, or is done and shown."""
        plan = self.plans.pop(uid, None)
        if plan is None:
            return
        for claim, volume in plan.binds:
            if self._release(claim, volume) and self._promised.get(volume) == claim:
                del self._promised[volume]
        for claim in plan.provisions:
            if self._release(claim, plan.node_name) and self._selected.get(claim) == plan.node_name:
                del self._selected[claim]

    def _release(self, claim: str, promised: str) -> bool:
        self._held[claim, promised] -= 1
        if self._held[claim, promised]:
            return False
        del self._held[claim, promised]
        return True

    def readout(self) -> Mapping[str, Mapping[str, object]]:
        """Return all that is known by what it means, for `scheduler.debug.verify`: what -> name -> value."""
        return {
            "PersistentVolumeClaim": self.claims, "PersistentVolume": self.volumes, "StorageClass": self.classes,
            "CSINode": self._limits, "migrated plugins": self._migrated,
            "drivers of the node": self._drivers_on,
            "nodes of the driver": {name: sorted(there) for name, there in self._nodes_with.items()},
            "CSIDriver": dict.fromkeys(self._counting, "says its capacity"),
            "CSIDriver that must be there": dict.fromkeys(self._exclusive, "must be on the node"),
            "CSIStorageCapacity": self._capacities, "VolumeAttachment": self._attachments,
            "capacities of the class": {name: sorted(there) for name, there in self._capacities_of.items()},
            "attached": {node: sorted(names) for node, names in self._attached.items()},
            "volumes of the class": {name: sorted(there) for name, there in self._by_class.items()},
            "promised to": self._promised, "is made for node": self._selected,
            "promises": {" ".join(key): count for key, count in self._held.items()},
        }  # fmt: skip

    def on_claims(self, changes: Changes[persistent_volume_pb2.PersistentVolumeClaim]) -> None:
        """Take in a batch of (before, after); so do all of these."""
        for key, new in _by_key(changes):
            _replace(self.claims, key, self._read(f"PersistentVolumeClaim {key}", objects.compile_claim, new))
        self._tell()

    def on_volumes(self, changes: Changes[persistent_volume_pb2.PersistentVolume]) -> None:
        for name, new in _by_key(changes):
            info = self._read(f"PersistentVolume {name}", objects.compile_volume, new)
            before = _replace(self.volumes, name, info)
            _regroup(self._by_class, name, before, info, lambda volume: volume.class_name)
        self._tell()

    def on_classes(self, changes: Changes[storage_class_pb2.StorageClass]) -> None:
        for name, new in _by_key(changes):
            _replace(self.classes, name, None if new is None else objects.compile_class(new))
        self._tell()

    def on_nodes(self, changes: Changes[csi_node_pb2.CSINode]) -> None:
        for name, new in _by_key(changes):
            _replace(self._limits, name, None if new is None else objects.compile_limits(new))
            _replace(self._migrated, name, None if new is None else objects.compile_migrated(new) or None)
            self._follow_drivers(name, frozenset() if new is None else objects.compile_drivers(new))
        self._bounds = None
        self._tell()

    def _follow_drivers(self, node_name: str, drivers: frozenset[str]) -> None:
        for driver in _replace(self._drivers_on, node_name, drivers or None) or ():
            there = self._nodes_with[driver]
            there.discard(node_name)
            if not there:
                del self._nodes_with[driver]
        for driver in drivers:
            self._nodes_with.setdefault(driver, set()).add(node_name)

    def on_drivers(self, changes: Changes[csi_driver_pb2.CSIDriver]) -> None:
        for name, new in _by_key(changes):
            self._counting.discard(name)
            self._exclusive.discard(name)
            if new is not None and new.spec.storage_capacity:
                self._counting.add(name)
            if new is not None and new.spec.prevent_pod_scheduling_if_missing:
                self._exclusive.add(name)
        self._tell()

    def on_capacities(self, changes: Changes[csi_storage_capacity_pb2.CSIStorageCapacity]) -> None:
        for key, new in _by_key(changes):
            info = self._read(f"CSIStorageCapacity {key}", objects.compile_capacity, new)
            before = _replace(self._capacities, key, info)
            _regroup(self._capacities_of, key, before, info, lambda capacity: capacity.class_name)
        self._tell()

    def on_attachments(self, changes: Changes[volume_attachment_pb2.VolumeAttachment]) -> None:
        for name, new in _by_key(changes):
            info = None if new is None else objects.compile_attachment(new)
            before = _replace(self._attachments, name, info)
            _regroup(self._attached, name, before, info, lambda attachment: attachment.node_name)
        self._bounds = None
        self._tell()

    def _read(self, name: str, compiler: Callable[[Any], T], message: Any) -> T | None:
        """Compile an object (None: it is gone). One that cannot be read is remembered, and stops no other."""
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


def _by_key(changes: Changes[M]) -> Iterator[tuple[str, M | None]]:
    for old, new in changes:
        shown = new if new is not None else old
        assert shown is not None
        yield object_key(shown), new


def _replace(there: dict[str, T], key: str, now: T | None) -> T | None:
    """Put what an object is now in place of what it was, which is returned; None: it is not there."""
    before = there.pop(key, None)
    if now is not None:
        there[key] = now
    return before


def _regroup(
    groups: dict[str, dict[str, T]], key: str, before: T | None, now: T | None, group_of: Callable[[T], str]
) -> None:
    """Take an object out of the group that it was in, and put what it is now into its group."""
    if before is not None:
        group = group_of(before)
        del groups[group][key]
        if not groups[group]:
            del groups[group]
    if now is not None:
        groups.setdefault(group_of(now), {})[key] = now
