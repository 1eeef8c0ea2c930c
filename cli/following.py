"""Waiting until an object is gone, has ended or is as wanted, and changing one that others change too."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from cli.failures import Failure
from cli.printers.rollout import Progress, reasons
from cli.shell import Shell
from vaina.api.core.v1 import pod_pb2
from vaina.client.clientset import Clientset
from vaina.client.resource import M, ResourceClient, WatchBatch, WatchEvent
from vaina.errors import ApiError, Conflict, NotFound, Unavailable
from vaina.kinds import Kind
from vaina.objects import pods
from vaina.objects.selectors import SelectorError, from_labels, from_message
from vaina.objects.watch import BOOKMARK, DELETED

#: between two looks at what Pods wait for
LOOK_SECONDS = 2.0
#: how often a change is made again because somebody else was faster
CHANGE_TRIES = 5


async def changes(stream: AsyncGenerator[WatchBatch[M], None]) -> AsyncGenerator[WatchEvent[M], None]:
    """Yield the events of a watch, one by one, without its bookmarks."""
    async with aclosing(stream) as batches:
        async for batch in batches:
            for event in batch.events:
                if event.type != BOOKMARK:
                    yield event


async def states(
    client: ResourceClient[M], namespace: str, name: str, *, absent: bool = False
) -> AsyncGenerator[M | None, None]:
    """Yield an object as it is, and after each change; None when it is deleted. Ends with its watch.

    Raises NotFound: it is not there; with `absent` it may come later.
    """
    version = ""
    try:
        found: Any = await client.get(name, namespace)
    except NotFound:
        if not absent:
            raise
    else:
        yield found
        version = found.metadata.resource_version
    stream = client.watch(namespace, field_selector=f"metadata.name={name}", resource_version=version)
    async with aclosing(changes(stream)) as events:
        async for event in events:
            yield None if event.type == DELETED else event.object


async def until(
    client: ResourceClient[M],
    namespace: str,
    name: str,
    over: Callable[[M | None], bool],
    *,
    shell: Shell | None = None,
    bears: type[ApiError] = Unavailable,
    absent: bool = False,
) -> M | None:
    """Return the first state of an object, as of `states`, that is the last one. Raises NotFound, ApiError.

    With a shell, errors that it `bears` are waited out.
    """
    while True:
        try:
            async with aclosing(states(client, namespace, name, absent=absent)) as seen:
                async for found in seen:
                    if over(found):
                        return found
        except ApiError as error:
            if shell is None or isinstance(error, NotFound) or not isinstance(error, bears):
                raise
            await shell.clock.sleep(1.0)


async def wait_gone(shell: Shell, client: ResourceClient[Any], namespace: str, name: str, uid: str) -> None:
    """Return when the object with this uid is gone; another one of its name does not count."""
    with shell.busy(f"waiting for {client.kind.plural}/{name} to be gone"), suppress(NotFound):
        await until(client, namespace, name, lambda it: it is None or it.metadata.uid != uid, shell=shell)


async def wait_over(shell: Shell, clients: Clientset, pod: pod_pb2.Pod) -> None:
    """Return when a Pod has ended or is gone; when the server cannot say so now, ask again: streams go on."""
    meta = pod.metadata

    def over(found: pod_pb2.Pod | None) -> bool:
        return found is None or found.metadata.uid != meta.uid or pods.is_terminal(found)

    with suppress(NotFound):
        await until(clients.pods, meta.namespace, meta.name, over, shell=shell, bears=ApiError)


async def wait_pod(
    clients: Clientset, pod: pod_pb2.Pod, accept: Callable[[pod_pb2.Pod], bool], seconds: float
) -> pod_pb2.Pod:
    """Return a Pod once it is as wanted; 0 seconds are without end. Raises Failure: it is not, or is gone."""
    meta = pod.metadata

    def over(found: pod_pb2.Pod | None) -> bool:
        return found is None or found.metadata.uid != meta.uid or accept(found)

    try:
        async with asyncio.timeout(seconds or None):
            found = await until(clients.pods, meta.namespace, meta.name, over)
    except TimeoutError as error:
        raise Failure("timed out waiting for the condition") from error
    if found is None or found.metadata.uid != meta.uid:
        raise Failure(f'pods "{meta.name}" was {"deleted" if found is None else "replaced"}')
    return found


@dataclass(frozen=True, slots=True)
class Wanted:
    """An object to follow."""

    kind: Kind[Message]
    namespace: str
    name: str
    judge: Callable[[Any], Progress]


async def follow(shell: Shell, clients: Clientset, wanted: Wanted, *, seconds: float = 0.0) -> None:
    """Tell how far an object is until it is done; 0 seconds are without end. Raises Failure."""
    last: Progress | None = None
    problem: Exception | None = None
    try:
        async with asyncio.timeout(seconds or None), asyncio.TaskGroup() as group:
            beside = group.create_task(_tell_reasons(shell, clients, wanted))
            try:
                last = await _until_over(shell, clients, wanted)
            except (Failure, ApiError) as error:
                # Raised below: out of a group it would come as a group.
                problem = error
            beside.cancel()
    except TimeoutError as error:
        raise Failure(await _with_reasons(clients, wanted, "timed out waiting for the condition")) from error
    if problem is not None:
        raise problem
    if last is not None and last.failed:
        raise Failure(await _with_reasons(clients, wanted, last.text))


async def _until_over(shell: Shell, clients: Clientset, wanted: Wanted) -> Progress | None:
    last: Progress | None = None
    line = ""

    def over(state: Any) -> bool:
        nonlocal last, line
        if state is None:
            raise Failure("object has been deleted")
        last = wanted.judge(state)
        if last.text != line and not last.failed:
            line = last.text
            shell.out(f"{line}\n")
        return last.done or last.failed

    with shell.busy(f"waiting for {wanted.kind.plural}/{wanted.name}"):
        await until(clients.kind(wanted.kind), wanted.namespace, wanted.name, over, shell=shell)
    return last


async def _tell_reasons(shell: Shell, clients: Clientset, wanted: Wanted) -> None:
    told: set[str] = set()
    while True:
        await shell.clock.sleep(LOOK_SECONDS)
        for reason in await _find_reasons(clients, wanted):
            if reason not in told:
                told.add(reason)
                shell.out(f"  {reason}\n")


async def _with_reasons(clients: Clientset, wanted: Wanted, words: str) -> str:
    return "".join([words, *(f"\n  {reason}" for reason in await _find_reasons(clients, wanted))])


async def _find_reasons(clients: Clientset, wanted: Wanted) -> Sequence[str]:
    """Return what keeps an object from being as wanted, as far as its Pods and ReplicaSets can be asked."""
    with suppress(ApiError, SelectorError):
        obj: Any = await clients.kind(wanted.kind).get(wanted.name, wanted.namespace)
        found: Sequence[Any] = [obj]
        owners: list[Any] = []
        if wanted.kind.kind != "Pod":
            text, owners = selector_of(obj), [obj]
            if wanted.kind.kind == "Deployment":
                owners += (await clients.replica_sets.list(wanted.namespace, label_selector=text)).items
            uids = {owner.metadata.uid for owner in owners}
            listed = (await clients.pods.list(wanted.namespace, label_selector=text)).items
            found = [pod for pod in listed if any(ref.uid in uids for ref in pod.metadata.owner_references)]
        events = (await clients.events.list(wanted.namespace, field_selector="involvedObject.kind=Pod")).items
        return reasons(found, owners, events)
    return ()


def selector_of(owner: Any) -> str:
    """Return the selector of what makes Pods, as a list takes it. Raises SelectorError."""
    selector = owner.spec.selector
    return str(from_message(selector) if hasattr(selector, "match_labels") else from_labels(selector))


async def change(
    client: ResourceClient[Any],
    namespace: str,
    name: str,
    mutate: Callable[[Any], None],
    *,
    dry_run: bool = False,
) -> bool:
    """Change an object by compare-and-swap, again where somebody was faster; say whether it was changed.

    Raises ApiError (Conflict after too many tries), and what `mutate` raises.
    """
    tries = CHANGE_TRIES
    while True:
        found: Any = await client.get(name, namespace)
        wanted = type(found)()
        wanted.CopyFrom(found)
        mutate(wanted)
        if wanted == found:
            return False
        try:
            await client.update(wanted, dry_run=dry_run, field_manager="vaina")
        except Conflict:
            tries -= 1
            if not tries:
                raise
        else:
            return True
