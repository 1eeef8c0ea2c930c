"""What a Pod asks of other Pods: affinity, anti-affinity and spreading, compiled.

And what other Pods see of it, its group. Terms are interned by `TermCompiler`: equal ones of many Pods are
one object, compared by identity, so that counting by term is cheap. `matches` is upstream's
`AffinityTerm.Matches` (`kube-scheduler/framework/types.go`): a term selects Pods by labels, in the namespaces
that it lists, or whose labels its namespaceSelector selects.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, Generic, TypeVar
from weakref import WeakValueDictionary

from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.objects.meta import controller_of
from vaina.objects.selectors import EVERYTHING, NOTHING, LabelSelector, Requirement, from_message

#: namespace -> its labels
Namespaces = Mapping[str, Mapping[str, str]]
#: apiVersion and kind of the controllers whose Pods are spread when they say nothing of it themselves
_SPREADING: Final = frozenset(
    {("v1", "ReplicationController"), ("apps/v1", "ReplicaSet"), ("apps/v1", "StatefulSet")}
)
_NO_LABELS: Final[Mapping[str, str]] = {}


class PodGroup:
    """What selectors see of a Pod. Interned by `TermCompiler`; compared by identity; never changed."""

    __slots__ = ("__weakref__", "labels", "namespace", "owner", "siblings", "terminating")

    def __init__(
        self,
        namespace: str,
        labels: Mapping[str, str],
        *,
        owner: str = "",
        siblings: "Peers | None" = None,
        terminating: bool = False,
    ) -> None:
        self.namespace, self.labels = namespace, labels
        #: uid of the controller among whose Pods it is spread by default, and these Pods
        self.owner, self.siblings = owner, siblings
        #: it has a deletion timestamp: spreading does not count it
        self.terminating = terminating

    def is_of(self, meta: meta_pb2.ObjectMeta) -> bool:
        labels, wanted = meta.labels, self.labels
        # Asked of each Pod that comes or gets a node: a loop is quicker than to copy the message's map.
        if len(labels) != len(wanted) or meta.HasField("deletion_timestamp") != self.terminating:
            return False
        for key, value in wanted.items():
            if labels.get(key) != value:
                return False
        return spread_owner(meta) == self.owner and meta.namespace == self.namespace

    def __repr__(self) -> str:
        return f"PodGroup({self.namespace!r}, {dict(self.labels)!r}, terminating={self.terminating})"


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Peers:
    """Some Pods, by labels and namespace. Compared by identity."""

    selector: LabelSelector
    namespaces: frozenset[str]
    #: selects further namespaces by their labels; NOTHING: none
    namespace_selector: LabelSelector = NOTHING
    #: Pods that are being deleted do not count
    live: bool = False
    #: uid of the controller among whose Pods they are spread by default; empty: any, or none
    owner: str = ""

    def matches(self, group: PodGroup, namespaces: Namespaces) -> bool:
        if (self.live and group.terminating) or (self.owner and self.owner != group.owner):
            return False
        if group.namespace not in self.namespaces and not (
            not self.namespace_selector.nothing
            and self.namespace_selector.matches(namespaces.get(group.namespace, _NO_LABELS))
        ):
            return False
        return self.selector.matches(group.labels)

    def may_match(self, group: PodGroup) -> bool:
        """Say whether Pods of a group may be meant, without knowing the labels of namespaces."""
        if (self.live and group.terminating) or (self.owner and self.owner != group.owner):
            return False
        if group.namespace not in self.namespaces and self.namespace_selector.nothing:
            return False
        return self.selector.matches(group.labels)


class TermKind(IntEnum):
    """What a term is for."""

    #: required anti-affinity
    ANTI = 0
    #: required affinity
    REQUIRED = 1
    #: preferred affinity, or (weight below 0) anti-affinity
    PREFERRED = 2


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class PodTerm:
    """One affinity or anti-affinity term. Compared by identity."""

    kind: TermKind
    #: of a preferred term; 0 of a required one
    weight: int
    topology_key: str
    peers: Peers
    #: in the order of making
    serial: int = 0


@dataclass(frozen=True, slots=True)
class SpreadConstraint:
    """One topology spread constraint, with its defaults filled in."""

    max_skew: int
    topology_key: str
    #: DoNotSchedule, or else ScheduleAnyway
    hard: bool
    min_domains: int
    #: nodes that the Pod's node affinity and selector refuse do not count
    honor_affinity: bool
    #: nodes with taints that the Pod does not tolerate do not count
    honor_taints: bool
    peers: Peers


@dataclass(slots=True)
class Asked:
    """What the Pods of one class ask of other Pods."""

    terms: tuple[PodTerm, ...] = ()
    spread: tuple[SpreadConstraint, ...] = ()
    #: the distinct selectors among them
    selectors: tuple[LabelSelector, ...] = field(default=())


NOTHING_ASKED: Final = Asked()


def asks_of_pods(spec: pod_pb2.PodSpec) -> bool:
    """Say whether a spec asks anything of other Pods."""
    affinity = spec.affinity
    return bool(spec.topology_spread_constraints) or (
        spec.HasField("affinity")
        and (affinity.HasField("pod_affinity") or affinity.HasField("pod_anti_affinity"))
    )


def spread_owner(meta: meta_pb2.ObjectMeta) -> str:
    """Return the uid of the controller among whose Pods a Pod is spread by default; empty: there is none.

    Those of ReplicationControllers, ReplicaSets and StatefulSets are, and of no other kind (`DefaultSelector` in
    `pkg/scheduler/framework/plugins/helper/spread.go`).
    """
    if not meta.owner_references:
        return ""
    owner = controller_of(meta)
    return owner.uid if owner is not None and (owner.api_version, owner.kind) in _SPREADING else ""


def label_keys(spec: pod_pb2.PodSpec) -> tuple[str, ...]:
    """Return the labels of the Pod itself that its constraints look at (matchLabelKeys)."""
    return tuple(key for item in spec.topology_spread_constraints for key in item.match_label_keys)


class TermCompiler:
    """Makes groups and terms, each once. Owned by the scheduling task."""

    def __init__(self) -> None:
        self._groups: WeakValueDictionary[tuple[object, ...], PodGroup] = WeakValueDictionary()
        self._peers: WeakValueDictionary[tuple[object, ...], Peers] = WeakValueDictionary()
        self._terms: WeakValueDictionary[tuple[object, ...], PodTerm] = WeakValueDictionary()
        self._serial = 0

    def group(
        self, namespace: str, labels: Mapping[str, str], *, owner: str = "", terminating: bool = False
    ) -> PodGroup:
        key = (namespace, owner, terminating, *sorted(labels.items()))
        found = self._groups.get(key)
        if found is None:
            siblings = self.peers(EVERYTHING, (namespace,), live=True, owner=owner) if owner else None
            found = self._groups[key] = PodGroup(
                namespace, dict(labels), owner=owner, siblings=siblings, terminating=terminating
            )
        return found

    def compile(self, spec: pod_pb2.PodSpec, namespace: str, labels: Mapping[str, str]) -> Asked:
        """Compile what a spec asks of other Pods, for a Pod of this namespace with these labels."""
        terms = tuple(self._affinity_terms(spec.affinity, namespace))
        spread = tuple(self._constraint(item, namespace, labels) for item in spec.topology_spread_constraints)
        selectors = {term.peers.selector: None for term in terms}
        selectors |= {constraint.peers.selector: None for constraint in spread}
        return Asked(terms, spread, tuple(selectors))

    def peers(
        self, selector: LabelSelector, namespaces: Iterable[str], namespace_selector: LabelSelector = NOTHING,
        *, live: bool = False, owner: str = "",
    ) -> Peers:  # fmt: skip
        """Return the Pods that a selector means, each combination once."""
        names = frozenset(namespaces)
        key = (selector, names, namespace_selector, live, owner)
        found = self._peers.get(key)
        if found is None:
            found = self._peers[key] = Peers(selector, names, namespace_selector, live, owner)
        return found

    def _affinity_terms(self, affinity: pod_pb2.Affinity, namespace: str) -> Iterable[PodTerm]:
        for kind, sign, part in (
            (TermKind.REQUIRED, 1, affinity.pod_affinity), (TermKind.ANTI, -1, affinity.pod_anti_affinity)
        ):  # fmt: skip
            for required in part.required_during_scheduling_ignored_during_execution:
                yield self._term(kind, 0, required, namespace)
            for weighted in part.preferred_during_scheduling_ignored_during_execution:
                weight = sign * weighted.weight
                if weight:
                    yield self._term(TermKind.PREFERRED, weight, weighted.pod_affinity_term, namespace)

    def _term(self, kind: TermKind, weight: int, term: pod_pb2.PodAffinityTerm, namespace: str) -> PodTerm:
        selects = term.HasField("namespace_selector")
        namespaces = tuple(term.namespaces) or (() if selects else (namespace,))
        peers = self.peers(
            _selector(term.label_selector if term.HasField("label_selector") else None), namespaces,
            _selector(term.namespace_selector if selects else None),
        )  # fmt: skip
        key = (kind, weight, term.topology_key, peers)
        found = self._terms.get(key)
        if found is None:
            self._serial += 1
            found = self._terms[key] = PodTerm(kind, weight, term.topology_key, peers, self._serial)
        return found

    def _constraint(
        self, item: pod_pb2.TopologySpreadConstraint, namespace: str, labels: Mapping[str, str]
    ) -> SpreadConstraint:
        selector = _selector(item.label_selector if item.HasField("label_selector") else None)
        own = [Requirement(key, "in", (labels[key],)) for key in item.match_label_keys if key in labels]
        if own and not selector.nothing:
            selector = LabelSelector((*own, *selector.requirements))
        return SpreadConstraint(
            max_skew=item.max_skew, topology_key=item.topology_key,
            hard=item.when_unsatisfiable == "DoNotSchedule",
            min_domains=item.min_domains if item.HasField("min_domains") else 1,
            honor_affinity=not item.HasField("node_affinity_policy") or item.node_affinity_policy == "Honor",
            honor_taints=item.HasField("node_taints_policy") and item.node_taints_policy == "Honor",
            peers=self.peers(selector, (namespace,), live=True),
        )  # fmt: skip


def _selector(message: meta_pb2.LabelSelector | None) -> LabelSelector:
    """An unset selector selects nothing, an empty one everything."""
    return NOTHING if message is None else from_message(message)


T = TypeVar("T", bound=Hashable)

Label = tuple[str, str]


#: what an owner counts as; no label has such a key
_OWNER: Final = ""


def marks(group: PodGroup) -> Iterator[Label]:
    """Return what Pods of a group are found by: their labels, and their owner."""
    yield from group.labels.items()
    if group.owner:
        yield _OWNER, group.owner


def required_marks(peers: Peers) -> tuple[Label, ...] | None:
    """Return marks of which a Pod has one if it is meant; None: it may have none of a kind.

    Of several such conditions the one with the fewest values is taken.
    """
    if peers.owner:
        return ((_OWNER, peers.owner),)
    best: tuple[Label, ...] | None = None
    for requirement in peers.selector.requirements:
        if requirement.operator in ("=", "==", "in") and (
            best is None or len(requirement.values) < len(best)
        ):
            best = tuple((requirement.key, value) for value in requirement.values)
    return best


class PeerIndex(Generic[T]):
    """Things that mean Pods, by a label of those Pods that their selector requires.

    A selector that wants `app=web` (or `app in (web, api)`) is looked at for Pods with that label alone; one
    that wants no value (`app`, `!app`, everything) for all. So Pods and terms with labels of their own cost
    what matches and not what there is. Owned by the scheduling task.
    """

    def __init__(self) -> None:
        self._by_label: dict[Label, dict[T, None]] = {}
        self._other: dict[T, None] = {}
        #: moves with every change
        self.version = 0

    def add(self, peers: Peers, item: T) -> None:
        self.version += 1
        if peers.selector.nothing:
            return
        labels = required_marks(peers)
        if labels is None:
            self._other[item] = None
            return
        for label in labels:
            self._by_label.setdefault(label, {})[item] = None

    def discard(self, peers: Peers, item: T) -> None:
        self.version += 1
        self._other.pop(item, None)
        for label in required_marks(peers) or ():
            there = self._by_label.get(label)
            if there is not None:
                there.pop(item, None)
                if not there:
                    del self._by_label[label]

    def candidates(self, group: PodGroup) -> Iterator[T]:
        yield from self._other
        if not self._by_label:
            return
        for label in marks(group):
            yield from self._by_label.get(label, ())
