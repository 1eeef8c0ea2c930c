"""`vaina why POD` asks for all that is known of a Pod; `cli.why` judges it."""

from collections.abc import Sequence
from contextlib import aclosing
from typing import Final

import click

from cli import flags
from cli.app import cli
from cli.commands.trace import find_trace
from cli.shell import Shell
from cli.targets import parse_pod
from cli.why.diagnose import diagnose, render_diagnosis
from cli.why.evidence import Evidence, event_time
from vaina.api.core.v1 import event_pb2, node_pb2, pod_pb2
from vaina.client.clientset import Clientset
from vaina.errors import ApiError, NotFound

#: lines of the log of a container that failed
_LINES: Final = 10
#: containers whose logs are asked for
_CONTAINERS: Final = 8
#: seconds for each log: a node that does not answer must not hold up what is known without it
_LOG_SECONDS: Final = 5.0
_LOG_BYTES: Final = 64 * 1024


@flags.verb(cli, "why")
@click.argument("word", metavar="POD")
@flags.namespace
async def why(shell: Shell, clients: Clientset, *, word: str) -> None:
    """Say what is wrong with a Pod, and what to look at next."""
    evidence = await gather(shell, clients, parse_pod(word), shell.namespace)
    shell.out(render_diagnosis(diagnose(evidence), shell.paint))


async def gather(shell: Shell, clients: Clientset, name: str, namespace: str) -> Evidence:
    """Ask for everything that is known of a Pod. Raises NotFound."""
    try:
        pod = await clients.pods.get(name, namespace)
    except NotFound:
        pod = None
    trace = await find_trace(clients, name, namespace, pod)
    uid = pod.metadata.uid if pod is not None else trace.spec.pod_uid if trace is not None else ""
    events = await _events(clients, name, namespace, uid)
    if pod is None and trace is None and not events:
        raise NotFound(f'pods "{name}" not found', kind="pods", name=name)
    return Evidence(
        name=name, namespace=namespace, now=shell.clock.now(), pod=pod, events=events, trace=trace,
        node=await _node(clients, pod), logs=await _logs(clients, pod),
    )  # fmt: skip


async def _events(clients: Clientset, name: str, namespace: str, uid: str) -> Sequence[event_pb2.Event]:
    fields = f"involvedObject.kind=Pod,involvedObject.name={name}"
    if uid:
        fields += f",involvedObject.uid={uid}"
    listed = await clients.events.list(namespace, field_selector=fields)
    return sorted(listed.items, key=event_time)


async def _node(clients: Clientset, pod: pod_pb2.Pod | None) -> node_pb2.Node | None:
    if pod is None or not pod.spec.node_name:
        return None
    try:
        return await clients.nodes.get(pod.spec.node_name)
    except NotFound:
        return None


async def _logs(clients: Clientset, pod: pod_pb2.Pod | None) -> dict[str, Sequence[str]]:
    """Return the ends of the logs of what failed, or runs before the others, as far as they can be had."""
    if pod is None:
        return {}
    wanted: list[tuple[str, bool]] = []
    for index, status in enumerate((*pod.status.init_container_statuses, *pod.status.container_statuses)):
        state, last = status.state, status.last_state
        if state.HasField("terminated") and state.terminated.exit_code:
            wanted.append((status.name, False))
        elif last.HasField("terminated") and last.terminated.exit_code and not status.ready:
            # While it waits to be run again, the newest life is the one that failed.
            wanted.append((status.name, state.HasField("running")))
        elif state.HasField("running") and index < len(pod.status.init_container_statuses):
            wanted.append((status.name, False))
    found: dict[str, Sequence[str]] = {}
    for name, previous in wanted[:_CONTAINERS]:
        try:
            found[name] = await _log(clients, pod, name, previous=previous)
        except (ApiError, TimeoutError):
            continue
    return found


async def _log(clients: Clientset, pod: pod_pb2.Pod, container: str, *, previous: bool) -> Sequence[str]:
    options = pod_pb2.PodLogOptions(
        container=container, previous=previous, tail_lines=_LINES, limit_bytes=_LOG_BYTES
    )
    data = b""
    stream = clients.pods.logs(
        pod.metadata.namespace, pod.metadata.name, options, uid=pod.metadata.uid, timeout=_LOG_SECONDS
    )
    async with aclosing(stream) as parts:
        async for part in parts:
            data += part
    return data.decode(errors="replace").splitlines()
