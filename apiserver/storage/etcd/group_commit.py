"""Group commit, the doing half: writes that arrive during a transaction share the next one.

One transaction is in flight at a time (`store.py` has two group commits). A lone write is sent at once. Under
load a batch first gathers writes for 1 to 10 ms, as long as they keep coming (1,245 -> 2,860 Pods a second).
When the answer to a batch was lost, the group commit finds out its result (`settle`) before the next batch.

Owned by the task that runs `run`; everything happens on one event loop.
"""

import asyncio
import itertools
from collections.abc import Sequence
from copy import copy
from random import Random

import structlog
from aetcd.rpc import rpc_pb2

from apiserver.storage.etcd.batch import (
    MAX_WRITES,
    MAX_WRITES_BY_DEFAULT,
    Outcome,
    Write,
    flat_outcomes,
    flat_transaction,
    is_conflict,
    outcomes,
    transaction,
)
from apiserver.storage.etcd.client import EtcdClient
from apiserver.storage.etcd.failures import (
    Compacted,
    FutureRevision,
    LeaseMissing,
    Refused,
    TooManyOperations,
)
from apiserver.storage.etcd.settle import Verdict, settle, settle_refused
from apiserver.storage.etcd.waiting import Result, Waiting, is_waiting
from apiserver.storage.metrics import StorageMetrics
from apiserver.storage.values import PLAIN, Values
from vaina.backoff import Backoff
from vaina.clock import Clock
from vaina.errors import ApiError, InternalError, StorageFull, TooManyRequests, Unavailable

log = structlog.stdlib.get_logger(__name__)

#: the prefix of the processes' writer keys; outside /registry/, so that no watch sees them
WRITERS = "/vaina/writers/"
#: writes that may wait; more are refused at once with TooManyRequests
MAX_PENDING = 16_384
#: a batch gathers writes only when the last one had at least so many
_LOAD = 3
_GATHER_STEP_SECONDS = 0.001
#: thirty callers with one call each send the next one within 10 ms; with 3 ms a create of theirs cost etcd
#: 140 µs instead of 95, and the apiserver 870 instead of 765
_GATHER_SECONDS = 0.010
#: a batch with so many writes is sent at once: further writes would save less than the wait costs
_ENOUGH = 32
#: less than the 10 s for which a client waits
PATIENCE_SECONDS = 6.0
_BACKOFF = Backoff(0.05, 1.0, jitter=0.5)
#: the first try may meet a conflict, the second a changed writer key
_SENDS = 4
#: a batch of at least so many puts is sent flat: in a smaller one a conflict would cost more than flat saves
_FLAT = 8
#: after a conflict so many batches are sent nested, because conflicts come together
_NESTED = 8
#: etcd does not have the revision of a batch: it was compacted, or etcd restored from an older copy
_FORGOTTEN = (Compacted, FutureRevision)
_FULL = "etcdserver: mvcc: database space exceeded"


