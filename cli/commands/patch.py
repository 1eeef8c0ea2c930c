"""`vaina patch`: change a part of an object, or of one of its sub-resources.

Words as kubectl patch has them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from cli import flags
from cli.failures import Failure
from cli.printers.objects import object_name, print_json, print_yaml
from cli.shell import Shell
from cli.targets import Target, parse_targets
from vaina.client.clientset import Clientset
from vaina.client.verbs import ScalableClient
from vaina.errors import ApiError, NotFound
from vaina.kinds import Kind
from vaina.objects.scale import SCALE
from vaina.objects.tree import TextError, compact_json
from vaina.objects.yaml_text import parse_yaml

_TYPES: Final = {
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}
_SUBRESOURCES: Final = ("", "status", "scale", "resize", "ephemeralcontainers")


@dataclass(frozen=True, slots=True)
class PatchOptions:
    """What `patch` was asked for."""

    words: Sequence[str]
    patch: str = ""
    patch_file: str = ""
    type: str = "strategic"
    subresource: str = ""
    namespace: str = ""
    dry_run: str = "none"
    output: str = ""


async def patch(shell: Shell, clients: Clientset, options: PatchOptions) -> None:
    """Change some objects by a patch.

    Raises:
        Failure: the options make no sense.
    """
    text = _read(options)
    for target in parse_targets(options.words, "patch"):
        if not target.name:
            raise Failure("resource(s) were provided, but no name was specified")
        try:
            await _patch_one(shell, clients, target, text, options)
        except ApiError as error:
            shell.report(error)


def _read(options: PatchOptions) -> str:
    """Return the patch as JSON; it may be written as YAML."""
    if bool(options.patch) == bool(options.patch_file):
        raise Failure("must specify --patch or --patch-file containing the contents of the patch")
    try:
        text = options.patch or Path(options.patch_file).read_text()
        documents = parse_yaml(text)
    except (TextError, OSError, UnicodeDecodeError) as error:
        raise Failure(f"unable to parse {options.patch or options.patch_file!r}: {error}") from error
    if len(documents) != 1:
        raise Failure("the patch has to be one document")
    return compact_json(documents[0][0]).decode()


async def _patch_one(
    shell: Shell, clients: Clientset, target: Target, text: str, options: PatchOptions
) -> None:
    namespace = (options.namespace or shell.namespace) if target.kind.namespaced else ""
    kind, before, after = await _patched(clients, target, namespace, text, options)
    if options.output in {"json", "yaml"}:
        write = print_json if options.output == "json" else print_yaml
        shell.out_data(write([(kind, after)], single=True))
        return
    name = object_name(kind, target.name)
    if options.output == "name":
        shell.out(f"{name}\n")
        return
    after.metadata.resource_version = before.metadata.resource_version
    suffix = " (server dry run)" if options.dry_run == "server" else ""
    shell.out(f"{name} patched{' (no change)' if after == before else ''}{suffix}\n")


async def _patched(
    clients: Clientset, target: Target, namespace: str, text: str, options: PatchOptions
) -> tuple[Kind[Any], Any, Any]:
    """Return what was patched, before and afterwards, and its kind: that of a Scale is its own."""
    patch_type, dry_run = _TYPES[options.type], options.dry_run == "server"
    if options.subresource == "scale":
        if not target.kind.has_scale:
            raise NotFound("the server could not find the requested resource")
        scalable: ScalableClient[Any] = ScalableClient(clients.transport, target.kind)
        scale = await scalable.get_scale(target.name, namespace)
        changed = await scalable.patch_scale(
            target.name, text, namespace=namespace, patch_type=patch_type, dry_run=dry_run
        )
        return SCALE, scale, changed
    client = clients.kind(target.kind)
    before = await client.get(target.name, namespace)
    after = await client.patch(
        target.name, text, namespace=namespace, patch_type=patch_type, subresource=options.subresource,
        dry_run=dry_run, field_manager="vaina",
    )  # fmt: skip
    return target.kind, before, after


@click.command("patch")
@click.argument("words", nargs=-1, metavar="TYPE NAME | TYPE/NAME...")
@flags.namespace
@click.option("-p", "--patch", default="", help="The patch, as JSON or YAML.")
@click.option("--patch-file", default="", help="A file with the patch.")
@click.option("--type", type=click.Choice([*_TYPES]), default="strategic", help="Which kind of patch it is.")
@click.option(
    "--subresource", type=click.Choice([*_SUBRESOURCES]), default="", help="Patch a part of the object."
)
@click.option(
    "--dry-run", type=click.Choice(["none", "server"]), default="none", help="Check, but store nothing."
)
@click.option("-o", "--output", default="", type=click.Choice(["", "name", "json", "yaml"]))
def patch_command(**options: Any) -> None:
    """Change fields of an object."""
    given = PatchOptions(**options)
    flags.start(lambda shell, clients: patch(shell, clients, given))
