"""`vaina wait`: until objects are gone, have a condition, or a field a value.

Words as kubectl wait has them.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import click

from cli import flags
from cli.failures import Failure
from cli.printers.jsonpath import JsonPathError, render
from cli.printers.objects import object_name
from cli.shell import Shell
from cli.targets import parse_duration, parse_targets
from vaina.client.clientset import Clientset
from vaina.errors import NotFound, Unavailable
from vaina.kinds import Kind
from vaina.objects.manifest import to_dict
from vaina.objects.watch import BOOKMARK, DELETED

#: an object as plain values -> it is as wanted
Accept = Callable[[dict[str, Any]], bool]


@dataclass(frozen=True, slots=True)
class WaitOptions:
    """What `wait` was asked for."""

    words: Sequence[str]
    wanted: str
    namespace: str = ""
    all_namespaces: bool = False
    label_selector: str = ""
    field_selector: str = ""
    all: bool = False
    #: seconds for all of them; below 0: a week, as kubectl has it
    timeout: float = 30.0


def parse_wanted(text: str) -> Accept | None:
    """Read what is waited for; None for delete.

    Raises:
        Failure: it is none of delete, create, condition=NAME[=VALUE], jsonpath=PATH[=VALUE].
    """
    what, _, rest = text.partition("=")
    match what.lower():
        case "delete" if not rest:
            return None
        case "create" if not rest:
            return lambda _: True
        case "condition" if rest:
            name, equals, value = rest.partition("=")
            return lambda obj: _has_condition(obj, name, value if equals else "True")
        case "jsonpath" if rest:
            return _jsonpath(rest)
        case _:
            raise Failure(f'unrecognized condition: "{text}"')


def _has_condition(obj: dict[str, Any], name: str, value: str) -> bool:
    status = obj.get("status", {})
    for condition in status.get("conditions", []):
        if condition.get("type", "").lower() == name.lower():
            observed = condition.get("observedGeneration") or status.get("observedGeneration") or 0
            if 0 < observed < obj["metadata"].get("generation", 0):
                return False
            return bool(condition.get("status", "").lower() == value.lower())
    return False


def _jsonpath(text: str) -> Accept:
    path, closing, rest = text.strip("'\"").partition("}")
    if closing:
        path, wanted = f"{path}}}", rest.removeprefix("=") if rest.startswith("=") else None
    else:
        path, equals, value = path.partition("=")
        wanted = value if equals else None
        path = f"{{{path if path.startswith('.') else f'.{path}'}}}"

    def accept(obj: dict[str, Any]) -> bool:
        try:
            found = render(path, obj)
        except JsonPathError as error:
            raise Failure(f"error parsing jsonpath: {error}") from error
        return bool(found) if wanted is None else found == wanted

    return accept


async def wait(shell: Shell, clients: Clientset, options: WaitOptions) -> None:
    """Wait for some objects, one after the other, all within the timeout.

    Raises:
        Failure: there is nothing to wait for, or it did not come in time.
    """
    accept = parse_wanted(options.wanted)
    seconds = options.timeout if options.timeout >= 0 else 7 * 86400.0
    found = await _find(shell, clients, options)
    if not found and accept is not None:
        raise Failure("no matching resources found")
    at = ""
    try:
        async with asyncio.timeout(seconds) if seconds else asyncio.timeout(0):
            for kind, namespace, name in found:
                at = f"{kind.plural}/{name}"
                await _wait_one(
                    shell, clients, kind, namespace, name, accept, create=options.wanted == "create"
                )
                shell.out(f"{object_name(kind, name)} condition met\n")
    except TimeoutError as error:
        raise Failure(f"timed out waiting for the condition on {at}") from error


async def _find(shell: Shell, clients: Clientset, options: WaitOptions) -> list[tuple[Kind[Any], str, str]]:
    found: list[tuple[Kind[Any], str, str]] = []
    for target in parse_targets(options.words, "wait"):
        namespace = (options.namespace or shell.namespace) if target.kind.namespaced else ""
        if target.name:
            found.append((target.kind, namespace, target.name))
            continue
        if not (options.all or options.label_selector or options.field_selector):
            raise Failure("resource(s) were provided, but no name was specified")
        listed = await clients.kind(target.kind).list(
            "" if options.all_namespaces else namespace, label_selector=options.label_selector,
            field_selector=options.field_selector,
        )  # fmt: skip
        for item in listed.items:
            fields: Any = item
            found.append((target.kind, fields.metadata.namespace, fields.metadata.name))
    return found


async def _wait_one(
    shell: Shell,
    clients: Clientset,
    kind: Kind[Any],
    namespace: str,
    name: str,
    accept: Accept | None,
    *,
    create: bool,
) -> None:
    client = clients.kind(kind)
    uid = ""
    while True:
        version = ""
        try:
            now: Any = await client.get(name, namespace)
            uid = uid or now.metadata.uid
            if (accept is None and now.metadata.uid != uid) or (
                accept is not None and accept(to_dict(kind, now))
            ):
                return
            version = now.metadata.resource_version
        except NotFound:
            if accept is None:
                return
            if not create:
                raise
        except Unavailable:
            await shell.clock.sleep(1.0)
            continue
        if await _saw(clients, kind, namespace, name, version, accept):
            return


async def _saw(
    clients: Clientset, kind: Kind[Any], namespace: str, name: str, version: str, accept: Accept | None
) -> bool:
    """Watch an object; say whether it was seen as wanted before the stream ended."""
    stream = clients.kind(kind).watch(
        namespace, field_selector=f"metadata.name={name}", resource_version=version
    )
    async with aclosing(stream) as batches:
        async for batch in batches:
            for event in batch.events:
                if accept is None:
                    if event.type == DELETED:
                        return True
                elif event.type not in (BOOKMARK, DELETED) and accept(to_dict(kind, event.object)):
                    return True
    return False


@click.command("wait")
@click.argument("words", nargs=-1, metavar="TYPE/NAME...")
@flags.selecting
@flags.namespace
@click.option(
    "--for",
    "wanted",
    required=True,
    help="delete, create, condition=NAME[=VALUE], jsonpath='{.field}'[=VALUE].",
)
@click.option("--all", is_flag=True, help="All objects of the type.")
@click.option(
    "--timeout", default="30s", help="How long to wait for all of them (30s); 0 looks once, -1s is a week."
)
def wait_command(**options: Any) -> None:
    """Wait until objects are as wanted, or gone."""

    async def command(shell: Shell, clients: Clientset) -> None:
        text = options["timeout"]
        options["timeout"] = -1.0 if text.startswith("-") else parse_duration(text)
        await wait(shell, clients, WaitOptions(**options))

    flags.start(command)
