"""`vaina load agent`: a machine that a load comes from, beside that of the run.

The work is done in `bench.load.agent`.
"""

import socket

import click

from bench.load.agent import serve_pipes
from bench.load.frames import NAME, NAME_WORDS, FrameError
from cli import flags
from cli.commands.load_target import client_of, terminable
from cli.failures import Failure
from cli.shell import Shell


async def load_agent(shell: Shell, name: str) -> None:
    """Do what a run asks for over standard input and output, until it ends."""
    if not NAME.fullmatch(name):
        raise Failure(f'--name: "{name}": {NAME_WORDS}')
    if shell.interactive:
        raise Failure('it is started by a run: vaina load run ... --generate-on "ssh HOST vaina load agent"')
    try:
        async with terminable():
            await serve_pipes(name, client_of)
    except (FrameError, ValueError, PermissionError) as error:
        raise Failure(f"what comes is not a run of vaina load: {error}") from error


@click.command("agent")
@click.option("--name", default=socket.gethostname, help="What the report calls this machine (its hostname).")
def agent_command(name: str) -> None:
    """Take part in a load from this machine.

    A run starts it, through ssh for example, and speaks with it over its pipes.

    \b
      vaina load run CASE/VARIANT -s HOST:PORT --generate-on "ssh a vaina load agent" --generate-on "ssh b
      vaina load agent"
    It listens nowhere. It ends when the run does, and with it what it has started.
    """  # noqa: D301  # click reads the backspace as "leave the lines as they are"
    flags.start(lambda shell, _: load_agent(shell, name))
