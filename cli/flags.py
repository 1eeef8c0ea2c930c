"""Flags that several verbs share, spelled as kubectl's, and what makes a verb of a coroutine."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any, TypeVar

import click

from cli.failures import Failure
from cli.shell import Command, Shell, run
from cli.targets import NO_NAME, Target, parse_duration
from vaina.client.clientset import Clientset
from vaina.kinds import Kind

F = TypeVar("F", bound=Callable[..., Any])
#: a coroutine of a shell, clients, and the values of flags
Act = TypeVar("Act", bound=Callable[..., Awaitable[None]])


def shell_of(context: click.Context) -> Shell:
    """Return the shell that the command was started with."""
    shell = context.find_object(Shell)
    assert shell is not None, "the command is started with a Shell as its object"
    return shell


def start(command: Command) -> None:
    """Run a command's coroutine in the shell of this call, and end with its exit code."""
    context = click.get_current_context()
    context.exit(run(shell_of(context), command))


def verb(group: click.Group, name: str, options: Callable[..., Any] | None = None) -> Callable[[Act], Act]:
    """Make a coroutine a command of a group; its docstring is the help. The coroutine stays as it is.

    It gets a shell, clients, and the values of its flags: as keywords, or as one object that `options` makes.
    """

    def decorate(act: Act) -> Act:
        def callback(**given: Any) -> None:
            if options is None:
                start(lambda shell, clients: act(shell, clients, **given))
            else:
                asked = options(**given)
                start(lambda shell, clients: act(shell, clients, asked))

        group.command(name)(update_wrapper(callback, act))
        return act

    return decorate


def seconds(_: click.Context, __: click.Parameter, text: str) -> float:
    """Read the duration that a flag was given, as its `callback`."""
    return parse_duration(text)


def flag(names: str, help_text: str) -> Callable[[F], F]:
    """Return a flag without a value; `names` are those that click takes, apart by spaces, here and below."""
    return click.option(*names.split(), is_flag=True, help=help_text)


def text(names: str, help_text: str, metavar: str | None = None, default: str = "") -> Callable[[F], F]:
    """Return a flag with a text."""
    return click.option(*names.split(), default=default, metavar=metavar, help=help_text)


def several(names: str, help_text: str, metavar: str | None = None) -> Callable[[F], F]:
    """Return a flag that may be repeated."""
    return click.option(*names.split(), multiple=True, metavar=metavar, help=help_text)


def integer(names: str, default: int, help_text: str) -> Callable[[F], F]:
    """Return a flag with a whole number."""
    return click.option(*names.split(), type=int, default=default, help=help_text)


def number(names: str, bounds: tuple[float, float], default: float, help_text: str) -> Callable[[F], F]:
    """Return a flag with a number within bounds, whole where the default is; the help shows the default."""
    kind: Any = click.IntRange if isinstance(default, int) else click.FloatRange
    return click.option(
        *names.split(), type=kind(*bounds), default=default, show_default=True, help=help_text
    )


def choice(names: str, values: Sequence[str], default: str, help_text: str | None = None) -> Callable[[F], F]:
    """Return a flag with one of some values."""
    return click.option(*names.split(), type=click.Choice(values), default=default, help=help_text)


def duration(names: str, default: str, help_text: str) -> Callable[[F], F]:
    """Return a flag with a duration, which the command gets in seconds."""
    return click.option(*names.split(), default=default, callback=seconds, help=help_text)


