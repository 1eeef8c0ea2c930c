"""PURE: what the scheduler found, as messages of its service."""

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from scheduler.columns.readout import Difference
from scheduler.debug.verify import Captured, Rebuilt
from scheduler.explain.decisions import BestNode, Detail, Entry, Preemption, best_node, preemption_of
from scheduler.explain.evaluate import Evaluation
from scheduler.explain.remedies import Fit, Group, remedies
from scheduler.framework.status import Scheduled, Unschedulable
from vaina.api.scheduler.v1 import scheduler_service_pb2 as pb

#: assumed Pods that are named in an answer
MAX_ASSUMED: Final = 100

#: monotonic seconds -> a moment of the wall clock
Moment = Callable[[float], Timestamp]


def evaluation_message(seen: Evaluation, verdict: Unschedulable | None, limit: int) -> pb.Evaluation:
    """Write what would be decided now, with at most `limit` nodes and groups; `verdict` is a cycle's."""
    groups, more = remedies(seen, limit)
    ties = seen.ties()
    made = pb.Evaluation(
        nodes=seen.count, feasible=seen.feasible, reasons=_reasons(seen.reason_counts()),
        best=[_best(best_node(seen, index)) for index in seen.best(limit)],
        ties=[seen.name(index) for index in ties[:limit]], tie_count=len(ties),
        refused=[_group(group) for group in groups], more_groups=more,
        message=seen.message if verdict is None else verdict.message,
    )  # fmt: skip
    if verdict is not None and verdict.nominated:
        made.preemption.CopyFrom(_preemption(preemption_of(verdict.nominated, verdict.victims)))
    return made


def decision_message(number: int, entry: Entry, moment: Moment) -> pb.Decision:
    """Write one entry of the ring."""
    made = pb.Decision(
        number=number, time=moment(entry.at), namespace=entry.namespace, name=entry.name, uid=entry.uid,
        outcome=entry.outcome.value, node=entry.node, message=entry.message, attempt=entry.attempt,
        queue_seconds=max(entry.at - entry.added, 0.0),
    )  # fmt: skip
    decision = entry.decision
    if isinstance(decision, Scheduled):
        made.node = decision.node_name
        made.evaluated_nodes, made.feasible_nodes = decision.evaluated, decision.feasible
    elif isinstance(decision, Unschedulable):
        made.evaluated_nodes, made.message = decision.nodes, decision.message
        made.rejected_by.extend(sorted(decision.rejected_by))
    if entry.preemption is not None:
        made.preemption.CopyFrom(_preemption(entry.preemption))
    if entry.detail is not None:
        made.detail.CopyFrom(_detail(entry.detail, number, moment))
    return made


def fit_message(answerer: pb.Answerer, fit: Fit, after: Evaluation) -> pb.FitResponse:
    """Write how many copies fit; `after` is what is said of the next one."""
    made = pb.FitResponse(answered_by=answerer, copies=fit.count, more=fit.more)
    made.nodes.extend(pb.NodeFit(node=name, copies=count) for name, count in sorted(fit.copies.items()))
    if fit.verdict is not None:
        made.message = fit.verdict.message
        made.reasons.extend(_reasons(after.reason_counts()))
    return made


def verify_message(
    answerer: pb.Answerer,
    captured: Captured,
    rebuilt: Rebuilt,
    differences: Iterable[Difference],
    most: int,
) -> pb.VerifyResponse:
    """Write how columns and objects differ, at most so many differences in full."""
    found = [*differences]
    assumed = [held for held in captured.held.values() if held.assumed]
    return pb.VerifyResponse(
        answered_by=answerer, nodes=len(captured.columns.rows), pods=len(captured.held),
        waiting=len(rebuilt.waiting), assumed=len(assumed),
        assumed_pods=[
            pb.AssumedPod(
                namespace=held.info.namespace, name=held.info.name, uid=held.info.uid, node=held.node_name
            )
            for held in assumed[:MAX_ASSUMED]
        ],
        difference_count=len(found),
        differences=[
            pb.Difference(subject=item.subject, what=item.what, have=item.have, want=item.want)
            for item in islice(found, most)
        ],
    )  # fmt: skip


def _reasons(counts: Iterable[tuple[str, str, int]]) -> list[pb.ReasonCount]:
    return [pb.ReasonCount(plugin=plugin, reason=reason, nodes=nodes) for plugin, reason, nodes in counts]


def _preemption(preemption: Preemption) -> pb.Preemption:
    return pb.Preemption(
        node=preemption.node, victim_count=preemption.victim_count,
        victims=[
            pb.Victim(namespace=item.namespace, name=item.name, uid=item.uid, priority=item.priority)
            for item in preemption.victims
        ],
    )  # fmt: skip


def _best(node: BestNode) -> pb.NodeVerdict:
    return pb.NodeVerdict(
        node=node.node, total=node.total,
        scores=[
            pb.Score(plugin=plugin, raw=raw, normalised=normalised, weight=weight)
            for plugin, raw, normalised, weight in node.scores
        ],
    )  # fmt: skip


def _group(group: Group) -> pb.NodeGroup:
    return pb.NodeGroup(
        count=group.count, nodes=group.nodes, relative_lack=group.relative_lack,
        refusals=[
            pb.Refusal(
                plugin=item.plugin, reasons=item.reasons, lack=item.lack, unresolvable=item.unresolvable
            )
            for item in group.refusals
        ],
    )  # fmt: skip


def _detail(detail: Detail, number: int, moment: Moment) -> pb.DecisionDetail:
    return pb.DecisionDetail(
        time=moment(detail.at), own=detail.number == number,
        reasons=_reasons(detail.reasons), best=[_best(node) for node in detail.best], tie_count=detail.tie_count,
    )  # fmt: skip
