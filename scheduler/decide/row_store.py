"""PURE: the rows of a profile, by what Pods ask of nodes; as many as memory allows.

Divides the plugins of a profile by what they look at:

    kind     neither at a node's Pods nor at requests: asked once for all Pods of a kind (`KindRows`)
    rows     at the Pod, the node and its Pods: asked once for all Pods of which they read the same (`NodeRows`)
    beyond   at other nodes, or which nodes are feasible: asked for each class (`scheduler.decide.beyond`)

Asked by `scheduler.decide.cycle`.
"""

from collections import deque
from collections.abc import Callable, Hashable
from typing import Final

from scheduler.columns.node_table import NodeTable
from scheduler.columns.pod_info import PodClass, Shape
from scheduler.columns.snapshot import Snapshot
from scheduler.decide.node_rows import KindRows, LookAhead, NodeRows
from scheduler.framework.interface import FilterPlugin, Reach, ScorePlugin
from scheduler.framework.runtime import Framework, Prepared, Profile

#: memory for the rows of a profile (arrays and the rows that are listed by their totals)
BUDGET_BYTES: Final = 128 * 1024 * 1024
#: kinds of Pods, and what Pods ask of nodes, that are remembered; more, and all are asked about again
MEMO: Final = 16_384
#: classes that keep why no node will do (11 bytes a node)
EXPLAINED: Final = 64


class RowStore:
    """The rows of a profile, by what Pods ask of nodes. Owned by the scheduling task."""

    def __init__(
        self,
        table: NodeTable,
        framework: Framework,
        *,
        make_ahead: Callable[[int], LookAhead] | None = None,
        budget: int = BUDGET_BYTES,
    ) -> None:
        """Keep nothing yet; `make_ahead` makes what is computed ahead for so many rows, `budget` is in bytes."""
        self.table, self.framework = table, framework
        self._make_ahead, self._budget = make_ahead, budget
        profile, observer = framework.profile, framework.observer
        self._of_kind = Framework(_part(profile, _is_of_kind, _is_of_kind), observer)
        self._of_rows = Framework(
            _part(
                profile,
                lambda plugin: _is_of_rows(plugin) and not _is_of_kind(plugin),
                lambda plugin: _is_of_rows(plugin) and not _is_of_kind(plugin) and not plugin.scales,
            ),
            observer,
        )
        #: the plugins that look beyond the node, or whose scores depend on what other nodes score
        self.beyond = Framework(
            _part(
                profile,
                lambda plugin: not _is_of_rows(plugin),
                lambda plugin: not _is_of_rows(plugin) or (plugin.scales and not _is_of_kind(plugin)),
            ),
            observer,
        )
        self._nodes: Snapshot | None = None
        self._node_changes = -1
        self._kinds: dict[Shape, KindRows] = {}
        self._same: dict[bytes, KindRows] = {}
        self._by_shape: dict[Shape, NodeRows] = {}
        self._rows: dict[Hashable, NodeRows] = {}
        self._uses = 0
        #: bytes that are taken, about; rows that were made since they were counted
        self._estimate = self._added = 0
        #: of the classes that keep why no node will do
        self._explained: deque[Callable[[], None]] = deque()

    def __len__(self) -> int:
        return len(self._rows)

    def rows_for(self, pod: PodClass) -> NodeRows:
        """Return the rows for Pods that ask the same of nodes, up to date."""
        self._see_nodes()
        if pod.has_storage:
            # What storage there is stands in no column, and each such Pod has claims of its own.
            return self._find(pod)
        found = self._by_shape.get(pod.node_shape)
        if found is None or found.stale:
            if len(self._by_shape) >= MEMO:
                self._by_shape.clear()
                self._kinds.clear()
            found = self._by_shape[pod.node_shape] = self._find(pod)
        self._uses += 1
        found.used = self._uses
        if not found.follow():
            # Its reader was too far behind.
            found.drop()
            del self._by_shape[pod.node_shape]
            return self.rows_for(pod)
        return found

    def refresh(self, rows: NodeRows) -> bool:
        """Bring rows up to date; False: `rows_for` has to be asked again."""
        self._uses += 1
        rows.used = self._uses
        return self.table.journal.node_changes == self._node_changes and rows.follow()

    def follow_known(self, rows: NodeRows) -> bool:
        """Say whether rows are up to date but for what was computed ahead, which is taken in."""
        return self.table.journal.node_changes == self._node_changes and rows.follow_known()

    def explained(self, forget: Callable[[], None]) -> None:
        """A class keeps why no node will do, until `EXPLAINED` others do after it and it has to forget it."""
        self._explained.append(forget)
        if len(self._explained) > EXPLAINED:
            self._explained.popleft()()

    def forget(self) -> None:
        """A plugin has failed: nobody knows what was brought up to date, and what was not."""
        for rows in self._rows.values():
            rows.drop()
        self._kinds.clear()
        self._same.clear()
        self._by_shape.clear()
        self._rows.clear()
        self._estimate = self._added = 0

    def _see_nodes(self) -> None:
        nodes, changes = self.table.snapshot(), self.table.journal.node_changes
        if nodes is not self._nodes or changes != self._node_changes:
            self.forget()
            self._nodes, self._node_changes = nodes, changes

    def _find(self, pod: PodClass) -> NodeRows:
        nodes = self.table.snapshot()
        kind = self._kinds.get(pod.kind)
        if kind is None or pod.has_storage:
            kind = KindRows(pod, nodes, self._of_kind)
            if not pod.has_storage:
                kind = self._kinds[pod.kind] = self._same.setdefault(kind.digest, kind)
        prepared = self._of_rows.prepare(pod, nodes)
        if pod.has_storage:
            return NodeRows(pod, self.table, kind, prepared, self.framework.observer, None)
        key = (kind.digest, _signature(prepared, pod))
        found = self._rows.get(key)
        if found is None or found.stale:
            # Rows of Pods with ports are never computed ahead: these are not only amounts.
            ahead = None if pod.host_ports else self._make_ahead
            found = self._rows[key] = NodeRows(
                pod, self.table, kind, prepared, self.framework.observer,
                None if ahead is None else ahead(nodes.size),
            )  # fmt: skip
            self._make_room(found)
        return found

    def _make_room(self, new: NodeRows) -> None:
        self._estimate += new.nbytes
        self._added += 1
        if self._estimate <= self._budget and self._added <= len(self._rows) // 4:
            return
        # Rows take more once they are ranked: all are counted again now and then, for it takes a while.
        kinds = sum(kind.nbytes for kind in self._same.values())
        taken = kinds + sum(rows.nbytes for rows in self._rows.values())
        self._estimate, self._added = taken, 0
        if taken <= self._budget:
            return
        for key, rows in sorted(self._rows.items(), key=lambda item: item[1].used):
            if taken <= self._budget * 3 // 4:
                break
            if rows is not new:
                taken -= rows.nbytes
                rows.drop()
                del self._rows[key]
        if kinds > self._budget // 2:
            self._kinds.clear()
            self._same.clear()
            taken -= kinds
        self._estimate = taken
        self._by_shape = {shape: rows for shape, rows in self._by_shape.items() if not rows.stale}


