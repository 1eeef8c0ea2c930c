"""What modules, documents and tests cite is in the repository.

Documents by their paths, their headings, decisions by their numbers.
"""

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
#: the number of each decision, and the page that has it
DECISIONS = sorted(
    (number, path.name)
    for path in (ROOT / "docs" / "decisions").glob("*.md")
    for number in re.findall(r"^## (\d{3}) ", path.read_text(), re.MULTILINE)
)
NUMBERS = {number for number, _ in DECISIONS}
_DOCUMENT = re.compile(r"(?<![\w./:{}*$-])((?:[\w.-]+/)*[\w-][\w.-]*\.md)\b")
_DECISIONS = re.compile(r"\bdecisions? (\d{3}(?:(?:, | and | to |, and )\d{3})*)\b", re.IGNORECASE)
_LINK = re.compile(r"\]\((?!\w+:)([^)\s#]*)#([^)\s]+)\)")
_BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_NOTES = re.compile(r"\b(?:finding|issue) (?:[A-H]?\d+)\b|\.\./shared\b", re.IGNORECASE)
_ROWS = re.compile(r"\b(?:rows?|requirements?) ([A-E]\d+(?:(?:, | and |, and )[A-E]\d+)*)\b", re.IGNORECASE)
_INVARIANTS = re.compile(r"(?:\(|\binvariants? )(I\d+)\b")
ROWS = set(re.findall(r"^\| ([A-E]\d+) \|", (ROOT / "docs" / "requirements.md").read_text(), re.MULTILINE))
INVARIANTS = set(re.findall(r"^\| (I\d+) \|", (ROOT / "docs" / "invariants.md").read_text(), re.MULTILINE))


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
    found.extend(f"decision {number}" for number in numbers if number not in NUMBERS)
    rows = [row for group in _ROWS.findall(text) for row in re.findall(r"[A-E]\d+", group)]
    found.extend(f"row {row}" for row in rows if row not in ROWS)
    found.extend(f"invariant {one}" for one in _INVARIANTS.findall(text) if one not in INVARIANTS)
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


def headings(text: str) -> set[str]:
    """Return what a link may name of a document, as GitHub makes it.

    Lower case, without punctuation, spaces as hyphens.
    """
    lines = re.findall(r"^#+ (.*)$", _BLOCK.sub("", text), re.MULTILINE)
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", line).strip().lower() for line in lines)
    return {re.sub(r"[^\w\- ]", "", line).replace(" ", "-") for line in plain}


def leads_nowhere(text: str, at: Path) -> list[str]:
    """Return the links of a document to headings that there are not, in itself or in another."""
    found = []
    for name, heading in _LINK.findall(_BLOCK.sub("", text)):
        page = at.parent / name if name else at
        if page.suffix != ".md":
            continue
        there = text if not name else page.read_text(encoding="utf-8") if page.exists() else ""
        if heading not in headings(there):
            found.append(f"{name}#{heading}")
    return found


def test_links_to_headings_lead_somewhere():
    wrong = {
        str(path.relative_to(ROOT)): found
        for path in written()
        if path.suffix == ".md" and (found := leads_nowhere(path.read_text(encoding="utf-8"), path))
    }
    assert wrong == {}


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("# One's `own`, in 10\n[a](#ones-own-in-10)", []),
        ("# One\n[a](#two)", ["#two"]),
        ("```\n# two\n```\n[a](#two)", ["#two"]),
        ("[a](docs/node.md#nothing-of-it)", ["docs/node.md#nothing-of-it"]),
        ("[a](https://example.com/page.md#x)", []),
        ("```\n[a](#two)\n```", []),
    ],
)
def test_which_links_lead_nowhere(text, want):
    assert leads_nowhere(text, ROOT / "README.md") == want


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
        ("as ../shared/notes has it", ["../shared"]),
        ("(rows A6, B9)", []),
        ("rows A6 and D99", ["row D99"]),
        ("never twice (I1), nor there (I99)", ["invariant I99"]),
    ],
)
def test_what_counts_as_citing(text, want):
    assert missing(text, ROOT / "README.md") == want


def test_the_index_says_of_each_decision_which_page_has_it():
    index = (ROOT / "docs" / "decisions" / "README.md").read_text()
    rows = re.findall(r"^\| \[[\w-]+\]\(([\w-]+\.md)\) \|[^|]*\| ([\d, ]+) \|$", index, re.MULTILINE)
    assert sorted((number, page) for page, numbers in rows for number in numbers.split(", ")) == DECISIONS
    assert len(NUMBERS) == len(DECISIONS), "two decisions have one number"
