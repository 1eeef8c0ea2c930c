"""Rules for PriorityClasses.

Follows `pkg/apis/scheduling/validation` and `pkg/apis/scheduling/v1/helpers.go`. That only one class may be
the default is admission's to say: it takes a look at the others.
"""

from collections.abc import Mapping
from typing import Final

from apiserver.validation import metadata
from apiserver.validation.metadata import Errors, check_immutable
from vaina.api.scheduling.v1 import priority_class_pb2
from vaina.objects import names
from vaina.objects.field_path import Path, forbidden, not_supported, required

PREFIX: Final = "system-"
HIGHEST_USER_VALUE: Final = 1_000_000_000
#: the classes of the system, and their values
SYSTEM_CLASSES: Final[Mapping[str, int]] = {
    "system-node-critical": 2 * HIGHEST_USER_VALUE + 1000,
    "system-cluster-critical": 2 * HIGHEST_USER_VALUE,
}
SYSTEM_CLASS_DESCRIPTIONS: Final[Mapping[str, str]] = {
    "system-node-critical": "Used for system critical pods that must not be moved from their current node.",
    "system-cluster-critical": (
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary."
    ),
}
_POLICIES: Final = ("PreemptLowerPriority", "Never")

PriorityClass = priority_class_pb2.PriorityClass


def check_create(priority_class: PriorityClass) -> Errors:
    """Check a new PriorityClass."""
    errors = metadata.check_create(priority_class.metadata, names.dns_1123_subdomain, namespaced=False)
    if priority_class.metadata.name.startswith(PREFIX):
        if problem := _not_systems_own(priority_class):
            words = f"priority class names with '{PREFIX}' prefix are reserved for system use only. error: {problem}"
            errors.append(forbidden(Path("metadata", "name"), words))
    elif priority_class.value > HIGHEST_USER_VALUE:
        words = f"maximum allowed value of a user defined priority is {HIGHEST_USER_VALUE}"
        errors.append(forbidden(Path("value"), words))
    if priority_class.HasField("preemption_policy"):
        policy, at = priority_class.preemption_policy, Path("preemptionPolicy")
        if not policy:
            errors.append(required(at))
        elif policy not in _POLICIES:
            errors.append(not_supported(at, policy, _POLICIES))
    return errors


def _not_systems_own(priority_class: PriorityClass) -> str:
    """Return why a class that is named as the system's is none of them; empty when it is one."""
    name = priority_class.metadata.name
    value = SYSTEM_CLASSES.get(name)
    if value is None:
        return f"{name} is not a known system priority class"
    if priority_class.value != value:
        return f"value of {name} PriorityClass must be {value}"
    if priority_class.global_default:
        return f"globalDefault of {name} PriorityClass must be false"
    return ""


def check_update(new: PriorityClass, old: PriorityClass) -> Errors:
    """Check a changed PriorityClass: Pods have its value and policy already, so both stay."""
    errors = metadata.check_update(new.metadata, old.metadata)
    if new.value != old.value:
        errors.append(forbidden(Path("value"), "may not be changed in an update."))
    check_immutable(errors, Path("preemptionPolicy"), new.preemption_policy, old.preemption_policy)
    return errors
