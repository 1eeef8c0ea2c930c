"""KubeletService: logs, exec, attach and port-forward of Pods. Shell.

Called by the apiserver, which passes on its callers' streams. Words of refusals are upstream's.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, aclosing, asynccontextmanager, contextmanager, nullcontext
from typing import TypeVar

from kubelet.decide.containers import specs
from kubelet.runtime.interface import (
    ExecSession,
    NotFoundInRuntime,
    Runtime,
    RuntimeFailure,
    RuntimeUnavailable,
)
from kubelet.runtime.records import (
    ContainerPhase,
    ContainerState,
    ExecConfig,
    LogOptions,
    Output,
    OutputStream,
    Uid,
)
from kubelet.server.from_start import ended_log, from_start
from kubelet.server.sessions import connect_port, join_port, outputs, pieces
from kubelet.sources.static_files import is_static
from vaina.api.core.v1 import pod_pb2, pod_stream_pb2
from vaina.api.kubelet.v1 import kubelet_service_pb2
from vaina.clock import Clock, seconds_of
from vaina.errors import BadRequest, InternalError, NotFound, Unavailable
from vaina.quoting import go_quote
from vaina.serving.handlers import Handlers, RequestContext, typed_bidi, typed_stream

SERVICE = kubelet_service_pb2.DESCRIPTOR.services_by_name["KubeletService"].full_name
#: what is said of a log of a container that waits, instead of the reason
_WAITS = {"ErrImagePull": "image can't be pulled", "ImagePullBackOff": "trying and failing to pull image"}
Request = TypeVar(
    "Request",
    pod_stream_pb2.PodExecRequest,
    pod_stream_pb2.PodAttachRequest,
    pod_stream_pb2.PodPortForwardRequest,
)
DEFAULT_CONTAINER_ANNOTATION = "kubectl.kubernetes.io/default-container"


class KubeletService:
    """Logs, exec, attach and port-forward. Stateless; each call has its own streams."""

    def __init__(
        self,
        runtime_of: Callable[[pod_pb2.Pod], Runtime],
        clock: Clock,
        *,
        pods: Callable[[], tuple[pod_pb2.Pod, ...]],
        status_of: Callable[[pod_pb2.Pod], pod_pb2.PodStatus] = lambda pod: pod.status,
        knows_its_pods: Callable[[], bool] = lambda: True,
        noted: Callable[[str, Sequence[str]], AbstractContextManager[None]] = lambda *_: nullcontext(),
    ) -> None:
        """Make it. `status_of` gives what was said of a Pod last; `noted` is around a command of exec.

        Until `knows_its_pods` (all sources have told their Pods) no Pod is said not to be there.
        """
        self._runtime_for, self._clock, self._pods = runtime_of, clock, pods
        self._status_of, self._knows_its_pods, self._noted = status_of, knows_its_pods, noted

    def handlers(self) -> Handlers:
        return {
            f"/{SERVICE}/Logs": typed_stream(self.logs, pod_stream_pb2.PodLogRequest),
            f"/{SERVICE}/Exec": typed_bidi(self.exec, pod_stream_pb2.PodExecRequest),
            f"/{SERVICE}/Attach": typed_bidi(self.attach, pod_stream_pb2.PodAttachRequest),
            f"/{SERVICE}/PortForward": typed_bidi(self.port_forward, pod_stream_pb2.PodPortForwardRequest),
        }

    def _pod(self, namespace: str, name: str, uid: str) -> pod_pb2.Pod:
        for pod in self._pods():
            meta = pod.metadata
            if (meta.namespace, meta.name) != (namespace or "default", name):
                continue
            # Of a static Pod callers know the mirror, which has a uid of its own.
            if uid in {"", meta.uid} or is_static(meta):
                return pod
        if not self._knows_its_pods():
            raise Unavailable("the kubelet has just started and does not know its pods yet, please try again")
        raise NotFound(f"pods {go_quote(name)} not found", kind="pods", name=name)

    def _container_name(self, pod: pod_pb2.Pod, wanted: str) -> str:
        names = [spec.name for spec, _ in specs(pod)]
        if wanted:
            if wanted not in names:
                raise BadRequest(f"container {wanted} is not valid for pod {pod.metadata.name}")
            return wanted
        default = pod.metadata.annotations.get(DEFAULT_CONTAINER_ANNOTATION, "")
        if default in names:
            return str(default)
        main = [spec.name for spec in pod.spec.containers]
        if len(main) == 1:
            return str(main[0])
        choices = " ".join(main)
        raise BadRequest(
            f"a container name must be specified for pod {pod.metadata.name}, choose one of: [{choices}]"
        )

    async def _attempts(self, pod: pod_pb2.Pod, name: str) -> list[ContainerState]:
        with _translated():
            states = await self._runtime_for(pod).list_containers(Uid(pod.metadata.uid))
        return sorted(
            (state for state in states if state.name == name), key=lambda state: state.attempt, reverse=True
        )

    async def _logged(self, pod: pod_pb2.Pod, name: str, *, previous: bool) -> ContainerState:
        """Return the attempt whose log is meant.

        A container that waits for its next start has one attempt as both its log and its previous one
        (validateContainerLogStatus in `pkg/kubelet/kubelet_pods.go`).
        """
        attempts = await self._attempts(pod, name)
        state = _state(self._status_of(pod), name)
        started = [item for item in attempts if item.phase is not ContainerPhase.CREATED]
        where = f'container "{name}" in pod "{pod.metadata.name}"'
        if previous:
            waits = attempts != started or state.HasField("waiting")
            ended = [item for item in started if item.phase is ContainerPhase.EXITED]
            if not waits and ended and ended[0] is started[0]:
                del ended[0]
            if not ended:
                raise BadRequest(f"previous terminated {where} not found")
            return ended[0]
        if not started:
            reason = state.waiting.reason or "ContainerCreating"
            raise BadRequest(f"{where} is waiting to start: {_WAITS.get(reason, reason)}")
        return started[0]

    async def logs(
        self, request: pod_stream_pb2.PodLogRequest, ctx: RequestContext
    ) -> AsyncGenerator[pod_stream_pb2.PodLogResponse, None]:
        """Give the log of a container, ended or not, as it comes."""
        pod = self._pod(request.namespace, request.name, request.uid)
        wanted = request.options
        name = self._container_name(pod, wanted.container)
        state = await self._logged(pod, name, previous=wanted.previous)
        left = wanted.limit_bytes if wanted.HasField("limit_bytes") else None
        # A caller that follows a container over its restarts has to know the attempt.
        yield pod_stream_pb2.PodLogResponse(attempt=state.attempt)
        with _translated():
            async with aclosing(
                self._runtime_for(pod).container_logs(state.id, self._log_options(wanted))
            ) as written:  # type: ignore[type-var]
                async for data in written:
                    for piece in pieces(data if left is None else data[:left]):
                        yield pod_stream_pb2.PodLogResponse(data=piece)
                    if left is not None:
                        left -= len(data)
                        if left <= 0:
                            return

    def _log_options(self, wanted: pod_pb2.PodLogOptions) -> LogOptions:
        since = None
        if wanted.HasField("since_seconds"):
            since = self._clock.now() - wanted.since_seconds
        elif wanted.HasField("since_time"):
            since = seconds_of(wanted.since_time)
        stream = None
        if wanted.stream in {"Stdout", "Stderr"}:
            stream = OutputStream(wanted.stream.lower())
        return LogOptions(
            follow=wanted.follow,
            tail_lines=wanted.tail_lines if wanted.HasField("tail_lines") else None,
            since=since,
            timestamps=wanted.timestamps,
            stream=stream,
        )

    async def exec(
        self, requests: AsyncIterator[pod_stream_pb2.PodExecRequest], ctx: RequestContext
    ) -> AsyncGenerator[pod_stream_pb2.PodExecResponse, None]:
        """Run a command: the first request says which, the others are its input; the last answer is its code."""
        start = (await _first(requests)).start
        if not start.options.command:
            raise BadRequest("you must specify at least one command for the container")
        pod = self._pod(start.namespace, start.name, start.uid)
        name = self._container_name(pod, start.options.container)
        attempts = await self._attempts(pod, name)
        if not attempts or attempts[0].phase is not ContainerPhase.RUNNING:
            raise BadRequest(f"container not found ({go_quote(name)})")
        options = start.options
        config = ExecConfig(
            argv=tuple(options.command), stdin=options.stdin, tty=options.tty,
            size=(start.size.width, start.size.height),
        )  # fmt: skip
        runtime = self._runtime_for(pod)
        with _translated(), self._noted(attempts[0].id, config.argv):
            async with _closing(await runtime.exec(attempts[0].id, config)) as session:
                async with aclosing(outputs(session, requests)) as written:
                    async for output in written:
                        if output.stream is OutputStream.STDERR:
                            yield pod_stream_pb2.PodExecResponse(stderr=output.data)
                        else:
                            yield pod_stream_pb2.PodExecResponse(stdout=output.data)
                yield pod_stream_pb2.PodExecResponse(exit_code=await session.exit_code())

    async def attach(
        self, requests: AsyncIterator[pod_stream_pb2.PodAttachRequest], ctx: RequestContext
    ) -> AsyncGenerator[pod_stream_pb2.PodAttachResponse, None]:
        """Join the streams of a container's own process, until it or the caller ends."""
        start = (await _first(requests)).start
        pod = self._pod(start.namespace, start.name, start.uid)
        name = self._container_name(pod, start.options.container)
        with _translated():
            async with aclosing(self._joined(pod, name, start, requests)) as written:
                async for output in written:
                    if output is None:
                        yield pod_stream_pb2.PodAttachResponse()
                    elif output.stream is OutputStream.STDERR:
                        if start.options.stderr:
                            yield pod_stream_pb2.PodAttachResponse(stderr=output.data)
                    elif start.options.stdout:
                        yield pod_stream_pb2.PodAttachResponse(stdout=output.data)
            yield pod_stream_pb2.PodAttachResponse(ended=True)

    async def _joined(
        self,
        pod: pod_pb2.Pod,
        name: str,
        start: pod_stream_pb2.PodAttachStart,
        requests: AsyncIterator[pod_stream_pb2.PodAttachRequest],
    ) -> AsyncGenerator[Output | None, None]:
        """Give what a container writes; None first, when its streams are joined."""
        tty = next(spec.tty for spec, _ in specs(pod) if spec.name == name)
        runtime, since = self._runtime_for(pod), self._clock.now()
        attempt = next(iter(await self._attempts(pod, name)), None)
        session, ended = None, False
        if attempt is not None and attempt.phase is ContainerPhase.RUNNING:
            session = await self._session(pod, attempt, stdin=start.options.stdin, tty=tty)
            ended = session is None
        elif attempt is not None and attempt.phase is ContainerPhase.EXITED:
            ended = start.from_start
        if attempt is None or (session is None and not ended):
            raise BadRequest(
                f"container {name} not found in pod {pod.metadata.name}_{pod.metadata.namespace}"
            )
        yield None
        if session is None:
            written = ended_log(runtime, attempt.id, since=None if start.from_start else since, tty=tty)
            async with aclosing(written):
                async for output in written:
                    yield output
            return
        async with _closing(session):
            if start.HasField("size"):
                await _draw(session, start.size)
            live = outputs(session, requests)
            if start.from_start:
                live = from_start(runtime, attempt.id, self._clock, live, since=since, tty=tty)
            async with aclosing(live):
                async for output in live:
                    yield output

    async def _session(
        self, pod: pod_pb2.Pod, attempt: ContainerState, *, stdin: bool, tty: bool
    ) -> ExecSession | None:
        """Join the streams of a container; None: it has ended. Raises RuntimeFailure."""
        try:
            session = await self._runtime_for(pod).attach(attempt.id, stdin=stdin, tty=tty)
        except RuntimeFailure:
            if await self._runs(pod, attempt):
                raise
            return None
        # Docker never ends the streams of a session that was joined too late: the container has to run still.
        runs = False
        try:
            runs = await self._runs(pod, attempt)
        finally:
            if not runs:
                await session.close()
        return session if runs else None

    async def _runs(self, pod: pod_pb2.Pod, attempt: ContainerState) -> bool:
        attempts = await self._attempts(pod, attempt.name)
        return any(item.id == attempt.id and item.phase is ContainerPhase.RUNNING for item in attempts)

    async def port_forward(
        self, requests: AsyncIterator[pod_stream_pb2.PodPortForwardRequest], ctx: RequestContext
    ) -> AsyncGenerator[pod_stream_pb2.PodPortForwardResponse, None]:
        """Carry one connection to a port of the Pod's own loopback."""
        start = (await _first(requests)).start
        pod = self._pod(start.namespace, start.name, start.uid)
        runtime = self._runtime_for(pod)
        with _translated():
            sandboxes = await runtime.list_pod_sandboxes(Uid(pod.metadata.uid))
            ready = [sandbox for sandbox in sandboxes if sandbox.ready]
            if not ready:
                raise NotFound(f"failed to find sandbox of pod {pod.metadata.name}: it is not running")
            newest = max(ready, key=lambda sandbox: sandbox.attempt)
            where = f"{pod.metadata.name}, uid {pod.metadata.uid}"
            reader, writer = await connect_port(runtime, newest.id, start.port, where)
        async with aclosing(join_port(reader, writer, requests)) as answers:
            async for answer in answers:
                yield answer


async def _first(requests: AsyncIterator[Request]) -> Request:
    """Return the first request, which says what the others are for. Raises BadRequest."""
    first = await anext(aiter(requests), None)
    if first is None or not first.HasField("start"):
        raise BadRequest("the first message must be start")
    return first


async def _draw(session: ExecSession, size: pod_stream_pb2.TerminalSize) -> None:
    """Tell a terminal's size, first a larger one, so that a program draws its screen anew, as kubectl does."""
    await session.resize(size.width + 1, size.height + 1)
    await session.resize(size.width, size.height)


def _state(status: pod_pb2.PodStatus, name: str) -> pod_pb2.ContainerState:
    for item in (
        *status.container_statuses, *status.init_container_statuses, *status.ephemeral_container_statuses,
    ):  # fmt: skip
        if item.name == name:
            return item.state
    return pod_pb2.ContainerState()


@asynccontextmanager
async def _closing(session: ExecSession) -> AsyncIterator[ExecSession]:
    try:
        yield session
    finally:
        await session.close()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except RuntimeUnavailable as error:
        raise Unavailable(str(error)) from error
    except NotFoundInRuntime as error:
        raise NotFound(str(error)) from error
    except RuntimeFailure as error:
        raise InternalError(str(error)) from error
