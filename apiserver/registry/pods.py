"""What is special about Pods: phases, grace, gates, and what whoever makes one by hand should know.

Follows `pkg/registry/core/pod/strategy.go`.
"""

from collections.abc import Callable
from typing import Any

from apiserver.registry.label_keys import keep_label_keys, merge_label_keys
from apiserver.registry.pod_subresources import (
    EPHEMERAL_CONTAINERS,
    POD_EPHEMERAL_CONTAINERS,
    POD_RESIZE,
    RESIZE,
)
from apiserver.registry.strategy import Strategy, copy_field
from vaina.api.core.v1 import pod_pb2
from vaina.clock import timestamp
from vaina.objects.conditions import get_condition
from vaina.objects.meta import controller_of
from vaina.objects.pods import qos_class

SCHEDULED = "PodScheduled"
PENDING, SUCCEEDED, FAILED = "Pending", "Succeeded", "Failed"
TERMINAL = frozenset((SUCCEEDED, FAILED))
#: the annotation of Pods that show a static Pod: the kubelet owns those
_MIRROR = "kubernetes.io/config.mirror"


def _keep_scheduled(new: pod_pb2.PodStatus, old: pod_pb2.PodStatus) -> None:
    """Keep what a binding says of the condition PodScheduled."""
    bound, said = get_condition(old, SCHEDULED), get_condition(new, SCHEDULED)
    if bound is not None and said is not None and bound.status == "True":
        said.CopyFrom(bound)


class PodStrategy(Strategy[pod_pb2.Pod]):
    """The hooks."""

    has_generation = True

    def __init__(self, *, ephemeral_containers: bool = True) -> None:
        """Make the strategy; without `ephemeral_containers` there is no such door (row B12)."""
        self.subresources = {RESIZE: POD_RESIZE}
        if ephemeral_containers:
            self.subresources[EPHEMERAL_CONTAINERS] = POD_EPHEMERAL_CONTAINERS

    def prepare_for_create(self, obj: pod_pb2.Pod, now: float) -> None:
        """A new Pod is Pending; one with scheduling gates says so."""
        obj.ClearField("status")
        obj.status.phase = PENDING
        obj.status.qos_class = qos_class(obj)
        merge_label_keys(obj.spec, obj.metadata.labels)
        if obj.spec.scheduling_gates:
            obj.status.conditions.add(
                type=SCHEDULED,
                status="False",
                reason="SchedulingGated",
                message="Scheduling is blocked due to non-empty scheduling gates",
                last_transition_time=timestamp(now),
            )

    def prepare_for_update(self, new: pod_pb2.Pod, old: pod_pb2.Pod) -> None:
        """The status stays, but for the condition of gates that were all taken away; so does what admission gave at the creation."""
        copy_field(new, old, "status")
        if old.spec.HasField("priority") and not new.spec.HasField("priority"):
            new.spec.priority = old.spec.priority
        if old.spec.HasField("preemption_policy") and not new.spec.HasField("preemption_policy"):
            new.spec.preemption_policy = old.spec.preemption_policy
        keep_label_keys(new, old)
        if old.spec.scheduling_gates and not new.spec.scheduling_gates:
            kept = [c for c in new.status.conditions if c.reason != "SchedulingGated"]
            del new.status.conditions[:]
            new.status.conditions.extend(kept)

    def prepare_for_status_update(self, new: pod_pb2.Pod, old: pod_pb2.Pod) -> None:
        """Succeeded and Failed are final (I12): a late report of another phase changes neither phase nor reason.

        That a Pod is scheduled is final too: masked updates need no version, so a scheduler's late word that a Pod fits
        nowhere may come after the binding (decision 036).
        """
        new.status.qos_class = new.status.qos_class or old.status.qos_class
        if old.status.phase in TERMINAL and new.status.phase != old.status.phase:
            new.status.phase = old.status.phase
            new.status.reason, new.status.message = old.status.reason, old.status.message
        if old.spec.node_name:
            _keep_scheduled(new.status, old.status)

    def grace_seconds(self, obj: pod_pb2.Pod, wished: int | None) -> int | None:
        """The request's, or the Pod's own; a Pod that no kubelet runs, or that has ended, goes at once."""
        if not obj.spec.node_name or obj.status.phase in TERMINAL:
            return 0
        grace = obj.spec.termination_grace_period_seconds if wished is None else wished
        return 1 if grace < 0 else grace

    def warner(self, obj: pod_pb2.Pod) -> Callable[[str], str] | None:
        """Row B18: a Pod that nothing manages is not replaced."""
        meta: Any = obj.metadata
        if controller_of(meta) is not None or _MIRROR in meta.annotations:
            return None
        return _unmanaged


def _unmanaged(name: str) -> str:
    return (
        f'Pod "{name}" has no controller: nothing will replace it when it is deleted, evicted or its node fails; '
        "use a ReplicaSet to keep it running"
    )
