"""What a static Pod may not be. PURE.

What would keep it from running (values: `static_values`), or would need an apiserver: the mirror Pod is
judged by all of the apiserver's rules. Paths and words are upstream's (`pkg/kubelet/config/common.go`:
tryDecodeSinglePod; `pkg/api/pod/util.go`: HasAPIObjectReference); a test holds them against the apiserver's
own rules.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Final

from google.protobuf.message import Message

from kubelet.sources.static_values import bad_values
from vaina.api.core.v1 import pod_pb2, volume_pb2
from vaina.errors import FieldError
from vaina.objects import names
from vaina.objects.field_path import Path, duplicate, forbidden, invalid, not_found, not_supported, required

_POLICIES: Final = ("Always", "OnFailure", "Never")
_PROTOCOLS: Final = ("SCTP", "TCP", "UDP")
_SPEC: Final = Path("spec")
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


def mistake(pod: pod_pb2.Pod) -> str:
    """Return what is wrong with a Pod that has its defaults; "": nothing."""
    errors = [f"{error.field}: {error.detail}" for error in field_errors(pod)]
    if errors:
        return f"invalid pod: [{' '.join(errors)}]"
    return next(_of_objects(pod.spec), "")


def field_errors(pod: pod_pb2.Pod) -> list[FieldError]:
    """Return all that is wrong with the fields of a Pod that has its defaults, in the apiserver's words."""
    spec = pod.spec
    return [*chain(_of_names(pod), _of_volumes(spec), _of_containers(spec), _of_spec(spec), bad_values(spec))]


def _of_names(pod: pod_pb2.Pod) -> Iterator[FieldError]:
    meta, at = pod.metadata, Path("metadata")
    yield from (invalid(at.child("name"), meta.name, words) for words in names.dns_1123_subdomain(meta.name))
    for words in names.dns_1123_label(meta.namespace):
        yield invalid(at.child("namespace"), meta.namespace, words)


def _of_name(at: Path, name: str, seen: set[str]) -> Iterator[FieldError]:
    problems = names.dns_1123_label(name)
    if not name:
        yield required(at)
    elif problems:
        yield from (invalid(at, name, words) for words in problems)
    elif name in seen:
        yield duplicate(at, name)
    seen.add(name)


def _of_volumes(spec: pod_pb2.PodSpec) -> Iterator[FieldError]:
    seen: set[str] = set()
    for index, volume in enumerate(spec.volumes):
        yield from _of_name(_SPEC.child("volumes").index(index).child("name"), volume.name, seen)


def _of_containers(spec: pod_pb2.PodSpec) -> Iterator[FieldError]:
    if not spec.containers:
        yield required(_SPEC.child("containers"))
    volumes, seen = {volume.name for volume in spec.volumes}, set[str]()
    for field, containers in (("containers", spec.containers), ("initContainers", spec.init_containers)):
        for index, container in enumerate(containers):
            at = _SPEC.child(field).index(index)
            yield from _of_name(at.child("name"), container.name, seen)
            if not container.image:
                yield required(at.child("image"))
            elif container.image != container.image.strip():
                yield invalid(
                    at.child("image"), container.image, "must not have leading or trailing whitespace"
                )
            yield from _of_ports(at.child("ports"), container.ports)
            for place, mount in enumerate(container.volume_mounts):
                if mount.name not in volumes:
                    yield not_found(at.child("volumeMounts").index(place).child("name"), mount.name)


def _of_ports(path: Path, ports: Sequence[pod_pb2.ContainerPort]) -> Iterator[FieldError]:
    """One that the kernel does not know would keep the ports of all Pods of the node from being led to them."""
    for index, port in enumerate(ports):
        at = path.index(index)
        if not port.container_port:
            yield required(at.child("containerPort"))
        for field, number in (("containerPort", port.container_port), ("hostPort", port.host_port)):
            if number:
                yield from (invalid(at.child(field), number, words) for words in names.port_number(number))
        if port.protocol not in _PROTOCOLS:
            yield not_supported(at.child("protocol"), port.protocol, _PROTOCOLS)


def _of_spec(spec: pod_pb2.PodSpec) -> Iterator[FieldError]:
    if spec.restart_policy not in _POLICIES:
        yield not_supported(_SPEC.child("restartPolicy"), spec.restart_policy, _POLICIES)
    if spec.ephemeral_containers:
        yield forbidden(_SPEC.child("ephemeralContainers"), "cannot be set on create")


def _of_objects(spec: pod_pb2.PodSpec) -> Iterator[str]:
    return (f"static pods may not reference {kind}" for kind in _objects(spec))


def _objects(spec: pod_pb2.PodSpec) -> Iterator[str]:
    """Yield what of the apiserver's a Pod refers to, as HasAPIObjectReference looks for it."""
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
