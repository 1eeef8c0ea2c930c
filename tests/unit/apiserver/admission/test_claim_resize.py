"""A claim grows only where its class says that volumes may."""

import pytest

from tests.support.apiserver import Harness, make_apiserver
from tests.unit.scheduler.volumes.storage import claim
from vaina.api.core.v1 import persistent_volume_pb2
from vaina.api.storage.v1 import storage_class_pb2
from vaina.errors import Forbidden

Claim = persistent_volume_pb2.PersistentVolumeClaim
FIXED = (
    'persistentvolumeclaims "data" is forbidden: only dynamically provisioned pvc can be resized and '
    "the storageclass that provisions the pvc must support resize"
)


async def bound(api: Harness, *, may_grow: bool | None, storage_class: str = "wait") -> Claim:
    """Make a claim that is bound, and its class; None: the class is not there."""
    if may_grow is not None:
        found = storage_class_pb2.StorageClass(
            provisioner="example.com/disk", allow_volume_expansion=may_grow
        )
        found.metadata.name = storage_class
        await api.client.storage_classes.create(found)
    made = claim(wants="disk", storage_class=storage_class)
    made.metadata.uid = ""
    made = await api.client.persistent_volume_claims.create(made)
    made.status.phase = "Bound"
    return await api.client.persistent_volume_claims.update_status(made)


async def grow(api: Harness, made: Claim, size: str) -> str:
    made.spec.resources.requests["storage"].string = size
    return (await api.client.persistent_volume_claims.update(made)).spec.resources.requests["storage"].string


async def test_a_claim_of_a_class_that_allows_it_grows() -> None:
    api = make_apiserver()
    assert await grow(api, await bound(api, may_grow=True), "8Gi") == "8Gi"


@pytest.mark.parametrize(
    ("may_grow", "storage_class"), [(False, "wait"), (None, "wait"), (None, "")],
    ids=["a class that does not", "a class that is gone", "no class"],
)  # fmt: skip
async def test_others_do_not(may_grow: bool | None, storage_class: str) -> None:
    api = make_apiserver()
    made = await bound(api, may_grow=may_grow, storage_class=storage_class)
    with pytest.raises(Forbidden) as refused:
        await grow(api, made, "8Gi")
    assert refused.value.message == FIXED


async def test_what_asks_for_as_much_as_before_may_change() -> None:
    api = make_apiserver()
    made = await bound(api, may_grow=False)
    made.metadata.labels["a"] = "b"
    assert await grow(api, made, "5120Mi")
