"""The kinds whose files are made of objects: configMap, secret, downwardAPI, projected (`pkg/volume`)."""

import asyncio
import os
from abc import abstractmethod
from collections.abc import Set
from pathlib import Path
from typing import Protocol

from kubelet.volumes import atomic, mounting, payload
from kubelet.volumes.interface import Reference
from kubelet.volumes.payload import DEFAULT_MODE, Files, PayloadError
from kubelet.volumes.plugins.interface import PodVolume, VolumePlugin, memory_bytes
from vaina.api.core.v1 import pod_pb2, volume_pb2


class ObjectFiles(VolumePlugin):
    """A kind that shows files which follow objects; containers may only read them."""

    requires_remount = True
    #: the files lie in memory and never on a disk, but for a configMap's (wrappedVolumeSpec in
    #: `pkg/volume/secret/secret.go`, `projected/projected.go`, `downwardapi/downwardapi.go`)
    in_memory = True

    @abstractmethod
    async def files(self, wanted: PodVolume) -> Files:
        """Return path -> file. Raises PayloadError, ApiError."""

    def is_set_up(self, volume: volume_pb2.Volume, path: Path) -> bool:
        written = (path / atomic.DATA_LINK).is_symlink()
        return written and (not self.in_memory or mounting.is_mounted(os.path.realpath(path)))

    def is_read_only(self, volume: volume_pb2.Volume) -> bool:
        return True

    async def check(self, wanted: PodVolume) -> None:
        await self.files(wanted)

    async def set_up(self, wanted: PodVolume) -> None:
        files = await self.files(wanted)
        size = memory_bytes(wanted.pod, "", wanted.facts.allocatable) if self.in_memory else None
        await asyncio.to_thread(_write, wanted.path, files, size, wanted.group)


class ConfigMap(ObjectFiles):
    """A ConfigMap's keys as files."""

    directory = "kubernetes.io~configmap"
    in_memory = False

    def references(self, pod: pod_pb2.Pod, volume: volume_pb2.Volume) -> Set[Reference]:
        name = volume.volume_source.config_map.local_object_reference.name
        return {Reference("ConfigMap", pod.metadata.namespace, name)}

    async def files(self, wanted: PodVolume) -> Files:
        source = wanted.volume.volume_source.config_map
        return await _config_map(wanted, source, _default_mode(source))


class Secret(ObjectFiles):
    """A Secret's keys as files."""

    directory = "kubernetes.io~secret"

    def references(self, pod: pod_pb2.Pod, volume: volume_pb2.Volume) -> Set[Reference]:
        return {Reference("Secret", pod.metadata.namespace, volume.volume_source.secret.secret_name)}

    async def files(self, wanted: PodVolume) -> Files:
        source = wanted.volume.volume_source.secret
        return await _secret(wanted, source.secret_name, source, _default_mode(source))


class DownwardAPI(ObjectFiles):
    """What a Pod is told of itself, as files."""

    directory = "kubernetes.io~downward-api"

    async def files(self, wanted: PodVolume) -> Files:
        source = wanted.volume.volume_source.downward_api
        return payload.downward_files(wanted.pod, source.items, wanted.facts, mode=_default_mode(source))


class Projected(ObjectFiles):
    """The files of several sources together."""

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
            files |= await _projection(wanted, source, _default_mode(projected))
        return files


class _HasDefaultMode(Protocol):
    default_mode: int

    def HasField(self, field_name: str) -> bool: ...  # noqa: N802 - protobuf's name


def _default_mode(source: _HasDefaultMode) -> int:
    """Return the permission bits of files that name none of their own."""
    return source.default_mode if source.HasField("default_mode") else DEFAULT_MODE


async def _config_map(
    wanted: PodVolume, source: volume_pb2.ConfigMapVolumeSource | volume_pb2.ConfigMapProjection, mode: int
) -> Files:
    name = source.local_object_reference.name
    found = await wanted.objects.config_map(wanted.pod.metadata.namespace, name)
    return payload.config_map_files(name, found, source.items, optional=source.optional, mode=mode)


async def _secret(
    wanted: PodVolume,
    name: str,
    source: volume_pb2.SecretVolumeSource | volume_pb2.SecretProjection,
    mode: int,
) -> Files:
    found = await wanted.objects.secret(wanted.pod.metadata.namespace, name)
    return payload.secret_files(name, found, source.items, optional=source.optional, mode=mode)


async def _projection(wanted: PodVolume, source: volume_pb2.VolumeProjection, mode: int) -> Files:
    pod = wanted.pod
    if source.HasField("config_map"):
        return await _config_map(wanted, source.config_map, mode)
    if source.HasField("secret"):
        return await _secret(wanted, source.secret.local_object_reference.name, source.secret, mode)
    if source.HasField("downward_api"):
        return payload.downward_files(pod, source.downward_api.items, wanted.facts, mode=mode)
    if source.HasField("service_account_token"):
        # This cluster has no accounts, so there are no tokens.
        account = pod.spec.service_account_name or "default"
        raise PayloadError(
            f"failed to fetch token: this cluster has no service accounts (serviceaccount {account!r})"
        )
    if source.HasField("cluster_trust_bundle") and source.cluster_trust_bundle.optional:
        # There are no trust bundles; an optional one shows as an empty file.
        return {source.cluster_trust_bundle.path: payload.File(b"", mode)}
    kind = source.ListFields()[0][0].json_name if source.ListFields() else "none"
    raise PayloadError(f"projected sources of kind {kind} are not supported by this node")


def _write(path: Path, files: Files, memory: int | None, group: int | None) -> None:
    """Have a volume show files; with `memory` bytes at most in memory (0: no bound), None: on disk."""
    if memory is not None:
        path.mkdir(parents=True, exist_ok=True)
        # The kernel's own mode of such a file system, which is what a container sees upstream.
        mounting.keep_in_memory(path, size_bytes=memory, mode=0o1777)
    atomic.write(path, files, group=group)
