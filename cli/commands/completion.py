"""`vaina completion`: what a shell needs to complete our words."""

import click
from click.shell_completion import get_completion_class

from cli import flags
from cli.failures import Failure

#: set by the shell's own code when it asks for words
VARIABLE = "_VAINA_COMPLETE"


def completion_script(shell_name: str, command: click.Command) -> str:
    """Return the code that a shell has to read.

    Raises:
        Failure: there is none for this shell.
    """
    found = get_completion_class(shell_name)
    if found is None:
        raise Failure(f'unsupported shell type "{shell_name}"')
    return found(command, {}, "vaina", VARIABLE).source()


@click.command("completion")
@click.argument("shell_name", metavar="SHELL", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion_command(context: click.Context, shell_name: str) -> None:
    """Write the shell's completion code: source <(vaina completion bash)."""
    root = context.find_root()
    flags.shell_of(context).out(completion_script(shell_name, root.command))
