"""List the rows of docs/requirements.md, each with its lesson: make verify-lessons.

Fails when a row has none in a language, or one that cannot be read. That lessons are true is shown by
tests/cluster/test_lessons.py, which runs them.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from vaina.lessons.model import HEADINGS, Lesson, LessonError  # noqa: E402
from vaina.lessons.shelf import read  # noqa: E402

REQUIREMENTS = ROOT / "docs" / "requirements.md"
#: when the tests run them
WHEN = {"quick": "make test", "soak": "make soak", "apart": "make soak, on a cluster of its own"}


def main() -> int:
    """Print the table; return 1 when a row has no lesson in a language, or one that cannot be read."""
    rows = re.findall(r"^\| ([A-E]\d+) \|", REQUIREMENTS.read_text(encoding="utf-8"), re.MULTILINE)
    problems: list[str] = []
    for row in rows:
        found: list[Lesson] = []
        for language in HEADINGS:
            try:
                lesson = read(row, language)
            except LessonError as error:
                problems.append(str(error))
                continue
            if lesson is not None:
                found.append(lesson)
            else:
                problems.append(f"{row}: there is no docs/lessons/{language}/{row}.md")
        languages = " ".join(lesson.language for lesson in found)
        if found:
            print(f"{row:4} {languages:6} {WHEN[found[0].runs]:34}  {found[0].title}")
        else:
            print(f"{row:4} MISSING")
    for problem in problems:
        print(f"verify-lessons: {problem}", file=sys.stderr)
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
