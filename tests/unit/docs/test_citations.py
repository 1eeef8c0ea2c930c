"""What modules, documents and tests cite is in the repository: documents by their paths, decisions by their numbers."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SUFFIXES = {".py", ".md", ".sh", ".proto", ".yaml", ".yml", ".toml", ".txt", ".js", ""}
#: documents of other projects, cited with the project's name beside them
FOREIGN = {"doc/PROTOCOL-HTTP2.md"}
#: where a path may begin, beside the file's own directory
BASES = (ROOT, ROOT / "docs", ROOT / "docs" / "decisions")
DECISIONS = {path.name[:3] for path in (ROOT / "docs" / "decisions").glob("[0-9]*.md")}
_DOCUMENT = re.compile(r"(?<![\w./:{}*$-])((?:[\w.-]+/)*[\w-][\w.-]*\.md)\b")
_DECISIONS = re.compile(r"\bdecisions? (\d{3}(?:(?:, | and | to |, and )\d{3})*)\b", re.IGNORECASE)
_NOTES = re.compile(r"\b(?:finding|issue) (?:[A-H]?\d+)\b", re.IGNORECASE)


def written() -> Iterator[Path]:
    """Give the files that people wrote: no hidden ones, nothing generated or fetched."""
    for top in sorted(ROOT.iterdir()):
        if top.name.startswith(".") or top.name == "node_modules":
            continue
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            hidden = any(
                part.startswith(".") or part == "__pycache__" for part in path.relative_to(ROOT).parts
            )
            if (
                not hidden
                and path.suffix in SUFFIXES
                and not path.stem.endswith(("_pb2", "_pb2_grpc"))
                and path.is_file()
            ):
                yield path


def missing(text: str, at: Path) -> list[str]:
    """Return what a text cites that is not there."""
    found = [
        name for name in _DOCUMENT.findall(text)
        if name not in FOREIGN and not any((base / name).exists() for base in (at.parent, *BASES))
    ]  # fmt: skip
    numbers = [number for group in _DECISIONS.findall(text) for number in re.findall(r"\d{3}", group)]
    found.extend(f"decision {number}" for number in numbers if number not in DECISIONS)
    found.extend(_NOTES.findall(text))
    return found


def test_nothing_cites_a_document_that_is_not_here():
    wrong = {
        str(path.relative_to(ROOT)): found
        for path in written()
        if path != Path(__file__)
        and (found := missing(path.read_text(encoding="utf-8", errors="replace"), path))
    }
    assert wrong == {}


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("see docs/node.md and limits.md", []),
        ("see docs/nowhere.md", ["docs/nowhere.md"]),
        ("as style.md has it", ["style.md"]),
        ("https://example.com/a/b.md is somebody else's", []),
        ("decisions 001, 002 and 999", ["decision 999"]),
        ("Decision 998 says", ["decision 998"]),
        ("see finding A16", ["finding A16"]),
    ],
)
def test_what_counts_as_citing(text, want):
    assert missing(text, ROOT / "README.md") == want


def test_the_index_names_each_decision_once():
    index = (ROOT / "docs" / "decisions" / "README.md").read_text(encoding="utf-8")
    named: list[str] = []
    for row in re.findall(r"^\| ([\d, to]+) \|", index, re.MULTILINE):
        for first, last in re.findall(r"(\d{3})(?: to (\d{3}))?", row):
            numbers = {f"{number:03}" for number in range(int(first), int(last or first) + 1)}
            named.extend(numbers & DECISIONS)
            assert {first, last or first} <= DECISIONS
    assert sorted(named) == sorted(DECISIONS)
