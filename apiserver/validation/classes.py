"""Rules for PriorityClasses and RuntimeClasses.

Follows `pkg/apis/scheduling/validation`, `pkg/apis/scheduling/v1/helpers.go` and `pkg/apis/node/validation`.
Admission checks that only one PriorityClass is the default: it reads the others.
"""

from collections.abc import Mapping
from typing import Final

from apiserver.validation import resources, scheduling
from apiserver.validation.metadata import check_labels
from apiserver.validation.place import Place
from vaina.api.node.v1 import runtime_class_pb2
from vaina.api.scheduling.v1 import priority_class_pb2
from vaina.objects import names

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


def check_priority_class(root: Place, priority_class: PriorityClass) -> None:
    """Check a PriorityClass."""
    if priority_class.metadata.name.startswith(PREFIX):
        if problem := _not_systems_own(priority_class):
            words = f"priority class names with '{PREFIX}' prefix are reserved for system use only. error: {problem}"
            root.child("metadata", "name").forbidden(words)
    elif priority_class.value > HIGHEST_USER_VALUE:
        words = f"maximum allowed value of a user defined priority is {HIGHEST_USER_VALUE}"
        root.child("value").forbidden(words)
    if priority_class.HasField("preemption_policy"):
        policy, at = priority_class.preemption_policy, root.child("preemptionPolicy")
        at.check_choice(policy, _POLICIES)


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


def check_priority_class_change(root: Place, new: PriorityClass, old: PriorityClass) -> None:
    """Check a changed PriorityClass: Pods have its value and policy already, so both stay."""
    if new.value != old.value:
        root.child("value").forbidden("may not be changed in an update.")
    root.child("preemptionPolicy").check_immutable(new.preemption_policy, old.preemption_policy)


RuntimeClass = runtime_class_pb2.RuntimeClass


def check_runtime_class_change(root: Place, new: RuntimeClass, old: RuntimeClass) -> None:
    """Check that a RuntimeClass keeps its handler."""
    root.child("handler").check_immutable(new.handler, old.handler)


def check_runtime_class(root: Place, found: RuntimeClass) -> None:
    """Check a RuntimeClass."""
    root.child("handler").check_required(found.handler, names.dns_1123_label)
    resources.check_overhead(root.child("overhead"), found.overhead.pod_fixed)
    at = root.child("scheduling")
    check_labels(at.child("nodeSelector"), found.scheduling.node_selector)
    tolerations = found.scheduling.tolerations
    scheduling.check_tolerations(at.child("tolerations"), tolerations)
    seen = set()
    for index, one in enumerate(tolerations):
        key = (one.key, one.operator, one.value, one.effect)
        if key in seen:
            at.child("tolerations").index(index).duplicate(one)
        seen.add(key)
