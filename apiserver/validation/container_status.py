"""Rules for what containers report of their devices and volumes, and Pods of the claims made for them.

Called by `pod_status`. Follows `pkg/apis/core/validation`: validateContainerStatusAllocatedResourcesStatus,
validateVolumeStatus, validatePodExtendedResourceClaimStatus, validateNodeAllocatableResourceClaimStatus.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from apiserver.validation.place import Place
from vaina.api.core.v1 import pod_pb2
from vaina.objects import names

_HEALTH: Final = ("Healthy", "Unhealthy", "Unknown")
_MAX_MESSAGE: Final = 1024
_MAX_IMAGE_REF: Final = 256
_CLAIM: Final = "claim:"
_NO_CLAIM: Final = (
    "must match one of the container's resource claims in a format 'claim:<claimName>/<request>' or 'claim:<claimName>' if "
    "request is empty"
)
_NO_REQUEST: Final = "must match one of the container's resource requests"
_NO_RESOURCE: Final = (
    "must match the extended resource name of an entry in spec.initContainers.resources.requests or "
    "spec.containers.resources.requests"
)
_NO_CONTAINER: Final = "must match the name of an entry in spec.initContainers.name or spec.containers.name"


def check(path: Place, pod: pod_pb2.Pod) -> None:
    """Check the status of a Pod; `path` is its status."""
    status, spec = pod.status, pod.spec
    if status.HasField("extended_resource_claim_status"):
        _check_extended(path.child("extendedResourceClaimStatus"), pod)
    if status.node_allocatable_resource_claim_statuses:
        _check_allocatable(path.child("nodeAllocatableResourceClaimStatuses"), pod)
    for shown, statuses, containers in (
        ("containerStatuses", status.container_statuses, spec.containers),
        ("initContainerStatuses", status.init_container_statuses, spec.init_containers),
    ):
        known = {container.name: container for container in containers}
        for index, one in enumerate(statuses):
            at = path.child(shown).index(index).child("allocatedResourcesStatus")
            _check_allocated(at, one.allocated_resources_status, known.get(one.name))
    for index, one in enumerate(status.ephemeral_container_statuses):
        if one.allocated_resources_status:
            at = path.child("ephemeralContainerStatuses").index(index).child("allocatedResourcesStatus")
            at.forbidden("must not be specified in container status")
    _check_volumes(path.child("containerStatuses"), status.container_statuses)
    _check_volumes(path.child("initContainerStatuses"), status.init_container_statuses)
    _check_volumes(path.child("ephemeralContainerStatuses"), status.ephemeral_container_statuses)


def _check_allocated(
    path: Place,
    statuses: Iterable[pod_pb2.ResourceStatus],
    container: pod_pb2.Container | None,
) -> None:
    for index, status in enumerate(statuses):
        if container is not None:
            _check_resource_name(path.index(index).child("name"), status.name, container)
        seen: set[str] = set()
        for position, health in enumerate(status.resources):
            at = path.index(index).child("resources").index(position)
            at.child("health").check_supported(health.health, _HEALTH)
            if health.HasField("message"):
                _check_message(at.child("message"), health.message)
            at.child("resourceID").check_unique(health.resource_id, seen)


def _check_message(path: Place, message: str) -> None:
    if not message:
        path.required("must be non-empty if specified")
    elif names.size(message) > _MAX_MESSAGE:
        path.too_long(_MAX_MESSAGE)


def _check_resource_name(path: Place, name: str, container: pod_pb2.Container) -> None:
    if name.startswith(_CLAIM):
        claims = {
            f"{_CLAIM}{claim.name}/{claim.request}" if claim.request else f"{_CLAIM}{claim.name}"
            for claim in container.resources.claims
        }
        if name not in claims:
            path.invalid(name, _NO_CLAIM)
    elif name not in container.resources.requests:
        path.invalid(name, _NO_REQUEST)


def _check_volumes(path: Place, statuses: Sequence[pod_pb2.ContainerStatus]) -> None:
    for index, status in enumerate(statuses):
        for position, mount in enumerate(status.volume_mounts):
            if not mount.volume_status.HasField("image"):
                continue
            at = path.index(index).child("volumeMounts").index(position).child("volumeStatus")
            at = at.child("imageVolumeStatus", "imageRef")
            reference = mount.volume_status.image.image_ref
            if not reference:
                at.required("imageRef must not be empty")
            elif names.size(reference) > _MAX_IMAGE_REF:
                at.too_long(_MAX_IMAGE_REF)


def _check_extended(path: Place, pod: pod_pb2.Pod) -> None:
    """Check the claim that was made for extended resources (KEP-5004)."""
    status = pod.status.extended_resource_claim_status
    known = {one.name: one for one in (*pod.spec.init_containers, *pod.spec.containers)}
    at = path.child("requestMappings")
    if not status.request_mappings:
        at.required("at least one request mapping is required")
    seen: set[tuple[str, str, str]] = set()
    for index, mapping in enumerate(status.request_mappings):
        where, container = at.index(index), known.get(mapping.container_name)
        if container is None:
            where.child("containerName").invalid(mapping.container_name, _NO_CONTAINER)
        elif mapping.resource_name not in container.resources.requests:
            where.child("resourceName").invalid(mapping.resource_name, _NO_RESOURCE)
        # Upstream's path of the request carries no index.
        path.child("requestName").check_value(mapping.request_name, names.dns_1123_label)
        key = (mapping.container_name, mapping.resource_name, mapping.request_name)
        if key in seen:
            shown = ("containerName", "resourceName", "requestName")
            for field, value in zip(shown, key, strict=True):
                where.child(field).duplicate(value)
        seen.add(key)
    path.child("resourceClaimName").check_required(status.resource_claim_name, names.dns_1123_subdomain)


def _check_allocatable(path: Place, pod: pod_pb2.Pod) -> None:
    """Check claims of what a node itself has (KEP-5517)."""
    known = {claim.resource_claim_name for claim in pod.spec.resource_claims}
    known |= {claim.resource_claim_name for claim in pod.status.resource_claim_statuses}
    for index, status in enumerate(pod.status.node_allocatable_resource_claim_statuses):
        at, name = path.index(index), status.resource_claim_name
        if not name:
            at.child("resourceClaimName").required("must not be empty")
        if name not in known - {""}:
            at.child("resourceClaimName").invalid(name, "no mapping found in pod reference")
        if not status.containers:
            at.child("containers").required("must not be empty")
