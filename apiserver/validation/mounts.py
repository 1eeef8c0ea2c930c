"""Rules for what containers mount: files and devices of the Pod's volumes.

Follows `pkg/apis/core/validation`: ValidateVolumeMounts, ValidateVolumeDevices.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from apiserver.validation.place import Place
from apiserver.validation.volumes import Sources
from vaina.api.core.v1 import pod_pb2
from vaina.objects import names

_PROPAGATIONS: Final = ("Bidirectional", "HostToContainer", "None")
_RECURSIVE: Final = ("Disabled", "Enabled", "IfPossible")


def check_mounts(
    path: Place,
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
            at.child("name").required()
        if mount.name not in volumes:
            at.child("name").not_found(mount.name)
        if not mount.mount_path:
            at.child("mountPath").required()
        if mount.mount_path in seen:
            at.child("mountPath").invalid(mount.mount_path, "must be unique")
        seen.add(mount.mount_path)
        if devices:
            _check_against_devices(at, mount, devices)
        _check_sub_path(path, at, mount)
        if mount.HasField("mount_propagation"):
            _check_propagation(path.child("mountPropagation"), mount.mount_propagation, privileged=privileged)
        if mount.HasField("recursive_read_only"):
            _check_recursive(path.child("recursiveReadOnly"), mount)
        options: set[str] = set()
        for number, option in enumerate(mount.bind_mount_options):
            at.child("bindMountOptions").index(number).check_unique(option, options)


def _check_against_devices(at: Place, mount: pod_pb2.VolumeMount, devices: Mapping[str, str]) -> None:
    if mount.name in devices:
        at.child("name").invalid(mount.name, "must not already exist in volumeDevices")
    if mount.mount_path in devices.values():
        at.child("mountPath").invalid(mount.mount_path, "must not already exist as a path in volumeDevices")


def _check_sub_path(path: Place, at: Place, mount: pod_pb2.VolumeMount) -> None:
    """Check where in the volume a mount begins. Upstream's paths of the two fields carry no index."""
    if not mount.sub_path and not mount.sub_path_expr:
        return
    path.child("subPath").check_value(mount.sub_path, names.local_descending_path)
    if mount.sub_path and mount.sub_path_expr:
        at.child("subPathExpr").invalid(mount.sub_path_expr, "subPathExpr and subPath are mutually exclusive")
    path.child("subPathExpr").check_value(mount.sub_path_expr, names.local_descending_path)


def _check_propagation(path: Place, mode: str, *, privileged: bool) -> None:
    path.check_supported(mode, _PROPAGATIONS)
    if mode == "Bidirectional" and not privileged:
        path.forbidden("Bidirectional mount propagation is available only to privileged containers")


def _check_recursive(path: Place, mount: pod_pb2.VolumeMount) -> None:
    mode = mount.recursive_read_only
    if mode not in _RECURSIVE:
        path.not_supported(mode, _RECURSIVE)
    elif mode != "Disabled":
        if not mount.read_only:
            path.forbidden("may only be specified when readOnly is true")
        if mount.mount_propagation not in {"", "None"}:
            path.forbidden("may only be specified when mountPropagation is None or not specified")


def check_devices(
    path: Place,
    devices: Iterable[pod_pb2.VolumeDevice],
    mounts: Mapping[str, str],
    volumes: Sources,
) -> None:
    """Check the block devices of one container; `mounts` are its mount paths by volume."""
    paths: set[str] = set()
    taken: set[str] = set()
    for index, device in enumerate(devices):
        at = path.index(index)
        _check_device_name(at.child("name"), device.name, taken, volumes)
        at_path = at.child("devicePath")
        if not device.device_path:
            at_path.required()
        if device.device_path in paths:
            at_path.invalid(device.device_path, "must be unique")
        if names.no_backsteps(device.device_path):
            at_path.invalid(device.device_path, "can not contain backsteps ('..')")
        else:
            paths.add(device.device_path)
        if device.name in mounts:
            at.child("name").invalid(device.name, "must not already exist in volumeMounts")
        if device.device_path in mounts.values():
            at_path.invalid(device.device_path, "must not already exist as a path in volumeMounts")
        if device.name:
            taken.add(device.name)


def _check_device_name(path: Place, name: str, taken: set[str], volumes: Sources) -> None:
    if not name:
        path.required()
    if name in taken:
        path.invalid(name, "must be unique")
    source = volumes.get(name)
    if source is None:
        path.not_found(name)
    elif not source.HasField("persistent_volume_claim") and not source.HasField("ephemeral"):
        detail = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
        path.invalid(name, detail)
