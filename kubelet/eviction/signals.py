"""What is measured of a node, the thresholds of pressure, and what follows from them. PURE.

Signals, defaults and their order are upstream's (`pkg/kubelet/eviction/helpers.go`, `defaults_linux.go`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from vaina.durations import parse_duration
from vaina.objects.quantity import QuantityError, format_bytes, format_count, value


class Signal(StrEnum):
    """What is measured."""

    MEMORY = "memory.available"
    #: of what Pods may have together
    ALLOCATABLE_MEMORY = "allocatableMemory.available"
    NODEFS = "nodefs.available"
    NODEFS_INODES = "nodefs.inodesFree"
    IMAGEFS = "imagefs.available"
    IMAGEFS_INODES = "imagefs.inodesFree"
    PIDS = "pid.available"


_MEMORY = frozenset({Signal.MEMORY, Signal.ALLOCATABLE_MEMORY})
_INODES = frozenset({Signal.NODEFS_INODES, Signal.IMAGEFS_INODES})

DEFAULT_HARD = "memory.available<100Mi,nodefs.available<10%,nodefs.inodesFree<5%,imagefs.available<15%,imagefs.inodesFree<5%"


class ThresholdError(ValueError):
    """A threshold cannot be read; the message is upstream's."""


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount, or a share of what there is."""

    units: int = 0
    #: of the capacity, 0 to 1; None: `units` counts
    share: float | None = None

    def of(self, capacity: int) -> int:
        return self.units if self.share is None else int(self.share * capacity)


@dataclass(frozen=True, slots=True)
class Threshold:
    """Below it something has to happen."""

    signal: Signal
    value: Amount
    #: 0: hard, at once
    grace_seconds: float = 0.0
    #: this much above it, before it is over
    min_reclaim: Amount = Amount()

    @property
    def hard(self) -> bool:
        return self.grace_seconds == 0.0


@dataclass(frozen=True, slots=True)
class Observation:
    """What a signal says."""

    available: int
    capacity: int
    #: when it was measured, seconds since the epoch
    at: float


def resource_of(signal: Signal) -> str:
    """Return what is short: the word of messages."""
    if signal in _MEMORY:
        return "memory"
    if signal is Signal.PIDS:
        return "pids"
    return "inodes" if signal in _INODES else "ephemeral-storage"


def condition_of(signal: Signal) -> str:
    """Return the condition of the Node."""
    if signal in _MEMORY:
        return "MemoryPressure"
    return "PIDPressure" if signal is Signal.PIDS else "DiskPressure"


def quantity_of(signal: Signal, amount: int) -> str:
    """Return an amount of a signal as messages have it."""
    if signal in _INODES or signal is Signal.PIDS:
        return format_count(amount)
    return format_bytes(amount)


def parse_thresholds(
    hard: str, *, soft: str = "", grace: str = "", min_reclaim: str = ""
) -> tuple[Threshold, ...]:
    """Return the configured thresholds, and the one for Pods' memory that follows from memory.available.

    Written as memory.available<100Mi (`hard`, `soft`), or memory.available=50Mi. Raises ThresholdError.
    """
    reclaims = {signal: _amount(signal, text) for signal, text in _pairs(min_reclaim, "=").items()}
    graces = _pairs(grace, "=")
    result = []
    for signal, text in _pairs(hard, "<").items():
        result.append(Threshold(signal, _amount(signal, text), 0.0, reclaims.get(signal, Amount())))
    for signal, text in _pairs(soft, "<").items():
        if signal not in graces:
            raise ThresholdError(f"grace period must be specified for the soft eviction threshold {signal}")
        seconds = _seconds(signal, graces[signal])
        result.append(Threshold(signal, _amount(signal, text), seconds, reclaims.get(signal, Amount())))
    # 0 (or 0%) and 100% switch a threshold off, as upstream.
    result = [item for item in result if item.value.units > 0 or item.value.share not in {None, 0.0, 1.0}]
    result += [
        Threshold(Signal.ALLOCATABLE_MEMORY, item.value, 0.0, item.min_reclaim)
        for item in result
        if item.signal is Signal.MEMORY and item.hard
    ]
    return tuple(result)


def _pairs(text: str, between: str) -> Mapping[Signal, str]:
    found: dict[Signal, str] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, sign, amount = item.partition(between)
        if not sign:
            raise ThresholdError(
                f"invalid eviction threshold syntax {item}, expected <signal>{between}<value>"
            )
        try:
            signal = Signal(name)
        except ValueError:
            raise ThresholdError(f"unsupported eviction signal {name}") from None
        if signal is Signal.ALLOCATABLE_MEMORY:
            raise ThresholdError(f"unsupported eviction signal {name}")
        if signal in found:
            raise ThresholdError(f"duplicate eviction threshold for signal {name}")
        found[signal] = amount
    return found


def _amount(signal: Signal, text: str) -> Amount:
    try:
        if text.endswith("%"):
            share = float(text.removesuffix("%")) / 100
            if not 0 <= share <= 1:
                raise ThresholdError(
                    f"eviction percentage threshold {signal} must be >= 0% and <= 100%: {text}"
                )
            return Amount(share=share)
        units = value(text)
    except (QuantityError, ValueError) as error:
        if isinstance(error, ThresholdError):
            raise
        raise ThresholdError(f"eviction threshold {signal}: {error}") from error
    if units < 0:
        raise ThresholdError(f"eviction threshold {signal} must be positive: {text}")
    return Amount(units)


def _seconds(signal: Signal, text: str) -> float:
    try:
        seconds = parse_duration(text) / 1e9
    except ValueError as error:
        raise ThresholdError(f"grace period of {signal}: {error}") from error
    if seconds <= 0:
        raise ThresholdError(f"invalid eviction grace period specified: {text}, must be a positive value")
    return seconds


@dataclass(frozen=True, slots=True)
class PressureState:
    """What is remembered between two looks. A restarted kubelet begins with an empty one, as upstream."""

    #: when each threshold that is met was first seen so
    first_met: Mapping[Threshold, float] = field(default_factory=dict[Threshold, float])
    last_seen: Mapping[str, float] = field(default_factory=dict[str, float])
    #: met for long enough, and not yet made good
    met: tuple[Threshold, ...] = ()
    observed: Mapping[Signal, Observation] = field(default_factory=dict[Signal, Observation])


@dataclass(frozen=True, slots=True)
class Judgement:
    """What follows."""

    state: PressureState
    conditions: frozenset[str]
    #: thresholds that something has to be done about now, the first first; only those that were measured anew
    due: tuple[Threshold, ...]


def is_met(threshold: Threshold, observation: Observation, *, with_reclaim: bool = False) -> bool:
    """Say whether less is available than the threshold asks for, or than its least reclaim above it."""
    wanted = threshold.value.of(observation.capacity)
    if with_reclaim:
        wanted += threshold.min_reclaim.of(observation.capacity)
    return observation.available < wanted


def judge(
    thresholds: tuple[Threshold, ...],
    observed: Mapping[Signal, Observation],
    before: PressureState,
    *,
    now: float,
    transition_seconds: float,
) -> Judgement:
    """Return what follows from what was measured; nothing from a signal that is not in `observed`.

    Upstream's synchronize (`pkg/kubelet/eviction/eviction_manager.go`) without its I/O: a threshold counts
    from when it was first met (soft ones wait for their grace period) and stays met until its least reclaim
    is reached. A condition stays for `transition_seconds`, so that it does not flap.
    """
    met = [item for item in thresholds if item.signal in observed and is_met(item, observed[item.signal])]
    met += [
        item
        for item in before.met
        if item not in met
        and item.signal in observed
        and is_met(item, observed[item.signal], with_reclaim=True)
    ]
    first_met = {item: before.first_met.get(item, now) for item in met}
    last_seen = {kind: at for kind, at in before.last_seen.items() if now - at < transition_seconds} | {
        condition_of(item.signal): now for item in met
    }
    overdue = tuple(item for item in met if now - first_met[item] >= item.grace_seconds)
    # What was done about a measure of before may have helped: only new ones count, those of memory first.
    known = before.observed
    new = (
        item
        for item in overdue
        if item.signal not in known or observed[item.signal].at > known[item.signal].at
    )
    due = sorted(new, key=lambda item: item.signal not in _MEMORY)
    state = PressureState(first_met, last_seen, overdue, dict(observed))
    return Judgement(state, frozenset(last_seen), tuple(due))
