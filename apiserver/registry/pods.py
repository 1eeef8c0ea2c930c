"""What is special about Pods: phases, grace, gates, label keys, sub-resources, and what a maker of a Pod by hand
should know.

Follows `pkg/registry/core/pod/strategy.go`: of a sub-resource, what a request says of anything else is ignored
(podEphemeralContainersStrategy, podResizeStrategy). matchLabelKeys and mismatchLabelKeys of a new Pod's affinity
become conditions of the terms' own selectors (KEP-3633, applyMatchLabelKeysAndMismatchLabelKeys): the scheduler
looks at selectors alone, so that a Pod means the same as long as it lives, whatever becomes of its labels.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final

from apiserver.registry.strategy import Strategy, Subresource, copy_field, keep_field
from apiserver.validation import pod_subresources
from apiserver.validation.place import find_violations
from vaina.api.core.v1 import pod_pb2
from vaina.clock import timestamp
from vaina.objects.conditions import get_condition
from vaina.objects.meta import controller_of
from vaina.objects.pods import is_mirror, qos_class

EPHEMERAL_CONTAINERS: Final = "ephemeralcontainers"
RESIZE: Final = "resize"


def with_ephemeral_containers(sent: pod_pb2.Pod, old: pod_pb2.Pod, now: float) -> pod_pb2.Pod:
    """Return the stored Pod with the ephemeral containers that were sent."""
    new = pod_pb2.Pod()
    new.CopyFrom(old)
    new.spec.ClearField("ephemeral_containers")
    new.spec.ephemeral_containers.MergeFrom(sent.spec.ephemeral_containers)
    return new


def with_resources(sent: pod_pb2.Pod, old: pod_pb2.Pod, now: float) -> pod_pb2.Pod:
    """Return the stored Pod with the resources and resize policies that were sent.

    Containers that were added, removed, renamed or reordered stay as sent: validation refuses them.
    """
    new = pod_pb2.Pod()
    new.CopyFrom(old)
    for field in ("containers", "init_containers"):
        listed, wanted = getattr(new.spec, field), getattr(sent.spec, field)
        if [item.name for item in listed] != [item.name for item in wanted]:
            new.spec.ClearField(field)
            getattr(new.spec, field).MergeFrom(wanted)
            continue
        for container, asked in zip(listed, wanted, strict=True):
            container.resources.CopyFrom(asked.resources)
            container.ClearField("resize_policy")
            container.resize_policy.MergeFrom(asked.resize_policy)
    if sent.spec.HasField("resources"):
        new.spec.resources.CopyFrom(sent.spec.resources)
    return new


POD_EPHEMERAL_CONTAINERS: Final = Subresource(
    with_ephemeral_containers, partial(find_violations, pod_subresources.check_ephemeral_containers_update)
)
POD_RESIZE: Final = Subresource(with_resources, partial(find_violations, pod_subresources.check_resize))


def merge_label_keys(spec: pod_pb2.PodSpec, labels: Mapping[str, str]) -> None:
    """Add a condition for each key that the Pod has a label of; a term without a selector stays without one."""
    for term in _terms(spec):
        if not term.HasField("label_selector"):
            continue
        for operator, keys in (("In", term.match_label_keys), ("NotIn", term.mismatch_label_keys)):
            for key in keys:
                if key in labels:
                    term.label_selector.match_expressions.add(
                        key=key, operator=operator, values=[labels[key]]
                    )


def keep_label_keys(new: pod_pb2.Pod, old: pod_pb2.Pod) -> None:
    """Keep what was added at the creation if the affinity is what was sent then: clients do not know of it."""
    if not has_label_keys(old.spec):
        return
    merged = pod_pb2.PodSpec(affinity=new.spec.affinity)
    merge_label_keys(merged, old.metadata.labels)
    if merged.affinity == old.spec.affinity:
        new.spec.affinity.CopyFrom(old.spec.affinity)


def has_label_keys(spec: pod_pb2.PodSpec) -> bool:
    """Say whether a term has such keys."""
    return any(term.match_label_keys or term.mismatch_label_keys for term in _terms(spec))


def _terms(spec: pod_pb2.PodSpec) -> Iterable[pod_pb2.PodAffinityTerm]:
    if not spec.HasField("affinity"):
        return
    for part in (spec.affinity.pod_affinity, spec.affinity.pod_anti_affinity):
        yield from part.required_during_scheduling_ignored_during_execution
        for weighted in part.preferred_during_scheduling_ignored_during_execution:
            yield weighted.pod_affinity_term


SCHEDULED = "PodScheduled"
PENDING, SUCCEEDED, FAILED = "Pending", "Succeeded", "Failed"
TERMINAL = frozenset((SUCCEEDED, FAILED))
#: a client that does not know them does not take them away
_KEPT_CLAIMS: Final = (
    "resource_claim_statuses",
    "extended_resource_claim_status",
    "node_allocatable_resource_claim_statuses",
)


def _has(status: pod_pb2.PodStatus, field: str) -> bool:
    if status.DESCRIPTOR.fields_by_name[field].is_repeated:
        return bool(getattr(status, field))
    return status.HasField(field)


def _keep_observed(new: pod_pb2.PodStatus, old: pod_pb2.PodStatus) -> None:
    """Keep an observedGeneration that the client does not know (upstream: preserveOldObservedGeneration)."""
    new.observed_generation = new.observed_generation or old.observed_generation
    known: dict[str, list[int]] = {}
    for condition in old.conditions:
        known.setdefault(condition.type, []).append(condition.observed_generation)
    for condition in new.conditions:
        generations = known.get(condition.type)
        before = generations.pop(0) if generations else 0
        condition.observed_generation = condition.observed_generation or before


def _keep_scheduled(new: pod_pb2.PodStatus, old: pod_pb2.PodStatus) -> None:
    """Keep that a bound Pod is scheduled, whoever says otherwise.

    A kubelet may add of which generation it speaks: a binding leaves that open, as upstream
    (`setPodNodeAndMetadata` in `pkg/registry/core/pod/storage/storage.go`, `generateAPIPodStatus` in
    `pkg/kubelet/kubelet_pods.go`).
    """
    bound, said = get_condition(old, SCHEDULED), get_condition(new, SCHEDULED)
    if bound is not None and said is not None and bound.status == "True" and said.status != "True":
        said.CopyFrom(bound)


class PodStrategy(Strategy[pod_pb2.Pod]):
    """The hooks."""

    has_generation = True
    kept_by_status: tuple[str, ...] = ("deletion_timestamp", "owner_references")

    def __init__(self, *, ephemeral_containers: bool = True) -> None:
        """Make the strategy; without `ephemeral_containers` there is no such sub-resource (row B12)."""
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

    def prepare_for_update(self, new: pod_pb2.Pod, old: pod_pb2.Pod, now: float) -> None:
        """Keep the status, but for the condition of gates that were all taken away, and what admission gave."""
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

    def prepare_for_status_update(self, new: pod_pb2.Pod, old: pod_pb2.Pod, now: float) -> None:
        """Succeeded and Failed are final (I12): a late report of another phase changes neither phase nor
        reason.

        That a Pod is scheduled is final too: a scheduler's late word that it fits nowhere may come after the
        binding, and masked updates need no version (decision 036).
        """
        new.status.qos_class = new.status.qos_class or old.status.qos_class
        for field in _KEPT_CLAIMS:
            if not _has(new.status, field):
                keep_field(new.status, old.status, field)
        _keep_observed(new.status, old.status)
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
        if controller_of(meta) is not None or is_mirror(obj):
            return None
        return _unmanaged


def _unmanaged(name: str) -> str:
    return (
        f'Pod "{name}" has no controller: nothing will replace it when it is deleted, evicted or its node fails; '
        "use a ReplicaSet to keep it running"
    )
