"""`vaina set image|env|resources`: changes of containers in templates and Pods, as `kubectl/pkg/cmd/set`."""

from collections.abc import Callable, Sequence
from typing import Any

import click

from cli import flags
from cli.app import cli
from cli.failures import Failure
from cli.following import change
from cli.printers.objects import dry_run_suffix, object_name, resource_name
from cli.shell import Shell
from cli.targets import parse_named
from vaina.client.clientset import Clientset
from vaina.objects.normalise import normalise

#: changes a PodSpec in place
Mutate = Callable[[Any], None]


def _pod_spec(obj: Any) -> Any:
    spec = getattr(obj, "spec", None)
    while spec is not None and "containers" not in spec.DESCRIPTOR.fields_by_name:
        inner = next(
            (name for name in ("template", "job_template") if name in spec.DESCRIPTOR.fields_by_name), ""
        )
        spec = getattr(spec, inner).spec if inner else None
    if spec is None:
        raise Failure(f"{obj.DESCRIPTOR.name} has no containers")
    return spec


def _containers_of(spec: Any, name: str) -> list[Any]:
    """Return the containers of a name; `*` is all that are no init containers."""
    if name == "*":
        return list(spec.containers)
    return [item for item in (*spec.containers, *spec.init_containers) if item.name == name]


def _found(spec: Any, name: str) -> list[Any]:
    found = _containers_of(spec, name)
    if not found:
        raise Failure(f'unable to find container named "{name}"')
    return found


def _split_words(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Tell what is to be changed from how: `deployment/web main=busybox:2 A-`."""
    at = next(
        (index for index, word in enumerate(words) if "=" in word or (word.endswith("-") and index)),
        len(words),
    )
    return list(words[:at]), list(words[at:])


async def _change_all(
    shell: Shell, clients: Clientset, words: Sequence[str], what: str, mutate: Mutate, dry_run: str
) -> None:
    def inside(obj: Any) -> None:
        mutate(_pod_spec(obj))
        normalise(obj)

    for target in parse_named(words, "change"):
        with shell.reporting():
            client = clients.kind(target.kind)
            if await change(client, shell.namespace, target.name, inside, dry_run=dry_run == "server"):
                name = object_name(target.kind, target.name)
                shell.out(f"{name} {what} updated{dry_run_suffix(dry_run)}\n")


@cli.group("set")
@flags.default_namespace
@flags.server
def set_command() -> None:
    """Change containers of templates and Pods: image, env, resources."""


@flags.verb(set_command, "image")
@click.argument("words", nargs=-1, metavar="TYPE/NAME... CONTAINER=IMAGE...")
@flags.namespace
@flags.server_dry_run
async def set_image(shell: Shell, clients: Clientset, *, words: Sequence[str], dry_run: str) -> None:
    """Give containers other images; `*` stands for all containers."""
    targets, pairs = _split_words(words)
    if not pairs:
        raise Failure("at least one image update is required")

    def mutate(spec: Any) -> None:
        for pair in pairs:
            name, equals, image = pair.partition("=")
            if not equals or not image:
                raise Failure(f"invalid image update: {pair}")
            for container in _found(spec, name):
                container.image = image

    await _change_all(shell, clients, targets, "image", mutate, dry_run)


@flags.verb(set_command, "env")
@click.argument("words", nargs=-1, metavar="TYPE/NAME... NAME=VALUE... NAME-...")
@flags.namespace
@flags.server_dry_run
@flags.text("-c --containers container", "The container; all by default.", default="*")
@flags.flag("--list show", "Show them.")
async def set_env(
    shell: Shell, clients: Clientset, *, words: Sequence[str], container: str, show: bool, dry_run: str
) -> None:
    """Set variables of containers, and remove them: NAME=VALUE, NAME-."""
    targets, pairs = _split_words(words)
    if show:
        await _show_env(shell, clients, targets, container)
        return
    if not pairs:
        raise Failure("at least one environment variable must be provided")

    def mutate(spec: Any) -> None:
        for item in _found(spec, container):
            for pair in pairs:
                _apply_env(item, pair)

    await _change_all(shell, clients, targets, "env", mutate, dry_run)


def _apply_env(container: Any, pair: str) -> None:
    name, equals, value = pair.partition("=")
    if not equals:
        kept = [item for item in container.env if item.name != pair.removesuffix("-")]
        del container.env[:]
        container.env.extend(kept)
        return
    known = next((item for item in container.env if item.name == name), None)
    if known is None:
        known = container.env.add(name=name)
    known.ClearField("value_from")
    known.value = value


async def _show_env(shell: Shell, clients: Clientset, words: Sequence[str], name: str) -> None:
    for target in parse_named(words, "change"):
        obj = await clients.kind(target.kind).get(target.name, shell.namespace)
        for container in _containers_of(_pod_spec(obj), name):
            shell.out(f"# {resource_name(target.kind)} {target.name}, container {container.name}\n")
            for item in container.env:
                if item.HasField("value_from"):
                    source = item.value_from.ListFields()
                    shell.out(f"# {item.name} from {source[0][0].json_name if source else 'nothing'}\n")
                else:
                    shell.out(f"{item.name}={item.value}\n")


def _read_amounts(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in filter(None, text.split(",")):
        name, equals, amount = pair.partition("=")
        if not name or not equals or not amount:
            raise Failure(f"Invalid argument syntax {pair}, expected <resource>=<quantity>")
        found[name] = amount
    return found


@flags.verb(set_command, "resources")
@click.argument("words", nargs=-1, metavar="TYPE/NAME...")
@flags.namespace
@flags.server_dry_run
@flags.text("-c --containers container", "The container; all by default.", default="*")
@click.option("--limits", default="", metavar="cpu=1,memory=64Mi")
@click.option("--requests", default="", metavar="cpu=1,memory=64Mi")
async def set_resources(
    shell: Shell,
    clients: Clientset,
    *,
    words: Sequence[str],
    limits: str,
    requests: str,
    container: str,
    dry_run: str,
) -> None:
    """Set requests and limits of containers."""
    if not limits and not requests:
        raise Failure("you must specify an update to requests or limits (in the form of --requests/--limits)")
    wanted = {"limits": _read_amounts(limits), "requests": _read_amounts(requests)}

    def mutate(spec: Any) -> None:
        for item in _found(spec, container):
            for field, amounts in wanted.items():
                target = getattr(item.resources, field)
                for name, amount in amounts.items():
                    if amount == "0":
                        target.pop(name, None)
                    else:
                        target[name].string = amount

    await _change_all(shell, clients, words, "resource requirements", mutate, dry_run)
