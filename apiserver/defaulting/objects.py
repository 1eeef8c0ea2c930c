"""Defaults of what makes no Pods: nodes, namespaces, Secrets, limits, classes, storage, bindings.

Follows `pkg/apis/core/v1/defaults.go`, and those of `scheduling/v1`, `storage/v1` and `rbac/v1`.
"""

from vaina.api.core.v1 import (
    config_pb2,
    limit_range_pb2,
    namespace_pb2,
    node_pb2,
    persistent_volume_pb2,
    reference_pb2,
    resource_quota_pb2,
)
from vaina.api.rbac.v1 import rbac_pb2
from vaina.api.scheduling.v1 import priority_class_pb2
from vaina.api.storage.v1 import csi_driver_pb2, storage_class_pb2
from vaina.objects.defaults import Quantities, default_persistent_source, round_up, set_defaults

_RBAC = "rbac.authorization.k8s.io"
_Reference = reference_pb2.TypedLocalObjectReference | reference_pb2.TypedObjectReference


def default_node(node: node_pb2.Node) -> None:
    """Complete the status; keep both forms of a node's network for Pods equal."""
    default_node_status(node.status)
    first, listed = node.spec.pod_cidr, node.spec.pod_cidrs
    if first and (not listed or listed[0] != first):
        # The older form wins, as in upstream's conversion: its writers do not know the list.
        node.spec.ClearField("pod_cidrs")
        node.spec.pod_cidrs.append(first)
    elif listed and not first:
        node.spec.pod_cidr = listed[0]


def default_node_status(status: node_pb2.NodeStatus) -> None:
    """Offer to Pods all that a node has, where it does not say (`SetDefaults_NodeStatus`)."""
    round_up(status.capacity)
    round_up(status.allocatable)
    if not status.allocatable:
        for name in status.capacity:
            status.allocatable[name].string = status.capacity[name].string


def default_namespace(namespace: namespace_pb2.Namespace) -> None:
    """Give a Namespace the label that selectors find it by, and its first phase."""
    if name := namespace.metadata.name:
        namespace.metadata.labels["kubernetes.io/metadata.name"] = name
    set_defaults(namespace.status, phase="Active")


def default_secret(secret: config_pb2.Secret) -> None:
    """Give a Secret its type."""
    set_defaults(secret, type="Opaque")


def default_resource_quota(quota: resource_quota_pb2.ResourceQuota) -> None:
    """Round amounts as those of containers are rounded: they are compared."""
    round_up(quota.spec.hard)
    round_up(quota.status.hard)
    round_up(quota.status.used)


def default_limit_range(limit_range: limit_range_pb2.LimitRange) -> None:
    """Complete what containers get: limits from the maximum, requests from limits or the minimum."""
    for item in limit_range.spec.limits:
        for amounts in (item.max, item.min, item.default, item.default_request, item.max_limit_request_ratio):
            round_up(amounts)
        if item.type == "Container":
            _complete(item.default, item.max)
            _complete(item.default_request, item.default)
            _complete(item.default_request, item.min)


def _complete(amounts: Quantities, source: Quantities) -> None:
    for name in source:
        if name not in amounts:
            amounts[name].string = source[name].string


def default_priority_class(priority_class: priority_class_pb2.PriorityClass) -> None:
    """Let Pods of a class preempt others, unless it says otherwise."""
    set_defaults(priority_class, preemption_policy="PreemptLowerPriority")


def default_volume(volume: persistent_volume_pb2.PersistentVolume) -> None:
    """Keep a volume that was made by hand when its claim goes."""
    set_defaults(volume.status, phase="Pending")
    set_defaults(volume.spec, persistent_volume_reclaim_policy="Retain", volume_mode="Filesystem")
    default_persistent_source(volume.spec.persistent_volume_source)


def default_claim(claim: persistent_volume_pb2.PersistentVolumeClaim) -> None:
    """Ask for a filesystem."""
    set_defaults(claim.status, phase="Pending")
    set_defaults(claim.spec, volume_mode="Filesystem")


def default_claim_object(claim: persistent_volume_pb2.PersistentVolumeClaim) -> None:
    """Complete a claim that is no template: what fills it stands in both fields for it (KEP-1495).

    Alone, the older field loses what is neither a claim nor a snapshot; then what only one of the fields has
    goes into the other: `NormalizeDataSources` and `EnforceDataSourceBackwardsCompatibility` of
    `pkg/api/persistentvolumeclaim/util.go`.
    """
    default_claim(claim)
    spec = claim.spec
    if spec.HasField("data_source_ref"):
        if not spec.HasField("data_source") and not spec.data_source_ref.namespace:
            _copy_reference(spec.data_source_ref, spec.data_source)
    elif _is_claim_or_snapshot(spec.data_source):
        _copy_reference(spec.data_source, spec.data_source_ref)
    else:
        spec.ClearField("data_source")


def _is_claim_or_snapshot(source: reference_pb2.TypedLocalObjectReference) -> bool:
    of = (source.api_group, source.kind)
    return of in {("", "PersistentVolumeClaim"), ("snapshot.storage.k8s.io", "VolumeSnapshot")}


def _copy_reference(source: _Reference, target: _Reference) -> None:
    target.kind, target.name = source.kind, source.name
    if source.HasField("api_group"):
        target.api_group = source.api_group


def default_class(found: storage_class_pb2.StorageClass) -> None:
    """Make storage at once, and delete it with its claim."""
    set_defaults(found, reclaim_policy="Delete", volume_binding_mode="Immediate")


def default_driver(driver: csi_driver_pb2.CSIDriver) -> None:
    """Say that a driver attaches volumes that outlive Pods, and wants to be told nothing.

    Follows `SetDefaults_CSIDriver` of `pkg/apis/storage/v1/defaults.go`.
    """
    spec = driver.spec
    set_defaults(
        spec,
        attach_required=True,
        pod_info_on_mount=False,
        storage_capacity=False,
        fs_group_policy="ReadWriteOnceWithFSType",
        requires_republish=False,
        se_linux_mount=False,
        prevent_pod_scheduling_if_missing=False,
    )
    if not spec.volume_lifecycle_modes:
        spec.volume_lifecycle_modes.append("Persistent")


def default_binding(binding: rbac_pb2.ClusterRoleBinding | rbac_pb2.RoleBinding) -> None:
    """Name the group of the role, and of users and groups."""
    binding.role_ref.api_group = binding.role_ref.api_group or _RBAC
    for subject in binding.subjects:
        if subject.kind in ("User", "Group"):
            subject.api_group = subject.api_group or _RBAC
