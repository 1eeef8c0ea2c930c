"""Decides whether a deletion removes an object, marks it, or changes nothing. Pure; called by `store`.

An object with a grace period or with finalizers is marked and stays. A mark is never removed (I9), and a
grace period only gets shorter. Follows apiserver `registry/rest/delete.go` and
`registry/generic/registry/store.go`, and for Namespaces, which end in two steps,
`pkg/registry/core/namespace/storage/storage.go`.
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

from google.protobuf.message import Message

from apiserver.registry.strategy import Strategy
from vaina.clock import seconds_of, timestamp
from vaina.errors import FieldError, Invalid
from vaina.objects import field_path

ORPHAN: Final = "orphan"
FOREGROUND: Final = "foregroundDeletion"
#: propagation policy -> the finalizer by which the garbage collector knows it
_BACKGROUND: Final = "Background"
_POLICIES: Final = {"Orphan": ORPHAN, "Foreground": FOREGROUND, _BACKGROUND: ""}
#: the policy of kinds that own nothing
_UNSUPPORTED: Final = "Unsupported"
_IGNORE: Final = field_path.Path("ignoreStoreReadErrorWithClusterBreakingPotential")


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """How to delete. Empty preconditions always hold."""

    #: None: the object's own; negative: one second
    grace_period_seconds: int | None = None
    uid: str = ""
    resource_version: str = ""
    #: Background, Foreground, Orphan or empty
    propagation_policy: str = ""
    #: delete an object that cannot be read from the store
    ignore_store_read_error: bool = False


class Verdict(Enum):
    """What the store does with the object."""

    #: nothing: it is ending already
    KEEP = auto()
    #: it stores the changed object
    STORE = auto()
    REMOVE = auto()


def check_options(options: DeleteOptions) -> None:
    """Check the options (apimachinery `apis/meta/v1/validation`). Raises Invalid."""
    errors: list[FieldError] = []
    if options.propagation_policy and options.propagation_policy not in _POLICIES:
        error = field_path.not_supported(
            field_path.Path("propagationPolicy"),
            options.propagation_policy,
            ("Foreground", "Background", "Orphan", "nil"),
        )
        errors.append(error)
    if options.ignore_store_read_error:
        others = {
            "propagationPolicy": bool(options.propagation_policy),
            "gracePeriodSeconds": options.grace_period_seconds is not None,
            "preconditions": bool(options.uid or options.resource_version),
        }
        errors += [
            field_path.invalid(_IGNORE, True, f"cannot be set together with .{other}")
            for other, is_set in others.items()
            if is_set
        ]
    if errors:
        raise Invalid.of("DeleteOptions", "", errors, group="meta.k8s.io")


def decide(obj: Message, options: DeleteOptions, strategy: Strategy[Any], now: float) -> Verdict:
    """Decide, and change the stored object in place; `now` is in seconds since the epoch."""
    meta: Any = obj.metadata  # type: ignore[attr-defined]  # every kind has metadata
    if strategy.ends_in_two_steps and not meta.HasField("deletion_timestamp"):
        _set_finalizers(meta, options.propagation_policy, strategy)
        meta.deletion_timestamp.CopyFrom(timestamp(now))
        strategy.mark_deleting(obj)
        return Verdict.STORE
    if strategy.ends_in_two_steps and strategy.is_awaited(obj):
        return Verdict.KEEP
    wished = options.grace_period_seconds
    if wished is not None and wished < 0:
        wished = 1
    if meta.HasField("deletion_timestamp"):
        left = meta.deletion_grace_period_seconds
        if left:
            return _shorten(obj, wished, options.propagation_policy, strategy, now)
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
    """Say whether nothing holds an ending object any more; the update that causes this removes the object."""
    meta: Any = obj.metadata  # type: ignore[attr-defined]  # every kind has metadata
    return (
        meta.HasField("deletion_timestamp")
        and not meta.deletion_grace_period_seconds
        and not strategy.is_held(obj)
    )


def _shorten(obj: Message, wished: int | None, policy: str, strategy: Strategy[Any], now: float) -> Verdict:
    """Shorten the grace period of an ending object. Only then does the deletion's propagation policy count.

    An end in the past becomes now, with a grace period of at most a second.
    """
    meta: Any = obj.metadata  # type: ignore[attr-defined]  # every kind has metadata
    left = meta.deletion_grace_period_seconds
    if wished is None or wished >= left:
        return Verdict.KEEP
    _set_finalizers(meta, policy, strategy)
    if wished == 0 and not strategy.is_held(obj):
        return Verdict.REMOVE
    end = seconds_of(meta.deletion_timestamp) - left + wished
    if end < now:
        end, wished = now, min(wished, 1)
    meta.deletion_timestamp.CopyFrom(timestamp(end))
    meta.deletion_grace_period_seconds = wished
    return Verdict.STORE


def _mark(obj: Message, grace: int, strategy: Strategy[Any], now: float) -> None:
    meta: Any = obj.metadata  # type: ignore[attr-defined]  # every kind has metadata
    if not meta.HasField("deletion_timestamp"):
        meta.deletion_timestamp.CopyFrom(timestamp(now + grace))
        if meta.generation > 0:
            meta.generation += 1
    elif seconds_of(meta.deletion_timestamp) > now:
        meta.deletion_timestamp.CopyFrom(timestamp(now))
    meta.deletion_grace_period_seconds = grace
    strategy.mark_deleting(obj)


def _set_finalizers(meta: Any, policy: str, strategy: Strategy[Any]) -> None:
    """Set the finalizer of a policy; without a policy keep that of an earlier one, or take the kind's."""
    if strategy.propagation_policy == _UNSUPPORTED:
        policy = _BACKGROUND
    elif not policy:
        if ORPHAN in meta.finalizers or FOREGROUND in meta.finalizers:
            return
        policy = strategy.propagation_policy
    kept = [name for name in meta.finalizers if name not in (ORPHAN, FOREGROUND)]
    if _POLICIES[policy]:
        kept.append(_POLICIES[policy])
    if set(kept) != set(meta.finalizers):
        del meta.finalizers[:]
        meta.finalizers.extend(kept)
