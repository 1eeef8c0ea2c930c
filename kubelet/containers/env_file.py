"""One variable out of a file that a container wrote (fileKeyRef, KEP-3721).

A strict part of what a POSIX shell reads. PURE.

Follows `pkg/kubelet/util/env/env_util.go`: `NAME='value'`, the value in single quotes, taken as it stands,
over several lines too; blank lines and comments are skipped. A space behind `=` ends an empty value, as in a
shell.
"""

from collections.abc import Sequence


class EnvFileError(Exception):
    """The file is not of this form; the message says which line is not."""


_WRONG = "invalid environment variable format at line"
_SPACES = " \t"


def find_variable(text: str, name: str) -> str:
    """Return the value of the first variable of this name; "" where there is none, as upstream.

    What stands behind it in the file is not looked at.

    Raises:
        EnvFileError: a line before its end is wrong.
    """
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    at = 0
    while at < len(lines):
        line, number = lines[at].removesuffix("\r").lstrip(_SPACES), at + 1
        at += 1
        if not line or line.startswith("#"):
            continue
        found, value = _split(line, number)
        if value.startswith(tuple(_SPACES)):
            if found == name:
                return ""
            continue
        if not value.startswith("'"):
            raise EnvFileError(f"{_WRONG} {number}: value must be enclosed in single quotes")
        text_of, at = _quoted(value[1:], lines, at)
        if found == name:
            return text_of
    return ""


def _quoted(first: str, lines: Sequence[str], at: int) -> tuple[str, int]:
    """Return the rest of a quoted value, which begins in the line before `at`, and the number of lines that
    are read then.
    """
    parts, begun = [first], at
    while "'" not in parts[-1]:
        if at == len(lines):
            raise EnvFileError(
                f"invalid environment variable format starting at line {begun}: unclosed single quote"
            )
        parts.append(lines[at].removesuffix("\r"))
        at += 1
    parts[-1], _, rest = parts[-1].partition("'")
    if (rest := rest.lstrip(_SPACES)) and not rest.startswith("#"):
        raise EnvFileError(f"{_WRONG} {at}: unexpected content after closing quote")
    return "\n".join(parts), at


def _split(line: str, number: int) -> tuple[str, str]:
    name, sign, value = line.partition("=")
    if not sign:
        raise EnvFileError(f"{_WRONG} {number}: missing '='")
    if not name.rstrip(_SPACES):
        raise EnvFileError(f"{_WRONG} {number}: empty variable name")
    if name != name.rstrip(_SPACES):
        raise EnvFileError(f"{_WRONG} {number}: whitespace before '=' is not allowed")
    return name, value
