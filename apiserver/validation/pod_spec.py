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
    spread,
    windows,
)
from apiserver.validation.metadata import Errors, check_labels, check_text
from apiserver.validation.volumes import check_volumes
from vaina.api.core.v1 import pod_pb2
from vaina.objects import names
from vaina.objects.field_path import Path, duplicate, invalid, not_supported, required

_RESTART_POLICIES: Final = ("Always", "OnFailure", "Never")
_PREEMPTION_POLICIES: Final = ("PreemptLowerPriority", "Never")


def check_pod_spec(errors: Errors, path: Path, spec: pod_pb2.PodSpec, *, pod_name: str, is_pod: bool) -> None:
    """Check a Pod's spec after defaulting.

    Args:
        errors: where violations are added, in upstream's order.
        path: where the spec stands: spec, spec.template.spec.
        spec: the spec.
        pod_name: the Pod's name; empty in a template.
        is_pod: a Pod rather than a template.
    """
    if not spec.HasField("termination_grace_period_seconds"):
        errors.append(required(path.child("terminationGracePeriodSeconds")))
    sources = check_volumes(errors, path.child("volumes"), spec.volumes, pod_name) if spec.volumes else {}
    if spec.resource_claims:
        _check_claims(errors, path.child("resourceClaims"), spec.resource_claims)
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
    _check_containers(errors, path, spec, scope)
    _check_policies(errors, path, spec)
    _check_placement(errors, path, spec)
    _check_names_and_limits(errors, path, spec)
    _check_last(errors, path, spec)


def _check_containers(errors: Errors, path: Path, spec: pod_pb2.PodSpec, scope: containers.Scope) -> None:
    containers.check_containers(errors, path.child("containers"), spec.containers, scope)
    if spec.init_containers:
        at = path.child("initContainers")
        containers.check_init_containers(errors, at, spec.init_containers, spec.containers, scope)
    if spec.ephemeral_containers:
        containers.check_ephemeral_containers(errors, path.child("ephemeralContainers"), spec, scope)
    if spec.HasField("resources"):
        pod_resources.check_pod_resources(errors, path.child("resources"), spec, scope.claims)
    if spec.host_network:
        ports.check_host_network(errors, path.child("containers"), spec.containers, is_pod=scope.is_pod)


def _check_claims(errors: Errors, path: Path, claims: Iterable[pod_pb2.PodResourceClaim]) -> None:
    """Check devices that the Pod claims (KEP-4381)."""
    seen: set[str] = set()
    for index, claim in enumerate(claims):
        at = path.index(index)
        if not claim.name:
            errors.append(required(at.child("name")))
        elif claim.name in seen:
            errors.append(duplicate(at.child("name"), claim.name))
        else:
            check_text(errors, at.child("name"), claim.name, names.dns_1123_label)
            seen.add(claim.name)
        given = (
            ("resourceClaimName", "resource_claim_name"),
            ("resourceClaimTemplateName", "resource_claim_template_name"),
        )
        set_fields = [(shown, getattr(claim, field)) for shown, field in given if claim.HasField(field)]
        if len(set_fields) > 1:
            detail = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            errors.append(invalid(at, claim, detail))
        if not set_fields:
            detail = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"
            errors.append(invalid(at, claim, detail))
        for shown, name in set_fields:
            check_text(errors, at.child(shown), name, names.dns_1123_subdomain)


def _check_policies(errors: Errors, path: Path, spec: pod_pb2.PodSpec) -> None:
    if not spec.restart_policy:
        errors.append(required(path.child("restartPolicy")))
    elif spec.restart_policy not in _RESTART_POLICIES:
        errors.append(not_supported(path.child("restartPolicy"), spec.restart_policy, _RESTART_POLICIES))
    pod_network.check_dns_policy(errors, path.child("dnsPolicy"), spec.dns_policy)
    if spec.node_selector:
        check_labels(errors, path.child("nodeSelector"), spec.node_selector)
    if spec.HasField("security_context"):
        security.check_pod(errors, path.child("securityContext"), spec)
    if spec.share_process_namespace and spec.host_pid:
        detail = "ShareProcessNamespace and HostPID cannot both be enabled"
        errors.append(invalid(path.child("shareProcessNamespace"), True, detail))


