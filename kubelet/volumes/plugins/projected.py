"""projected: the files of several sources together (`pkg/volume/projected`)."""

from collections.abc import Set

from kubelet.volumes import payload
from kubelet.volumes.interface import Reference
from kubelet.volumes.payload import Files, PayloadError
from kubelet.volumes.plugins.interface import PodVolume
from kubelet.volumes.plugins.object_files import ObjectFiles, default_mode
from vaina.api.core.v1 import pod_pb2, volume_pb2


class Projected(ObjectFiles):
    """The plugin."""

    directory = "kubernetes.io~projected"

    def references(self, pod: pod_pb2.Pod, volume: volume_pb2.Volume) -> Set[Reference]:
        found, namespace = set(), pod.metadata.namespace
        for part in volume.volume_source.projected.sources:
            if part.HasField("config_map"):
                found.add(Reference("ConfigMap", namespace, part.config_map.local_object_reference.name))
            if part.HasField("secret"):
                found.add(Reference("Secret", namespace, part.secret.local_object_reference.name))
        return found

    async def files(self, wanted: PodVolume) -> Files:
        files: dict[str, payload.File] = {}
        projected = wanted.volume.volume_source.projected
        for source in projected.sources:
            files |= await _files(wanted, source, default_mode(projected))
        return files


async def _files(wanted: PodVolume, source: volume_pb2.VolumeProjection, mode: int) -> Files:
    pod, objects, namespace = wanted.pod, wanted.objects, wanted.pod.metadata.namespace
    if source.HasField("config_map"):
        name = source.config_map.local_object_reference.name
        return payload.config_map_files(
            name, await objects.config_map(namespace, name), source.config_map.items,
            optional=source.config_map.optional, mode=mode,
        )  # fmt: skip
    if source.HasField("secret"):
        name = source.secret.local_object_reference.name
        return payload.secret_files(
            name, await objects.secret(namespace, name), source.secret.items,
            optional=source.secret.optional, mode=mode,
        )  # fmt: skip
    if source.HasField("downward_api"):
        return payload.downward_files(pod, source.downward_api.items, wanted.facts, mode=mode)
    if source.HasField("service_account_token"):
        # Everyone is anonymous here: there is nobody a token could be of.
        account = pod.spec.service_account_name or "default"
        raise PayloadError(
            f"failed to fetch token: this cluster has no service accounts (serviceaccount {account!r})"
        )
    if source.HasField("cluster_trust_bundle") and source.cluster_trust_bundle.optional:
        # There are no trust bundles; an optional one shows as an empty file.
        return {source.cluster_trust_bundle.path: payload.File(b"", mode)}
    kind = source.ListFields()[0][0].json_name if source.ListFields() else "none"
    raise PayloadError(f"projected sources of kind {kind} are not supported by this node")
