"""Rules for a Pod's status: what has ended stays ended, addresses are addresses, the QoS class stays; and what
containers report of devices and volumes.

Follows `pkg/apis/core/validation`: ValidatePodStatusUpdate, validateContainerStatusAllocatedResourcesStatus,
validateVolumeStatus, validatePodExtendedResourceClaimStatus, validateNodeAllocatableResourceClaimStatus. The
registry decides who may write which fields, and that terminal phases stay.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from apiserver.validation import annotations, metadata
from apiserver.validation.place import Place
from vaina.api.core.v1 import pod_pb2
from vaina.objects import names

_SYSTEM_CONDITIONS: Final = frozenset({"PodScheduled", "Ready", "Initialized"})
_BOUND: Final = "may not be set on pods that are already bound to a node"
_NOT_BACK: Final = "may not be transitioned to non-terminated state"
_ONE_PER_FAMILY: Final = "may specify no more than one IP for each IP family"

Statuses = Sequence[pod_pb2.ContainerStatus]


def check_status_update(root: Place, new: pod_pb2.Pod, old: pod_pb2.Pod) -> None:
    """Check a change of a Pod's status."""
    metadata.check_update(root, new.metadata, old.metadata)
    before, after = old.metadata.annotations, new.metadata.annotations
    if before or after:
        annotations.check_annotation_updates(root.child("metadata", "annotations"), after, before)
    _check_conditions(root.child("status", "conditions"), new.status.conditions)
    if new.spec.node_name != old.spec.node_name:
        root.child("status", "nodeName").forbidden("may not be changed directly")
    nominated = new.status.nominated_node_name
    if nominated and nominated != old.status.nominated_node_name:
        root.child("status", "nominatedNodeName").check_value(nominated, names.dns_1123_subdomain)
        if old.spec.node_name:
            root.child("status", "nominatedNodeName").forbidden(_BOUND)
    _check_observed(root.child("status"), new.status.observed_generation)
    if new.status.qos_class:  # a status without one keeps that of old, as upstream's strategy does
        root.child("status", "qosClass").check_immutable(new.status.qos_class, old.status.qos_class)
    _check_transitions(root.child("status"), new, old)
    _check_claims(root.child("status", "resourceClaimStatuses"), new)
    _check_addresses(root.child("status"), new.status)
    for shown, statuses in _all_statuses(new.status):
        _check_users(root.child("status", shown), statuses, new.spec.os.name)
    _check_containers(root.child("status"), new)


def _all_statuses(status: pod_pb2.PodStatus) -> Iterable[tuple[str, Statuses]]:
    return (
        ("containerStatuses", status.container_statuses),
        ("initContainerStatuses", status.init_container_statuses),
        ("ephemeralContainerStatuses", status.ephemeral_container_statuses),
    )


def _check_conditions(path: Place, conditions: Iterable[pod_pb2.PodCondition]) -> None:
    for index, condition in enumerate(conditions):
        _check_observed(path.index(index), condition.observed_generation)
        if condition.type not in _SYSTEM_CONDITIONS:
            path.index(index).child("Type").check_value(condition.type, names.qualified_name)


def _check_observed(path: Place, generation: int) -> None:
    if generation < 0:
        path.child("observedGeneration").invalid(generation, "must be a non-negative integer")


def _check_transitions(path: Place, new: pod_pb2.Pod, old: pod_pb2.Pod) -> None:
    if _all_may_restart(old.spec):
        return
    policy = old.spec.restart_policy
    regular = {container.name: container for container in old.spec.containers}
    init = {container.name: container for container in old.spec.init_containers}
    for (shown, after), (_, before), known in zip(
        _all_statuses(new.status), _all_statuses(old.status), (regular, init, {}), strict=True
    ):
        # Ephemeral containers are never started again.
        default = "Never" if shown == "ephemeralContainerStatuses" else policy
        running_again = {status.name for status in after if not status.state.HasField("terminated")}
        for index, status in enumerate(before):
            if status.name not in running_again or not status.state.HasField("terminated"):
                continue
            exit_code = status.state.terminated.exit_code
            if not may_restart(known.get(status.name), default, exit_code):
                path.child(shown).index(index).child("state").forbidden(_NOT_BACK)


def _all_may_restart(spec: pod_pb2.PodSpec) -> bool:
    """Say whether a rule of some container can start all containers of the Pod again (KEP-5532)."""
    return any(
        rule.action == "RestartAllContainers"
        for container in (*spec.containers, *spec.init_containers)
        for rule in container.restart_policy_rules
    )


def may_restart(container: pod_pb2.Container | None, policy: str, exit_code: int) -> bool:
    """Say whether a container that ended with a code may be started again.

    Its own rules come first, then its own policy (KEP-5307; Always is a sidecar's, KEP-753), then the Pod's.
    """
    if container is not None:
        for rule in container.restart_policy_rules:
            listed = exit_code in rule.exit_codes.values
            if listed if rule.exit_codes.operator == "In" else not listed:
                return True
        if container.HasField("restart_policy"):
            policy = container.restart_policy
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)


def _check_claims(path: Place, pod: pod_pb2.Pod) -> None:
    declared = {claim.name for claim in pod.spec.resource_claims}
    seen: set[str] = set()
    for index, status in enumerate(pod.status.resource_claim_statuses):
        at = path.index(index).child("name")
        if status.name not in declared:
            at.invalid(status.name, "must match the name of an entry in `spec.resourceClaims`")
        at.check_unique(status.name, seen)
        if status.HasField("resource_claim_name"):
            at = path.index(index).child("resourceClaimName")
            at.check_value(status.resource_claim_name, names.dns_1123_subdomain)


def _check_addresses(path: Place, status: pod_pb2.PodStatus) -> None:
    at, addresses = path.child("podIPs"), [each.ip for each in status.pod_ips]
    for index, address in enumerate(addresses):
        at.index(index).check_value(address, names.ip)
    if len(addresses) > 1:
        _check_families(at, addresses)
    hosts = [each.ip for each in status.host_ips]
    if not hosts:
        return
    at = path.child("hostIPs")
    if status.host_ip != hosts[0]:
        at.index(0).child("ip").invalid(hosts[0], "must be equal to `hostIP`")
    for index, address in enumerate(hosts):
        at.index(index).check_value(address, names.ip)
    if len(hosts) > 1:
        _check_families(at, hosts)


def _check_families(path: Place, addresses: list[str]) -> None:
    families = {found.version for address in addresses if (found := names.parse_ip(address))}
    if len(families) < 2 or len(addresses) > 2:
        path.invalid([{"ip": address} for address in addresses], _ONE_PER_FAMILY)


def _check_users(path: Place, statuses: Statuses, os: str) -> None:
    for index, status in enumerate(statuses):
        if not status.user.HasField("linux"):
            continue
        at, user = path.index(index).child("user", "linux"), status.user.linux
        if os == "windows":
            at.forbidden("cannot be set for a windows pod")
            continue
        numbers = [(at.child("uid"), user.uid), (at.child("gid"), user.gid)]
        groups = at.child("supplementalGroups")
        numbers += [(groups.index(place), group) for place, group in enumerate(user.supplemental_groups)]
        for where, number in numbers:
            where.check_value(number, names.user_or_group_id)


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


def _check_containers(path: Place, pod: pod_pb2.Pod) -> None:
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
