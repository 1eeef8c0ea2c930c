"""A claim that names no class gets the default one."""

import pytest

from tests.support.apiserver import Harness, make_apiserver
from tests.unit.scheduler.volumes.storage import claim
from vaina.api.core.v1 import persistent_volume_pb2
from vaina.api.storage.v1 import storage_class_pb2

KEY = "storageclass.kubernetes.io/is-default-class"


async def add_class(api: Harness, name: str, *, key: str = KEY, value: str = "true") -> None:
    made = storage_class_pb2.StorageClass(provisioner="example.com/disk")
    made.metadata.name = name
    made.metadata.annotations[key] = value
    await api.client.storage_classes.create(made)


def silent() -> persistent_volume_pb2.PersistentVolumeClaim:
    made = claim()
    made.metadata.uid = ""
    made.spec.ClearField("storage_class_name")
    return made


async def stored(api: Harness, made: persistent_volume_pb2.PersistentVolumeClaim) -> str | None:
    spec = (await api.client.persistent_volume_claims.create(made)).spec
    return spec.storage_class_name if spec.HasField("storage_class_name") else None


async def test_a_claim_that_says_nothing_gets_the_default() -> None:
    api = make_apiserver()
    await add_class(api, "slow", value="false")
    await add_class(api, "fast")
    assert await stored(api, silent()) == "fast"


async def test_without_a_default_it_stays_without_a_class() -> None:
    api = make_apiserver()
    await add_class(api, "slow", value="false")
    assert await stored(api, silent()) is None


@pytest.mark.parametrize("name", ["slow", ""])
async def test_a_claim_that_says_something_keeps_it(name: str) -> None:
    api = make_apiserver()
    await add_class(api, "fast")
    made = silent()
    made.spec.storage_class_name = name
    assert await stored(api, made) == name


async def test_a_claim_that_says_it_in_the_old_way_keeps_it() -> None:
    api = make_apiserver()
    await add_class(api, "fast")
    made = silent()
    made.metadata.annotations["volume.beta.kubernetes.io/storage-class"] = "slow"
    assert await stored(api, made) is None


async def test_of_several_defaults_the_newest_is_taken() -> None:
    api = make_apiserver()
    await add_class(api, "a", key="storageclass.beta.kubernetes.io/is-default-class")
    await api.clock.advance(5)
    await add_class(api, "c")
    await add_class(api, "b")
    assert await stored(api, silent()) == "b"
