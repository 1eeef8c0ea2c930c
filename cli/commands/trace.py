"""`vaina trace`: the seven steps of a Pod, afterwards or while they happen, also of a Pod that is gone."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from cli import flags
from cli.app import cli
from cli.failures import Failure
from cli.following import changes
from cli.printers import steps
from cli.printers.objects import print_objects
from cli.printers.style import for_terminal
from cli.shell import Shell
from cli.targets import parse_pod
from vaina.api.core.v1 import pod_pb2
from vaina.api.trace.v1 import trace_pb2
from vaina.client.clientset import Clientset
from vaina.client.evidence import find_pod, find_trace
from vaina.errors import NotFound, Unavailable
from vaina.kinds import POD_TRACE
from vaina.objects import pods
from vaina.objects.watch import DELETED
from vaina.steps import PodStep
from vaina.traces import first_start, is_complete, lasting, step_gaps, waiting_for, waits_of


@dataclass(frozen=True, slots=True)
class TraceOptions:
    """What `trace` was asked for."""

    word: str
    watch: bool = False
    #: seconds that --watch waits for the last step; 0 waits without end
    timeout: float = 0.0
    output: str = ""
    #: seconds that --watch waits for a step's record once the Pod runs or has ended: reports may be late
    patience: float = 5.0


@dataclass(slots=True)
class _Seen:
    """What is known of one Pod and its trace. Owned by the command's task."""

    trace: trace_pb2.PodTrace | None = None
    pod: pod_pb2.Pod | None = None
    #: the Pod was there and is gone
    gone: bool = False

    @property
    def finished(self) -> bool:
        if self.gone:
            return True
        if self.trace is None:
            return False
        failed = self.pod is not None and pods.is_terminal(self.pod)
        return is_complete(self.trace) or (failed and _has(self.trace, PodStep.REPORTED))


def _look(shell: Shell) -> steps.Look:
    return steps.Look(shell.paint, shell.language)


def _has(trace: trace_pb2.PodTrace, step: PodStep) -> bool:
    return any(record.step == step.value for record in trace.status.steps)


@flags.verb(cli, "trace", TraceOptions)
@click.argument("word", metavar="POD")
@flags.namespace
@flags.flag("-w --watch", "Show the steps as they happen, until the last one.")
@flags.duration("--timeout", "0", "How long --watch waits: 60s; 0 waits without end.")
@flags.choice("-o --output", ["", "json", "yaml"], "", "The record itself.")
async def trace(shell: Shell, clients: Clientset, options: TraceOptions) -> None:
    """Show the seven steps of a Pod's creation, who did each, how long it took, and what it waited for in
    between.

    Also of a Pod that is gone. Where many Pods come at once some have no trace: the annotation
    vaina.dev/trace: "true" on a Pod that is about to be made asks for one.
    """
    name, namespace = parse_pod(options.word), shell.namespace
    pod = await find_pod(clients, name, namespace)
    found = await find_trace(clients, name, namespace, pod)
    if found is None and pod is None and not options.watch:
        raise NotFound(f'podtraces "{name}" not found', kind="podtraces", name=name)
    if found is not None and options.output:
        shell.out_data(print_objects([(POD_TRACE, found)], options.output))
        return
    seen = _Seen(found, pod)
    if not options.watch or seen.finished:
        if found is None:
            raise NotFound(
                f'podtraces "{name}" not found: nothing was recorded of this pod', kind="podtraces", name=name
            )
        shell.out(steps.render_trace(found, pod=pod, width=shell.width(), look=_look(shell)))
        return
    await _follow(shell, clients, seen, name, namespace, options)


