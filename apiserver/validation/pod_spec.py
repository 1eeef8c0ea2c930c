"""Rules for a Pod's spec, in a Pod and in a template.

Every field has a rule, or a reason why it needs none (`unchecked.py`).

Called by `pods` and `templates`. Follows `pkg/apis/core/validation`: ValidatePodSpec, in its order.
"""

from collections.abc import Iterable
from typing import Final

from apiserver.validation import (
    containers,
    env,
    pod_network,
    pod_resources,
    ports,
    scheduling,
    security,
    windows,
)
from apiserver.validation.metadata import check_labels
from apiserver.validation.place import Place
from apiserver.validation.volumes import check_volumes
from vaina.api.core.v1 import pod_pb2
from vaina.objects import names

_RESTART_POLICIES: Final = ("Always", "OnFailure", "Never")
_PREEMPTION_POLICIES: Final = ("PreemptLowerPriority", "Never")


def check_pod_spec(path: Place, spec: pod_pb2.PodSpec, *, pod_name: str, is_pod: bool) -> None:
    """Check the spec of a Pod, or of a template (`is_pod` is False and `pod_name` empty), after defaulting."""
    if not spec.HasField("termination_grace_period_seconds"):
        path.child("terminationGracePeriodSeconds").required()
    sources = check_volumes(path.child("volumes"), spec.volumes, pod_name) if spec.volumes else {}
    if spec.resource_claims:
        _check_claims(path.child("resourceClaims"), spec.resource_claims)
    scope = containers.Scope(
        volumes=sources,
        claims={claim.name for claim in spec.resource_claims if claim.name},
        grace_seconds=(
            spec.termination_grace_period_seconds
            if spec.HasField("termination_grace_period_seconds")
            else None
        ),
        restart_policy=spec.restart_policy,
        host_users=not spec.HasField("host_users") or spec.host_users,
        os=spec.os.name,
        is_pod=is_pod,
    )
    _check_containers(path, spec, scope)
    _check_policies(path, spec)
    _check_placement(path, spec)
    _check_names_and_limits(path, spec)
    _check_last(path, spec)


def _check_containers(path: Place, spec: pod_pb2.PodSpec, scope: containers.Scope) -> None:
    containers.check_containers(path.child("containers"), spec.containers, scope)
    if spec.init_containers:
        at = path.child("initContainers")
        containers.check_init_containers(at, spec.init_containers, spec.containers, scope)
    if spec.ephemeral_containers:
        containers.check_ephemeral_containers(path.child("ephemeralContainers"), spec, scope)
    if spec.HasField("resources"):
        pod_resources.check_pod_resources(path.child("resources"), spec, scope.claims)
    if spec.host_network:
        ports.check_host_network(path.child("containers"), spec.containers, is_pod=scope.is_pod)


def _check_claims(path: Place, claims: Iterable[pod_pb2.PodResourceClaim]) -> None:
    """Check devices that the Pod claims (KEP-4381)."""
    seen: set[str] = set()
    for index, claim in enumerate(claims):
        at = path.index(index)
        if not claim.name:
            at.child("name").required()
        elif claim.name in seen:
            at.child("name").duplicate(claim.name)
        else:
            at.child("name").check_value(claim.name, names.dns_1123_label)
            seen.add(claim.name)
        given = (
            ("resourceClaimName", "resource_claim_name"),
            ("resourceClaimTemplateName", "resource_claim_template_name"),
        )
        set_fields = [(shown, getattr(claim, field)) for shown, field in given if claim.HasField(field)]
        if len(set_fields) > 1:
            detail = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            at.invalid(claim, detail)
        if not set_fields:
            at.invalid(claim, "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`")
        for shown, name in set_fields:
            at.child(shown).check_value(name, names.dns_1123_subdomain)


