"""What became of a batch whose answer was lost (I4: once or not at all, never a guess).

Called by the group commit alone, which has one batch under way and sends no other until this one is settled.

The writer key says it. First it is moved by a fence, under the condition that it is still where the batch
expected it. If that succeeds, the batch had not been applied and never can be. If it does not, its value
tells who moved it: with the batch's token, the batch was committed in that very revision R; what was stored
at R - 1 then tells which of its compares held. With the token of a fence of this settling, whose answer was
lost, that fence succeeded and the batch did not. Any other value proves nothing: it may have come after the
batch (a late retry that establishes the key, a second process).
"""

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from aetcd.rpc import rpc_pb2

from apiserver.storage.etcd.batch import MAX_WRITES_BY_DEFAULT, Outcome, Write, unchanged
from apiserver.storage.etcd.client import EtcdClient
from vaina.errors import StorageFull


class Verdict(Enum):
    """The answers that are not outcomes."""

    #: not applied, and it never will be: it may be sent again
    NOT_APPLIED = "not applied"
    #: nobody can say
    UNKNOWN = "unknown"


class Settled(NamedTuple):
    """What is known of a batch now."""

    verdict: Verdict | list[Outcome]
    #: the writer key's mod revision from which to go on; None: establish it anew
    base: int | None


async def settle(
    client: EtcdClient,
    writes: Sequence[Write],
    writer_key: bytes,
    token: bytes,
    fences: Sequence[bytes],
    base: int,
) -> Settled:
    """Find out what became of a batch.

    Args:
        client: to ask.
        writes: the batch.
        writer_key: of this process.
        token: of the batch.
        fences: of this settling: the last is sent now, those before it were sent and their answers lost.
        base: the writer key's mod revision as the batch expected it.

    Raises:
        ApiError: ask again.
        Compacted, FutureRevision: etcd no longer has the revision; the outcome cannot be found out.
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
        # Removed by the compactor, which takes keys of writers that have been idle for long.
        return Settled(Verdict.UNKNOWN, None)
    moved = kvs[0]
    if moved.value in fences:
        # It succeeded, therefore the batch did not.
        return Settled(Verdict.NOT_APPLIED, moved.mod_revision)
    if moved.value != token:
        return Settled(Verdict.UNKNOWN, None)
    return Settled(await _outcomes(client, writes, moved.mod_revision), moved.mod_revision)


async def settle_refused(
    client: EtcdClient, writes: Sequence[Write], writer_key: bytes, token: bytes, base: int | None
) -> Settled:
    """Find out what became of a batch that etcd refused for want of space.

    The member that applies the transaction with which the quota is exceeded does apply it and answers with
    the refusal all the same (etcd's quotaApplierV3). The answer has come, so the batch is not under way any
    more: a look at the writer key is enough. Where somebody else has moved it meanwhile, nobody can say.
    """
    answer = await client.range(rpc_pb2.RangeRequest(key=writer_key), "settle")
    if not answer.kvs or answer.kvs[0].value != token:
        is_unmoved = bool(answer.kvs) and answer.kvs[0].mod_revision == base
        return Settled(Verdict.NOT_APPLIED if is_unmoved else Verdict.UNKNOWN, None)
    revision = answer.kvs[0].mod_revision
    return Settled(await _outcomes(client, writes, revision), revision)


async def _fence(client: EtcdClient, writer_key: bytes, fence: bytes, base: int) -> "rpc_pb2.TxnResponse":
    """Move the writer key if nobody has; else return it."""
    return await client.txn(
        rpc_pb2.TxnRequest(
            compare=[unchanged(writer_key, base)],
            success=[rpc_pb2.RequestOp(request_put=rpc_pb2.PutRequest(key=writer_key, value=fence))],
            failure=[rpc_pb2.RequestOp(request_range=rpc_pb2.RangeRequest(key=writer_key))],
        ),
        "settle",
    )


async def _outcomes(client: EtcdClient, writes: Sequence[Write], revision: int) -> list[Outcome]:
    """Read what the compares of a committed batch saw: the keys as they were one revision earlier."""
    seen: list[rpc_pb2.ResponseOp] = []
    for start in range(0, len(writes), MAX_WRITES_BY_DEFAULT):
        # Every member takes so many, whatever the one took that committed the batch.
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
