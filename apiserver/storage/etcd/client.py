"""Calls etcd over its raw gRPC stubs: channels, deadlines, metrics, and the translation of errors.

The client calls one member until a call fails there, then the next member, and after the last one the first.
A member that is cut off from the others still accepts connections, so only answered calls count. (etcd's own
client spreads its calls over all members: client/v3 `internal/endpoint`, round robin. One slow member then
slows a share of all calls.)
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from operator import attrgetter
from typing import Any, TypeAlias

import grpc
import grpc.aio
import structlog
from aetcd.rpc import rpc_pb2, rpc_pb2_grpc

from apiserver.storage.etcd.failures import meaning
from apiserver.storage.interface import MemberState
from apiserver.storage.metrics import StorageMetrics
from vaina.client.channels import Channel, Followed
from vaina.clock import Clock
from vaina.errors import ApiError, Timeout, Unavailable
from vaina.pki.folder import Folder, Material
from vaina.tasks import is_being_cancelled

_log = structlog.get_logger()
#: a key that does not exist, for a read of which only the answer's header counts
_NO_KEY = b"/vaina/none"


class Rotation:
    """Chooses the member that is called, by its index in the configuration."""

    def __init__(self, endpoints: tuple[str, ...]) -> None:
        self._endpoints = endpoints
        self.current = 0

    def __len__(self) -> int:
        return len(self._endpoints)

    def failed(self, index: int, why: str) -> bool:
        """Change to the next member when the failed one is the chosen one; return whether it was."""
        if index != self.current or len(self) == 1:
            return False
        self.current = (index + 1) % len(self)
        _log.warning(
            "etcd member failed, asking the next one",
            endpoint=self._endpoints[index], next=self._endpoints[self.current], error=why,
        )  # fmt: skip
        return True


#: Answers may be large (a batch with many refusals, a page of a list). They have no limit: with one a
#: committed batch would look lost. Watches and calls have separate connections. etcd closes connections that
#: ping more often than every 5 s.
_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.keepalive_time_ms", 10_000),
    # This bounds the wait for the answer to a keepalive. Measured: a stopped etcd is detected after 14 s, and
    # with keepalive_timeout_ms alone after 69 s, because the timeout of pings is a minute by default.
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.enable_http_proxy", 0),
)

#: etcd's `api/v3rpc/rpctypes/metadatafields.go`
_REQUIRE_LEADER = (("hasleader", "true"),)

WatchCall: TypeAlias = "grpc.aio.StreamStreamCall[Any, Any]"


@contextmanager
def translated() -> Iterator[None]:
    """Translate the errors of calls to etcd (`meaning`); a closed call or channel raises Unavailable."""
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


class _Member:
    """The channels to one member: one for watches, one for other calls."""

    def __init__(self, target: str, material: Material | None) -> None:
        self.calls, self.watches = (Channel(target, _OPTIONS, material) for _ in range(2))
        self.kv = rpc_pb2_grpc.KVStub(self.calls.channel)
        self.lease = rpc_pb2_grpc.LeaseStub(self.calls.channel)
        self.watch = rpc_pb2_grpc.WatchStub(self.watches.channel)
        self.maintenance = rpc_pb2_grpc.MaintenanceStub(self.calls.channel)

    async def close(self) -> None:
        for each in (self.calls, self.watches):
            await each.channel.close(None)

    async def retire(self) -> None:
        """Take no more calls, and close when those under way have ended. Watches begin again elsewhere."""
        await self.calls.retire()
        await self.watches.retire()


class EtcdClient:
    """Connections to the members of an etcd cluster. Use as an async context manager, or close it.

    It tries a read that fails at the other members, or once more at the only one. It never repeats a write:
    the caller finds out the write's result (`settle`), and those calls go to the next member.
    """

    def __init__(
        self,
        endpoints: str | Sequence[str],
        *,
        clock: Clock,
        metrics: StorageMetrics,
        timeout_seconds: float = 5.0,
        credentials: Folder | None = None,
    ) -> None:
        """Make a client; nothing connects yet. The first of the endpoints (host:port) is preferred.

        With several members a write has half of `timeout_seconds`, and the tries of a read share it. Without
        credentials the client uses no TLS. Raises FolderError: the credentials cannot be read.
        """
        targets = (endpoints,) if isinstance(endpoints, str) else tuple(endpoints)
        self._clock, self._metrics, self._timeout = clock, metrics, timeout_seconds
        self._followed = None if credentials is None else Followed(credentials)
        self._targets = targets
        self._members = self._open()
        self._rotation = Rotation(targets)
        #: open watch -> index of its member
        self._watches: dict[WatchCall, int] = {}

    async def __aenter__(self) -> "EtcdClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections; calls under way end as Unavailable."""
        for member in self._members:
            await member.close()

    def _open(self) -> list[_Member]:
        material = None if self._followed is None else self._followed.material
        return [_Member(target, material) for target in self._targets]

    async def range(self, request: "rpc_pb2.RangeRequest", operation: str) -> "rpc_pb2.RangeResponse":
        """Read keys. Raises what `failures.meaning` returns."""
        members = len(self._members)
        for _ in range(max(members, 2) - 1):
            try:
                return await self._call("kv.Range", request, operation, self._timeout / members)
            except Unavailable:
                continue  # a connection that broke: the same member may be there again
            except Timeout:
                if members == 1:
                    raise
        return await self._call("kv.Range", request, operation, self._timeout / members)

    async def revision(self, operation: str, at: int = 0) -> int:
        """Return etcd's newest revision. Raises what `failures.meaning` returns.

        With `at` it raises Compacted or FutureRevision when etcd does not have that revision.
        """
        request = rpc_pb2.RangeRequest(key=_NO_KEY, count_only=True, revision=at)
        return int((await self.range(request, operation)).header.revision)

    async def members(self) -> Sequence[MemberState]:
        """Ask every member how it is; one that does not answer says why."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._status(index)) for index in range(len(self._members))]
        return [task.result() for task in tasks]

    async def _status(self, index: int) -> MemberState:
        endpoint = self._targets[index]
        try:
            with translated():
                call = self._members[index].maintenance.Status
                found: Any = await call(rpc_pb2.StatusRequest(), timeout=self._timeout / 2)
        except ApiError as error:
            return MemberState(endpoint, error.message)
        leads = found.leader != 0 and found.leader == found.header.member_id
        return MemberState(endpoint, "", found.version, found.dbSize, found.dbSizeInUse, leads)

    async def txn(self, request: "rpc_pb2.TxnRequest", operation: str) -> "rpc_pb2.TxnResponse":
        """Do a transaction. Raises what `failures.meaning` returns."""
        return await self._call("kv.Txn", request, operation, self._write_timeout())

    async def put(self, request: "rpc_pb2.PutRequest", operation: str) -> "rpc_pb2.PutResponse":
        """Put a key. Raises what `failures.meaning` returns."""
        return await self._call("kv.Put", request, operation, self._write_timeout())

    async def compact(self, revision: int) -> None:
        """Compact the history before a revision. Raises what `failures.meaning` returns."""
        request = rpc_pb2.CompactionRequest(revision=revision)
        await self._call("kv.Compact", request, "compact", self._write_timeout())

    async def grant(self, lease: int, ttl_seconds: int) -> None:
        """Grant a lease with the given id. Raises what `failures.meaning` returns."""
        request = rpc_pb2.LeaseGrantRequest(ID=lease, TTL=ttl_seconds)
        await self._call("lease.LeaseGrant", request, "grant", self._write_timeout())

    @contextmanager
    def watch(self) -> Iterator[WatchCall]:
        """Open a watch stream, and cancel it at the end of the block.

        A member that loses its leader ends the stream (as Kubernetes' watches do:
        clientv3.WithRequireLeader): a member that is cut off from the others would otherwise be silent for
        ever. An error of the stream becomes Unavailable or Timeout, and counts as a failure of the member.
        """
        index = self._rotation.current
        call: WatchCall | None = None
        try:
            with translated():
                call = self._members[index].watch.Watch(metadata=_REQUIRE_LEADER)
                self._watches[call] = index
                yield call
        except (Unavailable, Timeout) as error:
            self._failed(index, f"watch: {error}")
            raise
        finally:
            if call is not None:
                del self._watches[call]
                call.cancel()

    def _failed(self, index: int, why: str) -> None:
        """Count a failure of a member. When calls leave it, end its watches: a hanging member ends none."""
        if self._rotation.failed(index, why):
            for call, member in list(self._watches.items()):
                if member == index:
                    call.cancel()

    async def _reconnect(self) -> None:
        """Connect with the new certificate. Watches resume over the new connections."""
        old, self._members = self._members, self._open()
        for call in list(self._watches):
            call.cancel()
        for member in old:
            await member.retire()

    def _write_timeout(self) -> float:
        return self._timeout if len(self._members) == 1 else self._timeout / 2

    async def _call(
        self,
        method: str,
        request: Any,  # the generated stubs have no types
        operation: str,
        timeout_seconds: float,
    ) -> Any:
        start, index = self._clock.monotonic(), self._rotation.current
        if self._followed is not None and self._followed.has_changed():
            await self._reconnect()
        member = self._members[index]
        member.calls.calls += 1
        try:
            with translated():
                answer = await attrgetter(method)(member)(request, timeout=timeout_seconds)
        except Exception as error:
            self._metrics.etcd_failed(operation, self._clock.monotonic() - start)
            if isinstance(error, Unavailable | Timeout):
                self._failed(index, f"{operation}: {error}")
            raise
        finally:
            member.calls.calls -= 1
            await member.calls.ended()
        self._metrics.etcd_done(operation, self._clock.monotonic() - start)
        return answer
