"""Lessons as text on a terminal. PURE."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Final

from cli.printers.style import Paint, visible
from vaina.lessons.model import Block, Command, Lesson, Prose, Section, Span
from vaina.texts import Language, Text, say

#: the sections of docs/requirements.md
GROUPS: Final[dict[str, Text]] = {
    "A": say("A. From a manifest to running containers, step by step"),
    "B": say("B. What a Pod is"),
    "C": say("C. The kubelet"),
    "D": say("D. Controllers and templates"),
    "E": say("E. The whole cluster"),
}
#: columns of prose, where there are more
_WIDEST = 100


def listing(titles: Mapping[str, str], language: Language, paint: Paint) -> str:
    """Show which lessons there are: row to title, in the rows' order."""
    lines, group = list[str](), ""
    for row, title in titles.items():
        if row[0] != group:
            group = row[0]
            lines += ["", paint("bold", language.say(GROUPS[group]))]
        lines.append(f"  {row:4}{title}")
    return "\n".join([*lines[1:], "", language("vaina learn A1 begins the first one."), ""])


def heading(lesson: Lesson, language: Language, paint: Paint) -> str:
    """Show what a lesson is called, and what it needs."""
    text = paint("bold cyan", f"{lesson.row}  {lesson.title}") + "\n"
    programs = [need for need in lesson.needs if need != "checkout"]
    if programs:
        text += language("It needs {needs} too.", needs=", ".join(programs)) + "\n"
    if "checkout" in lesson.needs:
        text += language("Type what follows in the project's folder.") + "\n"
    return text


def section_heading(section: Section, paint: Paint) -> str:
    """Show a section's heading."""
    return f"\n{paint('bold', section.heading)}\n"


def prose(block: Prose, width: int, paint: Paint) -> str:
    """Show a paragraph or an entry of a list."""
    first, later = ("  - ", "    ") if block.item else ("", "")
    plain = "".join(_plain(span) for span in block.spans)
    lines = textwrap.wrap(
        plain, min(width, _WIDEST), initial_indent=first, subsequent_indent=later,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
    text = "\n".join(lines)
    for span in block.spans:
        # A text that was broken over two lines stays plain.
        if span.kind in ("code", "strong"):
            style = "cyan" if span.kind == "code" else "bold"
            text = text.replace(_plain(span), paint(style, _plain(span)), 1)
    return f"{text}\n"


def _plain(span: Span) -> str:
    """Return a span as it is typed: code keeps its quotes, a link shows where it leads."""
    if span.kind == "code":
        return f"`{span.text}`"
    return span.text


def typed(command: Command, paint: Paint) -> str:
    """Show what is to be typed."""
    return "".join(f"  {paint('green', visible(line))}\n" for line in command.script.splitlines())


def printed(lines: Sequence[str]) -> str:
    """Show what a command prints."""
    return "".join(f"    {visible(line)}\n" for line in lines)


def whole(lesson: Lesson, language: Language, width: int, paint: Paint) -> str:
    """Show a lesson from its beginning to its end, with what is to be expected."""
    parts = [heading(lesson, language, paint)]
    for section in lesson.sections:
        parts.append(section_heading(section, paint))
        parts += [_shown(block, language, width, paint) for block in section.blocks]
    return "".join(parts)


def _shown(block: Block, language: Language, width: int, paint: Paint) -> str:
    if isinstance(block, Prose):
        return prose(block, width, paint)
    return f"\n{typed(block, paint)}{remark(block, language, paint)}{expected(block, language, paint)}\n"


def remark(command: Command, language: Language, paint: Paint) -> str:
    """Say of a command that it is refused, or repeated."""
    remarks = [language("(This is refused.)")] if command.fails else []
    if command.until:
        remarks.append(language("(Again, until it shows what is expected.)"))
    return "".join(f"  {paint('dim', words)}\n" for words in remarks)


def expected(command: Command, language: Language, paint: Paint) -> str:
    """Show what a command is expected to print; empty where that does not matter."""
    if command.output is None or set(command.output) <= {"..."}:
        return ""
    return f"  {paint('dim', language('It shows something like:'))}\n{printed(command.output)}"
