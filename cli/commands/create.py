"""`vaina create`: objects from manifests, or of some kinds from the command line."""

from collections.abc import Callable
from functools import update_wrapper
from typing import Any, Final, TypeVar

import click
from google.protobuf.message import Message

from cli import flags
from cli.app import LazyGroup, cli
from cli.commands.apply import FIELD_MANAGER, WriteOptions, create
from cli.printers.objects import dry_run_suffix, object_name, print_objects
from cli.shell import Shell
from vaina.client.clientset import Clientset
from vaina.kinds import Kind
from vaina.objects.normalise import normalise

Fill = TypeVar("Fill", bound=Callable[..., None])
#: what can be made without a manifest -> module of cli.commands, which adds it to `create_command`
_MADE: Final = dict.fromkeys(
    ("namespace", "configmap", "secret", "deployment", "job", "cronjob", "quota", "priorityclass", "poddisruptionbudget"),
    "create_kinds",
) | dict.fromkeys(("serviceaccount", "token"), "create_accounts") | dict.fromkeys(("role", "clusterrole", "rolebinding", "clusterrolebinding"), "create_rbac")  # fmt: skip
_SHORT: Final = {
    "ns": "namespace", "cm": "configmap", "deploy": "deployment", "cj": "cronjob", "resourcequota": "quota",
    "pc": "priorityclass", "pdb": "poddisruptionbudget", "sa": "serviceaccount",
}  # fmt: skip


class _Kinds(LazyGroup):
    modules = _MADE
    short = _SHORT


@cli.group("create", cls=_Kinds, invoke_without_command=True)
@flags.files
@flags.writing
@flags.namespace
@click.pass_context
def create_command(context: click.Context, /, **options: Any) -> None:
    """Create objects from manifests, or of a kind: vaina create deployment web --image busybox."""
    if context.invoked_subcommand is None:
        given = WriteOptions(**options)
        flags.start(lambda shell, clients: create(shell, clients, given))


async def make(
    shell: Shell,
    clients: Clientset,
    kind: Kind[Any],
    made: Message,
    *,
    dry_run: str,
    output: str,
    did: tuple[str, str] = ("created", FIELD_MANAGER),
) -> None:
    """Create an object, or only try that (`dry_run`: none, client or server), and say so.

    `output` is empty, name, json or yaml; `did` is the word for it, and the name under which fields are owned.
    """
    normalise(made)
    fields: Any = made
    if dry_run != "client":
        client = clients.kind(kind)
        fields = made = await client.create(made, dry_run=dry_run == "server", field_manager=did[1])
    elif not shell.namespace_given:
        # No flag named a namespace: it goes into the one where it is applied (EnforceNamespace of kubectl).
        fields.metadata.namespace = ""
    name = object_name(kind, fields.metadata.name)
    if output in ("json", "yaml"):
        shell.out_data(print_objects([(kind, made)], output))
    else:
        shell.out(f"{name}\n" if output == "name" else f"{name} {did[0]}{dry_run_suffix(dry_run)}\n")


def creates(kind: Kind[Any], name: str, group: click.Group = create_command) -> Callable[[Fill], Fill]:
    """Make a function that fills an object a command that creates it; its docstring is the help.

    It gets the object, which has its name and namespace, and the command's own flags as keywords.
    """

    def decorate(fill: Fill) -> Fill:
        def callback(*, name: str, dry_run: str, output: str, **given: Any) -> None:
            async def command(shell: Shell, clients: Clientset) -> None:
                made = kind.message(metadata={"name": name, "namespace": shell.place(kind)})
                fill(made, **given)
                await make(shell, clients, kind, made, dry_run=dry_run, output=output)

            flags.start(command)

        where = flags.namespace if kind.namespaced else flags.server
        for add in (where, flags.writing, click.argument("name")):
            fill = add(fill)
        group.command(name)(update_wrapper(callback, fill))
        return fill

    return decorate
