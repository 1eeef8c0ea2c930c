"""Rules for what containers mount: files and devices of the Pod's volumes.

Follows `pkg/apis/core/validation`: ValidateVolumeMounts, ValidateVolumeDevices.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from apiserver.validation.metadata import Errors, check_text
from apiserver.validation.volumes import Sources
from vaina.api.core.v1 import pod_pb2
from vaina.objects import names
from vaina.objects.field_path import Path, duplicate, forbidden, invalid, not_found, not_supported, required

_PROPAGATIONS: Final = ("Bidirectional", "HostToContainer", "None")
_RECURSIVE: Final = ("Disabled", "Enabled", "IfPossible")


def check_mounts(
    errors: Errors,
    path: Path,
    mounts: Iterable[pod_pb2.VolumeMount],
    devices: Mapping[str, str],
    volumes: Sources,
    *,
    privileged: bool,
) -> None:
    """Check the mounts of one container; `devices` are its device paths by volume."""
    seen: set[str] = set()
    for index, mount in enumerate(mounts):
        at = path.index(index)
        if not mount.name:
            errors.append(required(at.child("name")))
        if mount.name not in volumes:
            errors.append(not_found(at.child("name"), mount.name))
        if not mount.mount_path:
            errors.append(required(at.child("mountPath")))
        if mount.mount_path in seen:
            errors.append(invalid(at.child("mountPath"), mount.mount_path, "must be unique"))
        seen.add(mount.mount_path)
        if devices:
            _check_against_devices(errors, at, mount, devices)
        _check_sub_path(errors, path, at, mount)
        if mount.HasField("mount_propagation"):
            _check_propagation(
                errors, path.child("mountPropagation"), mount.mount_propagation, privileged=privileged
            )
        if mount.HasField("recursive_read_only"):
            _check_recursive(errors, path.child("recursiveReadOnly"), mount)
        if len(set(mount.bind_mount_options)) < len(mount.bind_mount_options):
            _check_options(errors, at.child("bindMountOptions"), mount.bind_mount_options)


def _check_against_devices(
    errors: Errors, at: Path, mount: pod_pb2.VolumeMount, devices: Mapping[str, str]
) -> None:
    if mount.name in devices:
        errors.append(invalid(at.child("name"), mount.name, "must not already exist in volumeDevices"))
    if mount.mount_path in devices.values():
        detail = "must not already exist as a path in volumeDevices"
        errors.append(invalid(at.child("mountPath"), mount.mount_path, detail))


def _check_sub_path(errors: Errors, path: Path, at: Path, mount: pod_pb2.VolumeMount) -> None:
    """Check where in the volume a mount begins. Upstream's paths of the two fields carry no index."""
    if not mount.sub_path and not mount.sub_path_expr:
        return
    check_text(errors, path.child("subPath"), mount.sub_path, names.local_descending_path)
    if mount.sub_path and mount.sub_path_expr:
        detail = "subPathExpr and subPath are mutually exclusive"
        errors.append(invalid(at.child("subPathExpr"), mount.sub_path_expr, detail))
    check_text(errors, path.child("subPathExpr"), mount.sub_path_expr, names.local_descending_path)


def _check_propagation(errors: Errors, path: Path, mode: str, *, privileged: bool) -> None:
    if mode not in _PROPAGATIONS:
        errors.append(not_supported(path, mode, _PROPAGATIONS))
    if mode == "Bidirectional" and not privileged:
        detail = "Bidirectional mount propagation is available only to privileged containers"
        errors.append(forbidden(path, detail))


def _check_recursive(errors: Errors, path: Path, mount: pod_pb2.VolumeMount) -> None:
    mode = mount.recursive_read_only
    if mode not in _RECURSIVE:
        errors.append(not_supported(path, mode, _RECURSIVE))
    elif mode != "Disabled":
        if not mount.read_only:
            errors.append(forbidden(path, "may only be specified when readOnly is true"))
        if mount.mount_propagation not in {"", "None"}:
            detail = "may only be specified when mountPropagation is None or not specified"
            errors.append(forbidden(path, detail))


def _check_options(errors: Errors, path: Path, options: Iterable[str]) -> None:
    seen: set[str] = set()
    for index, option in enumerate(options):
        if option in seen:
            errors.append(duplicate(path.index(index), option))
        seen.add(option)


def check_devices(
    errors: Errors,
    path: Path,
    devices: Iterable[pod_pb2.VolumeDevice],
    mounts: Mapping[str, str],
    volumes: Sources,
) -> None:
    """Check the block devices of one container; `mounts` are its mount paths by volume."""
    paths: set[str] = set()
    taken: set[str] = set()
    for index, device in enumerate(devices):
        at = path.index(index)
        _check_device_name(errors, at.child("name"), device.name, taken, volumes)
        at_path = at.child("devicePath")
        if not device.device_path:
            errors.append(required(at_path))
        if device.device_path in paths:
            errors.append(invalid(at_path, device.device_path, "must be unique"))
        if names.no_backsteps(device.device_path):
            errors.append(invalid(at_path, device.device_path, "can not contain backsteps ('..')"))
        else:
            paths.add(device.device_path)
        if device.name in mounts:
            errors.append(invalid(at.child("name"), device.name, "must not already exist in volumeMounts"))
        if device.device_path in mounts.values():
            detail = "must not already exist as a path in volumeMounts"
            errors.append(invalid(at_path, device.device_path, detail))
        if device.name:
            taken.add(device.name)


def _check_device_name(errors: Errors, path: Path, name: str, taken: set[str], volumes: Sources) -> None:
    if not name:
        errors.append(required(path))
    if name in taken:
        errors.append(invalid(path, name, "must be unique"))
    source = volumes.get(name)
    if source is None:
        errors.append(not_found(path, name))
    elif not source.HasField("persistent_volume_claim") and not source.HasField("ephemeral"):
        detail = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
        errors.append(invalid(path, name, detail))
