"""`vaina describe`: one object for people, with its events."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click
from google.protobuf.message import Message

from cli import flags
from cli.app import cli
from cli.flags import Selection, find
from cli.following import selector_of
from cli.printers.describe import render_description
from cli.printers.objects import sort_items
from cli.shell import Shell
from cli.targets import parse_targets
from vaina.client.clientset import Clientset
from vaina.client.resource import ResourceClient
from vaina.errors import ApiError
from vaina.kinds import Kind
from vaina.objects.pods import MIRROR


@dataclass(frozen=True, slots=True)
class DescribeOptions(Selection):
    """What `describe` was asked for."""

    events: bool = True


@flags.verb(cli, "describe", DescribeOptions)
@click.argument("words", nargs=-1, metavar="TYPE [NAME]...")
@flags.selecting
@flags.namespace
@click.option("--show-events", "events", type=bool, default=True, help="End with the events (true).")
async def describe(shell: Shell, clients: Clientset, options: DescribeOptions) -> None:
    """Describe objects for people: their fields in words, their events last."""
    pages: list[str] = []
    for target in parse_targets(options.words, "describe"):
        with shell.reporting():
            found = await find(shell, clients, target, options)
            ordered = sort_items(target.kind, found)
            pages.extend([await _describe_one(shell, clients, target.kind, obj, options) for obj in ordered])
    if pages:
        shell.out("\n\n".join(pages))
    elif not shell.failures:
        shell.err(f"No resources found in {shell.namespace} namespace.")


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
    client: ResourceClient[Any] = clients.replica_sets if kind.kind == "Deployment" else clients.pods
    listed = await client.list(obj.metadata.namespace, label_selector=selector_of(obj))
    uid = obj.metadata.uid
    return [obj for obj in listed.items if any(owner.uid == uid for owner in obj.metadata.owner_references)]
