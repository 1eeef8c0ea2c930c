"""PURE: where the first Pod of a class goes.

Nothing is kept of it, because most classes that are met once are never met again.

`scheduler.decide.cycle` keeps for a class what the next equal Pod needs, and takes half a millisecond at
5,000 nodes to begin. Pods that are each of a size of their own never profit from it. They do have something
in common: whatever does not look at what a Pod requests says the same of all of them. That is asked once for
Pods that differ in nothing else (a ground), and stays true until a node changes; a Pod then costs the plugins
that do look at requests, asked about all rows at once. (The idea of signatures by plugin is upstream's,
KEP-5598, which lets equal Pods share a decision.)

It is the decision that a cycle would give, or None when it cannot: no node will do, room is kept for
somebody, or a plugin looks beyond the node. Called by `scheduler.decide.cycles`.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.node_table import NodeTable
from scheduler.columns.pod_info import PodClass, Shape
from scheduler.columns.snapshot import Snapshot
from scheduler.decide.ranking import TieBreak
from scheduler.decide.scaling import ScaledScore
from scheduler.framework.checked import (
    ask_filter,
    ask_pre_filter,
    ask_pre_score,
    ask_room,
    ask_score,
    ask_score_room,
    out_of_range,
)
from scheduler.framework.interface import FilterPlugin, Reach, RoomFilter, RoomScore, ScorePlugin
from scheduler.framework.room import Floats, Room
from scheduler.framework.runtime import Framework, Profile
from scheduler.framework.state import CycleState
from scheduler.framework.status import Scheduled

#: grounds that are kept; each holds nine bytes a node
GROUNDS: Final = 32


class Ground:
    """What nodes are to Pods that differ in nothing but what they request, while no node changes."""

    __slots__ = ("base", "fit", "scaled", "state", "usable")

    def __init__(self, pod: PodClass, steady: Framework, nodes: Snapshot) -> None:
        prepared = steady.prepare(pod, nodes)
        self.state: CycleState = prepared.state
        #: whether all of it depends on the nodes alone
        self.usable = (
            not prepared.rejected
            and all(plugin.reach is Reach.NONE for plugin in prepared.filters)
            and all(item.plugin.reach is Reach.NONE for item in prepared.scores)
        )
        #: bool[N]: rows that passed these filters
        self.fit: NDArray[np.bool_] = nodes.valid.copy()
        #: float64[N]: the weighted scores that need no scaling
        self.base: Floats = np.zeros(nodes.size)
        self.scaled: list[ScaledScore] = []
        if not self.usable:
            return
        for plugin in prepared.filters:
            answers = ask_filter(plugin, self.state, pod, nodes, nodes.all)
            if answers is not None:
                self.fit &= answers == 0
        for item in prepared.scores:
            if item.plugin.scales:
                self.scaled.append(ScaledScore(item, self.state, pod, nodes))
            else:
                scores = ask_score(item.plugin, self.state, pod, nodes, nodes.all)
                # Whether it is a row that matters a cycle finds out.
                self.usable &= out_of_range(scores) is None
                self.base += scores * item.weight


class FirstDecision:
    """Decisions for classes that nothing is kept of. Owned by the scheduling task."""

    def __init__(self, table: NodeTable, framework: Framework) -> None:
        self._table, self._observer = table, framework.observer
        profile = framework.profile
        #: plugins that look at requests, each with what it can besides: asked once, because to ask a Protocol
        #: takes long
        self._filters: list[tuple[FilterPlugin, RoomFilter | None]] = [
            (plugin, plugin if isinstance(plugin, RoomFilter) else None)
            for plugin in profile.filters
            if _reads_requests(plugin)
        ]
        self._scores: list[tuple[ScorePlugin, int, RoomScore | None]] = [
            (item.plugin, item.weight, item.plugin if isinstance(item.plugin, RoomScore) else None)
            for item in profile.scores
            if _reads_requests(item.plugin)
        ]
        #: whether those look at nothing but the node itself
        self._usable = all(plugin.reach <= Reach.ROW for plugin, _ in self._filters) and all(
            plugin.reach <= Reach.ROW and not plugin.scales for plugin, _, _ in self._scores
        )
        self._steady = Framework(_without_requests(profile), framework.observer)
        self._grounds: dict[Shape, Ground] = {}
        self._room = Room(table)
        self._nodes: Snapshot | None = None
        self._position = 0
        self._fit = self._lacks = np.zeros(0, np.bool_)
        self._left = np.zeros(0, np.int64)
        self._total: Floats = np.zeros(0)

    def decide(self, pod: PodClass, tie_break: TieBreak) -> Scheduled | None:
        """Return where a Pod goes that no term of another means, on the table as it is now.

        None: ask a cycle.
        """
        if not self._usable or pod.kind is None or self._table.nominated:
            return None
        nodes, observer = self._follow(), self._observer
        observer.begin()
        ground = self._ground(pod.kind, pod, nodes)
        if not ground.usable:
            return None
        answered: list[tuple[str, str, float]] = []
        began = observer.now()
        asked = self._prepare(pod, nodes, ground.state, answered)
        if asked is None:
            return None
        prepared = observer.now()
        feasible = self._filter(pod, nodes, ground, asked, answered)
        if not feasible:
            return None
        filtered = observer.now()
        total = self._score(pod, nodes, ground, whole=feasible == nodes.size, answered=answered)
        if total is None:
            return None
        best = total.max()
        if best < 0:
            return None
        rows = np.equal(total, best, out=self._lacks).nonzero()[0]
        row = rows.item(tie_break(len(rows)) if len(rows) > 1 else 0)
        name = nodes.names[row]
        assert name is not None
        observer.extension_point("PreFilter", success=True, seconds=prepared - began)
        observer.extension_point("Filter", success=True, seconds=filtered - prepared)
        observer.extension_point("Score", success=True, seconds=observer.now() - filtered)
        for plugin, point, seconds in answered:
            observer.plugin(plugin, point, seconds)
        return Scheduled(row, name, len(nodes.rows), feasible)

    def forget(self) -> None:
        """Begin afresh: a plugin has failed, and what it kept may be half of something."""
        self._grounds.clear()

    def _follow(self) -> Snapshot:
        """Take in what has changed since the last one."""
        table = self._table
        nodes, position = table.snapshot(), table.journal.position
        if nodes is not self._nodes:
            self._grounds.clear()
            self._fit, self._lacks = np.empty(nodes.size, np.bool_), np.empty(nodes.size, np.bool_)
            self._left, self._total = np.empty(nodes.size, np.int64), np.empty(nodes.size)
        elif position != self._position:
            entries = table.journal.since(self._position)
            if entries is None or min(entries) < 0:
                # A node has changed.
                self._grounds.clear()
        self._nodes, self._position = nodes, position
        self._room.follow()
        return nodes

    def _ground(self, kind: Shape, pod: PodClass, nodes: Snapshot) -> Ground:
        grounds = self._grounds
        found = grounds.pop(kind, None)
        if found is None:
            if len(grounds) >= GROUNDS:
                # The one that was not asked for longest goes.
                del grounds[next(iter(grounds))]
            found = Ground(pod, self._steady, nodes)
        grounds[kind] = found
        return found

    def _prepare(
        self, pod: PodClass, nodes: Snapshot, state: CycleState, answered: list[tuple[str, str, float]]
    ) -> Sequence[tuple[FilterPlugin, RoomFilter | None]] | None:
        """Run the pre-filters of those that look at requests.

        None: they say more than that they filter or do not.
        """
        now = self._observer.now
        asked: list[tuple[FilterPlugin, RoomFilter | None]] = []
        for item in self._filters:
            started = now()
            result = ask_pre_filter(item[0], state, pod, nodes)
            if result.rejected or result.names is not None:
                return None
            answered.append((item[0].name, "PreFilter", now() - started))
            if not result.skip:
                asked.append(item)
        return asked

    def _filter(
        self,
        pod: PodClass,
        nodes: Snapshot,
        ground: Ground,
        asked: Sequence[tuple[FilterPlugin, RoomFilter | None]],
        answered: list[tuple[str, str, float]],
    ) -> int:
        """Find the rows that will do; returns how many there are."""
        fit, now = self._fit, self._observer.now
        np.copyto(fit, ground.fit)
        for plugin, of_room in asked:
            started = now()
            wanted = None if of_room is None else ask_room(plugin.name, of_room, ground.state, pod, nodes)
            if wanted is None:
                answers = ask_filter(plugin, ground.state, pod, nodes, nodes.all)
                if answers is not None:
                    fit &= answers == 0
            else:
                self._keep_room(nodes, wanted)
            answered.append((plugin.name, "Filter", now() - started))
        return int(np.count_nonzero(fit))

    def _keep_room(self, nodes: Snapshot, wanted: Sequence[tuple[str, int, int]]) -> None:
        """Leave out rows that have no place for another Pod, or less than it wants."""
        fit, has, left = self._fit, self._lacks, self._left
        np.less(nodes.pod_count, nodes.max_pods, out=has)
        fit &= has
        for _, index, amount in wanted:
            np.subtract(nodes.allocatable[index], nodes.requested[index], out=left)
            np.greater_equal(left, amount, out=has)
            fit &= has

    def _score(
        self,
        pod: PodClass,
        nodes: Snapshot,
        ground: Ground,
        *,
        whole: bool,
        answered: list[tuple[str, str, float]],
    ) -> Floats | None:
        """Return the total of each row, -1 where it will not do; None: a score is out of range, ask a cycle."""
        total, state, now = self._total, ground.state, self._observer.now
        np.copyto(total, ground.base)
        for plugin, weight, of_room in self._scores:
            started = now()
            found = None
            if of_room is not None:
                found = ask_score_room(plugin.name, of_room, pod, self._room, self._fit)
            if found is not None:
                if weight != 1:
                    found *= weight
                total += found
            elif ask_pre_score(plugin, state, pod, nodes):
                answered.append((plugin.name, "PreScore", now() - started))
                started = now()
                scores = ask_score(plugin, state, pod, nodes, nodes.all)
                if out_of_range(scores) is not None:
                    return None
                total += scores * weight
            else:
                answered.append((plugin.name, "PreScore", now() - started))
                continue
            answered.append((plugin.name, "Score", now() - started))
        for scaled in ground.scaled:
            scaled.start(self._fit, whole=whole)
            total += scaled.scaled
        if not whole:
            np.logical_not(self._fit, out=self._lacks)
            np.putmask(total, self._lacks, -1.0)
        return total


def _reads_requests(plugin: object) -> bool:
    """Say whether a plugin may answer otherwise for a Pod that requests something else.

    If it does not say, it may.
    """
    return bool(getattr(plugin, "reads_requests", True))


def _without_requests(profile: Profile) -> Profile:
    """Return a profile with those plugins alone that do not look at requests."""
    return Profile(
        profile.name,
        filters=tuple(plugin for plugin in profile.filters if not _reads_requests(plugin)),
        scores=tuple(item for item in profile.scores if not _reads_requests(item.plugin)),
    )
