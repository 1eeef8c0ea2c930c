"""`vaina set image|env|resources`: changes of containers, in templates and Pods.

Words are kubectl's (`pkg/cmd/set`).
"""

from collections.abc import Callable, Sequence
from typing import Any

import click

from cli import flags
from cli.failures import Failure
from cli.following import change
from cli.printers.columns import resource_name
from cli.printers.objects import object_name
from cli.shell import Shell
from cli.targets import Target, parse_targets
from vaina.client.clientset import Clientset
from vaina.errors import ApiError
from vaina.objects.normalise import normalise

#: changes a PodSpec in place
Mutate = Callable[[Any], None]


def pod_spec(obj: Any) -> Any:
    """Return the PodSpec of a Pod, or of what makes Pods.

    Raises:
        Failure: it has none.
    """
    spec = getattr(obj, "spec", None)
    while spec is not None and "containers" not in spec.DESCRIPTOR.fields_by_name:
        inner = next(
            (name for name in ("template", "job_template") if name in spec.DESCRIPTOR.fields_by_name), ""
        )
        spec = getattr(spec, inner).spec if inner else None
    if spec is None:
        raise Failure(f"{obj.DESCRIPTOR.name} has no containers")
    return spec


def containers_of(spec: Any, name: str = "*") -> list[Any]:
    """Return the containers of a name; `*` is all that are no init containers."""
    if name == "*":
        return list(spec.containers)
    return [item for item in (*spec.containers, *spec.init_containers) if item.name == name]


