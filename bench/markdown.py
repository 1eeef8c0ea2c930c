"""Text of files in pages and on terminals: names and notes that anybody may have written. PURE.

Called by what makes tables of reports and of raw data.
"""

import html
from collections.abc import Sequence

from cli.printers.style import visible


def plain(text: str) -> str:
    """Return a text on one line that is no mark-up of Markdown's HTML or tables, and does nothing to a
    terminal.
    """
    shown = visible(text.replace("\n", " ").replace("\t", " "))
    return html.escape(shown, quote=False).replace("|", "&#124;")


def row(cells: Sequence[str]) -> str:
    """Return a row of a table."""
    return f"| {' | '.join(map(plain, cells))} |"
