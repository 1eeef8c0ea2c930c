"""PURE: whether new objects fit into a quota, and what the quota has given away with them.

Follows apiserver `admission/plugin/resourcequota/controller.go` (CheckRequest): order of checks, words.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vaina.api.core.v1 import resource_quota_pb2
from vaina.kinds import POD, Kind
from vaina.objects import amounts
from vaina.objects.amounts import Amounts
from vaina.objects.quota import is_counted, resources_of, unsaid

Quota = resource_quota_pb2.ResourceQuota


@dataclass(frozen=True, slots=True)
class Demand:
    """One new object, or one that takes more than before; complete and valid."""

    kind: Kind[Any]
    object: Any
    #: `vaina.objects.quota.usage_of` the object; of a change: what it takes more
    usage: Amounts
    #: nothing is given away for it
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one quota says to one demand."""

    #: why not, in words; empty: it fits
    refusal: str = ""
    #: what the quota gave for it
    given: Amounts | None = None


_FITS = Verdict()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one quota says to several demands, in their order."""

    verdicts: tuple[Verdict, ...]
    #: the new status.used; None when nothing was given
    used: Amounts | None


def evaluate(quota: Quota, demands: Sequence[Demand]) -> Outcome:
    """Judge demands one after the other: what one takes, the next has no more."""
    hard, before = amounts.read(quota.status.hard), amounts.read(quota.status.used)
    used: Amounts = before
    verdicts: list[Verdict] = []
    for demand in demands:
        verdict = _judge(quota, hard, used, demand)
        verdicts.append(verdict)
        if verdict.given:
            used = amounts.plus(used, verdict.given)
    return Outcome(tuple(verdicts), None if used is before else used)


def _judge(quota: Quota, hard: Amounts, used: Amounts, demand: Demand) -> Verdict:
    if not is_counted(quota, demand.kind, demand.object, hard):
        return _FITS
    name, limited = quota.metadata.name, resources_of(demand.kind, hard)
    missing = unsaid(demand.object, limited) if demand.kind is POD else {}
    if missing:
        told = "; ".join(f"{resource} for: {','.join(names)}" for resource, names in missing.items())
        return Verdict(f"failed quota: {name}: must specify {told}")
    if any(resource not in used for resource in limited):
        return Verdict(f"status unknown for quota: {name}, resources: {','.join(sorted(limited))}")
    wanted = {
        resource: amount for resource, amount in demand.usage.items() if resource in hard and amount.nanos
    }
    after = amounts.plus(used, wanted)
    exceeded = [resource for resource in wanted if after[resource].nanos > hard[resource].nanos]
    if exceeded:
        requested, taken, limits = (amounts.show(amounts.only(of, exceeded)) for of in (wanted, used, hard))
        return Verdict(f"exceeded quota: {name}, requested: {requested}, used: {taken}, limited: {limits}")
    return _FITS if demand.dry_run or not wanted else Verdict(given=wanted)


def give_back(quota: Quota, given: Amounts) -> Amounts:
    """Return the status.used of a quota that gets back what it gave."""
    return amounts.minus(amounts.read(quota.status.used), given)
