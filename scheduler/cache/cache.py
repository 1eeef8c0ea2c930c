"""What the scheduler believes of the cluster.

Nodes and the Pods on them, those it has placed itself without an answer yet included.

    (pending) --assume--> assumed --put, by the watch--> bound --remove--> (gone)
    assumed --forget, binding refused--> (pending)

What the watch shows always wins: a Pod that turns up on another node than assumed is moved there. Pods on
nodes that are not known (yet, or any more) are kept by the node's name and counted when it comes. Pure, but
for being changed; written by `scheduler.scheduler` and `scheduler.cache.event_handlers` on one loop, never
across an await.

Room is kept against Pods of no higher priority for nominated Pods: those for which Pods are evicted, or whose
status.nominatedNodeName says so. Given back when it is placed, goes elsewhere, is deleted, or its node will not
do any more. Follows upstream's `backend/queue/nominator.go`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from scheduler.columns.node_info import NodeChange, NodeInfo
from scheduler.columns.node_table import NodeTable
from scheduler.columns.pod_info import PodClass, PodInfo


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
        said = info.nominated_node_name
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


#: a binding that was acknowledged, and that the watch has not shown after this time, is looked up
OVERDUE_SECONDS: Final = 30.0


@dataclass(slots=True)
class HeldPod:
    """A Pod that takes room on a node."""

    info: PodInfo
    node_name: str
    assumed: bool
    #: when its binding was acknowledged, in monotonic seconds; None before
    acknowledged: float | None = None


class Cache:
    """Nodes and the Pods on them. Owned by the scheduling task."""

    def __init__(self, table: NodeTable | None = None) -> None:
        self.table = table or NodeTable()
        #: Pods that are to come
        self.nominations = Nominations(self.table)
        self._pods: dict[str, HeldPod] = {}
        self._by_node: dict[str, dict[str, PodInfo]] = {}
        self._assumed: dict[str, None] = {}

    def sizes(self) -> dict[str, int]:
        return {"nodes": len(self.table.rows), "pods": len(self._pods), "assumed_pods": len(self._assumed)}

    def get(self, uid: str) -> HeldPod | None:
        return self._pods.get(uid)

    def held(self) -> dict[str, HeldPod]:
        """Return all Pods that take room, by uid: a copy as of now."""
        return dict(self._pods)

    def node(self, name: str) -> NodeInfo | None:
        row = self.table.rows.get(name)
        return None if row is None else self.table.infos[row]

    def on(self, node_name: str) -> Collection[PodInfo]:
        return self._by_node.get(node_name, {}).values()

    def refresh(self, info: PodInfo) -> None:
        """Take in a Pod of which nothing has changed that the columns know."""
        held = self._pods[info.uid]
        held.info = self._by_node[held.node_name][info.uid] = info

    def upsert_node(self, info: NodeInfo) -> NodeChange:
        row, change, new_resources = self.table.upsert(info)
        for resource in new_resources:
            self._count_resource(resource)
        if NodeChange.ADDED in change:
            for pod in self._by_node.get(info.name, {}).values():
                self.table.add_pod(row, pod.pod_class)
            self.nominations.node_added(info.name, row)
        return change

    def remove_node(self, name: str) -> NodeInfo | None:
        """Forget a node; its Pods are kept by its name, in case it comes back."""
        info = self.node(name)
        if info is not None:
            row = self.table.rows[name]
            for pod in self._by_node.get(name, {}).values():
                # One by one: what is counted by group and term is found by the Pod, not by the row.
                self.table.remove_pod(row, pod.pod_class)
            self.table.remove(name)
        return info

    def assume(self, info: PodInfo, node_name: str) -> None:
        assert info.uid not in self._pods
        self._add(HeldPod(info, node_name, assumed=True))
        self._assumed[info.uid] = None

    def assume_all(self, pod_class: PodClass, placed: Sequence[tuple[PodInfo, int, str]]) -> None:
        """Count Pods of one class on the nodes that were chosen for them, each with its node's row and name."""
        pods, by_node, assumed = self._pods, self._by_node, self._assumed
        for info, _, node_name in placed:
            uid = info.uid
            assert uid not in pods
            pods[uid] = HeldPod(info, node_name, True)
            there = by_node.get(node_name)
            if there is None:
                by_node[node_name] = {uid: info}
            else:
                there[uid] = info
            assumed[uid] = None
        self.table.add_pods([row for _, row, _ in placed], pod_class)

    def acknowledged(self, uid: str, *, now: float) -> None:
        held = self._pods.get(uid)
        if held is not None and held.assumed:
            held.acknowledged = now

    def forget(self, uid: str) -> PodInfo | None:
        """Undo an assumption: the binding was refused. A Pod that the watch has shown stays."""
        held = self._pods.get(uid)
        return self.remove(uid) if held is not None and held.assumed else None

    def put(self, info: PodInfo) -> HeldPod | None:
        """Take in a Pod that the watch shows on a node; returns what was believed of it before."""
        before = self._pods.get(info.uid)
        if (
            before is not None
            and before.node_name == info.node_name
            and before.info.pod_class is info.pod_class
        ):
            uid = info.uid
            self._pods[uid] = HeldPod(info, info.node_name, assumed=False)
            self._by_node[info.node_name][uid] = info
            self._assumed.pop(uid, None)
            return before
        if before is not None:
            self.remove(info.uid)
        self._add(HeldPod(info, info.node_name, assumed=False))
        return before

    def remove(self, uid: str) -> PodInfo | None:
        """Give back a Pod's room; returns what it was."""
        held = self._pods.pop(uid, None)
        if held is None:
            return None
        self._assumed.pop(uid, None)
        pods = self._by_node[held.node_name]
        del pods[uid]
        if not pods:
            del self._by_node[held.node_name]
        row = self.table.rows.get(held.node_name)
        if row is not None:
            self.table.remove_pod(row, held.info.pod_class)
        return held.info

    def overdue(self, *, now: float) -> list[PodInfo]:
        """Return assumed Pods whose binding was acknowledged long ago and that the watch has not shown."""
        found: list[PodInfo] = []
        for uid in self._assumed:
            held = self._pods[uid]
            if held.acknowledged is not None and now - held.acknowledged > OVERDUE_SECONDS:
                found.append(held.info)
        return found

    def _add(self, held: HeldPod) -> None:
        info = held.info
        self._pods[info.uid] = held
        self._by_node.setdefault(held.node_name, {})[info.uid] = info
        row = self.table.rows.get(held.node_name)
        if row is not None:
            self.table.add_pod(row, info.pod_class)

    def _count_resource(self, resource: str) -> None:
        for name, pods in self._by_node.items():
            row = self.table.rows.get(name)
            # A new node's own Pods are counted with the node.
            if row is None or not self.table.is_counted(row):
                continue
            for pod in pods.values():
                amount = pod.pod_class.request(resource)
                if amount:
                    self.table.add_requested(row, resource, amount)