def _is_of_kind(plugin: FilterPlugin | ScorePlugin) -> bool:
    """Say whether a plugin says that it answers the same for Pods that differ in their requests alone."""
    reads_requests = getattr(plugin, "reads_requests", True)
    return plugin.reach is Reach.NONE and not reads_requests and not hasattr(plugin, "feasible_changed")


def _is_of_rows(plugin: FilterPlugin | ScorePlugin) -> bool:
    """Say whether what a plugin answers about a node depends on nothing but the Pod, the node and its Pods."""
    return plugin.reach <= Reach.ROW and not hasattr(plugin, "feasible_changed")


def _part(
    profile: Profile, filters: Callable[[FilterPlugin], bool], scores: Callable[[ScorePlugin], bool]
) -> Profile:
    """Return a profile with some of the filters and scores."""
    return Profile(
        profile.name,
        filters=tuple(plugin for plugin in profile.filters if filters(plugin)),
        scores=tuple(item for item in profile.scores if scores(item.plugin)),
    )


def _signature(prepared: Prepared, pod: PodClass) -> Hashable:
    """Return what plugins read of a Pod; where one does not say, what the Pod asks of nodes."""
    found: list[Hashable] = []
    plugins: list[FilterPlugin | ScorePlugin] = [*prepared.filters]
    plugins += [item.plugin for item in prepared.scores]
    for plugin in plugins:
        # To ask a Protocol takes longer than to sign.
        sign: Callable[[PodClass], Hashable] | None = getattr(plugin, "sign", None)
        if sign is None:
            return pod.node_shape
        found.append((plugin.name, sign(pod)))
    return (prepared.rejected, *found)
