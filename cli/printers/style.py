"""Colour as an option: a `Paint` that colours, or one that leaves text as it is (pipes, NO_COLOR).

A style stands in a text as marks, and becomes escapes when the text is written (`for_terminal`): so every
escape that comes from an object can be made harmless there, and ours are told from it. A mark begins with
half of a surrogate pair, which no text of an object can hold: protobuf carries UTF-8.
"""

import re
from dataclasses import dataclass
from typing import Final

from cli.printers.visible import visible

_MARK: Final = "\ud800"
_CODES: Final = {
    "bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "magenta": "35", "cyan": "36",
    "bold green": "1;32", "bold red": "1;31", "bold cyan": "1;36", "bold yellow": "1;33",
}  # fmt: skip
_MARKS: Final = re.compile(rf"({_MARK}(?:0|{'|'.join(_CODES.values())})m|{_MARK}K)")
#: begins a line that is written over the one before
OVER: Final = f"{_MARK}K"


@dataclass(frozen=True, slots=True)
class Paint:
    """Colours text, if it may."""

    enabled: bool = False

    def __call__(self, style: str, text: str) -> str:
        """Return the text in a style; as it is without colours, without a style, or when it is empty."""
        if not self.enabled or not style or not text:
            return text
        return f"{_MARK}{_CODES[style]}m{text}{_MARK}0m"


PLAIN: Final = Paint()


def for_terminal(text: str) -> str:
    """Return a text as it is written: styles as escapes, and nothing else that could act on a terminal."""
    if _MARK not in text:
        return visible(text)
    parts = _MARKS.split(text)
    # Every second part is a mark.
    parts[::2] = [visible(part) for part in parts[::2]]
    parts[1::2] = ["\r\x1b[K" if mark == OVER else f"\x1b[{mark[1:]}" for mark in parts[1::2]]
    return "".join(parts)
