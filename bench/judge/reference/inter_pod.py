"""InterPodAffinity (docs: *Assigning Pods to Nodes*, *Inter-pod affinity and anti-affinity*).

Required affinity: in the node's domain of each term there is a Pod that matches **all** terms; the first of a
group, which matches its own terms while nobody else does, may go anywhere that has the labels. Required
anti-affinity: no Pod that matches a term is in the node's domain of that term; and it is symmetric: no Pod
that is there already has such a term against the new one. Preferences of both sides count, and the required
affinity of Pods that are there counts 1 for the new one.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from bench.judge.reference.rule import Refusal, Rule
from bench.judge.reference.selectors import selects
from bench.judge.reference.world import Placed, World
from vaina.api.core.v1 import node_pb2, pod_pb2

#: (topology key, its value)
_Domain = tuple[str, str]


class InterPod(Rule):
    """Affinity and anti-affinity to Pods."""

    name = "InterPodAffinity"

    def __init__(self, world: World, wanting: Placed) -> None:
        super().__init__(world, wanting)
        #: where there is somebody whom all terms want; where there is somebody whom a term does not want, or
        #: who does not want us
        self._friends: set[_Domain] = set()
        self._foes: set[_Domain] = set()
        self._enemies: set[_Domain] = set()
        if not (wanting.together or wanting.apart or world.hermits):
            return
        for other, labels in world.everybody():
            if wanting.together and all(matches(world, term, wanting, other) for term in wanting.together):
                self._friends |= domains(wanting.together, labels)
            self._foes |= domains(
                [term for term in wanting.apart if matches(world, term, wanting, other)], labels
            )
            self._enemies |= domains(
                [term for term in other.apart if matches(world, term, other, wanting)], labels
            )

    def refuse(self, node: node_pb2.Node) -> Refusal | None:
        here = self.world.labels[node.metadata.name]
        if not self._has_company(here):
            return Refusal(("node(s) didn't match pod affinity rules",), helpless=True)
        if domains(self.wanting.apart, here) & self._foes:
            return Refusal(("node(s) didn't match pod anti-affinity rules",))
        if any(here.get(key) == value for key, value in self._enemies):
            return Refusal(("node(s) didn't satisfy existing pods anti-affinity rules",))
        return None

    def _has_company(self, here: Mapping[str, str]) -> bool:
        terms = self.wanting.together
        if any(term.topology_key not in here for term in terms):
            return False
        if domains(terms, here) <= self._friends:
            return True
        return not self._friends and all(
            matches(self.world, term, self.wanting, self.wanting) for term in terms
        )

    def scores(self, nodes: Sequence[node_pb2.Node]) -> Mapping[str, int]:
        worth = self._worth()
        if not worth:
            return super().scores(nodes)
        raw = {
            node.metadata.name: sum(
                value for (key, where), value in worth.items() if node.metadata.labels.get(key) == where
            )
            for node in nodes
        }
        lowest, highest = min(raw.values()), max(raw.values())
        if highest == lowest:
            return super().scores(nodes)
        return {name: int(100 * ((value - lowest) / (highest - lowest))) for name, value in raw.items()}

    def _worth(self) -> Counter[_Domain]:
        """What each domain is worth to the Pod. One that adds up to nothing is still there."""
        found: Counter[_Domain] = Counter()
        world, wanting = self.world, self.wanting
        for other, labels in world.everybody():
            wanted = [
                (weight, term) for weight, term in wanting.preferred if matches(world, term, wanting, other)
            ]
            theirs = [*((1, term) for term in other.together), *other.preferred]
            wanted += [(weight, term) for weight, term in theirs if matches(world, term, other, wanting)]
            for weight, term in wanted:
                for domain in domains([term], labels):
                    found[domain] += weight
        return found


def matches(world: World, term: pod_pb2.PodAffinityTerm, owner: Placed, other: Placed) -> bool:
    """Say whether a term of `owner` means the other Pod. Without a selector of labels it means nobody."""
    if not term.HasField("label_selector") or not selects(term.label_selector, other.labels):
        return False
    if term.HasField("namespace_selector") and selects(
        term.namespace_selector, world.namespaces.get(other.namespace, {})
    ):
        return True
    if term.namespaces or term.HasField("namespace_selector"):
        return other.namespace in term.namespaces
    return other.namespace == owner.namespace


def domains(terms: Sequence[pod_pb2.PodAffinityTerm], labels: Mapping[str, str]) -> set[_Domain]:
    """Return the domains of the terms' keys that a node with these labels is in."""
    return {(term.topology_key, labels[term.topology_key]) for term in terms if term.topology_key in labels}
