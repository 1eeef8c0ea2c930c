"""Plugins of which a profile takes one half: preFilter without filter, or filter without preFilter.

Upstream has an object for each extension point, and either may be disabled. Here a filter is asked with what
its pre-filter prepared, so a half is made of the whole (decision 183):

    preFilter alone   may refuse a Pod outright, or name the only nodes that come into question
    filter alone      prepares for itself, and names no nodes

preScore without score does nothing, and score without preScore prepares for itself: these need no half.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import replace

from scheduler.columns.pod_info import PodClass
from scheduler.columns.snapshot import Rows, Snapshot
from scheduler.framework.interface import RUN, SKIP, Codes, FilterPlugin, PreFilterResult, Reach
from scheduler.framework.state import CycleState


class OnlyPreFilter:
    """A plugin whose filter is disabled."""

    #: nothing that it prepares is read
    reach = Reach.NONE

    def __init__(self, plugin: FilterPlugin) -> None:
        self._plugin, self.name = plugin, plugin.name
        self.reads_requests: bool = getattr(plugin, "reads_requests", True)
        #: those of the whole: what it says outright may have been told by any of them
        self.hints = plugin.hints

    def pre_filter(self, state: CycleState, pod: PodClass, nodes: Snapshot) -> PreFilterResult:
        return replace(self._plugin.pre_filter(state, pod, nodes), skip=True)

    def reasons(self, pod: PodClass) -> Sequence[str]:
        return self._plugin.reasons(pod)

    def filter(self, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Codes | None:
        return None

    def filter_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        return 0


def only_filter(plugin: FilterPlugin) -> FilterPlugin:
    """Return a plugin whose preFilter is disabled. It can all that it could (rows, room, what is affected)."""
    whole = type(plugin)

    def pre_filter(self: FilterPlugin, state: CycleState, pod: PodClass, nodes: Snapshot) -> PreFilterResult:
        result = whole.pre_filter(self, state, pod, nodes)
        if result.rejected:
            return result
        return SKIP if result.skip else RUN

    half = copy(plugin)
    half.__class__ = type(
        whole.__name__, (whole,), {"__slots__": (), "name": plugin.name, "pre_filter": pre_filter}
    )
    return half
