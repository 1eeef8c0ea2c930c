"""Base classes for plugins: what most would write alike. `docs/plugins.md` has a whole plugin in twenty lines.

A plugin does not have to use them: what counts are the protocols of `scheduler.framework.interface`. The
defaults are those that are right for every plugin: an answer may depend on everything (GLOBAL), and any event
may help. A plugin that says less is asked less often.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from scheduler.columns.pod_info import PodClass
from scheduler.columns.snapshot import Rows, Snapshot
from scheduler.framework.checked import checked_codes, checked_scores
from scheduler.framework.events import ClusterEvent, Hint, always
from scheduler.framework.interface import RUN, Codes, CycleState, PreFilterResult, Reach, Scores, scale_to_max


class Plugin:
    """A plugin. Its name is that of its class, unless it says another."""

    name: ClassVar[str] = ""
    #: what placing a Pod changes of its answers; NONE and ROW are far cheaper than GLOBAL
    reach: ClassVar[Reach] = Reach.GLOBAL
    #: whether it looks at requests; one that does not is asked once for Pods that differ in those alone
    reads_requests: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            cls.name = cls.__name__

    @property
    def hints(self) -> Mapping[ClusterEvent, Hint]:
        """Any change may help a Pod that it refused."""
        return dict.fromkeys(ClusterEvent, always)


class Filter(Plugin, ABC):
    """Refuses nodes. Only `filter` has to be written."""

    #: why, as users read it: "3 node(s) were not green"
    reason: ClassVar[str] = ""

    def pre_filter(self, state: CycleState, pod: PodClass, nodes: Snapshot) -> PreFilterResult:
        return RUN

    def reasons(self, pod: PodClass) -> Sequence[str]:
        return (self.reason or f"node(s) were refused by {self.name}",)

    @abstractmethod
    def filter(self, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Codes | None:
        """Return for each of `rows` whether it is refused: 1 (or True) and 0, or bits of several reasons."""

    def filter_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        codes = checked_codes(self.name, self.filter(state, pod, nodes, np.array([row], np.intp)), 1)
        return 0 if codes is None else int(codes[0])


class Score(Plugin, ABC):
    """Prefers nodes. Only `score` has to be written."""

    #: whether raw scores are to be scaled so that the best becomes 100; otherwise they are 0..100 already
    scales: ClassVar[bool] = False

    def pre_score(self, state: CycleState, pod: PodClass, nodes: Snapshot) -> bool:
        return True

    @abstractmethod
    def score(self, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Scores:
        """Return int64 scores of `rows`, more is better."""

    def score_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        scores = self.score(state, pod, nodes, np.array([row], np.intp))
        return int(checked_scores(self.name, "score", scores, 1)[0])

    def scale(self, raw: Scores, low: int, high: int) -> Scores:
        return scale_to_max(raw, high)
