"""PURE: what a ResourceQuota counts: which objects, which of their resources, and how much.

The apiserver charges by it before an object is stored, the quota controller counts by it what there is. Follows
`pkg/quota/v1/evaluator/core` (Pods, claims, counts of objects) and `apiserver/pkg/quota/v1/generic`.
"""

from collections.abc import Collection, Iterable
from typing import Any, Final

from vaina.api.core.v1 import persistent_volume_pb2, pod_pb2, resource_quota_pb2, service_pb2
from vaina.clock import seconds_of
from vaina.kinds import EVENT, KINDS, PERSISTENT_VOLUME_CLAIM, POD, POD_TRACE, SERVICE, Kind
from vaina.objects.amounts import ONE, Amounts, plus
from vaina.objects.pods import BEST_EFFORT, is_terminal, pod_limits, pod_requests, qos_class
from vaina.objects.quantity import Amount, QuantityError, parse
from vaina.objects.services import LOAD_BALANCER, NODE_PORT

Quota = resource_quota_pb2.ResourceQuota
Claim = persistent_volume_pb2.PersistentVolumeClaim
Requirement = resource_quota_pb2.ScopedResourceSelectorRequirement

#: kinds that no quota counts: they come and go by themselves
UNCOUNTED: Final = frozenset({EVENT.kind, POD_TRACE.kind})
#: kinds that a quota knows by their plain plural as well as by count/...
_ALIASES: Final = frozenset({"configmaps", "secrets", "replicationcontrollers", "resourcequotas", "services"})
_COMPUTE: Final = ("cpu", "memory", "ephemeral-storage")
_POD: Final = frozenset({
    "count/pods", "pods", *_COMPUTE, *(f"{side}.{name}" for side in ("requests", "limits") for name in _COMPUTE),
})  # fmt: skip
#: a quota on one of these wants every container to say how much: upstream's mistake, for compatibility
_MUST_BE_SAID: Final = frozenset({
    "cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory",
})  # fmt: skip
_CLAIMS: Final = "persistentvolumeclaims"
_STORAGE: Final = "requests.storage"
#: before it stands the name of a class
_OF_CLASS: Final = ".storageclass.storage.k8s.io/"
_CLASS_ANNOTATION: Final = "volume.beta.kubernetes.io/storage-class"
_HUGE: Final = "hugepages-"
_NODE_PORTS: Final = "services.nodeports"
_BALANCERS: Final = "services.loadbalancers"
_NANO: Final = 10**9


def counted_kinds() -> tuple[Kind[Any], ...]:
    """Return the kinds of which quotas may count objects."""
    return tuple(kind for kind in KINDS if kind.namespaced and kind.kind not in UNCOUNTED)


def resources_of(kind: Kind[Any], names: Iterable[str]) -> list[str]:
    """Return those of the resources that objects of a kind take, in the order given."""
    if kind is POD:
        return [name for name in names if _is_pods(name)]
    if kind is PERSISTENT_VOLUME_CLAIM:
        return [name for name in names if _is_of_claims(name)]
    mine = {f"count/{kind.resource}"}
    if not kind.group and kind.plural in _ALIASES:
        mine.add(kind.plural)
    if kind is SERVICE:
        mine |= {_NODE_PORTS, _BALANCERS}
    return [name for name in names if name in mine]


def _is_pods(name: str) -> bool:
    if name in _POD or name.startswith((_HUGE, f"requests.{_HUGE}")):
        return True
    return name.startswith("requests.") and not _is_native(name)


def _is_native(name: str) -> bool:
    return "/" not in name or "kubernetes.io/" in name


def is_counted(quota: Quota, kind: Kind[Any], obj: Any, hard: Iterable[str]) -> bool:
    """Say whether an object takes a resource that a quota limits (`hard`), and is in all its scopes."""
    if not resources_of(kind, hard):
        return False
    return all(_is_in_scope(requirement, kind, obj) for requirement in _scopes(quota.spec))


