"""PodTopologySpread: Pods of a kind are spread over zones, hosts, or whatever a topology key names (KEP-895).

DoNotSchedule constraints filter, ScheduleAnyway ones score. Counts by domain are kept by
`scheduler.columns.topology`; what is kept here per class is which domains exist for it (where its policies
let nodes count) and what was last answered, so that a placement costs the domains and not the nodes.
(`plugins/podtopologyspread`: filtering.go, scoring.go, plugin.go.)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.labels import Domains
from scheduler.columns.node_info import NodeInfo
from scheduler.columns.pod_counts import DomainSum
from scheduler.columns.pod_info import PodClass, PodInfo
from scheduler.columns.pod_terms import SpreadConstraint
from scheduler.columns.snapshot import Rows, Snapshot
from scheduler.explain.lacks import POD_TOPOLOGY_SPREAD
from scheduler.framework.events import Changed, ClusterEvent, Hint
from scheduler.framework.interface import (
    RUN,
    SKIP,
    UNRESOLVABLE,
    Codes,
    CycleState,
    Groups,
    PreFilterResult,
    Reach,
    Scores,
)
from scheduler.framework.plugin import Filter, Score
from scheduler.spreading import HOSTNAME, SoftSpread, eligible, has_keys, normalise

SKEW: Final = "node(s) didn't match pod topology spread constraints"
NO_LABEL: Final = f"{SKEW} (missing required label)"

_TOO_MANY, _NO_LABEL = 1, UNRESOLVABLE | 2
_SCORE: Final = "PodTopologySpread/Score"


@dataclass(slots=True)
class _Hard:
    """One DoNotSchedule constraint of one class."""

    constraint: SpreadConstraint
    domains: Domains
    sum: DomainSum
    #: codes of the domains that have an eligible node
    present: NDArray[np.intp]
    #: 1: the Pod itself counts
    own: int
    #: every node has the label, and each its own: its Pods are a node's own
    by_node: bool
    _floor: tuple[int, int] = field(default=(-1, 0), init=False)

    def most(self) -> int:
        """Return how many Pods a domain may hold already."""
        version, floor = self._floor
        if version != self.sum.version:
            found = self.sum.values[self.present]
            # With fewer domains than minDomains the emptiest is one that is still to come.
            enough = len(found) and len(found) >= self.constraint.min_domains
            floor = int(found.min()) if enough else 0
            self._floor = self.sum.version, floor
        return floor + self.constraint.max_skew - self.own

    def refusals(self) -> NDArray[np.bool_]:
        return self.sum.values > self.most()


@dataclass(frozen=True, slots=True)
class TopologySpreadConstraint:
    """A constraint of the cluster, for Pods that have none; what it counts is told by who owns the Pod."""

    max_skew: int
    topology_key: str
    #: DoNotSchedule or ScheduleAnyway
    when_unsatisfiable: str


@dataclass(frozen=True, slots=True)
class PodTopologySpreadArgs:
    """Upstream's PodTopologySpreadArgs."""

    default_constraints: tuple[TopologySpreadConstraint, ...] = ()
    #: System: zones with a skew of 5 and hosts with one of 3, ScheduleAnyway; List: `default_constraints`
    defaulting_type: str = "System"


#: `systemDefaultConstraints`
SYSTEM_CONSTRAINTS: Final = (
    TopologySpreadConstraint(3, HOSTNAME, "ScheduleAnyway"),
    TopologySpreadConstraint(5, "topology.kubernetes.io/zone", "ScheduleAnyway"),
)


