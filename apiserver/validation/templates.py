"""Rules for PodTemplates, for the templates of workloads, and for those of workloads that end.

Follows `pkg/apis/core/validation`: ValidatePodTemplate, ValidatePodTemplateSpec, and
`pkg/apis/batch/validation` for the last.
"""

from typing import Final

from apiserver.validation import annotations, metadata
from apiserver.validation.metadata import Errors
from apiserver.validation.pod_spec import check_pod_spec
from vaina.api.core.v1 import pod_pb2
from vaina.objects import names
from vaina.objects.field_path import Path, forbidden, not_supported, required

_FINITE_POLICIES: Final = ("OnFailure", "Never")


def check_create(new: pod_pb2.PodTemplate) -> Errors:
    """Check a new PodTemplate."""
    errors = metadata.check_create(new.metadata, names.dns_1123_subdomain, namespaced=True)
    check_template(errors, Path("template"), new.template)
    return errors


def check_update(new: pod_pb2.PodTemplate, old: pod_pb2.PodTemplate) -> Errors:
    """Check a changed PodTemplate: all of its template may change."""
    errors = metadata.check_update(new.metadata, old.metadata)
    check_template(errors, Path("template"), new.template)
    return errors


def check_template(errors: Errors, path: Path, template: pod_pb2.PodTemplateSpec) -> None:
    """Check a template; its name and namespace mean nothing. Upstream's paths of the labels lack `metadata`."""
    meta, spec = template.metadata, template.spec
    metadata.check_labels(errors, path.child("labels"), meta.labels)
    if meta.annotations:
        metadata.check_annotations(errors, path.child("annotations"), meta.annotations)
        annotations.check_annotations(errors, path.child("annotations"), meta.annotations, spec)
    check_pod_spec(errors, path.child("spec"), spec, pod_name="", is_pod=False)
    if meta.annotations:
        annotations.check_profiles_match(errors, path.child("spec"), meta.annotations, spec)
    if spec.ephemeral_containers:
        detail = "ephemeral containers not allowed in pod template"
        errors.append(forbidden(path.child("spec", "ephemeralContainers"), detail))


def check_endless_template(errors: Errors, path: Path, template: pod_pb2.PodTemplateSpec, kind: str) -> None:
    """Check the template of a workload whose Pods are kept running, as a ReplicaSet's."""
    check_template(errors, path, template)
    at = path.child("spec")
    if template.spec.restart_policy != "Always":
        errors.append(not_supported(at.child("restartPolicy"), template.spec.restart_policy, ["Always"]))
    if template.spec.HasField("active_deadline_seconds"):
        detail = f"activeDeadlineSeconds in {kind} is not Supported"
        errors.append(forbidden(at.child("activeDeadlineSeconds"), detail))


def check_finite_template(errors: Errors, path: Path, template: pod_pb2.PodTemplateSpec) -> None:
    """Check the template of a workload whose Pods end, as a Job's: it may not restart them for ever.

    Where restartPolicy stands on a container only, the Pod's own is Always by default. The error says where
    it belongs.
    """
    check_template(errors, path, template)
    policy = template.spec.restart_policy
    if policy in _FINITE_POLICIES:
        return
    at = path.child("spec", "restartPolicy")
    misplaced = [
        path.child("spec", "containers").index(index).child("restartPolicy")
        for index, container in enumerate(template.spec.containers)
        if container.HasField("restart_policy")
    ]
    if misplaced:
        where = ", ".join(str(place) for place in misplaced)
        wanted = " or ".join(f'"{name}"' for name in _FINITE_POLICIES)
        detail = (
            f"valid values: {wanted}; {where} is only for that container, the Pod's restartPolicy belongs at {at} "
            '(it is "Always" when it is left out)'
        )
        errors.append(required(at, detail))
    else:
        quoted = ", ".join(f'"{name}"' for name in _FINITE_POLICIES)
        errors.append(
            required(at, f"valid values: {quoted}")
            if policy in ("", "Always")
            else not_supported(at, policy, _FINITE_POLICIES)
        )
