"""PURE: was the node that was taken one of the best, by the plain reference's scores?

For a sampled binding the reference says how good each node was that would do. How much less good the one was
that was taken is **score lost**: a figure of the placement's quality, for the scheduler may have seen another
state (`doubt.py`). A violation is it only where a better node would have been better in every state that the
scheduler can have seen:

- nothing concerns that node for as long as decisions are on their way, before the binding and after it;
- what the chosen one's score by room can have been at most is compared: with and without the Pods that may or
  may not have been there;
- scores that are scaled over all nodes that would do (taints, node affinity) count where the better node is
  no worse by the raw number;
- scores that go by Pods everywhere (spread, affinity) count as if they had been as bad for the better node as
  can be.
"""

import itertools
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from bench.judge.doubt import Doubt, Recent, minds
from bench.judge.reference import ReferenceScheduler, World
from bench.judge.reference.scheduler import RULES
from bench.judge.reference.spread import maker_of
from bench.judge.reference.world import Placed
from bench.judge.ties import Ties

#: better nodes that are remembered until the decisions that were on their way are known
MOST_RIVALS: Final = 200
#: Pods of which it is not known whether they were there that are thought away and back; with more nothing is
#: said
MOST_MAYBE: Final = 4
_BY_ROOM: Final = frozenset(("NodeResourcesFit", "NodeResourcesBalancedAllocation", "ImageLocality"))
_SCALED: Final = frozenset(("TaintToleration", "NodeAffinity"))
_EVERYWHERE: Final = frozenset(("PodTopologySpread", "InterPodAffinity"))
#: the weights of the default configuration
WEIGHTS: Final[Mapping[str, int]] = {rule.name: weight for rule, weight in RULES.items() if weight}


@dataclass
class _Suspicion:
    """A binding that was wrong if none of what was on its way concerns the better nodes."""

    words: str
    chosen: str
    #: the binding until which decisions may have been on their way
    until: int
    #: better node -> its score
    rivals: dict[str, int]


