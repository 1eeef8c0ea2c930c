"""PURE: what a quota's namespace uses, and what the status should say (`pkg/controller/resourcequota`).

An object is charged before it is stored, and stored before it is seen. Between the two, a count of what is
there finds less than was rightly given away; a controller that writes that count gives it away a second time
(upstream's does, for a moment). So each growth of the quota's status that the controller did not write itself
is noted as a charge. An object that counts crosses out the newest charges, so that what is left is as old as
it says. A charge is given up after a minute: its create has failed.

An object that comes before the event of its charge (each kind has a watch of its own) is noted as well, and
crosses it out later.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from controller.plans import copy_of, sooner
from vaina.api.core.v1 import resource_quota_pb2
from vaina.clock import seconds_of
from vaina.kinds import POD, Kind
from vaina.objects import amounts
from vaina.objects.amounts import Amounts, only
from vaina.objects.quantity import Amount
from vaina.objects.quota import counted_kinds, is_counted, resources_of, usage_of

#: longer than any create is on its way: calls end within this time (`vaina.serving.server`)
GIVE_UP_SECONDS = 60.0
#: charges that are told apart; the oldest are then taken together, as young as the youngest of them
MAX_ENTRIES = 1024
Quota = resource_quota_pb2.ResourceQuota


@dataclass(slots=True)
class _Entry:
    """Something charged and not seen, or seen and not charged."""

    #: of an object; of a charge, of the state before it, since a watch may show several charges at once
    version: int
    time: float
    left: dict[str, int]


@dataclass(slots=True)
class Charges:
    """Of one quota. Owned by the controller."""

    uid: str
    #: the newest state that is known
    version: int
    used: Amounts
    _open: list[_Entry] = field(default_factory=list)
    _early: list[_Entry] = field(default_factory=list)

    @classmethod
    def begin(cls, uid: str, version: int, used: Amounts, actual: Amounts, now: float) -> "Charges":
        """Start with what was charged beyond what is there; times are monotonic seconds."""
        charges = cls(uid, version, used)
        beyond = {
            name: amount.nanos - (actual[name].nanos if name in actual else 0)
            for name, amount in used.items()
        }
        charges._add(charges._open, version, now, beyond)
        return charges

    def on_quota(self, version: int, used: Amounts, now: float) -> None:
        """Note a state of the quota that somebody else may have written."""
        if version <= self.version:
            return
        grown = {
            name: amount.nanos - (self.used[name].nanos if name in self.used else 0)
            for name, amount in used.items()
        }
        before, self.version, self.used = self.version, version, used
        grown = {name: nanos for name, nanos in grown.items() if nanos > 0}
        _cross_out(grown, (entry for entry in reversed(self._early) if entry.version > before))
        self._add(self._open, before, now, grown)

    def on_written(self, version: int, used: Amounts) -> None:
        """Note a state that the controller wrote itself: nothing was charged with it."""
        if version > self.version:
            self.version, self.used = version, used

    def on_object(self, version: int, usage: Amounts, now: float) -> bool:
        """Note an object that has come, with what it takes; return whether all of it had been charged."""
        took = {name: amount.nanos for name, amount in only(usage, self.used).items()}
        _cross_out(took, (entry for entry in reversed(self._open) if entry.version < version))
        self._add(self._early, version, now, took)
        return not any(took.values())

    def outstanding(self, now: float) -> dict[str, int]:
        """Return what is charged and not seen, in units of 10^-9, and forget what is too old."""
        self._open = _kept(self._open, now)
        self._early = _kept(self._early, now)
        total: dict[str, int] = {}
        for entry in self._open:
            for name, nanos in entry.left.items():
                total[name] = total.get(name, 0) + nanos
        return total

    @property
    def entries(self) -> int:
        return len(self._open)

    def next_change(self, now: float) -> float | None:
        """Return in how many seconds the oldest charge is given up; None when there is none."""
        return None if not self._open else max(0.0, self._open[0].time + GIVE_UP_SECONDS - now)

    @staticmethod
    def _add(entries: list[_Entry], version: int, now: float, left: dict[str, int]) -> None:
        while entries and not any(entries[-1].left.values()):
            entries.pop()
        left = {name: nanos for name, nanos in left.items() if nanos > 0}
        if left:
            entries.append(_Entry(version, now, left))
        if len(entries) > MAX_ENTRIES:
            oldest, next_one = entries[0], entries[1]
            for name, nanos in oldest.left.items():
                next_one.left[name] = next_one.left.get(name, 0) + nanos
            del entries[0]


def _kept(entries: list[_Entry], now: float) -> list[_Entry]:
    return [entry for entry in entries if any(entry.left.values()) and entry.time + GIVE_UP_SECONDS > now]


def _cross_out(amounts: dict[str, int], entries: Iterable[_Entry]) -> None:
    """Take amounts out of entries, and what was found there out of `amounts`."""
    for entry in entries:
        if not any(amounts.values()):
            return
        for name, wanted in amounts.items():
            taken = min(wanted, entry.left.get(name, 0))
            if taken:
                entry.left[name] -= taken
                amounts[name] = wanted - taken


def bounded(
    used: Amounts, actual: Amounts, outstanding: dict[str, int], names: Iterable[str]
) -> dict[str, Amount]:
    """Return what the status should say of the resources `names`, within what is there and what is on its
    way.
    """
    wanted = dict(used)
    for name in names:
        low = actual.get(name, Amount(0, "DecimalSI"))
        high = low.nanos + outstanding.get(name, 0)
        says = used.get(name)
        if says is None or says.nanos < low.nanos:
            wanted[name] = low
        elif says.nanos > high:
            wanted[name] = Amount(high, low.format if low.nanos else says.format)
    return wanted


def kinds_of(quota: Quota) -> list[Kind[Any]]:
    """Return the kinds of which a quota counts objects."""
    return [kind for kind in counted_kinds() if resources_of(kind, quota.spec.hard)]


def count(
    quota: Quota, objects: Iterable[tuple[Kind[Any], Iterable[Any]]], now: float
) -> tuple[Amounts, float | None]:
    """Return what the objects of a namespace, given by kind, take of what a quota limits.

    With it come the seconds until a Pod that should have ended by then no longer counts; None: there is none.
    """
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
    return used, next_change


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
