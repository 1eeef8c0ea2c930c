"""Rules for Pods that are made or changed; nearly all of a Pod's spec stays as it was made.

Follows `pkg/apis/core/validation`: ValidatePodCreate, validatePodMetadataAndSpec, ValidatePodUpdate.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from google.protobuf.message import Message

from apiserver.validation import annotations, containers, metadata, scheduling
from apiserver.validation.place import Place
from apiserver.validation.pod_spec import check_pod_spec
from vaina.api.core.v1 import pod_pb2, reference_pb2
from vaina.objects import names
from vaina.objects.pods import MIRROR


def check_metadata(root: Place, pod: pod_pb2.Pod) -> None:
    """Check the metadata of a Pod, as they must be at any time."""
    metadata.check_create(root, pod.metadata, names.dns_1123_subdomain, namespaced=True)


def check_pod(root: Place, pod: pod_pb2.Pod) -> None:
    """Check the metadata and the spec of a Pod, as they must be at any time."""
    meta, spec, path = pod.metadata, pod.spec, root.child("spec")
    check_metadata(root, pod)
    if meta.annotations:
        annotations.check_annotations(root.child("metadata", "annotations"), meta.annotations, spec)
    check_pod_spec(path, spec, pod_name=meta.name, is_pod=True)
    if not spec.service_account_name and spec.volumes:
        _check_no_tokens(path, spec)
    for field, listed in (("containers", spec.containers), ("initContainers", spec.init_containers)):
        for index, container in enumerate(listed):
            if container.image[:1].isspace() or container.image[-1:].isspace():
                containers.check_image_of_pod(path.child(field).index(index), container.image)


def _check_no_tokens(path: Place, spec: pod_pb2.PodSpec) -> None:
    """Report tokens of a service account that the Pod does not name."""
    for number, volume in enumerate(spec.volumes):
        for index, source in enumerate(volume.volume_source.projected.sources):
            if source.HasField("service_account_token"):
                at = path.child("volumes").index(number).child("projected", "sources").index(index)
                detail = "must not be specified when serviceAccountName is not set"
                at.child("serviceAccountToken").forbidden(detail)


def check_create(root: Place, pod: pod_pb2.Pod) -> None:
    """Check a new Pod."""
    check_pod(root, pod)
    if pod.spec.ephemeral_containers:
        root.child("spec", "ephemeralContainers").forbidden("cannot be set on create")
    if pod.spec.node_name and pod.spec.scheduling_gates:
        root.child("spec", "nodeName").forbidden("cannot be set until all schedulingGates have been cleared")
    if pod.metadata.annotations:
        annotations.check_profiles_match(root.child("spec"), pod.metadata.annotations, pod.spec)


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


def check_update(root: Place, new: pod_pb2.Pod, old: pod_pb2.Pod) -> None:
    """Check a change of a Pod by a user."""
    metadata.check_update(root, new.metadata, old.metadata)
    check_pod(root, new)
    before, after = old.metadata.annotations, new.metadata.annotations
    if before or after:
        annotations.check_annotation_updates(root.child("metadata", "annotations"), after, before)
    if MIRROR in before and new.spec != old.spec:
        changed = ", ".join([*changed_fields(root.child("spec"), new.spec, old.spec)][:_MAX_CHANGES])
        root.child("spec").forbidden(f"{_OF_NODE}\nchanged: {changed}")
        return
    for field, shown in (("containers", "containers"), ("init_containers", "initContainers")):
        listed, was = getattr(new.spec, field), getattr(old.spec, field)
        if not _check_containers(root.child("spec", shown), listed, was):
            return
    if not _check_deadline(root.child("spec"), new.spec, old.spec):
        return
    _check_tolerations(root.child("spec", "tolerations"), new.spec, old.spec)
    _check_gates(root.child("spec", "schedulingGates"), new.spec, old.spec)
    if new.spec != old.spec:
        _check_rest(root.child("spec"), new.spec, old.spec)


def _check_containers(
    path: Place, new: Sequence[pod_pb2.Container], old: Sequence[pod_pb2.Container]
) -> bool:
    """Check the only thing that may change in containers; say whether the rest can be compared."""
    if len(new) != len(old):
        path.forbidden("pod updates may not add or remove containers")
        return False
    for index, container in enumerate(new):
        at = path.index(index).child("image")
        if not container.image:
            at.required()
        if container.image != container.image.strip():
            at.invalid(container.image, "must not have leading or trailing whitespace")
    return True


def _check_deadline(path: Place, new: pod_pb2.PodSpec, old: pod_pb2.PodSpec) -> bool:
    """Check that the deadline is set, or comes nearer; say whether to go on."""
    at = path.child("activeDeadlineSeconds")
    if not new.HasField("active_deadline_seconds"):
        if old.HasField("active_deadline_seconds"):
            at.invalid(None, "must not update from a positive integer to nil value")
        return True
    seconds = new.active_deadline_seconds
    if not 0 <= seconds <= names.MAX_INT32:
        at.invalid(seconds, names.in_range(0, names.MAX_INT32))
        return False
    if old.HasField("active_deadline_seconds") and old.active_deadline_seconds < seconds:
        at.invalid(seconds, "must be less than or equal to previous value")
        return False
    return True


def _without_seconds(toleration: pod_pb2.Toleration) -> tuple[str, str, str, str]:
    return toleration.key, toleration.operator, toleration.value, toleration.effect


def _check_tolerations(path: Place, new: pod_pb2.PodSpec, old: pod_pb2.PodSpec) -> None:
    """Check that tolerations are only added, or change how long they last."""
    kept = {_without_seconds(toleration) for toleration in new.tolerations}
    if any(_without_seconds(toleration) not in kept for toleration in old.tolerations):
        path.forbidden("existing toleration can not be modified except its tolerationSeconds")
        return
    scheduling.check_tolerations(path, new.tolerations)


def _check_gates(path: Place, new: pod_pb2.PodSpec, old: pod_pb2.PodSpec) -> None:
    """Check that gates only go."""
    known = {gate.name for gate in old.scheduling_gates}
    for index, gate in enumerate(new.scheduling_gates):
        if gate.name not in known:
            detail = f"only deletion is allowed, but found new scheduling gate '{gate.name}'"
            path.index(index).child("name").forbidden(detail)


def _check_rest(path: Place, new: pod_pb2.PodSpec, old: pod_pb2.PodSpec) -> None:
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
        _check_gated(path, rest, old)
    if rest != old:
        changed = [*changed_fields(path, rest, old)]
        named = ", ".join(changed[:_MAX_CHANGES])
        more = f" and {len(changed) - _MAX_CHANGES} more" if len(changed) > _MAX_CHANGES else ""
        path.forbidden(f"{_MUTABLE}\nchanged: {named}{more}")


def _check_gated(path: Place, rest: pod_pb2.PodSpec, old: pod_pb2.PodSpec) -> None:
    """Check what may become narrower while a Pod is gated (KEP-3838), and take it out of the comparison."""
    if rest.node_selector != old.node_selector:
        at = path.child("nodeSelector")
        for key in sorted(old.node_selector):
            if key not in rest.node_selector or rest.node_selector[key] != old.node_selector[key]:
                at.invalid(dict(rest.node_selector), _NARROWER)
                break
        rest.ClearField("node_selector")
        rest.node_selector.update(old.node_selector)
    if rest.affinity.node_affinity != old.affinity.node_affinity:
        at = path.child("affinity", "nodeAffinity")
        _check_node_affinity(at, rest.affinity.node_affinity, old.affinity.node_affinity)
        if old.affinity.HasField("node_affinity"):
            rest.affinity.node_affinity.CopyFrom(old.affinity.node_affinity)
        else:
            rest.affinity.ClearField("node_affinity")
            if not rest.affinity.ByteSize() and not old.HasField("affinity"):
                rest.ClearField("affinity")


def _check_node_affinity(path: Place, new: pod_pb2.NodeAffinity, old: pod_pb2.NodeAffinity) -> None:
    """Check that the required terms of the node affinity only grow longer."""
    field = "required_during_scheduling_ignored_during_execution"
    if not old.HasField(field):
        return
    at = path.child("requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms")
    terms = new.required_during_scheduling_ignored_during_execution.node_selector_terms
    was = old.required_during_scheduling_ignored_during_execution.node_selector_terms
    if len(terms) != len(was):
        detail = "no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        at.invalid([_shown(term) for term in terms], detail)
        return
    detail = "only additions are allowed (no mutations or deletions)"
    for index, (term, old_term) in enumerate(zip(terms, was, strict=True)):
        grown = all(
            list(getattr(term, part)[: len(getattr(old_term, part))]) == list(getattr(old_term, part))
            for part in ("match_expressions", "match_fields")
        )
        if not grown or (not old_term.ByteSize() and term.ByteSize()):
            at.index(index).invalid(term, detail)


def _shown(term: reference_pb2.NodeSelectorTerm) -> dict[str, Any]:
    return {
        shown: [{"key": each.key, "operator": each.operator, "values": list(each.values)} for each in listed]
        for shown, listed in (
            ("matchExpressions", term.match_expressions),
            ("matchFields", term.match_fields),
        )
        if listed
    }


def changed_fields(path: Place, new: Message, old: Message) -> Iterator[str]:
    """Yield the paths of the fields in which two messages of one type differ."""
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
