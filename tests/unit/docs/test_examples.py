"""Every manifest of examples/ says what to look at, and is read, completed and found in order."""

import re
from pathlib import Path

import pytest

from cli.app import VERBS
from tests.support.command import CommandLine
from tests.support.manifests import EXAMPLES
from vaina.objects.manifest import decode_documents

FILES = sorted(EXAMPLES.glob("*.yaml"))
_COMMAND = re.compile(r"vaina ([a-z-]+)")


def test_there_are_enough() -> None:
    assert len(FILES) >= 25


@pytest.mark.requirement("B16")
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_first_line_says_what_to_look_at(file: Path) -> None:
    first = file.read_text().splitlines()[0]
    assert first.startswith("# ")
    verbs = _COMMAND.findall(first)
    assert verbs, "the first line names no command"
    assert set(verbs) <= set(VERBS)


@pytest.mark.requirement("B16")
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_it_is_read_completed_and_in_order(file: Path) -> None:
    vaina = CommandLine()
    found = decode_documents(file.read_text())
    assert found
    result = vaina.run("apply", "-f", str(file))
    assert (result.code, result.err.replace("\n", "")) == (0, "") or "has no controller" in result.err
    assert result.out.count(" created\n") == len(found)
    again = vaina.run("apply", "-f", str(file))
    assert again.out.count(" unchanged\n") == len(found), again.out + again.err
