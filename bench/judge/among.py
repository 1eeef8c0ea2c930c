"""PURE: what the rules among Pods say, from counts that are kept while a history goes on.

The reference's rules walk over all Pods or nodes for each question, as the documentation has them: 4 ms with
500 nodes, 40 with 5,000. For a load of thousands the same is counted here: for each class of Pods that asks,
how many friends, foes and enemies there are in each domain, and how many that spread is about. `History` asks
the walking rules about some bindings as well, and tells where the two differ.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from bench.judge.reference.inter_pod import domains, matches
from bench.judge.reference.node_rules import repelled
from bench.judge.reference.selectors import selected, selects
from bench.judge.reference.spread import has_all_keys, is_set, selector_of
from bench.judge.reference.world import Placed, World
from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import meta_pb2

K = TypeVar("K")
#: what Pods are that count alike: what they have in common (`alike_of`), and whether they are about to go
_Kind = tuple[bytes, bool]
#: the two plugins whose rules these are
SPREAD: Final = "PodTopologySpread"
AFFINITY: Final = "InterPodAffinity"
#: numbers that are kept, over all classes: some 120 bytes each, so that about half a GiB is the most
MOST_NUMBERS: Final = 4_000_000
#: what one Pod is to a class: whether a friend; foes' keys; enemies' keys; the constraints of spread that it
#: counts for
_Effect = tuple[bool, tuple[str, ...], tuple[str, ...], tuple[int, ...]]
_Domain = tuple[str, str]


@dataclass
class _Spread:
    """One constraint that must hold."""

    item: pod_pb2.TopologySpreadConstraint
    selector: meta_pb2.LabelSelector
    #: node -> its domain, of the nodes that count; shared by all constraints of which the same nodes count
    domain_of: Mapping[str, str]
    #: domain -> how many Pods match
    counts: dict[str, int]
    #: how often each number of Pods stands there, so that the fewest are found at once
    tally: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.tally[0] = len(self.counts)

    def add(self, domain: str, number: int) -> None:
        """Count Pods in a domain."""
        before = self.counts[domain]
        self.counts[domain] = before + number
        _add(self.tally, before, -1)
        _add(self.tally, before + number, 1)


class _Class:
    """What is counted for Pods that ask the same."""

    def __init__(
        self, world: World, wanting: Placed, domains_of: "_Domains", plugins: Collection[str]
    ) -> None:
        self._world, self._wanting, self._plugins = world, wanting, plugins
        self._friends: Counter[_Domain] = Counter()
        self._foes: Counter[_Domain] = Counter()
        self._enemies: Counter[_Domain] = Counter()
        self._enemy_keys: Counter[str] = Counter()
        hard = [
            item
            for item in wanting.pod.spec.topology_spread_constraints
            if item.when_unsatisfiable == "DoNotSchedule"
        ]
        self._spread: list[_Spread] = []
        for item in hard:
            domain_of = domains_of(wanting.pod, item, hard)
            counts = dict.fromkeys(domain_of.values(), 0)
            self._spread.append(_Spread(item, selector_of(item, wanting.pod), domain_of, counts))

    @property
    def numbers(self) -> int:
        """How many numbers are kept, about."""
        counted = len(self._friends) + len(self._foes) + len(self._enemies)
        return 1 + counted + sum(len(one.counts) for one in self._spread)

    def count(self, effect: _Effect, node: str, number: int) -> None:
        """Count Pods that came to a node, or went from it (a negative number)."""
        here = self._world.labels.get(node)
        if here is None or node not in self._world.nodes:
            return
        friend, foes, enemies, spread = effect
        for domain in domains(self._wanting.together, here) if friend else ():
            _add(self._friends, domain, number)
        for name in foes:
            _add_domain(self._foes, name, here, number)
        for name in enemies:
            _add_domain(self._enemies, name, here, number)
            _add(self._enemy_keys, name, number)
        for index in spread:
            one = self._spread[index]
            if node in one.domain_of:
                one.add(one.domain_of[node], number)

    def effect(self, other: Placed) -> _Effect:
        """Return what a Pod is to these."""
        world, wanting = self._world, self._wanting
        return (
            bool(wanting.together) and all(matches(world, term, wanting, other) for term in wanting.together),
            tuple(term.topology_key for term in wanting.apart if matches(world, term, wanting, other)),
            tuple(term.topology_key for term in other.apart if matches(world, term, other, wanting)),
            tuple(
                number
                for number, one in enumerate(self._spread)
                if is_set(one.item)
                and not other.terminating
                and other.namespace == wanting.namespace
                and selects(one.selector, other.labels)
            ),
        )

    def refuses(self, name: str) -> str:
        """Return which plugin refuses a node; an empty text: none does."""
        here, wanting = self._world.labels[name], self._wanting
        for one in self._spread if SPREAD in self._plugins else ():
            domain = here.get(one.item.topology_key)
            if domain is None:
                return SPREAD
            least = one.item.min_domains if one.item.HasField("min_domains") else 1
            fewest = min(one.tally, default=0) if len(one.counts) >= least else 0
            itself = is_set(one.item) and selects(one.selector, wanting.labels)
            if one.counts.get(domain, 0) + itself - fewest > one.item.max_skew:
                return SPREAD
        if AFFINITY not in self._plugins:
            return ""
        if not self._has_company(here) or domains(wanting.apart, here) & self._foes.keys():
            return AFFINITY
        if any((key, here[key]) in self._enemies for key in self._enemy_keys if key in here):
            return AFFINITY
        return ""

    def _has_company(self, here: Mapping[str, str]) -> bool:
        terms = self._wanting.together
        if any(term.topology_key not in here for term in terms):
            return False
        if domains(terms, here) <= self._friends.keys():
            return True
        return not self._friends and all(
            matches(self._world, term, self._wanting, self._wanting) for term in terms
        )


class _Domains:
    """The nodes that constraints count, by what that depends on. 300 apps that are spread over zones share
    one.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._known: dict[tuple[object, ...], dict[str, str]] = {}

    @property
    def numbers(self) -> int:
        """How many are kept."""
        return sum(map(len, self._known.values()))

    def clear(self) -> None:
        """Forget all."""
        self._known.clear()

    def __call__(
        self, pod: pod_pb2.Pod, item: pod_pb2.TopologySpreadConstraint, hard: Sequence[pod_pb2.TopologySpreadConstraint]
    ) -> dict[str, str]:  # fmt: skip
        """Return node -> domain, of the nodes that count for a constraint beside the others of its Pod."""
        by_affinity, by_taints = item.node_affinity_policy != "Ignore", item.node_taints_policy == "Honor"
        asks = pod_pb2.PodSpec()
        if by_affinity:
            asks.node_selector.update(pod.spec.node_selector)
            if pod.spec.affinity.HasField("node_affinity"):
                asks.affinity.node_affinity.CopyFrom(pod.spec.affinity.node_affinity)
        if by_taints:
            asks.tolerations.extend(pod.spec.tolerations)
        key = (
            item.topology_key, frozenset(other.topology_key for other in hard), by_affinity, by_taints,
            asks.SerializeToString(deterministic=True),
        )  # fmt: skip
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = {
                name: node.metadata.labels[item.topology_key]
                for name, node in self._world.nodes.items()
                if has_all_keys(node, hard)
                and (not by_affinity or selected(pod, node))
                and (not by_taints or not repelled(pod, node))
            }
        return found


