"""Words that were made up here are not used any more, and docs/glossary.md names files that are there."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PRODUCT = ("vaina", "cli", "apiserver", "scheduler", "kubelet", "controller", "dashboard")
#: a word that is not used (a pattern) -> what is said instead
BANNED = {
    r"glances?": "a first evaluation, without a memo",
    r"foresee\w*": "computed in advance",
    r"moulds?": "template",
    r"drafts?": "the object that is being created",
    r"paying": "charging a quota",
    r"echoes|(?<=the )echo|(?<=an )echo|(?<=own )echo": "own write",
    r"doors?": "API, server, or: the only module that calls it",
}
#: folders that are still to be mended; the list may only shrink
LEFT: set[str] = set()
#: addresses, and paths of modules: the modules of LEFT are called what they are called
NAMES = re.compile(r"https?://\S+|`[\w/]+\.py`|`(?:\w+\.)+\w+`")
_WORDS = re.compile("|".join(rf"(?:(?<![A-Za-z])|(?=[A-Z]))(?i:{word})(?![a-z])" for word in BANNED))


def texts() -> Iterator[Path]:
    """Give the product's modules and the documents; decisions tell of their time in the words of their time."""
    yield from (ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", ".importlinter"))
    yield from (ROOT / "docs").glob("*.md")
    yield from (ROOT / "docs" / "checklists").glob("*.md")
    for package in PRODUCT:
        yield from (path for path in (ROOT / package).rglob("*.py") if "_pb2" not in path.name)


def used(text: str) -> list[str]:
    """Return the banned words of a text; links to decisions and a benchmark's server do not count."""
    plain = re.sub(r"\]\(decisions/[^)]*\)|the echo \(target", "", NAMES.sub("", text))
    return _WORDS.findall(plain)


def folder(path: Path) -> str:
    """Return the package and folder of a file."""
    return "/".join(path.relative_to(ROOT).parts[:2])


def test_no_made_up_word_is_used():
    wrong = {
        str(path.relative_to(ROOT)): found
        for path in texts()
        if folder(path) not in LEFT and (found := used(path.read_text(encoding="utf-8")))
    }
    assert wrong == {}, f"say instead: {BANNED}"


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("a glance at it", ["glance"]),
        ("class PodDrafts: _drafts", ["Drafts", "drafts"]),
        ("sh -c 'echo hello'", []),
        ("the echo of its own write", ["echo"]),
        ("outdoors they adore it", []),
    ],
)
def test_which_words_are_found(text: str, want: list[str]):
    assert used(text) == want


def test_the_glossary_names_each_word_once_and_files_that_are_there():
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    words = [word for row in re.findall(r"^\| ([^|]+) \|", text, re.MULTILINE) for word in row.split(", ")]
    words = [word for word in words if word not in {"word", "---"}]
    assert sorted(words) == sorted(set(words))
    paths = re.findall(r"`([\w*/]+/[\w*./]*)`", text)
    assert [path for path in paths if not list(ROOT.glob(path.rstrip("/")))] == []
