"""`vaina patch` and `vaina edit`: change a part of an object, in kubectl's words."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from cli import flags
from cli.app import cli
from cli.failures import Failure, explain_error
from cli.printers.objects import dry_run_suffix, object_name, print_objects
from cli.shell import Shell
from cli.targets import Target, parse_named
from vaina.client.clientset import Clientset
from vaina.client.verbs import ScalableClient
from vaina.errors import BadRequest, Conflict, Invalid, NotFound
from vaina.kinds import Kind
from vaina.objects.manifest import decode_documents, to_dict
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


_HEAD: Final = (
    "# Please edit the object below. Lines beginning with a '#' will be ignored,\n"
    "# and an empty file will abort the edit. If an error occurs while saving this file will be\n"
    "# reopened with the relevant failures.\n#\n"
)
#: how often the editor is opened for one object
_TRIES: Final = 20


@dataclass(frozen=True, slots=True)
class EditOptions:
    """What `edit` was asked for."""

    words: Sequence[str]
    output: str = "yaml"


@flags.verb(cli, "edit", EditOptions)
@click.argument("words", nargs=-1, metavar="TYPE/NAME...")
@flags.namespace
@flags.choice("-o --output", ["yaml", "json"], "yaml")
async def edit(shell: Shell, clients: Clientset, options: EditOptions) -> None:
    """Edit objects in your editor (KUBE_EDITOR, EDITOR)."""
    for target in parse_named(options.words, "edit"):
        with shell.reporting():
            await _edit_one(shell, clients, target, options.output)


async def _edit_one(shell: Shell, clients: Clientset, target: Target, output: str) -> None:
    kind, namespace = target.kind, shell.place(target.kind)
    original: Any = await clients.kind(kind).get(target.name, namespace)
    shown = print_objects([(kind, original)], output)
    text, problem = shown, ""
    for _ in range(_TRIES):
        given = f"{_HEAD}{problem}{text}"
        shell.clear()
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
    """Store an edited object; what others have changed elsewhere in it meanwhile stays. Raises ApiError."""
    kind, client = target.kind, clients.kind(target.kind)
    decoded = decode_documents(text)
    if len(decoded) != 1 or decoded[0].kind is not kind:
        raise BadRequest(f"the edited text has to be one {kind.kind}")
    obj: Any = decoded[0].message
    if (obj.metadata.name, obj.metadata.namespace) != (target.name, original.metadata.namespace):
        raise BadRequest("At least one of apiVersion, kind and name was changed")
    before, after = to_dict(kind, original), to_dict(kind, obj)
    patch = merge_diff(before, after)
    while True:
        patch.get("metadata", {}).pop("resourceVersion", None)
        now: Any = await client.get(target.name, namespace)
        if not untouched(before, to_dict(kind, now), patch):
            raise Conflict(
                "the object has been modified; please apply your changes to the latest version and try again",
                kind=kind.plural, name=target.name,
            )  # fmt: skip
        # The version makes sure that it is still so when it is stored.
        patch.setdefault("metadata", {})["resourceVersion"] = now.metadata.resource_version
        text = compact_json(patch).decode()
        with suppress(Conflict):
            await client.patch(
                target.name, text, namespace=namespace, patch_type=MERGE_PATCH, field_manager="vaina"
            )
            return


def merge_diff(before: Any, after: Any) -> dict[str, Any]:
    """Return the merge patch (RFC 7396) that makes `after` of `before`; lists are values."""
    patch: dict[str, Any] = {}
    for key in before.keys() - after.keys():
        patch[key] = None
    for key, value in after.items():
        if key not in before:
            patch[key] = value
        elif isinstance(value, dict) and isinstance(before[key], dict):
            inner = merge_diff(before[key], value)
            if inner:
                patch[key] = inner
        elif before[key] != value:
            patch[key] = value
    return patch


def untouched(before: Any, now: Any, patch: dict[str, Any]) -> bool:
    """Say whether what a patch changes is still as it was."""
    for key, value in patch.items():
        was, is_now = before.get(key), now.get(key)
        if isinstance(value, dict) and isinstance(was, dict) and isinstance(is_now, dict):
            if not untouched(was, is_now, value):
                return False
        elif was != is_now:
            return False
    return True