def _scopes(spec: resource_quota_pb2.ResourceQuotaSpec) -> Iterable[Requirement]:
    for scope in spec.scopes:
        yield Requirement(scope_name=scope, operator="Exists")
    yield from spec.scope_selector.match_expressions


def _is_in_scope(requirement: Requirement, kind: Kind[Any], obj: Any) -> bool:
    if kind is PERSISTENT_VOLUME_CLAIM and requirement.scope_name == "VolumeAttributesClass":
        names = _attributes_classes(obj) or [""]
        return any(_has_class(requirement, name) for name in names)
    if kind is not POD:
        return False
    pod: pod_pb2.Pod = obj
    match requirement.scope_name:
        case "Terminating":
            return pod.spec.HasField("active_deadline_seconds")
        case "NotTerminating":
            return not pod.spec.HasField("active_deadline_seconds")
        case "BestEffort":
            return qos_class(pod) == BEST_EFFORT
        case "NotBestEffort":
            return qos_class(pod) != BEST_EFFORT
        case "PriorityClass":
            return _has_class(requirement, pod.spec.priority_class_name)
        case "CrossNamespacePodAffinity":
            return _looks_into_other_namespaces(pod.spec.affinity)
        case _:
            return False


def _has_class(requirement: Requirement, name: str) -> bool:
    match requirement.operator:
        case "Exists":
            return bool(name)
        case "DoesNotExist":
            return not name
        case "In":
            return bool(name) and name in requirement.values
        case "NotIn":
            return not name or name not in requirement.values
        case _:
            return False


def _looks_into_other_namespaces(affinity: pod_pb2.Affinity) -> bool:
    terms: list[pod_pb2.PodAffinityTerm] = []
    for part in (affinity.pod_affinity, affinity.pod_anti_affinity):
        terms.extend(part.required_during_scheduling_ignored_during_execution)
        terms.extend(
            weighted.pod_affinity_term
            for weighted in part.preferred_during_scheduling_ignored_during_execution
        )
    return any(term.namespaces or term.HasField("namespace_selector") for term in terms)


def usage_of(kind: Kind[Any], obj: Any, now: float) -> dict[str, Amount]:
    """Return what an object takes, by all the names that a quota may use for it.

    A Pod that should have ended by `now` (seconds since the epoch) is counted as an object only.
    """
    used: dict[str, Amount] = {f"count/{kind.resource}": ONE}
    if kind is PERSISTENT_VOLUME_CLAIM:
        return plus(used, _claim_usage(obj))
    if kind is not POD:
        if not kind.group and kind.plural in _ALIASES:
            used[kind.plural] = ONE
        return plus(used, _service_usage(obj)) if kind is SERVICE else used
    return plus(used, _pod_usage(obj)) if _is_charged(obj, now) else used


def _is_charged(pod: pod_pb2.Pod, now: float) -> bool:
    """Say whether a Pod has not ended, and is not past the time by which it should have."""
    if is_terminal(pod):
        return False
    meta = pod.metadata
    if meta.HasField("deletion_timestamp") and meta.HasField("deletion_grace_period_seconds"):
        return now <= seconds_of(meta.deletion_timestamp) + meta.deletion_grace_period_seconds
    return True


def _pod_usage(pod: pod_pb2.Pod) -> Amounts:
    used: dict[str, Amount] = {"pods": ONE}
    for name, amount in pod_amounts(pod, "requests").items():
        if name in _COMPUTE or name.startswith(_HUGE):
            used[name] = used[f"requests.{name}"] = amount
        elif not _is_native(name):
            used[f"requests.{name}"] = amount
    for name, amount in pod_amounts(pod, "limits").items():
        if name in _COMPUTE:
            used[f"limits.{name}"] = amount
    return used


def pod_amounts(pod: pod_pb2.Pod, side: str) -> dict[str, Amount]:
    """Return what a whole Pod requests, or is limited to, each written as its first container does.

    `side` is requests or limits. A Pod that was stored with amounts that are none takes nothing.
    """
    try:
        numbers = pod_requests(pod) if side == "requests" else pod_limits(pod)
    except QuantityError:
        return {}
    return {name: _amount(pod, side, name, number) for name, number in numbers.items()}


