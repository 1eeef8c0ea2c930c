"""CreateBatch of every kind: one result for each object, in their order."""

from typing import Any

import pytest

from tests.support.apiserver import make_apiserver
from tests.support.every_kind import sample
from vaina.errors import AlreadyExists, Invalid
from vaina.kinds import KINDS, Kind


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
async def test_each_object_of_a_batch_has_its_own_result(kind: Kind[Any]) -> None:
    client = make_apiserver().client.kind(kind)
    made, again, nameless = await client.create_batch([sample(kind), sample(kind), sample(kind, "name: ''")])
    assert made == await client.get("sample", "default" if kind.namespaced else "")
    assert isinstance(again, AlreadyExists)
    if kind.kind != "PodTrace":
        assert isinstance(nameless, Invalid)
