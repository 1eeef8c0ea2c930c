"""From the text of a lesson to its parts.

The form is Markdown, as people read it on a web page, with less freedom:

- between two lines `---` what is known of it: `row`, `documents`, `runs`, `needs`;
- `# TITLE`; then sections with the headings of `model.HEADINGS`, in their order, all but the last required;
- paragraphs, lists (`- `), with `code`, **strong** and [links](target) in them;
- ```` ```sh ```` opens what is to be typed. Words behind it: `until` (again, until the output is as expected),
  `fails` (it is refused). ```` ```output ```` right after it opens what is printed then (`matching`).
"""

import re
from collections.abc import Iterator
from dataclasses import replace

from vaina.lessons.model import (
    HEADINGS,
    NEEDS,
    RUNS,
    Block,
    Command,
    Lesson,
    LessonError,
    Prose,
    Section,
    Span,
)

_FENCE = "```"
_WORDS = frozenset({"until", "fails"})
_KEYS = ("row", "documents", "runs", "needs")
_SPAN = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*|\[([^\]]+)\]\(([^)\s]+)\)")


class _Lines:
    """The lines of a file, with the place where one is."""

    def __init__(self, text: str, source: str) -> None:
        self._lines, self.source, self.number = text.splitlines(), source, 0

    def __iter__(self) -> Iterator[str]:
        while self.number < len(self._lines):
            self.number += 1
            yield self._lines[self.number - 1]

    def back(self) -> None:
        """See the last line once more."""
        self.number -= 1

    def wrong(self, words: str, line: int = 0) -> LessonError:
        return LessonError(self.source, line or self.number, words)


def parse(text: str, language: str, source: str = "lesson") -> Lesson:
    """Read a lesson.

    Args:
        text: the file's.
        language: a key of HEADINGS.
        source: how errors name the file.

    Raises:
        LessonError: It is not of the form.
    """
    lines = _Lines(text, source)
    known = _front_matter(lines)
    title = _title(lines)
    sections = tuple(_sections(lines, HEADINGS[language]))
    missing = [heading for name, heading in HEADINGS[language].items() if name != "tidy"][len(sections) :]
    if missing:
        raise lines.wrong(f"the section '{missing[0]}' is missing")
    lesson = Lesson(
        row=known["row"], language=language, title=title, documents=tuple(known["documents"].split()),
        runs=known["runs"], needs=tuple(known.get("needs", "").split()), sections=sections,
    )  # fmt: skip
    if not lesson.commands:
        raise lines.wrong("there is nothing to type in it")
    return lesson


def _front_matter(lines: _Lines) -> dict[str, str]:
    known: dict[str, str] = {}
    for line in lines:
        if lines.number == 1:
            if line != "---":
                raise lines.wrong("a lesson begins with a line '---'")
            continue
        if line == "---":
            break
        key, colon, value = line.partition(":")
        if not colon or key not in _KEYS:
            raise lines.wrong(f"'{line}' is none of {', '.join(_KEYS)}, with a colon and its value")
        known[key] = value.strip()
        _look_at(lines, key, known[key])
    else:
        raise lines.wrong("the line '---' that ends what is known of the lesson is missing")
    for key in ("row", "documents", "runs"):
        if not known.get(key):
            raise lines.wrong(f"'{key}' is missing")
    return known


def _look_at(lines: _Lines, key: str, value: str) -> None:
    """Raise LessonError when a value is none that its key may have."""
    if key == "row" and not re.fullmatch(r"[A-E][1-9]\d?", value):
        raise lines.wrong(f"'{value}' is no row")
    if key == "documents" and not all(re.fullmatch(r"00[0-4]", one) for one in value.split()):
        raise lines.wrong(f"'{value}': documents are 000 to 004, apart by spaces")
    if key == "runs" and value not in RUNS:
        raise lines.wrong(f"runs '{value}' is none of {', '.join(RUNS)}")
    if key == "needs" and (unknown := set(value.split()) - set(NEEDS)):
        raise lines.wrong(f"needs '{min(unknown)}' is none of {', '.join(NEEDS)}")


def _title(lines: _Lines) -> str:
    for line in lines:
        if line.startswith("# "):
            return line[2:].strip()
        if line.strip():
            break
    raise lines.wrong("a title ('# ...') is expected here")


def _sections(lines: _Lines, headings: dict[str, str]) -> Iterator[Section]:
    wanted = iter(headings.items())
    for line in lines:
        if not line.strip():
            continue
        name, heading = next(wanted, ("", ""))
        if line != f"## {heading}":
            expected = f"'## {heading}'" if heading else "the end"
            raise lines.wrong(f"{expected} is expected here")
        yield Section(name, heading, tuple(_blocks(lines)))


def _blocks(lines: _Lines) -> Iterator[Block]:
    """Yield what stands in a section, up to the heading of the next one."""
    first, empty = lines.number, True
    for line in lines:
        if line.startswith("## "):
            lines.back()
            break
        if not line.strip():
            continue
        empty = False
        yield _block(lines, line)
    if empty:
        raise lines.wrong("there is nothing in this section", first)


def _block(lines: _Lines, line: str) -> Block:
    if line.startswith(_FENCE):
        return _command(lines, line)
    if line.startswith("#"):
        raise lines.wrong("no other headings than those of sections")
    item = line.startswith("- ")
    words = [line.removeprefix("- ").strip()]
    for more in lines:
        if not more.strip() or more.startswith(("- ", _FENCE, "#")):
            lines.back()
            break
        words.append(more.strip())
    return Prose(spans(" ".join(words)), item)


def _command(lines: _Lines, line: str) -> Command:
    begin = lines.number
    language, *words = line.removeprefix(_FENCE).split() or [""]
    if language != "sh":
        raise lines.wrong(f"'{line}': what is typed begins with ```sh, and ```output stands right behind it")
    if unknown := set(words) - _WORDS:
        raise lines.wrong(f"'{min(unknown)}' is none of {', '.join(sorted(_WORDS))}")
    script = "\n".join(_fenced(lines))
    if not script.strip():
        raise lines.wrong("there is nothing to type", begin)
    command = Command(script, begin, until="until" in words, fails="fails" in words)
    return replace(command, output=_output(lines, command))


def _output(lines: _Lines, command: Command) -> tuple[str, ...] | None:
    for line in lines:
        if line.startswith(f"{_FENCE}output"):
            return tuple(_fenced(lines))
        if line.strip():
            lines.back()
            break
    if command.until:
        raise lines.wrong("what is repeated until its output is as expected needs an output", command.line)
    return None


def _fenced(lines: _Lines) -> Iterator[str]:
    begin = lines.number
    for line in lines:
        if line == _FENCE:
            return
        yield line
    raise lines.wrong("this block has no end", begin)


def spans(text: str) -> tuple[Span, ...]:
    """Take a line of prose apart."""
    found: list[Span] = []
    place = 0
    for match in _SPAN.finditer(text):
        if match.start() > place:
            found.append(Span("text", text[place : match.start()]))
        code, strong, label, target = match.groups()
        if code is not None:
            found.append(Span("code", code))
        elif strong is not None:
            found.append(Span("strong", strong))
        else:
            found.append(Span("link", label, target))
        place = match.end()
    if place < len(text):
        found.append(Span("text", text[place:]))
    return tuple(found)
