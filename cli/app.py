"""The `vaina` command: a verb a module of `cli.commands`, imported when it is used."""

from importlib import import_module
from importlib.util import find_spec

import click
from click.exceptions import Exit

from cli.flags import default_namespace, server
from cli.shell import Shell

#: verb -> module of cli.commands; each has a click command of the verb's name with _command behind it
VERBS = {
    "apply": "apply",
    "create": "create",
    "get": "get",
    "describe": "describe",
    "why": "why",
    "trace": "trace",
    "delete": "delete",
    "logs": "logs",
    "exec": "exec",
    "attach": "attach",
    "debug": "debug",
    "port-forward": "port_forward",
    "cp": "cp",
    "run": "run",
    "scale": "scale",
    "autoscale": "autoscale",
    "edit": "edit",
    "replace": "replace",
    "diff": "diff",
    "label": "label",
    "annotate": "label",
    "wait": "wait",
    "events": "events",
    "rollout": "rollout",
    "set": "set",
    "tree": "tree",
    "patch": "patch",
    "cordon": "drain",
    "uncordon": "drain",
    "drain": "drain",
    "taint": "taint",
    "explain": "explain",
    "fit": "explain",
    "scheduler": "scheduler",
    "load": "load",
    "completion": "completion",
    "api-resources": "info",
    "version": "info",
    "top": "top",
}
#: verbs that need a package which an image of the product does not have
_NEEDS = {"load": "bench"}
_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


class VerbGroup(click.Group):
    """A group whose verbs are found by name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return [verb for verb in VERBS if verb not in _NEEDS or find_spec(_NEEDS[verb]) is not None]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        module = import_module(f"cli.commands.{VERBS[cmd_name]}")
        command = getattr(module, f"{cmd_name.replace('-', '_')}_command")
        assert isinstance(command, click.Command)
        return command


@click.group(cls=VerbGroup, context_settings=_CONTEXT)
@default_namespace
@server
def cli() -> None:
    """Talk to a vaina cluster: give it Pods, look at them, enter them.

    \b
    To begin with:
      vaina apply -f examples/jumpod.yaml
      vaina trace jumpod --watch
    """  # noqa: D301  # click reads the backspace as "leave the lines as they are"


def invoke(shell: Shell, arguments: list[str]) -> int:
    """Run a command line and return its exit code; wrong usage is told as `error: ...`."""
    try:
        with cli.make_context("vaina", arguments, obj=shell) as context:
            cli.invoke(context)
    except Exit as ended:
        return ended.exit_code
    except click.exceptions.NoArgsIsHelpError as usage:
        shell.out(f"{usage.format_message()}\n")
        return 0
    except click.ClickException as error:
        shell.err(f"error: {error.format_message()}")
        if isinstance(error, click.UsageError) and error.ctx is not None:
            shell.err(f"See '{error.ctx.command_path} --help' for usage.")
            # That 1 means differences holds for wrong flags too (`kubectl/pkg/cmd/diff/diff.go`,
            # SetFlagErrorFunc).
            return 2 if error.ctx.command.name == "diff" else 1
        return 1
    except click.Abort:
        return 130
    return 0
