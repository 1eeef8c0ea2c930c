"""docs/lessons: each lesson is there in all languages, and says the same in them."""

import re

import pytest

from tests.support.cluster import ROOT
from vaina.lessons.model import HEADINGS, Lesson, Prose
from vaina.lessons.shelf import folder, read, rows

LANGUAGES = sorted(HEADINGS)
#: what is typed in the project's own folder
OF_THE_CHECKOUT = re.compile(
    r"(?:^|[\s(=])(?:(?:deploy|examples|tools|docs|bench|tests|\.tools|\.venv)/[\w./-]+|make [a-z-]+)"
)


def lesson(row: str, language: str) -> Lesson:
    found = read(row, language)
    assert found is not None
    return found


@pytest.mark.parametrize("language", LANGUAGES)
def test_lessons_are_of_rows_and_there_in_all_languages(language: str) -> None:
    known = re.findall(
        r"^\| ([A-E]\d+) \|", (ROOT / "docs" / "requirements.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert set(rows(language)) <= set(known)
    assert rows(language) == rows("en")


@pytest.mark.parametrize("row", rows("en"))
def test_languages_have_the_same_commands(row: str) -> None:
    english, *others = (lesson(row, language) for language in sorted(HEADINGS, key=lambda one: one != "en"))
    for other in others:
        assert [(one.script, one.until, one.fails) for one in other.commands] == [
            (one.script, one.until, one.fails) for one in english.commands
        ]
        assert (other.documents, other.runs, other.needs) == (english.documents, english.runs, english.needs)
        assert [part.name for part in other.sections] == [part.name for part in english.sections]
        assert other.title != english.title


@pytest.mark.parametrize("row", rows("en"))
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_lesson_names_its_row_and_what_its_commands_need(row: str, language: str) -> None:
    found = lesson(row, language)
    assert found.row == row
    typed = "\n".join(command.script for command in found.commands)
    for program, need in {"kubectl ": "kubectl", "grpcurl ": "grpcurl"}.items():
        assert program not in typed or need in found.needs, f"{row} types {program}"


@pytest.mark.parametrize("row", rows("en"))
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_lesson_that_names_a_file_of_the_checkout_says_that_it_needs_one(row: str, language: str) -> None:
    found = lesson(row, language)
    named = [
        match[0] for code in (*scripts(found), *codes(found)) for match in OF_THE_CHECKOUT.finditer(code)
    ]
    assert ("checkout" in found.needs) == bool(named), named


def scripts(found: Lesson) -> list[str]:
    return [command.script for command in found.commands]


def codes(found: Lesson) -> list[str]:
    """Return what a lesson's prose has as code: what a reader may try."""
    prose = [block for part in found.sections for block in part.blocks if isinstance(block, Prose)]
    return [span.text for block in prose for span in block.spans if span.kind == "code"]


@pytest.mark.parametrize("row", rows("en"))
@pytest.mark.parametrize("language", LANGUAGES)
def test_links_of_lessons_lead_somewhere(row: str, language: str) -> None:
    for part in lesson(row, language).sections:
        for block in part.blocks:
            for span in block.spans if isinstance(block, Prose) else ():
                if span.kind == "link" and "://" not in span.target:
                    assert (folder() / language / span.target.partition("#")[0]).exists(), span.target


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_index_names_every_lesson_as_it_is_called(language: str) -> None:
    index = (folder() / language / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^- \[([A-E]\d+)\]\(\1\.md\) (.*)$", index, re.MULTILINE)
    assert listed == [(row, lesson(row, language).title) for row in rows(language)]
