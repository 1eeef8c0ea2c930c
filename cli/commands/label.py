"""`vaina label` and `vaina annotate`: add, change and take away. Words as kubectl has them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import click

from cli import flags
from cli.app import cli
from cli.failures import Failure
from cli.flags import Selection, check_named, find
from cli.printers.objects import dry_run_suffix, object_name
from cli.shell import Shell
from cli.targets import parse_targets
from vaina.client.clientset import Clientset
from vaina.kinds import Kind
from vaina.objects.patching import MERGE_PATCH
from vaina.objects.tree import compact_json


@dataclass(frozen=True, slots=True)
class LabelOptions(Selection):
    """What `label` or `annotate` was asked for."""

    #: labels or annotations
    field: str = "labels"
    overwrite: bool = False
    show: bool = False
    #: none or server
    dry_run: str = "none"

    @property
    def verb(self) -> str:
        """As it was typed."""
        return "label" if self.field == "labels" else "annotate"


def split_words(words: Sequence[str]) -> tuple[list[str], dict[str, str | None]]:
    """Tell objects from changes: k=v sets, k- takes away. Raises Failure."""
    objects: list[str] = []
    changes: dict[str, str | None] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if equals or (word.endswith("-") and objects):
            name = name if equals else word[:-1]
            if name in changes:
                raise Failure(f'can not both modify and remove a label in the same command: "{name}"')
            changes[name] = value if equals else None
        elif changes:
            raise Failure("all resources must be specified before label changes: " + word)
        else:
            objects.append(word)
    return objects, changes


async def _change_all(shell: Shell, clients: Clientset, options: LabelOptions) -> None:
    """Change the labels or annotations of some objects, or show them."""
    words, changes = split_words(options.words)
    if not changes and not options.show:
        raise Failure(
            f"at least one {options.verb if options.field == 'labels' else 'annotation'} update is required"
        )
    for target in parse_targets(words, options.verb):
        check_named(target, options)
        for obj in await find(shell, clients, target, options):
            with shell.reporting():
                await _change(shell, clients, target.kind, obj, changes, options)


async def _change(
    shell: Shell,
    clients: Clientset,
    kind: Kind[Any],
    obj: Any,
    changes: Mapping[str, str | None],
    options: LabelOptions,
) -> None:
    meta = obj.metadata
    before: Mapping[str, str] = dict(getattr(meta, options.field))
    name = object_name(kind, meta.name)
    if not options.overwrite:
        _check(before, changes, options)
    word = options.field[:-1]
    for key, value in changes.items():
        if value is None and key not in before:
            shell.out(f'{word} "{key}" not found.\n')
    after = {**before, **{key: value for key, value in changes.items() if value is not None}}
    after = {key: value for key, value in after.items() if changes.get(key, "") is not None}
    if after != before:
        patch = compact_json({"metadata": {options.field: dict(changes)}}).decode()
        await clients.kind(kind).patch(
            meta.name, patch, namespace=meta.namespace, patch_type=MERGE_PATCH,
            dry_run=options.dry_run == "server", field_manager="vaina",
        )  # fmt: skip
    if options.show:
        shell.out(f"Listing {options.field} for {kind.kind}.{kind.api_version}/{meta.name}:\n")
        shell.out("".join(f" {key}={value}\n" for key, value in sorted(after.items())))
        return
    suffix = dry_run_suffix(options.dry_run)
    if options.field == "annotations":
        shell.out(f"{name} annotated{suffix}\n")
        return
    said = "not labeled" if after == before else "unlabeled" if len(after) < len(before) else "labeled"
    shell.out(f"{name} {said}{suffix}\n")


def _check(before: Mapping[str, str], changes: Mapping[str, str | None], options: LabelOptions) -> None:
    taken = [
        f"'{key}' already has a value ({before[key]})"
        for key, value in changes.items()
        if value is not None and key in before and before[key] != value
    ]
    if taken and options.field == "labels":
        raise Failure(f"{taken[0]}, and --overwrite is false")
    if taken:
        raise Failure(
            f"--overwrite is false but found the following declared annotation(s): {'; '.join(taken)}"
        )


def _options(command: flags.F) -> flags.F:
    for decorate in (
        flags.server_dry_run,
        flags.flag("--list show", "Show them."),
        flags.flag("--overwrite", "Change what has another value."),
        flags.flag("--all", "All objects of the type."),
        flags.namespace,
        flags.selecting,
        click.argument("words", nargs=-1, metavar="TYPE NAME KEY=VALUE... KEY-..."),
    ):
        command = decorate(command)
    return command


@flags.verb(cli, "label", partial(LabelOptions, field="labels"))
@_options
async def label(shell: Shell, clients: Clientset, options: LabelOptions) -> None:
    """Change the labels of objects: KEY=VALUE sets, KEY- takes away."""
    await _change_all(shell, clients, options)


@flags.verb(cli, "annotate", partial(LabelOptions, field="annotations"))
@_options
async def annotate(shell: Shell, clients: Clientset, options: LabelOptions) -> None:
    """Change the annotations of objects: KEY=VALUE sets, KEY- takes away."""
    await _change_all(shell, clients, options)
