"""Rules for Pods that are made.

Updates stand in `pod_updates`, status in `pod_status`. Follows `pkg/apis/core/validation`: ValidatePodCreate,
validatePodMetadataAndSpec.
"""

from apiserver.validation import annotations, containers, metadata
from apiserver.validation.place import Place
from apiserver.validation.pod_spec import check_pod_spec
from vaina.api.core.v1 import pod_pb2
from vaina.objects import names


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
