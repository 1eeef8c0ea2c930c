"""Following objects until they are as wished for: what they say, and what their Pods wait for, as it changes."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from cli.failures import Failure
from cli.printers.progress import Progress
from cli.printers.rollout import reasons
from cli.shell import Shell
from vaina.client.clientset import Clientset
from vaina.client.resource import ResourceClient
from vaina.errors import ApiError, Conflict, Unavailable
from vaina.kinds import Kind
from vaina.objects.selectors import SelectorError, from_labels, from_message
from vaina.objects.watch import BOOKMARK, DELETED

#: between two looks at what Pods wait for
LOOK_SECONDS = 2.0
#: how often a change is made again because somebody else was faster
CHANGE_TRIES = 5


@dataclass(frozen=True, slots=True)
class Wanted:
    """An object to follow."""

    kind: Kind[Message]
    namespace: str
    name: str
    judge: Callable[[Any], Progress]


async def follow(
    shell: Shell, clients: Clientset, wanted: Wanted, *, seconds: float = 0.0, why: bool = True
) -> None:
    """Tell how far an object is until it is done; 0 seconds are without end.

    Raises:
        Failure: it cannot be done, or not in time; the words end with what its Pods wait for.
    """
    last: Progress | None = None
    problem: Exception | None = None
    try:
        async with asyncio.timeout(seconds or None), asyncio.TaskGroup() as group:
            beside = group.create_task(_tell_reasons(shell, clients, wanted)) if why else None
            try:
                last = await _until_over(shell, clients, wanted)
            except (Failure, ApiError) as error:
                # Raised below: out of a group it would come as a group.
                problem = error
            if beside is not None:
                beside.cancel()
    except TimeoutError as error:
        raise Failure(await _with_reasons(clients, wanted, "timed out waiting for the condition")) from error
    if problem is not None:
        raise problem
    if last is not None and last.failed:
        raise Failure(await _with_reasons(clients, wanted, last.text))


async def _until_over(shell: Shell, clients: Clientset, wanted: Wanted) -> Progress:
    line = ""
    client = clients.kind(wanted.kind)
    while True:
        try:
            async with aclosing(_states(client, wanted)) as states:
                async for state in states:
                    progress = wanted.judge(state)
                    if progress.text != line and not progress.failed:
                        line = progress.text
                        shell.out(f"{line}\n")
                    if progress.done or progress.failed:
                        return progress
        except Unavailable:
            await shell.clock.sleep(1.0)


async def _states(client: ResourceClient[Message], wanted: Wanted) -> AsyncGenerator[Any]:
    """Yield the object as it is, and each time it changes, until the watch ends."""
    found: Any = await client.get(wanted.name, wanted.namespace)
    yield found
    stream = client.watch(
        wanted.namespace, field_selector=f"metadata.name={wanted.name}",
        resource_version=found.metadata.resource_version,
    )  # fmt: skip
    async with aclosing(stream) as batches:
        async for batch in batches:
            for event in batch.events:
                if event.type == DELETED:
                    raise Failure("object has been deleted")
                if event.type != BOOKMARK:
                    yield event.object


async def _tell_reasons(shell: Shell, clients: Clientset, wanted: Wanted) -> None:
    """Tell what Pods wait for, each reason once."""
    told: set[str] = set()
    while True:
        await shell.clock.sleep(LOOK_SECONDS)
        for reason in await find_reasons(clients, wanted):
            if reason not in told:
                told.add(reason)
                shell.out(f"  {reason}\n")


async def _with_reasons(clients: Clientset, wanted: Wanted, words: str) -> str:
    return "".join([words, *(f"\n  {reason}" for reason in await find_reasons(clients, wanted))])


async def find_reasons(clients: Clientset, wanted: Wanted) -> Sequence[str]:
    """Return what keeps an object from being as wished for, as far as its parts say.

    Nothing where they cannot be asked.
    """
    with suppress(ApiError, SelectorError):
        obj: Any = await clients.kind(wanted.kind).get(wanted.name, wanted.namespace)
        pods: Sequence[Any] = [obj]
        owners: list[Any] = []
        if wanted.kind.kind != "Pod":
            selector = obj.spec.selector
            text = str(from_message(selector) if hasattr(selector, "match_labels") else from_labels(selector))
            owners = [obj]
            if wanted.kind.kind == "Deployment":
                owners += (await clients.replica_sets.list(wanted.namespace, label_selector=text)).items
            uids = {owner.metadata.uid for owner in owners}
            listed = (await clients.pods.list(wanted.namespace, label_selector=text)).items
            pods = [pod for pod in listed if any(ref.uid in uids for ref in pod.metadata.owner_references)]
        events = (await clients.events.list(wanted.namespace, field_selector="involvedObject.kind=Pod")).items
        return reasons(pods, owners, events)
    return ()


async def change(
    client: ResourceClient[Message],
    namespace: str,
    name: str,
    mutate: Callable[[Any], None],
    *,
    dry_run: bool = False,
) -> tuple[Any, bool]:
    """Change an object by compare-and-swap, again where somebody was faster.

    Returns it, and whether it was changed.

    Raises NotFound, Invalid, or what `mutate` raises.
    """
    tries = CHANGE_TRIES
    while True:
        found: Any = await client.get(name, namespace)
        wanted = type(found)()
        wanted.CopyFrom(found)
        mutate(wanted)
        if wanted == found:
            return found, False
        try:
            return await client.update(wanted, dry_run=dry_run, field_manager="vaina"), True
        except Conflict:
            tries -= 1
            if not tries:
                raise
