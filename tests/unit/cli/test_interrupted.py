"""Ctrl-C at any moment: exit code 130, and no traceback."""

import subprocess
import sys

import pytest

#: interrupts itself at a moment, then goes on as the command would
CHILD = """
import importlib.abc, os, signal, sys

moment = os.environ["MOMENT"]

class Interrupt(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == moment:
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Interrupt())
from cli.__main__ import main

if moment == "while it ends":
    import atexit
    atexit.register(signal.raise_signal, signal.SIGINT)
main()
"""


@pytest.mark.parametrize(
    "moment",
    [
        "cli.process", "click", "grpc", "google.protobuf", "vaina.kinds", "cli.app", "cli.commands.info",
        "while it ends",
    ],
)  # fmt: skip
def test_ctrl_c_is_no_traceback_whenever_it_comes(moment: str) -> None:
    # As in a terminal, also where these tests themselves run in the background of a script.
    heard = f"import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n{CHILD}"
    words = [sys.executable, "-c", heard, "version", "--client"]
    environment = {"MOMENT": moment}
    done = subprocess.run(words, capture_output=True, check=False, env=environment, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (130, "")
    assert (done.stdout != "") == (moment == "while it ends")


def test_what_a_script_runs_in_the_background_does_not_hear_ctrl_c() -> None:
    words = [sys.executable, "-c", f"import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n{CHILD}"]
    words += ["version", "--client"]
    environment = {"MOMENT": "vaina.kinds"}
    done = subprocess.run(words, capture_output=True, check=False, env=environment, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout
