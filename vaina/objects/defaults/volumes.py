"""Defaults of volumes: an emptyDir where no source is named, and each source's own."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from vaina.api.core.v1 import persistent_volume_pb2, volume_pb2
from vaina.objects.defaults.images import pull_policy

_MODE: Final = 0o644
_TOKEN_SECONDS: Final = 3600
_CERTIFICATE_SECONDS: Final = 86400


def default_volume(volume: volume_pb2.Volume) -> None:
    """Set the defaults of a volume."""
    source = volume.volume_source
    given = source.ListFields()
    if not given:
        source.empty_dir.SetInParent()
        return
    for field, value in given:
        if fill := _SOURCES.get(field.name):
            fill(value)


def default_persistent_source(source: persistent_volume_pb2.PersistentVolumeSource) -> None:
    """Set the defaults of where a PersistentVolume is: those of a Pod's volume of that kind."""
    for field, value in source.ListFields():
        if fill := _SOURCES.get(field.name):
            fill(value)


def set_defaults(message: Any, **defaults: object) -> None:
    """Set the fields that are unset (or empty, for fields without presence)."""
    for field, value in defaults.items():
        present = message.DESCRIPTOR.fields_by_name[field].has_presence
        if not (message.HasField(field) if present else getattr(message, field)):
            setattr(message, field, value)


def _files(source: Any) -> None:
    set_defaults(source, default_mode=_MODE)


def _downward_items(source: Any) -> None:
    for file in source.items:
        if file.HasField("field_ref"):
            set_defaults(file.field_ref, api_version="v1")


def _downward(source: volume_pb2.DownwardAPIVolumeSource) -> None:
    _files(source)
    _downward_items(source)


def _projected(source: volume_pb2.ProjectedVolumeSource) -> None:
    _files(source)
    for projection in source.sources:
        if projection.HasField("downward_api"):
            _downward_items(projection.downward_api)
        if projection.HasField("service_account_token"):
            set_defaults(projection.service_account_token, expiration_seconds=_TOKEN_SECONDS)
        if projection.HasField("pod_certificate"):
            set_defaults(projection.pod_certificate, max_expiration_seconds=_CERTIFICATE_SECONDS)


def _image(source: volume_pb2.ImageVolumeSource) -> None:
    set_defaults(source, pull_policy=pull_policy(source.reference))


def _claim(source: volume_pb2.EphemeralVolumeSource) -> None:
    if source.HasField("volume_claim_template"):
        set_defaults(source.volume_claim_template.spec, volume_mode="Filesystem")


_SOURCES: Final[Mapping[str, Callable[[Any], None]]] = {
    "secret": _files,
    "config_map": _files,
    "downward_api": _downward,
    "projected": _projected,
    "host_path": lambda source: set_defaults(source, type=""),
    "image": _image,
    "ephemeral": _claim,
    "iscsi": lambda source: set_defaults(source, iscsi_interface="default"),
    "rbd": lambda source: set_defaults(source, pool="rbd", user="admin", keyring="/etc/ceph/keyring"),
    "azure_disk": lambda source: set_defaults(
        source, caching_mode="ReadWrite", kind="Shared", fs_type="ext4", read_only=False
    ),
    "scale_io": lambda source: set_defaults(source, storage_mode="ThinProvisioned", fs_type="xfs"),
}
