"""The files of volumes that are made of objects: fetches what a volume names, and has `payload` make files of it. Shell."""

from kubelet.containers.downward import PodFacts
from kubelet.volumes import payload
from kubelet.volumes.interface import ObjectSource
from kubelet.volumes.payload import DEFAULT_MODE, Files, PayloadError
from vaina.api.core.v1 import pod_pb2, volume_pb2


async def volume_files(
    pod: pod_pb2.Pod, volume: volume_pb2.Volume, objects: ObjectSource, facts: PodFacts
) -> Files:
    """Return path -> file of a configMap, secret, downwardAPI or projected volume. Raises PayloadError, ApiError."""
    source, namespace = volume.volume_source, pod.metadata.namespace
    if source.HasField("config_map"):
        config = source.config_map
        name = config.local_object_reference.name
        return payload.config_map_files(
            name, await objects.config_map(namespace, name), config.items,
            optional=config.optional, mode=_default_mode(config),
        )  # fmt: skip
    if source.HasField("secret"):
        secret = source.secret
        return payload.secret_files(
            secret.secret_name, await objects.secret(namespace, secret.secret_name), secret.items,
            optional=secret.optional, mode=_default_mode(secret),
        )  # fmt: skip
    if source.HasField("downward_api"):
        down = source.downward_api
        return payload.downward_files(pod, down.items, facts, mode=_default_mode(down))
    return await _projected(pod, source.projected, objects, facts)


async def _projected(
    pod: pod_pb2.Pod, projected: volume_pb2.ProjectedVolumeSource, objects: ObjectSource, facts: PodFacts
) -> Files:
    files: dict[str, payload.File] = {}
    namespace, mode = pod.metadata.namespace, _default_mode(projected)
    for source in projected.sources:
        if source.HasField("config_map"):
            name = source.config_map.local_object_reference.name
            files |= payload.config_map_files(
                name, await objects.config_map(namespace, name), source.config_map.items,
                optional=source.config_map.optional, mode=mode,
            )  # fmt: skip
        elif source.HasField("secret"):
            name = source.secret.local_object_reference.name
            files |= payload.secret_files(
                name, await objects.secret(namespace, name), source.secret.items,
                optional=source.secret.optional, mode=mode,
            )  # fmt: skip
        elif source.HasField("downward_api"):
            files |= payload.downward_files(pod, source.downward_api.items, facts, mode=mode)
        elif source.HasField("service_account_token"):
            # Everyone is anonymous here: there is nobody a token could be of.
            account = pod.spec.service_account_name or "default"
            raise PayloadError(
                f"failed to fetch token: this cluster has no service accounts (serviceaccount {account!r})"
            )
        elif source.HasField("cluster_trust_bundle") and source.cluster_trust_bundle.optional:
            # There are no trust bundles; an optional one shows as an empty file.
            files[source.cluster_trust_bundle.path] = payload.File(b"", mode)
        else:
            kind = source.ListFields()[0][0].json_name if source.ListFields() else "none"
            raise PayloadError(f"projected sources of kind {kind} are not supported by this node")
    return files


def _default_mode(
    source: volume_pb2.ConfigMapVolumeSource
    | volume_pb2.SecretVolumeSource
    | volume_pb2.DownwardAPIVolumeSource
    | volume_pb2.ProjectedVolumeSource,
) -> int:
    return source.default_mode if source.HasField("default_mode") else DEFAULT_MODE
