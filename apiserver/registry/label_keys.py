"""What matchLabelKeys and mismatchLabelKeys of a new Pod's affinity become: conditions of the terms' own
selectors (KEP-3633).

The scheduler looks at selectors alone, so that a Pod means the same as long as it lives, whatever becomes of
its labels. Follows `pkg/registry/core/pod/strategy.go`: applyMatchLabelKeysAndMismatchLabelKeys.
"""

from collections.abc import Iterable, Mapping

from vaina.api.core.v1 import pod_pb2


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
