"""A node for tests of the command: it answers logs, exec and attach as its user's hands want."""

import asyncio
from collections.abc import AsyncIterator

from vaina.api.core.v1 import pod_pb2, pod_stream_pb2
from vaina.errors import ApiError
from vaina.serving.handlers import Handlers, Method, MethodKind, RequestContext


class FakeNode:
    """What a kubelet would answer: logs, exec and attach of any Pod, put before the apiserver's own handlers."""

    def __init__(self, exit_code: int = 0) -> None:
        self.exit_code = exit_code
        self.log_options: list[pod_pb2.PodLogOptions] = []
        self.start: pod_stream_pb2.PodExecStart | pod_stream_pb2.PodAttachStart | None = None
        self.typed = b""
        self.closed = False
        #: refuses to be attached to
        self.refusal: ApiError | None = None
        #: what the call of an attach ends with, after the container's end was said
        self.broken_end: ApiError | None = None
        #: never says that it has joined anybody, nor that anything has ended
        self.silent = False
        #: what comes before a log ends
        self.log_lasts = asyncio.Event()
        self.log_lasts.set()
        #: refuses to give logs
        self.log_refusal: ApiError | None = None

    def over(self, handlers: Handlers) -> Handlers:
        """Return the handlers with ours before them."""
        service = "/vaina.api.core.v1.PodService"
        return {
            **handlers,
            f"{service}/Logs": Method(MethodKind.STREAM, self._logs),
            f"{service}/Exec": Method(MethodKind.BIDI, self._exec),
            f"{service}/Attach": Method(MethodKind.BIDI, self._attach),
        }

    async def _logs(self, request: bytes, _: RequestContext) -> AsyncIterator[bytes]:
        options = pod_stream_pb2.PodLogRequest.FromString(request).options
        self.log_options.append(options)
        if self.log_refusal is not None:
            raise self.log_refusal
        for part in (b"one\n", b"two \xff\n"):
            yield pod_stream_pb2.PodLogResponse(
                data=options.container.encode() + b" " + part
            ).SerializeToString()
        await self.log_lasts.wait()

    async def _exec(self, requests: AsyncIterator[bytes], _: RequestContext) -> AsyncIterator[bytes]:
        async for raw in requests:
            request = pod_stream_pb2.PodExecRequest.FromString(raw)
            match request.WhichOneof("input"):
                case "start":
                    self.start = request.start
                    if not request.start.options.stdin:
                        break
                case "stdin":
                    self.typed += request.stdin
                case "close_stdin":
                    self.closed = True
                    break
                case _:
                    pass
        yield pod_stream_pb2.PodExecResponse(stdout=b"out\n").SerializeToString()
        yield pod_stream_pb2.PodExecResponse(stderr=b"err\n").SerializeToString()
        yield pod_stream_pb2.PodExecResponse(exit_code=self.exit_code).SerializeToString()

    async def _attach(self, requests: AsyncIterator[bytes], _: RequestContext) -> AsyncIterator[bytes]:
        async for raw in requests:
            request = pod_stream_pb2.PodAttachRequest.FromString(raw)
            match request.WhichOneof("input"):
                case "start":
                    self.start = request.start
                    if self.refusal is not None:
                        raise self.refusal
                    if not request.start.options.stdin:
                        break
                case "stdin":
                    self.typed += request.stdin
                case "close_stdin":
                    self.closed = True
                    break
                case _:
                    pass
        if self.silent:
            await asyncio.Event().wait()
        yield pod_stream_pb2.PodAttachResponse(stdout=b"out\n").SerializeToString()
        yield pod_stream_pb2.PodAttachResponse(stderr=b"err\n").SerializeToString()
        yield pod_stream_pb2.PodAttachResponse(ended=True).SerializeToString()
        if self.broken_end is not None:
            raise self.broken_end
