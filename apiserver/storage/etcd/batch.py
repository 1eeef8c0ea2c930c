"""Group commit, the deciding half: which writes go out together, as what transaction, and what its answer means.

Pure. A batch goes out in one of two forms. *Nested*, each write is a transaction of its own (one compare of
the mod revision, one operation, else the key alone is read), so that a conflict fails one write. *Flat*, all
compares and puts stand side by side, and one conflict fails the batch, which is then sent again nested: that
is seldom, and flat costs etcd and us a fifth less of a batched create (decision 080). Either way the writes
have the same positions, and the transaction as a whole compares and puts the *writer key*, a small key
outside /registry/ that only this process writes:

* etcd counts only top-level puts against its quota; without one the quota is never enforced;
* it tells whether a batch whose answer was lost has been committed, and in which revision (its value is the
  batch's token);
* compared at the top, it is a fence: once somebody else's put moved it, a batch that is still under way can
  never be applied (`settle.py`).

When etcd is full every transaction with a put is refused whole; so deletions travel in batches of their own,
and go without the writer key while etcd is full.
"""

from collections import deque
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from aetcd.rpc import kv_pb2, rpc_pb2

from apiserver.storage.codec import encode_value, varint
from apiserver.storage.etcd.own_writes import OwnWrites, Sent
from apiserver.storage.interface import Key, Known
from apiserver.storage.sizes import MAX_BYTES

#: An etcd that is started with --max-txn-ops=1024 takes so many, and a nested transaction for each; as it
#: comes it takes 128 operations, of which one is the writer key's (decision 195). Positions go to 998.
MAX_WRITES, MAX_WRITES_BY_DEFAULT = 500, 126
#: an upper bound of what a write costs beside its data and twice its key (compare, operation, envelope,
#: frames)
OVERHEAD = 192
_MOD: Final = rpc_pb2.Compare.MOD
#: tags of `Compare.mod_revision` and `PutRequest.lease`
_MOD_REVISION: Final = b"\x30"
_LEASE: Final = b"\x18"


class Write:
    """One create, update or deletion that waits for its batch.

    Besides who waits for it, nothing of it ever changes; a plain class, for one is made for every write.
    """

    __slots__ = ("call", "data", "expected", "index", "key", "known", "lease", "type_meta")

    def __init__(
        self,
        key: Key,
        expected: int,
        data: bytes | None = None,
        type_meta: tuple[str, str] = ("", ""),
        lease: int = 0,
        known: Known | None = None,
    ) -> None:
        """Make a write.

        Args:
            key: of the object.
            expected: the key's mod revision must be this one; 0: there must be no key.
            data: None: delete.
            type_meta: apiVersion and kind of the envelope.
            lease: that the key is to end with; 0: none.
            known: of the object.
        """
        self.key, self.expected, self.data, self.type_meta, self.lease = key, expected, data, type_meta, lease
        self.known = known
        #: the `waiting.Call` that waits for it, and which of its writes it is
        self.call: Any = None
        self.index = 0

    @property
    def size(self) -> int:
        """Bytes in the transaction, rather too many than too few."""
        return len(self.data or b"") + 3 * len(self.key) + OVERHEAD


class Outcome(NamedTuple):
    """What became of a write."""

    succeeded: bool
    #: of the batch
    revision: int
    position: int
    #: mod revision of what is stored instead, when the write did not succeed; 0: there is no such key
    actual: int = 0
    #: of a deletion that succeeded: the stored value and its mod revision
    previous: "kv_pb2.KeyValue | None" = None


