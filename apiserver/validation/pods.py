"""Rules for Pods that are made.

Updates stand in `pod_updates`, status in `pod_status`. Follows `pkg/apis/core/validation`: ValidatePodCreate,
validatePodMetadataAndSpec.
"""

from typing import Final

from apiserver.validation import annotations, containers, metadata
from apiserver.validation.metadata import METADATA, NOWHERE, Errors
from apiserver.validation.pod_spec import check_pod_spec
from vaina.api.core.v1 import pod_pb2
from vaina.objects import names
from vaina.objects.field_path import Path, forbidden

SPEC: Final = Path("spec")


def check_pod(pod: pod_pb2.Pod) -> Errors:
    """Check a Pod's metadata and spec, as they must be at any time."""
    return _check(pod, METADATA, SPEC) if _check(pod, NOWHERE, NOWHERE) else []


def _check(pod: pod_pb2.Pod, at: Path, spec_path: Path) -> Errors:
    meta, spec = pod.metadata, pod.spec
    errors = metadata.check_create(meta, names.dns_1123_subdomain, namespaced=True, at=at)
    if meta.annotations:
        annotations.check_annotations(errors, at.child("annotations"), meta.annotations, spec)
    check_pod_spec(errors, spec_path, spec, pod_name=meta.name, is_pod=True)
    if not spec.service_account_name and spec.volumes:
        _check_no_tokens(errors, spec)
    for field, listed in (("containers", spec.containers), ("initContainers", spec.init_containers)):
        for index, container in enumerate(listed):
            if container.image[:1].isspace() or container.image[-1:].isspace():
                containers.check_image_of_pod(errors, SPEC.child(field).index(index), container.image)
    return errors


def _check_no_tokens(errors: Errors, spec: pod_pb2.PodSpec) -> None:
    """Report tokens of a service account that the Pod does not name."""
    for number, volume in enumerate(spec.volumes):
        for index, source in enumerate(volume.volume_source.projected.sources):
            if source.HasField("service_account_token"):
                at = SPEC.child("volumes").index(number).child("projected", "sources").index(index)
                detail = "must not be specified when serviceAccountName is not set"
                errors.append(forbidden(at.child("serviceAccountToken"), detail))


def check_create(pod: pod_pb2.Pod) -> Errors:
    """Check a new Pod."""
    errors = check_pod(pod)
    if pod.spec.ephemeral_containers:
        errors.append(forbidden(SPEC.child("ephemeralContainers"), "cannot be set on create"))
    if pod.spec.node_name and pod.spec.scheduling_gates:
        detail = "cannot be set until all schedulingGates have been cleared"
        errors.append(forbidden(SPEC.child("nodeName"), detail))
    if pod.metadata.annotations:
        annotations.check_profiles_match(errors, SPEC, pod.metadata.annotations, pod.spec)
    return errors
