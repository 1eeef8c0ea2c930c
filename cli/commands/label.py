"""`vaina label` and `vaina annotate`: add, change and take away. Words as kubectl has them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import click

from cli import flags
from cli.failures import Failure
from cli.printers.objects import object_name
from cli.shell import Shell
from cli.targets import Target, parse_targets
from vaina.client.clientset import Clientset
from vaina.errors import ApiError
from vaina.kinds import Kind
from vaina.objects.tree import compact_json

_MERGE: Final = "application/merge-patch+json"


@dataclass(frozen=True, slots=True)
class LabelOptions:
    """What `label` or `annotate` was asked for."""

    words: Sequence[str]
    #: labels or annotations
    field: str = "labels"
    namespace: str = ""
    all_namespaces: bool = False
    label_selector: str = ""
    field_selector: str = ""
    all: bool = False
    overwrite: bool = False
    show: bool = False
    dry_run: bool = False

    @property
    def verb(self) -> str:
        """As it was typed."""
        return "label" if self.field == "labels" else "annotate"


def split_words(words: Sequence[str]) -> tuple[list[str], dict[str, str | None]]:
    """Tell objects from changes: k=v sets, k- takes away.

    Raises:
        Failure: a name is set and taken away at once, or an object follows a change.
    """
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


async def label(shell: Shell, clients: Clientset, options: LabelOptions) -> None:
    """Change the labels or annotations of some objects, or show them."""
    words, changes = split_words(options.words)
    if not changes and not options.show:
        raise Failure(
            f"at least one {options.verb if options.field == 'labels' else 'annotation'} update is required"
        )
    for target in parse_targets(words, options.verb):
        if not target.name and not (options.all or options.label_selector or options.field_selector):
            raise Failure("resource(s) were provided, but no name was specified")
        for obj in await _find(shell, clients, target, options):
            try:
                await _change(shell, clients, target.kind, obj, changes, options)
            except ApiError as error:
                shell.report(error)


async def _find(shell: Shell, clients: Clientset, target: Target, options: LabelOptions) -> Sequence[Any]:
    client = clients.kind(target.kind)
    namespace = (options.namespace or shell.namespace) if target.kind.namespaced else ""
    if target.name:
        return [await client.get(target.name, namespace)]
    listed = await client.list(
        "" if options.all_namespaces else namespace, label_selector=options.label_selector,
        field_selector=options.field_selector,
    )  # fmt: skip
    return listed.items


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
            meta.name, patch, namespace=meta.namespace, patch_type=_MERGE, dry_run=options.dry_run,
            field_manager="vaina",
        )  # fmt: skip
    if options.show:
        shell.out(f"Listing {options.field} for {kind.kind}.{kind.api_version}/{meta.name}:\n")
        shell.out("".join(f" {key}={value}\n" for key, value in sorted(after.items())))
        return
    suffix = " (server dry run)" if options.dry_run else ""
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


def _options(command: Any) -> Any:
    for decorate in (
        click.argument("words", nargs=-1, metavar="TYPE NAME KEY=VALUE... KEY-..."), flags.selecting, flags.namespace,
        click.option("--all", is_flag=True, help="All objects of the type."),
        click.option("--overwrite", is_flag=True, help="Change what has another value."),
        click.option("--list", "show", is_flag=True, help="Show them."),
        click.option("--dry-run", type=click.Choice(["none", "server"]), default="none"),
    ):  # fmt: skip
        command = decorate(command)
    return command


def _start(field: str, options: dict[str, Any]) -> None:
    options["dry_run"] = options["dry_run"] == "server"
    given = LabelOptions(**options, field=field)
    flags.start(lambda shell, clients: label(shell, clients, given))


@click.command("label")
@_options
def label_command(**options: Any) -> None:
    """Change the labels of objects: KEY=VALUE sets, KEY- takes away."""
    _start("labels", options)


@click.command("annotate")
@_options
def annotate_command(**options: Any) -> None:
    """Change the annotations of objects: KEY=VALUE sets, KEY- takes away."""
    _start("annotations", options)
