"""`vaina events`: what happened, the oldest first. Words and columns as kubectl events has them."""

from contextlib import aclosing
from dataclasses import dataclass

from cli import flags
from cli.app import cli
from cli.failures import Failure
from cli.printers.objects import Shown, make_table
from cli.printers.table import render_table
from cli.shell import Shell
from cli.targets import parse_targets
from vaina.api.core.v1 import event_pb2
from vaina.client.clientset import Clientset
from vaina.kinds import EVENT
from vaina.objects.watch import BOOKMARK, DELETED
from vaina.why.evidence import event_time

_TYPES = {"normal": "Normal", "warning": "Warning"}


@dataclass(frozen=True, slots=True)
class EventsOptions:
    """What `events` was asked for."""

    all_namespaces: bool = False
    #: TYPE/NAME
    about: str = ""
    types: str = ""
    watch: bool = False
    headers: bool = True


@flags.verb(cli, "events", EventsOptions)
@flags.namespace
@flags.flag("-A --all-namespaces", "In all namespaces.")
@flags.text("--for about", "About one object.", "TYPE/NAME")
@flags.text("--types", "Of these types: Normal, Warning.")
@flags.flag("-w --watch", "Then show those that come.")
@flags.no_headers
async def events(shell: Shell, clients: Clientset, options: EventsOptions) -> None:
    """Show events, the oldest first."""
    place = "" if options.all_namespaces else shell.namespace
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
    targets = parse_targets([about], "events")
    if len(targets) != 1 or not targets[0].name:
        raise Failure("--for must be in resource/name form")
    return f"involvedObject.kind={targets[0].kind.kind},involvedObject.name={targets[0].name}"


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