class _Follower:
    """Keeps what is known of a Pod up to date from two watches. Owned by `_follow`; all on one event loop."""

    def __init__(self, shell: Shell, clients: Clientset, seen: _Seen, name: str, namespace: str) -> None:
        self._shell, self._clients, self._seen = shell, clients, seen
        self._name, self._namespace = name, namespace
        self._uid = seen.pod.metadata.uid if seen.pod is not None else ""
        self.changed = asyncio.Event()

    async def traces(self) -> None:
        watch = self._clients.pod_traces.watch(self._namespace, field_selector=f"spec.podName={self._name}")
        async with aclosing(changes(watch)) as events:
            async for event in events:
                if event.type != DELETED and self._is_ours(event.object.spec.pod_uid):
                    self._seen.trace = event.object
                    self.changed.set()

    async def pods(self) -> None:
        watch = self._clients.pods.watch(self._namespace, field_selector=f"metadata.name={self._name}")
        async with aclosing(changes(watch)) as events:
            async for event in events:
                if self._is_ours(event.object.metadata.uid):
                    self._seen.pod, self._seen.gone = event.object, event.type == DELETED
                    self.changed.set()

    async def news(self, patience: float) -> bool:
        """Wait for a change; False, with a warning, when a Pod has started or ended and no more is recorded."""
        pod = self._seen.pod
        settled = pod is not None and pod.status.phase in ("Running", "Succeeded", "Failed")
        try:
            async with asyncio.timeout(patience if settled else None):
                await self.changed.wait()
        except TimeoutError:
            self._shell.warn(self._shell.language("not every step of this pod was recorded"))
            return False
        self.changed.clear()
        return True

    def _is_ours(self, uid: str) -> bool:
        """Say whether an event is about the Pod that is followed: the first one seen, if none was there."""
        self._uid = self._uid or uid
        return bool(uid) and uid == self._uid

    async def keep(self, watch: Callable[[], Awaitable[None]]) -> None:
        """Begin a watch again whenever it ends: the apiserver may be away, and what it recorded stays."""
        while True:
            with suppress(Unavailable):
                await watch()
            await self._shell.clock.sleep(1.0)


async def _follow(
    shell: Shell, clients: Clientset, seen: _Seen, name: str, namespace: str, options: TraceOptions
) -> None:
    view: _LiveView | _LineView = _LiveView(shell) if shell.interactive else _LineView(shell)
    follower = _Follower(shell, clients, seen, name, namespace)
    try:
        async with asyncio.timeout(options.timeout or None), asyncio.TaskGroup() as group:
            tasks = [group.create_task(follower.keep(watch)) for watch in (follower.traces, follower.pods)]
            view.show(seen)
            while not seen.finished and await follower.news(options.patience):
                view.show(seen)
            for task in tasks:
                task.cancel()
    except TimeoutError as error:
        why = waiting_for(seen.pod)
        language = shell.language
        words = language("timed out waiting for the seven steps of pod {name}", name=name)
        if why:
            words = language(
                "timed out waiting for the seven steps of pod {name} ({why})", name=name, why=why
            )
        raise Failure(words) from error
    finally:
        view.finish(seen)


class _LiveView:
    """Draws the whole table anew after each change, on a terminal: it grows step by step."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        console = Console(
            file=shell.stdout, force_terminal=True, no_color=not shell.paint.enabled, highlight=False
        )
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def show(self, seen: _Seen) -> None:
        self._live.start()
        self._live.update(Text.from_ansi(for_terminal(self._render(seen))), refresh=True)

    def finish(self, seen: _Seen) -> None:
        self._live.stop()
        self._shell.out(self._render(seen))

    def _render(self, seen: _Seen) -> str:
        found = seen.trace
        if found is None:
            found = trace_pb2.PodTrace()
            if seen.pod is not None:
                meta = seen.pod.metadata
                found.metadata.namespace = meta.namespace
                found.spec.pod_name, found.spec.pod_uid = meta.name, meta.uid
        return steps.render_trace(found, pod=seen.pod, width=self._shell.width(), look=_look(self._shell))


class _LineView:
    """Writes a line for each step as it happens, and why the next one waits; the total in the end."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._told: set[PodStep] = set()
        self._reason = ""

    def show(self, seen: _Seen) -> None:
        if seen.trace is not None:
            begin = first_start(seen.trace)
            rows = steps.step_rows(seen.trace, self._shell.language)
            gaps = step_gaps(seen.trace, rows)
            for row in rows:
                if row.done and row.step not in self._told:
                    self._told.add(row.step)
                    for gap in gaps[row.step]:
                        self._shell.out(steps.render_gap_line(gap, begin, _look(self._shell)))
                    self._shell.out(steps.render_step_line(row, begin, self._shell.paint))
                    for wait in waits_of(seen.trace, row):
                        self._shell.out(steps.render_gap_line(wait, begin, _look(self._shell)))
        reason = waiting_for(seen.pod) or (lasting(seen.trace) if seen.trace is not None else "")
        if reason and reason != self._reason and not seen.finished:
            words = self._shell.language("waits: {reason}", reason=reason)
            self._shell.out(f"    {words}\n")
        self._reason = reason

    def finish(self, seen: _Seen) -> None:
        if seen.trace is not None and self._told:
            self._shell.out(f"{steps.total_line(steps.step_rows(seen.trace), _look(self._shell))}\n")
