"""The real kubectl against the cluster's REST API, as a user has it: commands, what they print, how they end.

Tests say it as a transcript:

    $ get configmap settings
    NAME       DATA   AGE
    settings   1      …
    $ get configmap nope
    Error from server (NotFound): configmaps "nope" not found
    [1]

A line with `$` is a command without the word kubectl, then come the lines that it prints (what it says on
standard error last, without warnings), then in brackets the exit code unless it is 0. `…` stands for anything
within a line, and alone on a line for any number of lines. `< FILE` at the end of a command is its standard
input. Spaces at the ends of lines do not count: kubectl fills its tables with them.
"""

import fcntl
import os
import pty
import re
import shlex
import shutil
import struct
import subprocess
import termios
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support.cluster import ROOT

#: what deploy/trixie.sh brings comes first: its texts are those that the tests know
PROGRAM = shutil.which("kubectl", path=str(ROOT / ".tools" / "bin")) or shutil.which("kubectl")
#: seconds that a command may take
PATIENCE = 120.0
ANY = "…"


@dataclass(frozen=True, slots=True)
class Said:
    """What a command left."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Step:
    """A command of a transcript, and what it must print."""

    command: str
    lines: tuple[str, ...]
    code: int


def read_transcript(text: str) -> list[Step]:
    """Read the steps of a transcript."""
    steps: list[Step] = []
    for line in text.strip("\n").splitlines():
        if line.startswith("$ "):
            steps.append(Step(line[2:], (), 0))
        elif code := re.fullmatch(r"\[(\d+)\]", line):
            steps[-1] = Step(steps[-1].command, steps[-1].lines, int(code[1]))
        else:
            steps[-1] = Step(steps[-1].command, (*steps[-1].lines, line.rstrip()), steps[-1].code)
    return steps


def agrees(lines: Sequence[str], expected: Sequence[str]) -> bool:
    """Say whether lines are as expected, where `…` stands for anything."""
    pattern = ""
    for line in expected:
        if line == ANY:
            pattern += r"(?:[^\n]*\n)*"
        else:
            pattern += "[^\n]*".join(re.escape(part) for part in line.split(ANY)) + r"\n"
    text = "".join(f"{line.rstrip()}\n" for line in lines)
    return re.fullmatch(pattern, text) is not None


class Kubectl:
    """kubectl with one kubeconfig, in one namespace; `folder` is where its relative file names are."""

    def __init__(self, kubeconfig: Path, namespace: str, folder: Path, home: Path) -> None:
        """Say as whom and where commands are run.

        Args:
            kubeconfig: whom they come from, and where the cluster is.
            namespace: what they are about.
            folder: where they run.
            home: what kubectl remembers (discovery) is kept there.
        """
        self.kubeconfig, self.namespace, self.folder, self.home = kubeconfig, namespace, folder, home

    def as_user(self, kubeconfig: Path) -> "Kubectl":
        """Return a kubectl of somebody else."""
        return Kubectl(kubeconfig, self.namespace, self.folder, self.home)

    @property
    def environment(self) -> dict[str, str]:
        """What a command finds: nothing of whoever runs the tests."""
        return {
            "PATH": os.defpath, "HOME": str(self.home), "KUBECACHEDIR": str(self.home), "TERM": "xterm",
            "KUBECONFIG": str(self.kubeconfig),
        }  # fmt: skip

    def words(self, command: str) -> list[str]:
        """Return the words of a command line."""
        assert PROGRAM is not None
        return [PROGRAM, f"--namespace={self.namespace}", *shlex.split(command)]

    def run(
        self, command: str, stdin: str = "", env: Mapping[str, str] | None = None, timeout: float = PATIENCE
    ) -> Said:
        """Run a command to its end."""
        done = subprocess.run(
            self.words(command), input=stdin.encode(), cwd=self.folder, env={**self.environment, **(env or {})},
            capture_output=True, timeout=timeout, check=False,
        )  # fmt: skip
        return Said(done.returncode, done.stdout.decode(), done.stderr.decode())

    def __call__(self, command: str, stdin: str = "", env: Mapping[str, str] | None = None) -> str:
        """Run a command that must end well; return what it printed."""
        said = self.run(command, stdin, env)
        assert said.code == 0, f"kubectl {command} ended with {said.code}\n{said.out}{said.err}"
        return said.out

    def follows(self, transcript: str, **names: str) -> None:
        """Run the commands of a transcript, and hold each to what it must print.

        Args:
            transcript: as this module tells it.
            names: what `<NAME>` stands for in it; `<ns>` is the namespace.
        """
        wrong = []
        for name, value in {"ns": self.namespace, **names}.items():
            transcript = transcript.replace(f"<{name}>", value)
        for step in read_transcript(transcript):
            command, _, file = step.command.partition(" < ")
            said = self.run(command, (self.folder / file).read_text() if file else "")
            told = [one for one in said.err.splitlines() if not one.startswith(("Warning:", "WARNING:"))]
            lines = [*said.out.splitlines(), *told]
            if said.code != step.code or not agrees(lines, step.lines):
                wanted = "\n".join([*step.lines, f"[{step.code}]"])
                found = "\n".join([*lines, f"[{said.code}]"])
                wrong.append(f"$ {step.command}\n{found}\n--- where this was expected:\n{wanted}\n")
        assert not wrong, "\n" + "\n".join(wrong)

    @contextmanager
    def beside(self, command: str) -> Iterator[subprocess.Popen[str]]:
        """Run a command while a `with` block goes on."""
        process = subprocess.Popen(
            self.words(command), cwd=self.folder, env=self.environment, text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def terminal(self, command: str, typed: str = "", rows: int = 40, columns: int = 100) -> Said:
        """Run a command with a terminal of its own, on which something is typed."""
        outside, inside = pty.openpty()
        fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        process = subprocess.Popen(
            self.words(command), cwd=self.folder, env=self.environment, stdin=inside, stdout=inside, stderr=inside,
            start_new_session=True,
        )  # fmt: skip
        os.close(inside)
        os.write(outside, typed.encode())
        read = b""
        # The end of a terminal that nobody has open any more is an error to whoever reads it.
        with suppress(OSError):
            while part := os.read(outside, 65536):
                read += part
        os.close(outside)
        return Said(process.wait(PATIENCE), read.decode().replace("\r\n", "\n"), "")


def line(process: subprocess.Popen[str]) -> str:
    """Return the next line that a command beside says."""
    assert process.stdout is not None
    return process.stdout.readline()
