"""`vaina delete`: by name, by file, by label, all of a kind; waits until they are gone."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from cli import flags
from cli.app import cli
from cli.failures import Failure
from cli.files import each_object, read_sources
from cli.flags import Selection, named
from cli.following import wait_gone
from cli.printers.objects import dry_run_suffix, object_name, resource_name
from cli.shell import Shell
from cli.targets import parse_targets
from vaina.client.clientset import Clientset
from vaina.errors import ApiError, NotFound
from vaina.kinds import Kind
from vaina.objects.manifest import Decoded


@dataclass(frozen=True, slots=True)
class DeleteOptions(Selection):
    """What `delete` was asked for."""

    files: Sequence[str] = ()
    recursive: bool = False
    #: below 0: what each object says
    grace_seconds: int = -1
    now: bool = False
    force: bool = False
    wait: bool = True
    #: seconds; 0 waits without end
    timeout: float = 0.0
    ignore_not_found: bool = False
    cascade: str = "background"
    #: none or server
    dry_run: str = "none"
    #: empty or name
    output: str = ""

    @property
    def grace(self) -> int | None:
        """Seconds that containers get to end; None: what each object says."""
        if self.now:
            return 1
        if self.grace_seconds >= 0:
            return self.grace_seconds
        return 0 if self.force else None


#: kind, namespace and name
_Doomed = tuple[Kind[Any], str, str]


@flags.verb(cli, "delete", DeleteOptions)
@click.argument("words", nargs=-1, metavar="TYPE NAME...")
@flags.files
@flags.selecting
@flags.namespace
@flags.flag("--all", "All objects of the type.")
@flags.integer("--grace-period grace_seconds", -1, "Seconds that containers get to end.")
@flags.flag("--now", "The same as --grace-period=1.")
@flags.flag("--force", "At once, without waiting for the node.")
@click.option(
    "--wait", type=bool, default=True, is_flag=False, flag_value=True, help="Wait until they are gone (true)."
)
@flags.duration("--timeout", "0", "How long to wait: 30s; 0 waits without end.")
@flags.flag("--ignore-not-found", "An object that is not there is no error.")
@flags.choice("--cascade", ["background", "foreground", "orphan"], "background")
@flags.server_dry_run
@flags.choice("-o --output", ["", "name"], "")
async def delete(shell: Shell, clients: Clientset, options: DeleteOptions) -> None:
    """Delete objects, by name, file or label."""
    doomed = await (_in_files if options.files else _named)(shell, clients, options)
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
            waiting.append((item, await _delete_one(shell, clients, item, options)))
        except ApiError as error:
            if not (isinstance(error, NotFound) and options.ignore_not_found):
                shell.report(error)
    if not options.wait or options.force or options.dry_run != "none":
        return
    try:
        async with asyncio.timeout(options.timeout or None):
            for (kind, namespace, name), uid in waiting:
                await wait_gone(shell, clients.kind(kind), namespace, name, uid)
    except TimeoutError as error:
        raise Failure("timed out waiting for the condition") from error


async def _named(shell: Shell, clients: Clientset, options: DeleteOptions) -> list[_Doomed]:
    targets = parse_targets(options.words, "delete")
    if (options.label_selector or options.all) and any(target.name for target in targets):
        raise Failure("name cannot be provided when a selector is specified")
    return await named(shell, clients, targets, options)


async def _in_files(shell: Shell, _: Clientset, options: DeleteOptions) -> list[_Doomed]:
    doomed: list[_Doomed] = []

    async def one(found: Decoded) -> None:
        message: Any = found.message
        place = message.metadata.namespace if found.kind.namespaced else ""
        doomed.append((found.kind, place, message.metadata.name))

    await each_object(shell, read_sources(shell, options.files, recursive=options.recursive), one)
    return doomed


async def _delete_one(shell: Shell, clients: Clientset, item: _Doomed, options: DeleteOptions) -> str:
    """Ask for the deletion, say so, and return the object's uid."""
    kind, namespace, name = item
    deleted: Any = await clients.kind(kind).delete(
        name, namespace, grace_period_seconds=options.grace, dry_run=options.dry_run == "server",
        propagation_policy=options.cascade.capitalize(),
    )  # fmt: skip
    if options.output == "name":
        shell.out(f"{object_name(kind, name)}\n")
    else:
        how = "force deleted" if options.force else "deleted"
        shell.out(f'{resource_name(kind)} "{name}" {how}{dry_run_suffix(options.dry_run)}\n')
    return str(deleted.metadata.uid)
