"""VolumeRestrictions and NodeVolumeLimits: what Pods may not have at once, and how many volumes a node takes.

Follow `plugins/volumerestrictions` and `plugins/nodevolumelimits/csi.go`.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np

from scheduler.columns.attachables import Attachable, read_key
from scheduler.columns.pod_asks import Disk
from scheduler.columns.pod_info import PodClass
from scheduler.columns.snapshot import Rows, Snapshot
from scheduler.explain.lacks import Asked, by_reasons, by_words
from scheduler.framework.events import (
    ClusterEvent,
    always,
    of_its_claims,
    of_who_had_attached,
    of_who_had_storage,
    of_who_has_attached,
)
from scheduler.framework.interface import MAX_REASON, RUN, SKIP, Codes, CycleState, PreFilterResult, Reach
from scheduler.framework.plugin import Filter
from scheduler.volumes.catalogue import Catalogue
from scheduler.volumes.matching import CLAIM_NOT_FOUND

CLAIM_IN_USE: Final = "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod"
DISK_CONFLICT: Final = "node(s) had no available disk"
MODE: Final = "ReadWriteOncePod"


def _restriction_words(asked: Asked, index: int) -> str:
    there, claims = asked.nodes.claims.on(asked.row(index)), asked.nodes.claims
    disks = [disk.word for disk in asked.pod.disks if _is_taken(disk, there)]
    if disks:
        return f"disk {' and '.join(disks)} is used by another Pod there"
    taken: list[str] = []
    for key in asked.evaluation.state.read(VolumeRestrictions.name, tuple):
        users = sorted(name for name, row in asked.nodes.rows.items() if key in claims.on(row))
        if users:
            taken.append(f"claim {key} (ReadWriteOncePod) is used by a Pod on {' and '.join(users)}")
    return " and ".join(taken)


class VolumeRestrictions(Filter):
    """Refuses every node while another Pod has the claim, and nodes where one has the disk.

    A claim with access mode ReadWriteOncePod is for one Pod alone (KEP-2485). A disk that Pods name
    themselves is for one Pod of a node: of GCE, iSCSI and RBD unless all only read it, of AWS always; RBD
    images are the same when they share a monitor, pool and name.
    """

    #: a Pod anywhere may have it
    reach = Reach.GLOBAL
    reads_requests = False
    describer = by_words(_restriction_words)
    #: a Pod that gives claim or disk back, or another claim
    hints = MappingProxyType(
        {
            ClusterEvent.ASSIGNED_POD_DELETE: of_who_had_storage,
            ClusterEvent.CLAIM_ADD: of_its_claims,
            ClusterEvent.CLAIM_UPDATE: of_its_claims,
        }
    )

    def __init__(self, catalogue: Catalogue | None = None) -> None:
        self._catalogue = catalogue or Catalogue()

    def pre_filter(self, state: CycleState, pod: PodClass, nodes: Snapshot) -> PreFilterResult:
        if not pod.has_storage:
            return SKIP
        alone: list[str] = []
        for wanted in pod.claims:
            if wanted.ephemeral:
                # It has one user by itself.
                continue
            key = f"{pod.group.namespace}/{wanted.name}"
            claim = self._catalogue.claims.get(key)
            if claim is None:
                return PreFilterResult(rejected=CLAIM_NOT_FOUND.format(wanted.name))
            if MODE in claim.access_modes:
                alone.append(key)
        state.write(self.name, tuple(alone))
        return RUN if alone or pod.disks else SKIP

    def reasons(self, pod: PodClass) -> Sequence[str]:
        return (CLAIM_IN_USE, DISK_CONFLICT)

    def filter(self, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Codes | None:
        # Whoever has it may be evicted: that is not for ever.
        if pod.disks:
            every = range(nodes.size)[rows] if isinstance(rows, slice) else rows.tolist()
            return np.array([self.filter_row(state, pod, nodes, row) for row in every], np.int64)
        taken = self.filter_row(state, pod, nodes, 0)
        return np.full(len(nodes.valid[rows]), taken, np.int64) if taken else None

    def filter_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        # The disk is asked about first, and one reason is told (Filter).
        if pod.disks:
            there = nodes.claims.on(row)
            if there and any(_is_taken(disk, there) for disk in pod.disks):
                return 2
        return int(any(nodes.claims.users(key) for key in state.read(self.name, tuple)))


def _is_taken(disk: Disk, there: Mapping[str, int]) -> bool:
    """Say whether a disk is there already: one that both only read does no harm."""
    return f"{disk.word}:rw" in there or (not disk.read_only and f"{disk.word}:ro" in there)


TOO_MANY_VOLUMES: Final = "node(s) exceed max volume count"
NOT_INSTALLED: Final = "{} CSI driver is not installed on the node"

#: (driver, in-tree plugin that a node must have given up; empty: none) -> volumes, each once
_Attached = dict[tuple[str, str], set[str]]


class _Asked(NamedTuple):
    """What a Pod asks of nodes."""

    volumes: _Attached
    #: drivers of these that have to be on the node, by name
    exclusive: tuple[str, ...]


def _limit_words(asked: Asked, index: int) -> str:
    plugin = asked.answer.plugin
    assert isinstance(plugin, NodeVolumeLimits)
    if missing := plugin.missing(asked.evaluation.state, asked.nodes, asked.row(index)):
        return f"CSI driver {missing} is not there, and wants its volumes only where it is"
    found = plugin.too_many(asked.evaluation.state, asked.nodes, asked.row(index))
    if found is None:
        return by_reasons(asked, index)
    driver, limit, there, new = found
    return f"takes no more than {limit} volumes of {driver} ({there} there, asks {new} more)"


class NodeVolumeLimits(Filter):
    """Refuses nodes that have as many volumes of a driver as their CSINode says, or lack a driver.

    What counts on a node: volumes of the claims of its Pods, and disks that they name themselves where those
    are a driver's today (CSI migration, `scheduler.columns.attachables`), each once; and what
    VolumeAttachments say is attached, or to be, without such a Pod. A claim without a volume counts for the
    driver of its class. A node without a CSINode, or a driver of which it says no number, has no limit. As
    upstream, a volume that is attached although no Pod of the node has it counts for the attachment, and once
    more for the Pod that wants it.

    Of a driver whose CSIDriver says `preventPodSchedulingIfMissing` volumes go only to nodes whose CSINode
    names it, whether or not they are full (checkCSIDriverOnNode). Of several that are not there the first by
    name is told; upstream tells any.
    """

    reach = Reach.ROW
    reads_requests = False
    describer = by_words(_limit_words)
    #: a Pod that gives its volumes back, a volume that is detached, and a node that takes more or gets a driver;
    #: a driver that need not be there any more (upstream's Pods sleep through that, and through a driver that
    #: comes without a limit)
    hints = MappingProxyType(
        {
            ClusterEvent.NODE_ADD: always, ClusterEvent.CSI_NODE_ADD: always, ClusterEvent.CSI_NODE_UPDATE: always,
            ClusterEvent.CSI_DRIVER_UPDATE: always, ClusterEvent.VOLUME_ADD: always, ClusterEvent.ASSIGNED_POD_DELETE: of_who_had_attached,
            ClusterEvent.ATTACHMENT_DELETE: of_who_has_attached,
            ClusterEvent.CLAIM_ADD: of_its_claims, ClusterEvent.CLAIM_UPDATE: of_its_claims,
        }
    )  # fmt: skip

    def __init__(self, catalogue: Catalogue | None = None) -> None:
        self._catalogue = catalogue or Catalogue()

    def pre_filter(self, state: CycleState, pod: PodClass, nodes: Snapshot) -> PreFilterResult:
        if not (pod.claims or pod.attached):
            return SKIP
        if not self._catalogue.has_limits and not self._catalogue.has_exclusive:
            return SKIP
        asked = self._asked(pod)
        state.write(self.name, asked)
        return RUN if asked.volumes else SKIP

    def reasons(self, pod: PodClass) -> Sequence[str]:
        return (TOO_MANY_VOLUMES, *(NOT_INSTALLED.format(name) for name in self._asked(pod).exclusive))

    def _asked(self, pod: PodClass) -> _Asked:
        wanted = self._of_claims(pod.claim_keys())
        _add(wanted, pod.attached)
        names = {driver for driver, _ in wanted if self._catalogue.must_be_there(driver)}
        return _Asked(wanted, tuple(sorted(names)))

    def filter(self, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Codes | None:
        if not isinstance(rows, slice):
            return np.array([self.filter_row(state, pod, nodes, row) for row in rows.tolist()], np.int64)
        # Few nodes are near their limit; to ask about all 5,000 took most of a decision (3 ms).
        least, attached = self._catalogue.bounds()
        asked = state.read(self.name, _Asked)
        most = least - attached - _count(asked.volumes)
        codes = self._missing_codes(asked, nodes)
        for row in range(nodes.size) if most < 0 else nodes.claims.rows_with_more(most):
            codes[row] = self.filter_row(state, pod, nodes, row)
        return codes[rows]

    def filter_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        if missing := self.missing(state, nodes, row):
            return _bit(state.read(self.name, _Asked).exclusive.index(missing))
        return 0 if self.too_many(state, nodes, row) is None else 1

    def missing(self, state: CycleState, nodes: Snapshot, row: int) -> str:
        """Return the driver that has to be on a row's node and is not; empty: there is none such."""
        asked = state.read(self.name, _Asked)
        name = nodes.names[row] or ""
        for driver in asked.exclusive:
            if not self._catalogue.is_on(driver, name) and self._is_attached_by(driver, name, asked.volumes):
                return driver
        return ""

    def _is_attached_by(self, driver: str, node_name: str, volumes: _Attached) -> bool:
        """Say whether a node attaches some of these volumes by a driver."""
        return (driver, "") in volumes or any(
            name == driver and self._catalogue.has_migrated(node_name, plugin) for name, plugin in volumes
        )

    def _missing_codes(self, asked: _Asked, nodes: Snapshot) -> Codes:
        """Return for all rows which driver is not there that must be (int64[N]); 0: none."""
        codes = np.zeros(nodes.size, np.int64)
        for number, driver in reversed([*enumerate(asked.exclusive)]):
            lacks = nodes.valid.copy()
            there = [nodes.rows.get(name, -1) for name in self._catalogue.nodes_with(driver)]
            lacks[[row for row in there if row >= 0]] = False
            if (driver, "") not in asked.volumes:
                for row in np.flatnonzero(lacks).tolist():
                    lacks[row] = self._is_attached_by(driver, nodes.names[row] or "", asked.volumes)
            codes[lacks] = _bit(number)
        return codes

    def too_many(self, state: CycleState, nodes: Snapshot, row: int) -> tuple[str, int, int, int] | None:
        """Return a driver of which a row would have too many volumes: how many it takes, has, and gets."""
        asked = state.read(self.name, _Asked).volumes
        name = nodes.names[row] or ""
        limits = self._catalogue.limits(name)
        # Most nodes have far fewer than they take: then nobody need find out which of them are of which driver.
        most = _count(asked) + len(nodes.claims.on(row)) + self._catalogue.attachments(name)
        if not limits or most <= min(limits.values()):
            return None
        wanted = self._by_driver(name, asked)
        there: Mapping[str, set[str]] | None = None
        for driver, volumes in wanted.items():
            if driver not in limits:
                continue
            if there is None:
                there = self._by_driver(name, self._on(nodes.claims.on(row)))
            used = there.get(driver, set())
            new = volumes - used
            has = len(used | self._catalogue.attached(name, driver)) if new else 0
            if new and len(new) + has > limits[driver]:
                return driver, limits[driver], has, len(new)
        return None

    def _by_driver(self, node_name: str, volumes: _Attached) -> Mapping[str, set[str]]:
        """Leave out what a node does not attach by a driver."""
        found: dict[str, set[str]] = {}
        for (driver, plugin), handles in volumes.items():
            if not plugin or self._catalogue.has_migrated(node_name, plugin):
                found.setdefault(driver, set()).update(handles)
        return found

    def _on(self, keys: Iterable[str]) -> _Attached:
        keys = list(keys)
        found = self._of_claims(keys)
        _add(found, (one for one in map(read_key, keys) if one is not None))
        return found

    def _of_claims(self, claims: Iterable[str]) -> _Attached:
        found: _Attached = {}
        for key in claims:
            claim = self._catalogue.claims.get(key)
            if claim is None:
                continue
            volume = self._catalogue.volumes.get(claim.volume_name)
            if volume is not None:
                if volume.attachable is not None:
                    _add(found, [volume.attachable])
                continue
            storage = self._catalogue.classes.get(claim.class_name)
            if storage is not None and storage.driver:
                # No handle has this form.
                _add(found, [Attachable(storage.driver, f"claim of {key}", storage.plugin)])
        return found


def _bit(number: int) -> int:
    """Return the code of the driver of a number that is not there: the last bit is that of all the rest."""
    return 1 << min(number + 1, MAX_REASON)


def _count(asked: _Attached) -> int:
    return sum(map(len, asked.values()))


def _add(found: _Attached, volumes: Iterable[Attachable]) -> None:
    for one in volumes:
        found.setdefault((one.driver, one.plugin), set()).add(one.handle)
