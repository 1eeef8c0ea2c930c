"""Colour as an option: a `Paint` that colours, or one that leaves text as it is (pipes, NO_COLOR)."""

from dataclasses import dataclass
from typing import Final

_CODES: Final = {
    "bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "magenta": "35", "cyan": "36",
    "bold green": "1;32", "bold red": "1;31", "bold cyan": "1;36", "bold yellow": "1;33",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Paint:
    """Colours text, if it may."""

    enabled: bool = False

    def __call__(self, style: str, text: str) -> str:
        """Return the text in a style; as it is without colours, without a style, or when it is empty."""
        if not self.enabled or not style or not text:
            return text
        return f"\x1b[{_CODES[style]}m{text}\x1b[0m"


PLAIN: Final = Paint()
