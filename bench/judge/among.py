"""PURE: what the rules among Pods say, from counts that are kept while a history goes on.

The reference's rules walk over all Pods or nodes for each question, as the documentation has them: 4 ms with 500 nodes, 40 with
5,000. For a load of thousands the same is counted here: for each class of Pods that asks, how many friends, foes and enemies there
are in each domain, and how many that spread is about. `History` asks the walking rules about some bindings as well, and tells where
the two differ.
"""

from collections import Counter
from collections.abc import Mapping
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
#: classes of Pods that are counted for
CLASSES: Final = 64
#: what one Pod is to a class: whether a friend; foes' keys; enemies' keys; the constraints of spread that it counts for
_Effect = tuple[bool, tuple[str, ...], tuple[str, ...], tuple[int, ...]]
_Domain = tuple[str, str]


@dataclass
class _Spread:
    """One constraint that must hold."""

    item: pod_pb2.TopologySpreadConstraint
    selector: meta_pb2.LabelSelector
    #: node -> its domain, of the nodes that count
    domain_of: dict[str, str] = field(default_factory=dict)
    #: domain -> how many Pods match
    counts: dict[str, int] = field(default_factory=dict)


class _Class:
    """What is counted for Pods that ask the same."""

    def __init__(self, world: World, wanting: Placed) -> None:
        self._world, self._wanting = world, wanting
        self._friends: Counter[_Domain] = Counter()
        self._foes: Counter[_Domain] = Counter()
        self._enemies: Counter[_Domain] = Counter()
        self._enemy_keys: Counter[str] = Counter()
        self._effects: dict[tuple[bytes, bool], _Effect] = {}
        pod = wanting.pod
        hard = [
            item
            for item in pod.spec.topology_spread_constraints
            if item.when_unsatisfiable == "DoNotSchedule"
        ]
        self._spread = [_Spread(item, selector_of(item, pod)) for item in hard]
        for one in self._spread:
            for name, node in world.nodes.items():
                item = one.item
                if (
                    has_all_keys(node, hard)
                    and (item.node_affinity_policy == "Ignore" or selected(pod, node))
                    and (item.node_taints_policy != "Honor" or not repelled(pod, node))
                ):
                    domain = one.domain_of[name] = node.metadata.labels[item.topology_key]
                    one.counts.setdefault(domain, 0)

    def count(self, other: Placed, alike: bytes, sign: int) -> None:
        """Count a Pod that came (1) or went (-1)."""
        here = self._world.labels.get(other.node)
        if here is None or other.node not in self._world.nodes:
            return
        key = (alike, other.terminating)
        effect = self._effects.get(key)
        if effect is None:
            effect = self._effects[key] = self._effect(other)
        friend, foes, enemies, spread = effect
        for domain in domains(self._wanting.together, here) if friend else ():
            _add(self._friends, domain, sign)
        for name in foes:
            _add_domain(self._foes, name, here, sign)
        for name in enemies:
            _add_domain(self._enemies, name, here, sign)
            _add(self._enemy_keys, name, sign)
        for number in spread:
            one = self._spread[number]
            if other.node in one.domain_of:
                one.counts[one.domain_of[other.node]] += sign

    def _effect(self, other: Placed) -> _Effect:
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
        for one in self._spread:
            domain = here.get(one.item.topology_key)
            if domain is None:
                return "PodTopologySpread"
            least = one.item.min_domains if one.item.HasField("min_domains") else 1
            fewest = min(one.counts.values(), default=0) if len(one.counts) >= least else 0
            itself = is_set(one.item) and selects(one.selector, wanting.labels)
            if one.counts.get(domain, 0) + itself - fewest > one.item.max_skew:
                return "PodTopologySpread"
        if not self._has_company(here) or domains(wanting.apart, here) & self._foes.keys():
            return "InterPodAffinity"
        if any((key, here[key]) in self._enemies for key in self._enemy_keys if key in here):
            return "InterPodAffinity"
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


class Among:
    """Counts for the classes that were asked about. Tell it of every change."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._classes: dict[bytes, _Class] = {}

    def clear(self) -> None:
        """Forget all: nodes or namespaces have changed."""
        self._classes.clear()

    def count(self, other: Placed, alike: bytes, sign: int) -> None:
        """Count a Pod that came to a node (1, when the world has it), or is about to go (-1)."""
        for one in self._classes.values():
            one.count(other, alike, sign)

    def refuses(self, wanting: Placed, alike: bytes, name: str, *, may_begin: bool) -> str | None:
        """Return which plugin refuses a node ("": none); None: nothing is counted for such Pods, and to begin was too dear.

        Args:
            wanting: the Pod that asks.
            alike: what it has in common with those that are decided alike.
            name: of the node.
            may_begin: whether the counts of another class may go for these.
        """
        found = self._classes.pop(alike, None)
        if found is None:
            if len(self._classes) >= CLASSES:
                if not may_begin:
                    return None
                # The one that was not asked about longest goes.
                del self._classes[next(iter(self._classes))]
            found = _Class(self._world, wanting)
            for other in self._world.pods.values():
                found.count(other, alike_of(other.pod), 1)
        self._classes[alike] = found
        return found.refuses(name)


def alike_of(pod: pod_pb2.Pod) -> bytes:
    """Return what Pods have in common that are decided alike, wherever they are."""
    alike = pod_pb2.Pod(spec=pod.spec)
    alike.spec.ClearField("node_name")
    alike.metadata.namespace = pod.metadata.namespace
    alike.metadata.labels.update(pod.metadata.labels)
    return alike.SerializeToString(deterministic=True)


def _add(counts: Counter[K], key: K, number: int) -> None:
    counts[key] += number
    if not counts[key]:
        del counts[key]


def _add_domain(counts: Counter[_Domain], key: str, here: Mapping[str, str], number: int) -> None:
    if key in here:
        _add(counts, (key, here[key]), number)
