"""Finds out whether a batch was applied whose answer was lost (I4: once or not at all, never a guess).

Called by the group commit alone, which has one batch under way and sends no other until this one is settled.

The writer key decides. A *fence* puts a new value into the key, on the condition that the key still has the
revision that the batch expected. If the fence succeeds, etcd had not applied the batch and never will. If it
does not, the key's value says which put changed the key:

* the batch's token: the batch was committed in the key's revision R; what was stored at R - 1 then says which
  of its compares held;
* the token of an earlier fence of this settling, whose answer was lost: that fence succeeded, so the batch
  was not applied;
* any other value proves nothing: it may have been put after the batch (by a late retry that establishes the
  key, or by a second process).
"""

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from aetcd.rpc import rpc_pb2

from apiserver.storage.etcd.batch import MAX_WRITES_BY_DEFAULT, Outcome, Write, unchanged
from apiserver.storage.etcd.client import EtcdClient
from vaina.errors import StorageFull


class Verdict(Enum):
    """The result of a batch when there are no outcomes."""

    #: etcd has not applied the batch and never will: it may be sent again
    NOT_APPLIED = "not applied"
    #: it cannot be found out
    UNKNOWN = "unknown"


class Settled(NamedTuple):
    """What was found out about a batch."""

    verdict: Verdict | list[Outcome]
    #: the writer key's mod revision that the next batch expects; None: put the key again
    base: int | None


async def settle(
    client: EtcdClient,
    writes: Sequence[Write],
    writer_key: bytes,
    token: bytes,
    fences: Sequence[bytes],
    base: int,
) -> Settled:
    """Find out whether etcd applied a batch.

    Args:
        client: calls etcd.
        writes: the batch.
        writer_key: the key of this process.
        token: the batch's token.
        fences: tokens of this settling's fences. The last one is sent now; those before it were sent, and
            their answers lost.
        base: the writer key's mod revision as the batch expected it.

    Raises:
        ApiError: try again.
        Compacted, FutureRevision: etcd does not have the revision; the result cannot be found out.
    """
    try:
        answer = await _fence(client, writer_key, fences[-1], base)
    except StorageFull:
        settled = await settle_refused(client, writes, writer_key, token, base)
        if isinstance(settled.verdict, list):
            return settled
        raise
    if answer.succeeded:
        return Settled(Verdict.NOT_APPLIED, answer.header.revision)
    kvs = answer.responses[0].response_range.kvs
    if not kvs:
        # The compactor has removed the key: it does so after a writer was idle for long.
        return Settled(Verdict.UNKNOWN, None)
    moved = kvs[0]
    if moved.value in fences:
        # This fence succeeded, therefore the batch did not.
        return Settled(Verdict.NOT_APPLIED, moved.mod_revision)
    if moved.value != token:
        return Settled(Verdict.UNKNOWN, None)
    return Settled(await _outcomes(client, writes, moved.mod_revision), moved.mod_revision)


async def settle_refused(
    client: EtcdClient, writes: Sequence[Write], writer_key: bytes, token: bytes, base: int | None
) -> Settled:
    """Find out whether etcd applied a batch that it refused because it is full.

    When a transaction exceeds the quota, the member applies it and answers with the refusal all the same
    (etcd's quotaApplierV3). The answer has come, so the batch is not under way any more, and a read of the
    writer key is enough. When another put has changed the key meanwhile, the result cannot be found out.
    """
    answer = await client.range(rpc_pb2.RangeRequest(key=writer_key), "settle")
    if not answer.kvs or answer.kvs[0].value != token:
        is_unmoved = bool(answer.kvs) and answer.kvs[0].mod_revision == base
        return Settled(Verdict.NOT_APPLIED if is_unmoved else Verdict.UNKNOWN, None)
    revision = answer.kvs[0].mod_revision
    return Settled(await _outcomes(client, writes, revision), revision)


async def _fence(client: EtcdClient, writer_key: bytes, fence: bytes, base: int) -> "rpc_pb2.TxnResponse":
    """Put the writer key if it has not changed, or else read it."""
    return await client.txn(
        rpc_pb2.TxnRequest(
            compare=[unchanged(writer_key, base)],
            success=[rpc_pb2.RequestOp(request_put=rpc_pb2.PutRequest(key=writer_key, value=fence))],
            failure=[rpc_pb2.RequestOp(request_range=rpc_pb2.RangeRequest(key=writer_key))],
        ),
        "settle",
    )


async def _outcomes(client: EtcdClient, writes: Sequence[Write], revision: int) -> list[Outcome]:
    """Return the outcomes of a committed batch: its compares saw the keys as of one revision earlier."""
    seen: list[rpc_pb2.ResponseOp] = []
    for start in range(0, len(writes), MAX_WRITES_BY_DEFAULT):
        # Every member takes so many operations; the one that committed the batch may have taken more.
        answer = await client.txn(
            rpc_pb2.TxnRequest(
                success=[
                    rpc_pb2.RequestOp(
                        request_range=rpc_pb2.RangeRequest(
                            key=write.key.encode(), revision=revision - 1, keys_only=write.data is not None
                        )
                    )
                    for write in writes[start : start + MAX_WRITES_BY_DEFAULT]
                ]
            ),
            "settle",
        )
        seen += answer.responses
    results: list[Outcome] = []
    deleted = 0
    for position, (write, response) in enumerate(zip(writes, seen, strict=True)):
        kvs = response.response_range.kvs
        actual = kvs[0].mod_revision if kvs else 0
        if actual != write.expected:
            results.append(Outcome(False, revision, 0, actual))
        elif write.data is not None:
            results.append(Outcome(True, revision, position))
        else:
            results.append(Outcome(True, revision, deleted, previous=kvs[0]))
            deleted += 1
    return results
