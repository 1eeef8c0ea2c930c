"""ReplicaSets and ReplicationControllers as one thing.

What the reconciler needs of either, and how it differs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from controller.pods import pod_from_template
from vaina.api.apps.v1 import apps_pb2
from vaina.api.core.v1 import pod_pb2, replication_controller_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.kinds import REPLICA_SET, REPLICATION_CONTROLLER, Kind
from vaina.objects.meta import new_controller_ref
from vaina.objects.selectors import LabelSelector, from_labels, from_message


@dataclass(frozen=True, slots=True)
class Owner:
    """One ReplicaSet or ReplicationController as the reconciler sees it.

    Its messages are shared: read only.
    """

    kind: Kind[Any]
    object: Any
    meta: meta_pb2.ObjectMeta
    replicas: int
    selector: LabelSelector
    template: pod_pb2.PodTemplateSpec
    min_ready_seconds: int

    @property
    def reference(self) -> meta_pb2.OwnerReference:
        """The reference by which its Pods name it as their controller."""
        return new_controller_ref(self.object, self.kind.api_version, self.kind.kind)

    def matches(self, pod: pod_pb2.Pod) -> bool:
        """Say whether its selector selects a Pod."""
        return self.selector.matches(pod.metadata.labels)

    def new_pod(self, name: str) -> pod_pb2.Pod:
        """Return the Pod to create under a name."""
        return pod_from_template(self.template, self.meta, self.reference, name)


def of_replica_set(obj: apps_pb2.ReplicaSet) -> Owner:
    """Return a ReplicaSet as an Owner."""
    spec = obj.spec
    return Owner(
        kind=REPLICA_SET, object=obj, meta=obj.metadata,
        replicas=spec.replicas if spec.HasField("replicas") else 1,
        selector=from_message(spec.selector), template=spec.template, min_ready_seconds=spec.min_ready_seconds,
    )  # fmt: skip


def of_replication_controller(obj: replication_controller_pb2.ReplicationController) -> Owner:
    """Return a ReplicationController as an Owner."""
    spec = obj.spec
    return Owner(
        kind=REPLICATION_CONTROLLER, object=obj, meta=obj.metadata,
        replicas=spec.replicas if spec.HasField("replicas") else 1,
        selector=from_labels(spec.selector), template=spec.template, min_ready_seconds=spec.min_ready_seconds,
    )  # fmt: skip


#: how an object of each kind becomes an Owner
ADAPTERS: dict[str, Callable[[Any], Owner]] = {
    REPLICA_SET.kind: of_replica_set,
    REPLICATION_CONTROLLER.kind: of_replication_controller,
}
