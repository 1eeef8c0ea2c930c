"""Nodes as rows of numpy columns: what they have, what is taken of it, and what they are called.

Rows are used again after a node has gone; columns grow by doubling. Placing a Pod costs about a microsecond,
whatever the number of nodes. Read by plugins through `Snapshot`; written by `scheduler.cache.cache` alone.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.labels import Interner, LabelColumn
from scheduler.columns.node_info import NodeChange, NodeInfo, Taint, compare_nodes
from scheduler.columns.pod_counts import ClaimUse, Journal, PodCounts, longer
from scheduler.columns.pod_info import PodClass, Shape
from scheduler.columns.snapshot import Resolved, Snapshot
from scheduler.columns.topology import Topology

FIRST_CAPACITY: Final = 64
#: so many Pods are counted as columns; fewer, one by one
COLUMNS_FROM: Final = 6
#: indexes 0, 1 and 2 in every column set
BASIC_RESOURCES: Final = ("cpu", "memory", "ephemeral-storage")


class NodeTable:
    """The columns. Owned by the scheduling task."""

    def __init__(self, capacity: int = FIRST_CAPACITY) -> None:
        self._capacity = capacity
        self._size = 0
        self.names: list[str | None] = []
        self.infos: list[NodeInfo | None] = []
        self.rows: dict[str, int] = {}
        self._free: list[int] = []
        self.journal = Journal()
        #: the Pod that came last: its row, what it asks, and the journal's position after it
        self.last_added: tuple[int, Shape | None, int] = (-1, None, -1)
        self._resources: dict[str, int] = {name: index for index, name in enumerate(BASIC_RESOURCES)}
        self._allocatable = [self._int64() for _ in BASIC_RESOURCES]
        self._requested = [self._int64() for _ in BASIC_RESOURCES]
        self._nonzero_cpu, self._nonzero_memory = self._int64(), self._int64()
        self._max_pods, self._pod_count = self._int64(), self._int64()
        self._valid = np.zeros(capacity, np.bool_)
        self._unschedulable = np.zeros(capacity, np.bool_)
        self._taints = np.zeros(capacity, np.int32)
        self._taint_sets: Interner[tuple[Taint, ...]] = Interner()
        self._labels: dict[str, LabelColumn] = {}
        self.topology = Topology(self._labels)
        self._images: dict[str, dict[int, int]] = {}
        self._claims = ClaimUse()
        self._counts = PodCounts(capacity)
        #: row -> the Pods that room is kept for; written by `nominate` and `withdraw`
        self.nominated: dict[int, list[PodClass]] = {}
        self._resolved: dict[Shape, Resolved] = {}
        self._snapshot: Snapshot | None = None

    @property
    def resources(self) -> Mapping[str, int]:
        """Resource -> index of its columns: of all that some node has had."""
        return self._resources

    def upsert(self, info: NodeInfo) -> tuple[int, NodeChange, tuple[str, ...]]:
        """Take in a node; return its row, what changed, and the resources that got their first columns.

        These are counted on no row yet.
        """
        row = self.rows.get(info.name)
        before = None if row is None else self.infos[row]
        if row is None or before is None:
            row = self._new_row(info.name)
            change = NodeChange.ADDED
        else:
            change = compare_nodes(before, info)
            if not change:
                return row, change, ()
        new_resources = self._set_allocatable(row, info)
        if before is None or before.labels != info.labels:
            self._set_labels(row, before.labels if before else {}, info.labels)
        self._set_taints(row, info)
        self._set_images(row, before.images if before else {}, info.images)
        self.infos[row] = info
        self.journal.node_changed(row)
        return row, change, new_resources

    def remove(self, name: str) -> None:
        """Forget a node; its row becomes free, with all that was counted there."""
        row = self.rows.pop(name)
        info = self.infos[row]
        assert info is not None
        if self._pod_count[row]:
            self.topology.clear_row(row)
        self._set_labels(row, info.labels, {})
        self._set_images(row, info.images, {})
        self._taint_sets.release(int(self._taints[row]))
        self._taints[row] = 0
        for columns in (self._allocatable, self._requested):
            for column in columns:
                column[row] = 0
        for amounts in (self._nonzero_cpu, self._nonzero_memory, self._max_pods, self._pod_count):
            amounts[row] = 0
        self._claims.clear(row)
        self._counts.clear(row)
        self.nominated.pop(row, None)
        self._valid[row] = self._unschedulable[row] = False
        self.names[row] = self.infos[row] = None
        self._free.append(row)
        self.journal.node_changed(row)

    def add_pod(self, row: int, pod: PodClass) -> None:
        self._count(row, pod, 1)
        self.journal.pods_changed(row)
        self.last_added = row, pod.node_shape, self.journal.position

    def add_pods(self, rows: Sequence[int], pod: PodClass) -> None:
        """Count Pods of a class without ports and storage, each on its row, which several may share."""
        assert not pod.host_ports
        assert not pod.has_storage
        if len(rows) < COLUMNS_FROM:
            for row in rows:
                self.add_pod(row, pod)
            return
        counts: dict[int, int] = {}
        for row in rows:
            counts[row] = counts.get(row, 0) + 1
        some = np.fromiter(counts.keys(), np.intp, len(counts))
        many = np.fromiter(counts.values(), np.int64, len(counts))
        for index, amount in self.resolve(pod):
            self._requested[index][some] += many * amount
        self._nonzero_cpu[some] += many * pod.nonzero_cpu
        self._nonzero_memory[some] += many * pod.nonzero_memory
        self._pod_count[some] += many
        self._counts.of_priority(pod.priority)[some] += many.astype(np.int32)
        self.topology.count_more(counts, pod)
        self.journal.pods_came(rows)
        self.last_added = rows[-1], pod.node_shape, self.journal.position

    def remove_pod(self, row: int, pod: PodClass) -> None:
        self._count(row, pod, -1)
        self.journal.pods_changed(row)

    def suppose(self, row: int, pod: PodClass, sign: int) -> None:
        """Count a Pod on a row (sign 1), or no longer (-1), until the asker of a question takes it back.

        Nobody is told (the journal has no entry), and the counts by priority stay: no filter looks at them.
        """
        self._count_room(row, pod, sign)

    def suppose_on_each(self, rows: NDArray[np.intp], pod: PodClass, sign: int) -> None:
        """Count a Pod without ports and storage on each of some rows, or no longer, for a question.

        What other Pods ask of it (`topology`) stays: whoever looks at that is not of the reach of a row.
        """
        for index, amount in self.resolve(pod):
            self._requested[index][rows] += sign * amount
        self._nonzero_cpu[rows] += sign * pod.nonzero_cpu
        self._nonzero_memory[rows] += sign * pod.nonzero_memory
        self._pod_count[rows] += sign
        level = self._counts.priorities.get(pod.priority)
        if level is not None:
            level[rows] += sign

    def has_room(self, row: int, pod: PodClass, *, but: PodClass | None = None) -> bool:
        """Say whether a Pod has room beside those of its priority or more that have the row in view.

        `but` is one of those who does not count: the Pod itself.
        """
        coming = [other for other in self.nominated.get(row, ()) if other.priority >= pod.priority]
        if but in coming:
            coming.remove(but)
        if self._pod_count.item(row) + len(coming) >= self._max_pods.item(row):
            return False
        for name, amount in pod.requests:
            index = self._resources.get(name)
            if index is None:
                return False
            free = self._allocatable[index].item(row) - self._requested[index].item(row)
            if amount > free - sum(other.request(name) for other in coming):
                return False
        return True

    def nominate(self, row: int, pod: PodClass) -> None:
        """Keep room on a row for a Pod that is to come there: against Pods of no higher priority."""
        self.nominated.setdefault(row, []).append(pod)
        self.journal.pods_changed(row)

    def withdraw(self, row: int, pod: PodClass) -> None:
        kept = self.nominated[row]
        kept.remove(pod)
        if not kept:
            del self.nominated[row]
        self.journal.pods_changed(row)

    def set_namespace(self, name: str, labels: Mapping[str, str] | None) -> None:
        """Take in a namespace's labels (None: gone); classes start afresh if a selector in use looks at them."""
        if self.topology.set_namespace(name, labels):
            self.journal.node_changed(0)

    def is_counted(self, row: int) -> bool:
        return bool(self._pod_count[row])

    def add_requested(self, row: int, resource: str, amount: int) -> None:
        """Count an amount of one resource: for Pods that were placed before the resource had columns."""
        self._requested[self._resources[resource]][row] += amount

    def snapshot(self) -> Snapshot:
        """Return the columns as views, the same object as long as no column was replaced or lengthened."""
        found = self._snapshot
        if found is None:
            found = self._snapshot = self._make_snapshot()
        return found

    def resolve(self, pod: PodClass) -> Resolved:
        found = self._resolved.get(pod.node_shape)
        if found is None:
            index = self._resources
            found = tuple((index[name], amount) for name, amount in pod.requests if name in index)
            if len(self._resolved) > 4096:
                self._resolved.clear()
            self._resolved[pod.node_shape] = found
        return found

    def _count(self, row: int, pod: PodClass, sign: int) -> None:
        self._count_room(row, pod, sign)
        self._counts.count_priority(row, pod.priority, sign)

    def _count_room(self, row: int, pod: PodClass, sign: int) -> None:
        requested = self._requested
        for index, amount in self.resolve(pod):
            requested[index][row] += sign * amount
        self._nonzero_cpu[row] += sign * pod.nonzero_cpu
        self._nonzero_memory[row] += sign * pod.nonzero_memory
        self._pod_count[row] += sign
        if pod.host_ports:
            self._counts.count_ports(row, pod.host_ports, sign)
        if pod.has_storage:
            self._claims.count(row, pod.storage_keys(), sign)
        self.topology.count(row, pod, sign)

    def _new_row(self, name: str) -> int:
        if self._free:
            row = self._free.pop()
            self.names[row] = name
        else:
            row = self._size
            if row == self._capacity:
                self._grow()
            self._size += 1
            self.names.append(name)
            self.infos.append(None)
            self._snapshot = None
        self.rows[name] = row
        self._valid[row] = True
        return row

    def _set_allocatable(self, row: int, info: NodeInfo) -> tuple[str, ...]:
        new = tuple(name for name in info.allocatable if name != "pods" and name not in self._resources)
        for name in new:
            self._resources[name] = len(self._allocatable)
            self._allocatable.append(self._int64())
            self._requested.append(self._int64())
        if new:
            self._resolved.clear()
            self._snapshot = None
        for name, index in self._resources.items():
            self._allocatable[index][row] = info.allocatable.get(name, 0)
        self._max_pods[row] = info.max_pods
        return new

    def _set_labels(self, row: int, before: Mapping[str, str], after: Mapping[str, str]) -> None:
        changed: dict[str, tuple[int, int]] = {}
        for key in before:
            if before[key] == after.get(key):
                continue
            column = self._labels[key]
            column.changed()
            code = column.codes.item(row)
            column.values.release(code)
            column.codes[row] = 0
            changed[key] = code, 0
            if not len(column.values):
                del self._labels[key]
        for key, value in after.items():
            if before.get(key) == value:
                continue
            found = self._labels.get(key)
            if found is None:
                found = self._labels[key] = LabelColumn(np.zeros(self._capacity, np.int32), Interner())
            found.changed()
            code = found.codes[row] = found.values.acquire(value)
            changed[key] = changed.get(key, (0, 0))[0], code
        for key, (was, now) in changed.items():
            self.topology.label_changed(row, key, was, now)

    def _set_taints(self, row: int, info: NodeInfo) -> None:
        before = int(self._taints[row])
        self._taints[row] = self._taint_sets.acquire(info.taints) if info.taints else 0
        self._taint_sets.release(before)
        self._unschedulable[row] = info.unschedulable

    def _set_images(self, row: int, before: Mapping[str, int], after: Mapping[str, int]) -> None:
        for name in before:
            if name not in after:
                there = self._images[name]
                del there[row]
                if not there:
                    del self._images[name]
        for name, size in after.items():
            if before.get(name) != size:
                self._images.setdefault(name, {})[row] = size

    def _int64(self) -> NDArray[np.int64]:
        return np.zeros(self._capacity, np.int64)

    def _grow(self) -> None:
        extra = self._capacity
        self._capacity *= 2
        self._allocatable = [longer(column, extra) for column in self._allocatable]
        self._requested = [longer(column, extra) for column in self._requested]
        self._nonzero_cpu = longer(self._nonzero_cpu, extra)
        self._nonzero_memory = longer(self._nonzero_memory, extra)
        self._max_pods, self._pod_count = longer(self._max_pods, extra), longer(self._pod_count, extra)
        self._valid, self._unschedulable = longer(self._valid, extra), longer(self._unschedulable, extra)
        self._taints = longer(self._taints, extra)
        for label in self._labels.values():
            label.codes = longer(label.codes, extra)
        self._counts.grow(extra)
        self._snapshot = None

    def _make_snapshot(self) -> Snapshot:
        size = self._size
        return Snapshot(
            size=size, names=self.names, infos=self.infos, rows=self.rows, valid=_view(self._valid, size),
            allocatable=[_view(column, size) for column in self._allocatable],
            requested=[_view(column, size) for column in self._requested],
            nonzero_cpu=_view(self._nonzero_cpu, size), nonzero_memory=_view(self._nonzero_memory, size),
            max_pods=_view(self._max_pods, size), pod_count=_view(self._pod_count, size),
            unschedulable=_view(self._unschedulable, size), taints=_view(self._taints, size),
            taint_sets=self._taint_sets, labels=self._labels, ports=self._counts.ports, priorities=self._counts.priorities,
            images=self._images, claims=self._claims, topology=self.topology,
            resources=self._resources, all=slice(0, size),
        )  # fmt: skip


def _view(column: NDArray, size: int) -> NDArray:  # type: ignore[type-arg]  # of whatever dtype the column has
    view = column[:size]
    view.flags.writeable = False
    return view
