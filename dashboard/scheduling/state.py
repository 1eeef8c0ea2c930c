"""What the page knows of the scheduler: its queue over time, its newest decisions. PURE; times are seconds."""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, Final

from dashboard.texts import cut
from vaina.api.scheduler.v1 import scheduler_service_pb2 as pb
from vaina.clock import seconds_of

#: points of the queue's history: ten minutes of seconds
MAX_POINTS: Final = 600
#: decisions that are shown; more than that in a second are counted, and the newest shown
MAX_DECISIONS: Final = 200
#: victims that are named
MAX_VICTIMS: Final = 20
_QUEUES: Final = ("active", "backoff", "unschedulable", "gated")


class SchedulerState:
    """Follows one scheduler; each `take` is a look at it. Owned by the topic's task."""

    def __init__(self) -> None:
        self.points: deque[dict[str, Any]] = deque(maxlen=MAX_POINTS)
        #: the newest first
        self.decisions: deque[dict[str, Any]] = deque(maxlen=MAX_DECISIONS)
        self.overview: dict[str, Any] = {}
        self._identity, self._recorded = "", 0
        #: number of the newest decision that was taken; some fall between a look and its decisions
        self._newest = 0

    def missing(self, answer: pb.OverviewResponse | pb.ListDecisionsResponse) -> int:
        """Return how many decisions there are that were not taken, as many as are shown at most."""
        new = answer.recorded - (self._newest if self._is_same(answer) else 0)
        return min(max(new, 0), MAX_DECISIONS)

    def take(self, overview: pb.OverviewResponse, decisions: Sequence[pb.Decision]) -> dict[str, Any]:
        """Take a look, with its newest decisions, the newest first; return what is new."""
        answerer = overview.answered_by
        at = seconds_of(answerer.time)
        same = self._is_same(overview)
        if not same:
            self.points.clear()
            self.decisions.clear()
        before = self.points[-1]["time"] if self.points else at
        decided = max(overview.recorded - self._recorded, 0) if same else 0
        newest = self._newest if same else 0
        new = [shown(one) for one in decisions if one.number > newest]
        a_second = decided / (at - before) if at > before else 0.0
        # Of more decisions than are asked for, the known ones stand for all; some were taken a look before.
        known = new or [*self.decisions][:decided]
        scheduled = sum(one["outcome"] == "Scheduled" for one in known) / len(known) if known else 0.0
        point = {
            "time": at, **{name: getattr(overview.queue, name) for name in _QUEUES},
            "decided": a_second, "scheduled": a_second * scheduled,
        }  # fmt: skip
        self.points.append(point)
        self.decisions.extendleft(reversed(new))
        self._newest = max([newest, overview.recorded, *(one.number for one in decisions)])
        self._identity, self._recorded = answerer.identity, overview.recorded
        self.overview = {
            "identity": answerer.identity, "leading": answerer.leading, "leader": answerer.leader,
            "nodes": overview.nodes, "pods": overview.pods, "assumed": overview.assumed,
            "recorded": overview.recorded, "profiles": list(overview.profiles),
        }  # fmt: skip
        return {"overview": self.overview, "point": point, "decisions": new, "again": not same}

    def all(self) -> dict[str, Any]:
        """Return everything."""
        return {"overview": self.overview, "points": [*self.points], "decisions": [*self.decisions]}

    def _is_same(self, answer: pb.OverviewResponse | pb.ListDecisionsResponse) -> bool:
        """Say whether it is the process that was followed; one that began anew counts from the start."""
        return answer.answered_by.identity == self._identity and answer.recorded >= self._recorded


def shown(decision: pb.Decision) -> dict[str, Any]:
    """Return a decision in values that JSON has."""
    value = {
        "number": decision.number, "time": seconds_of(decision.time), "namespace": decision.namespace,
        "name": decision.name, "uid": decision.uid, "outcome": decision.outcome, "node": decision.node,
        "attempt": decision.attempt, "waited": decision.queue_seconds, "feasible": decision.feasible_nodes,
        "evaluated": decision.evaluated_nodes, "message": cut(decision.message), "rejectedBy": list(decision.rejected_by),
    }  # fmt: skip
    if decision.HasField("preemption"):
        value["preemption"] = preempted(decision.preemption)
    return value


def preempted(preemption: pb.Preemption) -> dict[str, Any]:
    """Return who has to go for a Pod, and where."""
    return {
        "node": preemption.node, "count": preemption.victim_count,
        "victims": [
            {"namespace": one.namespace, "name": one.name, "priority": one.priority}
            for one in preemption.victims[:MAX_VICTIMS]
        ],
    }  # fmt: skip


def explained(answer: pb.ExplainResponse) -> dict[str, Any]:
    """Return why a Pod is where it is, with the table of nodes and plugins."""
    value: dict[str, Any] = {
        "namespace": answer.namespace, "name": answer.name, "uid": answer.uid, "state": answer.state,
        "message": cut(answer.message), "node": answer.node, "attempts": answer.attempts, "condition": cut(answer.condition),
        "leading": answer.answered_by.leading, "decisions": [shown(one) for one in answer.decisions],
    }  # fmt: skip
    if answer.HasField("evaluation"):
        value["evaluation"] = _evaluation(answer.evaluation)
    elif answer.decisions and answer.decisions[0].HasField("detail"):
        detail = answer.decisions[0].detail
        value["detail"] = {
            "own": detail.own, "best": [_verdict(one) for one in detail.best], "reasons": _reasons(detail.reasons),
            "plugins": _scorers(detail.best), "ties": detail.tie_count,
        }  # fmt: skip
    return value


def _evaluation(seen: pb.Evaluation) -> dict[str, Any]:
    value: dict[str, Any] = {
        "nodes": seen.nodes, "feasible": seen.feasible, "best": [_verdict(one) for one in seen.best],
        "plugins": _scorers(seen.best), "ties": seen.tie_count, "reasons": _reasons(seen.reasons),
        "refused": [_group(one) for one in seen.refused], "more": seen.more_groups, "message": cut(seen.message),
        # The columns of the table of refusals.
        "refusers": list(dict.fromkeys(item.plugin for group in seen.refused for item in group.refusals)),
    }  # fmt: skip
    if seen.HasField("preemption"):
        value["preemption"] = preempted(seen.preemption)
    return value


def _scorers(nodes: Iterable[pb.NodeVerdict]) -> list[dict[str, Any]]:
    """Return the plugins that score, with their weights: the columns of the table of nodes."""
    weights = {score.plugin: score.weight for node in nodes for score in node.scores}
    return [{"name": name, "weight": weight} for name, weight in weights.items()]


def _verdict(node: pb.NodeVerdict) -> dict[str, Any]:
    scores = {one.plugin: {"raw": one.raw, "normalised": one.normalised} for one in node.scores}
    return {"node": node.node, "total": node.total, "scores": scores}


def _reasons(reasons: Iterable[pb.ReasonCount]) -> list[dict[str, Any]]:
    return [{"plugin": one.plugin, "reason": cut(one.reason, 400), "nodes": one.nodes} for one in reasons]


def _group(group: pb.NodeGroup) -> dict[str, Any]:
    refusals = {
        one.plugin: {
            "reasons": [cut(it, 400) for it in one.reasons],
            "lack": cut(one.lack, 400),
            "final": one.unresolvable,
        }
        for one in group.refusals
    }
    return {"count": group.count, "nodes": list(group.nodes), "refusals": refusals}
