"""Flags that several verbs share, spelled as kubectl's, and the way from a verb to its coroutine."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from cli.shell import Command, Shell, run

F = TypeVar("F", bound=Callable[..., Any])


def shell_of(context: click.Context) -> Shell:
    """Return the shell that the command was started with."""
    shell = context.find_object(Shell)
    assert shell is not None, "the command is started with a Shell as its object"
    return shell


def _use_server(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value:
        shell_of(context).server = value


def _use_namespace(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value:
        shell_of(context).namespace, shell_of(context).namespace_given = value, True


def default_namespace(command: F) -> F:
    """Add the flag that says which namespace, before the verb."""
    return click.option(
        "-n",
        "--namespace",
        expose_value=False,
        callback=_use_namespace,
        help="Namespace of the objects (VAINA_NAMESPACE).",
    )(command)


def server(command: F) -> F:
    """Add the flag that says which apiserver; it may stand anywhere on the line."""
    return click.option(
        "-s", "--server", expose_value=False, callback=_use_server, metavar="HOST:PORT",
        help="Address of the apiserver (VAINA_SERVER, 127.0.0.1:6443).",
    )(command)  # fmt: skip


def namespace(command: F) -> F:
    """Add the flags that say which apiserver and which namespace."""
    return server(click.option("-n", "--namespace", default="", help="Namespace of the objects.")(command))


def files(command: F) -> F:
    """Add the flags that name manifests."""
    command = click.option("-R", "--recursive", is_flag=True, help="Look into folders inside folders too.")(
        command
    )
    return click.option(
        "-f",
        "--filename",
        "files",
        multiple=True,
        help="A file, a folder, or - for standard input; may be repeated.",
    )(command)


def writing(command: F) -> F:
    """Add the flags of verbs that write objects."""
    command = click.option(
        "--dry-run", type=click.Choice(["none", "client", "server"]), default="none", is_flag=False,
        flag_value="client", help="Check, but store nothing: here, or at the server.",
    )(command)  # fmt: skip
    return click.option(
        "-o", "--output", default="", type=click.Choice(["", "name", "json", "yaml"]), show_choices=True
    )(command)


def selecting(command: F) -> F:
    """Add the flags that choose objects."""
    command = click.option(
        "-l", "--selector", "label_selector", default="", help="Labels: a=b,c!=d,e in (x,y)."
    )(command)
    command = click.option(
        "--field-selector", default="", help="Fields: spec.nodeName=a,status.phase!=Running."
    )(command)
    return click.option("-A", "--all-namespaces", is_flag=True, help="In all namespaces.")(command)


def start(command: Command) -> None:
    """Run a command's coroutine in the shell of this call, and end with its exit code."""
    context = click.get_current_context()
    context.exit(run(shell_of(context), command))
