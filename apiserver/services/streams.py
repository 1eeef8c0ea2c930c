"""Which streams are open: watches, logs, exec and the like. PURE but for the wrapper around handlers.

A stream is noted when it begins and forgotten when it ends, which costs a few microseconds for each and nothing
for what goes over it. What it asked for is read when somebody looks.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from google.protobuf.message import DecodeError

from apiserver.authorization.methods import Action, action_of
from vaina.api.machinery.v1 import machinery_service_pb2 as pb
from vaina.api.meta.v1 import request_pb2
from vaina.clock import Clock, micro_timestamp
from vaina.serving.handlers import UNARY, Method, RequestContext

#: rows of an answer
MAX_ROWS: Final = 500
#: rows of nodes; where there would be more, all nodes are counted together
MAX_NODE_ROWS: Final = 200
NODES: Final = "system:nodes"
#: letters of a user agent or a selector, which callers choose
_MAX_LETTERS: Final = 300


@dataclass(frozen=True, slots=True, eq=False)
class Open:
    """One open stream."""

    action: Action
    rpc: RequestContext
    #: the request; None: a stream of requests
    request: bytes | None
    #: seconds since the epoch
    since: float


class Row(NamedTuple):
    """What streams have to have in common to be counted together."""

    user: str
    agent: str
    action: Action
    rest: bool
    namespace: str
    labels: str
    fields: str


class OpenStreams:
    """Knows the streams of one server. Owned by its event loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: dict[int, Open] = {}

    def wrap(self, handlers: Mapping[str, Method]) -> dict[str, Method]:
        """Note the streams of these handlers."""
        return {
            path: method
            if method.kind is UNARY
            else Method(method.kind, self._noted(method.fn, action_of(path)))
            for path, method in handlers.items()
        }

    def __len__(self) -> int:
        """Return how many are open."""
        return len(self._open)

    def rows(self) -> list[pb.Stream]:
        return rows_of(self._open.values())

    def _noted(self, fn: Any, action: Action) -> Any:
        async def stream(request: Any, rpc: RequestContext) -> AsyncIterator[bytes]:
            asked = request if isinstance(request, bytes) else None
            noted = Open(action, rpc, asked, self._clock.now())
            self._open[id(noted)] = noted
            try:
                async with aclosing(fn(request, rpc)) as answers:
                    async for answer in answers:
                        yield answer
            finally:
                del self._open[id(noted)]

        return stream


def rows_of(streams: Iterable[Open]) -> list[pb.Stream]:
    """Return the streams in rows, by user."""
    alike: dict[Row, list[Open]] = {}
    for stream in streams:
        alike.setdefault(_row(stream), []).append(stream)
    nodes = [row for row in alike if row.user.startswith("system:node:")]
    if len(nodes) > MAX_NODE_ROWS:
        for row in nodes:
            together = row._replace(user=NODES, namespace="", labels="", fields="")
            alike.setdefault(together, []).extend(alike.pop(row))
    return [_shown(row, alike[row]) for row in sorted(alike)][:MAX_ROWS]


def _row(stream: Open) -> Row:
    asked = _watch_of(stream)
    return Row(
        stream.rpc.user.name, stream.rpc.agent()[:_MAX_LETTERS], stream.action, bool(stream.rpc.uri), asked.namespace,
        asked.label_selector[:_MAX_LETTERS], asked.field_selector[:_MAX_LETTERS],
    )  # fmt: skip


def _watch_of(stream: Open) -> request_pb2.WatchRequest:
    if stream.action.verb != "watch" or stream.request is None:
        return request_pb2.WatchRequest()
    try:
        return request_pb2.WatchRequest.FromString(stream.request)
    except DecodeError:
        # It is about to be refused.
        return request_pb2.WatchRequest()


def _shown(row: Row, streams: list[Open]) -> pb.Stream:
    return pb.Stream(
        user=row.user, clients=len({stream.rpc.user.name for stream in streams}), user_agent=row.agent,
        verb=row.action.verb, group=row.action.group, resource=row.action.resource, subresource=row.action.subresource,
        namespace=row.namespace, label_selector=row.labels, field_selector=row.fields, rest=row.rest, count=len(streams),
        oldest=micro_timestamp(min(stream.since for stream in streams)),
    )  # fmt: skip
