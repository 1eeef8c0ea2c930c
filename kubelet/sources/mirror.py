"""Mirror Pods: what to create and delete in the API so that it shows the static Pods, and nothing else. PURE.

Follows `pkg/kubelet/pod/mirror_client.go`, and SyncPod and HandlePodCleanups in `pkg/kubelet/kubelet.go`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from kubelet.runtime.records import Uid
from kubelet.sources.static_files import HASH
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.objects.pods import MIRROR


@dataclass(frozen=True, slots=True)
class MirrorPlan:
    """What is due. Empty when the API shows what there is."""

    create: tuple[pod_pb2.Pod, ...] = ()
    #: with grace 0: nothing of a mirror Pod runs
    delete: tuple[pod_pb2.Pod, ...] = ()


def full_name(pod: pod_pb2.Pod) -> tuple[str, str]:
    """Return the name by which a static Pod and its mirror belong together."""
    return pod.metadata.namespace, pod.metadata.name


def is_mirror_of(mirror: pod_pb2.Pod, static: pod_pb2.Pod) -> bool:
    """Say whether a mirror Pod shows this static Pod as it is now."""
    return (
        full_name(mirror) == full_name(static)
        and mirror.metadata.annotations.get(MIRROR, "") == static.metadata.annotations[HASH]
    )


#: says of a static Pod and its mirror that the mirror shows an end that is none
Outlived = Callable[[pod_pb2.Pod, pod_pb2.Pod], bool]


def shown(
    statics: Iterable[pod_pb2.Pod], mirrors: Iterable[pod_pb2.Pod], outlived: Outlived
) -> dict[Uid, pod_pb2.Pod]:
    """Return the mirror of each static Pod, by the static Pod's uid; one that is being deleted is none."""
    by_name = {full_name(mirror): mirror for mirror in mirrors}
    found = {}
    for static in statics:
        mirror = by_name.get(full_name(static))
        if (
            mirror is not None
            and is_mirror_of(mirror, static)
            and not (_ends(mirror) or outlived(static, mirror))
        ):
            found[Uid(static.metadata.uid)] = mirror
    return found


def plan_mirrors(
    statics: Mapping[Uid, pod_pb2.Pod],
    mirrors: Iterable[pod_pb2.Pod],
    node: node_pb2.Node,
    outlived: Outlived,
) -> MirrorPlan:
    """Return what is due.

    `mirrors` are those that the API has for this node, which owns them: a node without a uid is not
    registered yet, and one that is being deleted gets no new ones. Mirrors that are `outlived` are made anew.
    """
    mirrors = tuple(mirrors)
    right = shown(statics.values(), mirrors, outlived)
    kept = {mirror.metadata.uid for mirror in right.values()}
    delete = tuple(mirror for mirror in mirrors if mirror.metadata.uid not in kept)
    if not node.metadata.uid or node.metadata.HasField("deletion_timestamp"):
        return MirrorPlan(delete=delete)
    # A name is free again when the one that has it is gone: then this is looked at again.
    taken = {full_name(mirror) for mirror in mirrors}
    create = tuple(mirror_of(pod, node) for pod in statics.values() if full_name(pod) not in taken)
    return MirrorPlan(create, delete)


def mirror_of(static: pod_pb2.Pod, node: node_pb2.Node) -> pod_pb2.Pod:
    """Return the Pod that shows a static one: the same but for annotation, owner and uid."""
    mirror = pod_pb2.Pod()
    mirror.CopyFrom(static)
    mirror.ClearField("status")
    meta = mirror.metadata
    meta.ClearField("uid")
    meta.annotations[MIRROR] = static.metadata.annotations[HASH]
    meta.owner_references.append(
        meta_pb2.OwnerReference(
            api_version="v1", kind="Node", name=node.metadata.name, uid=node.metadata.uid, controller=True
        )
    )
    return mirror


def _ends(pod: pod_pb2.Pod) -> bool:
    return pod.metadata.HasField("deletion_timestamp")
