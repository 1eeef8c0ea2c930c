"""What etcd's refusals mean, by their texts."""

import grpc
import pytest

from apiserver.storage.etcd.failures import (
    Compacted,
    FutureRevision,
    LeaseExists,
    LeaseMissing,
    Refused,
    meaning,
)
from vaina.errors import InternalError, StorageFull, Timeout, TooLarge, TooManyRequests, Unavailable

Code = grpc.StatusCode


@pytest.mark.parametrize(
    ("code", "details", "want", "is_certain"),
    [
        (Code.OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted", Compacted, False),
        (
            Code.OUT_OF_RANGE,
            "etcdserver: mvcc: required revision is a future revision",
            FutureRevision,
            False,
        ),
        (Code.NOT_FOUND, "etcdserver: requested lease not found", LeaseMissing, True),
        (Code.FAILED_PRECONDITION, "etcdserver: lease already exists", LeaseExists, False),
        (Code.RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded", StorageFull, True),
        (Code.INVALID_ARGUMENT, "etcdserver: request is too large", TooLarge, True),
        (Code.RESOURCE_EXHAUSTED, "grpc: received message larger than max (3 vs. 2)", TooLarge, True),
        (Code.RESOURCE_EXHAUSTED, "etcdserver: too many requests", TooManyRequests, True),
        (Code.INVALID_ARGUMENT, "etcdserver: duplicate key given in txn request", InternalError, True),
        (Code.UNAVAILABLE, "etcdserver: request timed out", Unavailable, False),
        (Code.UNAVAILABLE, "etcdserver: leader changed", Unavailable, False),
        (Code.UNAVAILABLE, "failed to connect to all addresses", Unavailable, False),
        (Code.CANCELLED, "Channel closed!", Unavailable, False),
        (Code.DEADLINE_EXCEEDED, "Deadline Exceeded", Timeout, False),
        (Code.UNKNOWN, "", Unavailable, False),
    ],
)
def test_a_refusal_means(
    code: grpc.StatusCode, details: str, want: type[Exception], is_certain: bool
) -> None:
    error = meaning(code, details)
    assert type(error) is want
    assert isinstance(error, Refused) == is_certain
