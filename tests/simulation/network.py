"""The way from a part to the apiservers: late, lost, cut, cut off, and ended with either end.

A call is served in a task of the server's own. So a client may give up and the server go on, and the other
way about.
"""

import asyncio
import random
from collections import deque
from collections.abc import AsyncGenerator
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from tests.simulation.journal import AUTHOR, Author
from vaina.api.meta.v1 import raw_pb2
from vaina.client.transport import DEFAULT_TIMEOUT_SECONDS, InProcessTransport, Metadata
from vaina.clock import Clock
from vaina.errors import ApiError, Timeout, Unavailable
from vaina.serving.handlers import Handlers, User

if TYPE_CHECKING:
    from tests.simulation.world import World

#: gRPC's keepalive as `vaina.client.transport` sets it: 30 s of silence, 10 s for an answer
KEEPALIVE_SECONDS = 40.0
#: answers of a stream that are under way; a server waits beyond that, as HTTP/2's flow control has it
WINDOW = 8


class Link:
    """What lies between one part and all servers."""

    def __init__(self) -> None:
        #: up; silent: nothing passes; refused: connections are reset; deaf: requests pass, answers do not
        self.mode = "up"
        #: seconds that each answer of a stream takes
        self.slow = 0.0
        self._changed: asyncio.Event = asyncio.Event()
        self._epoch = 0
        self.pipes: dict[Pipe, None] = {}
        #: kind -> set when its streams may go on
        self._held: dict[str, asyncio.Event] = {}

    def hold(self, kind: str, seconds: float) -> bool:
        """Let no event of a kind pass for a while; say whether anybody follows one."""
        loop, released = asyncio.get_running_loop(), asyncio.Event()
        self.release(kind)
        self._held[kind] = released
        loop.call_later(seconds, released.set)
        return any(pipe.kind == kind for pipe in self.pipes)

    def release(self, *kinds: str) -> None:
        """Let the events of some kinds pass, or of all that are held."""
        for kind in kinds or [*self._held]:
            if (released := self._held.pop(kind, None)) is not None:
                released.set()

    def set(self, mode: str) -> None:
        """Change the mode; what has been silent for too long ends its streams."""
        self.mode = mode
        self._epoch += 1
        epoch = self._epoch
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        if mode == "refused":
            self.cut()
        elif mode != "up":
            asyncio.get_running_loop().call_later(KEEPALIVE_SECONDS, self._keepalive, epoch)

    def cut(self) -> int:
        """Break all streams; return how many."""
        count = len(self.pipes)
        for pipe in [*self.pipes]:
            pipe.end(Unavailable("Socket closed"))
        return count

    def _keepalive(self, epoch: int) -> None:
        if epoch == self._epoch:
            self.cut()

    async def request_passes(self) -> None:
        """Return when a request gets through. Raises Unavailable."""
        while self.mode == "silent":
            await self._changed.wait()
        if self.mode == "refused":
            raise Unavailable("connection refused")

    async def answer_passes(self, kind: str = "") -> None:
        """Return when an answer gets through; `kind` when it is of a watch. Raises Unavailable."""
        if (released := self._held.get(kind)) is not None:
            await released.wait()
        while self.mode in {"silent", "deaf"}:
            await self._changed.wait()
        if self.mode == "refused":
            raise Unavailable("Socket closed")


class Pipe:
    """One stream of answers: the server puts, the client takes. Ends once, with or without an error."""

    def __init__(self, kind: str = "") -> None:
        #: what is watched
        self.kind = kind
        self._items: deque[bytes] = deque()
        self._changed = asyncio.Event()
        self._taken = asyncio.Event()
        self._ended = False
        self._error: ApiError | None = None
        #: at once: what is under way is lost
        self._cut = False

    async def put(self, item: bytes) -> None:
        """Send an answer; waits while the client does not take."""
        while len(self._items) >= WINDOW and not self._ended:
            self._taken.clear()
            await self._taken.wait()
        self._items.append(item)
        self._changed.set()

    def end(self, error: ApiError | None, *, cut: bool = True) -> None:
        """End the stream; with `cut` what has not arrived is lost."""
        if not self._ended:
            self._ended, self._error, self._cut = True, error, cut
            self._changed.set()
            self._taken.set()

    async def take(self) -> bytes | None:
        """Return the next answer, None at the end. Raises what the stream ended with."""
        while True:
            if self._ended and (self._cut or not self._items):
                if self._error is not None:
                    raise self._error
                return None
            if self._items:
                self._taken.set()
                return self._items.popleft()
            self._changed.clear()
            await self._changed.wait()