def _check_policies(path: Place, spec: pod_pb2.PodSpec) -> None:
    path.child("restartPolicy").check_choice(spec.restart_policy, _RESTART_POLICIES)
    pod_network.check_dns_policy(path.child("dnsPolicy"), spec.dns_policy)
    if spec.node_selector:
        check_labels(path.child("nodeSelector"), spec.node_selector)
    if spec.HasField("security_context"):
        security.check_pod(path.child("securityContext"), spec)
    if spec.share_process_namespace and spec.host_pid:
        detail = "ShareProcessNamespace and HostPID cannot both be enabled"
        path.child("shareProcessNamespace").invalid(True, detail)


def _check_placement(path: Place, spec: pod_pb2.PodSpec) -> None:
    if spec.HasField("affinity"):
        scheduling.check_affinity(path.child("affinity"), spec.affinity)
    if spec.HasField("dns_config") or spec.dns_policy == "None":
        pod_network.check_dns_config(path.child("dnsConfig"), spec)
    for index, gate in enumerate(spec.readiness_gates):
        at = path.child("readinessGates").index(index).child("conditionType")
        at.check_value(gate.condition_type, names.qualified_name)
    if spec.scheduling_gates:
        scheduling.check_gates(path.child("schedulingGates"), spec.scheduling_gates)
    if spec.topology_spread_constraints:
        scheduling.check_spread(path.child("topologySpreadConstraints"), spec.topology_spread_constraints)
    windows.check_host_process(path, spec)
    if spec.HasField("host_users"):
        security.check_host_users(path, spec)
    pod_network.check_hostname_override(path, spec)


def _check_names_and_limits(path: Place, spec: pod_pb2.PodSpec) -> None:
    for shown, name in (("serviceAccountName", spec.service_account_name), ("nodeName", spec.node_name)):
        if name:
            path.child(shown).check_value(name, names.dns_1123_subdomain)
    if spec.HasField("active_deadline_seconds"):
        seconds = spec.active_deadline_seconds
        if not 1 <= seconds <= names.MAX_INT32:
            path.child("activeDeadlineSeconds").invalid(seconds, names.in_range(1, names.MAX_INT32))
    pod_network.check_names(path, spec)
    if spec.tolerations:
        scheduling.check_tolerations(path.child("tolerations"), spec.tolerations)
    if spec.host_aliases:
        pod_network.check_host_aliases(path.child("hostAliases"), spec.host_aliases)


def _check_last(path: Place, spec: pod_pb2.PodSpec) -> None:
    if spec.priority_class_name:
        path.child("priorityClassName").check_value(spec.priority_class_name, names.dns_1123_subdomain)
    if spec.HasField("runtime_class_name"):
        path.child("runtimeClassName").check_value(spec.runtime_class_name, names.dns_1123_subdomain)
    if spec.HasField("preemption_policy"):
        policy, at = spec.preemption_policy, path.child("preemptionPolicy")
        at.check_choice(policy, _PREEMPTION_POLICIES)
    if spec.overhead:
        pod_resources.check_overhead(path.child("overhead"), spec.overhead)
    if spec.HasField("os"):
        windows.check_os(path, spec)
    if spec.HasField("scheduling_group"):
        _check_group(path.child("schedulingGroup"), spec.scheduling_group)
    if spec.eviction_responders:
        _check_responders(path.child("evictionResponders"), spec.eviction_responders)
    env.check_file_volumes(path, spec)


def _check_group(path: Place, group: pod_pb2.PodSchedulingGroup) -> None:
    """Check the group that a Pod is scheduled with (KEP-4671)."""
    at = path.child("podGroupName")
    if not group.HasField("pod_group_name"):
        at.invalid(None, "must specify one of: `podGroupName`")
    else:
        at.check_value(group.pod_group_name, names.dns_1123_subdomain)


def _check_responders(path: Place, responders: Iterable[pod_pb2.EvictionResponder]) -> None:
    """Check who answers when the Pod is to be evicted (KEP-4563)."""
    seen: set[str] = set()
    for index, responder in enumerate(responders):
        at = path.index(index)
        at.child("name").check_required(responder.name, names.qualified_name)
        at.check_unique(responder.name, seen)
        if not responder.HasField("priority"):
            at.child("priority").required()
