"""The table of stores: one for every row of `vaina.kinds`, with the strategy of the kind."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from apiserver.registry import services
from apiserver.registry import strategies as by_kind
from apiserver.registry.certificates import CertificateRequestStrategy
from apiserver.registry.create.new import Prepare
from apiserver.registry.create.pipeline import Preparer
from apiserver.registry.pod_traces import PodTraceStrategy
from apiserver.registry.pods import PodStrategy
from apiserver.registry.store import Store
from apiserver.registry.strategy import Strategy
from apiserver.registry.world import Observer, World
from vaina.kinds import KINDS

#: what is special about a kind, by its name; the others need nothing
STRATEGIES: Mapping[str, Strategy[Any]] = {
    "Pod": PodStrategy(),
    "Node": by_kind.NodeStrategy(),
    "Namespace": by_kind.NamespaceStrategy(),
    "Secret": by_kind.SecretStrategy(),
    "ServiceAccount": by_kind.ServiceAccountStrategy(),
    "Event": by_kind.EventStrategy(),
    "Job": by_kind.JobStrategy(),
    "CronJob": by_kind.GenerationStrategy(),
    "HorizontalPodAutoscaler": by_kind.GenerationStrategy(),
    "Lease": by_kind.LeaseStrategy(),
    "LimitRange": by_kind.LimitRangeStrategy(),
    "PodDisruptionBudget": by_kind.PodDisruptionBudgetStrategy(),
    "ClusterRole": by_kind.RbacStrategy(),
    "ClusterRoleBinding": by_kind.RbacStrategy(),
    "Role": by_kind.RbacStrategy(),
    "RoleBinding": by_kind.RbacStrategy(),
    "PersistentVolume": by_kind.PersistentVolumeStrategy(),
    "PersistentVolumeClaim": by_kind.PersistentVolumeClaimStrategy(),
    "CSIDriver": by_kind.CSIDriverStrategy(),
    "CSINode": by_kind.StorageDriverStrategy(),
    "CSIStorageCapacity": by_kind.StorageDriverStrategy(),
    "VolumeAttachment": by_kind.VolumeAttachmentStrategy(),
    "CertificateSigningRequest": CertificateRequestStrategy(),
    "Service": services.ServiceStrategy(),
    "Endpoints": services.EndpointsStrategy(),
    "EndpointSlice": services.EndpointSliceStrategy(),
    "NetworkPolicy": by_kind.GenerationStrategy(),
    "Ingress": by_kind.GenerationStrategy(),
    "IngressClass": by_kind.GenerationStrategy(),
    "DeviceClass": by_kind.GenerationStrategy(),
    "ResourceClaim": services.ResourceClaimStrategy(),
    "ResourceSlice": services.ResourceSliceStrategy(),
    "DeviceTaintRule": services.DeviceTaintRuleStrategy(),
    "PodTrace": PodTraceStrategy(),
    "PodTemplate": by_kind.PodTemplateStrategy(),
    "PriorityClass": by_kind.GenerationStrategy(),
    "ReplicaSet": by_kind.GenerationStrategy(),
    "Deployment": by_kind.DeploymentStrategy(),
    "StatefulSet": by_kind.GenerationStrategy(),
    "DaemonSet": by_kind.DaemonSetStrategy(),
    "ReplicationController": by_kind.ReplicationControllerStrategy(),
}

Stores = Mapping[str, Store[Any]]


def make_stores(
    world: World,
    observers: Mapping[str, Observer],
    strategies: Mapping[str, Strategy[Any]] = MappingProxyType({}),
    *,
    prepares: Mapping[str, Prepare[Any]] = MappingProxyType({}),
    preparers: Mapping[str, Preparer[Any]] = MappingProxyType({}),
) -> Stores:
    """Return a store for every kind, by its name; `strategies` take the place of those of `STRATEGIES`."""
    wanted = {**STRATEGIES, **strategies}
    return {
        kind.kind: Store(
            kind, wanted.get(kind.kind, Strategy()), world, observer=observers.get(kind.kind),
            prepare=prepares.get(kind.kind), preparer=preparers.get(kind.kind),
        )
        for kind in KINDS
    }  # fmt: skip
