"""The extension points up to PostFilter: what a plugin is and what it answers. Upstream's names, in columns.

A filter answers for rows (all of them, or those that are asked about) with one code a row: 0, or a set of the
plugin's own reasons as bits, with UNRESOLVABLE where evicting Pods could not help. A score answers raw numbers
for rows; scaling them to 0..100 is a step of its own, because it depends on all feasible rows. `reach` says
how far placing a Pod changes what the plugin would answer, so that a cycle knows what to compute again for the
next Pod.

A plugin with `reads_requests = False` does not look at what a Pod requests: it is asked once for Pods that
differ in nothing else (`scheduler.decide.node_rows`). One that does not say is asked for each.

Plugins compute: no I/O, no clock, no logging; the framework's runtime measures around them.
"""

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple, Protocol, TypeAlias, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.pod_info import PodClass, PodInfo
from scheduler.columns.snapshot import Rows, Snapshot
from scheduler.framework.events import ClusterEvent, Hint

T = TypeVar("T")


class CycleState:
    """Values by plugin and kind, as long as the decisions of one class go on."""

    __slots__ = ("_values",)

    def __init__(self) -> None:
        self._values: dict[str, object] = {}

    def write(self, plugin: str, value: object) -> None:
        self._values[plugin] = value

    def read(self, plugin: str, kind: type[T]) -> T:
        """Return what the plugin kept. It wrote it in its pre-filter or pre-score, or there is a bug."""
        value = self._values[plugin]
        assert isinstance(value, kind)
        return value

    def find(self, plugin: str, kind: type[T]) -> T | None:
        return self.read(plugin, kind) if plugin in self._values else None


#: int64[rows]: 0, or bits of reasons, perhaps with UNRESOLVABLE
Codes: TypeAlias = NDArray[np.int64]
#: int64[rows]
Scores: TypeAlias = NDArray[np.int64]

#: preemption cannot help on this node
UNRESOLVABLE: Final = 1 << 62
#: a plugin's reasons are bits 0..MAX_REASON
MAX_REASON: Final = 61
MAX_SCORE: Final = 100


class Reach(IntEnum):
    """What placing a Pod on a row changes of a plugin's answers."""

    #: nothing: they depend on the Pod and the node alone
    NONE = 0
    #: those for that row
    ROW = 1
    #: those for all rows of a topology domain
    DOMAIN = 2
    #: any
    GLOBAL = 3


@dataclass(frozen=True, slots=True)
class PreFilterResult:
    """What a plugin found before any node was looked at."""

    skip: bool = False
    #: only these nodes come into question; None: all
    names: frozenset[str] | None = None
    #: no node can ever do, for this reason
    rejected: str = ""


RUN: Final = PreFilterResult()
SKIP: Final = PreFilterResult(skip=True)


@runtime_checkable
class PreEnqueuePlugin(Protocol):
    """Keeps a Pod out of the queue until it changes, or until something happens that may help.

    `hints`, if it has them, say what that could be; without them it is asked after any event.
    """

    name: str

    def pre_enqueue(self, pod: PodClass) -> str:
        """Return why the Pod may not be scheduled yet, or an empty text."""


