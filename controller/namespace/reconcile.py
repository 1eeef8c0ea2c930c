"""PURE: what the status of an ending namespace says, and whether it may go.

Follows `pkg/controller/namespace/deletion` (namespaced_resources_deleter.go, status_condition_utils.go).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from controller.plans import copy_of
from vaina.api.core.v1 import namespace_pb2
from vaina.clock import timestamp
from vaina.objects.conditions import find_condition

#: the entry of spec.finalizers that holds a namespace until it is empty
FINALIZER = "kubernetes"


@dataclass(frozen=True, slots=True)
class Remaining:
    """What is left of one kind in a namespace."""

    #: the plural, a dot and the group, as upstream's messages say: `pods.`, `replicasets.apps`
    resource: str
    count: int
    #: finalizer -> how many objects it holds
    finalizers: tuple[tuple[str, int], ...] = ()


def reconcile(
    namespace: namespace_pb2.Namespace, remaining: Sequence[Remaining], failures: Sequence[str], *, now: float
) -> tuple[bool, namespace_pb2.NamespaceStatus | None]:
    """Say whether nothing is left in an ending namespace, and the status to write, None when it is as it
    should be.

    `remaining` is what is left, by kind; `failures` says why kinds could not be emptied.
    """
    left = [item for item in remaining if item.count]
    status = copy_of(namespace.status)
    status.phase = "Terminating"
    # Kinds are a table here, so these two never fail; they are set because clients look for them.
    _set(
        status, "NamespaceDeletionDiscoveryFailure", "", "",
        "ResourcesDiscovered", "All resources successfully discovered", now,
    )  # fmt: skip
    _set(
        status, "NamespaceDeletionGroupVersionParsingFailure", "", "",
        "ParsedGroupVersions", "All legacy kube types successfully parsed", now,
    )  # fmt: skip
    failed = f"Failed to delete all resource types, {len(failures)} remaining: {', '.join(sorted(failures))}"
    _set(
        status, "NamespaceDeletionContentFailure", "ContentDeletionFailed" if failures else "", failed,
        "ContentDeleted", "All content successfully deleted, may be waiting on finalization", now,
    )  # fmt: skip
    counts = ", ".join(sorted(f"{item.resource} has {item.count} resource instances" for item in left))
    _set(
        status, "NamespaceContentRemaining", "SomeResourcesRemain" if left else "",
        f"Some resources are remaining: {counts}", "ContentRemoved", "All content successfully removed", now,
    )  # fmt: skip
    held: dict[str, int] = {}
    for item in left:
        for name, count in item.finalizers:
            held[name] = held.get(name, 0) + count
    words = ", ".join(f"{name} in {count} resource instances" for name, count in sorted(held.items()))
    _set(
        status, "NamespaceFinalizersRemaining", "SomeFinalizersRemain" if held else "",
        f"Some content in the namespace has finalizers remaining: {words}", "ContentHasNoFinalizers",
        "All content-preserving finalizers finished", now,
    )  # fmt: skip
    return not left and not failures, None if status == namespace.status else status


def _set(
    status: namespace_pb2.NamespaceStatus,
    type: str,
    reason: str,
    message: str,
    reason_false: str,
    message_false: str,
    now: float,
) -> None:
    known = find_condition(status.conditions, type)
    state = "True" if reason else "False"
    condition = known if known is not None else status.conditions.add(type=type)
    if condition.status != state:
        condition.status = state
        condition.last_transition_time.CopyFrom(timestamp(now))
    condition.reason = reason or reason_false
    condition.message = message if reason else message_false
