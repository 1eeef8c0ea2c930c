"""`vaina events`: what happened, the oldest first. Words and columns as kubectl events has them."""

from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import click

from cli import flags
from cli.failures import Failure
from cli.printers.columns import Shown, make_table
from cli.printers.table import render_table
from cli.shell import Shell
from cli.targets import parse_targets
from cli.why.evidence import event_time
from vaina.api.core.v1 import event_pb2
from vaina.client.clientset import Clientset
from vaina.kinds import EVENT
from vaina.objects.watch import BOOKMARK, DELETED

_TYPES = {"normal": "Normal", "warning": "Warning"}


@dataclass(frozen=True, slots=True)
class EventsOptions:
    """What `events` was asked for."""

    namespace: str = ""
    all_namespaces: bool = False
    #: TYPE/NAME
    about: str = ""
    types: str = ""
    watch: bool = False
    headers: bool = True


async def events(shell: Shell, clients: Clientset, options: EventsOptions) -> None:
    """Show events, and then each that comes, when that is asked for."""
    place = "" if options.all_namespaces else options.namespace or shell.namespace
    fields = _fields(options.about)
    wanted = _types(options.types)
    listed = await clients.events.list(place, field_selector=fields)
    found = sorted((item for item in listed.items if not wanted or item.type in wanted), key=event_time)
    if found:
        _show(shell, found, options, headers=options.headers)
    elif not options.watch:
        shell.err("No events found." if options.all_namespaces else f"No events found in {place} namespace.")
    if not options.watch:
        return
    stream = clients.events.watch(place, field_selector=fields, resource_version=listed.resource_version)
    async with aclosing(stream) as batches:
        async for batch in batches:
            new = [
                event.object
                for event in batch.events
                if event.type not in (BOOKMARK, DELETED) and (not wanted or event.object.type in wanted)
            ]
            if new:
                _show(shell, new, options, headers=options.headers and not found)
                found = new


def _fields(about: str) -> str:
    if not about:
        return ""
    (target,) = parse_targets([about], "events")
    if not target.name:
        raise Failure("--for must be in resource/name form")
    return f"involvedObject.kind={target.kind.kind},involvedObject.name={target.name}"


def _types(text: str) -> set[str]:
    found: set[str] = set()
    for word in filter(None, text.split(",")):
        if word.lower() not in _TYPES:
            raise Failure("valid --types are Normal or Warning")
        found.add(_TYPES[word.lower()])
    return found


def _show(shell: Shell, found: list[event_pb2.Event], options: EventsOptions, *, headers: bool) -> None:
    table = make_table(EVENT, found, shell.clock.now(), Shown(with_namespace=options.all_namespaces))
    shell.out(render_table(table, paint=shell.paint, show_headers=headers))


@click.command("events")
@flags.namespace
@click.option("-A", "--all-namespaces", is_flag=True, help="In all namespaces.")
@click.option("--for", "about", default="", metavar="TYPE/NAME", help="About one object.")
@click.option("--types", default="", help="Of these types: Normal, Warning.")
@click.option("-w", "--watch", is_flag=True, help="Then show those that come.")
@click.option(
    "--no-headers", "headers", is_flag=True, flag_value=False, default=True, help="Leave the headers out."
)
def events_command(**options: Any) -> None:
    """Show events, the oldest first."""
    given = EventsOptions(**options)
    flags.start(lambda shell, clients: events(shell, clients, given))