def take_batch(pending: "deque[Write]", most: int = MAX_WRITES) -> list[Write]:
    """Take from the front of the queue what fits into one transaction of so many writes at most.

    Each key once, the rest stays in order.

    All writes of a queue are of one sort: puts or deletions.
    """
    taken: list[Write] = []
    later: list[Write] = []
    keys: set[Key] = set()
    size = 0
    while pending and len(taken) < most:
        write = pending.popleft()
        key = write.key
        if key in keys:
            later.append(write)
            continue
        more = write.size
        if taken and size + more > MAX_BYTES:
            pending.appendleft(write)
            break
        keys.add(key)
        size += more
        taken.append(write)
    pending.extendleft(reversed(later))
    return taken


def transaction(
    writes: Sequence[Write], writer_key: bytes, token: bytes, base: int | None, own_writes: OwnWrites
) -> "rpc_pb2.TxnRequest":
    """Return the transaction of a batch in which each write is one of its own.

    Args:
        writes: at most `MAX_WRITES`, each key once.
        writer_key: of this process.
        token: names the batch; no other batch of this process has the same.
        base: the writer key's mod revision, as it must still be. None: without the writer key (deletions when
        etcd is full).
        own_writes: are told what is put.
    """
    txn = rpc_pb2.TxnRequest()
    operations = txn.success
    if base is not None:
        txn.compare.append(unchanged(writer_key, base))
        mark = operations.add().request_put
        mark.key, mark.value = writer_key, token
    for position, write in enumerate(writes):
        _nest(operations.add().request_txn, write, position, own_writes)
    return txn


def flat_transaction(
    writes: Sequence[Write], writer_key: bytes, token: bytes, base: int, own_writes: OwnWrites
) -> bytes:
    """Return the transaction of a batch of puts that either does all of them or nothing.

    Then its answer has the writer key (`is_conflict`).

    Encoded: by hand, as protobuf writes a TxnRequest, around the values. Filling in the messages for 126
    writes and encoding them cost as much again as everything else in a commit (decision 177).

    Args: as for `transaction`.
    """
    mark = rpc_pb2.RequestOp(request_put=rpc_pb2.PutRequest(key=writer_key, value=token))
    refused = rpc_pb2.RequestOp(request_range=rpc_pb2.RangeRequest(key=writer_key, keys_only=True))
    # Encoded messages one after the other are one message.
    compares = [rpc_pb2.TxnRequest(compare=[unchanged(writer_key, base)]).SerializeToString()]
    puts = [rpc_pb2.TxnRequest(success=[mark]).SerializeToString()]
    # What stands around keys and values hangs on lengths, of which a batch has few.
    around: dict[tuple[int, int, int], tuple[bytes, bytes]] = {}
    expected, revision = -1, b""
    for position, write in enumerate(writes):
        assert write.data is not None
        key = write.key.encode()
        value = encode_value(write.data, write.type_meta, position)
        if write.expected != expected or not revision:
            expected, revision = write.expected, _MOD_REVISION + _int64(write.expected)
        size = len(key)
        compares += (_compare_head(size, len(revision)), key, revision)
        form = (size, len(value), write.lease)
        found = around.get(form)
        if found is None:
            found = around[form] = _around_put(*form)
        before, between = found
        puts += (before, key, between, value)
        if write.lease:
            puts.append(_LEASE + _int64(write.lease))
        own_writes.expect(key, Sent(value, write.key, write.data, write.type_meta, position, write.known))
    puts.append(rpc_pb2.TxnRequest(failure=[refused]).SerializeToString())
    return b"".join(compares + puts)


def is_conflict(answer: "rpc_pb2.TxnResponse", base: int) -> bool:
    """Say why a flat transaction did nothing.

    One of its writes is in conflict, or else the writer key is not where it was.
    """
    kvs = answer.responses[0].response_range.kvs
    return bool(kvs) and kvs[0].mod_revision == base


def flat_outcomes(writes: Sequence[Write], answer: "rpc_pb2.TxnResponse") -> list[Outcome]:
    """Read the answer to a flat transaction that was applied."""
    revision = answer.header.revision
    # A third of the price of `Outcome(...)`, which is a function around this.
    return [tuple.__new__(Outcome, (True, revision, position, 0, None)) for position in range(len(writes))]