def _amount(pod: pod_pb2.Pod, side: str, name: str, number: int) -> Amount:
    nanos = number * (_NANO // 1000 if name == "cpu" else _NANO)
    for container in (*pod.spec.containers, *pod.spec.init_containers):
        found = getattr(container.resources, side)
        if name in found and (text := found[name].string):
            return Amount(nanos, parse(text).format)
    return Amount(nanos, "DecimalSI")


def unsaid(pod: pod_pb2.Pod, required: Collection[str]) -> dict[str, list[str]]:
    """Return what a quota on some resources wants to be said and is not: resource -> names of containers."""
    wanted = sorted(_MUST_BE_SAID.intersection(required))
    missing: dict[str, list[str]] = {}
    if not wanted:
        return missing
    whole = _said(pod.spec.resources)
    for container in (*pod.spec.containers, *pod.spec.init_containers):
        said = _said(container.resources) | whole
        for name in wanted:
            if name not in said:
                missing.setdefault(name, []).append(container.name)
    return {name: sorted(missing[name]) for name in sorted(missing)}


def _said(resources: Any) -> set[str]:
    requests, limits = set(resources.requests), set(resources.limits)
    return requests | {f"requests.{name}" for name in requests} | {f"limits.{name}" for name in limits}


def _service_usage(service: service_pb2.Service) -> dict[str, Amount]:
    """Return what a Service takes besides itself (`pkg/quota/v1/evaluator/core/services.go`).

    Its ports of nodes count as upstream's do, though nothing allocates them here.
    """
    spec = service.spec
    allocates = spec.allocate_load_balancer_node_ports or not spec.HasField(
        "allocate_load_balancer_node_ports"
    )
    every = spec.type == NODE_PORT or (spec.type == LOAD_BALANCER and allocates)
    ports = [port for port in spec.ports if every or (port.node_port and spec.type == LOAD_BALANCER)]
    used = {_NODE_PORTS: Amount(len(ports) * _NANO, "DecimalSI")}
    if spec.type == LOAD_BALANCER:
        used[_BALANCERS] = ONE
    return used


def _is_of_claims(name: str) -> bool:
    if name in {_CLAIMS, _STORAGE, f"count/{_CLAIMS}"}:
        return True
    _, found, what = name.partition(_OF_CLASS)
    return bool(found) and what in {_CLAIMS, _STORAGE}


def _claim_usage(claim: Claim) -> dict[str, Amount]:
    """Return what a claim takes, by all the names that a quota may use for it."""
    used = {_CLAIMS: ONE}
    of_class = class_of(claim) + _OF_CLASS if class_of(claim) else ""
    if of_class:
        used[of_class + _CLAIMS] = ONE
    storage = _storage(claim)
    if storage is not None:
        used[_STORAGE] = storage
        if of_class:
            used[of_class + _STORAGE] = storage
    return used


def class_of(claim: Claim) -> str:
    """Return the name of a claim's StorageClass; the old annotation goes before the field."""
    return claim.metadata.annotations.get(_CLASS_ANNOTATION, "") or claim.spec.storage_class_name


def _attributes_classes(claim: Claim) -> list[str]:
    """Return the VolumeAttributesClasses that a claim wants, has, or is being moved to (KEP-3751)."""
    status = claim.status
    named = (
        claim.spec.volume_attributes_class_name,
        status.current_volume_attributes_class_name,
        status.modify_volume_status.target_volume_attributes_class_name,
    )
    return [name for name in dict.fromkeys(named) if name]


def _storage(claim: Claim) -> Amount | None:
    """Return what is requested, or what was given already where that is more; in whole bytes."""
    amounts: list[Amount] = []
    for found in (claim.spec.resources.requests, claim.status.allocated_resources):
        try:
            if "storage" in found:
                amounts.append(parse(found["storage"].string))
        except QuantityError:
            continue
    if not amounts:
        return None
    most = max(amounts, key=lambda amount: amount.nanos)
    return Amount(-(-most.nanos // _NANO) * _NANO, most.format)
