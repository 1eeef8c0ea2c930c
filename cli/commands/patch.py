"""`vaina patch`: change a part of an object, or of one of its sub-resources. Words as kubectl patch has them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from cli import flags
from cli.app import cli
from cli.failures import Failure
from cli.printers.objects import dry_run_suffix, object_name, print_objects
from cli.shell import Shell
from cli.targets import Target, parse_named
from vaina.client.clientset import Clientset
from vaina.client.verbs import ScalableClient
from vaina.errors import NotFound
from vaina.kinds import Kind
from vaina.objects.patching import JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH
from vaina.objects.scale import SCALE
from vaina.objects.tree import TextError, compact_json
from vaina.objects.yaml_text import parse_yaml

#: types of patches, as flags name them
PATCH_TYPES: Final = {"json": JSON_PATCH, "merge": MERGE_PATCH, "strategic": STRATEGIC_MERGE_PATCH}
_SUBRESOURCES: Final = ("", "status", "scale", "resize", "ephemeralcontainers")


@dataclass(frozen=True, slots=True)
class PatchOptions:
    """What `patch` was asked for."""

    words: Sequence[str]
    patch: str = ""
    patch_file: str = ""
    type: str = "strategic"
    subresource: str = ""
    dry_run: str = "none"
    output: str = ""


@flags.verb(cli, "patch", PatchOptions)
@click.argument("words", nargs=-1, metavar="TYPE NAME | TYPE/NAME...")
@flags.namespace
@flags.text("-p --patch", "The patch, as JSON or YAML.")
@flags.text("--patch-file", "A file with the patch.")
@flags.choice("--type", [*PATCH_TYPES], "strategic", "Which kind of patch it is.")
@flags.choice("--subresource", [*_SUBRESOURCES], "", "Patch a part of the object.")
@flags.server_dry_run
@flags.choice("-o --output", ["", "name", "json", "yaml"], "")
async def patch(shell: Shell, clients: Clientset, options: PatchOptions) -> None:
    """Change fields of an object."""
    text = _read(options)
    for target in parse_named(options.words, "patch"):
        with shell.reporting():
            await _patch_one(shell, clients, target, text, options)


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
    kind, before, after = await _patched(clients, target, shell.place(target.kind), text, options)
    if options.output in {"json", "yaml"}:
        shell.out_data(print_objects([(kind, after)], options.output))
        return
    name = object_name(kind, target.name)
    if options.output == "name":
        shell.out(f"{name}\n")
        return
    after.metadata.resource_version = before.metadata.resource_version
    change = " (no change)" if after == before else ""
    shell.out(f"{name} patched{change}{dry_run_suffix(options.dry_run)}\n")


async def _patched(
    clients: Clientset, target: Target, namespace: str, text: str, options: PatchOptions
) -> tuple[Kind[Any], Any, Any]:
    """Return what was patched, before and afterwards, and its kind: that of a Scale is its own."""
    patch_type, dry_run = PATCH_TYPES[options.type], options.dry_run == "server"
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
