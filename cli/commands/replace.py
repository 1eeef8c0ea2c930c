"""`vaina replace` and `vaina diff`: manifests in the place of what there is, and what applying them would change."""

import difflib
from dataclasses import dataclass
from typing import Any

import click

from cli import flags
from cli.commands.apply import FIELD_MANAGER, NOTHING
from cli.files import read_objects, read_sources
from cli.printers.objects import Item, object_name, print_yaml
from cli.shell import Exit, Failure, Shell
from vaina.api.core.v1 import manifest_service_pb2
from vaina.client.clientset import Clientset
from vaina.errors import ApiError, NotFound, from_status
from vaina.kinds import KINDS_BY_GVK
from vaina.objects.manifest import decode_json


@dataclass(frozen=True, slots=True)
class FileOptions:
    """What `replace` or `diff` was asked for."""

    files: tuple[str, ...]
    recursive: bool = False
    namespace: str = ""
    dry_run: str = "none"


async def replace(shell: Shell, clients: Clientset, options: FileOptions) -> None:
    """Replace objects by what manifests say; each must be there."""
    found = read_objects(read_sources(shell, options.files, recursive=options.recursive))
    if not found:
        raise Failure("no objects passed to replace")
    for source, read in found:
        doing = f'replacing "{source.name}"'
        if isinstance(read, ApiError):
            shell.report(read, doing)
            continue
        message: Any = read.message
        if read.kind.namespaced:
            message.metadata.namespace = message.metadata.namespace or options.namespace or shell.namespace
        try:
            await clients.kind(read.kind).update(
                message, dry_run=options.dry_run == "server", field_manager=FIELD_MANAGER
            )
        except ApiError as error:
            shell.report(error, doing)
        else:
            suffix = " (server dry run)" if options.dry_run == "server" else ""
            shell.out(f"{object_name(read.kind, message.metadata.name)} replaced{suffix}\n")


async def diff(shell: Shell, clients: Clientset, options: FileOptions) -> None:
    """Show what `apply` would change, as `diff -u` does.

    Raises:
        Exit: with 1 when there are differences.
    """
    different = False
    for source in read_sources(shell, options.files, recursive=options.recursive):
        request = manifest_service_pb2.ApplyRequest(
            manifest=source.text.decode(errors="replace"), namespace=options.namespace or shell.namespace,
            field_manager=FIELD_MANAGER, dry_run=["All"], field_validation="Strict",
        )  # fmt: skip
        try:
            answer = await clients.manifests.apply(request)
        except ApiError as error:
            if error.message != NOTHING:
                raise
            continue
        for result in answer.results:
            if result.HasField("error"):
                shell.report(from_status(result.error), f'applying "{source.name}"')
                continue
            lines = await _difference(clients, result)
            different = different or bool(lines)
            shell.out("".join(lines))
    if different and not shell.failures:
        raise Exit(1)


async def _difference(clients: Clientset, result: manifest_service_pb2.ApplyResult) -> list[str]:
    kind = KINDS_BY_GVK[result.api_version, result.kind]
    merged: Any = decode_json(result.manifest, kind=kind, strict=False).message
    meta = merged.metadata
    try:
        live: list[Item] = [(kind, await clients.kind(kind).get(meta.name, meta.namespace))]
    except NotFound:
        live = []
    before = print_yaml(live, single=True) if live else ""
    if live:
        current: Any = live[0][1]
        # What a dry run cannot know, and what changes with every write.
        meta.resource_version, meta.generation = (
            current.metadata.resource_version,
            current.metadata.generation,
        )
    name = ".".join(filter(None, (kind.version, kind.group, kind.kind, meta.namespace, meta.name)))
    after = print_yaml([(kind, merged)], single=True)
    return list(
        difflib.unified_diff(
            before.splitlines(keepends=True),
            after.splitlines(keepends=True),
            f"LIVE/{name}",
            f"MERGED/{name}",
        )
    )


@click.command("replace")
@flags.files
@flags.namespace
@click.option("--dry-run", type=click.Choice(["none", "server"]), default="none")
def replace_command(**options: Any) -> None:
    """Replace objects by what manifests say."""
    given = FileOptions(**options)
    flags.start(lambda shell, clients: replace(shell, clients, given))


@click.command("diff")
@flags.files
@flags.namespace
def diff_command(**options: Any) -> None:
    """Show what applying manifests would change; ends with 1 when that is something."""
    given = FileOptions(**options)
    flags.start(lambda shell, clients: diff(shell, clients, given))
