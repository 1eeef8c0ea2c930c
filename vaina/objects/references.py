"""The kinds of objects that a Pod refers to: a static Pod, and so its mirror Pod, may refer to none. PURE.

Follows HasAPIObjectReference (`pkg/api/pod/util.go`). The kubelet refuses such static Pods, the apiserver such
mirror Pods of nodes.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from google.protobuf.message import Message

from vaina.api.core.v1 import pod_pb2, volume_pb2

#: what a volume of each kind needs of the apiserver
_VOLUMES: Final[Mapping[str, str]] = {
    "csi": "csidrivers (via CSI volumes)",
    "glusterfs": "endpoints (via glusterFS volumes)",
    "persistent_volume_claim": "persistentvolumeclaims",
    "ephemeral": "persistentvolumeclaims (via ephemeral volumes)",
    "azure_file": "secrets (via azureFile volumes)",
}
_PROJECTED: Final[Mapping[str, str]] = {
    "service_account_token": "serviceaccounts (via projected volumes)",
    "cluster_trust_bundle": "clustertrustbundles",
    "pod_certificate": "podcertificates",
}
_SECRETS: Final = frozenset(("secret", "secret_ref", "secret_key_ref", "node_publish_secret_ref"))
_CONFIG_MAPS: Final = frozenset(("config_map", "config_map_ref", "config_map_key_ref"))


def object_references(spec: pod_pb2.PodSpec) -> Iterator[str]:
    """Yield the kinds of objects that a Pod refers to, as HasAPIObjectReference finds them."""
    if spec.service_account_name:
        yield "serviceaccounts"
    sources = [volume.volume_source for volume in spec.volumes]
    references = {field for source in sources for field in _references(source)}
    for container in (*spec.init_containers, *spec.containers):
        for item in (*container.env_from, *(variable.value_from for variable in container.env)):
            references |= _fields(item)
    if spec.image_pull_secrets or references & _SECRETS:
        yield "secrets"
    if references & _CONFIG_MAPS:
        yield "configmaps"
    if spec.resource_claims:
        yield "resourceclaims"
    for source in sources:
        yield from (_VOLUMES[field] for field in _fields(source) & _VOLUMES.keys())
        for projection in source.projected.sources:
            yield from (_PROJECTED[field] for field in _fields(projection) & _PROJECTED.keys())


def _fields(message: Message) -> set[str]:
    return {field.name for field, _ in message.ListFields()}


def _references(source: volume_pb2.VolumeSource) -> Iterator[str]:
    """Yield the fields in which a volume may name a Secret or a ConfigMap, where they are set."""
    for field, inner in source.ListFields():
        yield field.name
        yield from _fields(inner)
    for projection in source.projected.sources:
        yield from _fields(projection)
