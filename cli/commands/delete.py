"""`vaina delete`: by name, by file, by label, all of a kind; waits until they are gone."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click
from google.protobuf.message import Message

from cli import flags
from cli.failures import Failure
from cli.files import into_namespace, read_objects, read_sources
from cli.printers.columns import resource_name
from cli.printers.objects import object_name
from cli.shell import Shell
from cli.targets import Target, parse_duration, parse_targets
from cli.waiting import wait_gone
from vaina.client.clientset import Clientset
from vaina.errors import ApiError, NotFound
from vaina.kinds import Kind

_PROPAGATION = {"background": "Background", "foreground": "Foreground", "orphan": "Orphan", "": ""}


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """What `delete` was asked for."""

    words: Sequence[str]
    files: Sequence[str] = ()
    recursive: bool = False
    namespace: str = ""
    all_namespaces: bool = False
    label_selector: str = ""
    field_selector: str = ""
    all: bool = False
    grace_seconds: int | None = None
    force: bool = False
    wait: bool = True
    #: seconds; 0 waits without end
    timeout: float = 0.0
    ignore_not_found: bool = False
    cascade: str = ""
    dry_run: bool = False
    #: empty or name
    output: str = ""


@dataclass(frozen=True, slots=True)
class _Doomed:
    """An object to delete."""

    kind: Kind[Message]
    namespace: str
    name: str


async def delete(shell: Shell, clients: Clientset, options: DeleteOptions) -> None:
    """Delete objects, and wait until they are gone."""
    doomed = await _find(shell, clients, options)
    if options.force:
        shell.warn(
            "Immediate deletion does not wait for confirmation that the running resource has been terminated. "
            "The resource may continue to run on the cluster indefinitely."
        )
    if not doomed and not shell.failures:
        shell.out("No resources found\n")
    waiting: list[tuple[_Doomed, str]] = []
    for item in doomed:
        try:
            uid = await _delete_one(shell, clients, item, options)
        except ApiError as error:
            if not (isinstance(error, NotFound) and options.ignore_not_found):
                shell.report(error)
            continue
        waiting.append((item, uid))
    if options.wait and not options.force and not options.dry_run:
        await _wait_all(clients, waiting, shell, options.timeout)


async def _find(shell: Shell, clients: Clientset, options: DeleteOptions) -> list[_Doomed]:
    namespace = options.namespace or shell.namespace
    if options.files:
        return _in_files(shell, options)
    targets = parse_targets(options.words, "delete")
    selecting = options.all or options.label_selector or options.field_selector
    doomed: list[_Doomed] = []
    for target in targets:
        place = namespace if target.kind.namespaced else ""
        if target.name:
            if options.label_selector or options.all:
                raise Failure("name cannot be provided when a selector is specified")
            doomed.append(_Doomed(target.kind, place, target.name))
        elif not selecting:
            raise Failure("resource(s) were provided, but no name was specified")
        else:
            doomed.extend(await _selected(clients, target, "" if options.all_namespaces else place, options))
    return doomed


async def _selected(clients: Clientset, target: Target, place: str, options: DeleteOptions) -> list[_Doomed]:
    listed = await clients.kind(target.kind).list(
        place, label_selector=options.label_selector, field_selector=options.field_selector
    )
    found: list[_Doomed] = []
    for item in listed.items:
        fields: Any = item
        found.append(_Doomed(target.kind, fields.metadata.namespace, fields.metadata.name))
    return found


def _in_files(shell: Shell, options: DeleteOptions) -> list[_Doomed]:
    doomed: list[_Doomed] = []
    for _, found in read_objects(read_sources(shell, options.files, recursive=options.recursive)):
        if isinstance(found, ApiError):
            shell.report(found)
            continue
        try:
            into_namespace(shell, found, options.namespace)
        except Failure as error:
            shell.complain(str(error))
            continue
        message: Any = found.message
        place = message.metadata.namespace if found.kind.namespaced else ""
        doomed.append(_Doomed(found.kind, place, message.metadata.name))
    return doomed


async def _delete_one(shell: Shell, clients: Clientset, item: _Doomed, options: DeleteOptions) -> str:
    """Ask for the deletion, say so, and return the object's uid."""
    grace = 0 if options.force and options.grace_seconds is None else options.grace_seconds
    deleted: Any = await clients.kind(item.kind).delete(
        item.name, item.namespace, grace_period_seconds=grace, dry_run=options.dry_run,
        propagation_policy=_PROPAGATION[options.cascade],
    )  # fmt: skip
    if options.output == "name":
        shell.out(f"{object_name(item.kind, item.name)}\n")
    else:
        how = "force deleted" if options.force else "deleted"
        suffix = " (server dry run)" if options.dry_run else ""
        shell.out(f'{resource_name(item.kind)} "{item.name}" {how}{suffix}\n')
    return str(deleted.metadata.uid)


async def _wait_all(
    clients: Clientset, waiting: Sequence[tuple[_Doomed, str]], shell: Shell, timeout: float
) -> None:
    try:
        async with asyncio.timeout(timeout or None):
            for item, uid in waiting:
                await wait_gone(shell, clients.kind(item.kind), item.namespace, item.name, uid)
    except TimeoutError as error:
        raise Failure("timed out waiting for the condition") from error


@click.command("delete")
@click.argument("words", nargs=-1, metavar="TYPE NAME...")
@flags.files
@flags.selecting
@flags.namespace
@click.option("--all", is_flag=True, help="All objects of the type.")
@click.option(
    "--grace-period", "grace_seconds", type=int, default=-1, help="Seconds that containers get to end."
)
@click.option("--now", is_flag=True, help="The same as --grace-period=1.")
@click.option("--force", is_flag=True, help="At once, without waiting for the node.")
@click.option(
    "--wait", type=bool, default=True, is_flag=False, flag_value=True, help="Wait until they are gone (true)."
)
@click.option("--timeout", default="0", help="How long to wait: 30s; 0 waits without end.")
@click.option("--ignore-not-found", is_flag=True, help="An object that is not there is no error.")
@click.option("--cascade", type=click.Choice(["background", "foreground", "orphan"]), default="background")
@click.option("--dry-run", type=click.Choice(["none", "server"]), default="none")
@click.option("-o", "--output", type=click.Choice(["", "name"]), default="")
def delete_command(**options: Any) -> None:
    """Delete objects, by name, file or label."""
    grace = options["grace_seconds"]
    if options.pop("now"):
        grace = 1
    options["grace_seconds"] = grace if grace >= 0 else None
    options["dry_run"] = options["dry_run"] == "server"

    async def command(shell: Shell, clients: Clientset) -> None:
        options["timeout"] = parse_duration(options["timeout"])
        await delete(shell, clients, DeleteOptions(**options))

    flags.start(command)
