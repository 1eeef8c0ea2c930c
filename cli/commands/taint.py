"""`vaina taint`: which Pods a node keeps away, as kubectl changes it (`kubectl/pkg/cmd/taint`)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from cli import flags
from cli.app import cli
from cli.failures import Failure
from cli.following import change
from cli.printers.objects import dry_run_suffix
from cli.shell import Shell
from cli.targets import find_kind
from vaina.api.core.v1 import node_pb2
from vaina.client.clientset import Clientset
from vaina.client.resource import ResourceClient
from vaina.errors import ApiError
from vaina.kinds import NODE
from vaina.objects.selectors import check_label_key, check_label_value

_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


@dataclass(frozen=True, slots=True)
class TaintChanges:
    """Taints to put on nodes and to take away; one without an effect stands for all of its key."""

    add: Sequence[node_pb2.Taint]
    remove: Sequence[node_pb2.Taint]


def split_words(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Tell objects from changes. Raises Failure: an object follows a change, or one of the two is missing."""
    objects: list[str] = []
    changes: list[str] = []
    for word in words:
        if "=" in word or ":" in word or word.endswith("-"):
            changes.append(word)
        elif changes:
            raise Failure(f"all resources must be specified before taint changes: {word}")
        else:
            objects.append(word)
    if not objects:
        raise Failure("one or more resources must be specified as <resource> <name>")
    if not changes:
        raise Failure("at least one taint update is required")
    return objects, changes


def parse_changes(words: Sequence[str]) -> TaintChanges:
    """Read `key=value:effect` and `key:effect`, which add a taint, `key:effect-` and `key-`, which take away.

    Raises Failure: a word makes no sense, or two of them contradict each other.
    """
    add: list[node_pb2.Taint] = []
    remove: list[node_pb2.Taint] = []
    for word in words:
        if word.endswith("-"):
            remove.append(_parse(word[:-1]))
            continue
        taint = _parse(word)
        if not taint.effect:
            raise Failure(f"invalid taint spec: {word}")
        if any(_same(taint, other) for other in add):
            raise Failure(f"duplicated taints with the same key and effect: {_text(taint)}")
        add.append(taint)
    both = [
        f'{{"{gone.key}":"{gone.effect}"}}'
        for taint in add
        for gone in remove
        if taint.key == gone.key and gone.effect in ("", taint.effect)
    ]
    if both:
        raise Failure(
            f"can not both modify and remove the following taint(s) in the same command: {', '.join(both)}"
        )
    return TaintChanges(add, remove)


def _parse(text: str) -> node_pb2.Taint:
    named, colon, effect = text.partition(":")
    key, equals, value = named.partition("=")
    if colon and effect not in _EFFECTS:
        raise Failure(f"invalid taint effect: {effect}, unsupported taint effect")
    if equals and (not colon or "=" in value):
        raise Failure(f"invalid taint spec: {text}")
    wrong = check_label_key(key) or check_label_value(value)
    if wrong:
        raise Failure(f"invalid taint spec: {text}, {'; '.join(wrong)}")
    return node_pb2.Taint(key=key, value=value, effect=effect)


def _same(one: node_pb2.Taint, other: node_pb2.Taint) -> bool:
    return one.key == other.key and one.effect == other.effect


def _text(taint: node_pb2.Taint) -> str:
    value = f"={taint.value}" if taint.value else ""
    return f"{taint.key}{value}{f':{taint.effect}' if taint.effect else ''}"


def change_taints(
    name: str, old: Sequence[node_pb2.Taint], changes: TaintChanges, *, overwrite: bool
) -> tuple[list[node_pb2.Taint], str]:
    """Return the taints as they are afterwards, new ones first, and the word: tainted, untainted or modified.

    Raises Failure: a taint to add is there, and nothing may be overwritten; or one to take away is not there.
    """
    there = [taint.key for taint in changes.add for other in old if _same(taint, other)]
    if there and not overwrite:
        raise Failure(
            f"node {name} already has {','.join(there)} taint(s) with same effect(s) and --overwrite is false"
        )
    new = [*changes.add, *(taint for taint in old if not any(_same(taint, other) for other in changes.add))]
    added, missing = len(new) != len(old), []
    for gone in changes.remove:
        kept = [taint for taint in new if taint.key != gone.key or gone.effect not in ("", taint.effect)]
        if len(kept) == len(new):
            missing.append(f'taint "{_text(gone)}" not found')
        new = kept
    if missing:
        raise Failure(missing[0] if len(missing) == 1 else f"[{', '.join(missing)}]")
    if overwrite or (added and changes.remove):
        return new, "modified"
    return new, "tainted" if added else "untainted"


@dataclass(frozen=True, slots=True)
class TaintOptions:
    """What `taint` was asked for."""

    words: Sequence[str]
    label_selector: str = ""
    all: bool = False
    overwrite: bool = False
    dry_run: str = "none"


@flags.verb(cli, "taint", TaintOptions)
@click.argument(
    "words", nargs=-1, metavar="nodes NAME... KEY=VALUE:EFFECT... KEY:EFFECT-... KEY-...", required=True
)
@flags.server
@flags.text("-l --selector label_selector", "Nodes with these labels.")
@flags.flag("--all", "All nodes.")
@flags.flag("--overwrite", "Give a taint that is there another value.")
@flags.dry_run
async def taint(shell: Shell, clients: Clientset, options: TaintOptions) -> None:
    """Change the taints of nodes: NoSchedule, PreferNoSchedule or NoExecute for Pods that do not tolerate
    them.
    """
    (kind, *names), words = split_words(options.words)
    changes = parse_changes(words)
    if find_kind(kind) is not NODE:
        raise Failure(f"invalid resource type {kind}, only node types are supported")
    if options.all and options.label_selector:
        raise Failure("setting 'all' parameter with a non empty selector is prohibited")
    if options.all or options.label_selector:
        listed = await clients.nodes.list(label_selector=options.label_selector)
        names = [node.metadata.name for node in listed.items]
    elif not names:
        raise Failure("at least one resource name must be specified since 'all' parameter is not set")
    refused: list[str] = []
    for name in names:
        try:
            await _taint_one(shell, clients, name, changes, options)
        except ApiError as error:
            shell.report(error)
        except Failure as failure:
            refused.append(str(failure))
    if refused:
        raise Failure("\nerror: ".join(refused))


async def _taint_one(
    shell: Shell, clients: Clientset, name: str, changes: TaintChanges, options: TaintOptions
) -> None:
    said = ""

    def mutate(node: Any) -> None:
        nonlocal said
        new, said = change_taints(name, list(node.spec.taints), changes, overwrite=options.overwrite)
        del node.spec.taints[:]
        node.spec.taints.extend(new)

    client: ResourceClient[Any] = clients.nodes
    if options.dry_run == "client":
        mutate(await client.get(name))
    else:
        await change(client, "", name, mutate, dry_run=options.dry_run == "server")
    shell.out(f"node/{name} {said}{dry_run_suffix(options.dry_run)}\n")