def _is_one_event(answer: bytes) -> bool:
    events = raw_pb2.RawWatchResponse.FromString(answer).events
    return len(events) == 1 and events[0].type in ("ADDED", "MODIFIED", "DELETED")


def user_of(role: str) -> User:
    """Return as whom a part calls; people are administrators."""
    match role:
        case "scheduler":
            return User("system:kube-scheduler", ("system:authenticated",))
        case "controller":
            return User("system:kube-controller-manager", ("system:authenticated",))
        case _ if role.startswith("node-"):
            return User(f"system:node:{role}", ("system:nodes", "system:authenticated"))
    return User("kubernetes-admin", ("system:masters", "system:authenticated"))


class ServerCalls:
    """The calls that one process of an apiserver is serving."""

    def __init__(self, handlers: Handlers, clock: Clock) -> None:
        self._handlers, self._clock = handlers, clock
        self._transports: dict[str, InProcessTransport] = {}
        self._replies: dict[asyncio.Task[Any], asyncio.Future[bytes] | Pipe] = {}

    def __len__(self) -> int:
        return len(self._replies)

    def unary(
        self, author: Author, method: str, request: bytes, timeout: float, metadata: Metadata
    ) -> tuple[asyncio.Future[bytes], asyncio.Task[None]]:
        """Serve a call; the future is its answer."""
        reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        async def serve() -> None:
            try:
                answer = await self._of(author.role).unary(
                    method, request, timeout=timeout, metadata=metadata
                )
            except ApiError as error:
                if not reply.done():
                    reply.set_exception(error)
            else:
                if not reply.done():
                    reply.set_result(answer)

        return reply, self._start(author, serve(), reply)

    def stream(
        self, author: Author, method: str, request: bytes, timeout: float | None, metadata: Metadata
    ) -> tuple[Pipe, asyncio.Task[None]]:
        """Serve a stream."""
        pipe = Pipe(method.rpartition("/")[0].rpartition(".")[2].removesuffix("Service"))

        async def serve() -> None:
            stream = self._of(author.role).stream(method, request, timeout=timeout, metadata=metadata)
            try:
                async for answer in stream:
                    await pipe.put(answer)
            except ApiError as error:
                pipe.end(error, cut=False)
            else:
                pipe.end(None, cut=False)
            finally:
                await stream.aclose()

        return pipe, self._start(author, serve(), pipe)

    def _of(self, role: str) -> InProcessTransport:
        """Return how a part calls: under its own name."""
        if role not in self._transports:
            self._transports[role] = InProcessTransport(self._handlers, clock=self._clock, user=user_of(role))
        return self._transports[role]

    def _start(self, author: Author, serve: Any, reply: asyncio.Future[bytes] | Pipe) -> asyncio.Task[None]:
        context = copy_context()
        context.run(AUTHOR.set, author)
        name = f"serve-{author.part}-{author.verb}"
        task = asyncio.get_running_loop().create_task(serve, name=name, context=context)
        self._replies[task] = reply
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._replies.pop(task, None)

    def crash(self) -> None:
        """End every call where it is; its client sees the connection break."""
        for task, reply in [*self._replies.items()]:
            error = Unavailable("Socket closed")
            if isinstance(reply, Pipe):
                reply.end(error)
            elif not reply.done():
                reply.set_exception(error)
            task.cancel()


