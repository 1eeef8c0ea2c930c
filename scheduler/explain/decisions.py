"""The ring of past decisions: what was decided for which Pod, when, and what was seen of its class then.

Recording is on the path of every Pod, so an entry is one tuple (under a microsecond). What filters and scores
said in detail is taken for as many decisions as cost no more than a hundredth of the time. When Pods come
slowly that is each of them; when they come by the thousand, an entry refers to what was last seen of an equal
Pod, or to nothing. Owned by the scheduling task.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, NamedTuple

import structlog

from scheduler.columns.node_table import NodeTable
from scheduler.columns.pod_info import PodClass, PodInfo
from scheduler.explain.evaluate import Evaluation, evaluate
from scheduler.framework.runtime import Profile
from scheduler.framework.status import Scheduled, Unschedulable
from scheduler.queue.places import QueuedPod

log = structlog.stdlib.get_logger(__name__)

#: decisions that are kept
CAPACITY: Final = 10_000
#: classes of which the last detail is at hand
MAX_DETAILS: Final = 256
#: victims that are named of one preemption
MAX_VICTIMS: Final = 100
#: nodes whose scores are kept of one decision
BEST: Final = 3
#: share of the time that may go into details, what may be saved up (seconds), and what each costs at least
SHARE, SAVED_SECONDS, LEAST_SECONDS = 0.01, 0.02, 0.0001


class Outcome(StrEnum):
    """How an attempt ended."""

    SCHEDULED = "Scheduled"
    UNSCHEDULABLE = "Unschedulable"
    #: a node was chosen, and the apiserver refused the binding
    BINDING_REFUSED = "BindingRefused"
    #: room is being made on a node
    PREEMPTED = "Preempted"
    #: a bug of ours, or of a plugin
    ERROR = "Error"


class Victim(NamedTuple):
    """A Pod that had to go."""

    namespace: str
    name: str
    uid: str
    priority: int


class Preemption(NamedTuple):
    """What was done to make room on a node."""

    node: str
    #: the first of them
    victims: tuple[Victim, ...]
    victim_count: int


def preemption_of(node: str, victims: Sequence[PodInfo]) -> Preemption:
    """Name the victims of a preemption, as many as are named."""
    named = tuple(
        Victim(victim.namespace, victim.name, victim.uid, victim.pod_class.priority)
        for victim in victims[:MAX_VICTIMS]
    )
    return Preemption(node, named, len(victims))


@dataclass(frozen=True, slots=True)
class BestNode:
    """A node that fitted, with its scores: (plugin, raw, normalised, weight)."""

    node: str
    total: int
    scores: tuple[tuple[str, int, int, int], ...]


def best_node(seen: Evaluation, index: int) -> BestNode:
    """Return a node that fits, with its scores."""
    scores = tuple(
        (score.name, int(score.raw[index]), int(score.normalised[index]), score.weight)
        for score in seen.scores
    )
    return BestNode(seen.name(index), int(seen.total[index]), scores)


@dataclass(frozen=True, slots=True)
class Detail:
    """What filters and scores said of a class at a moment."""

    #: monotonic seconds, and the number of the decision that it was taken for
    at: float
    number: int
    #: (plugin, reason, nodes)
    reasons: tuple[tuple[str, str, int], ...]
    best: tuple[BestNode, ...]
    tie_count: int


def take_detail(pod: PodClass, table: NodeTable, profile: Profile, now: float, number: int) -> Detail:
    """Look at a class with all plugins, and keep what is worth keeping."""
    seen = evaluate(pod, table, profile)
    best = tuple(best_node(seen, index) for index in seen.best(BEST))
    return Detail(now, number, tuple(seen.reason_counts()), best, len(seen.ties()))


class Entry(NamedTuple):
    """One decision. Times are monotonic seconds."""

    at: float
    outcome: Outcome
    namespace: str
    name: str
    uid: str
    attempt: int
    #: when the Pod came to the queue for the first time
    added: float
    #: what was decided; None for refused bindings, preemptions and errors
    decision: Scheduled | Unschedulable | None
    detail: Detail | None
    node: str = ""
    message: str = ""
    preemption: Preemption | None = None


#: (class, monotonic seconds, number of the decision) -> what filters and scores say now
TakeDetail = Callable[[PodClass, float, int], Detail]


class DecisionLog:
    """The ring."""

    def __init__(self, take: TakeDetail, monotonic: Callable[[], float], *, capacity: int = CAPACITY) -> None:
        """Make an empty ring; `monotonic` is a clock, for what the details cost."""
        self.capacity = capacity
        self._take, self._monotonic = take, monotonic
        #: the fields of an Entry; making it costs as much again, and it may never be asked for
        self._entries: deque[tuple[Any, ...]] = deque(maxlen=capacity)
        #: how many decisions there have been
        self.recorded = 0
        self._details: OrderedDict[PodClass, Detail] = OrderedDict()
        #: seconds of work that may go into details now, and when that was reckoned
        self._saved, self._reckoned = SAVED_SECONDS, 0.0

    def __len__(self) -> int:
        return len(self._entries)

    def may_look(self, now: float) -> bool:
        if now > self._reckoned:
            self._saved = min(self._saved + (now - self._reckoned) * SHARE, SAVED_SECONDS)
            self._reckoned = now
        return self._saved > 0

    def look(self, pod: PodClass, now: float) -> None:
        """Look at the details of the decision that comes next, if there is time for that."""
        if not self.may_look(now):
            return
        began = self._monotonic()
        try:
            detail = self._take(pod, now, self.recorded + 1)
        except Exception:
            # A plugin has a bug that the decision itself may never meet: it must not cost the Pod its turn.
            log.exception("details of a decision not taken")
            self._saved = -SAVED_SECONDS
            return
        self._saved -= max(self._monotonic() - began, LEAST_SECONDS)
        self._details[pod] = detail
        self._details.move_to_end(pod)
        if len(self._details) > MAX_DETAILS:
            self._details.popitem(last=False)

    def record(self, pod: QueuedPod, decision: Scheduled | Unschedulable, now: float) -> None:
        outcome = Outcome.SCHEDULED
        if not isinstance(decision, Scheduled):
            outcome = Outcome.UNSCHEDULABLE
            if decision.victims:
                # A preemption is an entry of its own, and the ring would keep the victims' objects.
                decision = replace(decision, victims=())
        self._note(pod, outcome, now, decision, self._details.get(pod.info.pod_class))

    def record_all(
        self, pod_class: PodClass, placed: Sequence[tuple[QueuedPod, Scheduled]], now: float
    ) -> None:
        detail, outcome = self._details.get(pod_class), Outcome.SCHEDULED
        self._entries.extend(
            [
                (now, outcome, pod.info.namespace, pod.info.name, pod.info.uid, pod.attempts, pod.added, where, detail)
                for pod, where in placed
            ]
        )  # fmt: skip
        self.recorded += len(placed)

    def record_refused(self, pod: QueuedPod, node: str, message: str, *, now: float) -> None:
        self._note(pod, Outcome.BINDING_REFUSED, now, None, None, node, message)

    def record_error(self, pod: QueuedPod, message: str, *, now: float) -> None:
        self._note(pod, Outcome.ERROR, now, None, None, "", message)

    def record_preemption(
        self, pod: QueuedPod, node: str, victims: Sequence[PodInfo], *, now: float, message: str = ""
    ) -> None:
        self._note(pod, Outcome.PREEMPTED, now, None, None, node, message, preemption_of(node, victims))

    def _note(self, pod: QueuedPod, outcome: Outcome, now: float, *more: object) -> None:
        """Add an entry; `more` are its fields from `decision` on."""
        info = pod.info
        self._entries.append(
            (now, outcome, info.namespace, info.name, info.uid, pod.attempts, pod.added, *more)
        )
        self.recorded += 1

    def find(
        self, *, namespace: str = "", name: str = "", uid: str = "", limit: int = CAPACITY
    ) -> list[tuple[int, Entry]]:
        """Return (number, entry), newest first: of one Pod by uid or by name, of a namespace, or of all."""
        found: list[tuple[int, Entry]] = []
        for age, fields in enumerate(reversed(self._entries)):
            if len(found) >= limit:
                break
            entry = Entry(*fields)
            if (
                (not uid or entry.uid == uid)
                and (not name or entry.name == name)
                and (not namespace or entry.namespace == namespace)
            ):
                found.append((self.recorded - age, entry))
        return found
