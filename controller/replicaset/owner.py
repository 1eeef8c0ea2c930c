"""PURE: ReplicaSets and ReplicationControllers as one thing: what the reconciler needs of either."""

from dataclasses import dataclass
from typing import Any

from controller.pods import pod_from_template
from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.kinds import REPLICA_SET, Kind
from vaina.objects.meta import new_controller_ref
from vaina.objects.selectors import LabelSelector, from_labels, from_message


@dataclass(frozen=True, slots=True)
class Owner:
    """One ReplicaSet or ReplicationController. Its messages are shared: read only."""

    kind: Kind[Any]
    object: Any
    selector: LabelSelector

    @property
    def meta(self) -> meta_pb2.ObjectMeta:
        meta: meta_pb2.ObjectMeta = self.object.metadata
        return meta

    @property
    def replicas(self) -> int:
        return self.object.spec.replicas if self.object.spec.HasField("replicas") else 1

    @property
    def reference(self) -> meta_pb2.OwnerReference:
        return new_controller_ref(self.object, self.kind.api_version, self.kind.kind)

    def matches(self, pod: pod_pb2.Pod) -> bool:
        return self.selector.matches(pod.metadata.labels)

    def new_pod(self, name: str) -> pod_pb2.Pod:
        return pod_from_template(self.object.spec.template, self.meta, self.reference, name)


def owner_of(kind: Kind[Any], obj: Any) -> Owner:
    """Return an object of one of the two kinds as an Owner."""
    read = from_message if kind is REPLICA_SET else from_labels
    return Owner(kind, obj, read(obj.spec.selector))