@runtime_checkable
class FilterPlugin(Protocol):
    """Refuses nodes."""

    name: str
    reach: Reach

    @property
    def hints(self) -> Mapping[ClusterEvent, Hint]:
        """Changes after which a Pod that this plugin refused is worth another attempt."""

    def pre_filter(self, state: CycleState, pod: PodClass, nodes: Snapshot) -> PreFilterResult:
        """Prepare: RUN, SKIP, only some nodes, or none at all."""

    def reasons(self, pod: PodClass) -> Sequence[str]:
        """Return the words of each bit."""

    def filter(self, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Codes | None:
        """Answer for rows, in their order. None: all pass."""

    def filter_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        """Answer for one row as `filter` would: without arrays, because it is asked for every Pod."""


@runtime_checkable
class ScorePlugin(Protocol):
    """Prefers nodes."""

    name: str
    reach: Reach
    #: whether `scale` must be called; otherwise raw scores are 0..100 already
    scales: bool

    def pre_score(self, state: CycleState, pod: PodClass, nodes: Snapshot) -> bool:
        """Prepare; False: it has nothing to say about this Pod, and every node gets 0."""

    def score(self, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Scores:
        """Return raw scores of rows (int64), in their order. Rows that were refused may get any number."""

    def score_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        """Return the raw score of one row, the same as `score` would."""

    def scale(self, raw: Scores, low: int, high: int) -> Scores:
        """Return 0..100 for each raw score, given the lowest and highest of all feasible rows."""


@runtime_checkable
class SignPlugin(Protocol):
    """A filter or score of reach ROW that says the same of a node to all Pods with the same signature.

    After upstream's SignPlugin (kube-scheduler/framework/interface.go). Classes of Pods whose plugins all
    sign share their answers.
    """

    def sign(self, pod: PodClass) -> Hashable:
        """Return all that pre_filter, filter, pre_score and score read of a Pod."""


class Groups(NamedTuple):
    """What rows differ in that get different answers: two rows that agree in all of it get the same."""

    #: labels of the node
    keys: tuple[str, ...] = ()
    #: row -> how many Pods of some kind it holds; rows without such a Pod are in none
    counts: tuple[Mapping[int, int], ...] = ()


@runtime_checkable
class GroupedFilter(Protocol):
    """A filter of reach DOMAIN (spreading, affinity) whose answers are true at any moment.

    What Pods there are in a domain it reads from `nodes.topology`: `filter_row` also answers "as if these
    Pods were gone" while they are taken away with `NodeTable.suppose` (upstream's AddPod and RemovePod). One
    of this reach that is not grouped prepares anew for each Pod.
    """

    def filter_groups(self, state: CycleState) -> Groups | None:
        """Return what rows differ in; the counts follow the Pods. None: each row may get its own answer."""


@runtime_checkable
class GroupedScore(Protocol):
    """The same of a score."""

    def score_groups(self, state: CycleState) -> Groups | None:
        """Return what rows differ in, whose raw scores are different."""

    def feasible_groups(self, state: CycleState, rows: Sequence[int], feasible: int) -> None:
        """Take in how many rows are feasible, of which one of each group is given."""


@runtime_checkable
class FeasibleScore(Protocol):
    """A score that depends on which nodes passed the filters (upstream's PreScore)."""

    def feasible_changed(
        self, state: CycleState, pod: PodClass, nodes: Snapshot, feasible: NDArray[np.bool_]
    ) -> bool:
        """Take in which rows are feasible (bool[N]); say whether raw scores have changed by it."""

    def ignored(self, state: CycleState) -> NDArray[np.bool_] | None:
        """Return the rows (bool[N]) that get 0 and do not count for the lowest and highest score; None: none."""


@runtime_checkable
class RoomFilter(Protocol):
    """A filter that asks of a node's Pods nothing but how much they take together."""

    def room(
        self, state: CycleState, pod: PodClass, nodes: Snapshot
    ) -> Sequence[tuple[str, int, int]] | None:
        """Return (resource, index, amount) of what the Pod needs; None: the filter must be asked itself.

        Of the reasons the first is about the number of Pods, the others about these resources.
        """


class Trial(Protocol):
    """One node, some of whose Pods are away. The caller that began it closes it."""

    def take(self, pod: PodInfo) -> None:
        """Take a Pod away."""

    def put(self, pod: PodInfo) -> None:
        """Put it back."""

    def refusal(self) -> tuple[str, ...]:
        """Return why the node would not do now, with the Pods that have it in view and without."""

    def close(self) -> None:
        """Put all Pods back."""


class WhatIf(Protocol):
    """What the filters would say of a node if some of its Pods were not there."""

    @property
    def position(self) -> int:
        """How many changes there have been, nominations included."""

    def changed_since(self, position: int) -> Iterable[int] | None:
        """Return the rows whose answers may have changed; None: any."""

    def pods(self, row: int) -> Collection[PodInfo]:
        """Return the Pods on a row, those that are assumed there included."""

    def begin(self, row: int) -> Trial:
        """Begin to take Pods of a row away."""


@dataclass(frozen=True, slots=True)
class Refusals:
    """What the filters said when no node would do."""

    #: bool[N]: there is a node, and evicting Pods from it might help
    resolvable: NDArray[np.bool_]
    nodes: int
    #: the row of the node that this very Pod has in view already; -1: none
    nominated: int = -1
    #: None: no Pod can be evicted
    what_if: WhatIf | None = None


@dataclass(frozen=True, slots=True)
class PostFilterResult:
    """What can be done for a Pod that fits nowhere."""

    #: a whole sentence for the user; empty: nothing to say
    message: str = ""
    #: the node whose room is being made; empty: none
    nominated: str = ""
    #: who has to go for that, the most important first
    victims: tuple[PodInfo, ...] = ()
    #: what was begun earlier is still under way: nothing is done now, and the node in view stays so
    waits: bool = False


@runtime_checkable
class PostFilterPlugin(Protocol):
    """Looks for a way out when no node will do (preemption)."""

    name: str

    def post_filter(
        self, state: CycleState, pod: PodClass, nodes: Snapshot, refusals: Refusals
    ) -> PostFilterResult:
        """Say what can be done."""


def decode(code: int, reasons: Sequence[str]) -> list[str]:
    """Return the words of a code's bits."""
    return [reason for bit, reason in enumerate(reasons) if code >> min(bit, MAX_REASON) & 1]


def scale_to_max(raw: Scores, high: int, *, reverse: bool = False) -> Scores:
    """Scale the highest raw score to 100, or to 0 when less is better (`helper.DefaultNormalizeScore`)."""
    if high == 0:
        return np.full(len(raw), MAX_SCORE, np.int64) if reverse else raw
    scaled = raw * MAX_SCORE // high
    return MAX_SCORE - scaled if reverse else scaled
