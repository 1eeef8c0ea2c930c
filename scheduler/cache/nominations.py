"""Pods that have a node in view but are not there yet.

Their room is kept for them against Pods of no higher priority. A Pod is nominated when Pods are evicted for
it (`scheduler.preemption`), or by its status.nominatedNodeName: what a scheduler before us decided, or
somebody else. Given back when it is placed, goes elsewhere, is deleted, or its node will not do any more.
Follows upstream's `backend/queue/nominator.go`. Owned by the scheduling task; part of
`scheduler.cache.cache`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from scheduler.columns.node_table import NodeTable
from scheduler.columns.pod_info import PodInfo


@dataclass(slots=True)
class Nomination:
    """One Pod and the node it has in view."""

    info: PodInfo
    node_name: str
    #: we chose the node, and the watch has not shown it yet: what it shows meanwhile is older
    unconfirmed: bool


class Nominations:
    """Who is to come where."""

    def __init__(self, table: NodeTable) -> None:
        self._table = table
        self._by_uid: dict[str, Nomination] = {}
        self._by_node: dict[str, dict[str, PodInfo]] = {}

    def __len__(self) -> int:
        return len(self._by_uid)

    def all(self) -> Mapping[str, Nomination]:
        return self._by_uid

    def node_of(self, uid: str) -> str:
        found = self._by_uid.get(uid)
        return "" if found is None else found.node_name

    def on(self, node_name: str) -> Collection[PodInfo]:
        return [*self._by_node.get(node_name, {}).values()]

    def put(self, info: PodInfo, node_name: str) -> None:
        self._set(info, node_name, unconfirmed=True)

    def observe(self, info: PodInfo) -> None:
        """The watch shows a Pod without a node: take what its status says, unless we know better."""
        said = info.pod.status.nominated_node_name
        known = self._by_uid.get(info.uid)
        if known is None:
            if said:
                self._set(info, said, unconfirmed=False)
        elif said == known.node_name:
            known.unconfirmed = False
            self._refresh(known, info)
        elif known.unconfirmed:
            self._refresh(known, info)
        elif said:
            self._set(info, said, unconfirmed=False)
        else:
            self.remove(info.uid)

    def remove(self, uid: str) -> str:
        """Keep room for a Pod no longer; returns the node it had in view."""
        found = self._by_uid.pop(uid, None)
        if found is None:
            return ""
        pods = self._by_node[found.node_name]
        del pods[uid]
        if not pods:
            del self._by_node[found.node_name]
        self._table.topology.expect(found.info.pod_class, -1)
        row = self._table.rows.get(found.node_name)
        if row is not None:
            self._table.withdraw(row, found.info.pod_class)
        return found.node_name

    def lift(self, uid: str) -> Nomination | None:
        """Take a Pod's own nomination away for the length of its cycle: it must not stand in its own way."""
        found = self._by_uid.get(uid)
        if found is not None:
            self.remove(uid)
        return found

    def restore(self, nomination: Nomination) -> None:
        self._set(nomination.info, nomination.node_name, unconfirmed=nomination.unconfirmed)

    def node_added(self, node_name: str, row: int) -> None:
        for info in self._by_node.get(node_name, {}).values():
            self._table.nominate(row, info.pod_class)

    def _set(self, info: PodInfo, node_name: str, *, unconfirmed: bool) -> None:
        self.remove(info.uid)
        self._by_uid[info.uid] = Nomination(info, node_name, unconfirmed)
        self._by_node.setdefault(node_name, {})[info.uid] = info
        self._table.topology.expect(info.pod_class, 1)
        row = self._table.rows.get(node_name)
        if row is not None:
            self._table.nominate(row, info.pod_class)

    def _refresh(self, known: Nomination, info: PodInfo) -> None:
        if known.info.pod_class is info.pod_class:
            known.info = self._by_node[known.node_name][info.uid] = info
        else:
            self._set(info, known.node_name, unconfirmed=known.unconfirmed)
