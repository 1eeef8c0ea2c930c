"""A claim that names no class gets the default one.

Follows `plugin/pkg/admission/storage/storageclass/setdefault`: of several defaults the newest. An empty name
is a name: such a claim wants a volume without a class.
"""

from collections.abc import Iterable
from typing import Final, cast

from apiserver.admission.chain import Attributes, Operation
from apiserver.admission.followed import Followed
from apiserver.validation.persistent_volumes import CLASS_ANNOTATION
from vaina.api.core.v1 import persistent_volume_pb2
from vaina.api.storage.v1 import storage_class_pb2
from vaina.kinds import PERSISTENT_VOLUME_CLAIM

StorageClass = storage_class_pb2.StorageClass

#: what a default class says of itself, and how it was said before
DEFAULT: Final = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)


def default_class(classes: Iterable[StorageClass]) -> str:
    """Return the name of the default class, the newest of several; empty: there is none."""
    defaults = [
        found.metadata
        for found in classes
        if any(found.metadata.annotations.get(key) == "true" for key in DEFAULT)
    ]
    defaults.sort(key=lambda meta: (-meta.creation_timestamp.seconds, meta.name))
    return defaults[0].name if defaults else ""


class DefaultStorageClass:
    """The plugin."""

    ignores_names = True

    def __init__(self, classes: Followed[StorageClass]) -> None:
        self._classes = classes

    async def admit(self, attributes: Attributes) -> None:
        """Set spec.storageClassName of a new claim."""
        if attributes.kind is not PERSISTENT_VOLUME_CLAIM or attributes.operation is not Operation.CREATE:
            return
        claim = cast("persistent_volume_pb2.PersistentVolumeClaim", attributes.object)
        if claim.spec.HasField("storage_class_name") or CLASS_ANNOTATION in claim.metadata.annotations:
            return
        name = default_class(await self._classes.list())
        if name:
            claim.spec.storage_class_name = name
