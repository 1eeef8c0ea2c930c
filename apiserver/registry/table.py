"""The table of stores: one for every row of `vaina.kinds`, with the strategy of the kind."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from apiserver.registry.create.new import Prepare
from apiserver.registry.create.pipeline import Preparer
from apiserver.registry.jobs import CronJobStrategy, JobStrategy
from apiserver.registry.namespaces import NamespaceStrategy
from apiserver.registry.persistent_volumes import PersistentVolumeClaimStrategy, PersistentVolumeStrategy
from apiserver.registry.pod_traces import PodTraceStrategy
from apiserver.registry.pods import PodStrategy
from apiserver.registry.replicas import DeploymentStrategy, ReplicasStrategy, ReplicationControllerStrategy
from apiserver.registry.store import Store
from apiserver.registry.strategies import (
    AutoscalerStrategy,
    CSIDriverStrategy,
    EventStrategy,
    LeaseStrategy,
    LimitRangeStrategy,
    NodeStrategy,
    PodDisruptionBudgetStrategy,
    PodTemplateStrategy,
    PriorityClassStrategy,
    SecretStrategy,
    StorageDriverStrategy,
    VolumeAttachmentStrategy,
)
from apiserver.registry.strategy import Strategy
from apiserver.registry.world import Observer, World
from vaina.kinds import KINDS

#: what is special about a kind, by its name; the others need nothing
STRATEGIES: Mapping[str, Strategy[Any]] = {
    "Pod": PodStrategy(),
    "Node": NodeStrategy(),
    "Namespace": NamespaceStrategy(),
    "Secret": SecretStrategy(),
    "Event": EventStrategy(),
    "Job": JobStrategy(),
    "CronJob": CronJobStrategy(),
    "HorizontalPodAutoscaler": AutoscalerStrategy(),
    "Lease": LeaseStrategy(),
    "LimitRange": LimitRangeStrategy(),
    "PodDisruptionBudget": PodDisruptionBudgetStrategy(),
    "PersistentVolume": PersistentVolumeStrategy(),
    "PersistentVolumeClaim": PersistentVolumeClaimStrategy(),
    "CSIDriver": CSIDriverStrategy(),
    "CSINode": StorageDriverStrategy(),
    "CSIStorageCapacity": StorageDriverStrategy(),
    "VolumeAttachment": VolumeAttachmentStrategy(),
    "PodTrace": PodTraceStrategy(),
    "PodTemplate": PodTemplateStrategy(),
    "PriorityClass": PriorityClassStrategy(),
    "ReplicaSet": ReplicasStrategy(),
    "Deployment": DeploymentStrategy(),
    "StatefulSet": ReplicasStrategy(),
    "DaemonSet": ReplicasStrategy(),
    "ReplicationController": ReplicationControllerStrategy(),
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
    """Return a store for every kind, by the kind's name, as the mappings are.

    `strategies` are those that this cluster wants otherwise than `STRATEGIES` has them.
    """
    wanted = {**STRATEGIES, **strategies}
    return {
        kind.kind: Store(
            kind, wanted.get(kind.kind, Strategy()), world, observer=observers.get(kind.kind),
            prepare=prepares.get(kind.kind), preparer=preparers.get(kind.kind),
        )
        for kind in KINDS
    }  # fmt: skip
