"""Kinds of volumes, and where each has its place. PURE."""

from vaina.api.core.v1 import volume_pb2

#: kinds whose files are made of objects, and follow them -> upstream's plugin directory
REFRESHED = {
    "config_map": "kubernetes.io~configmap",
    "secret": "kubernetes.io~secret",
    "downward_api": "kubernetes.io~downward-api",
    "projected": "kubernetes.io~projected",
}
_EMPTY_DIR = "kubernetes.io~empty-dir"


def source_kind(volume: volume_pb2.Volume) -> str:
    """Return which field of the volume's source is set; emptyDir when none is."""
    fields = volume.volume_source.ListFields()
    return str(fields[0][0].name) if fields else "empty_dir"


def plugin_directory(volume: volume_pb2.Volume) -> str | None:
    """Return the directory name of the volume's kind; None for kinds that have no directory of their own (hostPath)."""
    kind = source_kind(volume)
    return _EMPTY_DIR if kind == "empty_dir" else REFRESHED.get(kind)
