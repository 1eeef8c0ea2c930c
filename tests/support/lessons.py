"""Lessons run as they stand: their commands are typed into one bash, and what it prints is compared.

Both languages have the same commands (tests/unit/lessons), so that each lesson is run once; its output must be
as both of them say.
"""

import asyncio
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from cli.learning.session import Session, SessionEnded, as_expected, opened
from tests.support.cluster import ROOT, SLOWER, Cluster, run
from tests.support.ready_vaina import ReadyVaina
from vaina.clock import SystemClock
from vaina.lessons.model import HEADINGS, Command, Lesson
from vaina.lessons.shelf import read

#: seconds that a step may take; one of a lesson with a cluster of its own starts that
PATIENCE = 180.0 * SLOWER
APART = 900.0 * SLOWER
#: lessons that run at once: they wait more than they work
AT_ONCE = 3
GRPCURL = ROOT / ".tools" / "bin" / "grpcurl"
STAND_IN = ROOT / "tests" / "support" / "grpcurl.py"


@dataclass(frozen=True, slots=True)
class Differs:
    """A step that did not go as a lesson says."""

    row: str
    language: str
    command: Command
    code: int
    output: str

    def __str__(self) -> str:
        expected = "any output" if self.command.output is None else "\n".join(self.command.output)
        return (
            f"docs/lessons/{self.language}/{self.row}.md:{self.command.line}\n$ {self.command.script}\n"
            f"ended with {self.code} and printed\n{self.output}\nexpected was\n{expected}"
        )


def versions(row: str) -> list[Lesson]:
    """Read the lesson of a row in all languages, English first."""
    found = [read(row, language) for language in HEADINGS]
    return [lesson for lesson in found if lesson is not None]


def environment(
    cluster: Cluster, tools: Path, vaina: str = f'{sys.executable} -m cli "$@"'
) -> dict[str, str]:
    """Return the variables of a learner at a cluster, who stands in the project's folder.

    Args:
        cluster: its cluster.
        tools: an empty folder, which comes to stand on PATH.
        vaina: what is run as `vaina`.
    """
    _program(tools / "vaina", f"exec {vaina}")
    path = f"{tools}:{ROOT / '.tools' / 'bin'}:{Path(sys.executable).parent}"
    return {
        **plain_environment(),
        **cluster.env,
        **cluster.command_env,
        "PATH": f"{path}:{plain_environment()['PATH']}",
        "VAINA_SCHEDULER": cluster.scheduler,
        "KUBECONFIG": str(cluster.cert_dir / "kubeconfig"),
        "GRPCURL": str(_grpcurl(tools)),
        "API": cluster.apiserver,
        "SCHEDULER": cluster.scheduler,
        "CONTROLLER": cluster.controller,
    }


def apart_environment(project: str, tag: str, tools: Path) -> dict[str, str]:
    """Return the variables of a learner who brings up a cluster, `project`, that disturbs no other."""
    # The images are there: those of the tests.
    return {**environment(Cluster(project, 2), tools), "VAINA_TAG": tag, "VAINA_BUILD": "no"}


def plain_environment() -> dict[str, str]:
    """Return what every program needs, and nothing that changes what the command says."""
    kept = ("HOME", "PATH", "DOCKER_HOST", "TMPDIR", "CI", "PIP_INDEX_URL", "BUNDLE")
    known = {name: os.environ[name] for name in kept if name in os.environ}  # noqa: TID251
    return {**known, "LC_ALL": "C.UTF-8", "NO_COLOR": "1"}


def _grpcurl(tools: Path) -> Path:
    """Return grpcurl; without Go (deploy/grpcurl.sh) there is none: a stand-in makes the same calls."""
    if GRPCURL.exists():
        return GRPCURL
    return _program(tools / "grpcurl-stand-in", f'exec {sys.executable} {STAND_IN} "$@"')


def _program(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def can_run(lesson: Lesson, variables: Mapping[str, str]) -> bool:
    """Say whether what a lesson needs is on this machine."""
    return "kubectl" not in lesson.needs or shutil.which("kubectl", path=variables["PATH"]) is not None


async def run_lesson(lessons: Sequence[Lesson], variables: Mapping[str, str]) -> Differs | None:
    """Run a lesson to its end, or to the first step that differs from what it says in any of its languages."""
    first = lessons[0]
    patience = APART if first.runs == "apart" else PATIENCE
    async with opened(variables, SystemClock(), ROOT) as session:
        try:
            for commands in zip(*(lesson.commands for lesson in lessons), strict=True):
                outcome = (await session.do(commands[0], patience)).outcome
                for lesson, command in zip(lessons, commands, strict=True):
                    if not as_expected(command, outcome):
                        await tidy_up(session, first)
                        return Differs(lesson.row, lesson.language, command, outcome.code, outcome.output)
        except SessionEnded as error:
            return Differs(first.row, first.language, commands[0], -1, str(error))
    return None


async def tidy_up(session: Session, lesson: Lesson) -> None:
    """Do the last section of a lesson, which wakes what it has stopped."""
    for section in lesson.sections:
        for block in section.blocks if section.name == "tidy" else ():
            if isinstance(block, Command):
                await session.run(block.script, PATIENCE)


class Classroom:
    """Runs lessons beside each other. Owned by the tests of one module."""

    def __init__(self, cluster: Cluster, tools: Path) -> None:
        self._ready = ReadyVaina(tools, ROOT)
        self._cluster, self.variables = cluster, environment(cluster, tools, self._ready.command)
        # Of tries that failed there may be something left.
        self._left = {*cluster.cli("get", "namespaces", "-o", "name").split()}
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._begun: dict[str, Future[Differs | None]] = {}

    def begin(self, row: str) -> None:
        """Begin a lesson as soon as fewer than AT_ONCE are running."""
        self._begun[row] = self._pool.submit(self._run, row)

    def ended(self, row: str) -> Differs | None:
        """Wait for a lesson's end; it begins now when it has not, or when its end was told already."""
        if row not in self._begun:
            self.begin(row)
        return self._begun.pop(row).result()

    def _run(self, row: str) -> Differs | None:
        namespace = f"lesson-{row.lower()}"
        if f"namespace/{namespace}" in self._left:
            self._cluster.cli("delete", "namespace", namespace, "--ignore-not-found", timeout=180)
        differs = asyncio.run(run_lesson(versions(row), self.variables))
        if differs is not None:
            self._left.add(f"namespace/{namespace}")
            self._cluster.cli("delete", "namespace", namespace, "--ignore-not-found", "--wait=false")
        return differs

    def close(self) -> None:
        """Wait for what still runs."""
        self._pool.shutdown(cancel_futures=True)
        self._ready.close()


def take_down(project: str, tag: str) -> None:
    """Remove the cluster of a lesson that brought one up; `tag` is that of its images."""
    run(ROOT / "deploy" / "down.sh", env={"COMPOSE_PROJECT_NAME": project, "VAINA_TAG": tag}, timeout=180)
