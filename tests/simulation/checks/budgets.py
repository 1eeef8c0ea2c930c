"""PURE: no eviction takes a Pod that its PodDisruptionBudget needs."""

from collections.abc import Iterator
from typing import Any

from tests.simulation.checks.commits import Seen
from tests.simulation.checks.model import Commit, Model, serves
from tests.simulation.checks.rollouts import LATELY
from vaina.kinds import POD, POD_DISRUPTION_BUDGET
from vaina.objects.disruption_budgets import covers
from vaina.objects.meta import controller_of
from vaina.objects.rollouts import amount_of

_EVICTED = "Evict"
#: from the mark to the deletion of one eviction, at most: a call and its tries, seconds
_DELETES = 10.0


def within_budget(commit: Commit, model: Model, seen: Seen) -> Iterator[str]:
    """budget: evictions leave as many Pods that serve as the budget wants.

    What was lost otherwise is not theirs.
    """
    del seen
    if (
        commit.kind is not POD
        or commit.author.verb != _EVICTED
        or commit.old is None
        or not serves(commit.old)
    ):
        return
    if commit.new is not None and serves(commit.new):
        return
    labels, begun = commit.old.metadata.labels, _begun(commit, model)
    for budget in model.of(POD_DISRUPTION_BUDGET):
        if not covers(budget, labels) or model.states[budget.metadata.uid][0][0] > begun:
            continue
        covered = [pod for pod in model.of(POD) if covers(budget, pod.metadata.labels)]
        serving = sum(map(serves, covered))
        lost = model.lost(
            commit.at - LATELY,
            lambda loss: loss.cause != _EVICTED and covers(budget, loss.pod.metadata.labels),  # noqa: B023 - asked at once
        )
        least = needed(budget, [*covered, commit.old], model, commit.at)
        if serving + len(lost) < least:
            yield (
                f"budget {budget.metadata.name} needs {least} Pods and has {serving} since {commit.key} was evicted "
                f"({len(lost)} lost lately otherwise)"
            )


def _begun(commit: Commit, model: Model) -> float:
    """Return when an eviction had asked the budgets: it marks its Pod then, and deletes it afterwards.

    A budget that is created in between comes too late for it, as upstream's.
    """
    uid = commit.last.metadata.uid
    for earlier in reversed(model.history[POD.plural]):
        if earlier.at < commit.at - _DELETES:
            break
        if earlier.last.metadata.uid == uid and earlier.author.verb == _EVICTED and earlier is not commit:
            return earlier.at
    return commit.at


def needed(budget: Any, covered: list[Any], model: Model, at: float) -> int:
    """Return how many Pods must serve, by the smallest size that their owners had lately.

    Budgets of stories have numbers, no shares.
    """
    owners = {uid for pod in covered if (reference := controller_of(pod.metadata)) for uid in [reference.uid]}
    tops = {model.parent_of(uid) or uid for uid in owners}
    expected = 0
    for uid in tops:
        states = model.states.get(uid, [])
        recent = [
            obj
            for index, (_, _, obj) in enumerate(states)
            if index + 1 == len(states) or states[index + 1][0] > at - LATELY
        ]
        expected += min((int(obj.spec.replicas) for obj in recent), default=0)
    spec = budget.spec
    if spec.HasField("max_unavailable"):
        return max(0, expected - amount_of(spec.max_unavailable, expected, round_up=True))
    return int(spec.min_available.int_val)
