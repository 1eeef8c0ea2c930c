"""`vaina describe`: one object for people, with its events."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click
from google.protobuf.message import Message

from cli import flags
from cli.printers.columns import sort_items
from cli.printers.describe import render_description
from cli.shell import Shell
from cli.targets import Target, parse_targets
from vaina.client.clientset import Clientset
from vaina.client.resource import ResourceClient
from vaina.errors import ApiError
from vaina.kinds import Kind
from vaina.objects import selectors
from vaina.objects.pods import MIRROR


@dataclass(frozen=True, slots=True)
class DescribeOptions:
    """What `describe` was asked for."""

    words: Sequence[str]
    namespace: str = ""
    all_namespaces: bool = False
    label_selector: str = ""
    field_selector: str = ""
    events: bool = True


async def describe(shell: Shell, clients: Clientset, options: DescribeOptions) -> None:
    """Describe objects, two empty lines between them."""
    pages: list[str] = []
    for target in parse_targets(options.words, "describe"):
        try:
            found = await _find(shell, clients, target, options)
            pages.extend([await _describe_one(shell, clients, target.kind, obj, options) for obj in found])
        except ApiError as error:
            shell.report(error)
    if pages:
        shell.out("\n\n".join(pages))
    elif not shell.failures:
        shell.err(f"No resources found in {options.namespace or shell.namespace} namespace.")


async def _find(shell: Shell, clients: Clientset, target: Target, options: DescribeOptions) -> list[Message]:
    client = clients.kind(target.kind)
    place = options.namespace or shell.namespace
    if not target.kind.namespaced or options.all_namespaces:
        place = ""
    if target.name:
        return [await client.get(target.name, place)]
    listed = await client.list(
        place, label_selector=options.label_selector, field_selector=options.field_selector
    )
    return sort_items(target.kind, listed.items)


async def _describe_one(
    shell: Shell, clients: Clientset, kind: Kind[Message], obj: Message, options: DescribeOptions
) -> str:
    events = await _events(clients, kind, obj) if options.events else []
    related = await _related(clients, kind, obj)
    return render_description(
        kind, obj, pods=related, events=events, now=shell.clock.now(), paint=shell.paint
    )


async def _events(clients: Clientset, kind: Kind[Message], obj: Any) -> Sequence[Message]:
    meta = obj.metadata
    fields = f"involvedObject.kind={kind.kind},involvedObject.name={meta.name}"
    if kind.namespaced:
        # Events about a static Pod bear the uid that its kubelet knows, which its mirror names.
        fields += f",involvedObject.uid={meta.annotations.get(MIRROR, '') or meta.uid}"
    try:
        # Events of a Node are in the default namespace.
        return (await clients.events.list(meta.namespace or "default", field_selector=fields)).items
    except ApiError:
        # A page without events is better than none.
        return []


async def _related(clients: Clientset, kind: Kind[Message], obj: Any) -> Sequence[Message]:
    """Return what the page of an object shows besides it."""
    if kind.kind == "Namespace":
        quotas = await clients.resource_quotas.list(obj.metadata.name)
        return [*quotas.items, *(await clients.limit_ranges.list(obj.metadata.name)).items]
    if kind.kind == "Node":
        return (await clients.pods.list(field_selector=f"spec.nodeName={obj.metadata.name}")).items
    if not kind.has_scale:
        return []
    selector = obj.spec.selector
    wanted = (
        selectors.from_labels(selector)
        if kind.kind == "ReplicationController"
        else selectors.from_message(selector)
    )
    client: ResourceClient[Any] = clients.replica_sets if kind.kind == "Deployment" else clients.pods
    listed = await client.list(obj.metadata.namespace, label_selector=str(wanted))
    uid = obj.metadata.uid
    return [obj for obj in listed.items if any(owner.uid == uid for owner in obj.metadata.owner_references)]


@click.command("describe")
@click.argument("words", nargs=-1, metavar="TYPE [NAME]...")
@flags.selecting
@flags.namespace
@click.option("--show-events", "events", type=bool, default=True, help="End with the events (true).")
def describe_command(**options: Any) -> None:
    """Describe objects for people: their fields in words, their events last."""
    given = DescribeOptions(**options)
    flags.start(lambda shell, clients: describe(shell, clients, given))
