"""The files of volumes that are made of objects: configMap, secret, downwardAPI, projected. PURE.

As `pkg/volume/configmap`: without items there is a file for each key, with items only for those; a missing key
is an error unless the source is optional.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kubelet.containers.env import DownwardError, PodFacts, field_value, resource_value
from vaina.api.core.v1 import config_pb2, pod_pb2, volume_pb2
from vaina.objects import names

DEFAULT_MODE = 0o644
#: of a path and of a name in it (PATH_MAX, NAME_MAX)
MAX_PATH, MAX_NAME = 4096, 255


class PayloadError(Exception):
    """The files cannot be made; the message is upstream's."""


@dataclass(frozen=True, slots=True)
class File:
    """One file's content and permission bits, and whom it belongs to; None: root."""

    data: bytes
    mode: int
    user: int | None = None


Files = Mapping[str, File]
_NO_KEY = {
    "configmap": "configmap references non-existent config key",
    "secret": "references non-existent secret key",
}


def object_files(
    kind: str,
    name: str,
    found: config_pb2.ConfigMap | config_pb2.Secret | None,
    items: Iterable[volume_pb2.KeyToPath],
    *,
    optional: bool,
    mode: int,
) -> Files:
    """Return path -> file of a ConfigMap or Secret (`kind`: configmap, secret). Raises PayloadError."""
    if found is None:
        if not optional:
            raise PayloadError(f'{kind} "{name}" not found')
        return {}
    data: Mapping[str, bytes] = (
        found.data
        if isinstance(found, config_pb2.Secret)
        else {**{key: text.encode() for key, text in found.data.items()}, **found.binary_data}
    )
    items = tuple(items)
    if not items:
        for key in data:
            check_path(key)
        return {key: File(value, mode) for key, value in data.items()}
    files = {}
    for item in items:
        if item.key in data:
            check_path(item.path)
            files[item.path] = File(data[item.key], item.mode if item.HasField("mode") else mode)
        elif not optional:
            raise PayloadError(f"{_NO_KEY[kind]}: {item.key}")
    return files


def downward_files(
    pod: pod_pb2.Pod, items: Iterable[volume_pb2.DownwardAPIVolumeFile], facts: PodFacts, *, mode: int
) -> Files:
    """Return path -> file of a downwardAPI source. Raises PayloadError."""
    files = {}
    containers = {item.name: item for item in (*pod.spec.containers, *pod.spec.init_containers)}
    for item in items:
        try:
            if item.HasField("field_ref"):
                text = field_value(pod, item.field_ref.field_path, facts)
            else:
                wanted = item.resource_field_ref
                if wanted.container_name not in containers:
                    raise PayloadError(f"container {wanted.container_name} not found")
                container = containers[wanted.container_name]
                text = resource_value(pod, container, wanted.resource, wanted.divisor.string, facts)
        except DownwardError as error:
            raise PayloadError(str(error)) from error
        check_path(item.path)
        files[item.path] = File(text.encode(), item.mode if item.HasField("mode") else mode)
    return files


def check_path(path: str) -> None:
    """Check that a file stays in its volume, since root writes it; validation has checked that before.

    As validatePath in `pkg/volume/util/atomic_writer.go`, which counts bytes. Raises PayloadError.
    """
    if not path:
        raise PayloadError('invalid path: must not be empty: ""')
    if path.startswith("/"):
        raise PayloadError(f"invalid path: must be relative path: {path}")
    if names.size(path) > MAX_PATH:
        raise PayloadError(f"invalid path: must be less than or equal to {MAX_PATH} characters")
    parts = path.split("/")
    for part in parts:
        if part == "..":
            raise PayloadError(f"invalid path: must not contain '..': {path}")
        if names.size(part) > MAX_NAME:
            raise PayloadError(f"invalid path: filenames must be less than or equal to {MAX_NAME} characters")
    if parts[0].startswith(".."):
        raise PayloadError(f"invalid path: must not start with '..': {path}")
