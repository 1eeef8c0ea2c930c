"""Rules for PodTemplates, for the templates of workloads, and for those of workloads that end.

Follows `pkg/apis/core/validation`: ValidatePodTemplate, ValidatePodTemplateSpec, and
`pkg/apis/batch/validation` for the last.
"""

from typing import Final

from apiserver.validation import annotations, metadata
from apiserver.validation.place import Place
from apiserver.validation.pod_spec import check_pod_spec
from vaina.api.core.v1 import pod_pb2
from vaina.objects import names

_FINITE_POLICIES: Final = ("OnFailure", "Never")


def check_create(root: Place, new: pod_pb2.PodTemplate) -> None:
    """Check a new PodTemplate."""
    metadata.check_create(root, new.metadata, names.dns_1123_subdomain, namespaced=True)
    check_template(root.child("template"), new.template)


def check_update(root: Place, new: pod_pb2.PodTemplate, old: pod_pb2.PodTemplate) -> None:
    """Check a changed PodTemplate: all of its template may change."""
    metadata.check_update(root, new.metadata, old.metadata)
    check_template(root.child("template"), new.template)


def check_template(path: Place, template: pod_pb2.PodTemplateSpec) -> None:
    """Check a template; its name and namespace mean nothing. Upstream's paths of the labels lack `metadata`."""
    meta, spec = template.metadata, template.spec
    metadata.check_labels(path.child("labels"), meta.labels)
    if meta.annotations:
        metadata.check_annotations(path.child("annotations"), meta.annotations)
        annotations.check_annotations(path.child("annotations"), meta.annotations, spec)
    check_pod_spec(path.child("spec"), spec, pod_name="", is_pod=False)
    if meta.annotations:
        annotations.check_profiles_match(path.child("spec"), meta.annotations, spec)
    if spec.ephemeral_containers:
        detail = "ephemeral containers not allowed in pod template"
        path.child("spec", "ephemeralContainers").forbidden(detail)


def check_endless_template(path: Place, template: pod_pb2.PodTemplateSpec, kind: str) -> None:
    """Check the template of a workload whose Pods are kept running, as a ReplicaSet's."""
    check_template(path, template)
    at = path.child("spec")
    if template.spec.restart_policy != "Always":
        at.child("restartPolicy").not_supported(template.spec.restart_policy, ["Always"])
    if template.spec.HasField("active_deadline_seconds"):
        at.child("activeDeadlineSeconds").forbidden(f"activeDeadlineSeconds in {kind} is not Supported")


def check_finite_template(path: Place, template: pod_pb2.PodTemplateSpec) -> None:
    """Check the template of a workload whose Pods end, as a Job's: it may not restart them for ever.

    Where restartPolicy stands on a container only, the Pod's own is Always by default. The error says where
    it belongs.
    """
    check_template(path, template)
    policy = template.spec.restart_policy
    if policy in _FINITE_POLICIES:
        return
    at = path.child("spec", "restartPolicy")
    misplaced = [
        path.child("spec", "containers").index(index).child("restartPolicy")
        for index, container in enumerate(template.spec.containers)
        if container.HasField("restart_policy")
    ]
    wanted = [f'"{name}"' for name in _FINITE_POLICIES]
    if misplaced:
        where = ", ".join(str(place) for place in misplaced)
        detail = (
            f"valid values: {' or '.join(wanted)}; {where} is only for that container, the Pod's restartPolicy belongs at {at} "
            '(it is "Always" when it is left out)'
        )
        at.required(detail)
    elif policy in ("", "Always"):
        at.required(f"valid values: {', '.join(wanted)}")
    else:
        at.not_supported(policy, _FINITE_POLICIES)
