"""Waiting for an object, by watching it: until it is gone, has ended, or is as wanted.

Used by verbs that wait.
"""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

from google.protobuf.message import Message

from cli.failures import Failure
from cli.shell import Shell
from vaina.api.core.v1 import pod_pb2
from vaina.client.clientset import Clientset
from vaina.client.resource import ResourceClient
from vaina.errors import ApiError, NotFound, Unavailable
from vaina.objects import pods
from vaina.objects.watch import BOOKMARK, DELETED


async def wait_gone(
    shell: Shell, client: ResourceClient[Message], namespace: str, name: str, uid: str
) -> None:
    """Return when the object with this uid is gone; another one of its name does not count."""
    while True:
        try:
            current: Any = await client.get(name, namespace)
            if current.metadata.uid != uid or await _saw_end(client, current):
                return
        except NotFound:
            return
        except Unavailable:
            await shell.clock.sleep(1.0)


async def wait_over(shell: Shell, clients: Clientset, pod: pod_pb2.Pod) -> None:
    """Return when a Pod has ended or is gone.

    Whoever cannot be told so now asks again: streams beside it go on.
    """
    meta = pod.metadata
    while True:
        try:
            now = await clients.pods.get(meta.name, meta.namespace)
            if now.metadata.uid != meta.uid or pods.is_terminal(now) or await _saw_over(clients, now):
                return
        except NotFound:
            return
        except ApiError:
            await shell.clock.sleep(1.0)


async def _saw_over(clients: Clientset, pod: pod_pb2.Pod) -> bool:
    stream = clients.pods.watch(
        pod.metadata.namespace,
        field_selector=f"metadata.name={pod.metadata.name}",
        resource_version=pod.metadata.resource_version,
    )
    async with aclosing(stream) as batches:
        async for batch in batches:
            for event in batch.events:
                if event.type == DELETED or (event.type != BOOKMARK and pods.is_terminal(event.object)):
                    return True
    return False


async def _saw_end(client: ResourceClient[Message], current: Any) -> bool:
    """Watch the object; say whether its end was seen before the stream ended."""
    stream = client.watch(
        current.metadata.namespace,
        field_selector=f"metadata.name={current.metadata.name}",
        resource_version=current.metadata.resource_version,
    )
    async with aclosing(stream) as batches:
        async for batch in batches:
            if any(event.type == DELETED for event in batch.events):
                return True
    return False


async def wait_pod(
    clients: Clientset, pod: pod_pb2.Pod, accept: Callable[[pod_pb2.Pod], bool], seconds: float
) -> pod_pb2.Pod:
    """Watch the Pod until it is as wanted; 0 seconds are without end.

    Raises Failure when it is not, or is gone.
    """
    try:
        async with asyncio.timeout(seconds or None):
            return await _watch(clients, pod, accept)
    except TimeoutError as error:
        raise Failure("timed out waiting for the condition") from error


async def _watch(clients: Clientset, pod: pod_pb2.Pod, accept: Callable[[pod_pb2.Pod], bool]) -> pod_pb2.Pod:
    meta = pod.metadata
    while True:
        now = await clients.pods.get(meta.name, meta.namespace)
        if now.metadata.uid != meta.uid:
            raise Failure(f'pods "{meta.name}" was replaced')
        if accept(now):
            return now
        stream = clients.pods.watch(
            meta.namespace, field_selector=f"metadata.name={meta.name}",
            resource_version=now.metadata.resource_version,
        )  # fmt: skip
        async with aclosing(stream) as batches:
            async for batch in batches:
                for event in batch.events:
                    if event.type == DELETED:
                        raise Failure(f'pods "{meta.name}" was deleted')
                    if event.type != BOOKMARK and accept(event.object):
                        return event.object
