"""Asks for all that is known of a Pod; `vaina.why` judges it."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing, suppress
from typing import Final

from vaina.api.core.v1 import event_pb2, node_pb2, pod_pb2
from vaina.api.trace.v1 import trace_pb2
from vaina.client.clientset import Clientset
from vaina.errors import ApiError, NotFound
from vaina.traces import first_start
from vaina.why.evidence import Evidence, event_time

#: lines of the log of a container that failed
_LINES: Final = 10
#: containers whose logs are asked for
_CONTAINERS: Final = 8
#: seconds for each log: a node that does not answer must not hold up what is known without it
_LOG_SECONDS: Final = 5.0
_LOG_BYTES: Final = 64 * 1024


async def gather(clients: Clientset, name: str, namespace: str, *, now: float) -> Evidence:
    """Ask for everything that is known of a Pod; `now` in seconds since the epoch. Raises NotFound."""
    pod = await find_pod(clients, name, namespace)
    trace = await find_trace(clients, name, namespace, pod)
    uid = pod.metadata.uid if pod is not None else trace.spec.pod_uid if trace is not None else ""
    events = await _events(clients, name, namespace, uid)
    if pod is None and trace is None and not events:
        raise NotFound(f'pods "{name}" not found', kind="pods", name=name)
    return Evidence(
        name=name, namespace=namespace, now=now, pod=pod, events=events, trace=trace,
        node=await find_node(clients, pod), logs=await ends_of_logs(clients, pod),
    )  # fmt: skip


async def find_pod(clients: Clientset, name: str, namespace: str) -> pod_pb2.Pod | None:
    """Return the Pod that has a name; None: none has."""
    try:
        return await clients.pods.get(name, namespace)
    except NotFound:
        return None


async def find_trace(
    clients: Clientset, name: str, namespace: str, pod: pod_pb2.Pod | None
) -> trace_pb2.PodTrace | None:
    """Return the trace of the Pod that is there, otherwise of the newest one that had the name, or the uid."""
    listed = await clients.pod_traces.list(namespace, field_selector=f"spec.podName={name}")
    found = listed.items
    if pod is not None:
        return next((item for item in found if item.spec.pod_uid == pod.metadata.uid), None)
    if not found:
        with suppress(NotFound):
            return await clients.pod_traces.get(name, namespace)
        return None
    return max(found, key=lambda item: (item.metadata.creation_timestamp.seconds, first_start(item)))


async def _events(clients: Clientset, name: str, namespace: str, uid: str) -> Sequence[event_pb2.Event]:
    fields = f"involvedObject.kind=Pod,involvedObject.name={name}"
    if uid:
        fields += f",involvedObject.uid={uid}"
    listed = await clients.events.list(namespace, field_selector=fields)
    return sorted(listed.items, key=event_time)


async def find_node(clients: Clientset, pod: pod_pb2.Pod | None) -> node_pb2.Node | None:
    """Return the node of a Pod; None: it has none, or that is gone."""
    if pod is None or not pod.spec.node_name:
        return None
    try:
        return await clients.nodes.get(pod.spec.node_name)
    except NotFound:
        return None


async def ends_of_logs(clients: Clientset, pod: pod_pb2.Pod | None) -> dict[str, Sequence[str]]:
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
    # At once: a node that gives none costs the time of one.
    async with asyncio.TaskGroup() as group:
        asked = {
            name: group.create_task(_log_or_none(clients, pod, name, previous=previous))
            for name, previous in wanted[:_CONTAINERS]
        }
    ends = {name: task.result() for name, task in asked.items()}
    return {name: lines for name, lines in ends.items() if lines is not None}


async def _log_or_none(
    clients: Clientset, pod: pod_pb2.Pod, container: str, *, previous: bool
) -> Sequence[str] | None:
    try:
        return await _log(clients, pod, container, previous=previous)
    except (ApiError, TimeoutError):
        return None


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