class PodTopologySpread(Filter, Score):
    """Refuses nodes of domains that hold too many Pods already, and prefers those with few."""

    reach = Reach.DOMAIN
    describer = POD_TOPOLOGY_SPREAD
    hints_read_class_only = True
    reads_requests = False
    scales = True

    def __init__(self, args: PodTopologySpreadArgs | None = None) -> None:
        args = args or PodTopologySpreadArgs()
        self._system = args.defaulting_type == "System"
        self._defaults = SYSTEM_CONSTRAINTS if self._system else args.default_constraints

    @property
    def hints(self) -> Mapping[ClusterEvent, Hint]:
        """Pods that the constraints count, coming or going; nodes that make, change or end a domain."""
        return {
            ClusterEvent.ASSIGNED_POD_ADD: self._counted,
            ClusterEvent.ASSIGNED_POD_UPDATE_LABEL: self._relabelled,
            ClusterEvent.ASSIGNED_POD_DELETE: self._counted,
            ClusterEvent.NODE_ADD: self._domain_changed,
            ClusterEvent.NODE_UPDATE_LABEL: self._domain_changed,
            ClusterEvent.NODE_UPDATE_TAINT: self._taints_changed,
            ClusterEvent.NODE_DELETE: self._domain_changed,
        }

    def pre_filter(self, state: CycleState, pod: PodClass, nodes: Snapshot) -> PreFilterResult:
        hard = self._constraints(pod, hard=True)
        if not hard:
            return SKIP
        domains = [nodes.domains_of(item.topology_key) for item in hard]
        labelled: NDArray[np.bool_] | None = None
        if len(hard) > 1:
            labelled = nodes.valid.copy()
            for found in domains:
                labelled &= found.codes != 0
        constraints: list[_Hard] = []
        for item, found in zip(hard, domains, strict=True):
            counts = eligible(item, pod, nodes, labelled)
            codes = found.codes if counts is None else found.codes[counts]
            present = np.flatnonzero(np.bincount(codes, minlength=found.size))
            constraints.append(
                _Hard(
                    item, found,
                    nodes.sum_over(found, ((nodes.topology.column(item.peers), 1),), counts),
                    present=present[present > 0],
                    # The Pod is placed alive, even if it is asked about while it goes.
                    own=int(item.peers.selector.matches(pod.group.labels)),
                    by_node=found.alone and found.labelled == len(nodes.rows),
                )
            )  # fmt: skip
        state.write(self.name, constraints)
        return RUN

    def reasons(self, pod: PodClass) -> Sequence[str]:
        return (SKEW, NO_LABEL)

    def filter(self, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Codes | None:
        answers: Codes | None = None
        for hard in reversed(self._hard(state)):
            by_domain = np.where(hard.refusals(), np.int64(_TOO_MANY), np.int64(0))
            by_domain[0] = _NO_LABEL
            said = by_domain.take(hard.domains.codes)
            # Of several constraints the first says why.
            answers = said if answers is None else np.where(said != 0, said, answers)
        assert answers is not None
        return answers[rows]

    def _hard(self, state: CycleState) -> list[_Hard]:
        return state.read(self.name, list)

    def filter_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        for hard in self._hard(state):
            code = hard.domains.codes.item(row)
            if not code:
                return _NO_LABEL
            if hard.sum.values.item(code) > hard.most():
                return _TOO_MANY
        return 0

    def filter_groups(self, state: CycleState) -> Groups | None:
        keys: list[str] = []
        counts: list[Mapping[int, int]] = []
        for hard in self._hard(state):
            if not hard.by_node:
                keys.append(hard.domains.key)
            elif hard.sum.eligible is None:
                counts += [column.rows for column, _ in hard.sum.sources]
            else:
                return None
        return Groups(tuple(keys), tuple(counts))

    def pre_score(self, state: CycleState, pod: PodClass, nodes: Snapshot) -> bool:
        soft = self._constraints(pod, hard=False)
        if not soft:
            return False
        # By the system's own constraints a node without a zone is still a host among others.
        require_all = bool(pod.asked.spread) or not self._system
        state.write(_SCORE, SoftSpread(soft, pod, nodes, require_all=require_all))
        return True

    def score(self, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Scores:
        return state.read(_SCORE, SoftSpread).score(rows)

    def score_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        return state.read(_SCORE, SoftSpread).score_row(row)

    def score_groups(self, state: CycleState) -> Groups | None:
        return state.read(_SCORE, SoftSpread).groups

    def feasible_groups(self, state: CycleState, rows: Sequence[int], feasible: int) -> None:
        state.read(_SCORE, SoftSpread).see_groups(rows, feasible)

    def feasible_changed(
        self, state: CycleState, pod: PodClass, nodes: Snapshot, feasible: NDArray[np.bool_]
    ) -> bool:
        return state.read(_SCORE, SoftSpread).see(feasible)

    def ignored(self, state: CycleState) -> NDArray[np.bool_] | None:
        return state.read(_SCORE, SoftSpread).ignored

    def scale(self, raw: Scores, low: int, high: int) -> Scores:
        return normalise(raw, low, high)

    def _constraints(self, pod: PodClass, *, hard: bool) -> tuple[SpreadConstraint, ...]:
        """Return the Pod's own constraints of a kind; the defaults among its siblings if it has none at all."""
        if pod.asked.spread:
            return tuple(item for item in pod.asked.spread if item.hard is hard)
        siblings = pod.group.siblings
        if siblings is None:
            return ()
        return tuple(
            SpreadConstraint(
                item.max_skew, item.topology_key, hard=hard, min_domains=1, honor_affinity=True,
                honor_taints=False, peers=siblings,
            )
            for item in self._defaults
            if (item.when_unsatisfiable == "DoNotSchedule") is hard
        )  # fmt: skip

    def _counted(self, pod: PodClass, before: Changed, after: Changed) -> bool:
        other = after or before
        return isinstance(other, PodInfo) and any(
            item.peers.may_match(other.pod_class.group) for item in self._constraints(pod, hard=True)
        )

    def _relabelled(self, pod: PodClass, before: Changed, after: Changed) -> bool:
        if not isinstance(before, PodInfo) or not isinstance(after, PodInfo):
            return False
        return any(
            item.peers.may_match(before.pod_class.group) != item.peers.may_match(after.pod_class.group)
            for item in self._constraints(pod, hard=True)
        )

    def _domain_changed(self, pod: PodClass, before: Changed, after: Changed) -> bool:
        constraints = self._constraints(pod, hard=True)
        was = before.labels if isinstance(before, NodeInfo) else {}
        now = after.labels if isinstance(after, NodeInfo) else {}
        counted, counts = has_keys(constraints, was), has_keys(constraints, now)
        if counted != counts:
            return True
        # A change of other labels may let a node count, or no longer, by the Pod's node affinity.
        return counts and (
            any(was[item.topology_key] != now[item.topology_key] for item in constraints)
            or (was != now and bool(pod.node_selector or pod.node_affinity is not None))
        )

    def _taints_changed(self, pod: PodClass, _before: Changed, after: Changed) -> bool:
        constraints = self._constraints(pod, hard=True)
        return (
            isinstance(after, NodeInfo)
            and any(item.honor_taints for item in constraints)
            and has_keys(constraints, after.labels)
        )
