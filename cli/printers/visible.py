"""Text of objects, so that it can do nothing to a terminal. PURE.

Anybody who may write an object, or a container's last words, decides what its texts hold: escapes that move
the cursor, hide lines or type into the terminal's answer, marks that turn the direction of writing. `Shell`
sends all that it prints through here; what draws columns does so before it measures. The two replacements
that kubectl makes are its own (`k8s.io/cli-runtime/pkg/printers/terminal.go`); it lets the other control
characters through.
"""

import re
from typing import Final

#: ESC and carriage return as kubectl shows them
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
