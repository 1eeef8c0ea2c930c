"""Group commit, the deciding half: which writes share a transaction, and what its answer means. Pure.

A batch is sent in one of two forms. In a *nested* batch each write is a transaction of its own: it compares
the key's mod revision and does one operation, or else reads the key alone. A conflict then fails one write. In
a *flat* batch all compares and puts are in one transaction. One conflict then fails the whole batch, and the
batch is sent again nested. Conflicts are rare, and a flat batch of creates costs etcd and the apiserver a
fifth less (decision 080). The writes have the same positions in both forms. In both, the transaction compares
and puts the *writer key*, a small key outside /registry/ that only this process writes, for three reasons:

* etcd counts only top-level puts against its quota: without one it never enforces the quota;
* the key's value, the batch's token, says whether and in which revision a batch whose answer was lost was
  committed;
* the key is a fence: once another put has changed it, etcd never applies a batch under way (`settle.py`).

A full etcd refuses every transaction with a put. Deletions therefore have batches of their own, which do not
put the writer key while etcd is full.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from aetcd.rpc import kv_pb2, rpc_pb2

from apiserver.storage.interface import MAX_BYTES, Key
from apiserver.storage.values import PLAIN, Values

#: An etcd with --max-txn-ops=1024 takes 500 writes, with a nested transaction for each. By default etcd takes
#: 128 operations, of which one is the writer key's (decision 195). Positions go up to 998.
MAX_WRITES, MAX_WRITES_BY_DEFAULT = 500, 126
#: an upper bound of a write's bytes beside its data and its keys (compare, operation, envelope, frames)
OVERHEAD = 192
_EQUAL: Final = rpc_pb2.Compare.EQUAL
_MOD: Final = rpc_pb2.Compare.MOD


class Write:
    """One create, update or deletion that waits for its batch. A plain class, because there are many."""

    __slots__ = ("call", "data", "expected", "index", "key", "lease", "type_meta")

    def __init__(
        self,
        key: Key,
        expected: int,
        data: bytes | None = None,
        type_meta: tuple[str, str] = ("", ""),
        lease: int = 0,
    ) -> None:
        """Make a write: `expected` is the key's mod revision (0: there must be no key), `data` None deletes."""
        self.key, self.expected, self.data, self.type_meta, self.lease = key, expected, data, type_meta, lease
        #: the `waiting.Call` that waits for this write, and the write's index in it
        self.call: Any = None
        self.index = 0

    @property
    def size(self) -> int:
        """An upper bound of the bytes in the transaction."""
        return len(self.data or b"") + 3 * len(self.key) + OVERHEAD


class Outcome(NamedTuple):
    """The result of a write."""

    succeeded: bool
    #: etcd's revision of the batch
    revision: int
    position: int
    #: when the write did not succeed: the mod revision of the stored value; 0: there is no such key
    actual: int = 0
    #: of a deletion that succeeded: the stored value and its mod revision
    previous: "kv_pb2.KeyValue | None" = None


def take_batch(pending: "deque[Write]", most: int = MAX_WRITES) -> list[Write]:
    """Take from the front of the queue what fits into one transaction of so many writes at most.

    Each key once; the rest stays in order. All writes of a queue are of one sort: puts or deletions.
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
    writes: Sequence[Write], writer_key: bytes, token: bytes, base: int | None, values: Values = PLAIN
) -> "rpc_pb2.TxnRequest":
    """Return the transaction of a batch in which each write is one of its own.

    Args:
        writes: at most `MAX_WRITES`, each key once.
        writer_key: of this process.
        token: names the batch; no other batch of this process has the same.
        base: the writer key's mod revision, as it must still be. None: without the writer key (deletions when
            etcd is full).
        values: what etcd is to hold of objects.
    """
    txn = rpc_pb2.TxnRequest()
    if base is not None:
        _mark(txn, writer_key, token, base)
    for position, write in enumerate(writes):
        key, nested = write.key.encode(), txn.success.add().request_txn
        nested.compare.add(result=_EQUAL, target=_MOD, key=key, mod_revision=write.expected)
        if write.data is None:
            deletion = nested.success.add().request_delete_range
            deletion.key, deletion.prev_kv = key, True
        else:
            _put(nested.success, key, write, position, values)
        _read_key(nested, key)
    return txn


def flat_transaction(
    writes: Sequence[Write], writer_key: bytes, token: bytes, base: int, values: Values = PLAIN
) -> "rpc_pb2.TxnRequest":
    """Return the flat transaction of a batch of puts, with the arguments of `transaction`.

    It does all puts or none. When it does none its answer has the writer key (`is_conflict`).
    """
    txn = rpc_pb2.TxnRequest()
    _mark(txn, writer_key, token, base)
    # Filled in place: making the messages one by one and combining them costs twice as much.
    compare, operations = txn.compare.add, txn.success
    for position, write in enumerate(writes):
        key = write.key.encode()
        compare(result=_EQUAL, target=_MOD, key=key, mod_revision=write.expected)
        _put(operations, key, write, position, values)
    _read_key(txn, writer_key)
    return txn


def is_conflict(answer: "rpc_pb2.TxnResponse", base: int) -> bool:
    """Say whether a flat transaction failed by a write's conflict; otherwise the writer key has changed."""
    kvs = answer.responses[0].response_range.kvs
    return bool(kvs) and kvs[0].mod_revision == base


def flat_outcomes(writes: Sequence[Write], answer: "rpc_pb2.TxnResponse") -> list[Outcome]:
    """Read the answer to a flat transaction that was applied."""
    revision = answer.header.revision
    return [Outcome(True, revision, position) for position in range(len(writes))]


def outcomes(writes: Sequence[Write], answer: "rpc_pb2.TxnResponse", *, marked: bool) -> list[Outcome]:
    """Read the answer to a nested transaction that was applied; `marked`: it put the writer key too."""
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


def unchanged(key: bytes, mod_revision: int) -> "rpc_pb2.Compare":
    """Return the compare that a key's mod revision is still this one (0: there is no key)."""
    return rpc_pb2.Compare(result=_EQUAL, target=_MOD, key=key, mod_revision=mod_revision)


def _mark(txn: "rpc_pb2.TxnRequest", writer_key: bytes, token: bytes, base: int) -> None:
    """Put the writer key, on the condition that it has not changed."""
    txn.compare.append(unchanged(writer_key, base))
    mark = txn.success.add().request_put
    mark.key, mark.value = writer_key, token


def _put(operations: Any, key: bytes, write: Write, position: int, values: Values) -> None:
    assert write.data is not None
    put = operations.add().request_put
    put.key, put.value = key, values.encode(write.key, write.data, write.type_meta, position)
    if write.lease:
        put.lease = write.lease


def _read_key(txn: "rpc_pb2.TxnRequest", key: bytes) -> None:
    """Have the transaction read a key, without its value, when its compares do not hold."""
    refused = txn.failure.add().request_range
    refused.key, refused.keys_only = key, True
