"""`vaina edit`: an object in the editor (KUBE_EDITOR, VISUAL, EDITOR, vi). Words as kubectl edit has them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import click

from cli import flags
from cli.failures import Failure
from cli.merge_diff import merge_diff, untouched
from cli.printers.errors import explain_error
from cli.printers.objects import object_name, print_json, print_yaml
from cli.shell import Shell
from cli.targets import Target, parse_targets
from vaina.client.clientset import Clientset
from vaina.errors import ApiError, BadRequest, Conflict, Invalid
from vaina.objects.manifest import decode_documents, to_dict
from vaina.objects.tree import compact_json

_HEAD: Final = (
    "# Please edit the object below. Lines beginning with a '#' will be ignored,\n"
    "# and an empty file will abort the edit. If an error occurs while saving this file will be\n"
    "# reopened with the relevant failures.\n#\n"
)
_MERGE: Final = "application/merge-patch+json"
#: how often the editor is opened for one object
_TRIES: Final = 20


@dataclass(frozen=True, slots=True)
class EditOptions:
    """What `edit` was asked for."""

    words: Sequence[str]
    namespace: str = ""
    output: str = "yaml"


async def edit(shell: Shell, clients: Clientset, options: EditOptions) -> None:
    """Open objects in the editor, one after the other, and store what was changed.

    Raises:
        Failure: no object is named, or its text was given up with mistakes in it.
    """
    for target in parse_targets(options.words, "edit"):
        if not target.name:
            raise Failure("resource(s) were provided, but no name was specified")
        try:
            await _edit_one(shell, clients, target, options)
        except ApiError as error:
            shell.report(error)


async def _edit_one(shell: Shell, clients: Clientset, target: Target, options: EditOptions) -> None:
    kind, client = target.kind, clients.kind(target.kind)
    namespace = (options.namespace or shell.namespace) if kind.namespaced else ""
    original: Any = await client.get(target.name, namespace)
    write = print_json if options.output == "json" else print_yaml
    shown = write([(kind, original)], single=True)
    text, problem = shown, ""
    for _ in range(_TRIES):
        given = f"{_HEAD}{problem}{text}"
        edited = await asyncio.to_thread(shell.edit, given)
        body = _without_comments(edited or "")
        if edited is None or not body.strip() or body == shown or (problem and body == text):
            if problem:
                raise Failure(f"Edit cancelled, no valid changes were saved.\n{problem}".rstrip())
            shell.err("Edit cancelled, no changes made.")
            return
        text = body
        try:
            await _store(clients, target, namespace, original, body)
        except (BadRequest, Invalid, Conflict) as error:
            said = explain_error(error, server=shell.server)
            # The object's own first line stays on top, as kubectl has it.
            problem = "".join(f"# {line}\n" for line in said.splitlines()) + "#\n"
            continue
        shell.out(f"{object_name(kind, target.name)} edited\n")
        return
    raise Failure("Edit cancelled, no valid changes were saved.")


def _without_comments(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))


async def _store(clients: Clientset, target: Target, namespace: str, original: Any, text: str) -> None:
    """Store an edited object; what others changed meanwhile elsewhere in it stays.

    Raises Conflict when it is in the same place.
    """
    kind, client = target.kind, clients.kind(target.kind)
    decoded = decode_documents(text)
    if len(decoded) != 1 or decoded[0].kind is not kind:
        raise BadRequest(f"the edited text has to be one {kind.kind}")
    obj: Any = decoded[0].message
    if (obj.metadata.name, obj.metadata.namespace) != (target.name, original.metadata.namespace):
        raise BadRequest("At least one of apiVersion, kind and name was changed")
    before, after = to_dict(kind, original), to_dict(kind, obj)
    patch = merge_diff(before, after)
    patch.get("metadata", {}).pop("resourceVersion", None)
    while True:
        now: Any = await client.get(target.name, namespace)
        if not untouched(before, to_dict(kind, now), patch):
            raise Conflict(
                "the object has been modified; please apply your changes to the latest version and try again",
                kind=kind.plural, name=target.name,
            )  # fmt: skip
        # The version makes sure that it is still so when it is stored.
        versioned = {
            **patch,
            "metadata": {**patch.get("metadata", {}), "resourceVersion": now.metadata.resource_version},
        }
        try:
            await client.patch(
                target.name,
                compact_json(versioned).decode(),
                namespace=namespace,
                patch_type=_MERGE,
                field_manager="vaina",
            )
        except Conflict:
            continue
        return


@click.command("edit")
@click.argument("words", nargs=-1, metavar="TYPE/NAME...")
@flags.namespace
@click.option("-o", "--output", type=click.Choice(["yaml", "json"]), default="yaml")
def edit_command(**options: Any) -> None:
    """Edit objects in your editor (KUBE_EDITOR, EDITOR)."""
    given = EditOptions(**options)
    flags.start(lambda shell, clients: edit(shell, clients, given))
