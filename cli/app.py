"""The `vaina` command: a verb a module of `cli.commands`, imported when it is used."""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import click
from click.core import ParameterSource
from click.exceptions import Exit

from cli.failures import Failure
from cli.flags import default_namespace, server, shell_of
from cli.progress import patient
from cli.shell import Shell
from vaina.client.clientset import Clientset
from vaina.client.rest.kubeconfig import read_kubeconfig
from vaina.config import ConfigError

#: verb -> module of cli.commands, which adds it to `cli`
VERBS = {
    "apply": "apply",
    "create": "create",
    "get": "get",
    "describe": "describe",
    "why": "why",
    "trace": "trace",
    "delete": "delete",
    "logs": "logs",
    "exec": "streams",
    "attach": "streams",
    "debug": "debug",
    "port-forward": "port_forward",
    "cp": "cp",
    "run": "run",
    "scale": "scale",
    "autoscale": "scale",
    "edit": "patch",
    "replace": "apply",
    "diff": "apply",
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
    "auth": "auth",
    "certificate": "certificate",
    "secrets": "secrets",
    "explain": "scheduler",
    "fit": "scheduler",
    "scheduler": "scheduler",
    "load": "load",
    "certs": "certs",
    "kubeconfig": "kubeconfig",
    "dashboard": "dashboard",
    "learn": "learn",
    "completion": "info",
    "api-resources": "info",
    "version": "info",
    "top": "top",
}
#: verbs that need a package which an image of the product does not have
_NEEDS = {"load": "bench"}
_TWO_SERVERS = "--kubeconfig names the apiserver: leave out --server"
_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


class LazyGroup(click.Group):
    """A group whose commands are in modules, each imported when its command is asked for."""

    #: command -> its module in cli.commands
    modules: dict[str, str]
    #: other names of commands
    short: dict[str, str]

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return [name for name in self.modules if name not in _NEEDS or find_spec(_NEEDS[name]) is not None]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        name = self.short.get(cmd_name, cmd_name)
        if name not in self.list_commands(ctx):
            return None
        import_module(f"cli.commands.{self.modules[name]}")
        return super().get_command(ctx, name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as error:
            # click knows those alone that are imported.
            names = self.list_commands(ctx)
            raise click.exceptions.NoSuchCommand(error.command_name, possibilities=names, ctx=ctx) from error


class _Verbs(LazyGroup):
    modules = VERBS
    short: dict[str, str] = {}  # noqa: RUF012


@click.group(cls=_Verbs, context_settings=_CONTEXT)
@default_namespace
@server
@click.option(
    "--kubeconfig",
    metavar="FILE",
    help="Speak to the REST API that this kubeconfig names, of any Kubernetes.",
)
@click.option("--context", "name", default="", metavar="NAME", help="Its context. [its current one]")
@click.pass_context
def cli(context: click.Context, *, kubeconfig: str | None, name: str) -> None:
    """Talk to a vaina cluster: give it Pods, look at them, enter them.

    \b
    To begin with:
      vaina apply -f examples/jumpod.yaml
      vaina trace jumpod --watch
    """  # noqa: D301  # click reads the backspace as "leave the lines as they are"
    if kubeconfig:
        _use_kubeconfig(shell_of(context), kubeconfig, name)
        if context.get_parameter_source("server") is ParameterSource.COMMANDLINE:
            raise Failure(_TWO_SERVERS)
    elif name:
        raise Failure("--context names a context of the file of --kubeconfig")


def _use_kubeconfig(shell: Shell, path: str, context: str) -> None:
    """Let the shell speak to the apiserver that a kubeconfig names. Raises Failure: it cannot be read."""
    try:
        connection = read_kubeconfig(Path(path), context)
    except ConfigError as error:
        raise Failure(str(error)) from error

    def connect(server: str, on_warning: Callable[[str], None]) -> Clientset:
        if server != connection.server:
            # A verb's own flag came after this.
            raise Failure(_TWO_SERVERS)
        # Here, so that the command does without aiohttp otherwise (0.3 s of CPU at its start).
        from vaina.client.rest.transport import RestTransport

        try:
            made = RestTransport(connection, user_agent="vaina-cli", on_warning=on_warning)
            return Clientset(patient(made, connection.server, shell.progress))
        except ConfigError as error:
            raise Failure(str(error)) from error

    shell.connect, shell.server = connect, connection.server
    if not shell.namespace_given:
        shell.namespace = connection.namespace


def invoke(shell: Shell, arguments: list[str]) -> int:
    """Run a command line and return its exit code; wrong usage is told as `error: ...`."""
    try:
        with cli.make_context("vaina", arguments, obj=shell) as context:
            cli.invoke(context)
    except Exit as ended:
        return ended.exit_code
    except Failure as error:
        shell.err(f"error: {error}")
        return 1
    except click.exceptions.NoArgsIsHelpError as usage:
        shell.out(f"{usage.format_message()}\n")
        return 0
    except click.ClickException as error:
        shell.err(f"error: {error.format_message()}")
        if isinstance(error, click.UsageError) and error.ctx is not None:
            shell.err(f"See '{error.ctx.command_path} --help' for usage.")
            # 1 means differences: wrong flags end with 2 (`kubectl/pkg/cmd/diff/diff.go`, SetFlagErrorFunc).
            return 2 if error.ctx.command.name == "diff" else 1
        return 1
    except click.Abort:
        return 130
    return 0
