"""What a deletion does to an object: nothing yet, a mark, or its end. Pure; called by `store`.

Follows apiserver `registry/rest/delete.go` and `registry/generic/registry/store.go`: an object with a grace period or with
finalizers is marked and stays; a mark is never taken back (I9), a grace period only ever gets shorter.
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

from google.protobuf.message import Message

from apiserver.registry.strategy import Strategy
from vaina.clock import seconds_of, timestamp
from vaina.errors import Invalid
from vaina.objects import field_path

ORPHAN: Final = "orphan"
FOREGROUND: Final = "foregroundDeletion"
#: propagation policy -> the finalizer that asks the collector for it
_POLICIES: Final = {"Orphan": ORPHAN, "Foreground": FOREGROUND, "Background": ""}


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """How to delete. Empty preconditions always hold."""

    #: None: what the object says; negative: one second
    grace_period_seconds: int | None = None
    uid: str = ""
    resource_version: str = ""
    #: Background, Foreground, Orphan or empty
    propagation_policy: str = ""


class Verdict(Enum):
    """What is to be done with the object."""

    #: it is ending already, and nothing is to be changed
    KEEP = auto()
    #: it was changed, and is to be stored
    STORE = auto()
    REMOVE = auto()


def check_options(options: DeleteOptions) -> None:
    """Refuse options that mean nothing. Raises Invalid."""
    if options.propagation_policy and options.propagation_policy not in _POLICIES:
        error = field_path.not_supported(
            field_path.Path("propagationPolicy"),
            options.propagation_policy,
            ("Foreground", "Background", "Orphan", "nil"),
        )
        raise Invalid.of("DeleteOptions", "", [error], group="meta.k8s.io")


def decide(obj: Message, options: DeleteOptions, strategy: Strategy[Any], now: float) -> Verdict:
    """Decide, and change the object in place.

    Args:
        obj: as stored; preconditions hold.
        options: of the request.
        strategy: of the kind.
        now: seconds since the epoch.
    """
    meta: Any = obj.metadata  # type: ignore[attr-defined]  # every kind has metadata
    wished = options.grace_period_seconds
    if wished is not None and wished < 0:
        wished = 1
    if meta.HasField("deletion_timestamp"):
        left = meta.deletion_grace_period_seconds
        if left:
            return _shorten(obj, wished, left, strategy)
        grace = None
    else:
        grace = strategy.grace_seconds(obj, wished)
    _set_finalizers(meta, options.propagation_policy, strategy)
    held = strategy.is_held(obj)
    if not held and not grace:
        return Verdict.REMOVE
    _mark(obj, grace or 0, strategy, now)
    return Verdict.STORE


def is_done(obj: Message, strategy: Strategy[Any]) -> bool:
    """Say whether an ending object has nothing left that holds it: an update that removes the last finalizer removes it."""
    meta: Any = obj.metadata  # type: ignore[attr-defined]  # every kind has metadata
    return (
        meta.HasField("deletion_timestamp")
        and not meta.deletion_grace_period_seconds
        and not strategy.is_held(obj)
    )


def _shorten(obj: Message, wished: int | None, left: int, strategy: Strategy[Any]) -> Verdict:
    meta: Any = obj.metadata  # type: ignore[attr-defined]  # every kind has metadata
    if wished is None or wished >= left:
        return Verdict.KEEP
    if wished == 0 and not strategy.is_held(obj):
        return Verdict.REMOVE
    asked_at = seconds_of(meta.deletion_timestamp) - left
    meta.deletion_timestamp.CopyFrom(timestamp(asked_at + wished))
    meta.deletion_grace_period_seconds = wished
    return Verdict.STORE


def _mark(obj: Message, grace: int, strategy: Strategy[Any], now: float) -> None:
    meta: Any = obj.metadata  # type: ignore[attr-defined]  # every kind has metadata
    if not meta.HasField("deletion_timestamp"):
        meta.deletion_timestamp.CopyFrom(timestamp(now + grace))
        if meta.generation > 0:
            meta.generation += 1
    meta.deletion_grace_period_seconds = grace
    strategy.mark_deleting(obj)


def _set_finalizers(meta: Any, policy: str, strategy: Strategy[Any]) -> None:
    """Ask the collector for what the policy wants; without a policy what was asked before stays, or else the kind decides."""
    if not policy:
        if ORPHAN in meta.finalizers or FOREGROUND in meta.finalizers:
            return
        policy = strategy.propagation_policy
    kept = [name for name in meta.finalizers if name not in (ORPHAN, FOREGROUND)]
    if _POLICIES[policy]:
        kept.append(_POLICIES[policy])
    if kept != list(meta.finalizers):
        del meta.finalizers[:]
        meta.finalizers.extend(kept)