@dataclass
class Scores:
    """Judges bindings by scores. Tell it of all that happens, in order; `end` when all is over."""

    #: is asked at each binding whether it is judged
    is_sampled: Callable[[], bool]
    wrong: Callable[[str], None]
    doubt: Doubt = field(default_factory=Doubt)
    #: is told of everything elsewhere, after this
    recent: Recent = field(default_factory=lambda: Recent(Doubt()))
    plugins: Collection[str] | None = None
    weights: Mapping[str, int] = field(default_factory=lambda: dict(WEIGHTS))
    ties: Ties = field(default_factory=Ties)
    #: bindings that were judged by scores, and what they lost
    judged: int = 0
    lost: int = 0
    worst: int = 0
    #: of those: where it was certain that the node was one of the best, or was none
    certain: int = 0

    def __post_init__(self) -> None:
        self._reference = ReferenceScheduler(self.plugins, self.weights)
        self._bindings = 0
        self._suspicions: list[_Suspicion] = []

    @property
    def average_lost(self) -> float:
        """Score lost by a binding, on average."""
        return self.lost / self.judged if self.judged else 0.0

    @property
    def most(self) -> int:
        """What a node's score is at most."""
        return 100 * sum(
            self.weights.get(name, 0) for name in WEIGHTS if self.plugins is None or name in self.plugins
        )

    def binding(self, world: World, wanting: Placed, chosen: str) -> None:
        """A Pod is bound, in the world as it was just before.

        Pods that were given room by preemption are not for this.
        """
        if self.is_sampled():
            self._judge(world, wanting, chosen)

    def bound(self, placed: Placed) -> None:
        """A Pod is bound: before `binding` is asked about it."""
        self._bindings += 1
        if minds(placed):
            # It may have been known already, and decide where others may go and like to.
            self._suspicions.clear()
        left = []
        for one in self._suspicions:
            if one.until < self._bindings:
                self._convict(one)
                continue
            one.rivals.pop(placed.node, None)
            # A Pod more where it went may have been there already, and the node less good or better.
            if one.rivals and placed.node != one.chosen:
                left.append(one)
        self._suspicions = left

    def end(self) -> None:
        """Nothing comes any more."""
        for one in self._suspicions:
            self._convict(one)
        self._suspicions = []
        # Who need not take the best need not draw among them either.
        if self.doubt.all_nodes and (words := self.ties.found()):
            self.wrong(words)

    def _convict(self, one: _Suspicion) -> None:
        best = max(one.rivals, key=lambda name: (one.rivals[name], name))
        self.certain += 1
        self.wrong(one.words.format(best=best, score=one.rivals[best]))

    def _judge(self, world: World, wanting: Placed, chosen: str) -> None:
        reference = self._reference
        reference.world = world
        ranked = reference.ranked(wanting.pod)
        if chosen not in ranked:
            # It was none of those that would do: others say so, or it was one before what changed lately.
            return
        sums = {name: sum(parts.values()) for name, parts in ranked.items()}
        best = max(sums.values())
        lost = best - sums[chosen]
        self.judged += 1
        self.lost += lost
        self.worst = max(self.worst, lost)
        sure = self.doubt.is_none
        if not lost:
            if not self.recent.node_changes:
                equals = [name for name, score in sums.items() if score == best]
                self.ties.take(chosen, equals, certain=sure)
            self.certain += sure
            return
        if not self.doubt.all_nodes:
            return
        rivals = {name: score for name, score in sums.items() if score > sums[chosen]}
        if not sure:
            rivals = self._always_better(world, wanting, chosen, ranked, rivals)
        if not rivals:
            return
        words = (
            f"{wanting.namespace}/{wanting.pod.metadata.name} was bound to {chosen} with a score of {sums[chosen]} "
            f"({_parts(ranked[chosen])}), and {{best}} had {{score}}"
        )
        suspicion = _Suspicion(words, chosen, self._bindings + self.doubt.in_flight, rivals)
        if sure:
            self._convict(suspicion)
        else:
            self._suspicions.append(suspicion)

    def _always_better(
        self, world: World, wanting: Placed, chosen: str, ranked: Mapping[str, Mapping[str, int]], rivals: Mapping[str, int]
    ) -> dict[str, int]:  # fmt: skip
        """Return those of the better nodes that were better whatever the scheduler had seen up to here."""
        if self.recent.node_changes or self.recent.minding or world.coming or _minds_others(world, wanting):
            return {}
        hidden = sum(
            100 * self.weights.get(name, 0)
            for name in _EVERYWHERE
            if (self.plugins is None or name in self.plugins) and not _says_nothing(name, world, wanting)
        )
        untouched = sorted(
            (name for name in rivals if not self.recent.touched(name)), key=lambda name: -rivals[name]
        )[:MOST_RIVALS]
        if not untouched:
            return {}
        room = self._most_by_room(world, wanting, chosen)
        if room is None:
            return {}
        found: dict[str, int] = {}
        for name in untouched:
            pair = self._reference.scores_among(world, wanting, [world.nodes[chosen], world.nodes[name]])
            lead = sum(value for rule, value in ranked[name].items() if rule in _BY_ROOM) - room - hidden
            for rule in _SCALED:
                if pair[name].get(rule, 0) < pair[chosen].get(rule, 0):
                    lead -= 100 * self.weights.get(rule, 0)
            if lead > 0:
                found[name] = rivals[name]
        return found

    def _most_by_room(self, world: World, wanting: Placed, chosen: str) -> int | None:
        """Return what the chosen node's score by room was at most.

        None: too much may have been otherwise there.
        """
        less = self.recent.perhaps_not_there(chosen)
        more = [other for other in self.recent.perhaps_still_there(chosen) if other.uid not in world.pods]
        maybe = [("less", other) for other in less] + [("more", other) for other in more]
        if len(maybe) > MOST_MAYBE:
            return None
        most = 0
        for size in range(len(maybe) + 1):
            for some in itertools.combinations(maybe, size):
                gone = {other.uid for kind, other in some if kind == "less"}
                there = [other for other in world.on(chosen) if other.uid not in gone]
                there += [other for kind, other in some if kind == "more"]
                parts = self._reference.scores_among(
                    world.with_only(chosen, there), wanting, [world.nodes[chosen]]
                )
                most = max(most, sum(value for rule, value in parts[chosen].items() if rule in _BY_ROOM))
        return most


def _minds_others(world: World, wanting: Placed) -> bool:
    """Say whether other nodes' Pods decide whether a node will do.

    Then it is not certain that a better one would have done.
    """
    hard = any(
        item.when_unsatisfiable == "DoNotSchedule" for item in wanting.pod.spec.topology_spread_constraints
    )
    return bool(hard or wanting.together or wanting.apart or world.hermits)


def _says_nothing(name: str, world: World, wanting: Placed) -> bool:
    """Say whether a score that goes by Pods everywhere is the same for all nodes, whichever Pods are there."""
    if name == "PodTopologySpread":
        return not wanting.pod.spec.topology_spread_constraints and not maker_of(wanting.pod)
    return not (wanting.preferred or world.sociable)


def _parts(parts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {value}" for name, value in parts.items() if value)
