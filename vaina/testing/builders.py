"""Builders of objects as tests need them: complete enough to pass validation, everything else by keyword."""
# Builders name every field a test may want:
# ruff: noqa: PLR0913

from collections.abc import Mapping, Sequence

from vaina.api.apps.v1 import apps_pb2, deployment_pb2
from vaina.api.core.v1 import (
    config_pb2,
    namespace_pb2,
    node_pb2,
    pod_pb2,
    reference_pb2,
    replication_controller_pb2,
)
from vaina.api.meta.v1 import meta_pb2
from vaina.clock import timestamp
from vaina.testing.clock import EPOCH


def make_meta(
    name: str,
    namespace: str = "default",
    *,
    uid: str = "",
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    owner: meta_pb2.OwnerReference | None = None,
    finalizers: Sequence[str] = (),
    resource_version: str = "",
    created: float | None = EPOCH,
    deleted: float | None = None,
) -> meta_pb2.ObjectMeta:
    """Make metadata. `created` and `deleted` in seconds since the epoch; None leaves them unset."""
    meta = meta_pb2.ObjectMeta(
        name=name, namespace=namespace, uid=uid or f"uid-{namespace}-{name}", labels=labels or {},
        annotations=annotations or {}, finalizers=finalizers, resource_version=resource_version,
    )  # fmt: skip
    if created is not None:
        meta.creation_timestamp.CopyFrom(timestamp(created))
    if deleted is not None:
        meta.deletion_timestamp.CopyFrom(timestamp(deleted))
        meta.deletion_grace_period_seconds = 30
    if owner is not None:
        meta.owner_references.append(owner)
    return meta


def owner_ref(
    kind: str, name: str, uid: str, *, api_version: str = "apps/v1", controller: bool = True
) -> meta_pb2.OwnerReference:
    """Make a controller reference."""
    return meta_pb2.OwnerReference(
        api_version=api_version, kind=kind, name=name, uid=uid, controller=controller,
        block_owner_deletion=True,
    )  # fmt: skip


def make_container(
    name: str = "app",
    image: str = "registry.local/app:1",
    *,
    requests: Mapping[str, str] | None = None,
    limits: Mapping[str, str] | None = None,
) -> pod_pb2.Container:
    """Make a container with requests and limits as quantities in text."""
    container = pod_pb2.Container(name=name, image=image)
    for resource, amount in (requests or {}).items():
        container.resources.requests[resource].string = amount
    for resource, amount in (limits or {}).items():
        container.resources.limits[resource].string = amount
    return container


def make_pod(
    name: str = "web",
    namespace: str = "default",
    *,
    uid: str = "",
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    owner: meta_pb2.OwnerReference | None = None,
    node: str = "",
    phase: str = "Pending",
    ready: bool | None = None,
    ready_since: float = EPOCH,
    restarts: int = 0,
    requests: Mapping[str, str] | None = None,
    containers: Sequence[pod_pb2.Container] = (),
    resource_version: str = "",
    created: float | None = EPOCH,
    deleted: float | None = None,
    finalizers: Sequence[str] = (),
) -> pod_pb2.Pod:
    """Make a Pod with one container unless `containers` are given; `ready` None leaves the condition out."""
    pod = pod_pb2.Pod(
        metadata=make_meta(
            name, namespace, uid=uid, labels=labels, annotations=annotations, owner=owner,
            resource_version=resource_version, created=created, deleted=deleted, finalizers=finalizers,
        ),
        spec=pod_pb2.PodSpec(
            containers=containers or [make_container(requests=requests)], node_name=node,
            restart_policy="Always", scheduler_name="default-scheduler",
        ),
        status=pod_pb2.PodStatus(phase=phase),
    )  # fmt: skip
    if ready is not None:
        pod.status.conditions.add(
            type="Ready", status="True" if ready else "False", last_transition_time=timestamp(ready_since)
        )
    if restarts:
        pod.status.container_statuses.add(name="app", restart_count=restarts)
    return pod


def make_node(
    name: str = "node-1",
    *,
    cpu: str = "4",
    memory: str = "8Gi",
    pods: str = "110",
    labels: Mapping[str, str] | None = None,
    ready: bool = True,
    heartbeat: float = EPOCH,
    pod_cidr: str = "",
    taints: Sequence[node_pb2.Taint] = (),
    resource_version: str = "",
) -> node_pb2.Node:
    """Make a Node that reported at `heartbeat`."""
    node = node_pb2.Node(
        metadata=make_meta(
            name,
            "",
            labels={"kubernetes.io/hostname": name, **(labels or {})},
            resource_version=resource_version,
        ),
        spec=node_pb2.NodeSpec(pod_cidr=pod_cidr, pod_cidrs=[pod_cidr] if pod_cidr else [], taints=taints),
    )
    for amounts in (node.status.capacity, node.status.allocatable):
        amounts["cpu"].string, amounts["memory"].string, amounts["pods"].string = cpu, memory, pods
    node.status.conditions.add(
        type="Ready", status="True" if ready else "False", reason="KubeletReady" if ready else "KubeletNotReady",
        last_heartbeat_time=timestamp(heartbeat), last_transition_time=timestamp(EPOCH),
    )  # fmt: skip
    node.status.addresses.add(type="InternalIP", address="10.0.0.1")
    return node


