"""Which node has to do with which object: what the Pods that are bound to it name. Pure.

    node <- Pod <- Secret, ConfigMap, claim
                           claim <- volume <- Secret
    node <- volume (of the node-local provisioner, whose data the node's kubelet deletes)

Follows `plugin/pkg/auth/authorizer/node/graph.go`. Upstream walks a graph of vertices; here the nodes of each
object are counted, since the longest way has four steps. `feed` fills it from the watch cache.
"""

from collections import Counter
from sys import intern
from typing import NamedTuple, TypeAlias

from apiserver.authorization.node.references import CLAIMS, SECRETS, pod_references, volume_secrets
from vaina.api.core.v1 import persistent_volume_pb2, pod_pb2
from vaina.objects.local_path import node_of
from vaina.objects.pods import is_mirror

#: (plural, namespace, name)
Object: TypeAlias = tuple[str, str, str]
PODS, VOLUMES = "pods", "persistentvolumes"


class _Pod(NamedTuple):
    uid: str
    node: str
    #: containers that were added to it may name further objects; everything else it names stays
    ephemeral_containers: int
    named: tuple[Object, ...]


class _Volume(NamedTuple):
    #: of the node-local provisioner: where it is
    node: str
    claim: Object | None
    secrets: frozenset[Object]


class Graph:
    """The Pods that have a node, and the volumes. Owned by one event loop."""

    def __init__(self) -> None:
        #: by (namespace, name)
        self._pods: dict[tuple[str, str], _Pod] = {}
        #: namespace and name by uid
        self._by_uid: dict[str, tuple[str, str]] = {}
        self._volumes: dict[str, _Volume] = {}
        #: object -> node -> how many of its Pods name the object
        self._nodes: dict[Object, Counter[str]] = {}
        #: Secret -> the volumes that need it
        self._volumes_of: dict[Object, set[str]] = {}

    def has_path(self, node: str, plural: str, namespace: str, name: str) -> bool:
        """Say whether an object has to do with a node."""
        if plural == PODS:
            pod = self._pods.get((namespace, name))
            return pod is not None and pod.node == node
        if plural == VOLUMES:
            return self._is_volume_of(node, name)
        named = (plural, namespace, name)
        if node in self._nodes.get(named, ()):
            return True
        return any(self._is_claimed_on(node, volume) for volume in self._volumes_of.get(named, ()))

    def _is_volume_of(self, node: str, name: str) -> bool:
        volume = self._volumes.get(name)
        return volume is not None and (volume.node == node or self._is_claimed_on(node, name))

    def _is_claimed_on(self, node: str, name: str) -> bool:
        claim = self._volumes[name].claim
        return claim is not None and node in self._nodes.get(claim, ())

    def has_pod(self, node: str, namespace: str, uid: str) -> bool:
        """Say whether a Pod of a namespace is on a node."""
        key = self._by_uid.get(uid)
        return key is not None and key[0] == namespace and self._pods[key].node == node

    def is_local_volume(self, node: str, name: str) -> bool:
        """Say whether a volume of the node-local provisioner is on a node."""
        volume = self._volumes.get(name)
        return volume is not None and volume.node == node

    def put_pod(self, pod: pod_pb2.Pod) -> None:
        """Take a Pod as it is now."""
        meta, spec = pod.metadata, pod.spec
        # Of these there are few, and many Pods: one copy of each is kept.
        namespace, node = intern(meta.namespace), intern(spec.node_name)
        key = (namespace, meta.name)
        known = self._pods.get(key)
        count = len(spec.ephemeral_containers)
        if known is not None and known[:3] == (meta.uid, node, count):
            return
        self.remove_pod(*key)
        if not node:
            return
        # A mirror Pod is made by its node, and a node must not give itself rights (AddPod).
        names = () if is_mirror(pod) else pod_references(pod)
        uid, named = meta.uid, tuple({(plural, namespace, name): None for plural, name in names if name})
        self._pods[key] = _Pod(uid, node, count, named)
        self._by_uid[uid] = key
        for one in named:
            self._nodes.setdefault(one, Counter())[node] += 1

    def remove_pod(self, namespace: str, name: str) -> None:
        known = self._pods.pop((namespace, name), None)
        if known is None:
            return
        self._by_uid.pop(known.uid, None)
        for one in known.named:
            nodes = self._nodes[one]
            nodes[known.node] -= 1
            if not nodes[known.node]:
                del nodes[known.node]
            if not nodes:
                del self._nodes[one]

    def put_volume(self, volume: persistent_volume_pb2.PersistentVolume) -> None:
        """Take a PersistentVolume as it is now."""
        name, spec = volume.metadata.name, volume.spec
        self.remove_volume(name)
        claim = (
            (CLAIMS, spec.claim_ref.namespace, spec.claim_ref.name) if spec.HasField("claim_ref") else None
        )
        names = volume_secrets(volume) if claim else ()
        secrets = frozenset((SECRETS, namespace, secret) for namespace, secret in names if secret)
        self._volumes[name] = _Volume(node_of(volume), claim, secrets)
        for one in secrets:
            self._volumes_of.setdefault(one, set()).add(name)

    def remove_volume(self, name: str) -> None:
        known = self._volumes.pop(name, None)
        for one in () if known is None else known.secrets:
            self._volumes_of[one].discard(name)
            if not self._volumes_of[one]:
                del self._volumes_of[one]

    def clear_pods(self) -> None:
        """Forget all Pods."""
        self._pods.clear()
        self._by_uid.clear()
        self._nodes.clear()

    def clear_volumes(self) -> None:
        """Forget all volumes."""
        self._volumes.clear()
        self._volumes_of.clear()
