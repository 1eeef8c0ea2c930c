"""What the prose of lessons names: commands that are understood, and files that are there.

What stands in the fences is run on a cluster; this is for what a reader is invited to try.
"""

import re
import shlex

import click
import pytest

from cli.app import cli
from tests.support.cluster import ROOT
from tests.support.command import CommandLine
from vaina.lessons.model import HEADINGS, Prose
from vaina.lessons.shelf import read, rows


def named(row: str, language: str) -> list[str]:
    """Return what a lesson's prose has as code."""
    lesson = read(row, language)
    assert lesson is not None
    return [
        span.text
        for part in lesson.sections
        for block in part.blocks
        if isinstance(block, Prose)
        for span in block.spans
        if span.kind == "code"
    ]


def understand(words: list[str]) -> None:
    """Read a command line as the command does, without doing it. Raises click.UsageError."""
    context = click.Context(cli, info_name="vaina", obj=CommandLine().shell())
    command: click.Command | None = cli
    while isinstance(command, click.Group):
        name, command, words = command.resolve_command(context, words)
        assert command is not None
        if not isinstance(command, click.Group):
            command.make_context(name, words, parent=context)


@pytest.mark.parametrize("language", sorted(HEADINGS))
@pytest.mark.parametrize("row", rows("en"))
def test_commands_are_understood_and_files_are_there(row: str, language: str) -> None:
    for code in named(row, language):
        if code.startswith("vaina ") and len(shlex.split(code)) > 2:
            understand(shlex.split(code)[1:])
        for path in re.findall(r"\b(?:examples|deploy)/[\w./-]*\w", code):
            assert (ROOT / path).exists(), path
