"""What becomes of a stored role or binding when the apiserver starts with a default of that name. Pure.

Follows component-helpers `auth/rbac/reconciliation`, as `pkg/registry/rbac/rest/storage_rbac.go` uses it: what
is missing is added, what was added by others stays, and an object with the annotation
`rbac.authorization.kubernetes.io/autoupdate: "false"` is left alone.
"""

from typing import Any, TypeVar

from google.protobuf.message import Message

from apiserver.authorization.rbac.policy import AUTO_UPDATE
from vaina.objects.rules import message_of, missing, rules_of

M = TypeVar("M", bound=Message)


def reconciled_role(stored: Any, wanted: Any) -> Any:
    """Return a stored role with what a default has besides; the stored one itself when nothing is missing."""
    if _is_protected(stored):
        return stored
    made = _with_metadata(stored, wanted)
    lacking = missing(rules_of(stored.rules), rules_of(wanted.rules))
    made.rules.extend(map(message_of, lacking))
    if "aggregation_rule" in wanted.DESCRIPTOR.fields_by_name:
        if not wanted.HasField("aggregation_rule"):
            made.ClearField("aggregation_rule")
        else:
            known = made.aggregation_rule.cluster_role_selectors
            known.extend(
                one for one in wanted.aggregation_rule.cluster_role_selectors if one not in list(known)
            )
    return stored if made == stored else made


def reconciled_binding(stored: Any, wanted: Any) -> Any | None:
    """Return a stored binding with what a default has besides; None: it is for another role, make it anew."""
    if _is_protected(stored):
        return stored
    if stored.role_ref != wanted.role_ref:
        return None
    made = _with_metadata(stored, wanted)
    made.subjects.extend(one for one in wanted.subjects if one not in list(stored.subjects))
    return stored if made == stored else made


def _is_protected(stored: Any) -> bool:
    return bool(stored.metadata.annotations.get(AUTO_UPDATE) == "false")


def _with_metadata(stored: M, wanted: M) -> M:
    """Return a copy with the labels and annotations that are missing."""
    made: Any = type(stored)()
    made.CopyFrom(stored)
    for field in ("labels", "annotations"):
        theirs = getattr(made.metadata, field)
        for key, value in getattr(wanted.metadata, field).items():  # type: ignore[attr-defined]  # every kind has metadata
            if key not in theirs:
                theirs[key] = value
    return made  # type: ignore[no-any-return]  # an object of the same kind
