"""Which StorageClass claims without one get (`pkg/volume/util/storageclass.go`, GetDefaultClass). PURE."""

from collections.abc import Iterable
from typing import Final

from vaina.api.storage.v1 import storage_class_pb2

#: what a default class says of itself, and how it was said before
DEFAULT_CLASS: Final = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)


def default_class(classes: Iterable[storage_class_pb2.StorageClass]) -> str:
    """Return the name of the default class, the newest of several; empty: there is none."""
    metas = (found.metadata for found in classes)
    defaults = [meta for meta in metas if any(meta.annotations.get(key) == "true" for key in DEFAULT_CLASS)]
    defaults.sort(key=lambda meta: (-meta.creation_timestamp.seconds, meta.name))
    return defaults[0].name if defaults else ""
