"""Calls to etcd over its raw gRPC stubs: channels, deadlines, metrics, and errors that mean something."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import grpc
import grpc.aio
from aetcd.rpc import rpc_pb2, rpc_pb2_grpc

from apiserver.storage.etcd.failures import meaning
from apiserver.storage.metrics import StorageMetrics
from vaina.clock import Clock
from vaina.errors import Unavailable
from vaina.tasks import is_being_cancelled

#: Answers may be large (a batch with many refusals, a page of a list): no limit, or a committed batch would look lost. Watches
#: and calls have connections of their own. etcd closes connections that ping more often than every 5 s.
_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.enable_http_proxy", 0),
)

WatchCall: TypeAlias = "grpc.aio.StreamStreamCall[Any, Any]"


@contextmanager
def translated() -> Iterator[None]:
    """Raise what a failed call to etcd means (`failures.meaning`); one whose call or channel was closed is Unavailable."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise meaning(error.code(), error.details() or "") from error
    except (grpc.aio.UsageError, grpc.aio.InternalError, asyncio.InvalidStateError) as error:
        raise Unavailable("the connection to etcd is closed", retry_seconds=1) from error
    except asyncio.CancelledError as error:
        if is_being_cancelled():
            raise
        raise Unavailable("the connection to etcd was closed", retry_seconds=1) from error


class EtcdClient:
    """Two channels to etcd, one for calls and one for watches. Use as an async context manager, or close it."""

    def __init__(
        self, target: str, *, clock: Clock, metrics: StorageMetrics, timeout_seconds: float = 5.0
    ) -> None:
        """Make a client; nothing connects yet.

        Args:
            target: a gRPC target: "etcd:2379", or "ipv4:10.0.0.1:2379,10.0.0.2:2379" for several.
            clock: times calls.
            metrics: where durations and errors are counted.
            timeout_seconds: of every call.
        """
        self._clock, self._metrics, self._timeout = clock, metrics, timeout_seconds
        self._calls = grpc.aio.insecure_channel(target, options=_OPTIONS)
        self._watches = grpc.aio.insecure_channel(target, options=_OPTIONS)
        self._kv = rpc_pb2_grpc.KVStub(self._calls)
        self._lease = rpc_pb2_grpc.LeaseStub(self._calls)
        self._watch = rpc_pb2_grpc.WatchStub(self._watches)

    async def __aenter__(self) -> "EtcdClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close both channels; calls under way end as Unavailable."""
        await self._calls.close(None)
        await self._watches.close(None)

    async def range(self, request: "rpc_pb2.RangeRequest", operation: str) -> "rpc_pb2.RangeResponse":
        """Read keys. Raises what `failures.meaning` returns."""
        return await self._call(self._kv.Range, request, operation)

    async def txn(
        self, request: "rpc_pb2.TxnRequest", operation: str, timeout_seconds: float | None = None
    ) -> "rpc_pb2.TxnResponse":
        """Do a transaction. Raises what `failures.meaning` returns."""
        return await self._call(self._kv.Txn, request, operation, timeout_seconds)

    async def put(self, request: "rpc_pb2.PutRequest", operation: str) -> "rpc_pb2.PutResponse":
        """Put a key. Raises what `failures.meaning` returns."""
        return await self._call(self._kv.Put, request, operation)

    async def compact(self, revision: int) -> None:
        """Forget the history before a revision (physically, later). Raises what `failures.meaning` returns."""
        await self._call(self._kv.Compact, rpc_pb2.CompactionRequest(revision=revision), "compact")

    async def grant(self, lease: int, ttl_seconds: int) -> None:
        """Grant a lease with an id of our own. Raises what `failures.meaning` returns."""
        request = rpc_pb2.LeaseGrantRequest(ID=lease, TTL=ttl_seconds)
        await self._call(self._lease.LeaseGrant, request, "grant")

    def watch(self) -> WatchCall:
        """Open a watch stream; the caller writes requests, reads answers and cancels it."""
        call: WatchCall = self._watch.Watch()
        return call

    async def _call(
        self,
        method: Callable[..., Awaitable[Any]],
        request: Any,  # the generated stubs have no types
        operation: str,
        timeout_seconds: float | None = None,
    ) -> Any:
        start = self._clock.monotonic()
        try:
            with translated():
                answer = await method(request, timeout=timeout_seconds or self._timeout)
        except Exception:
            self._metrics.etcd_failed(operation, self._clock.monotonic() - start)
            raise
        self._metrics.etcd_done(operation, self._clock.monotonic() - start)
        return answer
