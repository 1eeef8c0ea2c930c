"""PURE: what a quota's namespace uses, and what the status should say (`pkg/controller/resourcequota`)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from controller.plans import copy_of, sooner
from controller.resource_quota.charges import bounded
from vaina.api.core.v1 import resource_quota_pb2
from vaina.clock import seconds_of
from vaina.kinds import POD, Kind
from vaina.objects import amounts
from vaina.objects.amounts import Amounts
from vaina.objects.quantity import Amount
from vaina.objects.quota import counted_kinds, is_counted, resources_of, usage_of

Quota = resource_quota_pb2.ResourceQuota


@dataclass(frozen=True, slots=True)
class Count:
    """What there is."""

    used: Amounts
    #: in how many seconds a Pod that should have ended by then no longer counts; None when there is none
    next_change: float | None = None


def kinds_of(quota: Quota) -> list[Kind[Any]]:
    """Return the kinds of which a quota counts objects."""
    return [kind for kind in counted_kinds() if resources_of(kind, quota.spec.hard)]


def count(quota: Quota, objects: Iterable[tuple[Kind[Any], Iterable[Any]]], now: float) -> Count:
    """Count what the objects of a namespace, given by kind, take of what a quota limits."""
    hard = list(quota.spec.hard)
    used: dict[str, Amount] = {}
    next_change: float | None = None
    for kind, items in objects:
        used.update((name, used.get(name, amounts.ZERO)) for name in resources_of(kind, hard))
        for item in items:
            if not is_counted(quota, kind, item, hard):
                continue
            used = amounts.plus(used, amounts.only(usage_of(kind, item, now), hard))
            left = _seconds_left(item, now) if kind is POD else None
            next_change = sooner(next_change, left)
    return Count(used, next_change)


def _seconds_left(pod: Any, now: float) -> float | None:
    meta = pod.metadata
    if not meta.HasField("deletion_timestamp") or not meta.HasField("deletion_grace_period_seconds"):
        return None
    left = seconds_of(meta.deletion_timestamp) + meta.deletion_grace_period_seconds - now
    # A Pod counts as long as this is not negative.
    return left + 1.0 if left >= 0 else None


def reconcile(quota: Quota, actual: Amounts, outstanding: dict[str, int]) -> Quota | None:
    """Return the quota with the status that it should have; None when it has it.

    `actual` is what there is, `outstanding` what is charged for objects on their way, in units of 10^-9.
    """
    hard, before = amounts.read(quota.spec.hard), amounts.read(quota.status.used)
    used = amounts.only(bounded(before, actual, outstanding, [name for name in actual if name in hard]), hard)
    if amounts.equal(amounts.read(quota.status.hard), hard) and amounts.equal(before, used):
        return None
    wanted = copy_of(quota)
    amounts.write(hard, wanted.status.hard)
    amounts.write(used, wanted.status.used)
    return wanted
