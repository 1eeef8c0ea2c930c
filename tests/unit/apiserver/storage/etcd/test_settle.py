"""What the writer key proves of a batch whose answer was lost, and what it does not."""

from typing import Any, cast

import pytest
from aetcd.rpc import kv_pb2, rpc_pb2

from apiserver.storage.etcd.batch import Write
from apiserver.storage.etcd.client import EtcdClient
from apiserver.storage.etcd.settle import Verdict, settle, settle_refused
from apiserver.storage.interface import Key

WRITES = [Write(Key("/registry/pods/default/a"), 0, b"x")]
BASE = 10


class Moved:
    """An etcd whose writer key has a value, at a revision."""

    def __init__(self, value: bytes, revision: int) -> None:
        self.key = kv_pb2.KeyValue(value=value, mod_revision=revision)

    async def txn(self, request: Any, operation: str) -> Any:
        # The fence is asked with a compare; what the compares of the batch saw without one.
        kvs = [self.key] if request.compare else []
        held = rpc_pb2.ResponseOp(response_range=rpc_pb2.RangeResponse(kvs=kvs))
        return rpc_pb2.TxnResponse(succeeded=not request.compare, responses=[held])

    async def range(self, request: Any, operation: str) -> Any:
        return rpc_pb2.RangeResponse(kvs=[self.key])


@pytest.mark.parametrize(
    ("value", "want"),
    [
        pytest.param(b"fence-1", Verdict.NOT_APPLIED, id="a fence of this settling whose answer was lost"),
        pytest.param(b"fence-2", Verdict.NOT_APPLIED, id="the fence that was sent now"),
        pytest.param(b"other", Verdict.UNKNOWN, id="a late retry of the put that establishes the key"),
        pytest.param(b"", Verdict.UNKNOWN, id="somebody else"),
    ],
)
async def test_only_a_fence_of_its_own_proves_that_a_batch_was_not_applied(
    value: bytes, want: Verdict
) -> None:
    client = cast(EtcdClient, Moved(value, 12))
    found = await settle(client, WRITES, b"writer", b"batch", [b"fence-1", b"fence-2"], BASE)
    assert found.verdict is want


async def test_the_token_of_the_batch_proves_that_it_was_committed() -> None:
    client = cast(EtcdClient, Moved(b"batch", 12))
    found = await settle(client, WRITES, b"writer", b"batch", [b"fence"], BASE)
    assert isinstance(found.verdict, list)
    assert [(one.succeeded, one.revision) for one in found.verdict] == [(True, 12)]


@pytest.mark.parametrize(
    ("value", "revision", "want"),
    [(b"before", BASE, Verdict.NOT_APPLIED), (b"other", 12, Verdict.UNKNOWN)],
)
async def test_a_batch_that_was_refused_is_unknown_once_somebody_else_moved_the_key(
    value: bytes, revision: int, want: Verdict
) -> None:
    client = cast(EtcdClient, Moved(value, revision))
    assert (await settle_refused(client, WRITES, b"writer", b"batch", BASE)).verdict is want
