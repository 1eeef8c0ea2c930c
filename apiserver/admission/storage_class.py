"""StorageClasses: a claim that names none gets the default one, and grows only where its class allows it.

Follows `plugin/pkg/admission/storage/storageclass/setdefault` and `storage/persistentvolume/resize`, words
included. Of several defaults the newest is taken. An empty name is a name: such a claim wants a volume without
a class.
"""

from collections.abc import Iterable
from typing import Final, cast

from apiserver import refusals
from apiserver.admission.chain import Attributes, Operation
from apiserver.admission.followed import Followed
from apiserver.validation.persistent_volumes import CLASS_ANNOTATION
from vaina.api.core.v1 import persistent_volume_pb2
from vaina.api.storage.v1 import storage_class_pb2
from vaina.kinds import PERSISTENT_VOLUME_CLAIM
from vaina.objects.quantity import QuantityError, parse
from vaina.objects.quota import class_of
from vaina.objects.storage_classes import default_class

Claim = persistent_volume_pb2.PersistentVolumeClaim
StorageClass = storage_class_pb2.StorageClass


class DefaultStorageClass:
    """The plugin."""

    ignores_names = True

    def __init__(self, classes: Followed[StorageClass]) -> None:
        self._classes = classes

    async def admit(self, attributes: Attributes) -> None:
        """Set spec.storageClassName of a new claim."""
        if attributes.kind is not PERSISTENT_VOLUME_CLAIM or attributes.operation is not Operation.CREATE:
            return
        claim = cast("Claim", attributes.object)
        if claim.spec.HasField("storage_class_name") or CLASS_ANNOTATION in claim.metadata.annotations:
            return
        name = default_class(await self._classes.list())
        if name:
            claim.spec.storage_class_name = name


UNBOUND: Final = "Only bound persistent volume claims can be expanded"
FIXED: Final = "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize"


class ClaimResize:
    """The plugin."""

    ignores_names = True

    def __init__(self, classes: Followed[StorageClass]) -> None:
        self._classes = classes

    async def admit(self, attributes: Attributes) -> None:
        """Have a changed claim looked at, once what is stored is known."""
        if attributes.kind is not PERSISTENT_VOLUME_CLAIM or attributes.operation is not Operation.UPDATE:
            return
        classes = await self._classes.list()

        def check(new: Claim, old: Claim) -> None:
            words = why_not(new, old, classes)
            if words:
                raise refusals.forbidden(PERSISTENT_VOLUME_CLAIM, attributes.name, words)

        attributes.checks.append(check)


def why_not(new: Claim, old: Claim, classes: Iterable[StorageClass]) -> str:
    """Say why a claim may not ask for as much as it does; empty when it may, or asks for no more. PURE."""
    if _storage(new) <= _storage(old):
        return ""
    if old.status.phase != "Bound":
        return UNBOUND
    name = class_of(new)
    found = next((item for item in classes if item.metadata.name == name), None)
    if not name or name != class_of(old) or found is None or not found.allow_volume_expansion:
        return FIXED
    return ""


def _storage(claim: Claim) -> int:
    requests = claim.spec.resources.requests
    try:
        return parse(requests["storage"].string).nanos if "storage" in requests else 0
    except QuantityError:
        # Validation says what is wrong with it.
        return 0
