"""Compaction: every five minutes etcd drops the history that is older than five minutes.

Several apiservers, Kubernetes' own too, coordinate by one key. The apiserver that finds the key unchanged for
five minutes writes it and compacts; the others only read the revision for the next turn. The compactor also
removes writer keys (`group_commit`) that were not written in that time; an idle process puts its own again.
"""

import structlog
from aetcd.rpc import rpc_pb2

from apiserver.storage.etcd.batch import unchanged
from apiserver.storage.etcd.client import EtcdClient
from apiserver.storage.etcd.failures import Compacted, FutureRevision
from apiserver.storage.etcd.group_commit import WRITERS
from apiserver.storage.keys import range_end
from vaina.clock import Clock
from vaina.errors import ApiError

_LOG = structlog.get_logger()
#: the key that Kubernetes uses
_KEY = b"compact_rev_key"


class Compactor:
    """Compacts, in turns with the compactors of other apiservers. Owned by the task that runs `run`."""

    def __init__(self, client: EtcdClient, *, clock: Clock, interval_seconds: float = 300.0) -> None:
        """Make a compactor; history is kept for one to two intervals."""
        self._client, self._clock, self._interval = client, clock, interval_seconds
        #: how often the key had been written when it was read last: a clock that all apiservers share
        self._turn = 0
        #: the revision at that time; 0: not known yet
        self._revision = 0

    async def run(self) -> None:
        while True:
            await self._clock.sleep(self._interval)
            try:
                await self.compact()
            except ApiError as error:
                _LOG.warning("compaction failed", error=error.message)

    async def compact(self) -> int:
        """Take one turn; return the revision that was compacted to, or 0. Raises ApiError."""
        answer = await self._client.txn(
            rpc_pb2.TxnRequest(
                compare=[
                    rpc_pb2.Compare(
                        result=rpc_pb2.Compare.EQUAL,
                        target=rpc_pb2.Compare.VERSION,
                        key=_KEY,
                        version=self._turn,
                    )
                ],
                success=[
                    rpc_pb2.RequestOp(
                        request_put=rpc_pb2.PutRequest(key=_KEY, value=str(self._revision).encode())
                    )
                ],
                failure=[rpc_pb2.RequestOp(request_range=rpc_pb2.RangeRequest(key=_KEY))],
            ),
            "compact",
        )
        old, self._revision = self._revision, int(answer.header.revision)
        if not answer.succeeded:
            kvs = answer.responses[0].response_range.kvs
            self._turn = kvs[0].version if kvs else 0
            return 0
        self._turn += 1
        if not old:
            return 0
        try:
            await self._client.compact(old)
        except (Compacted, FutureRevision):
            return 0  # another apiserver compacted, or etcd has lost data since
        await self._tidy(old)
        _LOG.info("storage compacted", revision=old)
        return old

    async def _tidy(self, revision: int) -> None:
        """Remove the writer keys that were not written since a revision."""
        answer = await self._client.range(
            rpc_pb2.RangeRequest(
                key=WRITERS.encode(), range_end=range_end(WRITERS), max_mod_revision=revision, keys_only=True
            ),
            "compact",
        )
        for kv in answer.kvs[:100]:
            remove = rpc_pb2.RequestOp(request_delete_range=rpc_pb2.DeleteRangeRequest(key=kv.key))
            await self._client.txn(
                rpc_pb2.TxnRequest(compare=[unchanged(kv.key, kv.mod_revision)], success=[remove]), "compact"
            )