class GroupCommit:
    """Takes writes, sends them in batches, and gives each caller the results of its writes."""

    def __init__(
        self,
        client: EtcdClient,
        writer: str,
        *,
        clock: Clock,
        rng: Random,
        metrics: StorageMetrics,
        patience_seconds: float = PATIENCE_SECONDS,
        values: Values = PLAIN,
    ) -> None:
        """Make a group commit; writes wait until `run` is running.

        `writer` names this process: no other process that runs now may have the same name. While etcd is
        away, writes wait for `patience_seconds` before they are refused; lost answers are settled within the
        same time. `values` makes the bytes that etcd stores of an object.
        """
        self._client, self._clock, self._rng, self._metrics = client, clock, rng, metrics
        self._patience, self._values = patience_seconds, values
        self._writer_key = f"{WRITERS}{writer}".encode()
        #: tokens must differ from those of an earlier process of the same name
        self._tokens = (f"{rng.getrandbits(64):016x}-{number}".encode() for number in itertools.count())
        self._waiting = Waiting()
        self._work = asyncio.Event()
        #: mod revision of the writer key; None: unknown, it must be put before the next batch
        self._base: int | None = None
        #: etcd has refused a put because it is full: deletions do not put the writer key
        self._full = False
        #: so many batches are still to be sent nested
        self._nested = 0
        #: the most writes in a batch; reduced when etcd refuses a batch as too large
        self._most = MAX_WRITES
        self._last_size = 0
        #: the share of this group commit in the gauge, which several use
        self._counted = 0
        self._stopped = False

    async def submit(self, write: Write) -> Outcome:
        """Do a write and return its result.

        Raises:
            TooManyRequests: too many writes wait. Nothing was written.
            StorageFull, TooLarge, LeaseMissing, InternalError: etcd refused it. Nothing was written.
            Unavailable, Timeout: the outcome is unknown (or, as the text says, nothing was written).
        """
        (result,) = await self.submit_all((write,))
        if isinstance(result, Exception):
            raise result
        return result

    async def submit_all(self, writes: Sequence[Write]) -> list[Result]:
        """Do independent writes and return their results.

        Raises TooManyRequests, Unavailable: none was written.
        """
        if self._stopped:
            raise Unavailable("the apiserver is shutting down; nothing was written")
        if self._waiting.count + len(writes) > MAX_PENDING:
            raise TooManyRequests(
                "too many writes are waiting for etcd; nothing was written", retry_seconds=1
            )
        if not writes:
            return []
        call = self._waiting.add(writes, self._clock.monotonic())
        self._work.set()
        try:
            await call.future
        finally:
            if call.left:
                self._waiting.abandon(call)
        return call.results

    async def run(self) -> None:
        try:
            while True:
                await self._work.wait()
                await self._gather()
                batch = self._take()
                if batch:
                    await self._send(batch)
        finally:
            self._stopped = True
            self._fail(
                self._waiting.all(), Unavailable("the apiserver is shutting down; the outcome is unknown")
            )

    async def _gather(self) -> None:
        """Under load wait until there are enough writes, no more come, or the time is up.

        The clock counts, not the number of steps: in a busy loop a step of 1 ms takes 2 to 10.
        """
        if self._last_size < _LOAD:
            return
        until = self._clock.monotonic() + _GATHER_SECONDS
        while (before := self._waiting.count) < _ENOUGH and self._clock.monotonic() < until:
            await self._clock.sleep(_GATHER_STEP_SECONDS)
            if self._waiting.count == before >= self._last_size:
                # The callers that got the last answers have sent their next writes.
                return

    def _take(self) -> list[Write]:
        """Take the next batch; it is empty when all callers gave up."""
        batch = self._waiting.take(self._most)
        now = self._waiting.queued
        if not now:
            self._work.clear()
        self._last_size = len(batch)
        self._metrics.pending_writes.inc(now - self._counted)
        self._counted = now
        return batch

    async def _send(self, batch: list[Write]) -> None:
        """Send a batch until its result is known, or cannot be known."""
        self._metrics.batch_writes.observe(len(batch))
        for _ in range(_SENDS):
            try:
                base = await self._establish(may_be_full=batch[0].data is None)
                # Writes that waited too long meanwhile were refused as not written: they must not be sent.
                batch = [write for write in batch if is_waiting(write)]
                if not batch:
                    return
                result = await self._attempt(batch, base)
            except TooManyOperations:
                await self._send_in_parts(batch)
                return
            except LeaseMissing as error:
                self._fail([write for write in batch if write.lease], error)
                result = Verdict.NOT_APPLIED
            except (ApiError, *Refused) as error:
                self._fail(batch, error)
                return
            if result is Verdict.UNKNOWN:
                self._fail(batch, Unavailable("etcd did not answer; the outcome is unknown", retry_seconds=1))
                return
            if isinstance(result, list):
                self._waiting.answer_all(batch, result)
                return
        self._fail(batch, _away())

    async def _send_in_parts(self, batch: list[Write]) -> None:
        """Send a batch that is too large for this etcd in parts, and limit all later batches."""
        most = MAX_WRITES_BY_DEFAULT
        if len(batch) <= most:
            self._fail(batch, InternalError("etcd takes fewer operations in a transaction than by default"))
            return
        if self._most > most:
            log.info("etcd takes smaller transactions than it could: see its flag --max-txn-ops", writes=most)
        self._most = most
        for start in range(0, len(batch), most):
            await self._send(batch[start : start + most])

    async def _attempt(self, batch: list[Write], base: int | None) -> "list[Outcome] | Verdict":
        """Send a batch once, on the condition that the writer key has not changed since it was established.

        Raises ApiError, LeaseMissing: nothing was written.
        """
        token = next(self._tokens)
        flat = len(batch) >= _FLAT and base is not None and batch[0].data is not None and not self._nested
        self._nested = max(0, self._nested - 1)
        if base is not None and flat:
            txn = flat_transaction(batch, self._writer_key, token, base, self._values)
        else:
            txn = transaction(batch, self._writer_key, token, base, self._values)
        try:
            answer = await self._client.txn(txn, "commit")
        except StorageFull:
            return await self._settle_full(batch, token, base)
        except Refused:
            raise
        except ApiError:
            return Verdict.UNKNOWN if base is None else await self._settle(batch, token, base)
        if not answer.succeeded and base is not None and flat and is_conflict(answer, base):
            self._nested = _NESTED
            return Verdict.NOT_APPLIED
        if not answer.succeeded:
            # The writer key was changed or removed: by the compactor, or by a process with the same name.
            self._base = None
            return Verdict.NOT_APPLIED
        if base is not None:
            self._base = answer.header.revision
        if flat:
            return flat_outcomes(batch, answer)
        return outcomes(batch, answer, marked=base is not None)

    async def _settle_full(
        self, batch: list[Write], token: bytes, base: int | None
    ) -> "list[Outcome] | Verdict":
        """Return the result of a batch that etcd refused because it is full.

        From then on deletions do not put the writer key. Raises StorageFull: nothing was written.
        """
        self._full, self._base = True, None
        try:
            verdict = (await settle_refused(self._client, batch, self._writer_key, token, base)).verdict
        except (ApiError, *_FORGOTTEN):
            return Verdict.UNKNOWN
        if verdict is Verdict.NOT_APPLIED and batch[0].data is not None:
            raise StorageFull(_FULL)
        return verdict

    async def _establish(self, *, may_be_full: bool) -> int | None:
        """Return the writer key's mod revision; put the key when it is not known.

        None: a batch of deletions while etcd is full. Raises Unavailable when etcd stayed away, StorageFull
        when there is no space for the key.
        """
        if self._base is None and not (self._full and may_be_full):
            try:
                self._base = await self._put_writer_key()
                self._full = False
            except StorageFull:
                self._full = True
                if not may_be_full:
                    raise
        return self._base

    async def _put_writer_key(self) -> int:
        start, attempt = self._clock.monotonic(), 0
        request = rpc_pb2.PutRequest(key=self._writer_key, value=next(self._tokens))
        while True:
            try:
                answer = await self._client.put(request, "establish")
            except Refused:
                raise
            except ApiError:
                if self._clock.monotonic() - start > self._patience:
                    raise _away() from None
                self._expire()
                await self._clock.sleep(_BACKOFF.delay(attempt, self._rng))
                attempt += 1
            else:
                return int(answer.header.revision)

    async def _settle(self, batch: list[Write], token: bytes, base: int) -> "list[Outcome] | Verdict":
        """Try for a bounded time to find out the result of a batch."""
        self._base = None
        start, attempt = self._clock.monotonic(), 0
        fences: list[bytes] = []
        verdict: list[Outcome] | Verdict = Verdict.UNKNOWN
        while self._clock.monotonic() - start <= self._patience:
            try:
                # One more fence each time, for some 6 s: an earlier one, whose answer was lost, may have
                # changed the key.
                fences.append(next(self._tokens))
                verdict, self._base = await settle(self._client, batch, self._writer_key, token, fences, base)
                break
            except _FORGOTTEN:
                break
            except ApiError:
                self._expire(but=batch)
                await self._clock.sleep(_BACKOFF.delay(attempt, self._rng))
                attempt += 1
        name = "committed" if isinstance(verdict, list) else verdict.value
        self._metrics.settled.labels(name).inc()
        return verdict

    def _expire(self, but: "list[Write] | None" = None) -> None:
        """Refuse the writes that have waited too long for etcd to come back."""
        self._fail(self._waiting.late(self._clock.monotonic() - self._patience, but or ()), _away())

    def _fail(self, writes: Sequence[Write], error: ApiError | LeaseMissing) -> None:
        # A copy for each caller: a raised exception collects the frames of its caller.
        self._waiting.answer_all(writes, [copy(error) for _ in writes])


def _away() -> Unavailable:
    return Unavailable("etcd is not available; nothing was written", retry_seconds=1)