class Connection:
    """A Transport of one process of a part."""

    def __init__(self, world: "World", part: str, incarnation: int, rng: random.Random) -> None:
        self._world, self._part, self._incarnation, self._rng = world, part, incarnation, rng
        self._link = world.link(part)
        self._dead = False

    def die(self) -> None:
        """The process is gone: nothing of it leaves any more."""
        self._dead = True

    async def close(self) -> None:
        return

    async def unary(
        self,
        method: str,
        request: bytes,
        *,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
        metadata: Metadata = (),
    ) -> bytes:
        version_before = self._world.model.version
        try:
            async with asyncio.timeout(timeout):
                answer = await self._unary(method, request, timeout, metadata)
        except TimeoutError:
            raise Timeout("Deadline Exceeded") from None
        except ApiError as error:
            self._world.on_error(self._part, method, error)
            raise
        self._world.on_answer(method, request, answer, version_before)
        return answer

    async def _unary(self, method: str, request: bytes, timeout: float, metadata: Metadata) -> bytes:
        await self._request(method)
        calls = self._world.pick_server(self._part, self._rng)
        number = await self._world.before_call(self._part, method)
        reply, task = calls.unary(self._author(method), method, request, timeout, metadata)
        try:
            answer = await reply
        except ApiError:
            await self._world.after_call(number)
            raise
        except asyncio.CancelledError:
            # The client gave up; whether the server hears of it in time is chance.
            if self._rng.random() < 0.5:
                task.cancel()
            raise
        await self._world.after_call(number)
        await self._late()
        await self._link.answer_passes()
        if self._lost("lose_answer", method):
            raise Unavailable("Socket closed")
        return answer

    async def stream(
        self, method: str, request: bytes, *, timeout: float | None = None, metadata: Metadata = ()
    ) -> AsyncGenerator[bytes, None]:
        await self._request(method)
        calls = self._world.pick_server(self._part, self._rng)
        pipe, task = calls.stream(self._author(method), method, request, timeout, metadata)
        self._link.pipes[pipe] = None
        check = self._world.stream_check(self._part, method, request)
        try:
            while (answer := await pipe.take()) is not None:
                await self._late()
                if self._link.slow:
                    await self._world.clock.sleep(self._link.slow)
                await self._link.answer_passes(pipe.kind)
                if self._lost("cut_stream", method):
                    raise Unavailable("Socket closed")
                if check is not None:
                    check(answer)
                yield answer
                if self._doubled(answer):
                    self._world.on_fault("double", f"{self._part} {pipe.kind}")
                    yield answer
        except ApiError as error:
            self._world.on_error(self._part, method, error)
            raise
        finally:
            self._link.pipes.pop(pipe, None)
            pipe.end(None)
            task.cancel()

    async def bidi(self, method: str, requests: Any, **_: Any) -> AsyncGenerator[bytes, None]:
        raise NotImplementedError("no part opens two-way streams")
        yield b""

    async def _request(self, method: str) -> None:
        if self._dead:
            raise Unavailable("the process has ended")
        await self._late()
        await self._link.request_passes()
        if self._lost("lose_request", method):
            raise Unavailable("connection reset by peer")

    async def _late(self) -> None:
        dice = self._rng.random()
        if dice < self._world.faults.late:
            self._world.on_fault("late", self._part)
            await self._world.clock.sleep(0.5 * self._rng.random())
        else:
            await self._world.clock.sleep(0.0 if dice < 0.5 else 0.003 * dice)

    def _lost(self, kind: str, method: str) -> bool:
        share: float = getattr(self._world.faults, kind)
        if share and self._rng.random() < share:
            self._world.on_fault(kind.replace("_", "-"), f"{self._part} {method.rpartition('.')[2]}")
            return True
        return False

    def _doubled(self, answer: bytes) -> bool:
        """Say whether an answer comes twice.

        Of several events the first would go back before the last (I7): of one only.
        """
        share = self._world.faults.double
        return bool(share) and self._rng.random() < share and _is_one_event(answer)

    def _author(self, method: str) -> Author:
        task = asyncio.current_task()
        name = task.get_name() if task is not None else ""
        return Author(self._part, self._incarnation, method.rpartition("/")[2], name)
