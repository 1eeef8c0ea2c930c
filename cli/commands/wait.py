"""`vaina wait`: until objects are gone, have a condition, or a field a value. Words as kubectl wait has them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from cli import flags
from cli.app import cli
from cli.failures import Failure
from cli.flags import Selection, named
from cli.following import until
from cli.printers.jsonpath import JsonPathError, render
from cli.printers.objects import object_name
from cli.shell import Shell
from cli.targets import parse_targets
from vaina.client.clientset import Clientset
from vaina.client.resource import ResourceClient
from vaina.errors import NotFound
from vaina.objects.manifest import to_dict

#: an object as plain values -> it is as wanted
Accept = Callable[[dict[str, Any]], bool]


@dataclass(frozen=True, slots=True)
class WaitOptions(Selection):
    """What `wait` was asked for."""

    wanted: str = ""
    #: seconds for all of them
    timeout: float = 30.0


def parse_wanted(text: str) -> Accept | None:
    """Read what is waited for; None for delete. Raises Failure."""
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


def _seconds(context: click.Context, parameter: click.Parameter, text: str) -> float:
    """Read the duration; one below 0 is a week, as kubectl has it."""
    return 7 * 86400.0 if text.startswith("-") else flags.seconds(context, parameter, text)


@flags.verb(cli, "wait", WaitOptions)
@click.argument("words", nargs=-1, metavar="TYPE/NAME...")
@flags.selecting
@flags.namespace
@click.option(
    "--for",
    "wanted",
    required=True,
    help="delete, create, condition=NAME[=VALUE], jsonpath='{.field}'[=VALUE].",
)
@flags.flag("--all", "All objects of the type.")
@click.option(
    "--timeout",
    default="30s",
    callback=_seconds,
    help="How long to wait for all of them (30s); 0 looks once, -1s is a week.",
)
async def wait(shell: Shell, clients: Clientset, options: WaitOptions) -> None:
    """Wait until objects are as wanted, or gone."""
    accept = parse_wanted(options.wanted)
    found = await named(shell, clients, parse_targets(options.words, "wait"), options)
    if not found and accept is not None:
        raise Failure("no matching resources found")
    at = ""
    try:
        async with asyncio.timeout(options.timeout):
            for kind, namespace, name in found:
                at = f"{kind.plural}/{name}"
                create = options.wanted == "create"
                with shell.busy(f"waiting for {at} ({options.wanted})"):
                    await _wait_one(shell, clients.kind(kind), namespace, name, accept, create=create)
                shell.out(f"{object_name(kind, name)} condition met\n")
    except TimeoutError as error:
        raise Failure(f"timed out waiting for the condition on {at}") from error


async def _wait_one(
    shell: Shell,
    client: ResourceClient[Any],
    namespace: str,
    name: str,
    accept: Accept | None,
    *,
    create: bool,
) -> None:
    """Return when an object is as wanted; without `accept`, when it is gone."""
    uid = ""

    def over(found: Any) -> bool:
        nonlocal uid
        if accept is not None:
            return found is not None and accept(to_dict(client.kind, found))
        if found is None or (uid and found.metadata.uid != uid):
            return True
        uid = found.metadata.uid
        return False

    try:
        await until(client, namespace, name, over, shell=shell, absent=create)
    except NotFound:
        if accept is not None:
            raise
