"""Texts for a terminal: our colours, and nothing that an object could do to it. PURE.

Whoever may write an object, or a container's last words, decides what its texts hold: escapes that move the
cursor, hide lines or type into the terminal's answer, marks that turn the direction of writing. `Shell` sends
all that it prints through `for_terminal`; what draws columns calls `visible` before it measures.

A style stands in a text as marks, which become escapes in `for_terminal`: so our escapes are told from those
of objects. A mark begins with half of a surrogate pair, which no text of an object holds: protobuf carries
UTF-8.
"""

import re
from dataclasses import dataclass
from typing import Final

_MARK: Final = "\ud800"
_CODES: Final = {
    "bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "magenta": "35", "cyan": "36",
    "bold green": "1;32", "bold red": "1;31", "bold cyan": "1;36", "bold yellow": "1;33",
}  # fmt: skip
_MARKS: Final = re.compile(rf"({_MARK}(?:0|{'|'.join(_CODES.values())})m|{_MARK}K)")
#: begins a line that is written over the one before
OVER: Final = f"{_MARK}K"


#: ESC and carriage return as kubectl shows them (`k8s.io/cli-runtime/pkg/printers/terminal.go`); it lets the
#: other control characters through
_AS_KUBECTL: Final = {"\x1b": "^[", "\r": "\\r"}
#: controls of both sets but newline and tab, what turns the direction or cannot be seen, and halves of
#: surrogate pairs, which no stream takes
_UNSAFE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"
    "\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)


def _show(match: "re.Match[str]") -> str:
    char = match[0]
    return _AS_KUBECTL.get(char) or (f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}")


def visible(text: str) -> str:
    """Return a text with all that could act on a terminal written out; newlines and tabs stay."""
    return _UNSAFE.sub(_show, text)


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
