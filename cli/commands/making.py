"""What `create KIND`, `run` and `autoscale` have in common: an object made here is created, or shown."""

from typing import Any, Protocol

from google.protobuf.message import Message

from cli.printers.objects import dry_run_suffix, object_name, print_json, print_yaml
from cli.shell import Shell
from vaina.client.clientset import Clientset
from vaina.kinds import Kind
from vaina.objects.normalise import normalise


class MakingOptions(Protocol):
    """Flags of every such command (`flags.writing`)."""

    @property
    def dry_run(self) -> str: ...
    @property
    def output(self) -> str: ...


async def make(
    shell: Shell,
    clients: Clientset,
    kind: Kind[Any],
    made: Message,
    options: MakingOptions,
    *,
    did: str = "created",
    field_manager: str = "vaina",
) -> None:
    """Create an object, at most tried where that is asked for, and say so in the format that is asked for.

    Args:
        shell: which prints.
        clients: to the server.
        kind: of the object.
        made: the object.
        options: of the command.
        did: what is said of it.
        field_manager: under which name the fields are owned.
    """
    normalise(made)
    fields: Any = made
    if options.dry_run == "client":
        if not shell.given_namespace(getattr(options, "namespace", "")):
            # Nobody asked for one: what is shown goes into whichever it is applied to (`kubectl create`,
            # EnforceNamespace).
            fields.metadata.namespace = ""
    else:
        dry_run = options.dry_run == "server"
        fields = made = await clients.kind(kind).create(made, dry_run=dry_run, field_manager=field_manager)
    if options.output in ("json", "yaml"):
        write = print_json if options.output == "json" else print_yaml
        shell.out_data(write([(kind, made)], single=True))
        return
    name = object_name(kind, fields.metadata.name)
    shell.out(f"{name}\n" if options.output == "name" else f"{name} {did}{dry_run_suffix(options.dry_run)}\n")
