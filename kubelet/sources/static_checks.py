"""What a static Pod may not be. PURE.

What would keep it from running (values: `static_values`), or would need an apiserver: the mirror Pod is judged by all of the apiserver's rules. Words are upstream's where it has them
(`pkg/kubelet/config/common.go`, `pkg/api/pod/util.go` HasAPIObjectReference).
"""

import re
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Final

from google.protobuf.message import Message

from kubelet.sources.static_values import bad_values
from vaina.api.core.v1 import pod_pb2

_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_MAX_NAME: Final = 253
_POLICIES: Final = ("Always", "OnFailure", "Never")
_PROTOCOLS: Final = ("SCTP", "TCP", "UDP")
_MAX_PORT: Final = 65535
#: what the objects are called that a volume of each kind refers to
_VOLUME_OBJECTS: Final[Mapping[str, str]] = {
    "config_map": "configmaps",
    "secret": "secrets",
    "persistent_volume_claim": "persistentvolumeclaims",
    "ephemeral": "persistentvolumeclaims",
}
_PROJECTED_OBJECTS: Final[Mapping[str, str]] = {
    "config_map": "configmaps",
    "secret": "secrets",
    "service_account_token": "serviceaccounts",
    "cluster_trust_bundle": "clustertrustbundles",
    "pod_certificate": "podcertificaterequests",
}
_ENV_OBJECTS: Final[Mapping[str, str]] = {
    "config_map_ref": "configmaps",
    "secret_ref": "secrets",
    "config_map_key_ref": "configmaps",
    "secret_key_ref": "secrets",
}


def mistake(pod: pod_pb2.Pod) -> str:
    """Return what is wrong with a Pod that has its defaults; "": nothing."""
    return next(
        chain(
            _of_names(pod),
            _of_spec(pod.spec),
            _of_containers(pod.spec),
            _of_ports(pod.spec),
            (f"{error.field}: {error.detail}" for error in bad_values(pod.spec)),
            _of_objects(pod.spec),
        ),
        "",
    )


def _of_names(pod: pod_pb2.Pod) -> Iterator[str]:
    meta, spec = pod.metadata, pod.spec
    if not _SUBDOMAIN.fullmatch(meta.name) or len(meta.name) > _MAX_NAME:
        yield f'metadata.name: Invalid value: "{meta.name}": must be a lowercase RFC 1123 subdomain'
    if not _LABEL.fullmatch(meta.namespace):
        yield f'metadata.namespace: Invalid value: "{meta.namespace}": must be a lowercase RFC 1123 label'
    containers = [item.name for item in (*spec.init_containers, *spec.containers)]
    for path, names in (
        ("spec.volumes", [volume.name for volume in spec.volumes]),
        ("spec.containers", containers),
    ):
        for name in names:
            if not _LABEL.fullmatch(name):
                yield f'{path}: Invalid value: "{name}": must be a lowercase RFC 1123 label'
            if names.count(name) > 1:
                yield f'{path}: Duplicate value: "{name}"'


def _of_spec(spec: pod_pb2.PodSpec) -> Iterator[str]:
    if not spec.containers:
        yield "spec.containers: Required value"
    if spec.ephemeral_containers:
        yield "spec.ephemeralContainers: Forbidden: static pods do not support ephemeral containers"
    if spec.restart_policy not in _POLICIES:
        supported = ", ".join(f'"{policy}"' for policy in _POLICIES)
        yield f'spec.restartPolicy: Unsupported value: "{spec.restart_policy}": supported values: {supported}'


def _of_containers(spec: pod_pb2.PodSpec) -> Iterator[str]:
    volumes = {volume.name for volume in spec.volumes}
    for container in (*spec.init_containers, *spec.containers):
        if not container.image.strip():
            yield f"spec.containers[{container.name}].image: Required value"
        for mount in container.volume_mounts:
            if mount.name not in volumes:
                yield f'spec.containers[{container.name}].volumeMounts: Not found: "{mount.name}"'


def _of_ports(spec: pod_pb2.PodSpec) -> Iterator[str]:
    """One that the kernel does not know would keep the ports of all Pods of the node from being led to them."""
    for container in (*spec.init_containers, *spec.containers):
        where = f"spec.containers[{container.name}].ports"
        for port in container.ports:
            for number in (port.container_port, port.host_port or 1):
                if not 1 <= number <= _MAX_PORT:
                    yield f"{where}: Invalid value: {number}: must be between 1 and {_MAX_PORT}, inclusive"
            if port.protocol not in _PROTOCOLS:
                supported = ", ".join(f'"{protocol}"' for protocol in _PROTOCOLS)
                yield f'{where}: Unsupported value: "{port.protocol}": supported values: {supported}'


def _of_objects(spec: pod_pb2.PodSpec) -> Iterator[str]:
    return (f"static pods may not reference {kind}" for kind in _objects(spec))


def _objects(spec: pod_pb2.PodSpec) -> Iterator[str]:
    if spec.service_account_name:
        yield "serviceaccounts"
    if spec.image_pull_secrets:
        yield "secrets"
    if spec.resource_claims:
        yield "resourceclaims"
    for container in (*spec.init_containers, *spec.containers):
        for source in (*container.env_from, *(variable.value_from for variable in container.env)):
            yield from _named(source, _ENV_OBJECTS)
    for volume in spec.volumes:
        yield from _named(volume.volume_source, _VOLUME_OBJECTS)
        for projection in volume.volume_source.projected.sources:
            yield from _named(projection, _PROJECTED_OBJECTS)


def _named(message: Message, objects: Mapping[str, str]) -> Iterator[str]:
    return (objects[field.name] for field, _ in message.ListFields() if field.name in objects)
