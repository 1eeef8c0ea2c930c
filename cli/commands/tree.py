"""`vaina tree`: an object, what it owns, what that owns, each with its state."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import click
from google.protobuf.message import Message

from cli import flags
from cli.app import cli
from cli.failures import Failure
from cli.printers.objects import make_table, object_name
from cli.printers.rollout import PROGRESS, reasons
from cli.printers.table import Table, render_table
from cli.shell import Shell
from cli.targets import parse_targets
from vaina.client.clientset import Clientset
from vaina.kinds import KINDS, Kind

#: kinds that nothing owns, or that say nothing here
_LEFT_OUT: Final = frozenset({"Event", "PodTrace", "Lease"})
#: columns that say how an object is, by what they are called in the table of its kind
_READY: Final = ("READY", "COMPLETIONS", "AVAILABLE")
_STATE: Final = ("STATUS", "PHASE")

Item = tuple[Kind[Any], Any]


@flags.verb(cli, "tree")
@click.argument("words", nargs=-1, metavar="[TYPE/NAME]...")
@flags.namespace
async def tree(shell: Shell, clients: Clientset, *, words: Sequence[str]) -> None:
    """Show objects with all that they own, and how each of them is."""
    targets = parse_targets(words or ["all"], "show")
    children = await _by_owner(clients, shell.namespace)
    roots: list[Item] = []
    for target in targets:
        client = clients.kind(target.kind)
        if target.name:
            roots.append((target.kind, await client.get(target.name, shell.namespace)))
        elif target.kind.namespaced:
            listed: Sequence[Any] = (await client.list(shell.namespace)).items
            roots += [(target.kind, obj) for obj in listed if words or not obj.metadata.owner_references]
    if not roots:
        raise Failure(f"No resources found in {shell.namespace} namespace.")
    rows: list[Sequence[str]] = []
    for root in roots:
        _grow(rows, root, children, shell.clock.now(), "", "", frozenset())
    shell.out(render_table(Table(("NAME", "READY", "STATUS", "REASON", "AGE"), rows)))


async def _by_owner(clients: Clientset, namespace: str) -> Mapping[str, Sequence[Item]]:
    children: dict[str, list[Item]] = {}
    for kind in KINDS:
        if not kind.namespaced or kind.kind in _LEFT_OUT:
            continue
        listed: Sequence[Any] = (await clients.kind(kind).list(namespace)).items
        for obj in listed:
            for owner in obj.metadata.owner_references:
                children.setdefault(owner.uid, []).append((kind, obj))
    return children


def _grow(
    rows: list[Sequence[str]], item: Item, children: Mapping[str, Sequence[Item]], now: float, begin: str, indent: str,
    above: frozenset[str],
) -> None:  # fmt: skip
    """Add the row of an object and those of all that it owns; a circle of owners is gone round once."""
    kind, obj = item
    rows.append((begin + object_name(kind, obj.metadata.name), *_state(kind, obj, now)))
    uid = obj.metadata.uid
    if uid in above:
        return
    owned = sorted(children.get(uid, ()), key=lambda it: (it[0].kind, it[1].metadata.name))
    for index, child in enumerate(owned):
        last = index == len(owned) - 1
        branch, trunk = ("└─", "  ") if last else ("├─", "│ ")
        _grow(rows, child, children, now, indent + branch, indent + trunk, above | {uid})


def _state(kind: Kind[Message], obj: Any, now: float) -> tuple[str, str, str, str]:
    table = make_table(kind, [obj], now)
    shown = dict(zip(table.headers, table.rows[0], strict=False))
    ready = next((shown[name] for name in _READY if name in shown), "")
    state = next((shown[name] for name in _STATE if name in shown), "")
    if "DESIRED" in shown:
        ready = f"{shown.get('READY', '0')}/{shown['DESIRED']}"
    judge = PROGRESS.get(kind.kind)
    if not state and judge is not None:
        progress = judge(obj)
        state = "Done" if progress.done else "Failed" if progress.failed else "Progressing"
    why = (
        reasons([obj])
        if kind.kind == "Pod"
        else reasons((), [obj])
        if hasattr(obj, "status") and _can_fail(obj)
        else []
    )
    words = why[0].partition(": ")[2] if why else ""
    return ready, state, words[:100], shown.get("AGE", "")


def _can_fail(obj: Any) -> bool:
    return "conditions" in obj.status.DESCRIPTOR.fields_by_name
