"""Rules for conditions of the common kind (metav1.Condition).

Follows apimachinery's `meta/v1/validation`: ValidateConditions.
"""

import re
from collections.abc import Iterable
from typing import Final

from apiserver.validation.metadata import Errors, check_label_name
from vaina.api.meta.v1 import meta_pb2
from vaina.objects.field_path import Path, duplicate, invalid, not_supported, required, too_long

_STATUSES: Final = ("False", "True", "Unknown")
_MAX_REASON: Final = 1024
_MAX_MESSAGE: Final = 32 * 1024
_FORMAT: Final = "[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?"
_REASON = re.compile(_FORMAT, re.ASCII).fullmatch
_RULE: Final = (
    "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters "
    "or '_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName',  or "
    f"'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is '{_FORMAT}')"
)


def check_conditions(errors: Errors, path: Path, conditions: Iterable[meta_pb2.Condition]) -> None:
    """Check conditions, and that there is one of each type."""
    seen: set[str] = set()
    for index, condition in enumerate(conditions):
        at = path.index(index)
        if condition.type in seen:
            errors.append(duplicate(at.child("type"), condition.type))
        seen.add(condition.type)
        _check_condition(errors, at, condition)


def _check_condition(errors: Errors, path: Path, condition: meta_pb2.Condition) -> None:
    check_label_name(errors, path.child("type"), condition.type)
    if condition.status not in _STATUSES:
        errors.append(not_supported(path.child("status"), condition.status, _STATUSES))
    if condition.observed_generation < 0:
        words = "must be greater than or equal to zero"
        errors.append(invalid(path.child("observedGeneration"), condition.observed_generation, words))
    if not condition.HasField("last_transition_time"):
        errors.append(required(path.child("lastTransitionTime"), "must be set"))
    if not condition.reason:
        errors.append(required(path.child("reason"), "must be set"))
    else:
        if not _REASON(condition.reason):
            errors.append(invalid(path.child("reason"), condition.reason, _RULE))
        if len(condition.reason.encode()) > _MAX_REASON:
            errors.append(too_long(path.child("reason"), _MAX_REASON))
    if len(condition.message.encode()) > _MAX_MESSAGE:
        errors.append(too_long(path.child("message"), _MAX_MESSAGE))
