"""PURE: what the scheduler found, as messages of its service."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from scheduler.cache.cache import HeldPod
from scheduler.columns.readout import Difference
from scheduler.debug.verify import Captured, Rebuilt
from scheduler.explain.decisions import BestNode, Detail, Entry, Preemption, best_node, preemption_of
from scheduler.explain.evaluate import Evaluation
from scheduler.explain.remedies import Fit, remedies
from scheduler.framework.status import Scheduled, Unschedulable
from scheduler.queue.places import Place, QueuedPod
from scheduler.queue.scheduling_queue import MAX_UNSCHEDULABLE_SECONDS
from vaina.api.core.v1 import pod_pb2
from vaina.api.scheduler.v1 import scheduler_service_pb2 as pb
from vaina.clock import rfc3339
from vaina.objects.pods import is_terminal


class PodState(StrEnum):
    """Where a Pod is."""

    BOUND = "Bound"
    #: a node is chosen, and the watch has not shown it yet
    ASSUMED = "Assumed"
    ACTIVE = "Active"
    BACKOFF = "Backoff"
    UNSCHEDULABLE = "Unschedulable"
    GATED = "Gated"
    IN_FLIGHT = "InFlight"
    TERMINATED = "Terminated"
    DELETING = "Deleting"
    OTHER_SCHEDULER = "OtherScheduler"
    #: its spec cannot be compiled
    UNREADABLE = "Unreadable"
    #: it ought to be in the queue, and is not
    UNQUEUED = "Unqueued"
    GONE = "Gone"
    #: it need not exist
    MANIFEST = "Manifest"


#: of these it is said what would be decided now
EVALUATED = frozenset(
    {
        PodState.ACTIVE, PodState.BACKOFF, PodState.UNSCHEDULABLE, PodState.GATED, PodState.IN_FLIGHT,
        PodState.UNQUEUED, PodState.MANIFEST,
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seen:
    """What the scheduler has of a Pod at a moment. Times of the queue are monotonic seconds."""

    pod: pod_pb2.Pod
    held: HeldPod | None
    queued: QueuedPod | None
    #: monotonic seconds: the end of its back-off, had it one
    backoff_until: float = 0.0
    #: seconds to add to a monotonic time for the wall clock
    wall: float = 0.0
    #: the node that it has in view: room is being made for it there
    nominated: str = ""
    #: this scheduler stands by: its queue holds all that wait, and knows of no attempts
    following: bool = False
    #: why its spec cannot be read; empty: it can
    unreadable: str = ""


def state_of(seen: Seen, ours: Collection[str]) -> tuple[PodState, str]:
    """Return where a Pod is, and the sentence; `ours` are the schedulerNames of this scheduler's Pods."""
    pod = seen.pod
    key = f"{pod.metadata.namespace}/{pod.metadata.name}"
    name = pod.spec.scheduler_name or "default-scheduler"
    if is_terminal(pod):
        where = f" on node {pod.spec.node_name}" if pod.spec.node_name else ""
        return PodState.TERMINATED, f"{key} has ended{where}: its phase is {pod.status.phase}"
    if pod.spec.node_name:
        by = "" if name in ours else f", by scheduler {name}"
        return PodState.BOUND, f"{key} is on node {pod.spec.node_name}{by}"
    if seen.held is not None and seen.held.assumed:
        return PodState.ASSUMED, f"{key} goes to node {seen.held.node_name}: the binding is on its way"
    if pod.metadata.HasField("deletion_timestamp"):
        return PodState.DELETING, f"{key} has no node and is being deleted: nothing will be decided for it"
    if name not in ours:
        served = " and ".join(sorted(ours))
        return PodState.OTHER_SCHEDULER, f"{key} waits for scheduler {name}; this is {served}"
    if seen.unreadable:
        return PodState.UNREADABLE, f"{key} cannot be read: {seen.unreadable}"
    if seen.queued is None:
        return PodState.UNQUEUED, f"{key} has no node and is not in the queue yet"
    state, words = _waiting(key, seen, seen.queued)
    if seen.nominated:
        words += f"; room is being made for it on node {seen.nominated}"
    return state, words


def _waiting(key: str, seen: Seen, queued: QueuedPod) -> tuple[PodState, str]:
    state = PodState[queued.place.name]
    tries = f"{queued.attempts} attempt{'' if queued.attempts == 1 else 's'}"
    match queued.place:
        case Place.GATED if not seen.pod.spec.scheduling_gates:
            return state, f"{key} is not scheduled: plugin {queued.gated_by} keeps it out of the queue"
        case Place.GATED:
            gates = " ".join(gate.name for gate in seen.pod.spec.scheduling_gates)
            return state, f"{key} is not scheduled: waiting for scheduling gates: [{gates}]"
        case Place.ACTIVE if seen.following:
            words = "has no node; the leader decides for it, and how far it is only the leader knows"
            return state, f"{key} {words}"
        case Place.ACTIVE:
            return state, f"{key} is in the queue and will be tried next ({tries} so far)"
        case Place.IN_FLIGHT:
            return state, f"{key} is being decided now (attempt {queued.attempts})"
        case Place.BACKOFF:
            until = rfc3339(seen.backoff_until + seen.wall)
            return state, f"{key} is in back-off until {until} after {tries}"
        case Place.UNSCHEDULABLE:
            latest = rfc3339(queued.failed_at + MAX_UNSCHEDULABLE_SECONDS + seen.wall)
            by = ", ".join(sorted(queued.rejected_by)) or "any plugin"
            return state, (
                f"{key} fits nowhere ({tries}): it waits for a change that could help {by}, "
                f"and is tried again at {latest} at the latest"
            )


def manifest_state(pod: pod_pb2.Pod, ours: Collection[str]) -> tuple[PodState, str]:
    """Say what is said of a Pod that need not exist."""
    key = f"{pod.metadata.namespace}/{pod.metadata.name or pod.metadata.generate_name or '(no name)'}"
    name = pod.spec.scheduler_name or "default-scheduler"
    words = f"{key} was not created: this is what would be decided now"
    if name not in ours:
        words += f" by {' and '.join(sorted(ours))}, though it asks for scheduler {name}"
    if pod.spec.scheduling_gates:
        gates = " ".join(gate.name for gate in pod.spec.scheduling_gates)
        words += f", once its scheduling gates are gone: [{gates}]"
    return PodState.MANIFEST, words


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
        refused=groups, more_groups=more,
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


def _detail(detail: Detail, number: int, moment: Moment) -> pb.DecisionDetail:
    return pb.DecisionDetail(
        time=moment(detail.at), own=detail.number == number,
        reasons=_reasons(detail.reasons), best=[_best(node) for node in detail.best], tie_count=detail.tie_count,
    )  # fmt: skip
