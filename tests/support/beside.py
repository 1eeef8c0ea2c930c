"""The command `vaina` running while a test on the cluster goes on."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.workspace import Workspace


@contextmanager
def beside(space: Workspace, verb: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run the command `vaina` while a test goes on."""
    settings = [f"{name}={value}" for name, value in space.cluster.command_env.items()]
    command = [
        "env",
        *settings,
        "NO_COLOR=1",
        sys.executable,
        "-u",
        "-m",
        "cli",
        verb,
        "-n",
        space.namespace,
        *arguments,
    ]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def line(process: subprocess.Popen[str]) -> str:
    """Return the next line that it says."""
    assert process.stdout is not None
    return process.stdout.readline()
