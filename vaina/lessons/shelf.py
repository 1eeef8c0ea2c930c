"""Where the lessons are: beside this module in an installed package, in docs/lessons of a checkout."""

import re
from pathlib import Path

from vaina.lessons.model import HEADINGS, Lesson
from vaina.lessons.parse import parse

_INSTALLED = Path(__file__).resolve().parent / "files"
_CHECKOUT = Path(__file__).resolve().parents[2] / "docs" / "lessons"
FALLBACK = "en"


def folder() -> Path:
    """Return the folder of the lessons: in it a folder a language, in that a file a row."""
    return _INSTALLED if _INSTALLED.is_dir() else _CHECKOUT


def rows(language: str, place: Path | None = None) -> list[str]:
    """Return the rows that have a lesson in a language, in the order of docs/requirements.md."""
    names = [path.stem for path in ((place or folder()) / language).glob("*.md")]
    return sorted((name for name in names if re.fullmatch(r"[A-E]\d+", name)), key=order)


def order(row: str) -> tuple[str, int]:
    """Return what rows are sorted by: B2 comes before B10."""
    return row[0], int(row[1:])


def read(row: str, language: str, place: Path | None = None) -> Lesson | None:
    """Read the lesson of a row; None: there is none. Raises LessonError."""
    if language not in HEADINGS or row not in rows(language, place):
        return None
    path = (place or folder()) / language / f"{row}.md"
    return parse(path.read_text(encoding="utf-8"), language, str(path))
