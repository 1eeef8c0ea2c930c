"""Tables as kubectl prints them: columns padded to their widest cell plus three spaces."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from cli.printers.style import PLAIN, Paint, visible

_PADDING: Final = 3
_MIN_WIDTH: Final = 6
_BREAK: Final = re.compile("[\f\n\r]")

#: cell -> style
Styler = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headers."""

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    #: header -> what colours its cells
    stylers: dict[str, Styler] = field(default_factory=dict[str, Styler])


def one_line(text: str) -> str:
    """Return the first line of a text, marked when there are more: `printers/tableprinter.go` of cli-runtime."""
    first, *more = _BREAK.split(text, maxsplit=1)
    return f"{visible(first)}{'...' if more else ''}"


def column_widths(rows: Sequence[Sequence[str]]) -> list[int]:
    """Return the widths of all columns, padding included."""
    return [
        max(max(len(cell) for cell in column) + _PADDING, _MIN_WIDTH) for column in zip(*rows, strict=True)
    ]


def render_table(
    table: Table, *, paint: Paint = PLAIN, show_headers: bool = True, widths: Sequence[int] | None = None
) -> str:
    """Write a table; no trailing spaces, a newline after each row. `widths` keeps rows of a watch in line."""
    rows = [[one_line(cell) for cell in row] for row in table.rows]
    shown = [list(table.headers), *rows] if show_headers else rows
    if not shown:
        return ""
    found = column_widths([list(table.headers), *rows] if show_headers or not rows else rows)
    if widths is not None:
        found = [max(pair) for pair in zip(found, widths, strict=True)]
    stylers = [table.stylers.get(header) for header in table.headers]
    lines: list[str] = []
    for index, row in enumerate(shown):
        is_header = show_headers and index == 0
        cells: list[str] = []
        for place, cell in enumerate(row):
            styler = stylers[place]
            style = "bold" if is_header else styler(cell) if styler is not None else ""
            padding = " " * (found[place] - len(cell)) if place < len(row) - 1 else ""
            cells.append(paint(style, cell) + padding)
        lines.append("".join(cells).rstrip(" ") + "\n")
    return "".join(lines)