def outcomes(writes: Sequence[Write], answer: "rpc_pb2.TxnResponse", *, marked: bool) -> list[Outcome]:
    """Read the answer to a nested transaction that was applied.

    Args:
        writes: of the batch.
        answer: with `succeeded` true.
        marked: the transaction put the writer key too.
    """
    revision = answer.header.revision
    results: list[Outcome] = []
    deleted = 0
    for position, (write, response) in enumerate(zip(writes, answer.responses[int(marked) :], strict=True)):
        nested = response.response_txn
        if not nested.succeeded:
            kvs = nested.responses[0].response_range.kvs
            results.append(Outcome(False, revision, 0, kvs[0].mod_revision if kvs else 0))
        elif write.data is not None:
            results.append(Outcome(True, revision, position))
        else:
            previous = nested.responses[0].response_delete_range.prev_kvs[0]
            results.append(Outcome(True, revision, deleted, previous=previous))
            deleted += 1
    return results


@lru_cache(maxsize=4096)
def _compare_head(key: int, revision: int) -> bytes:
    """Return what stands before the key in a Compare of a mod revision, in a TxnRequest.

    Args:
        key: its length.
        revision: the length of what follows the key.
    """
    # Not named: what is EQUAL is 0, which is what is there.
    inner = bytes((0x10, _MOD, 0x1A)) + varint(key)
    return b"\x0a" + varint(len(inner) + key + revision) + inner


def _around_put(key: int, value: int, lease: int) -> tuple[bytes, bytes]:
    """Return what stands before the key, and between it and the value, in a put of a TxnRequest.

    Args:
        key: its length.
        value: its length.
        lease: what the value is followed by; 0: nothing.
    """
    first, between = b"\x0a" + varint(key), b"\x12" + varint(value)
    put = len(first) + key + len(between) + value + (len(_LEASE + _int64(lease)) if lease else 0)
    operation = b"\x12" + varint(put)
    return b"\x12" + varint(len(operation) + put) + operation + first, between


@lru_cache(maxsize=4096)
def _int64(number: int) -> bytes:
    """Return a number as protobuf writes an int64."""
    left, found = number & 0xFFFF_FFFF_FFFF_FFFF, bytearray()
    while left > 0x7F:
        found.append(left & 0x7F | 0x80)
        left >>= 7
    found.append(left)
    return bytes(found)


def unchanged(key: bytes, mod_revision: int) -> "rpc_pb2.Compare":
    """Return the compare that a key's mod revision is still this one (0: there is no key)."""
    return rpc_pb2.Compare(
        result=rpc_pb2.Compare.EQUAL, target=rpc_pb2.Compare.MOD, key=key, mod_revision=mod_revision
    )


def _nest(txn: "rpc_pb2.TxnRequest", write: Write, position: int, own_writes: OwnWrites) -> None:
    """Fill in the transaction of one write.

    It is filled in place: to make its parts and put them together costs twice as much.
    """
    key = write.key.encode()
    txn.compare.add(
        result=rpc_pb2.Compare.EQUAL, target=rpc_pb2.Compare.MOD, key=key, mod_revision=write.expected
    )
    operation = txn.success.add()
    if write.data is None:
        deletion = operation.request_delete_range
        deletion.key, deletion.prev_kv = key, True
    else:
        _put(operation.request_put, key, write, position, own_writes)
    refused = txn.failure.add().request_range
    refused.key, refused.keys_only = key, True


def _put(put: "rpc_pb2.PutRequest", key: bytes, write: Write, position: int, own_writes: OwnWrites) -> None:
    assert write.data is not None
    value = encode_value(write.data, write.type_meta, position)
    put.key, put.value = key, value
    if write.lease:
        put.lease = write.lease
    own_writes.expect(key, Sent(value, write.key, write.data, write.type_meta, position, write.known))
