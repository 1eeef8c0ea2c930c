"""The form of a lesson: what is read, and what is told of one that is not of the form."""

import re

import pytest

from vaina.lessons.document import document
from vaina.lessons.model import Command, LessonError, Prose, Span
from vaina.lessons.parse import parse, spans

GOOD = """---
row: A1
documents: 002 004
runs: quick
needs: kubectl
---
# A title

## What the document says
One paragraph
of two lines with `code`.

- an item that
  goes on
- **another** one

## Try it
Type this:

```sh
vaina get pods
```
```output
NAME ...
```

```sh until
vaina get pod a
```

```output
a Running
```

## What you see
See.

```sh fails
vaina get pod nope
```

## Why it is so
Why.

## What to break next
- Break it.
"""


def test_a_lesson_is_read() -> None:
    lesson = parse(GOOD, "en", "A1.text")

    assert (lesson.row, lesson.title, lesson.documents) == ("A1", "A title", ("002", "004"))
    assert (lesson.runs, lesson.needs, lesson.language) == ("quick", ("kubectl",), "en")
    assert [part.name for part in lesson.sections] == ["document", "try", "see", "why", "break"]
    first = lesson.sections[0].blocks
    assert [(one.text, one.item) for one in first if isinstance(one, Prose)] == [
        ("One paragraph of two lines with code.", False),
        ("an item that goes on", True),
        ("another one", True),
    ]
    assert lesson.commands == (
        Command("vaina get pods", 20, ("NAME ...",)),
        Command("vaina get pod a", 27, ("a Running",), until=True),
        Command("vaina get pod nope", 38, None, fails=True),
    )


def test_prose_has_spans() -> None:
    assert spans("a `b` **c** [d](../e) f") == (
        Span("text", "a "),
        Span("code", "b"),
        Span("text", " "),
        Span("strong", "c"),
        Span("text", " "),
        Span("link", "d", "../e"),
        Span("text", " f"),
    )


def test_a_lesson_as_json() -> None:
    shown = document(parse(GOOD, "en"))

    assert shown["row"] == "A1"
    [_, *commands] = shown["sections"][1]["blocks"]
    assert commands[1] == {
        "kind": "command", "script": "vaina get pod a", "output": "a Running", "until": True, "fails": False,
    }  # fmt: skip
    assert shown["sections"][0]["blocks"][0]["spans"][1] == {"kind": "code", "text": "code", "target": ""}


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("---\nrow", "row", 1, "a lesson begins with a line '---'"),
        ("row: A1", "row: F1", 2, "'F1' is no row"),
        ("row: A1\n", "", 5, "'row' is missing"),
        ("002 004", "002 005", 3, "'002 005': documents are 000 to 004, apart by spaces"),
        ("runs: quick", "runs: often", 4, "runs 'often' is none of quick, soak, apart"),
        ("needs: kubectl", "needs: luck", 5, "needs 'luck' is none of kubectl, grpcurl, checkout"),
        ("needs: kubectl", "colour: red", 5, "'colour: red' is none of row, documents, runs, needs"),
        ("# A title", "A title", 7, "a title ('# ...') is expected here"),
        ("## Try it", "## Do it", 17, "'## Try it' is expected here"),
        ("## Try it", "### Try it", 17, "no other headings than those of sections"),
        ("See.\n\n```sh fails\nvaina get pod nope\n```\n", "", 35, "there is nothing in this section"),
        ("```sh until", "```sh soon", 27, "'soon' is none of fails, until"),
        ("```sh until", "```yaml", 27, "what is typed begins with ```sh"),
        ("```output\na Running\n```", "", 27, "needs an output"),
        ("pod nope\n```", "pod nope", 38, "this block has no end"),
        ("vaina get pods\n", "\n", 20, "there is nothing to type"),
        ("\n## What to break next\n- Break it.\n", "", 43, "'What to break next' is missing"),
        ("- Break it.\n", "- Break it.\n\n## Tidy up\nDo.\n\n## More\nx\n", 51, "the end is expected here"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(old: str, new: str, line: int, words: str) -> None:
    assert old in GOOD
    with pytest.raises(LessonError, match=re.escape(words)) as caught:
        parse(GOOD.replace(old, new, 1), "en", "A1.text")

    assert str(caught.value).startswith(f"A1.text:{line}: ")
