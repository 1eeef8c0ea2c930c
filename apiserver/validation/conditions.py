"""Rules for conditions of the common kind (metav1.Condition).

Follows apimachinery's `meta/v1/validation`: ValidateConditions.
"""

import re
from collections.abc import Iterable
from typing import Final

from apiserver.validation.metadata import check_label_name
from apiserver.validation.place import Place
from vaina.api.meta.v1 import meta_pb2

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


def check_conditions(path: Place, conditions: Iterable[meta_pb2.Condition]) -> None:
    """Check conditions, and that there is one of each type."""
    seen: set[str] = set()
    for index, condition in enumerate(conditions):
        at = path.index(index)
        at.child("type").check_unique(condition.type, seen)
        _check_condition(at, condition)


def _check_condition(path: Place, condition: meta_pb2.Condition) -> None:
    check_label_name(path.child("type"), condition.type)
    path.child("status").check_supported(condition.status, _STATUSES)
    if condition.observed_generation < 0:
        words = "must be greater than or equal to zero"
        path.child("observedGeneration").invalid(condition.observed_generation, words)
    if not condition.HasField("last_transition_time"):
        path.child("lastTransitionTime").required("must be set")
    if not condition.reason:
        path.child("reason").required("must be set")
    else:
        if not _REASON(condition.reason):
            path.child("reason").invalid(condition.reason, _RULE)
        if len(condition.reason.encode()) > _MAX_REASON:
            path.child("reason").too_long(_MAX_REASON)
    if len(condition.message.encode()) > _MAX_MESSAGE:
        path.child("message").too_long(_MAX_MESSAGE)
