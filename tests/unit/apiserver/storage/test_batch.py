"""What goes out together, and what its answer means."""

from collections import deque

import pytest
from aetcd.rpc import kv_pb2, rpc_pb2

from apiserver.storage import codec
from apiserver.storage.etcd.batch import (
    MAX_BYTES,
    MAX_WRITES,
    MAX_WRITES_BY_DEFAULT,
    Outcome,
    Write,
    flat_outcomes,
    flat_transaction,
    is_conflict,
    outcomes,
    take_batch,
    transaction,
)
from apiserver.storage.interface import Key


def put(name: str, data: bytes = b"x", expected: int = 0) -> Write:
    return Write(Key(f"/registry/pods/default/{name}"), expected, data, ("v1", "Pod"))


def remove(name: str, expected: int = 5) -> Write:
    return Write(Key(f"/registry/pods/default/{name}"), expected)


@pytest.mark.parametrize("most", [MAX_WRITES, MAX_WRITES_BY_DEFAULT])
def test_a_batch_has_no_more_writes_than_etcd_takes_in_their_order(most: int) -> None:
    writes = [put(f"a{n}") for n in range(MAX_WRITES + 20)]
    pending = deque(writes)
    assert take_batch(pending, most) == writes[:most]
    assert list(pending) == writes[most:]


def test_a_batch_has_each_key_once_and_later_writes_of_a_key_wait() -> None:
    first, again, other, third = put("a"), put("a"), put("b"), put("a")
    pending = deque([first, again, other, third])
    assert take_batch(pending) == [first, other]
    assert list(pending) == [again, third]
    assert take_batch(pending) == [again]


def test_a_batch_stays_under_what_etcd_takes() -> None:
    writes = [put(f"a{n}", b"." * 400_000) for n in range(5)]
    pending = deque(writes)
    batch = take_batch(pending)
    assert batch == writes[:3]
    assert transaction(batch, b"/vaina/writers/x", b"token", 7).ByteSize() < MAX_BYTES < 1.5 * 1024 * 1024
    assert list(pending) == writes[3:]


def test_the_largest_batch_of_the_smallest_writes_stays_under_what_etcd_takes() -> None:
    size = 11_500
    writes = [put("a" * 200 + str(n), b"." * size) for n in range(200)]
    batch = take_batch(deque(writes))
    assert transaction(batch, b"/vaina/writers/x", b"token", 7).ByteSize() < MAX_BYTES


def test_each_write_is_a_transaction_of_its_own() -> None:
    request = transaction([put("a", b"1"), put("b", b"2", expected=9)], b"writer", b"token", 7)
    assert [(c.key, c.mod_revision, c.target) for c in request.compare] == [
        (b"writer", 7, rpc_pb2.Compare.MOD)
    ]
    mark, first, second = request.success
    assert (mark.request_put.key, mark.request_put.value) == (b"writer", b"token")
    assert [c.mod_revision for c in first.request_txn.compare] == [0]
    assert [c.mod_revision for c in second.request_txn.compare] == [9]
    value = second.request_txn.success[0].request_put.value
    assert codec.decode_value(Key("b"), value, 1).data == b"2"
    assert codec.decode_value(Key("b"), value, 1).version == 1000 + 1
    assert second.request_txn.failure[0].request_range.keys_only


def test_flat_all_writes_stand_side_by_side_at_the_positions_that_they_have_nested() -> None:
    writes = [put("a", b"1"), put("b", b"2", expected=9)]
    request = flat_transaction(writes, b"writer", b"token", 7)
    assert [(c.key, c.mod_revision, c.target, c.result) for c in request.compare] == [
        (b"writer", 7, rpc_pb2.Compare.MOD, rpc_pb2.Compare.EQUAL),
        (b"/registry/pods/default/a", 0, rpc_pb2.Compare.MOD, rpc_pb2.Compare.EQUAL),
        (b"/registry/pods/default/b", 9, rpc_pb2.Compare.MOD, rpc_pb2.Compare.EQUAL),
    ]
    nested = transaction(writes, b"writer", b"token", 7)
    assert [item.request_put for item in request.success] == [
        nested.success[0].request_put,
        *(item.request_txn.success[0].request_put for item in nested.success[1:]),
    ]
    answer = rpc_pb2.TxnResponse(succeeded=True)
    answer.header.revision = 12
    assert flat_outcomes(writes, answer) == [Outcome(True, 12, 0), Outcome(True, 12, 1)]