def make_template(
    labels: Mapping[str, str], containers: Sequence[pod_pb2.Container] = ()
) -> pod_pb2.PodTemplateSpec:
    """Make a Pod template."""
    return pod_pb2.PodTemplateSpec(
        metadata=meta_pb2.ObjectMeta(labels=labels),
        spec=pod_pb2.PodSpec(containers=containers or [make_container()]),
    )


def make_replica_set(
    name: str = "web",
    namespace: str = "default",
    *,
    replicas: int | None = 1,
    labels: Mapping[str, str] | None = None,
    min_ready_seconds: int = 0,
    uid: str = "",
    generation: int = 1,
    deleted: float | None = None,
) -> apps_pb2.ReplicaSet:
    """Make a ReplicaSet that selects `labels` (by default app=<name>)."""
    labels = labels or {"app": name}
    made = apps_pb2.ReplicaSet(
        metadata=make_meta(name, namespace, uid=uid, deleted=deleted),
        spec=apps_pb2.ReplicaSetSpec(
            selector=meta_pb2.LabelSelector(match_labels=labels), template=make_template(labels),
            min_ready_seconds=min_ready_seconds,
        ),
    )  # fmt: skip
    made.metadata.generation = generation
    if replicas is not None:
        made.spec.replicas = replicas
    return made


def make_deployment(
    name: str = "web",
    namespace: str = "default",
    *,
    replicas: int = 1,
    labels: Mapping[str, str] | None = None,
    max_surge: int | str = "25%",
    max_unavailable: int | str = "25%",
    recreate: bool = False,
    uid: str = "",
    generation: int = 1,
    deleted: float | None = None,
) -> deployment_pb2.Deployment:
    """Make a Deployment that selects `labels` (app=<name>), with the defaults that the apiserver gives."""
    labels = labels or {"app": name}
    spec = deployment_pb2.DeploymentSpec(
        replicas=replicas, selector=meta_pb2.LabelSelector(match_labels=labels), template=make_template(labels),
        revision_history_limit=10, progress_deadline_seconds=600,
    )  # fmt: skip
    spec.strategy.type = "Recreate" if recreate else "RollingUpdate"
    if not recreate:
        rolling = spec.strategy.rolling_update
        for target, amount in ((rolling.max_surge, max_surge), (rolling.max_unavailable, max_unavailable)):
            if isinstance(amount, int):
                target.int_val = amount
            else:
                target.type, target.str_val = 1, amount
            target.SetInParent()
    made = deployment_pb2.Deployment(metadata=make_meta(name, namespace, uid=uid, deleted=deleted), spec=spec)
    made.metadata.generation = generation
    return made


def make_replication_controller(
    name: str = "web",
    namespace: str = "default",
    *,
    replicas: int = 1,
    labels: Mapping[str, str] | None = None,
) -> replication_controller_pb2.ReplicationController:
    """Make a ReplicationController that selects `labels` (by default app=<name>)."""
    labels = labels or {"app": name}
    made = replication_controller_pb2.ReplicationController(
        metadata=make_meta(name, namespace),
        spec=replication_controller_pb2.ReplicationControllerSpec(
            replicas=replicas, selector=labels, template=make_template(labels)
        ),
    )
    made.metadata.generation = 1
    return made


def make_namespace(
    name: str,
    *,
    phase: str = "Active",
    deleted: float | None = None,
    finalizers: Sequence[str] = ("kubernetes",),
) -> namespace_pb2.Namespace:
    """Make a Namespace with its finalizer in spec."""
    return namespace_pb2.Namespace(
        metadata=make_meta(name, "", deleted=deleted),
        spec=namespace_pb2.NamespaceSpec(finalizers=finalizers),
        status=namespace_pb2.NamespaceStatus(phase=phase),
    )


def make_config_map(
    name: str, namespace: str = "default", *, data: Mapping[str, str] | None = None
) -> config_pb2.ConfigMap:
    """Make a ConfigMap."""
    return config_pb2.ConfigMap(metadata=make_meta(name, namespace), data=data or {})


def object_reference(kind: str, name: str, namespace: str = "default") -> reference_pb2.ObjectReference:
    """Make a reference to an object."""
    return reference_pb2.ObjectReference(api_version="v1", kind=kind, name=name, namespace=namespace)
