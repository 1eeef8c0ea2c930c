"""The client library for tests that block: its event loop runs in a thread of its own.

Everything goes over gRPC to a real apiserver. Waiting is done on watches, so a test sees each state that a
user could see.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message

from tests.support.cluster import SLOWER
from tests.support.manifests import Manifest, as_text
from vaina import kinds
from vaina.api.core.v1 import manifest_service_pb2, pod_pb2, pod_stream_pb2
from vaina.client.clientset import Clientset
from vaina.client.resource import ResourceClient
from vaina.client.transport import GrpcTransport
from vaina.clock import SystemClock
from vaina.errors import ApiError, Expired, NotFound, Unavailable, from_status
from vaina.kinds import Kind
from vaina.objects.watch import BOOKMARK
from vaina.pki.folder import Folder

T = TypeVar("T")
M = TypeVar("M", bound=Message)

#: longer than any single step takes on two busy cores
PATIENCE = 40.0


@dataclass(frozen=True, slots=True)
class Output:
    """What a command in a container wrote, and how it ended."""

    code: int
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True)
class Seen(Generic[M]):
    """One event of a recorded watch, with the monotonic time at which it came."""

    at: float
    type: str
    object: M


@dataclass(slots=True)
class History(Generic[M]):
    """Every event of a watch that was resumed after each interruption.

    Filled by one task; read by any thread.
    """

    seen: list[Seen[M]] = field(default_factory=list)
    #: how often the stream broke and was resumed
    resumed: int = 0
    #: how often it could not be resumed, so that events may be missing
    gaps: int = 0

    def of(self, name: str) -> list[Seen[M]]:
        """Return the events of the objects with a name, oldest first."""
        return [one for one in list(self.seen) if one.object.metadata.name == name]  # type: ignore[attr-defined]

    def last(self) -> dict[str, tuple[int, bool]]:
        """Return by uid which version was seen last, and whether the object is there still."""
        return {
            one.object.metadata.uid: (int(one.object.metadata.resource_version), one.type != "DELETED")  # type: ignore[attr-defined]
            for one in list(self.seen)
        }


class Api:
    """A user of the apiserver at `target`. Close it, or use it in a `with` block.

    With the certificate of `credentials`, in the clear without.
    """

    def __init__(self, target: str, credentials: Folder | None = None) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="api", daemon=True)
        self._thread.start()
        self.clock = SystemClock()
        self.clients: Clientset = self.call(self._connect(target, credentials))

    async def _connect(self, target: str, credentials: Folder | None) -> Clientset:
        return Clientset(GrpcTransport(target, credentials, user_agent="vaina-tests"))

    def close(self) -> None:
        """Close the connections and end the thread."""
        self.call(self.clients.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

    def __enter__(self) -> "Api":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(self, work: Coroutine[Any, Any, T], timeout: float = PATIENCE) -> T:
        """Run a coroutine of the client library and return what it returns."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout * SLOWER)
        except FutureTimeout:
            future.cancel()
            raise

    def begin(self, work: Coroutine[Any, Any, T]) -> Callable[[], T]:
        """Start a coroutine of the client library; what comes back waits for its result."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        return lambda: future.result(PATIENCE * SLOWER)

    # Objects.

    def apply(
        self, *manifests: Manifest, namespace: str = "default"
    ) -> Sequence[manifest_service_pb2.ApplyResult]:
        """Apply manifests, again while the apiserver is away.

        Raises the ApiError of the first one that was refused.
        """
        request = manifest_service_pb2.ApplyRequest(manifest=as_text(*manifests), namespace=namespace)

        async def apply() -> Sequence[manifest_service_pb2.ApplyResult]:
            while True:
                try:
                    return (await self.clients.manifests.apply(request)).results
                except Unavailable:
                    await self.clock.sleep(0.2)

        results = self.call(apply())
        for result in results:
            if result.HasField("error"):
                raise from_status(result.error)
        return results

    def find(self, kind: Kind[M], name: str, namespace: str = "") -> M | None:
        """Return an object, or None when there is none."""
        try:
            return self.call(self.clients.kind(kind).get(name, namespace))
        except NotFound:
            return None

    def list(self, kind: Kind[M], namespace: str = "", **selectors: str) -> list[M]:
        """Return all objects of a namespace (of all without one)."""
        return self.call(self.clients.kind(kind).list(namespace, **selectors)).items  # type: ignore[arg-type]

    def wait(
        self,
        kind: Kind[M],
        name: str,
        accept: Callable[[M], object],
        what: str,
        *,
        namespace: str = "",
        fields: str = "",
        timeout: float = PATIENCE,
    ) -> M:
        """Watch an object (or those that match `fields`) until `accept` is truthy, and return it.

        `accept` runs in the client's own thread and must not call it. Raises AssertionError with the last
        state after `timeout` seconds.
        """
        last: list[M] = []
        selector = fields or f"metadata.name={name}"

        async def look() -> M:
            async for event in _events(self.clients.kind(kind), namespace, selector, self.clock):
                if event.type != "DELETED":
                    last[:] = [event.object]
                    if accept(event.object):
                        found: M = event.object
                        return found
            raise AssertionError("unreachable: the watch is resumed for ever")

        try:
            return self.call(look(), timeout)
        except FutureTimeout:
            state = str(last[0]) if last else "it was never seen"
            raise AssertionError(f"not within {timeout:g} s: {kind.kind} {name} {what}\n{state}") from None

    def wait_gone(
        self, kind: Kind[M], name: str, *, namespace: str = "", timeout: float = PATIENCE, uid: str = ""
    ) -> None:
        """Watch until an object (of this uid, when given) is gone."""

        async def look() -> None:
            client = self.clients.kind(kind)
            while True:
                try:
                    found = await client.get(name, namespace)
                except NotFound:
                    return
                except ApiError:
                    await self.clock.sleep(0.2)
                    continue
                meta = found.metadata  # type: ignore[attr-defined]
                if uid and meta.uid != uid:
                    return
                try:
                    await self._until_deleted(client, namespace, name, meta.resource_version)
                except ApiError:
                    await self.clock.sleep(0.2)

        try:
            self.call(look(), timeout)
        except FutureTimeout:
            raise AssertionError(f"not within {timeout:g} s: {kind.kind} {name} is gone") from None

    @staticmethod
    async def _until_deleted(client: ResourceClient[M], namespace: str, name: str, version: str) -> None:
        fields = f"metadata.name={name}"
        async for batch in client.watch(
            namespace, field_selector=fields, resource_version=version, timeout_seconds=5
        ):
            if any(event.type == "DELETED" for event in batch.events):
                return

    @contextmanager
    def history(self, kind: Kind[M], namespace: str = "") -> Iterator[History[M]]:
        """Record every event of a kind during a `with` block, through restarts of the apiserver.

        All that has happened when the block ends is in it.
        """
        history: History[M] = History()
        synced = threading.Event()

        async def record() -> None:
            async for event in _events(
                self.clients.kind(kind), namespace, "", self.clock, history=history, on_synced=synced.set
            ):
                history.seen.append(Seen(self.clock.monotonic(), event.type, event.object))

        task = asyncio.run_coroutine_threadsafe(record(), self._loop)
        assert synced.wait(PATIENCE), f"no watch of {kind.plural} within {PATIENCE:g} s"
        try:
            yield history
            # Who waits in the block has a watch of their own, which may be ahead of this one.
            self.call(self._catch_up(history, self.clients.kind(kind), namespace))
        finally:
            task.cancel()

    async def _catch_up(self, history: History[M], client: ResourceClient[M], namespace: str) -> None:
        """Wait until a recording has all that has happened so far.

        Where it has a gap, what is gone may be missing.
        """
        known = history.last()
        now: dict[str, int] | None = None
        while now is None:
            try:
                listed = await client.list(namespace)
                metas = [item.metadata for item in listed.items]  # type: ignore[attr-defined]
                now = {meta.uid: int(meta.resource_version) for meta in metas}
            except ApiError:
                await self.clock.sleep(0.2)
        gone = known.keys() - now.keys()
        while True:
            last = history.last()
            told = all(last.get(uid, (0, True))[0] >= version for uid, version in now.items())
            if told and (history.gaps or not any(last[uid][1] for uid in gone)):
                return
            await self.clock.sleep(0.02)

    # A running Pod.

    def exec(
        self,
        namespace: str,
        pod: str,
        *command: str,
        container: str = "",
        stdin: bytes | None = None,
        timeout: float = PATIENCE,
    ) -> Output:
        """Run a command in a container and return all that it wrote."""
        options = pod_pb2.PodExecOptions(
            container=container, command=command, stdin=stdin is not None, stdout=True, stderr=True
        )
        start = pod_stream_pb2.PodExecStart(namespace=namespace, name=pod, options=options)

        async def inputs() -> AsyncIterator[pod_stream_pb2.PodExecRequest]:
            if stdin is not None:
                yield pod_stream_pb2.PodExecRequest(stdin=stdin)
                yield pod_stream_pb2.PodExecRequest(close_stdin=True)

        async def run() -> Output:
            written: Mapping[str, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}
            code = -1
            async for answer in self.clients.pods.exec(start, inputs()):
                match answer.WhichOneof("output"):
                    case "exit_code":
                        code = answer.exit_code
                    case "stdout" | "stderr" as stream:
                        written[stream].extend(getattr(answer, stream))
            return Output(code, written["stdout"].decode(), written["stderr"].decode())

        return self.call(run(), timeout)

    def logs(self, namespace: str, pod: str, timeout: float = PATIENCE, **options: Any) -> str:
        """Return what a container wrote (with `follow`: until it ends)."""

        async def read() -> bytes:
            parts = self.clients.pods.logs(namespace, pod, pod_pb2.PodLogOptions(**options))
            return b"".join([part async for part in parts])

        return self.call(read(), timeout).decode()

    def trace(self, namespace: str, uid: str) -> Any:
        """Return the trace of a Pod by its uid, None while there is none."""
        return self.find(kinds.POD_TRACE, uid, namespace)


async def _events(
    client: ResourceClient[M],
    namespace: str,
    fields: str,
    clock: SystemClock,
    *,
    history: History[M] | None = None,
    on_synced: Callable[[], None] = lambda: None,
) -> AsyncIterator[Any]:
    """Yield the state and then every change, resuming after each interruption."""
    version = ""
    while True:
        try:
            async for batch in client.watch(namespace, field_selector=fields, resource_version=version):
                for event in batch.events:
                    if event.type != BOOKMARK:
                        yield event
                version = batch.resource_version or version
                on_synced()
        except Expired:
            version = ""
            if history is not None:
                history.gaps += 1
        except ApiError:
            await clock.sleep(0.2)
        if history is not None:
            history.resumed += 1
