"""The objects that Pods and PersistentVolumes name. Pure.

Follows VisitPodSecretNames and VisitPodConfigmapNames (`pkg/api/v1/pod/util.go`), VisitPVSecretNames
(`pkg/api/v1/persistentvolume/util.go`) and AddPod (`plugin/pkg/auth/authorizer/node/graph.go`).
"""

from collections.abc import Iterator
from typing import Any, Final

from vaina.api.core.v1 import persistent_volume_pb2, pod_pb2

SECRETS: Final = "secrets"
CONFIG_MAPS: Final = "configmaps"
CLAIMS: Final = "persistentvolumeclaims"
ACCOUNTS: Final = "serviceaccounts"

#: secrets of CSI volumes that a kubelet needs; the others are the controllers' alone
_CSI: Final = ("node_publish_secret_ref", "node_stage_secret_ref")


def pod_references(pod: pod_pb2.Pod) -> Iterator[tuple[str, str]]:
    """Yield (plural, name) of the account, and of each Secret, ConfigMap and claim that a Pod names.

    All are in its namespace.
    """
    spec = pod.spec
    yield ACCOUNTS, spec.service_account_name
    for reference in spec.image_pull_secrets:
        yield SECRETS, reference.name
    ephemeral = [one.ephemeral_container_common for one in spec.ephemeral_containers]
    for container in (*spec.init_containers, *spec.containers, *ephemeral):
        yield from _of_container(container)
    for volume in spec.volumes:
        if volume.volume_source.HasField("ephemeral"):
            yield CLAIMS, f"{pod.metadata.name}-{volume.name}"
        else:
            yield from _of_volume(volume.volume_source)


def _of_container(container: Any) -> Iterator[tuple[str, str]]:
    for source in container.env_from:
        yield SECRETS, source.secret_ref.local_object_reference.name
        yield CONFIG_MAPS, source.config_map_ref.local_object_reference.name
    for variable in container.env:
        if variable.HasField("value_from"):
            yield SECRETS, variable.value_from.secret_key_ref.local_object_reference.name
            yield CONFIG_MAPS, variable.value_from.config_map_key_ref.local_object_reference.name


def _of_volume(source: Any) -> Iterator[tuple[str, str]]:
    for field, value in source.ListFields():
        if field.name == "secret" or field.name == "azure_file":
            yield SECRETS, value.secret_name
        elif field.name == "config_map":
            yield CONFIG_MAPS, value.local_object_reference.name
        elif field.name == "persistent_volume_claim":
            yield CLAIMS, value.claim_name
        elif field.name == "projected":
            for projection in value.sources:
                yield SECRETS, projection.secret.local_object_reference.name
                yield CONFIG_MAPS, projection.config_map.local_object_reference.name
        else:
            for name in ("secret_ref", "node_publish_secret_ref"):
                if name in value.DESCRIPTOR.fields_by_name:
                    yield SECRETS, getattr(value, name).name


def volume_secrets(volume: persistent_volume_pb2.PersistentVolume) -> Iterator[tuple[str, str]]:
    """Yield (namespace, name) of each Secret that a kubelet needs for a volume."""
    default = volume.spec.claim_ref.namespace
    for field, value in volume.spec.persistent_volume_source.ListFields():
        if field.name == "azure_file":
            yield value.secret_namespace or default, value.secret_name
        elif field.name == "csi":
            for name in _CSI:
                yield getattr(value, name).namespace, getattr(value, name).name
        elif "secret_ref" in value.DESCRIPTOR.fields_by_name:
            yield value.secret_ref.namespace or default, value.secret_ref.name
