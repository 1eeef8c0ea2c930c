"""A plain scheduler to judge ours by.

One Pod at a time, one node at a time, from the messages, with nothing kept.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from bench.judge.reference.images import Images
from bench.judge.reference.inter_pod import InterPod
from bench.judge.reference.node_rules import Affinity, Features, Taints, Unschedulable, named_nodes
from bench.judge.reference.preemption import NOT_HELPFUL, Candidate, candidate, is_being_left
from bench.judge.reference.room import Balance, Fit, Ports
from bench.judge.reference.rule import Refusal, Rule
from bench.judge.reference.spread import Spread
from bench.judge.reference.storage import Given
from bench.judge.reference.volumes import Alone, Binding, Limits, Zone
from bench.judge.reference.world import Placed, World
from vaina.api.core.v1 import node_pb2, pod_pb2

#: in the order in which they are asked, and how much their scores count (kube-scheduler's default configuration)
RULES: Mapping[type[Rule], int] = {
    Unschedulable: 0, Taints: 3, Affinity: 2, Ports: 0, Fit: 1, Alone: 0, Limits: 0, Binding: 1, Zone: 0, Spread: 2, InterPod: 2,
    Balance: 1, Images: 1, Features: 0,
}  # fmt: skip


@dataclass
class Verdict:
    """The best nodes, or why there is none."""

    best: set[str] = field(default_factory=set)
    feasible: int = 0
    message: str = ""
    #: the sentence about preemption; empty when it helps
    preemption: str = ""
    rejected_by: frozenset[str] = frozenset()
    #: of the nodes where preemption helps those where it hurts least
    candidates: dict[str, Candidate] = field(default_factory=dict)
    #: node -> sum of the scores
    scores: dict[str, int] = field(default_factory=dict)


class ReferenceScheduler:
    """Decides in a world that others change."""

    def __init__(
        self, plugins: Collection[str] | None = None, weights: Mapping[str, int] | None = None
    ) -> None:
        """Make a scheduler.

        Args:
            plugins: those that take part; None: all that there are.
            weights: of scores, by plugin, where they are others than the default ones; 0: it does not score.
        """
        self.world = World()
        self._rules = {
            rule: (weights or {}).get(rule.name, weight)
            for rule, weight in RULES.items()
            if plugins is None or rule.name in plugins
        }

    def decide(self, pod: pod_pb2.Pod, in_view: str = "") -> Verdict:
        """Say where the Pod may go; the node that it has in view is taken if it will do."""
        world = self.world
        if not world.nodes:
            return Verdict(message="no nodes available to schedule pods")
        names = named_nodes(pod)
        if names is not None and not names:
            return self._rejected(pod, "NodeAffinity", "pod affinity terms conflict", in_view)
        wanting = Placed(pod)
        rules = self._rules_in(world, wanting)
        for rule in rules:
            if reason := rule.rejected():
                return self._rejected(pod, rule.name, reason, in_view)
        refusals: dict[str, Refusal] = {}
        rejected_by: set[str] = set()
        feasible: list[node_pb2.Node] = []
        for name, node in world.nodes.items():
            # kube-scheduler asks the other way round. That changes no decision, only with which words a node
            # is refused that would not do either way.
            said = _first(rules, node, names) or self._kept(world, wanting, node, names)
            if said is None:
                feasible.append(node)
            else:
                rejected_by.add(said[0])
                refusals[name] = said[1]
        if any(node.metadata.name == in_view for node in feasible):
            return Verdict({in_view}, 1)
        if feasible:
            scores = self._scores(rules, feasible)
            best = max(scores.values())
            return Verdict(
                {name for name, score in scores.items() if score == best}, len(feasible), scores=scores
            )
        verdict = Verdict(message=sentence(refusals.values()), rejected_by=frozenset(rejected_by))
        self._preempt(wanting, refusals, verdict, in_view)
        return verdict

    def fits(self, pod: pod_pb2.Pod) -> str:
        """Return a node that would take the Pod now, the first by its name; an empty text: none would."""
        names, world, wanting = named_nodes(pod), self.world, Placed(pod)
        rules = self._rules_in(world, wanting)
        if names == set() or any(rule.rejected() for rule in rules):
            return ""
        for name, node in sorted(world.nodes.items()):
            if _first(rules, node, names) is None and self._kept(world, wanting, node, names) is None:
                return name
        return ""

    def ranked(self, pod: pod_pb2.Pod) -> dict[str, dict[str, int]]:
        """Return for each node that will do what each plugin's score adds to its sum."""
        world = self.world
        feasible = [world.nodes[name] for name in self.takers(pod)]
        return self.scores_among(world, Placed(pod), feasible) if feasible else {}

    def takers(self, pod: pod_pb2.Pod) -> list[str]:
        """Return the nodes that would take the Pod now."""
        names, world, wanting = named_nodes(pod), self.world, Placed(pod)
        rules = self._rules_in(world, wanting)
        if names == set() or any(rule.rejected() for rule in rules):
            return []
        return [
            name
            for name, node in world.nodes.items()
            if _first(rules, node, names) is None and self._kept(world, wanting, node, names) is None
        ]

    def scores_among(
        self, world: World, wanting: Placed, nodes: Sequence[node_pb2.Node]
    ) -> dict[str, dict[str, int]]:
        """Return the same for some nodes, as if no others would do."""
        found: dict[str, dict[str, int]] = {node.metadata.name: {} for node in nodes}
        for rule in self._rules_in(world, wanting):
            weight = self._rules[type(rule)]
            for name, score in (rule.scores(nodes) if weight else {}).items():
                found[name][rule.name] = weight * score
        return found

    def gives(self, pod: pod_pb2.Pod, node: str) -> Given:
        """Return what the claims of a Pod get on a node that will do."""
        found = Binding(self.world, Placed(pod)).give(self.world.nodes[node])
        assert isinstance(found, Given)
        return found

    def refuse(self, world: World, wanting: Placed, node: node_pb2.Node) -> tuple[str, Refusal] | None:
        """Say which plugin refuses a node in a world, and why; None: it will do.

        Asked twice where Pods that are no less important have the node in view: as if they were there, and as
        if not.
        """
        names = named_nodes(wanting.pod)
        return self._kept(world, wanting, node, names) or _first(self._rules_in(world, wanting), node, names)

    def _rules_in(self, world: World, wanting: Placed) -> list[Rule]:
        return [rule(world, wanting) for rule in self._rules]

    def _kept(
        self, world: World, wanting: Placed, node: node_pb2.Node, names: set[str] | None
    ) -> tuple[str, Refusal] | None:
        """Say why a node will not do if those come that have it in view and are no less important."""
        coming = [
            other
            for other in world.coming.values()
            if other.node == node.metadata.name
            and other.priority >= wanting.priority
            and other.uid != wanting.uid
        ]
        return _first(self._rules_in(world.with_more(coming), wanting), node, names) if coming else None

    def _rejected(self, pod: pod_pb2.Pod, plugin: str, reason: str, in_view: str) -> Verdict:
        """No node was looked at."""
        everywhere = dict.fromkeys(self.world.nodes, Refusal((reason,), helpless=True))
        verdict = Verdict(
            message=f"0/{len(everywhere)} nodes are available: {reason}.",
            rejected_by=frozenset([plugin]),
        )
        self._preempt(Placed(pod), everywhere, verdict, in_view)
        return verdict

    def _scores(self, rules: list[Rule], feasible: list[node_pb2.Node]) -> dict[str, int]:
        total: Counter[str] = Counter()
        for rule in rules:
            weight = self._rules[type(rule)]
            for name, score in (rule.scores(feasible) if weight else {}).items():
                total[name] += weight * score
        return {node.metadata.name: total[node.metadata.name] for node in feasible}

    def _preempt(
        self, wanting: Placed, refusals: Mapping[str, Refusal], verdict: Verdict, in_view: str
    ) -> None:
        if wanting.pod.spec.preemption_policy == "Never":
            verdict.preemption = "preemption: not eligible due to preemptionPolicy=Never."
            return
        refused = refusals.get(in_view)
        if refused is not None and not refused.helpless and is_being_left(self.world, wanting, in_view):
            verdict.preemption = "preemption: not eligible due to a terminating pod on the nominated node."
            return

        def refuse(world: World, node: node_pb2.Node) -> Refusal | None:
            said = self.refuse(world, wanting, node)
            return None if said is None else said[1]

        found: dict[str, Candidate] = {}
        vain: list[Refusal] = []
        for name, refusal in refusals.items():
            tried = (
                NOT_HELPFUL
                if refusal.helpless
                else candidate(self.world, wanting, self.world.nodes[name], refuse)
            )
            if isinstance(tried, Candidate):
                found[name] = tried
            else:
                vain.append(tried)
        if found:
            least = min(item.harm for item in found.values())
            verdict.candidates = {name: item for name, item in found.items() if item.harm == least}
        else:
            verdict.preemption = f"preemption: {sentence(vain)}"


def _first(rules: list[Rule], node: node_pb2.Node, names: set[str] | None) -> tuple[str, Refusal] | None:
    """Return the first plugin that refuses a node, and its refusal."""
    if names is not None and node.metadata.name not in names:
        return "NodeAffinity", Refusal(("node(s) didn't satisfy plugin(s) [NodeAffinity]",), helpless=True)
    for rule in rules:
        refusal = rule.refuse(node)
        if refusal is not None:
            return rule.name, refusal
    return None


def sentence(refusals: Collection[Refusal]) -> str:
    """Say how many nodes there are for each reason."""
    reasons = Counter(word for refusal in refusals for word in refusal.words)
    listed = ", ".join(sorted(f"{count} {reason}" for reason, count in reasons.items()))
    return f"0/{len(refusals)} nodes are available: {listed}."
