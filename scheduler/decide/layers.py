"""PURE: which plugins have to be asked for what when a Pod of a class comes or goes, by how far they reach.

Called by `scheduler.decide.cycle` when a class starts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scheduler.columns.pod_info import PodClass
from scheduler.columns.snapshot import Snapshot
from scheduler.framework.interface import FilterPlugin, Reach
from scheduler.framework.runtime import Prepared, Weighted
from scheduler.framework.state import CycleState

#: a plugin's `filter_row` or `score_row`
AskRow = Callable[[CycleState, PodClass, Snapshot, int], int]


@dataclass(slots=True)
class Layers:
    """The plugins of one class. Filters are known by their index among all of them."""

    #: of those that look at a node and its Pods, the ones whose answer a placement on the node may change
    moving_filters: Sequence[FilterPlugin]
    #: the index of the first filter whose answer a placement anywhere may change; as many as there are: none
    first_moving: int
    #: those that look at a node alone and stand before it: asked once
    still_filters: Sequence[tuple[int, FilterPlugin]]
    #: those that look at a node, from there on: asked once more about a row that nobody before refused
    again: Sequence[tuple[int, FilterPlugin]]
    again_rows: Sequence[tuple[int, AskRow]]
    #: scores that need no scaling: those that a placement does not touch, and those of its row
    still_scores: Sequence[Weighted]
    moving_scores: Sequence[Weighted]
    moving_rows: Sequence[tuple[str, AskRow, int]]
    #: scores that depend on all feasible rows, or on domains
    scaled: Sequence[Weighted]
    #: how far a placement reaches: for the filters; whether for anybody it is everywhere
    reach: Reach
    is_global: bool

    def name_of(self, number: int) -> str:
        """Return the name of a filter that is asked once more."""
        return next(plugin.name for index, plugin in self.again if index == number)


def layers_of(prepared: Prepared) -> Layers:
    """Divide the plugins that have something to say about a class."""
    filters, scores = prepared.filters, prepared.scores
    row_filters = [item for item in enumerate(filters) if item[1].reach is not Reach.DOMAIN]
    moving = [item for item in row_filters if item[1].reach is not Reach.NONE]
    plain = [item for item in scores if not item.plugin.scales and item.plugin.reach is not Reach.DOMAIN]
    first_moving = next(
        (number for number, plugin in enumerate(filters) if plugin.reach is not Reach.NONE), len(filters)
    )
    again = [item for item in row_filters if item[0] >= first_moving]
    moving_scores = [item for item in plain if item.plugin.reach is not Reach.NONE]
    return Layers(
        moving_filters=[plugin for _, plugin in moving],
        first_moving=first_moving,
        still_filters=[item for item in row_filters if item[0] < first_moving],
        again=again,
        again_rows=[(number, plugin.filter_row) for number, plugin in again],
        still_scores=[item for item in plain if item.plugin.reach is Reach.NONE],
        moving_scores=moving_scores,
        moving_rows=[(item.plugin.name, item.plugin.score_row, item.weight) for item in moving_scores],
        scaled=[item for item in scores if item not in plain],
        reach=max((plugin.reach for plugin in filters), default=Reach.NONE),
        is_global=any(plugin.reach is Reach.GLOBAL for plugin in filters)
        or any(item.plugin.reach is Reach.GLOBAL for item in scores),
    )