@pytest.mark.parametrize("lease", [0, 1, 0x5641_0000_0100_0E10])
@pytest.mark.parametrize("expected", [0, 1, (1 << 62) + 3, -1])
def test_a_flat_transaction_has_the_leases_and_the_revisions_of_its_writes(lease: int, expected: int) -> None:
    writes = [Write(Key("/registry/pods/default/a"), expected, b"x", ("v1", "Pod"), lease), put("b", b"y")]
    request = flat_transaction(writes, b"writer", b"token", 7)
    assert [c.mod_revision for c in request.compare] == [7, expected, 0]
    assert [c.WhichOneof("target_union") for c in request.compare] == ["mod_revision"] * 3
    puts = [operation.request_put for operation in request.success[1:]]
    assert [(item.key.decode(), item.lease) for item in puts] == [(w.key, w.lease) for w in writes]
    assert [codec.decode_value(Key("b"), item.value, 1).data for item in puts] == [w.data for w in writes]
    (refused,) = request.failure
    assert (refused.request_range.key, refused.request_range.keys_only) == (b"writer", True)


def test_a_flat_transaction_that_did_nothing_says_whether_a_write_is_in_conflict() -> None:
    answer = rpc_pb2.TxnResponse()
    found = answer.responses.add().response_range
    assert not is_conflict(answer, 7)
    found.kvs.add(key=b"writer", mod_revision=8)
    assert not is_conflict(answer, 7)
    assert is_conflict(answer, 8)


@pytest.mark.parametrize("size", [0, 1, 100, 127, 128, 16_000, 16_384, 1_400_000, 3_000_000])
def test_what_is_stored_has_the_length_of_what_is_in_it(size: int) -> None:
    for position in (0, 99):
        value = codec.encode_value(b"x" * size, ("v1", "Pod"), position)
        stored = codec.decode_value(Key("a"), value, 3)
        assert (stored.data, stored.version, stored.type_meta) == (
            b"x" * size,
            3 * 1000 + position,
            ("v1", "Pod"),
        )


def test_the_answer_says_what_became_of_each_write() -> None:
    writes = [put("a"), put("b", expected=3), put("c", expected=4)]
    answer = rpc_pb2.TxnResponse(succeeded=True)
    answer.header.revision = 12
    answer.responses.add().response_put.SetInParent()
    answer.responses.add().response_txn.succeeded = True
    failed = answer.responses.add().response_txn
    failed.responses.add().response_range.kvs.add(mod_revision=8)
    missing = answer.responses.add().response_txn
    missing.responses.add().response_range.SetInParent()
    assert outcomes(writes, answer, marked=True) == [
        Outcome(True, 12, 0), Outcome(False, 12, 0, 8), Outcome(False, 12, 0, 0),
    ]  # fmt: skip


def test_deletions_are_numbered_by_those_that_happened() -> None:
    answer = rpc_pb2.TxnResponse(succeeded=True)
    answer.header.revision = 12
    kvs = [kv_pb2.KeyValue(key=b"a", mod_revision=5), kv_pb2.KeyValue(key=b"c", mod_revision=5)]
    for index in range(3):
        nested = answer.responses.add().response_txn
        if index == 1:
            nested.responses.add().response_range.SetInParent()
        else:
            nested.succeeded = True
            nested.responses.add().response_delete_range.prev_kvs.append(kvs[index // 2])
    assert outcomes([remove("a"), remove("b"), remove("c")], answer, marked=False) == [
        Outcome(True, 12, 0, previous=kvs[0]), Outcome(False, 12, 0, 0), Outcome(True, 12, 1, previous=kvs[1]),
    ]  # fmt: skip