class Among:
    """Counts for the classes that were asked about. Tell it of every change."""

    def __init__(
        self, world: World, most_numbers: int = MOST_NUMBERS, plugins: Collection[str] = (SPREAD, AFFINITY)
    ) -> None:
        """Make it.

        Args:
            world: what is counted.
            most_numbers: that are kept, about; beyond it the class that was not asked about longest goes.
            plugins: whose rules are asked.
        """
        self._world, self._most, self._plugins = world, most_numbers, plugins
        self._classes: dict[bytes, _Class] = {}
        self._domains = _Domains(world)
        #: kind -> node -> how many Pods, with one of them
        self._there: dict[_Kind, tuple[Placed, Counter[str]]] = {}
        #: kind -> the classes that such a Pod means something to, and what
        self._touched: dict[_Kind, list[tuple[_Class, _Effect]]] = {}

    def clear(self) -> None:
        """Forget what was counted: nodes or namespaces have changed. Which Pods are where is known still."""
        self._classes.clear()
        self._touched.clear()
        self._domains.clear()

    def count(self, other: Placed, alike: bytes, sign: int) -> None:
        """Count a Pod that came to a node (1, when the world has it), or is about to go (-1)."""
        kind = (alike, other.terminating)
        there = self._there.get(kind)
        if there is None:
            there = self._there[kind] = (other, Counter())
        _add(there[1], other.node, sign)
        touched = self._touched.get(kind)
        if touched is None:
            touched = self._touched[kind] = []
            for one in self._classes.values():
                effect = one.effect(other)
                if any(effect):
                    touched.append((one, effect))
        for one, effect in touched:
            one.count(effect, other.node, sign)
        if not there[1]:
            del self._there[kind]
            self._touched.pop(kind)

    def refuses(self, wanting: Placed, alike: bytes, name: str, *, may_begin: bool) -> str | None:
        """Return which plugin refuses a node ("": none).

        None: nothing is counted for such Pods, and to begin was too dear.

        Args:
            wanting: the Pod that asks.
            alike: what it has in common with those that are decided alike.
            name: of the node.
            may_begin: whether the counts of another class may go for these.
        """
        found = self._classes.pop(alike, None)
        if found is None:
            if self._classes and self._numbers() > self._most:
                if not may_begin:
                    return None
                # The one that was not asked about longest goes.
                self._forget(next(iter(self._classes)))
            found = self._begin(wanting)
        self._classes[alike] = found
        return found.refuses(name)

    def matters(self, wanting: Placed) -> Callable[[Placed], bool]:
        """Return what says whether a Pod anywhere is something to one that asks."""
        asks = _Class(self._world, wanting, self._domains, self._plugins)
        return lambda other: any(asks.effect(other))

    def _numbers(self) -> int:
        kept = sum(one.numbers for one in self._classes.values())
        return kept + self._domains.numbers + sum(map(len, self._touched.values()))

    def _begin(self, wanting: Placed) -> _Class:
        made = _Class(self._world, wanting, self._domains, self._plugins)
        for kind, (other, nodes) in self._there.items():
            effect = made.effect(other)
            if any(effect):
                if kind in self._touched:
                    self._touched[kind].append((made, effect))
                for node, number in nodes.items():
                    made.count(effect, node, number)
        return made

    def _forget(self, alike: bytes) -> None:
        gone = self._classes.pop(alike)
        for kind, touched in self._touched.items():
            self._touched[kind] = [item for item in touched if item[0] is not gone]


def alike_of(pod: pod_pb2.Pod) -> bytes:
    """Return what the rules among Pods read of a Pod.

    Those in which it is equal are decided alike by these rules.
    """
    spec = pod.spec
    alike = pod_pb2.Pod()
    alike.metadata.namespace = pod.metadata.namespace
    alike.metadata.labels.update(pod.metadata.labels)
    if spec.HasField("affinity"):
        alike.spec.affinity.CopyFrom(spec.affinity)
    alike.spec.topology_spread_constraints.extend(spec.topology_spread_constraints)
    alike.spec.node_selector.update(spec.node_selector)
    alike.spec.tolerations.extend(spec.tolerations)
    return alike.SerializeToString(deterministic=True)


def _add(counts: Counter[K], key: K, number: int) -> None:
    counts[key] += number
    if not counts[key]:
        del counts[key]


def _add_domain(counts: Counter[_Domain], key: str, here: Mapping[str, str], number: int) -> None:
    if key in here:
        _add(counts, (key, here[key]), number)