def split_words(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Tell what is to be changed from how: `deployment/web main=busybox:2 A-`."""
    at = next(
        (index for index, word in enumerate(words) if "=" in word or (word.endswith("-") and index)),
        len(words),
    )
    return list(words[:at]), list(words[at:])


async def _change_all(
    shell: Shell, clients: Clientset, words: Sequence[str], what: str, mutate: Mutate, *, dry_run: bool
) -> None:
    for target in _named(words):

        def inside(obj: Any) -> None:
            mutate(pod_spec(obj))
            normalise(obj)

        try:
            _, changed = await change(
                clients.kind(target.kind), shell.namespace, target.name, inside, dry_run=dry_run
            )
        except ApiError as error:
            shell.report(error)
            continue
        if changed:
            suffix = " (server dry run)" if dry_run else ""
            shell.out(f"{object_name(target.kind, target.name)} {what} updated{suffix}\n")


def _named(words: Sequence[str]) -> list[Target]:
    targets = parse_targets(words, "change")
    if any(not target.name for target in targets):
        raise Failure("resource(s) were provided, but no name was specified")
    return targets


async def set_image(shell: Shell, clients: Clientset, words: Sequence[str], *, dry_run: bool = False) -> None:
    """Give containers other images: `deployment/web main=busybox:2`, `*=busybox:2`."""
    targets, pairs = split_words(words)
    if not pairs:
        raise Failure("at least one image update is required")

    def mutate(spec: Any) -> None:
        for pair in pairs:
            name, equals, image = pair.partition("=")
            if not equals or not image:
                raise Failure(f"invalid image update: {pair}")
            found = containers_of(spec, name)
            if not found:
                raise Failure(f'unable to find container named "{name}"')
            for container in found:
                container.image = image

    await _change_all(shell, clients, targets, "image", mutate, dry_run=dry_run)


async def set_env(
    shell: Shell, clients: Clientset, words: Sequence[str], *, container: str = "*", show: bool = False, dry_run: bool = False
) -> None:  # fmt: skip
    """Set, and with `NAME-` remove, variables of containers; or show them."""
    targets, pairs = split_words(words)
    if show:
        await _show_env(shell, clients, targets, container)
        return
    if not pairs:
        raise Failure("at least one environment variable must be provided")

    def mutate(spec: Any) -> None:
        found = containers_of(spec, container)
        if not found:
            raise Failure(f'unable to find container named "{container}"')
        for item in found:
            for pair in pairs:
                _apply_env(item, pair)

    await _change_all(shell, clients, targets, "env", mutate, dry_run=dry_run)


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
    for target in _named(words):
        obj = await clients.kind(target.kind).get(target.name, shell.namespace)
        for container in containers_of(pod_spec(obj), name):
            shell.out(f"# {resource_name(target.kind)} {target.name}, container {container.name}\n")
            for item in container.env:
                if item.HasField("value_from"):
                    source = item.value_from.ListFields()
                    shell.out(f"# {item.name} from {source[0][0].json_name if source else 'nothing'}\n")
                else:
                    shell.out(f"{item.name}={item.value}\n")


def read_amounts(text: str) -> dict[str, str]:
    """Read `cpu=200m,memory=512Mi`.

    Raises:
        Failure: it is none.
    """
    found: dict[str, str] = {}
    for pair in filter(None, text.split(",")):
        name, equals, amount = pair.partition("=")
        if not name or not equals or not amount:
            raise Failure(f"Invalid argument syntax {pair}, expected <resource>=<quantity>")
        found[name] = amount
    return found


async def set_resources(
    shell: Shell, clients: Clientset, words: Sequence[str], *, limits: str, requests: str, container: str = "*", dry_run: bool = False
) -> None:  # fmt: skip
    """Set requests and limits of containers; 0 removes one."""
    if not limits and not requests:
        raise Failure("you must specify an update to requests or limits (in the form of --requests/--limits)")
    wanted = {"limits": read_amounts(limits), "requests": read_amounts(requests)}

    def mutate(spec: Any) -> None:
        found = containers_of(spec, container)
        if not found:
            raise Failure(f'unable to find container named "{container}"')
        for item in found:
            for field, amounts in wanted.items():
                target = getattr(item.resources, field)
                for name, amount in amounts.items():
                    if amount == "0":
                        target.pop(name, None)
                    else:
                        target[name].string = amount

    await _change_all(shell, clients, words, "resource requirements", mutate, dry_run=dry_run)


def _start(namespace: str, command: Callable[[Shell, Clientset], Any]) -> None:
    async def inside(shell: Shell, clients: Clientset) -> None:
        shell.namespace = namespace or shell.namespace
        await command(shell, clients)

    flags.start(inside)


@click.group("set")
@flags.default_namespace
@flags.server
def set_command() -> None:
    """Change containers of templates and Pods: image, env, resources."""


_dry_run = click.option("--dry-run", type=click.Choice(["none", "server"]), default="none")


@set_command.command("image")
@click.argument("words", nargs=-1, metavar="TYPE/NAME... CONTAINER=IMAGE...")
@flags.namespace
@_dry_run
def image_command(words: Sequence[str], namespace: str, dry_run: str) -> None:
    """Give containers other images; `*` stands for all containers."""
    _start(namespace, lambda shell, clients: set_image(shell, clients, words, dry_run=dry_run == "server"))


@set_command.command("env")
@click.argument("words", nargs=-1, metavar="TYPE/NAME... NAME=VALUE... NAME-...")
@flags.namespace
@_dry_run
@click.option("-c", "--containers", "container", default="*", help="The container; all by default.")
@click.option("--list", "show", is_flag=True, help="Show them.")
def env_command(words: Sequence[str], namespace: str, dry_run: str, container: str, show: bool) -> None:
    """Set variables of containers, and remove them: NAME=VALUE, NAME-."""
    _start(
        namespace,
        lambda shell, clients: set_env(
            shell, clients, words, container=container, show=show, dry_run=dry_run == "server"
        ),
    )


@set_command.command("resources")
@click.argument("words", nargs=-1, metavar="TYPE/NAME...")
@flags.namespace
@_dry_run
@click.option("-c", "--containers", "container", default="*", help="The container; all by default.")
@click.option("--limits", default="", metavar="cpu=1,memory=64Mi")
@click.option("--requests", default="", metavar="cpu=1,memory=64Mi")
def resources_command(
    words: Sequence[str], namespace: str, dry_run: str, container: str, limits: str, requests: str
) -> None:
    """Set requests and limits of containers."""
    _start(
        namespace,
        lambda shell, clients: set_resources(
            shell,
            clients,
            words,
            limits=limits,
            requests=requests,
            container=container,
            dry_run=dry_run == "server",
        ),
    )