def _check_placement(errors: Errors, path: Path, spec: pod_pb2.PodSpec) -> None:
    if spec.HasField("affinity"):
        scheduling.check_affinity(errors, path.child("affinity"), spec.affinity)
    if spec.HasField("dns_config") or spec.dns_policy == "None":
        pod_network.check_dns_config(errors, path.child("dnsConfig"), spec)
    for index, gate in enumerate(spec.readiness_gates):
        at = path.child("readinessGates").index(index).child("conditionType")
        check_text(errors, at, gate.condition_type, names.qualified_name)
    if spec.scheduling_gates:
        scheduling.check_gates(errors, path.child("schedulingGates"), spec.scheduling_gates)
    if spec.topology_spread_constraints:
        at = path.child("topologySpreadConstraints")
        spread.check_constraints(errors, at, spec.topology_spread_constraints)
    windows.check_host_process(errors, path, spec)
    if spec.HasField("host_users"):
        security.check_host_users(errors, path, spec)
    pod_network.check_hostname_override(errors, path, spec)


def _check_names_and_limits(errors: Errors, path: Path, spec: pod_pb2.PodSpec) -> None:
    for shown, name in (("serviceAccountName", spec.service_account_name), ("nodeName", spec.node_name)):
        if name:
            check_text(errors, path.child(shown), name, names.dns_1123_subdomain)
    if spec.HasField("active_deadline_seconds"):
        seconds = spec.active_deadline_seconds
        if not 1 <= seconds <= names.MAX_INT32:
            detail = names.in_range(1, names.MAX_INT32)
            errors.append(invalid(path.child("activeDeadlineSeconds"), seconds, detail))
    pod_network.check_names(errors, path, spec)
    if spec.tolerations:
        scheduling.check_tolerations(errors, path.child("tolerations"), spec.tolerations)
    if spec.host_aliases:
        pod_network.check_host_aliases(errors, path.child("hostAliases"), spec.host_aliases)


def _check_last(errors: Errors, path: Path, spec: pod_pb2.PodSpec) -> None:
    if spec.priority_class_name:
        at = path.child("priorityClassName")
        check_text(errors, at, spec.priority_class_name, names.dns_1123_subdomain)
    if spec.HasField("runtime_class_name"):
        check_text(errors, path.child("runtimeClassName"), spec.runtime_class_name, names.dns_1123_subdomain)
    if spec.HasField("preemption_policy"):
        policy, at = spec.preemption_policy, path.child("preemptionPolicy")
        if not policy:
            errors.append(required(at))
        elif policy not in _PREEMPTION_POLICIES:
            errors.append(not_supported(at, policy, _PREEMPTION_POLICIES))
    if spec.overhead:
        pod_resources.check_overhead(errors, path.child("overhead"), spec.overhead)
    if spec.HasField("os"):
        windows.check_os(errors, path, spec)
    if spec.HasField("scheduling_group"):
        _check_group(errors, path.child("schedulingGroup"), spec.scheduling_group)
    if spec.eviction_responders:
        _check_responders(errors, path.child("evictionResponders"), spec.eviction_responders)
    env.check_file_volumes(errors, path, spec)


def _check_group(errors: Errors, path: Path, group: pod_pb2.PodSchedulingGroup) -> None:
    """Check the group that a Pod is scheduled with (KEP-4671)."""
    at = path.child("podGroupName")
    if not group.HasField("pod_group_name"):
        errors.append(invalid(at, None, "must specify one of: `podGroupName`"))
    else:
        check_text(errors, at, group.pod_group_name, names.dns_1123_subdomain)


def _check_responders(errors: Errors, path: Path, responders: Iterable[pod_pb2.EvictionResponder]) -> None:
    """Check who answers when the Pod is to be evicted (KEP-4563)."""
    seen: set[str] = set()
    for index, responder in enumerate(responders):
        at = path.index(index)
        if not responder.name:
            errors.append(required(at.child("name")))
        else:
            check_text(errors, at.child("name"), responder.name, names.qualified_name)
        if responder.name in seen:
            errors.append(duplicate(at, responder.name))
        seen.add(responder.name)
        if not responder.HasField("priority"):
            errors.append(required(at.child("priority")))
