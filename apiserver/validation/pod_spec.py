"""Rules for a Pod's spec, in a Pod and in a template.

Every field has a rule, or a reason why it needs none (`unchecked.py`).

Called by `pods` and `workloads`. Follows `pkg/apis/core/validation`: ValidatePodSpec, in its order,
validateDNSPolicy, validatePodDNSConfig, ValidateHostAliases.
"""

from collections.abc import Iterable
from typing import Final

from apiserver.validation import (
    containers,
    env,
    probes,
    resources,
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
    """Check a Pod's spec after defaulting; `is_pod`: a Pod rather than a template, which has no `pod_name`."""
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
        resources.check_pod_resources(path.child("resources"), spec, scope.claims)
    if spec.host_network:
        probes.check_host_network(path.child("containers"), spec.containers, is_pod=scope.is_pod)


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
        fields = ("resource_claim_name", "resource_claim_template_name")
        set_fields = [field for field in fields if claim.HasField(field)]
        if len(set_fields) > 1:
            detail = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            at.invalid(claim, detail)
        if not set_fields:
            at.invalid(claim, "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`")
        for field in set_fields:
            at.field(claim, field).check_value(getattr(claim, field), names.dns_1123_subdomain)


def _check_policies(path: Place, spec: pod_pb2.PodSpec) -> None:
    path.child("restartPolicy").check_choice(spec.restart_policy, _RESTART_POLICIES)
    path.child("dnsPolicy").check_choice(spec.dns_policy, _DNS_POLICIES)
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
        _check_dns_config(path.child("dnsConfig"), spec)
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
    _check_hostname_override(path, spec)


def _check_names_and_limits(path: Place, spec: pod_pb2.PodSpec) -> None:
    for shown, name in (("serviceAccountName", spec.service_account_name), ("nodeName", spec.node_name)):
        if name:
            path.child(shown).check_value(name, names.dns_1123_subdomain)
    if spec.HasField("active_deadline_seconds"):
        seconds = spec.active_deadline_seconds
        if not 1 <= seconds <= names.MAX_INT32:
            path.child("activeDeadlineSeconds").invalid(seconds, names.in_range(1, names.MAX_INT32))
    _check_names(path, spec)
    if spec.tolerations:
        scheduling.check_tolerations(path.child("tolerations"), spec.tolerations)
    if spec.host_aliases:
        _check_host_aliases(path.child("hostAliases"), spec.host_aliases)


def _check_last(path: Place, spec: pod_pb2.PodSpec) -> None:
    if spec.priority_class_name:
        path.child("priorityClassName").check_value(spec.priority_class_name, names.dns_1123_subdomain)
    if spec.HasField("runtime_class_name"):
        path.child("runtimeClassName").check_value(spec.runtime_class_name, names.dns_1123_subdomain)
    if spec.HasField("preemption_policy"):
        policy, at = spec.preemption_policy, path.child("preemptionPolicy")
        at.check_choice(policy, _PREEMPTION_POLICIES)
    if spec.overhead:
        resources.check_overhead(path.child("overhead"), spec.overhead)
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


_DNS_POLICIES: Final = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_MAX_NAMESERVERS: Final = 3
_MAX_SEARCHES: Final = 32
_MAX_SEARCH_CHARS: Final = 2048
_MAX_HOSTNAME_OVERRIDE: Final = 64


def _check_dns_config(path: Place, spec: pod_pb2.PodSpec) -> None:
    """Check what a Pod adds to its resolv.conf, or all of it with policy None."""
    config = spec.dns_config
    if spec.dns_policy == "None":
        if not spec.HasField("dns_config"):
            path.required("must provide `dnsConfig` when `dnsPolicy` is None")
            return
        if not config.nameservers:
            detail = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            path.child("nameservers").required(detail)
            return
    if not spec.HasField("dns_config"):
        return
    _check_nameservers(path.child("nameservers"), list(config.nameservers))
    _check_searches(path.child("searches"), list(config.searches))
    for index, option in enumerate(config.options):
        if not option.name:
            path.child("options").index(index).required("must not be empty")


def _check_nameservers(path: Place, servers: list[str]) -> None:
    if len(servers) > _MAX_NAMESERVERS:
        path.invalid(servers, f"must not have more than {_MAX_NAMESERVERS} nameservers")
    for index, server in enumerate(servers):
        path.index(index).check_value(server, names.ip)


def _check_searches(path: Place, searches: list[str]) -> None:
    if len(searches) > _MAX_SEARCHES:
        path.invalid(searches, f"must not have more than {_MAX_SEARCHES} search paths")
    if names.size(" ".join(searches)) > _MAX_SEARCH_CHARS:
        detail = (
            f"must not have more than {_MAX_SEARCH_CHARS} characters (including spaces) in the search list"
        )
        path.invalid(searches, detail)
    for index, search in enumerate(searches):
        if search != ".":
            domain = search.removesuffix(".")
            path.index(index).check_value(domain, names.dns_1123_subdomain_with_underscore)


def _check_host_aliases(path: Place, aliases: Iterable[pod_pb2.HostAlias]) -> None:
    for index, alias in enumerate(aliases):
        path.index(index).child("ip").check_value(alias.ip, names.ip)
        for position, name in enumerate(alias.hostnames):
            path.index(index).child("hostnames").index(position).check_value(name, names.dns_1123_subdomain)


def _check_names(path: Place, spec: pod_pb2.PodSpec) -> None:
    if spec.hostname:
        path.child("hostname").check_value(spec.hostname, names.dns_1123_label)
    if spec.subdomain:
        path.child("subdomain").check_value(spec.subdomain, names.dns_1123_label)


def _check_hostname_override(path: Place, spec: pod_pb2.PodSpec) -> None:
    """Check the host name that stands over all else (KEP-4762)."""
    if not spec.HasField("hostname_override"):
        return
    at, name = path.child("hostnameOverride"), spec.hostname_override
    if spec.set_hostname_as_fqdn:
        at.forbidden("may not be specified when setHostnameAsFQDN is true")
    if spec.host_network:
        at.forbidden("may not be specified when hostNetwork is true")
    if names.size(name) > _MAX_HOSTNAME_OVERRIDE:
        at.too_long(_MAX_HOSTNAME_OVERRIDE)
    at.check_value(name, names.dns_1123_subdomain)
