"""Rules for changes of Pods: nearly all of a Pod's spec stays as it was made.

Follows `pkg/apis/core/validation`: ValidatePodUpdate, ValidatePodEphemeralContainersUpdate.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from google.protobuf.message import Message

from apiserver.validation import annotations, metadata, pods, scheduling
from apiserver.validation.metadata import METADATA, Errors
from vaina.api.core.v1 import pod_pb2, reference_pb2
from vaina.objects import names
from vaina.objects.field_path import Path, forbidden, invalid, required
from vaina.objects.pods import MIRROR

_SPEC: Final = Path("spec")
_MUTABLE: Final = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_NARROWER: Final = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
#: upstream lets an image be changed here, which the kubelet then does not heed (decision 118)
_OF_NODE: Final = "a mirror pod shows a static pod, which is changed by its manifest on the node"
#: how many changed fields an error names
_MAX_CHANGES: Final = 16


def check_update(new: pod_pb2.Pod, old: pod_pb2.Pod) -> Errors:
    """Check a change of a Pod by a user."""
    errors = metadata.check_update(new.metadata, old.metadata)
    errors.extend(pods.check_pod(new))
    at, before, after = METADATA.child("annotations"), old.metadata.annotations, new.metadata.annotations
    if before or after:
        annotations.check_annotation_updates(errors, at, after, before)
    if MIRROR in before and new.spec != old.spec:
        changed = ", ".join([*changed_fields(_SPEC, new.spec, old.spec)][:_MAX_CHANGES])
        errors.append(forbidden(_SPEC, f"{_OF_NODE}\nchanged: {changed}"))
        return errors
    for field, shown in (("containers", "containers"), ("init_containers", "initContainers")):
        listed, was = getattr(new.spec, field), getattr(old.spec, field)
        if not _check_containers(errors, _SPEC.child(shown), listed, was):
            return errors
    if not _check_deadline(errors, new.spec, old.spec):
        return errors
    _check_tolerations(errors, _SPEC.child("tolerations"), new.spec, old.spec)
    _check_gates(errors, _SPEC.child("schedulingGates"), new.spec, old.spec)
    if new.spec != old.spec:
        _check_rest(errors, new.spec, old.spec)
    return errors


def check_update_of_metadata(new: pod_pb2.Pod, old: pod_pb2.Pod) -> Errors:
    """Check a change of a Pod whose spec stays as it is, and was found in order before.

    Its annotations say nothing of the spec.
    """
    errors = metadata.check_update(new.metadata, old.metadata)
    rule = names.dns_1123_subdomain
    if metadata.check_create(new.metadata, rule, namespaced=True, at=metadata.NOWHERE):
        errors.extend(metadata.check_create(new.metadata, rule, namespaced=True))
    return list(dict.fromkeys(errors))


def _check_containers(
    errors: Errors, path: Path, new: Sequence[pod_pb2.Container], old: Sequence[pod_pb2.Container]
) -> bool:
    """Check the only thing that may change in containers; say whether the rest can be compared."""
    if len(new) != len(old):
        errors.append(forbidden(path, "pod updates may not add or remove containers"))
        return False
    for index, container in enumerate(new):
        at = path.index(index).child("image")
        if not container.image:
            errors.append(required(at))
        if container.image != container.image.strip():
            errors.append(invalid(at, container.image, "must not have leading or trailing whitespace"))
    return True


def _check_deadline(errors: Errors, new: pod_pb2.PodSpec, old: pod_pb2.PodSpec) -> bool:
    """Check that the deadline is set, or comes nearer; say whether to go on."""
    at = _SPEC.child("activeDeadlineSeconds")
    if not new.HasField("active_deadline_seconds"):
        if old.HasField("active_deadline_seconds"):
            errors.append(invalid(at, None, "must not update from a positive integer to nil value"))
        return True
    seconds = new.active_deadline_seconds
    if not 0 <= seconds <= names.MAX_INT32:
        errors.append(invalid(at, seconds, names.in_range(0, names.MAX_INT32)))
        return False
    if old.HasField("active_deadline_seconds") and old.active_deadline_seconds < seconds:
        errors.append(invalid(at, seconds, "must be less than or equal to previous value"))
        return False
    return True


def _without_seconds(toleration: pod_pb2.Toleration) -> tuple[str, str, str, str]:
    return toleration.key, toleration.operator, toleration.value, toleration.effect


def _check_tolerations(errors: Errors, path: Path, new: pod_pb2.PodSpec, old: pod_pb2.PodSpec) -> None:
    """Check that tolerations are only added, or change how long they last."""
    kept = {_without_seconds(toleration) for toleration in new.tolerations}
    if any(_without_seconds(toleration) not in kept for toleration in old.tolerations):
        errors.append(forbidden(path, "existing toleration can not be modified except its tolerationSeconds"))
        return
    scheduling.check_tolerations(errors, path, new.tolerations)


def _check_gates(errors: Errors, path: Path, new: pod_pb2.PodSpec, old: pod_pb2.PodSpec) -> None:
    """Check that gates only go."""
    known = {gate.name for gate in old.scheduling_gates}
    for index, gate in enumerate(new.scheduling_gates):
        if gate.name not in known:
            detail = f"only deletion is allowed, but found new scheduling gate '{gate.name}'"
            errors.append(forbidden(path.index(index).child("name"), detail))


def _check_rest(errors: Errors, new: pod_pb2.PodSpec, old: pod_pb2.PodSpec) -> None:
    """Check that nothing else differs."""
    rest = pod_pb2.PodSpec()
    rest.CopyFrom(new)
    for field in ("containers", "init_containers"):
        for container, was in zip(getattr(rest, field), getattr(old, field), strict=True):
            container.image = was.image
    rest.ClearField("active_deadline_seconds")
    if old.HasField("active_deadline_seconds"):
        rest.active_deadline_seconds = old.active_deadline_seconds
    for field in ("scheduling_gates", "tolerations"):
        rest.ClearField(field)
        getattr(rest, field).MergeFrom(getattr(old, field))
    if old.termination_grace_period_seconds < 0 and rest.termination_grace_period_seconds == 1:
        rest.termination_grace_period_seconds = old.termination_grace_period_seconds
    if old.scheduling_gates:
        _check_gated(errors, rest, old)
    if rest != old:
        changed = [*changed_fields(_SPEC, rest, old)]
        named = ", ".join(changed[:_MAX_CHANGES])
        more = f" and {len(changed) - _MAX_CHANGES} more" if len(changed) > _MAX_CHANGES else ""
        errors.append(forbidden(_SPEC, f"{_MUTABLE}\nchanged: {named}{more}"))


def _check_gated(errors: Errors, rest: pod_pb2.PodSpec, old: pod_pb2.PodSpec) -> None:
    """Check what may become narrower while a Pod is gated (KEP-3838), and take it out of the comparison."""
    if rest.node_selector != old.node_selector:
        at = _SPEC.child("nodeSelector")
        for key in sorted(old.node_selector):
            if key not in rest.node_selector or rest.node_selector[key] != old.node_selector[key]:
                errors.append(invalid(at, dict(rest.node_selector), _NARROWER))
                break
        rest.ClearField("node_selector")
        rest.node_selector.update(old.node_selector)
    if rest.affinity.node_affinity != old.affinity.node_affinity:
        at = _SPEC.child("affinity", "nodeAffinity")
        _check_node_affinity(errors, at, rest.affinity.node_affinity, old.affinity.node_affinity)
        if old.affinity.HasField("node_affinity"):
            rest.affinity.node_affinity.CopyFrom(old.affinity.node_affinity)
        else:
            rest.affinity.ClearField("node_affinity")
            if not rest.affinity.ByteSize() and not old.HasField("affinity"):
                rest.ClearField("affinity")


def _check_node_affinity(
    errors: Errors, path: Path, new: pod_pb2.NodeAffinity, old: pod_pb2.NodeAffinity
) -> None:
    """Check that the required terms of the node affinity only grow longer."""
    field = "required_during_scheduling_ignored_during_execution"
    if not old.HasField(field):
        return
    at = path.child("requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms")
    terms = new.required_during_scheduling_ignored_during_execution.node_selector_terms
    was = old.required_during_scheduling_ignored_during_execution.node_selector_terms
    if len(terms) != len(was):
        detail = "no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        errors.append(invalid(at, [_shown(term) for term in terms], detail))
        return
    detail = "only additions are allowed (no mutations or deletions)"
    for index, (term, old_term) in enumerate(zip(terms, was, strict=True)):
        grown = all(
            list(getattr(term, part)[: len(getattr(old_term, part))]) == list(getattr(old_term, part))
            for part in ("match_expressions", "match_fields")
        )
        if not grown or (not old_term.ByteSize() and term.ByteSize()):
            errors.append(invalid(at.index(index), term, detail))


def _shown(term: reference_pb2.NodeSelectorTerm) -> dict[str, Any]:
    return {
        shown: [{"key": each.key, "operator": each.operator, "values": list(each.values)} for each in listed]
        for shown, listed in (
            ("matchExpressions", term.match_expressions),
            ("matchFields", term.match_fields),
        )
        if listed
    }


def changed_fields(path: Path, new: Message, old: Message) -> Iterator[str]:
    """Yield the paths of the fields in which two messages of one type differ, as deep as they can be told
    apart.
    """
    for field in new.DESCRIPTOR.fields:
        left, right = getattr(new, field.name), getattr(old, field.name)
        present = field.has_presence and new.HasField(field.name) != old.HasField(field.name)
        if not present and left == right:
            continue
        at = path.child(field.json_name)
        if isinstance(left, Message) and isinstance(right, Message) and not present:
            yield from changed_fields(at, left, right)
        elif isinstance(left, Mapping):
            keys = (
                key
                for key in sorted({*left, *right})
                if (key in left, left.get(key)) != (key in right, right.get(key))
            )
            yield from (str(at.key(key)) for key in keys)
        elif field.is_repeated and field.message_type and len(left) == len(right):
            for index, (one, other) in enumerate(zip(left, right, strict=True)):
                yield from changed_fields(at.index(index), one, other)
        else:
            yield str(at)