def _use_server(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value:
        shell_of(context).server = value


def _use_namespace(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value:
        shell_of(context).namespace, shell_of(context).namespace_given = value, True


def default_namespace(command: F) -> F:
    """Add the flag that says which namespace, before the verb."""
    return click.option(
        "-n", "--namespace", expose_value=False, callback=_use_namespace,
        help="Namespace of the objects (VAINA_NAMESPACE).",
    )(command)  # fmt: skip


def server(command: F) -> F:
    """Add the flag that says which apiserver; it may stand anywhere on the line."""
    return click.option(
        "-s", "--server", expose_value=False, callback=_use_server, metavar="HOST:PORT",
        help="Address of the apiserver (VAINA_SERVER, 127.0.0.1:6443).",
    )(command)  # fmt: skip


def namespace(command: F) -> F:
    """Add the flags that say which apiserver and which namespace; the shell knows them then."""
    named = click.option(
        "-n", "--namespace", expose_value=False, callback=_use_namespace, help="Namespace of the objects."
    )
    return server(named(command))


def files(command: F) -> F:
    """Add the flags that name manifests."""
    command = flag("-R --recursive", "Look into folders inside folders too.")(command)
    help_text = "A file, a folder, or - for standard input; may be repeated."
    return several("-f --filename files", help_text)(command)


def dry_run(command: F) -> F:
    """Add the flag of verbs that can try a change here and at the server."""
    return click.option(
        "--dry-run", type=click.Choice(["none", "client", "server"]), default="none", is_flag=False,
        flag_value="client", help="Check, but store nothing: here, or at the server.",
    )(command)  # fmt: skip


def server_dry_run(command: F) -> F:
    """Add the flag of verbs that can try a change at the server alone."""
    choice = click.Choice(["none", "server"])
    return click.option("--dry-run", type=choice, default="none", help="Check, but store nothing.")(command)


def writing(command: F) -> F:
    """Add the flags of verbs that write objects."""
    choice = click.Choice(["", "name", "json", "yaml"])
    return click.option("-o", "--output", default="", type=choice, show_choices=True)(dry_run(command))


def selecting(command: F) -> F:
    """Add the flags that choose objects."""
    for names, help_text in (
        (("-l", "--selector", "label_selector"), "Labels: a=b,c!=d,e in (x,y)."),
        (("--field-selector",), "Fields: spec.nodeName=a,status.phase!=Running."),
    ):
        command = click.option(*names, default="", help=help_text)(command)
    return flag("-A --all-namespaces", "In all namespaces.")(command)


def no_headers(command: F) -> F:
    """Add the flag that leaves the headers of a table out."""
    return click.option(
        "--no-headers", "headers", is_flag=True, flag_value=False, default=True, help="Leave the headers out."
    )(command)


def container(command: F) -> F:
    """Add the flag that says which container of a Pod."""
    return text("-c --container", "Which container; the first one otherwise.")(command)


def answer_output(command: F) -> F:
    """Add the flag that writes a whole answer for programs."""
    choice = click.Choice(["", "json", "yaml"])
    return click.option("-o", "--output", type=choice, default="", help="The whole answer.")(command)


@dataclass(frozen=True, slots=True)
class Selection:
    """The words of a command, and the flags that choose objects."""

    words: Sequence[str] = ()
    #: objects of the kind that is named
    all: bool = False
    all_namespaces: bool = False
    label_selector: str = ""
    field_selector: str = ""


async def named(
    shell: Shell, clients: Clientset, targets: Iterable[Target], selection: Selection
) -> list[tuple[Kind[Any], str, str]]:
    """Return the kind, namespace and name of each object. Raises Failure: a kind alone is named; ApiError."""
    found: list[tuple[Kind[Any], str, str]] = []
    for target in targets:
        if target.name:
            check_place(target, selection)
            found.append((target.kind, shell.place(target.kind), target.name))
            continue
        check_named(target, selection)
        selected = await find(shell, clients, target, selection)
        found.extend((target.kind, obj.metadata.namespace, obj.metadata.name) for obj in selected)
    return found


def check_named(target: Target, selection: Selection) -> None:
    """Raise Failure for a kind of which nothing says which objects are meant."""
    if not (target.name or selection.all or selection.label_selector or selection.field_selector):
        raise Failure(NO_NAME)


def check_place(target: Target, selection: Selection) -> None:
    """Raise Failure for a name in all namespaces, which says nothing of which one is meant.

    Follows cli-runtime `pkg/resource/builder.go` (visitByResource, visitByName).
    """
    if target.name and target.kind.namespaced and selection.all_namespaces:
        raise Failure("a resource cannot be retrieved by name across all namespaces")


async def find(
    shell: Shell, clients: Clientset, target: Target, selection: Selection, *, page: int = 0
) -> list[Any]:
    """Return the object of a name, or without one all objects of the kind that are selected.

    Raises ApiError; Failure: a name in all namespaces.
    """
    check_place(target, selection)
    client, kind, name = clients.kind(target.kind), target.kind, target.name
    if name:
        return [await client.get(name, shell.place(kind))]
    listed = await client.list(
        shell.place(kind, everywhere=selection.all_namespaces),
        label_selector=selection.label_selector,
        field_selector=selection.field_selector,
        page=page,
    )
    return [*listed.items]
